// Package openai is the client: it sends one request to an OpenAI-compatible server and turns what happened into one
// record.Sample.
//
// The stamp of a chunk is the return of the socket read that completed it, taken inside the connection before anything is
// decoded. (Over TLS it is that of the next read if an HTTP chunk behind it came only in part: see arrivals.) What a request asks
// is decided by package workload; when, by package harness; what the stamps mean, by package metric. There are no retries: what
// the server did is what is recorded.
//
// On the way of a token nothing is decoded: a scanner looks at the bytes of an event for content, and only events that say more (usage,
// finish_reason, an error) or are unusual are parsed. Text is kept only while it may have to be counted: see kept.
//
// A chunk is an event whose first choice has text, reasoning or a tool call in it; role-only and empty ones are none. An answer
// is OK when it has a chunk and ended with [DONE], or cleanly after a finish_reason. Of several things that went wrong the one
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

	"github.com/llmsweep/llmsweep/harness/openai/internal/sse"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/workload"
	"github.com/valyala/fastjson"
)

// Config says where requests go and how long they may take. A zero timeout is no limit.
type Config struct {
	Endpoints   []*url.URL  // the chat route of each replica; requests go round robin
	Header      http.Header // sent with each request, instead of ours where the names meet
	UserAgent   string
	Concurrency int       // idle connections kept open to each endpoint
	Epoch       time.Time // stamp 0

	RequestTimeout    time.Duration // whole request
	FirstTokenTimeout time.Duration // until the first content chunk
	IdleTimeout       time.Duration // between events after the first content chunk

	// Dial replaces the network, as in virtual time. Nil: TCP.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Count counts the tokens of a text, for servers that report no usage.
	Count func(text string) int
	// Chunks, if not nil, is raised by each content chunk, for a display that does not wait for requests to end.
	Chunks *atomic.Int64
}

// Client sends requests. It is safe for concurrent use.
type Client struct {
	config    Config
	transport *http.Transport
	scratch   sync.Pool // *scratch
	promises  sync.Map  // of *promise by endpoint
}

// scratch is what a request needs and the next one can use again.
type scratch struct {
	read    []byte
	decoder sse.Decoder
	scanner scanner
	parser  fastjson.Parser
	kept    kept
}

// readBuffer is the size of a connection's and of a request's read buffer in bytes: a chunk is some 250, so one read takes
// whatever a server wrote together.
const readBuffer = 16 << 10

// New returns a client whose stamps count from config.Epoch.
func New(config Config) *Client {
	c := &Client{config: config}
	c.scratch.New = func() any { return &scratch{read: make([]byte, readBuffer)} }
	c.transport = NewTransport(config.Dial)
	c.transport.MaxIdleConnsPerHost = config.Concurrency
	dial := c.transport.DialContext
	c.transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &stampedConn{Conn: conn, epoch: config.Epoch}, nil
	}
	return c
}

// NewTransport returns the HTTP/1.1 transport that measurements and probes share; dial replaces TCP where it is not nil. HTTP/2
// would put all streams on one connection, where they queue behind each other and behind the server's stream limit.
func NewTransport(dial func(ctx context.Context, network, address string) (net.Conn, error)) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	t := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: dial, Protocols: protocols, DisableCompression: true,
		ReadBufferSize: readBuffer, WriteBufferSize: 32 << 10, TLSHandshakeTimeout: 30 * time.Second, IdleConnTimeout: 5 * time.Minute,
	}
	if dial == nil {
		t.DialContext = (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	} else {
		t.Proxy = nil
	}
	return t
}

// Close closes idle connections.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// Now is the current stamp: nanoseconds since the epoch.
func (c *Client) Now() int64 { return time.Since(c.config.Epoch).Nanoseconds() }

// Do sends one request and returns its sample when it has ended, one way or the other. scheduled is the stamp at which it
// should have started. A cancelled ctx ends it as Cancelled, with the cause of ctx as the reason.
func (c *Client) Do(ctx context.Context, r *workload.Request, scheduled int64) *record.Sample {
	endpoint := c.config.Endpoints[r.Serial%len(c.config.Endpoints)]
	s := &record.Sample{
		Index: r.Index, RequestID: r.ID, Traceparent: r.Traceparent, Phase: r.Phase, RequestedOSL: r.OSL,
		ScheduledNS: scheduled, SentNS: record.Never, HeadersNS: record.Never, FirstByteNS: record.Never,
		FirstVisibleNS: record.Never, LastByteNS: record.Never, ChunksNS: make([]int64, 0, r.OSL), Endpoint: endpoint.Host,
		Counted: record.Counted{ISL: r.ISL},
	}
	buffers := c.scratch.Get().(*scratch)
	defer c.scratch.Put(buffers)
	x := exchange{client: c, sample: s, scratch: buffers}
	x.run(ctx, endpoint, r)
	return s
}

// stampedConn notes when reads returned, for the request that has the connection.
//
// net/http may read on while that request still looks at its last bytes: it waits on an idle connection for the next response
// or the end. Therefore each request has notes of its own, and a read of nothing changes none.
type stampedConn struct {
	net.Conn
	epoch time.Time
	notes atomic.Pointer[arrivals] // of the request that got the connection last
}

// Read stamps before it returns, so that nothing the caller does delays the stamp.
func (c *stampedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	now := time.Since(c.epoch).Nanoseconds()
	if notes := c.notes.Load(); notes != nil && n > 0 {
		notes.stamp.Store(now)
		notes.take(p[:n])
	}
	return n, err
}

// stamped finds the stampedConn under a connection, below TLS to the server and to a proxy.
func stamped(conn net.Conn) *stampedConn {
	for {
		secure, ok := conn.(*tls.Conn)
		if !ok {
			break
		}
		conn = secure.NetConn()
	}
	s, _ := conn.(*stampedConn)
	return s
}
