package mockserver

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/llmsweep/llmsweep/mockserver/engine"
)

// writeTokens is about how many tokens one write holds at most, when a reader has
// fallen behind or the engine does not wait.
const writeTokens = 256

// generate answers a request of the two generating routes.
func (s *Server) generate(w http.ResponseWriter, r *http.Request, k kind) {
	e := s.begin(w, r, k.endpoint())
	defer e.end()
	c, fail := s.understand(w, r, k)
	if fail != nil {
		e.refuse(fail)
		return
	}
	e.seen.Stream = c.stream
	e.line.understood(c)
	if fail := e.choose(c); fail != nil {
		e.refuse(fail)
		return
	}
	c.gone = func() bool { return r.Context().Err() != nil }
	first := s.numbers(len(c.prompts) * c.n)
	d := s.newRenderer(c, first, time.Now().Unix())
	e.line.identified(d, first)
	if c.gone() { // while the answer was drawn, which then is not what it should be
		e.abandon(d)
		panic(http.ErrAbortHandler)
	}
	if e.fault != nil {
		e.misbehave(d)
		return
	}
	if !e.submit(d) {
		e.refuse(shuttingDown())
		return
	}
	e.serve(d)
}

// serve answers as the request asks for.
func (e *exchange) serve(d *renderer) {
	if d.call.stream {
		e.stream(d)
	} else {
		e.whole(d)
	}
}

// numbers takes the next n numbers of requests to the engines and returns the first.
func (s *Server) numbers(n int) uint64 {
	return s.requests.Add(uint64(n)) - uint64(n) + 1
}

// submit hands the choices of an answer to the engines. It reports false when the server is
// closed.
func (e *exchange) submit(d *renderer) bool {
	e.answer = newAnswer(len(d.choices), e.server.loop.grouped)
	// The wait for tokens has one channel to look at.
	e.stopWatching = context.AfterFunc(e.r.Context(), e.answer.signal)
	for k := range d.choices {
		ch := &d.choices[k]
		prompt := d.call.prompts[k/d.call.n]
		request := engine.Request{ID: ch.number, PromptTokens: prompt.count, MaxTokens: d.call.length, Blocks: prompt.blocks}
		if ch.finish != "length" {
			request.StopsAfter = ch.tokens
		}
		if !e.server.loop.submit(e.arrived(), request, place{answer: e.answer, choice: k, pooled: d.call.pooled}) {
			return false
		}
	}
	return true
}

// buffers are what streams write from. They hold one only while they write, since most of the
// time most streams wait.
type buffers struct{ pool sync.Pool }

func (p *buffers) get() *[]byte {
	if b, found := p.pool.Get().(*[]byte); found {
		return b
	}
	b := make([]byte, frameRoom, 2048)
	return &b
}

func (p *buffers) put(b *[]byte) {
	p.pool.Put(b)
}

// stream writes tokens as they come due.
func (e *exchange) stream(d *renderer) {
	out, err := e.beginStream()
	for err == nil && d.open > 0 {
		if err = e.await(d.written); err == nil {
			err = e.write(out, d)
		}
	}
	e.endStream(d, err)
}

// beginStream sends the header at once: a client sees that its request was accepted long before the first token.
func (e *exchange) beginStream() (responseBody, error) {
	e.streamHeader()
	e.w.WriteHeader(http.StatusOK)
	out := newBody(e.w, e.r)
	return out, out.out.Flush()
}

func (e *exchange) streamHeader() {
	e.w.Header().Set("Content-Type", e.contentType("text/event-stream; charset=utf-8"))
	e.w.Header().Set("Cache-Control", "no-cache")
}

// endStream ends a stream that was not carried to its end.
func (e *exchange) endStream(d *renderer, err error) {
	if err == nil {
		return
	}
	e.abandon(d)
	// Returning would end the body as if it were complete.
	panic(http.ErrAbortHandler)
}

// write writes what is ready, or as much as one write should hold.
func (e *exchange) write(out responseBody, d *renderer) (err error) {
	buffer := e.server.buffers.get()
	defer e.server.buffers.put(buffer)
	*buffer = d.appendReady((*buffer)[:frameRoom], &e.progress, writeTokens)
	if len(*buffer) == frameRoom {
		return nil // tokens without text
	}
	e.line.write(e.server.loop, d.written-e.noted)
	e.noted = d.written
	if d.open == 0 {
		e.line.completed(d)
		e.seen.Succeed(e.server.loop.now(), d.call.promptTokens(), d.written)
	}
	*buffer, err = out.write(*buffer)
	return err
}

// whole waits for the last token and answers with one document.
func (e *exchange) whole(d *renderer) {
	if !e.complete(d) {
		return
	}
	_, _ = e.w.Write(e.document(d))
}

// document is the answer that has the tokens of the progress, about to be written, and its header.
func (e *exchange) document(d *renderer) []byte {
	document := d.appendWhole(nil, &e.progress)
	e.w.Header().Set("Content-Type", e.contentType("application/json"))
	e.w.Header().Set("Content-Length", strconv.Itoa(len(document)))
	e.line.write(e.server.loop, d.written)
	e.line.completed(d)
	e.seen.Succeed(e.server.loop.now(), d.call.promptTokens(), d.written)
	return document
}

// complete waits for the last token of every choice. It reports false when the exchange
// has ended otherwise.
func (e *exchange) complete(d *renderer) bool {
	all := 0
	for k := range d.choices {
		all += d.choices[k].tokens
	}
	for e.progress.total < all {
		err := e.await(e.progress.total)
		switch {
		case errors.Is(err, errStopped):
			e.refuse(shuttingDown())
			return false
		case e.r.Context().Err() != nil:
			e.abandon(d)
			return false
		case err != nil:
			e.refuse(internal(err))
			return false
		}
	}
	return true
}

// await waits until more tokens are ready than were seen and the last of them is due.
func (e *exchange) await(seen int) error {
	s := e.server
	if e.progress.total > seen {
		return nil // and has been due
	}
	err := e.answer.wait(e.r.Context(), &e.progress)
	if err == nil && s.options.Virtual {
		// In real time the loop has waited until the end of the pass, and no timer
		// can tell the nanoseconds that are left from nothing.
		time.Sleep(e.progress.due - s.loop.now())
	}
	return err
}

// abandon takes what is left of an answer out of the engines, so that its blocks are free
// for others.
func (e *exchange) abandon(d *renderer) {
	for k := range d.choices {
		e.server.loop.cancel(d.choices[k].number)
	}
	stopped := e.server.stopped()
	e.line.abandoned(d, stopped)
	if !stopped {
		e.seen.Disconnect(e.server.loop.now())
	}
}
