package harness

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/llmsweep/llmsweep/harness/openai"
)

// http2 refuses what cannot be had by HTTP/2.
func (c *checks) http2(p *Plan) {
	if p.Transport != openai.HTTP2 {
		return
	}
	if p.ConnectionReuse == neverReused {
		c.fault("connection-reuse", neverReused, "needs -transport own or nethttp: over HTTP/2 requests share connections")
	}
	if p.EmbeddedMock || len(p.Forwards) > 0 { // reached past any proxy
		return
	}
	plain := slices.DeleteFunc(slices.Clone(p.Targets), func(u *url.URL) bool { return u.Scheme != "http" })
	if openai.Proxied(plain) {
		c.fault("transport", openai.HTTP2, "cannot go through the proxy of the environment to an http:// endpoint: use -transport nethttp, or name the endpoint in NO_PROXY")
	}
}

// refuseHTTP1 makes the error of a server that speaks HTTP/1.1 where HTTP/2 was asked for final; any other error stays as it is.
func (p *Plan) refuseHTTP1(err error) error {
	if err == nil || p.Transport != openai.HTTP2 {
		return err
	}
	for _, sign := range []string{"looked like an HTTP/1.1 header", "tls: no application protocol", "does not offer HTTP/2"} {
		if strings.Contains(err.Error(), sign) {
			return refusal{fmt.Errorf("the server, or a proxy before it, does not speak HTTP/2: use -transport own or nethttp (%w)", err), startGrace}
		}
	}
	return err
}
