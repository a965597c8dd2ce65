package http1

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"
)

// DialTimeoutError says that no connection was made within the time that there was for it.
type DialTimeoutError struct{ After time.Duration }

// Error says how long that was.
func (e *DialTimeoutError) Error() string { return fmt.Sprintf("no connection within %v", e.After) }

// Timeout is true, as net.Error has it.
func (e *DialTimeoutError) Timeout() bool { return true }

// Within calls dial with a context that ends after a limit. If dial failed by then its error is a *DialTimeoutError. A limit of 0 is none.
func Within[C any](ctx context.Context, limit time.Duration, dial func(context.Context) (C, error)) (C, error) {
	if limit <= 0 {
		return dial(ctx)
	}
	deadline := time.Now().Add(limit)
	bounded, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	made, err := dial(bounded)
	if err != nil && ctx.Err() == nil && !time.Now().Before(deadline) {
		err = &DialTimeoutError{limit}
	}
	return made, err
}

// dial makes a connection in the time that there is for it, and notes in trace how long its steps took.
func (t *Transport) dial(ctx context.Context, to *target, trace *Trace) (*conn, error) {
	return Within(ctx, t.DialTimeout, func(ctx context.Context) (*conn, error) { return t.dialAll(ctx, to, trace) })
}

// dialAll takes all steps of it.
func (t *Transport) dialAll(ctx context.Context, to *target, trace *Trace) (*conn, error) {
	raw, err := t.connect(ctx, to.address, trace)
	if err != nil {
		return nil, err
	}
	s := newSocket(raw, t)
	c := &conn{Conn: s, socket: s, target: to, transport: t, remote: raw.RemoteAddr().String()}
	if to.tls == nil {
		return c, nil
	}
	start := t.now()
	secure := tls.Client(s, to.tls)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, err
	}
	c.Conn, trace.TLS = secure, t.now()-start
	return c, nil
}

// connect splits its time into looking up the name and connecting. The first socket tells the one from the other: it is made when the
// addresses are known. (The resolver alone would be told apart more simply, but then it would be ours to try several addresses.)
func (t *Transport) connect(ctx context.Context, address string, trace *Trace) (net.Conn, error) {
	start := t.now()
	if t.Dial != nil {
		c, err := t.Dial(ctx, "tcp", address)
		trace.Connect = t.now() - start
		return c, err
	}
	var resolved atomic.Int64 // stamp of the first socket; 0: none
	dialer := net.Dialer{KeepAlive: keepAlive}
	dialer.ControlContext = func(context.Context, string, string, syscall.RawConn) error {
		resolved.CompareAndSwap(0, t.now())
		return nil
	}
	c, err := dialer.DialContext(ctx, "tcp", address)
	end := t.now()
	first := resolved.Load()
	switch {
	case isAddress(address):
		first = start
	case first == 0:
		first = end
	}
	trace.DNS, trace.Connect = first-start, end-first
	return c, err
}

// isAddress reports whether the host of host:port is no name.
func isAddress(address string) bool {
	host, _, _ := net.SplitHostPort(address)
	_, err := netip.ParseAddr(host)
	return err == nil
}
