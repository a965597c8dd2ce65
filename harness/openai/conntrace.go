package openai

import (
	"context"
	"crypto/tls"
	"net"
	"net/http/httptrace"
	"sync"

	"github.com/llmsweep/llmsweep/harness/record"
)

// connTrace collects what net/http tells of the connection under a request. Its hooks run on net/http's goroutines, and may
// still run after the response came.
type connTrace struct {
	arrivals arrivals

	mu                            sync.Mutex
	conn                          net.Conn
	reused, connected             bool
	closed                        bool
	whole                         func()          // all, for the connection's writes
	written                       func(now int64) // called by it
	sent, got                     int64
	stale, resent                 int // connections that were given up before this one: unused, and after the request had been written
	secure                        bool
	dnsStart, connectStart        int64
	tlsStart                      int64
	dnsTook, connectTook, tlsTook int64
}

// attach has ctx tell of the connection of a request whose body has a size. written is called with the stamp at which all of it was.
func (t *connTrace) attach(ctx context.Context, c *Client, size int64, written func(now int64)) context.Context {
	t.written = written
	t.arrivals.out = outgoing{size: size}
	t.sent, t.got, t.connectStart = record.Never, record.Never, record.Never
	note := func(f func(now int64)) {
		now := c.Now()
		t.mu.Lock()
		defer t.mu.Unlock()
		f(now)
	}
	t.whole = func() { note(t.all) }
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn:           func(info httptrace.GotConnInfo) { note(func(now int64) { t.gotConn(now, info) }) },
		WroteRequest:      func(info httptrace.WroteRequestInfo) { note(func(now int64) { t.wrote(now, info.Err) }) },
		DNSStart:          func(httptrace.DNSStartInfo) { note(func(now int64) { t.dnsStart = now }) },
		DNSDone:           func(httptrace.DNSDoneInfo) { note(func(now int64) { t.dnsTook = now - t.dnsStart }) },
		ConnectStart:      func(string, string) { note(t.connectBegan) },
		ConnectDone:       func(_, _ string, err error) { note(func(now int64) { t.connectEnded(now, err) }) },
		TLSHandshakeStart: func() { note(func(now int64) { t.tlsStart = now }) },
		TLSHandshakeDone:  func(tls.ConnectionState, error) { note(func(now int64) { t.tlsTook = now - t.tlsStart }) },
	})
}

// gotConn comes again when net/http takes another connection, because the first was closed: before anything was written to it, or after the
// request was, which net/http then sends again where it holds that to be harmless.
func (t *connTrace) gotConn(now int64, info httptrace.GotConnInfo) {
	switch {
	case t.sent != record.Never:
		t.resent++
	case t.got != record.Never:
		t.stale++
	}
	t.sent = record.Never
	t.got, t.conn, t.reused = now, info.Conn, info.Reused
	c := stamped(info.Conn)
	if t.secure = c != info.Conn; t.secure {
		t.arrivals.lose()
	} else {
		t.arrivals.out.begin(t.whole)
	}
	c.notes.Store(&t.arrivals)
}

// gotStream is gotConn for a stream of an HTTP/2 connection. What its reads bring is for many requests, so they are not noted; stale says that
// the connection before was ending.
func (t *connTrace) gotStream(now int64, conn net.Conn, reused, stale bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.got, t.conn, t.reused = now, conn, reused
	if stale {
		t.stale++
	}
}

// close ends the news: whom they would reach next has another request.
func (t *connTrace) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
}

// wrote notes that net/http has written the request: all of it, or its last part into a buffer.
func (t *connTrace) wrote(now int64, err error) {
	if err != nil {
		t.sent = record.Never
	} else if t.arrivals.out.opaque() {
		t.all(now)
	}
}

// all notes that the whole request is on its way.
func (t *connTrace) all(now int64) {
	if t.sent = now; !t.closed && t.written != nil {
		t.written(now)
	}
}

// connectBegan and connectEnded see every address that a name has, some of them at once: what counts is the time from the first
// attempt to the first success.
func (t *connTrace) connectBegan(now int64) {
	if t.connectStart == record.Never {
		t.connectStart = now
	}
}

func (t *connTrace) connectEnded(now int64, err error) {
	if !t.connected {
		t.connected, t.connectTook = err == nil, now-t.connectStart
	}
}

// fill copies the readings into the sample.
func (t *connTrace) fill(s *record.Sample) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s.SentNS = t.sent
	s.Conn.Reused = t.reused
	s.Conn.GotNS, s.Conn.Stale, s.Conn.Resent = t.got, t.stale, t.resent
	if !t.secure {
		s.Conn.BytesSent = t.arrivals.sent.Load()
	}
	if s.HeadersNS != record.Never {
		s.StampSource = t.arrivals.source()
	}
	if t.conn != nil {
		s.Conn.Remote = t.conn.RemoteAddr().String()
	}
	if !t.reused {
		s.Conn.DNSNS, s.Conn.ConnectNS, s.Conn.TLSNS = t.dnsTook, t.connectTook, t.tlsTook
	}
}
