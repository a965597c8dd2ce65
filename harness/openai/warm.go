package openai

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"

	"github.com/llmsweep/llmsweep/harness/openai/internal/http1"
)

// warmDials is how many connections are made at once before a level: more would be a load of its own.
const warmDials = 128

// Warm makes connections to the endpoints, by turns, before they are needed: n of them, or over HTTP/2 as many as n streams need. A failure is no
// reason to stop: the requests will meet it again. A client that does not reuse connections needs none.
//
// net/http makes no connection without a request: through it each is made by a GET of the model list, whatever the answer.
func (c *Client) Warm(ctx context.Context, n int) error {
	switch {
	case c.streams != nil:
		return c.streams.warm(ctx, &c.config, n)
	case c.config.NoReuse || n <= 0:
		return nil
	case c.own == nil:
		return c.warmNetHTTP(ctx, n)
	case c.routeErr != nil:
		return c.routeErr
	}
	return c.own.Warm(ctx, c.routes, n, warmDials)
}

// errShared is of an answer that came by the connection of another.
var errShared = errors.New("the model list came without a body, which would have kept the connection from carrying the next request")

// warmNetHTTP has n answers at once, none of them read to its end: that is what makes n connections of n requests. Then they are read, which
// gives the connections to the pool.
func (c *Client) warmNetHTTP(ctx context.Context, n int) error {
	answers := make([]*http.Response, n)
	err := http1.AtOnce(n, warmDials, func(i int) (err error) {
		var reused bool
		traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { reused = info.Reused }})
		answers[i], err = c.transport.RoundTrip(c.config.question(traced, c.config.Endpoints[i%len(c.config.Endpoints)])) //nolint:bodyclose // drainBody does
		if err == nil && reused {
			return errShared
		}
		return err
	})
	for _, answer := range answers {
		if answer != nil {
			drainBody(answer)
		}
	}
	return err
}

// question asks for the models beside an endpoint.
func (config *Config) question(ctx context.Context, chat *url.URL) *http.Request {
	header := config.header()
	header.Del("Content-Type")
	header.Set("Accept", "application/json")
	u := (&Prober{Chat: chat}).beside("models")
	r := &http.Request{Method: http.MethodGet, URL: u, Host: header.Get("Host"), Header: header, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	return r.WithContext(ctx)
}

// drainBody reads a response to its end, within reason, and closes it.
func drainBody(response *http.Response) {
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, maxProbeBody))
	_ = response.Body.Close()
}
