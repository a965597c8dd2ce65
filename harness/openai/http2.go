package openai

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/llmsweep/llmsweep/harness/openai/internal/http1"
)

// http2Pool shares requests out among HTTP/2 connections.
//
// The connections are net/http's, its pool is not, because that is not made for measuring. It takes a server to allow 100 streams until it has
// its SETTINGS, and sends again what was refused, up to seven times with waits that grow to half a minute: the figures would have them as the
// server's. And where no stream is free every request in wait dials, hundreds of them at once, to go by whichever connection is first.
//
// Here a connection is shared after its first answer, with which its SETTINGS came. A request that finds no free stream makes a connection of its
// own, and its sample says so, as with HTTP/1.1. Nothing is sent again, but for one case, once and without a wait: a kept connection
// whose server was just taking its leave (GOAWAY) and said that it would not look at the request.
type http2Pool struct {
	transport *http.Transport
	now       func() int64

	mu    sync.Mutex
	conns map[string][]*http2Conn // by server
}

// http2Conn is a connection and what is below it.
type http2Conn struct {
	*http.ClientConn
	below net.Conn
}

// errNotHTTP2 is of a server whose TLS knows nothing of offers of protocols: net/http goes on by HTTP/1.1 there.
var errNotHTTP2 = errors.New("tls: the server does not offer HTTP/2 (ALPN)")

// onlyHTTP2 closes a response by another protocol.
func onlyHTTP2(response *http.Response) error {
	if response.ProtoMajor == 2 {
		return nil
	}
	_ = response.Body.Close()
	return errNotHTTP2
}

// roundTrip sends a request and returns when the response's head came. It notes in trace which connection carried it.
func (p *http2Pool) roundTrip(r *http.Request, trace *connTrace) (*http.Response, error) {
	for again := false; ; again = true {
		c := p.reserve(r.URL)
		if c == nil {
			return p.alone(r, trace, again)
		}
		trace.gotStream(p.now(), c.below, true, again)
		response, err := c.RoundTrip(r)
		if err == nil || again || !unseen(err) {
			return response, err
		}
		r = r.WithContext(r.Context())
		if r.Body, err = r.GetBody(); err != nil {
			return nil, err
		}
	}
}

// alone is roundTrip where no stream is free.
func (p *http2Pool) alone(r *http.Request, trace *connTrace, again bool) (*http.Response, error) {
	c, err := p.dial(r.Context(), r.URL)
	if err != nil {
		return nil, err
	}
	trace.gotStream(p.now(), c.below, false, again)
	return p.first(c, r)
}

// unseen tells errors of requests at which the server did not look and will not: they were for a connection that was ending.
func unseen(err error) bool {
	text := err.Error()
	return strings.Contains(text, "graceful shutdown GOAWAY") || strings.Contains(text, "client conn not usable")
}

// reserve returns a connection with a stream free, which the caller now has, or nil.
func (p *http2Pool) reserve(u *url.URL) *http2Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	open := slices.DeleteFunc(p.conns[serverOf(u)], func(c *http2Conn) bool { return c.Err() != nil })
	p.conns[serverOf(u)] = open
	for _, c := range open {
		if c.Reserve() == nil {
			return c
		}
	}
	return nil
}

// dialledKey is of the *http2Conn, in a context, that a dial is for.
type dialledKey struct{}

// dial makes a connection, for the caller alone.
func (p *http2Pool) dial(ctx context.Context, u *url.URL) (*http2Conn, error) {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	c := new(http2Conn)
	var err error
	c.ClientConn, err = p.transport.NewClientConn(context.WithValue(ctx, dialledKey{}, c), u.Scheme, net.JoinHostPort(u.Hostname(), port))
	return c, err
}

// first sends the first request over a connection and then lets others have it.
func (p *http2Pool) first(c *http2Conn, r *http.Request) (*http.Response, error) {
	response, err := c.RoundTrip(r)
	if err == nil {
		err = onlyHTTP2(response)
	}
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[serverOf(r.URL)] = append(p.conns[serverOf(r.URL)], c)
	return response, nil
}

// warm makes as many connections as n requests at once need, going by turns to the endpoints. How many streams a server allows
// is known when the first connection is there.
func (p *http2Pool) warm(ctx context.Context, config *Config, n int) error {
	var servers []*url.URL
	share := map[string]int{} // of the requests, by server
	for i := range n {
		u := config.Endpoints[i%len(config.Endpoints)]
		if share[serverOf(u)]++; share[serverOf(u)] == 1 {
			servers = append(servers, u)
		}
	}
	first := http1.AtOnce(len(servers), warmDials, func(i int) error { return p.open(ctx, config, servers[i]) })
	var more []*url.URL
	for _, u := range servers {
		streams := p.free(u)
		for need := share[serverOf(u)] - streams; streams > 0 && need > 0; need -= streams {
			more = append(more, u)
		}
	}
	rest := http1.AtOnce(len(more), warmDials, func(i int) error { return p.open(ctx, config, more[i]) })
	if first != nil {
		return first
	}
	return rest
}

// open makes a connection and gets to know it by a question that costs the server little.
func (p *http2Pool) open(ctx context.Context, config *Config, u *url.URL) error {
	c, err := p.dial(ctx, u)
	if err != nil {
		return err
	}
	response, err := p.first(c, config.question(ctx, u))
	if err == nil {
		drainBody(response)
	}
	return err
}

// free is how many streams can be had of a server without a further connection.
func (p *http2Pool) free(u *url.URL) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, c := range p.conns[serverOf(u)] {
		n += c.Available()
	}
	return n
}

func (p *http2Pool) close() {
	p.mu.Lock()
	all := p.conns
	p.conns = map[string][]*http2Conn{}
	p.mu.Unlock()
	for _, conns := range all {
		for _, c := range conns {
			_ = c.Close()
		}
	}
}

func serverOf(u *url.URL) string { return u.Scheme + "://" + u.Host }
