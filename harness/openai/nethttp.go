package openai

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/llmsweep/llmsweep/harness/openai/internal/http1"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/workload"
)

// viaNetHTTP is a carrier over net/http, for one request.
type viaNetHTTP struct {
	exchange *exchange
	trace    connTrace
	cancel   context.CancelCauseFunc
	ctx      context.Context // of this one request: abort may come before send
	response *http.Response
	given    int64 // bytes of the body
	shared   bool  // the connection has other streams, too: HTTP/2. Of it no more is known than that bytes came
	now      int64
	err      error // that came with the last bytes
}

func newViaNetHTTP(ctx context.Context, x *exchange) *viaNetHTTP {
	v := &viaNetHTTP{exchange: x, shared: x.client.streams != nil}
	// What ends ctx calls abort, and only then the request ends: otherwise its failure could be seen before its cause.
	v.ctx, v.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	return v
}

func (v *viaNetHTTP) send(_ context.Context, serial int, r *workload.Request) (err error) {
	c := v.exchange.client
	endpoint := c.config.Endpoints[serial%len(c.config.Endpoints)]
	header := c.config.header()
	for _, own := range [][2]string{{requestIDHeader, r.ID}, {traceHeader, r.Traceparent}} {
		if header[own[0]] == nil {
			header[own[0]] = []string{own[1]}
		}
	}
	request := &http.Request{
		Method: http.MethodPost, URL: endpoint, Host: header.Get("Host"), Header: header, ContentLength: int64(len(r.Body)),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: io.NopCloser(bytes.NewReader(r.Body)),
		// Without GetBody net/http would not take another connection when the server closed the idle one that it was about to use.
		GetBody: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(r.Body)), nil },
	}
	v.exchange.watch.arm()
	request = request.WithContext(v.trace.attach(v.ctx, c, int64(len(r.Body)), v.exchange.watch.sent))
	if c.streams != nil {
		v.response, err = c.streams.roundTrip(request, &v.trace) //nolint:bodyclose // close does
	} else {
		v.response, err = c.transport.RoundTrip(request) //nolint:bodyclose // close does
	}
	if err == nil {
		v.now = v.arrived()
		v.exchange.sample.HeadersNS = v.now
	}
	return err
}

// arrived is when the last bytes came. Of a connection that many streams share nobody knows for which of them a socket read was.
func (v *viaNetHTTP) arrived() int64 {
	if v.shared {
		return v.exchange.client.Now()
	}
	return v.trace.arrivals.stamp.Load()
}

func (v *viaNetHTTP) status() int { return v.response.StatusCode }

func (v *viaNetHTTP) header(name string) []byte { return []byte(v.response.Header.Get(name)) }

// next asks for no more than what is here: net/http would wait for the end of an HTTP chunk.
func (v *viaNetHTTP) next() ([]byte, error) {
	if v.err != nil {
		return nil, v.err
	}
	v.exchange.watch.arm()
	buffer := v.exchange.scratch.readBuffer()
	here := v.trace.arrivals.body.Load() - v.given
	if v.shared {
		here = untold
	}
	var n int
	n, v.err = v.response.Body.Read(buffer[:max(1, min(int64(len(buffer)), here))])
	if n == 0 {
		return nil, v.err
	}
	v.given += int64(n)
	v.now = v.arrived()
	return buffer[:n], nil
}

func (v *viaNetHTTP) stamp() int64      { return v.now }
func (v *viaNetHTTP) abort(cause error) { v.cancel(cause) }

func (v *viaNetHTTP) fill(s *record.Sample) {
	v.trace.fill(s)
	if v.shared && s.HeadersNS != record.Never {
		s.StampSource = record.BodyRead
	}
}

// close comes before fill: an answer can overtake the news that the request was written.
func (v *viaNetHTTP) close() {
	if v.response != nil {
		_ = v.response.Body.Close() // what was read of it is judged
	}
	v.cancel(nil)
	v.trace.close()
}

// keepAlive is the time between probes of an idle TCP connection.
const keepAlive = 30 * time.Second

// An HTTP/2 connection that is dead takes every stream with it, and what must wait for a write on it waits beyond the time limits of its request.
const (
	writeLimit = 10 * time.Second // for which a server may take not a byte
	quietLimit = 30 * time.Second // for which it may send not a frame, and then leave a ping unanswered
)

// NewTransport returns net/http's transport as measurements and probes use it; dial replaces TCP where it is not nil. It speaks HTTP/1.1,
// unless HTTP/2 is asked for, and then that alone, to http:// without asking the server: it puts all streams on one connection, where they
// queue behind each other and behind the server's stream limit.
func NewTransport(dial func(ctx context.Context, network, address string) (net.Conn, error), http2 bool) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!http2)
	protocols.SetHTTP2(http2)
	protocols.SetUnencryptedHTTP2(http2)
	t := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: dial, Protocols: protocols, DisableCompression: true,
		ReadBufferSize: readBuffer, WriteBufferSize: 32 << 10, TLSHandshakeTimeout: 30 * time.Second, IdleConnTimeout: 5 * time.Minute,
	}
	if dial == nil {
		t.DialContext = (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: keepAlive}).DialContext
	} else {
		t.Proxy = nil
	}
	if http2 {
		t.HTTP2 = &http.HTTP2Config{WriteByteTimeout: writeLimit, SendPingTimeout: quietLimit, PingTimeout: quietLimit}
	}
	return t
}

// stampedTransport is NewTransport over connections that note when reads returned.
func stampedTransport(config *Config) *http.Transport {
	t := NewTransport(config.Dial, config.Transport == HTTP2)
	t.TLSClientConfig, t.DisableKeepAlives = config.TLS.Clone(), config.NoReuse && config.Transport != HTTP2
	t.MaxIdleConnsPerHost, t.TLSHandshakeTimeout = config.Concurrency, config.ConnectTimeout
	dial := config.Dial
	if dial == nil {
		dial = (&net.Dialer{KeepAlive: keepAlive}).DialContext
	}
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := http1.Within(ctx, config.ConnectTimeout, func(ctx context.Context) (net.Conn, error) { return dial(ctx, network, address) })
		if err != nil {
			return nil, err
		}
		stamped := &stampedConn{Conn: conn, epoch: config.Epoch}
		if c, ok := ctx.Value(dialledKey{}).(*http2Conn); ok {
			c.below = stamped
		}
		return stamped, nil
	}
	return t
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

// Write counts what was sent.
func (c *stampedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if notes := c.notes.Load(); notes != nil {
		notes.sent.Add(int64(n))
		notes.out.take(p[:n])
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
