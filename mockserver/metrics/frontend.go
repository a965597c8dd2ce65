package metrics

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Frontend counts requests as the HTTP side of a server has them. It is safe for concurrent use.
type Frontend struct {
	mu    sync.Mutex
	state frontend
}

// frontend is what the lock guards.
type frontend struct {
	inflight, disconnected int
	requests               map[outcome]uint64
	duration               histogram
	input, output          histogram // tokens
}

// outcome is one combination of labels. The error is "" for success.
type outcome struct{ endpoint, kind, status, err string }

// NewFrontend counts from nothing.
func NewFrontend() *Frontend {
	_, _, duration := frontendBounds()
	input, output := newBounds(1, logarithmic(50, 128000, 12)), newBounds(1, logarithmic(50, 32000, 10))
	return &Frontend{state: frontend{
		requests: make(map[outcome]uint64),
		duration: histogram{bounds: &duration},
		input:    histogram{bounds: &input},
		output:   histogram{bounds: &output},
	}}
}

// Request is a request from its arrival to its end. One goroutine may use it at a time.
type Request struct {
	frontend *Frontend
	endpoint string
	arrived  time.Duration
	ended    bool
	// Stream says that the answer is a stream.
	Stream bool
}

// Begin counts a request in. The endpoint is chat_completions, completions, embeddings or one that is not
// served, responses for example.
func (f *Frontend) Begin(endpoint string, at time.Duration) *Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.state.inflight++
	return &Request{frontend: f, endpoint: endpoint, arrived: at}
}

// Succeed ends a request that was answered with so many tokens. Call it before the client can see
// the end of the answer. Later calls, and those of the other ends, do nothing.
func (r *Request) Succeed(at time.Duration, promptTokens, answerTokens int) {
	r.end(at, "", func(f *frontend) {
		f.input.observe(int64(promptTokens))
		f.output.observe(int64(answerTokens))
	})
}

// Fail ends a request that was refused with a status of HTTP, unless it has ended.
func (r *Request) Fail(at time.Duration, status int) {
	r.end(at, errorType(status), func(*frontend) {})
}

// Disconnect ends a request whose client went away, unless it has ended.
func (r *Request) Disconnect(at time.Duration) {
	r.end(at, "cancelled", func(f *frontend) { f.disconnected++ })
}

// errorType is the class that Dynamo's front end counts an HTTP status in.
func errorType(status int) string {
	switch {
	case status == http.StatusNotFound:
		return "not_found"
	case status == http.StatusNotImplemented:
		return "not_implemented"
	case status == http.StatusServiceUnavailable:
		return "overload"
	case status < http.StatusInternalServerError:
		return "validation"
	default:
		return "internal"
	}
}

func (r *Request) end(at time.Duration, err string, more func(*frontend)) {
	if r.ended {
		return
	}
	r.ended = true
	kind, status := "unary", "success"
	if r.Stream {
		kind = "stream"
	}
	if err != "" {
		status = "error"
	}
	r.frontend.mu.Lock()
	defer r.frontend.mu.Unlock()
	f := &r.frontend.state
	f.inflight--
	f.requests[outcome{r.endpoint, kind, status, err}]++
	f.duration.observe(int64(at - r.arrived))
	more(f)
}

// read returns a copy.
func (f *Frontend) read() frontend {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.state
	s.requests = maps.Clone(s.requests)
	return s
}

// outcomes are the combinations of labels in order.
func (f frontend) outcomes() []outcome {
	return slices.SortedFunc(maps.Keys(f.requests), func(a, b outcome) int {
		return cmp.Or(cmp.Compare(a.endpoint, b.endpoint), cmp.Compare(a.kind, b.kind), cmp.Compare(a.status, b.status),
			cmp.Compare(a.err, b.err))
	})
}

// frontendBounds are those of Dynamo's front end: first token, gap and whole request.
func frontendBounds() (first, gap, whole bounds) {
	return seconds(logarithmic(0.001, 480, 18)...), seconds(logarithmic(0.001, 2, 13)...), seconds(logarithmic(1, 512, 10)...)
}
