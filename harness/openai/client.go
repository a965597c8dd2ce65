// Package openai is the client: it sends one request to an OpenAI-compatible server and turns what happened into one
// record.Sample.
//
// The stamp of a chunk is the return of the socket read that completed it, taken before anything is decoded. What a request asks
// is decided by package workload; when, by package harness; what the stamps mean, by package metric. There are no retries, unless
// the caller asks for them (Config.Retry429), and none that the sample does not tell of: what the server did is what is recorded.
//
// On the way of a token nothing is decoded: a scanner looks at the bytes of an event for content, and only events that say more (usage,
// finish_reason, an error) or are unusual are parsed. Text is kept only while it may have to be counted: see kept.
// Requests go over a transport of our own (internal/http1), or over net/http where a proxy stands before the endpoint or the caller
// wants it (carrier). There the stamp can be that of a later read; the sample says so (record.BodyRead; see arrivals). By HTTP/2 it always is, and
// the connections are shared out by a pool of ours (http2Pool).
//
// A chunk is an event whose first choice has text, reasoning or a tool call in it; role-only and empty ones are none. An answer
// is OK when it has a chunk and ended with [DONE], or cleanly after a finish_reason. One that is asked for as a document (Config.Whole) has one
// chunk, at the last byte of its body. Of several things that went wrong the one
// that the server did wins: a time limit or the end of the caller's context explains a broken stream, but not an error status,
// an error inside the stream or an answer that was complete.
package openai

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/llmsweep/llmsweep/harness/openai/internal/http1"
	"github.com/llmsweep/llmsweep/harness/openai/internal/sse"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/workload"
	"github.com/valyala/fastjson"
)

// Config says where requests go and how long they may take. A zero timeout is no limit.
type Config struct {
	Endpoints   []*url.URL  // the route of each replica; requests go round robin
	Header      http.Header // sent with each request, instead of ours where the names meet
	UserAgent   string
	Concurrency int       // idle connections kept open to each endpoint
	Epoch       time.Time // stamp 0

	Completions bool // the route is CompletionsPath: choices have text instead of messages
	Whole       bool // answers are asked for as JSON documents, not as streams

	RequestTimeout    time.Duration // whole request
	FirstTokenTimeout time.Duration // until the first content chunk
	IdleTimeout       time.Duration // between events after the first content chunk
	ConnectTimeout    time.Duration // of looking up the name, TCP and TLS together; through net/http TLS has it once more

	// Retry429 sends a request again that was refused with status 429: see backoff. Seed draws the waits of servers that name none.
	Retry429 bool
	Seed     uint64

	// Dial replaces the network, as in virtual time. Nil: TCP.
	// All the time that it takes counts as connecting; a proxy of the environment is not used.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Count counts the tokens of a text, for servers that report no usage. Where it fails, chunks are counted.
	Count func(text string) (int, error)
	// Estimate has outputs counted that the server counts too, as long as their text is kept (the first few of an endpoint).
	Estimate bool
	// TLS is the configuration for https; nil is the default one.
	TLS *tls.Config
	// Transport is one of AutoTransport (also if empty), OwnTransport, NetHTTP and HTTP2.
	Transport string
	// NoReuse makes a connection for each request. It has no meaning over HTTP/2.
	NoReuse bool
	// FirstToken, if not nil, is called with the first content chunk of each stream, on the goroutine of its Do.
	FirstToken func()
	// Chunks, if not nil, is raised by each content chunk, for a display that does not wait for requests to end.
	Chunks *atomic.Int64
}

// Client sends requests. It is safe for concurrent use.
type Client struct {
	config    Config
	own       *http1.Transport // nil: transport carries
	routes    []*http1.Route   // to the endpoints
	routeErr  error            // why requests cannot be sent
	transport *http.Transport
	streams   *http2Pool // over transport; nil: HTTP/1.1
	scratch   sync.Pool  // *scratch
	promises  sync.Map   // of *promise by endpoint
}

