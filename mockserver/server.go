package mockserver

import (
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/llmsweep/llmsweep/mockserver/metrics"
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
	numbered atomic.Uint64 // requests that faults may have hit
	frontend *metrics.Frontend
	recorder *recorder // or nil
	buffers  buffers
	ready    time.Time     // when the model is loaded
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
		options:  o,
		model:    quoted(o.Model),
		words:    strings.Fields(vocabulary),
		stop:     make(chan struct{}),
		frontend: metrics.NewFrontend(),
	}
	loop, err := newLoop(o, s.stop)
	if err != nil {
		return nil, err
	}
	s.loop = loop
	s.ready = loop.epoch.Add(o.StartupTime)
	if o.Record != nil {
		s.recorder = newRecorder(o.Record)
	}
	s.routes = s.table()
	s.running.Go(loop.run)
	return s, nil
}

// Serve answers on the connections of l until Close, then returns nil, or until l
// fails, then returns its error. It closes l. It may be called more than once,
// with different listeners.
func (s *Server) Serve(l net.Listener) error {
	return s.serve(l, func(server *http.Server, l net.Listener) error { return server.Serve(directListener{l}) })
}

// ServeTLS is Serve for clients that use TLS, with the certificates of config, which
// is not changed. They may ask for HTTP/2.
func (s *Server) ServeTLS(l net.Listener, config *tls.Config) error {
	return s.serve(l, func(server *http.Server, l net.Listener) error {
		server.TLSConfig = config.Clone()
		return server.ServeTLS(l, "", "")
	})
}

func (s *Server) serve(l net.Listener, accept func(*http.Server, net.Listener) error) error {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Handler: s, ReadHeaderTimeout: headerTimeout, ConnState: s.watch, ConnContext: withDirect, Protocols: &protocols}
	if !s.enter(server) {
		return l.Close()
	}
	defer s.running.Done()
	err := s.refusing(server, l, accept)
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	// Without its listener the server is still the owner of its connections: they
	// go on, and Close ends them.
	return fmt.Errorf("serving on %s: %w", l.Addr(), err)
}

// enter registers a call of Serve or, with nil, a request, unless the server is closed.
func (s *Server) enter(server *http.Server) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	if server != nil {
		s.servers = append(s.servers, server)
	}
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
// not waited for. Later requests get a 503. Its error says why Options.Record does not
// have everything. It may be called again.
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
	if s.recorder == nil {
		return nil
	}
	return s.recorder.close()
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
	model  bool // it needs the model: the API key, and that the model is loaded
}

func (r route) allows(method string) bool {
	return method == r.method || r.method == http.MethodGet && method == http.MethodHead
}

func (s *Server) table() map[string]route {
	generate := func(k kind) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { s.generate(w, r, k) }
	}
	return map[string]route{
		"/v1/chat/completions": {http.MethodPost, generate(chat), true},
		"/v1/completions":      {http.MethodPost, generate(text), true},
		"/v1/embeddings":       {http.MethodPost, s.serveEmbeddings, true},
		"/v1/responses":        {http.MethodPost, s.refuseRoute("responses"), true},
		"/v1/messages":         {http.MethodPost, s.refuseRoute("anthropic_messages"), true},
		"/v1/models":           {http.MethodGet, s.serveModels, true},
		modelPath:              {http.MethodGet, s.serveModel, true},
		"/tokenize":            {http.MethodPost, s.serveTokenize, true},
		"/health":              {http.MethodGet, s.serveHealth, false},
		"/live":                {http.MethodGet, s.serveLive, false},
		"/version":             {http.MethodGet, s.serveVersion, false},
		"/metrics":             {http.MethodGet, s.serveMetrics, false},
		"/dcgm/metrics":        {http.MethodGet, s.serveGPUs, false},
	}
}

// refuseRoute answers on a route that is not implemented. It is counted like the others.
func (s *Server) refuseRoute(endpoint string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		e := s.begin(w, r, endpoint)
		defer e.end()
		e.refuse(notImplemented(r))
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
	if r.ProtoMajor > 1 && s.serves(r) {
		// The goroutine is not its connection's.
		if !s.enter(nil) {
			shuttingDown().write(w)
			return
		}
		defer s.running.Done()
	}
	path := r.URL.Path
	if strings.HasPrefix(path, modelPath) {
		path = modelPath
	}
	route, found := s.routes[path]
	switch {
	case s.stopped():
		s.refuse(w, r, shuttingDown())
	case !found:
		s.refuse(w, r, unknownRoute(r))
	case !route.allows(r.Method):
		w.Header().Set("Allow", route.method)
		s.refuse(w, r, wrongMethod(r, route.method))
	case route.model && !s.admits(r):
		w.Header().Set("WWW-Authenticate", "Bearer")
		s.refuse(w, r, wrongKey())
	case route.model && !s.loaded():
		s.refuse(w, r, notReady())
	default:
		route.handle(w, r)
	}
}

// serves says whether a request came to one of the server's own listeners.
func (s *Server) serves(r *http.Request) bool {
	server, _ := r.Context().Value(http.ServerContextKey).(*http.Server)
	return server != nil && server.Handler == http.Handler(s)
}

// admits says whether a request has the API key, in a time that does not tell how much of it
// was right.
func (s *Server) admits(r *http.Request) bool {
	if s.options.APIKey == "" {
		return true
	}
	scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.EqualFold(scheme, "Bearer") &&
		subtle.ConstantTimeCompare([]byte(strings.TrimSpace(key)), []byte(s.options.APIKey)) == 1
}

// loaded says whether the startup time is over.
func (s *Server) loaded() bool {
	return s.options.StartupTime == 0 || !time.Now().Before(s.ready)
}
