package mockserver

import (
	"context"
	"net"
)

// corked is a connection that can hold back what is written to it, so that it leaves in one
// write. Package net/http cuts what does not fit its buffers: 4 KB and their rest, and the end
// of the HTTP chunk.
type corked struct {
	net.Conn
	held *[]byte // nil: nothing is held back
}

// corkedWrite is from how many bytes on net/http makes several writes of one.
const corkedWrite = 2048

// Write is called by the goroutine that serves the connection.
func (c *corked) Write(p []byte) (int, error) {
	if c.held == nil {
		return c.Conn.Write(p)
	}
	*c.held = append(*c.held, p...)
	return len(p), nil
}

// together makes one write of all that f writes.
func (c *corked) together(p *buffers, f func() error) error {
	buffer := p.get()
	defer p.put(buffer)
	c.held = buffer
	err := f()
	c.held = nil
	if err != nil {
		return err
	}
	_, err = c.Conn.Write(*buffer)
	return err
}

// CloseWrite tells the client that no more will come, as net/http does before it closes a connection
// on which a request may still be under way.
func (c *corked) CloseWrite() error {
	if half, found := c.Conn.(interface{ CloseWrite() error }); found {
		return half.CloseWrite()
	}
	return nil
}

// corkedListener accepts them.
type corkedListener struct{ net.Listener }

// Accept returns the next connection, corked.
func (l corkedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &corked{Conn: c}, nil
}

// corkKey is where a request's context has its connection.
type corkKey struct{}

func withCork(ctx context.Context, c net.Conn) context.Context {
	if c, plain := c.(*corked); plain { // and not under TLS, where writes are records
		return context.WithValue(ctx, corkKey{}, c)
	}
	return ctx
}
