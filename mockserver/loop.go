package mockserver

import (
	"time"

	"github.com/llmsweep/llmsweep/mockserver/engine"
)

// loop carries out the passes of the engine. One goroutine, run, owns all of it
// but the channels. Instants are counted from epoch.
type loop struct {
	engine  *engine.Engine
	virtual bool
	epoch   time.Time
	events  chan event
	stop    <-chan struct{}

	pending []event            // received, not yet seen by the engine
	answers map[uint64]*answer // of the requests in the engine
	quiet   time.Duration      // virtual: no token is written from here on
}

// event is an arrival or, without an answer, a cancellation. What counts is the
// instant at which it happened, not the one at which the loop came to read of it.
type event struct {
	at      time.Duration
	request engine.Request
	answer  *answer
}

func newLoop(o Options, stop <-chan struct{}) (*loop, error) {
	e, err := engine.New(o.engine())
	if err != nil {
		return nil, err
	}
	return &loop{
		engine:  e,
		virtual: o.Virtual,
		epoch:   time.Now(),
		events:  make(chan event),
		stop:    stop,
		answers: make(map[uint64]*answer),
	}, nil
}

// submit hands a request to the engine and returns where its tokens will be
// counted. It reports false when the server is closed.
func (l *loop) submit(r engine.Request) (*answer, bool) {
	a := newAnswer()
	return a, l.send(event{at: l.now(), request: r, answer: a})
}

// cancel takes a request out of the engine, if it is still there.
func (l *loop) cancel(id uint64) {
	l.send(event{at: l.now(), request: engine.Request{ID: id}})
}

// send waits for the loop to receive, which it is ready to do whenever it waits
// and once a pass.
func (l *loop) send(e event) bool {
	select {
	case l.events <- e:
		return true
	case <-l.stop:
		return false
	}
}

func (l *loop) now() time.Duration {
	return time.Since(l.epoch)
}

// run goes from pass to pass until stop is closed.
func (l *loop) run() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	now, open := l.idle(0)
	for open {
		pass, busy := l.engine.Step(now)
		if !busy {
			now, open = l.idle(now)
			continue
		}
		end := l.end(pass)
		if !l.waitUntil(end, timer) {
			return
		}
		l.deliver(pass.Chunks, end)
		now = l.next(pass.Start, end)
		l.apply(now)
	}
}

// idle waits for one event, lets the engine see it and returns the instant at
// which a pass may start: that of the event, or now if that is later. Further
// events, even of the same instant, are left for the pass after that.
func (l *loop) idle(now time.Duration) (time.Duration, bool) {
	if len(l.pending) == 0 {
		select {
		case e := <-l.events:
			l.pending = append(l.pending, e)
		case <-l.stop:
			return now, false
		}
	}
	e := l.pending[0]
	l.drop(1)
	l.tell(e)
	return max(now, e.at), true
}

// end is when the pass ends: when the engine says so, in virtual time no earlier
// than the rule of the package comment allows.
func (l *loop) end(pass engine.Pass) time.Duration {
	if !l.virtual {
		return pass.End
	}
	span := time.Duration(len(pass.Chunks) + 1)
	end := max(pass.End, pass.Start+span, l.quiet)
	l.quiet = end + span
	return end
}

// next is when the pass after one that ended at end starts.
func (l *loop) next(start, end time.Duration) time.Duration {
	if start < end {
		return end
	}
	// Time that does not pass would keep every later event in the future.
	return max(end, l.now())
}

// waitUntil receives events until an instant, and those that are there already
// if it is over. It reports false when the server is closed.
func (l *loop) waitUntil(end time.Duration, timer *time.Timer) bool {
	if wait := end - l.now(); wait > 0 {
		timer.Reset(wait)
		for due := false; !due; {
			select {
			case e := <-l.events:
				l.pending = append(l.pending, e)
			case <-timer.C:
				due = true
			case <-l.stop:
				return false
			}
		}
	}
	for {
		select {
		case e := <-l.events:
			l.pending = append(l.pending, e)
		case <-l.stop:
			return false
		default:
			return true
		}
	}
}

// apply lets the engine see what happened before now. Events of that very
// instant wait for the next pass, whether or not they have been received yet:
// otherwise the order in which goroutines wake would show in the schedule.
func (l *loop) apply(now time.Duration) {
	n := 0
	for n < len(l.pending) && l.pending[n].at < now {
		l.tell(l.pending[n])
		n++
	}
	l.drop(n)
}

// drop removes the first n pending events and keeps the slice's capacity.
func (l *loop) drop(n int) {
	rest := copy(l.pending, l.pending[n:])
	clear(l.pending[rest:])
	l.pending = l.pending[:rest]
}

// tell passes one event on to the engine.
func (l *loop) tell(e event) {
	if e.answer == nil {
		l.engine.Cancel(e.request.ID)
		delete(l.answers, e.request.ID)
		return
	}
	if err := l.engine.Submit(e.request); err != nil {
		e.answer.fail(err)
		return
	}
	l.answers[e.request.ID] = e.answer
}

// deliver counts the tokens of a pass that has ended as ready.
func (l *loop) deliver(chunks []engine.Chunk, end time.Duration) {
	for k, c := range chunks {
		due := end
		if l.virtual {
			due += time.Duration(k + 1)
		}
		l.answers[c.ID].add(c, due)
		if c.Last {
			delete(l.answers, c.ID)
		}
	}
}
