package mockserver

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/llmsweep/llmsweep/mockserver/fault"
)

// refusal is the line that the record has of a time in which connections were refused. A request that came meanwhile by one from before
// has a line as any request.
type refusal struct {
	Start int64  `json:"server_start_unix_ns"`
	Fault window `json:"fault"`
}

// window is what a [refusal] says.
type window struct {
	Kind  fault.Kind `json:"kind"`
	Rule  int        `json:"rule"`
	From  int64      `json:"at_ns"`
	Until int64      `json:"until_ns"`
	Sees  string     `json:"client_sees"`
	// Connections is how many were refused, where the listener knows: an operating system does not tell.
	Connections *int `json:"refused_connections"`
}

// shutter is a listener that can refuse connections, as that of package memnet.
type shutter interface {
	net.Listener
	// Refuse begins it.
	Refuse()
	// Admit ends it and returns how many were refused, or less than 0 if nobody knows.
	Admit() int
}

// refusing accepts connections but for the windows of the plan.
func (s *Server) refusing(server *http.Server, l net.Listener, accept func(*http.Server, net.Listener) error) error {
	windows := slices.DeleteFunc(s.options.Faults.Windows(), func(w fault.Window) bool { return w.Until <= s.loop.now() })
	if len(windows) == 0 {
		return accept(server, l)
	}
	door, can := l.(shutter)
	if !can {
		if l.Addr().Network() != "tcp" {
			return errors.Join(fmt.Errorf("the fault %s needs a TCP listener", fault.Refuse), l.Close())
		}
		door = newReopener(l)
	}
	ended := make(chan struct{})
	var shutting sync.WaitGroup
	begin := s.shut(door, windows[0], ended) // before the first connection is taken, if it is time
	shutting.Go(func() {
		begin()
		for _, w := range windows[1:] {
			s.shut(door, w, ended)()
		}
	})
	err := accept(server, door)
	close(ended)
	shutting.Wait()
	return err
}

// shut refuses connections for a window, at once if it has begun; what it returns does the rest.
func (s *Server) shut(door shutter, w fault.Window, ended <-chan struct{}) (rest func()) {
	line := window{Kind: fault.Refuse, Rule: w.Rule, Sees: "connection refused"}
	begin := func() {
		door.Refuse()
		line.From = int64(s.loop.now())
	}
	begun := w.From <= s.loop.now()
	if begun {
		begin()
	}
	return func() {
		if !begun && !s.waits(w.From, ended) {
			return
		}
		if !begun {
			begin()
		}
		s.waits(w.Until, ended)
		if refused := door.Admit(); refused >= 0 {
			line.Connections = &refused
		}
		line.Until = int64(s.loop.now())
		if s.recorder != nil {
			s.recorder.put(&refusal{s.recorder.start, line})
		}
	}
}

// waits waits for an instant since the server's start. It reports false when serving ends before.
func (s *Server) waits(at time.Duration, ended <-chan struct{}) bool {
	timer := time.NewTimer(at - s.loop.now())
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ended:
		return false
	}
}

// reopener is a listener that refuses connections by closing its socket, and opens another on the same address later.
type reopener struct {
	address net.Addr

	mu       sync.Mutex // guards what follows
	listener net.Listener
	err      error         // of opening it again
	shut     bool          // for now
	closed   bool          // for ever
	changed  chan struct{} // closed with the next change
}

var _ shutter = (*reopener)(nil)

func newReopener(l net.Listener) *reopener {
	return &reopener{address: l.Addr(), listener: l, changed: make(chan struct{})}
}

// Accept waits while the socket is closed.
func (r *reopener) Accept() (net.Conn, error) {
	for {
		l, changed, err := r.state()
		if err != nil {
			return nil, err
		}
		if l == nil {
			<-changed
			continue
		}
		c, err := l.Accept()
		if again, _, _ := r.state(); err == nil || again == l {
			return c, err
		}
	}
}

// state is the listener, or nil while there is none, what will be closed with the next change, and why there will be no more connections.
func (r *reopener) state() (net.Listener, <-chan struct{}, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.err != nil:
		return nil, nil, r.err
	case r.closed:
		return nil, nil, &net.OpError{Op: "accept", Net: r.address.Network(), Addr: r.address, Err: net.ErrClosed}
	case r.shut:
		return nil, r.changed, nil
	default:
		return r.listener, r.changed, nil
	}
}

// change tells Accept, with the lock held.
func (r *reopener) change() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// Refuse closes the socket.
func (r *reopener) Refuse() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shut = true
	r.change()
	_ = r.listener.Close() // Serve has closed it before, if it fails
}

// A port that nobody listens on may be given to an outgoing connection, for a moment or for long.
const (
	openTries    = 500
	betweenTries = 10 * time.Millisecond
)

// Admit opens another socket on the address. How many connections were refused only the operating system knows.
func (r *reopener) Admit() int {
	var l net.Listener
	var err error
	for range openTries {
		if _, _, ended := r.state(); ended != nil {
			return -1
		}
		if l, err = net.Listen(r.address.Network(), r.address.String()); err == nil {
			break
		}
		time.Sleep(betweenTries)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err != nil:
		r.err = fmt.Errorf("listening again after the fault %s: %w", fault.Refuse, err)
	case r.closed:
		_ = l.Close()
	default:
		r.listener = l
	}
	r.shut = false
	r.change()
	return -1
}

// Close ends it for good.
func (r *reopener) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return net.ErrClosed
	}
	r.closed = true
	r.change()
	if r.shut {
		return nil
	}
	return r.listener.Close()
}

// Addr is the address of all its sockets.
func (r *reopener) Addr() net.Addr { return r.address }
