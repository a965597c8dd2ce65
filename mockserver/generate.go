package mockserver

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/llmsweep/llmsweep/mockserver/engine"
)

// writeTokens is how many tokens one write holds at most, when a reader has
// fallen behind or the engine does not wait.
const writeTokens = 256

// generate answers a request of the two generating routes.
func (s *Server) generate(w http.ResponseWriter, r *http.Request, k kind) {
	c, fail := s.understand(w, r, k)
	if fail != nil {
		fail.write(w)
		return
	}
	number := s.requests.Add(1)
	a, open := s.loop.submit(engine.Request{ID: number, PromptTokens: c.prompt, MaxTokens: c.length, Blocks: c.blocks})
	if !open {
		shuttingDown().write(w)
		return
	}
	d := s.newRenderer(c, number, time.Now().Unix())
	if c.stream {
		s.stream(w, r, a, d)
	} else {
		s.whole(w, r, a, d)
	}
}

// stream writes tokens as they come due. The header goes out at once: a client
// sees that its request was accepted long before the first token.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, a *answer, d *renderer) {
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	w.WriteHeader(http.StatusOK)
	out := http.NewResponseController(w)
	err := out.Flush()
	buffer := make([]byte, 0, 2048)
	for seen := 0; err == nil && seen < d.call.length; {
		var ready int
		if ready, err = s.await(r, a, seen); err != nil {
			break
		}
		ready = min(ready, seen+writeTokens)
		buffer = buffer[:0]
		for ; seen < ready; seen++ {
			buffer = d.appendToken(buffer, seen)
		}
		if seen == d.call.length {
			d.cached = a.cachedTokens()
			buffer = d.appendEnd(buffer)
		}
		if _, err = w.Write(buffer); err == nil {
			err = out.Flush()
		}
	}
	if err == nil {
		return
	}
	s.loop.cancel(d.number)
	// Returning would end the body as if it were complete.
	panic(http.ErrAbortHandler)
}

// whole waits for the last token and answers with one document.
func (s *Server) whole(w http.ResponseWriter, r *http.Request, a *answer, d *renderer) {
	for seen := 0; seen < d.call.length; {
		ready, err := s.await(r, a, seen)
		switch {
		case errors.Is(err, errStopped):
			shuttingDown().write(w)
			return
		case r.Context().Err() != nil:
			s.loop.cancel(d.number)
			return
		case err != nil:
			internal(err).write(w)
			return
		}
		seen = ready
	}
	d.cached = a.cachedTokens()
	document := d.appendWhole(nil)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(document)))
	_, _ = w.Write(document)
}

// await waits until more than seen tokens are ready and the last of them is due,
// and returns their number.
func (s *Server) await(r *http.Request, a *answer, seen int) (int, error) {
	ready, due, err := a.wait(r.Context(), s.stop, seen)
	if err == nil && s.options.Virtual {
		// In real time the loop has waited until the end of the pass, and no timer
		// can tell the nanoseconds that are left from nothing.
		time.Sleep(due - s.loop.now())
	}
	return ready, err
}
