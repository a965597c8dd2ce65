package http1

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Never is the stamp of what did not happen.
const Never int64 = -1

// Trace is what is known of the connection under a call. Stamps and durations are in nanoseconds.
type Trace struct {
	Reused  bool   // it was there before the call
	Stale   int    // kept connections that were thrown away for this call: closed by the server or too old
	Retried bool   // the request was written once before, to a kept connection that gave nothing
	Remote  string // address of the peer; empty: no connection

	DNS, Connect, TLS int64 // durations, of a new connection
	Got               int64 // stamp: the connection is there
	Sent              int64 // stamp: the request was written
	Head              int64 // stamp: the read that completed the head of the response

	BytesSent int64 // of the request, head and body, before encryption
	Reads     int   // socket reads since Got that gave something
}

// Call is one request and its response. The zero value with a Transport is ready, and so is one that was closed. But for Abort it is
// used by one goroutine.
type Call struct {
	Transport *Transport
	// OnWait, if not nil, is called before each wait for the network once the request was written.
	OnWait func()
	// OnSent, if not nil, is called when the whole request was written, with the stamp of that: again where it is written again.
	OnSent func(stamp int64)

	trace    Trace
	route    *Route
	conn     *conn
	reads    int  // of the socket, before this call
	began    bool // something of the response came
	response response
	body     body

	mu         sync.Mutex // guards what Abort needs
	aborted    error
	connecting context.CancelFunc
	abortable  *conn
}

// Trace returns what is known of the connection by now.
func (c *Call) Trace() Trace {
	if c.conn != nil {
		c.trace.Reads = c.conn.socket.reads - c.reads
	}
	return c.trace
}

// Stamp is that of the last socket read.
func (c *Call) Stamp() int64 { return c.body.stamp }

// Do sends a request and reads the head of the response, past interim ones. ctx ends the making of a connection only: whoever needs
// more calls Abort. A call is closed whatever Do returned.
func (c *Call) Do(ctx context.Context, route *Route, fields []Field, body []byte) error {
	c.begin(route)
	request, err := c.render(fields, body)
	defer c.Transport.requests.Put(request)
	if err != nil {
		return err
	}
	for {
		if err := c.connect(ctx); err != nil {
			return c.failed(err)
		}
		wrote, err := c.exchange(*request)
		if err == nil {
			return nil
		}
		if !c.again(wrote, err) {
			return c.failed(err)
		}
		c.leave(false)
	}
}

// begin forgets the last request.
func (c *Call) begin(route *Route) {
	c.route, c.began = route, false
	c.trace = Trace{Got: Never, Sent: Never, Head: Never}
	c.response.reset()
	c.body.reset()
}

// render writes head and body into one piece, for one write.
func (c *Call) render(fields []Field, body []byte) (*[]byte, error) {
	request, _ := c.Transport.requests.Get().(*[]byte)
	if request == nil {
		request = new([]byte)
	}
	b := (*request)[:0]
	b = append(b, c.route.head...)
	var err error
	for _, f := range fields {
		if b, err = appendField(b, f); err != nil {
			return request, err
		}
	}
	if len(body) > 0 || c.route.method != http.MethodGet && c.route.method != http.MethodHead {
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, int64(len(body)), 10)
		b = append(b, "\r\n"...)
	}
	b = append(b, "\r\n"...)
	b = append(b, body...)
	*request = b
	return request, nil
}

// connect takes an idle connection, unless one failed already, or makes one.
func (c *Call) connect(ctx context.Context) error {
	again := c.trace.Reused // it gave nothing: the next may be as old
	c.trace.Reused = false
	if !again && !c.route.close {
		kept, stale := c.Transport.take(c.route.target)
		c.trace.Stale += stale
		if kept != nil {
			c.trace.Reused = true
			return c.attach(kept)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if !c.setConnecting(cancel) {
		return errAborted
	}
	made, err := c.Transport.dial(ctx, c.route.target, &c.trace)
	c.setConnecting(nil)
	if err != nil {
		return err
	}
	return c.attach(made)
}

func (c *Call) setConnecting(cancel context.CancelFunc) (goOn bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.connecting = cancel
	return c.aborted == nil
}

// attach makes a connection that of the call.
func (c *Call) attach(conn *conn) error {
	c.conn, c.reads = conn, conn.socket.reads
	c.trace.Remote, c.trace.Got = conn.remote, c.Transport.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.aborted != nil {
		return errAborted
	}
	c.abortable = conn
	return nil
}

// Abort ends the call from another goroutine, at once and whatever it waits for, with cause as the error. Before Do it lets Do fail. It
// must not come after Close: it would end the next call.
func (c *Call) Abort(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.aborted != nil {
		return
	}
	c.aborted = cause
	if c.connecting != nil {
		c.connecting()
	}
	if c.abortable != nil {
		_ = c.abortable.SetDeadline(time.Unix(1, 0))
	}
}

// failed returns why a call failed: the cause of its end, if there was one, explains every other error.
func (c *Call) failed(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.aborted != nil {
		return c.aborted
	}
	return err
}

// exchange writes the request and reads the head of the response. wrote is how much of the request may have arrived.
func (c *Call) exchange(request []byte) (wrote int, err error) {
	wrote, failure := c.conn.Write(request)
	c.trace.BytesSent = int64(wrote)
	if failure == nil {
		c.trace.Sent = c.Transport.now()
		if c.OnSent != nil {
			c.OnSent(c.trace.Sent)
		}
	}
	if failure != nil && wrote == 0 {
		return 0, failure
	}
	// A server that refuses a request may answer before it has read all of it, and close.
	err = c.readResponse()
	if failure != nil && err != nil {
		err = failure
	}
	return wrote, err
}

// fill waits for bytes of the response.
func (c *Call) fill() error {
	if c.OnWait != nil {
		c.OnWait()
	}
	return c.conn.fill()
}

// again reports whether a request is repeated on another connection: see the package comment.
func (c *Call) again(wrote int, err error) bool {
	if !c.trace.Reused || c.began || c.failed(nil) != nil {
		return false
	}
	if wrote == 0 {
		c.trace.Stale++
		return true
	}
	if !isSafe(c.route.method) || !isGone(err) {
		return false
	}
	c.trace.Retried = true
	return true
}

// isSafe names the methods of requests that change nothing.
func isSafe(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return false
}

// isGone reports whether an error says that the peer has closed the connection.
func isGone(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// leave parts from the connection.
func (c *Call) leave(reusable bool) {
	if c.conn == nil {
		return
	}
	c.mu.Lock()
	aborted := c.aborted != nil
	c.abortable = nil
	c.mu.Unlock()
	c.trace.Reads = c.conn.socket.reads - c.reads
	conn := c.conn
	c.conn = nil
	switch {
	case aborted || len(conn.unread) > 0:
		conn.drop()
	case reusable:
		conn.release()
		c.Transport.put(conn)
	default:
		conn.close()
	}
}

// Close ends the call and makes it ready for another. What was not read of the response costs the connection.
func (c *Call) Close() {
	c.leave(false)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.aborted = nil
}
