package memnet

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// conn is one end of a connection: it reads from one pipe and writes to the other.
type conn struct {
	in, out       *pipe
	local, remote address
	resets        atomic.Bool // when it is closed
}

var _ net.Conn = (*conn)(nil)

// connect returns the two ends of a new connection.
func connect(client, server address) (clientEnd, serverEnd *conn) {
	up, down := newPipe(), newPipe()
	return &conn{in: down, out: up, local: client, remote: server},
		&conn{in: up, out: down, local: server, remote: client}
}

// Read waits for at least one byte. It returns io.EOF when the peer has closed
// and all it wrote has been read.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.in.read(p)
	return n, c.wrap("read", err)
}

// Write returns when all of p is in the buffer, or the number of bytes that got
// there and what kept the others out.
func (c *conn) Write(p []byte) (int, error) {
	n, err := c.out.write(p)
	return n, c.wrap("write", err)
}

// Close fails with net.ErrClosed the second time, as a TCP connection does.
func (c *conn) Close() error {
	resets := c.resets.Load()
	first := c.in.closeReader(resets)
	c.out.closeWriter(resets)
	if !first {
		return c.wrap("close", net.ErrClosed)
	}
	return nil
}

// SetLinger with 0 seconds makes Close reset the connection: the peer has what was written and then [syscall.ECONNRESET] in place of
// io.EOF. Any other number takes that back, as nothing needs time to be sent.
func (c *conn) SetLinger(seconds int) error {
	c.resets.Store(seconds == 0)
	return nil
}

// LocalAddr is the name of this end.
func (c *conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr is the name of the peer's end.
func (c *conn) RemoteAddr() net.Addr { return c.remote }

// SetReadDeadline bounds present and future reads; zero lifts the bound.
func (c *conn) SetReadDeadline(t time.Time) error {
	return c.wrap("set", c.in.setDeadline(&c.in.reading, t))
}

// SetWriteDeadline bounds present and future writes; zero lifts the bound.
func (c *conn) SetWriteDeadline(t time.Time) error {
	return c.wrap("set", c.out.setDeadline(&c.out.writing, t))
}

// SetDeadline bounds both.
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// wrap dresses an error as package net does. io.EOF stays bare: callers compare
// it with ==.
func (c *conn) wrap(op string, err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	return &net.OpError{Op: op, Net: network, Source: c.local, Addr: c.remote, Err: err}
}
