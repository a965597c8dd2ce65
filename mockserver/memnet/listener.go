package memnet

import (
	"context"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
)

// network is the name of the network in addresses and errors.
const network = "mem"

// Listener accepts the connections that its own DialContext makes. It is safe
// for concurrent use.
type Listener struct {
	addr   address
	accept chan net.Conn
	dials  atomic.Int64
	once   sync.Once
	closed chan struct{}
}

var _ net.Listener = (*Listener)(nil)

// Listen returns an open listener that calls itself addr. It cannot fail.
func Listen(addr string) *Listener {
	return &Listener{
		addr:   address(addr),
		accept: make(chan net.Conn),
		closed: make(chan struct{}),
	}
}

// Accept waits for a dial and returns the server's end of its connection. On a
// closed listener it fails with [net.ErrClosed].
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.accept:
		return c, nil
	case <-l.closed:
		return nil, &net.OpError{Op: "accept", Net: network, Addr: l.addr, Err: net.ErrClosed}
	}
}

// Close ends waiting calls of Accept and DialContext and refuses later ones.
// Connections that were accepted stay open. It always returns nil.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr returns the address given to Listen, on the network "mem".
func (l *Listener) Addr() net.Addr {
	return l.addr
}

// DialContext connects to the listener, whatever network and address it is
// given, and returns once Accept has taken the server's end. It fails with the
// context's error, or with [syscall.ECONNREFUSED] when the listener is closed.
func (l *Listener) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	// The select below chooses at random among ready cases.
	if err := ctx.Err(); err != nil {
		return nil, l.dialError(err)
	}
	local := address("client-" + strconv.FormatInt(l.dials.Add(1), 10))
	client, server := connect(local, l.addr)
	select {
	case l.accept <- server:
		return client, nil
	case <-l.closed:
		return nil, l.dialError(syscall.ECONNREFUSED)
	case <-ctx.Done():
		return nil, l.dialError(ctx.Err())
	}
}

func (l *Listener) dialError(err error) error {
	return &net.OpError{Op: "dial", Net: network, Addr: l.addr, Err: err}
}

type address string

// Network is mem.
func (a address) Network() string { return network }

// String is the name.
func (a address) String() string { return string(a) }
