package mockserver

import (
	"time"

	"github.com/llmsweep/llmsweep/mockserver/engine"
)

// loop does what is due in the fleet of engines, when it is due. One goroutine, run,
// owns all of it but the channels. Instants are counted from epoch.
type loop struct {
	fleet   *engine.Fleet
	virtual bool
	epoch   time.Time
	events  chan event
	stop    <-chan struct{}
	answers map[uint64]*answer // of the requests in the fleet
}

// event is an arrival, a question or, without an answer, a cancellation. What counts is
// the instant at which it happened, not the one at which the loop came to read of it.
type event struct {
	at       time.Duration
	request  engine.Request
	answer   *answer
	question chan<- []engine.Stats // has room for the reply
}

func newLoop(o Options, stop <-chan struct{}) (*loop, error) {
	f, err := engine.NewFleet(o.fleet())
	if err != nil {
		return nil, err
	}
	return &loop{
		fleet:   f,
		virtual: o.Virtual,
		epoch:   time.Now(),
		events:  make(chan event),
		stop:    stop,
		answers: make(map[uint64]*answer),
	}, nil
}

// submit hands a request to the fleet and returns where its tokens will be
// counted. It reports false when the server is closed.
func (l *loop) submit(r engine.Request) (*answer, bool) {
	a := newAnswer()
	return a, l.send(event{at: l.now(), request: r, answer: a})
}

// cancel takes a request out of the fleet, if it is still there.
func (l *loop) cancel(id uint64) {
	l.send(event{at: l.now(), request: engine.Request{ID: id}})
}

// stats returns what the fleet says of itself, or nothing when the server is closed.
func (l *loop) stats() []engine.Stats {
	reply := make(chan []engine.Stats, 1)
	if !l.send(event{question: reply}) {
		return nil
	}
	return <-reply
}

// send waits for the loop to receive, which it is ready to do whenever it waits
// and before it does anything.
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

// run goes from one thing to the next until stop is closed.
func (l *loop) run() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for l.waitForWork(timer) && l.receive() {
		if pass, ended := l.fleet.Step(l.now()); ended {
			l.deliver(pass)
		}
	}
}

// waitForWork receives events until something is due in the fleet. It reports
// false when the server is closed.
func (l *loop) waitForWork(timer *time.Timer) bool {
	for {
		var alarm <-chan time.Time
		if due, busy := l.fleet.Next(); busy {
			wait := due - l.now()
			if wait <= 0 {
				return true
			}
			timer.Reset(wait)
			alarm = timer.C
		}
		select {
		case e := <-l.events:
			l.tell(e)
		case <-alarm:
		case <-l.stop:
			return false
		}
	}
}

// receive takes the events that are there already, so that they join the pass that
// they would have joined had the loop not been late. It reports false when the
// server is closed.
func (l *loop) receive() bool {
	for {
		select {
		case e := <-l.events:
			l.tell(e)
		case <-l.stop:
			return false
		default:
			return true
		}
	}
}

// tell passes one event on to the fleet.
func (l *loop) tell(e event) {
	if e.question != nil {
		e.question <- l.fleet.Stats()
		return
	}
	if e.answer == nil {
		l.fleet.Cancel(e.at, e.request.ID)
		delete(l.answers, e.request.ID)
		return
	}
	if err := l.fleet.Submit(e.at, e.request); err != nil {
		e.answer.fail(err)
		return
	}
	l.answers[e.request.ID] = e.answer
}

// deliver counts the tokens of a pass that has ended as ready.
func (l *loop) deliver(pass engine.Pass) {
	for k, c := range pass.Chunks {
		due := pass.End
		if l.virtual {
			due += time.Duration(k + 1)
		}
		if a := l.answers[c.ID]; a != nil { // not canceled meanwhile
			a.add(c, due)
		}
		if c.Last {
			delete(l.answers, c.ID)
		}
	}
}