// scratch is what a request needs and the next one can use again.
type scratch struct {
	exchange exchange
	own      own
	read     []byte // for net/http; internal/http1 has buffers of its own
	decoder  sse.Decoder
	scanner  scanner
	parser   fastjson.Parser
	kept     kept
	document []byte // of an answer that is not streamed
}

// readBuffer is the size of a read buffer for net/http in bytes: a chunk is some 250, so one read takes whatever a server wrote
// together.
const readBuffer = 16 << 10

func (s *scratch) readBuffer() []byte {
	if s.read == nil {
		s.read = make([]byte, readBuffer)
	}
	return s.read
}

// New returns a client whose stamps count from config.Epoch.
func New(config Config) *Client {
	c := &Client{config: config}
	c.scratch.New = func() any { return c.newScratch() }
	if config.Transport != NetHTTP && config.Transport != HTTP2 {
		c.own = &http1.Transport{Epoch: config.Epoch, Dial: config.Dial, TLS: config.TLS, DialTimeout: config.ConnectTimeout, NoReuse: config.NoReuse}
		c.routes, c.routeErr = ownRoutes(&config, c.own)
	}
	if config.Transport != OwnTransport && (c.routeErr != nil || config.Dial == nil && Proxied(config.Endpoints)) {
		c.own = nil
	}
	if c.own == nil {
		c.transport = stampedTransport(&config)
	}
	if config.Transport == HTTP2 {
		c.streams = &http2Pool{transport: c.transport, now: c.Now, conns: map[string][]*http2Conn{}}
	}
	return c
}

func (c *Client) newScratch() *scratch {
	s := new(scratch)
	x := &s.exchange
	x.client, x.scratch = c, s
	x.watch.client, x.watch.interrupt = c, x.interrupt
	s.scanner.completions = c.config.Completions
	s.own.client, s.own.call.Transport, s.own.call.OnWait = c, c.own, x.watch.arm
	s.own.call.OnSent = x.watch.sent
	return s
}

// Transport is the one that carries the requests: OwnTransport, NetHTTP or HTTP2.
func (c *Client) Transport() string {
	switch {
	case c.own != nil:
		return OwnTransport
	case c.streams != nil:
		return HTTP2
	}
	return NetHTTP
}

// Close closes idle connections, and over HTTP/2 all. No request may be on its way.
func (c *Client) Close() {
	switch {
	case c.own != nil:
		c.own.CloseIdleConnections()
	case c.streams != nil:
		c.streams.close()
	default:
		c.transport.CloseIdleConnections()
	}
}

// Now is the current stamp: nanoseconds since the epoch.
func (c *Client) Now() int64 { return time.Since(c.config.Epoch).Nanoseconds() }

// Do sends one request and returns its sample when it has ended, one way or the other. scheduled is the stamp at which it
// should have started. A request that is to be cancelled (workload.Request) ends so if it has not ended by itself before. A cancelled ctx ends it as Cancelled, for the reason in the cause of ctx: see
// Cancellation.
func (c *Client) Do(ctx context.Context, r *workload.Request, scheduled int64) *record.Sample {
	endpoint := c.config.Endpoints[r.Serial%len(c.config.Endpoints)]
	s := &record.Sample{
		Index: r.Index, RequestID: r.ID, Traceparent: r.Traceparent, ToCancel: r.Cancelled, Phase: r.Phase, RequestedOSL: r.OSL, SharedTokens: r.Shared,
		ScheduledNS: scheduled, SentNS: record.Never, HeadersNS: record.Never, FirstByteNS: record.Never,
		FirstVisibleNS: record.Never, LastByteNS: record.Never, ChunksNS: make([]int64, 0, c.chunks(r.OSL)), Endpoint: endpoint.Host,
		Counted: record.Counted{ISL: r.ISL, ClientISL: r.ClientISL}, Unstreamed: c.config.Whole,
	}
	buffers := c.scratch.Get().(*scratch)
	if buffers.exchange.run(ctx, s, r) {
		c.scratch.Put(buffers)
	}
	return s
}

// chunks is how many chunks an answer of so many tokens will have.
func (c *Client) chunks(tokens int) int {
	if c.config.Whole {
		return 1
	}
	return tokens
}
