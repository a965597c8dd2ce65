package http1

import (
	"errors"
	"net"
	"os"
)

// conn is a connection and what was read of it that nobody has taken yet.
type conn struct {
	net.Conn  // what is written and read: the socket, or TLS over it
	socket    *socket
	transport *Transport
	target    *target
	remote    string
	idleSince int64 // stamp

	block  *block // that unread lies in
	unread []byte

	probe [1]byte
}

// fill waits for bytes, where there are none unread. Those that were taken before are no longer valid.
func (c *conn) fill() error {
	c.release()
	if c.Conn == net.Conn(c.socket) {
		b, n, err := c.socket.readBlock()
		if err != nil {
			return err
		}
		c.block, c.unread = b, b[:n]
		return nil
	}
	b := c.socket.takeBlock()
	c.socket.block = nil // TLS reads the socket into buffers of its own
	n, err := readSome(c.Conn, b[:])
	if n == 0 {
		c.transport.blocks.Put(b)
		return err
	}
	c.block, c.unread = b, b[:n]
	return nil
}

// release gives the block back.
func (c *conn) release() {
	if c.block != nil {
		c.transport.blocks.Put(c.block)
		c.block, c.unread = nil, nil
	}
}

// alive looks, without waiting, whether an idle connection can carry a call: nothing has come, not its end either. Session tickets
// and the like are TLS's own. Of a connection that can only be waited for it cannot be told; there the write fails.
func (c *conn) alive() bool {
	if c.socket.raw == nil {
		return true
	}
	c.socket.poll = true
	n, err := c.Read(c.probe[:])
	c.socket.poll = false
	return n == 0 && errors.Is(err, os.ErrDeadlineExceeded)
}

// close ends an idle connection.
func (c *conn) close() {
	c.release()
	_ = c.Close()
}

// drop ends a connection whose state is not known. A farewell of TLS could wait.
func (c *conn) drop() {
	c.release()
	_ = c.socket.Close()
}
