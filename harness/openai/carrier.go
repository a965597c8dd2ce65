package openai

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/llmsweep/llmsweep/harness/openai/internal/http1"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/workload"
)

// The transports, as -transport and the files name them.
const (
	AutoTransport = "auto"    // OwnTransport where it can be
	OwnTransport  = "own"     // one goroutine a request, stamps of socket reads: see internal/http1
	NetHTTP       = "nethttp" // net/http's, which knows proxies
	HTTP2         = "http2"   // net/http's, by HTTP/2 alone
)

// carrier takes one request to a server and brings the response. abort may be called by other goroutines, until close.
type carrier interface {
	send(ctx context.Context, serial int, r *workload.Request) error // returns when the response's head came
	status() int
	header(name string) []byte // name in lower case; nil: none
	next() ([]byte, error)     // some bytes of the body, valid until the next call
	stamp() int64              // of the socket read that brought what next gave
	abort(cause error)
	fill(s *record.Sample)
	close()
}

// own is a carrier over internal/http1. It is used again and again.
type own struct {
	call   http1.Call
	client *Client
	fields [2]http1.Field
}

func (o *own) send(ctx context.Context, serial int, r *workload.Request) error {
	c := o.client
	if c.routeErr != nil {
		return c.routeErr
	}
	fields := o.fields[:0]
	if c.config.Header[requestIDHeader] == nil {
		fields = append(fields, http1.Field{Name: requestIDHeader, Value: r.ID})
	}
	if c.config.Header[traceHeader] == nil {
		fields = append(fields, http1.Field{Name: traceHeader, Value: r.Traceparent})
	}
	return o.call.Do(ctx, c.routes[serial%len(c.routes)], fields, r.Body)
}

func (o *own) status() int               { return o.call.Status() }
func (o *own) header(name string) []byte { return o.call.Header(name) }
func (o *own) next() ([]byte, error)     { return o.call.Next() }
func (o *own) stamp() int64              { return o.call.Stamp() }
func (o *own) abort(cause error)         { o.call.Abort(cause) }
func (o *own) close()                    { o.call.Close() }

func (o *own) fill(s *record.Sample) {
	t := o.call.Trace()
	s.SentNS, s.HeadersNS = t.Sent, t.Head
	s.Conn = record.Conn{
		Reused: t.Reused, DNSNS: t.DNS, ConnectNS: t.Connect, TLSNS: t.TLS, Remote: t.Remote,
		GotNS: t.Got, BytesSent: t.BytesSent, Stale: t.Stale,
	}
	if t.Head != record.Never {
		s.StampSource = record.SocketRead
	}
}

const (
	requestIDHeader = "X-Request-Id"
	traceHeader     = "Traceparent"
)

// header is what all requests send.
func (config *Config) header() http.Header {
	header := http.Header{"Content-Type": {"application/json"}, "Accept": {"text/event-stream"}}
	if config.Whole {
		header.Set("Accept", "application/json")
	}
	if config.UserAgent != "" {
		header.Set("User-Agent", config.UserAgent)
	}
	for name, values := range config.Header {
		header[name] = values
	}
	return header
}

// ownRoutes renders the heads of requests to each endpoint.
func ownRoutes(config *Config, t *http1.Transport) ([]*http1.Route, error) {
	var routes []*http1.Route
	var failures []error
	for _, u := range config.Endpoints {
		route, err := t.Route(http.MethodPost, u, config.Header.Get("Host"), config.header())
		routes, failures = append(routes, route), append(failures, err)
	}
	return routes, errors.Join(failures...)
}

// Proxied reports whether a proxy of the environment stands before one of the endpoints.
func Proxied(endpoints []*url.URL) bool {
	for _, u := range endpoints {
		proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u})
		if proxy != nil || err != nil {
			return true // net/http says what is wrong with it
		}
	}
	return false
}
