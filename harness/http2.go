package harness

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"time"

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

// oldTimeout bounds the question whether a server speaks HTTP/1.1.
const oldTimeout = 5 * time.Second

// refuseHTTP1 makes the error of a server that was asked by HTTP/2 final where it answers HTTP/1.1, whatever it answers. By the error itself that
// cannot be told from a server that is starting: what comes instead of frames may have closed the connection already.
func (s *Sweep) refuseHTTP1(ctx context.Context, chat *url.URL, err error) error {
	if err == nil || s.Plan.Transport != openai.HTTP2 || statusOf(err) != 0 || ctx.Err() != nil {
		return err
	}
	prober, done := s.proberBy(chat, false)
	defer done()
	within, cancel := context.WithTimeout(ctx, oldTimeout)
	defer cancel()
	if _, _, old := prober.Models(within); old != nil && statusOf(old) == 0 {
		return err
	}
	return refusal{fmt.Errorf("the server, or a proxy before it, speaks HTTP/1.1 and not HTTP/2: use -transport own or nethttp (%w)", err), startGrace}
}
