package http1

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"
)

const (
	keepAlive = 30 * time.Second // between probes of an idle TCP connection
	idleLimit = 5 * time.Minute  // after which an idle connection is not used again: routers forget it without a word
)

// Transport keeps connections. It is safe for concurrent use; its fields are set before the first use and then left alone. It
// limits nothing: a call that finds no idle connection makes one.
type Transport struct {
	// Epoch is stamp 0. Stamps and durations are nanoseconds.
	Epoch time.Time
	// Dial replaces TCP, as in virtual time. All the time that it takes counts as connecting.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// TLS is the configuration for https; nil is the default one.
	TLS *tls.Config
	// DialTimeout bounds the making of a connection: looking up the name, TCP and TLS together. 0: no bound.
	DialTimeout time.Duration
	// NoReuse makes a connection for each call and asks the server to close it.
	NoReuse bool

	blocks   sync.Pool // *block
	requests sync.Pool // *[]byte: requests on their way out

	mu      sync.Mutex
	targets map[string]*target
}

// target is where connections lead, and those that wait there for a call.
type target struct {
	address string      // host:port to dial
	tls     *tls.Config // nil: plain

	mu   sync.Mutex
	idle []*conn // the one used last is used next, so that those too many grow old
}

// now is the current stamp.
func (t *Transport) now() int64 { return time.Since(t.Epoch).Nanoseconds() }

// target returns the one of a scheme and an address.
func (t *Transport) target(scheme, host, address string) *target {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := scheme + "://" + address
	found, known := t.targets[key]
	if known {
		return found
	}
	made := &target{address: address}
	if scheme == "https" {
		made.tls = t.tlsConfig(host)
	}
	if t.targets == nil {
		t.targets = map[string]*target{}
	}
	t.targets[key] = made
	return made
}

func (t *Transport) tlsConfig(host string) *tls.Config {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.TLS != nil {
		config = t.TLS.Clone()
	}
	if config.ServerName == "" {
		config.ServerName = host
	}
	config.NextProtos = []string{"http/1.1"}
	return config
}

// take returns the idle connection that was used last and lives, or nil. stale is how many did not.
func (t *Transport) take(from *target) (c *conn, stale int) {
	for {
		if c = from.pop(); c == nil {
			return nil, stale
		}
		if t.now()-c.idleSince < idleLimit.Nanoseconds() && c.alive() {
			return c, stale
		}
		c.close()
		stale++
	}
}

func (t *target) pop() *conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	last := len(t.idle) - 1
	if last < 0 {
		return nil
	}
	c := t.idle[last]
	t.idle[last], t.idle = nil, t.idle[:last]
	return c
}

// put keeps a connection for the next call.
func (t *Transport) put(c *conn) {
	c.idleSince = t.now()
	c.target.mu.Lock()
	defer c.target.mu.Unlock()
	c.target.idle = append(c.target.idle, c)
}

// CloseIdleConnections closes the connections that wait for a call.
func (t *Transport) CloseIdleConnections() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, target := range t.targets {
		for c := target.pop(); c != nil; c = target.pop() {
			c.close()
		}
	}
}

// Warm makes n connections before they are needed, by turns on the routes, at most parallel at once. The error is the first of those
// that could not be made, with their number; the others are kept.
func (t *Transport) Warm(ctx context.Context, routes []*Route, n, parallel int) error {
	if t.NoReuse || n <= 0 {
		return nil
	}
	made := make([]*conn, n)
	err := AtOnce(n, parallel, func(i int) (err error) {
		made[i], err = t.dial(ctx, routes[i%len(routes)].target, new(Trace))
		return err
	})
	for i := range made {
		// From behind, so that the first call gets the first: the order does not depend on how fast each was.
		if c := made[n-1-i]; c != nil {
			t.put(c)
		}
	}
	return err
}

var errAborted = errors.New("the call was aborted")
