package mockserver

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/llmsweep/llmsweep/mockserver/fault"
)

// misbehave answers a request that a fault was chosen for. The engines have it as they would without the fault,
// except where its kind keeps it from them or ends it early.
func (e *exchange) misbehave(d *renderer) {
	switch e.fault.Kind {
	case fault.Status:
		e.failWith(e.fault)
	case fault.ResetBeforeHeaders, fault.Refuse:
		e.line.unanswered()
		e.struck(0)
		e.seen.Fail(e.server.loop.now(), http.StatusInternalServerError)
		e.reset()
	case fault.Empty:
		e.sayNothing(d)
	case fault.Cached:
		e.repeat(e.server.newRenderer(d.call, cachedNumber, e.server.loop.epoch.Unix()))
	case fault.FewerTokens:
		e.shorten(d)
		e.compute(d, e.serve)
	default:
		e.compute(d, e.spoiler(d.call))
	}
}

// compute has the engines work on the answer while it is spoiled.
func (e *exchange) compute(d *renderer, spoil func(*renderer)) {
	if !e.submit(d) {
		e.refuse(shuttingDown())
		return
	}
	spoil(d)
}

// spoiler is what the kind does to an answer that the engines compute.
func (e *exchange) spoiler(c *call) func(*renderer) {
	switch e.fault.Kind {
	case fault.StallBeforeHeaders:
		return e.stallFirst
	case fault.SlowHeaders:
		return e.slowHeaders
	case fault.SlowBody:
		return e.slowBody
	case fault.WrongContentType:
		return e.serve
	case fault.Spike, fault.Drift, fault.ColdStart:
		if c.stream {
			return e.streamLater
		}
		return e.wholeLater
	default:
		return e.spoilStream
	}
}

// failWith answers with a status and no more.
func (e *exchange) failWith(f *fault.Strike) {
	if f.RetryAfter > 0 {
		e.w.Header().Set("Retry-After", strconv.Itoa(int(f.RetryAfter/time.Second)))
	}
	e.line.unanswered()
	e.struck(0)
	said := injected(f.Status)
	if f.Body == "" {
		e.refuse(said)
		return
	}
	e.line.refused(said)
	e.seen.Fail(e.server.loop.now(), f.Status)
	e.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if strings.HasPrefix(f.Body, "{") {
		e.w.Header().Set("Content-Type", "application/json")
	}
	e.w.WriteHeader(f.Status)
	_, _ = e.w.Write([]byte(f.Body))
}

// injected is the failure that a fault makes.
func injected(status int) *failure {
	f := invalid(status, "injected_fault", "A fault was asked for: status %d.", status)
	switch {
	case status == http.StatusTooManyRequests:
		f.Type = "rate_limit_error"
	case status >= http.StatusInternalServerError:
		f.Type = "server_error"
	}
	return f
}

// reset has the connection end with a reset and not in good order.
func (e *exchange) reset() {
	if connection, can := directOf(e.r).(lingerer); can {
		// It fails on a connection that is closed already.
		_ = connection.SetLinger(0)
	}
	panic(http.ErrAbortHandler)
}

// sayNothing answers without content: with nothing, or in good form.
func (e *exchange) sayNothing(d *renderer) {
	for k := range d.choices {
		d.choices[k].script = script{number: d.choices[k].number, finish: "stop"}
	}
	d.call.function = nil
	e.struck(0)
	switch {
	case e.fault.Done:
		e.repeat(d)
	case d.call.stream:
		e.line.broken(d)
		e.seen.Succeed(e.server.loop.now(), d.call.promptTokens(), 0)
		_, err := e.beginStream()
		e.endStream(d, err)
	default:
		e.line.broken(d)
		e.seen.Succeed(e.server.loop.now(), d.call.promptTokens(), 0)
		e.w.Header().Set("Content-Type", "application/json")
		e.w.Header().Set("Content-Length", "0")
		e.w.WriteHeader(http.StatusOK)
	}
}

// cachedNumber is the number of the answers that are cached, which no request to the engines has.
const cachedNumber = 1 << 63

// repeat sends an answer that is there, without the engines.
func (e *exchange) repeat(d *renderer) {
	if e.fault.Kind == fault.Cached {
		e.line.renamed(d)
		e.struck(0)
	}
	for k := range d.choices {
		e.progress.ready = append(e.progress.ready, d.choices[k].tokens)
		e.progress.total += d.choices[k].tokens
	}
	if !d.call.stream {
		_, _ = e.w.Write(e.document(d))
		return
	}
	out, err := e.beginStream()
	for err == nil && d.open > 0 {
		err = e.write(out, d)
	}
	e.endStream(d, err)
}

// shorten has answers end before they are as long as asked for. Those of one token cannot.
func (e *exchange) shorten(d *renderer) {
	before, after := 0, 0
	for k := range d.choices {
		c := &d.choices[k]
		before += c.tokens
		if length := max(1, int(e.fault.Share*float64(c.tokens))); length < c.tokens {
			c.tokens, c.finish = length, "stop"
			c.shown, c.thought = min(c.shown, length), min(c.thought, length)
		}
		after += c.tokens
	}
	if after < before {
		e.struck(after)
	}
}

// stallFirst lets the client wait for the header.
func (e *exchange) stallFirst(d *renderer) {
	e.struck(0)
	if err := e.pause(e.fault.For); err != nil {
		e.line.unanswered()
		e.endStream(d, err)
	}
	e.serve(d)
}

// pause waits for a time, 0 for any, unless the client goes away or the server is closed.
func (e *exchange) pause(d time.Duration) error {
	var over <-chan time.Time
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-over:
		return nil
	case <-e.r.Context().Done():
		return e.r.Context().Err()
	case <-e.server.stop:
		return errStopped
	}
}
