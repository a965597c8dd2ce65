package mockserver

import (
	"net/http"
	"time"

	"github.com/llmsweep/llmsweep/mockserver/fault"
	"github.com/llmsweep/llmsweep/mockserver/metrics"
)

// exchange is a request to the engines and its answer, as its handler has it.
type exchange struct {
	server   *Server
	w        http.ResponseWriter
	r        *http.Request
	at       time.Duration // of its arrival; see arrived
	seen     *metrics.Request
	line     *line // of the record, or nil
	answer   *answer
	progress progress      // as far as the handler knows
	noted    int           // tokens in writes that are on the line
	number   uint64        // the request's for faults, if there may be any
	fault    *fault.Strike // that the request was chosen for, or nil

	stopWatching func() bool // the request's context for the answer
}

// begin is called before anything is read of the request. Call end in any case.
func (s *Server) begin(w http.ResponseWriter, r *http.Request, endpoint string) *exchange {
	e := &exchange{server: s, w: w, r: r, at: -1, seen: s.frontend.Begin(endpoint, s.loop.now())}
	if s.recorder != nil {
		e.line = s.recorder.begin(r)
	}
	return e
}

// refuse answers a request that is no business of the engines with a failure, which the record has too.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, f *failure) {
	if s.recorder != nil {
		line := s.recorder.begin(r)
		line.refused(f)
		line.Arrival = int64(s.loop.now())
		line.End = line.Arrival
		s.recorder.put(line)
	}
	f.write(w)
}

// arrived is the instant at which the request had been read and understood.
func (e *exchange) arrived() time.Duration {
	if e.at < 0 {
		e.at = e.server.loop.now()
	}
	return e.at
}

// refuse answers with a failure. A client that has gone gets none.
func (e *exchange) refuse(f *failure) {
	e.line.refused(f)
	if f.status == statusClientClosed {
		e.seen.Disconnect(e.server.loop.now())
		panic(http.ErrAbortHandler)
	}
	e.seen.Fail(e.server.loop.now(), f.status)
	f.write(e.w)
}

// end counts and records the exchange.
func (e *exchange) end() {
	s := e.server
	if e.stopWatching != nil {
		e.stopWatching()
	}
	e.seen.Fail(s.loop.now(), http.StatusServiceUnavailable) // unless it has ended: Close cut it
	if e.line == nil {
		return
	}
	e.line.Arrival, e.line.End = int64(e.arrived()), int64(s.loop.now())
	if e.answer != nil {
		if at := e.answer.admission(); at >= 0 {
			admitted := int64(at)
			e.line.Admission = &admitted
		}
	}
	s.recorder.put(e.line)
}
