package mockserver

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// headerTimeout is how long a client may take to send a request's header.
const headerTimeout = 10 * time.Second

// Server is a running mock server. It is safe for concurrent use.
type Server struct {
	options  Options
	model    []byte   // Options.Model as JSON
	words    []string // the vocabulary
	routes   map[string]route
	loop     *loop
	requests atomic.Uint64 // requests accepted so far
	stop     chan struct{} // closed by Close

	// running counts the loop, calls of Serve and connections.
	running sync.WaitGroup

	mu      sync.Mutex // guards what follows
	closed  bool
	servers []*http.Server
}

var _ http.Handler = (*Server)(nil)

// New returns a server whose engine runs, or every problem of the options. Close
// it. For use in a testing/synctest bubble call New inside the bubble.
func New(o Options) (*Server, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	s := &Server{
		options: o,
		model:   quoted(o.Model),
		words:   strings.Fields(vocabulary),
		stop:    make(chan struct{}),
	}
	loop, err := newLoop(o, s.stop)
	if err != nil {
		return nil, err
	}
	s.loop = loop
	s.routes = s.table()
	s.running.Go(loop.run)
	return s, nil
}

// Serve answers on the connections of l until Close, then returns nil, or until l
// fails, then returns its error. It closes l. It may be called more than once,
// with different listeners.
func (s *Server) Serve(l net.Listener) error {
	return s.serve(l, func(server *http.Server) error { return server.Serve(l) })
}

// ServeTLS is Serve for clients that use TLS, with the certificates of config, which
// is not changed. They may ask for HTTP/2.
func (s *Server) ServeTLS(l net.Listener, config *tls.Config) error {
	return s.serve(l, func(server *http.Server) error {
		server.TLSConfig = config.Clone()
		return server.ServeTLS(l, "", "")
	})
}

func (s *Server) serve(l net.Listener, accept func(*http.Server) error) error {
	server := &http.Server{Handler: s, ReadHeaderTimeout: headerTimeout, ConnState: s.watch}
	if !s.enter(server) {
		return l.Close()
	}
	defer s.running.Done()
	err := accept(server)
	if err == http.ErrServerClosed {
		return nil
	}
	// Without its listener the server is still the owner of its connections: they
	// go on, and Close ends them.
	return fmt.Errorf("serving on %s: %w", l.Addr(), err)
}

// enter registers a call of Serve, unless the server is closed.
func (s *Server) enter(server *http.Server) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.servers = append(s.servers, server)
	s.running.Add(1)
	return true
}

// watch counts connections. They are new while Serve, which is counted too, has
// not returned, so the count does not start again from zero under Close.
func (s *Server) watch(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.running.Add(1)
	case http.StateClosed:
		s.running.Done()
	}
}

// Close stops the engine, closes the listeners and connections of Serve, so
// that open streams break off, and waits for every goroutine of the server. Where
// the server is the handler of another HTTP server, its open requests end but are
// not waited for. Later requests get a 503. Close always returns nil and may be
// called again.
func (s *Server) Close() error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.stop)
	}
	servers := slices.Clone(s.servers)
	s.mu.Unlock()
	for _, server := range servers {
		// What it may report is the error of closing a listener; it is gone anyway.
		_ = server.Close()
	}
	s.running.Wait()
	return nil
}

func (s *Server) stopped() bool {
	select {
	case <-s.stop:
		return true
	default:
		return false
	}
}

// route is what a path answers to.
type route struct {
	method string
	handle http.HandlerFunc
}

func (r route) allows(method string) bool {
	return method == r.method || r.method == http.MethodGet && method == http.MethodHead
}

func (s *Server) table() map[string]route {
	return map[string]route{
		"/v1/chat/completions": {http.MethodPost, func(w http.ResponseWriter, r *http.Request) { s.generate(w, r, chat) }},
		"/v1/completions":      {http.MethodPost, func(w http.ResponseWriter, r *http.Request) { s.generate(w, r, text) }},
		"/v1/models":           {http.MethodGet, s.serveModels},
		"/health":              {http.MethodGet, s.serveHealth},
		"/live":                {http.MethodGet, s.serveLive},
		"/version":             {http.MethodGet, s.serveVersion},
	}
}

// ServeHTTP answers one request. A stream that Close cuts ends with a panic of
// [http.ErrAbortHandler], so that the client sees a broken connection and not a
// complete body.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Server", "llmsweep-mock")
	if id := r.Header.Get("X-Request-Id"); id != "" {
		w.Header().Set("X-Request-Id", id)
	}
	route, found := s.routes[r.URL.Path]
	switch {
	case s.stopped():
		shuttingDown().write(w)
	case !found:
		unknownRoute(r).write(w)
	case !route.allows(r.Method):
		w.Header().Set("Allow", route.method)
		wrongMethod(r, route.method).write(w)
	default:
		route.handle(w, r)
	}
}
