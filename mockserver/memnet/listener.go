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
	addr    address
	accept  chan net.Conn
	dials   atomic.Int64
	refused atomic.Int64 // dials, since Refuse
	once    sync.Once
	closed  chan struct{}

	mu   sync.Mutex    // guards what follows
	shut chan struct{} // closed while connections are refused
}

var _ net.Listener = (*Listener)(nil)

// Listen returns an open listener that calls itself addr. It cannot fail.
func Listen(addr string) *Listener {
	return &Listener{
		addr:   address(addr),
		accept: make(chan net.Conn),
		closed: make(chan struct{}),
		shut:   make(chan struct{}),
	}
}

// Refuse makes dials fail with [syscall.ECONNREFUSED], those that wait too, until Admit: as if the listener was closed. Accept
// goes on waiting.
func (l *Listener) Refuse() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused.Store(0)
	close(l.shut)
}

// Admit ends what Refuse began, and returns how many dials were refused. Call each after the other.
func (l *Listener) Admit() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shut = make(chan struct{})
	return int(l.refused.Load())
}

// shutting is closed while connections are refused.
func (l *Listener) shutting() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.shut
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
// context's error, or with [syscall.ECONNREFUSED] when the listener is closed or refuses.
func (l *Listener) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	// The select below chooses at random among ready cases.
	if err := ctx.Err(); err != nil {
		return nil, l.dialError(err)
	}
	shut := l.shutting()
	select {
	case <-shut:
		return nil, l.refuse()
	default:
	}
	local := address("client-" + strconv.FormatInt(l.dials.Add(1), 10))
	client, server := connect(local, l.addr)
	select {
	case l.accept <- server:
		return client, nil
	case <-shut:
		return nil, l.refuse()
	case <-l.closed:
		return nil, l.dialError(syscall.ECONNREFUSED)
	case <-ctx.Done():
		return nil, l.dialError(ctx.Err())
	}
}

func (l *Listener) refuse() error {
	l.refused.Add(1)
	return l.dialError(syscall.ECONNREFUSED)
}

func (l *Listener) dialError(err error) error {
	return &net.OpError{Op: "dial", Net: network, Addr: l.addr, Err: err}
}

type address string

// Network is mem.
func (a address) Network() string { return network }

// String is the name.
func (a address) String() string { return string(a) }
