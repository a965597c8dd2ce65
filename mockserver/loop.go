package mockserver

import (
	"time"

	"github.com/llmsweep/llmsweep/mockserver/engine"
	"github.com/llmsweep/llmsweep/mockserver/metrics"
)

// loop does what is due in the fleet of engines, when it is due. One goroutine, run,
// owns all of it but the channels. Instants are counted from epoch.
type loop struct {
	fleet   *engine.Fleet
	virtual bool
	fine    bool          // wait with the system's timer
	woken   time.Duration // when something due was last found
	epoch   time.Time
	events  chan event
	stop    <-chan struct{}
	answers map[uint64]place // of the requests in the fleet
	grouped bool             // several tokens may come at once
	touched []*answer        // by the pass that is being delivered
	tally   *metrics.Engines
}

// coalesced is how long the loop rests before it looks again whether something is due, where a timer would let it look more
// often: what comes due meanwhile is done together. A wake-up costs more than all that it does.
const coalesced = 50 * time.Microsecond

// place is where the tokens of a request in the fleet are counted: a choice of an answer.
type place struct {
	answer *answer
	choice int
	pooled bool              // the token is not for the client
	tally  *metrics.Sequence // the loop's
}

// event is an arrival, a question or, without an answer, a cancellation. What counts is
// the instant at which it happened, not the one at which the loop came to read of it.
type event struct {
	at      time.Duration
	request engine.Request
	place
	question chan<- metrics.Reading // has room for the reply
}

func newLoop(o Options, stop <-chan struct{}) (*loop, error) {
	f, err := engine.NewFleet(o.fleet())
	if err != nil {
		return nil, err
	}
	return &loop{
		fleet:   f,
		virtual: o.Virtual,
		fine:    o.FineTimer && !o.Virtual,
		epoch:   time.Now(),
		events:  make(chan event),
		stop:    stop,
		answers: make(map[uint64]place),
		grouped: o.Speculation.Drafts > 0,
		tally:   metrics.NewEngines(o.deployment()),
	}, nil
}

// submit hands a request to the fleet, whose tokens will be counted at that place. It
// reports false when the server is closed.
func (l *loop) submit(at time.Duration, r engine.Request, p place) bool {
	return l.send(event{at: at, request: r, place: p})
}

// cancel takes a request out of the fleet, if it is still there.
func (l *loop) cancel(id uint64) {
	l.send(event{at: l.now(), request: engine.Request{ID: id}})
}

// read returns what engines have done until now. It reports false when the server is
// closed.
func (l *loop) read() (metrics.Reading, bool) {
	reply := make(chan metrics.Reading, 1)
	if !l.send(event{question: reply}) {
		return metrics.Reading{}, false
	}
	return <-reply, true
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

// run goes from one thing to the next until stop is closed. Then every answer that waits fails.
func (l *loop) run() {
	a := newAlarm(l.fine)
	defer a.close()
	defer func() {
		for _, p := range l.answers {
			p.answer.fail(errStopped)
		}
	}()
	for l.waitForWork(a) && l.receive() {
		if pass, ended := l.fleet.Step(l.now()); ended {
			l.deliver(pass)
		}
	}
}

// waitForWork receives events until something is due in the fleet. It reports
// false when the server is closed.
func (l *loop) waitForWork(a alarm) bool {
	for {
		var rings <-chan time.Time
		if due, busy := l.fleet.Next(); busy {
			wait := l.rest(due)
			if wait <= 0 {
				return true
			}
			a.set(wait)
			rings = a.rings()
		}
		select {
		case e := <-l.events:
			l.tell(e)
		case <-rings:
		case <-l.stop:
			return false
		}
	}
}

// rest is how long to wait for what is due at an instant.
func (l *loop) rest(due time.Duration) time.Duration {
	if due <= l.woken {
		return 0
	}
	if l.fine {
		due = max(due, l.woken+coalesced)
	}
	now := l.now()
	if due <= now {
		l.woken = now
	}
	return due - now
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
	switch {
	case e.question != nil:
		e.question <- l.tally.Read(l.now(), l.fleet.Stats())
		return
	case e.answer == nil:
		l.drop(e)
		return
	}
	if err := l.fleet.Submit(e.at, e.request); err != nil {
		e.answer.fail(err)
		return
	}
	e.tally = l.tally.Arrive(e.at, e.request, &e.answer.counted, e.pooled)
	l.answers[e.request.ID] = e.place
}

// drop carries out a cancellation.
func (l *loop) drop(e event) {
	if p, found := l.answers[e.request.ID]; found {
		l.tally.Leave(l.fleet.Rank(e.request.ID), p.tally)
		delete(l.answers, e.request.ID)
	}
	l.fleet.Cancel(e.at, e.request.ID)
}

// deliver counts the tokens of a pass that has ended as ready. Readers are woken when
// all of them are counted, so that what they find does not depend on who is faster.
func (l *loop) deliver(pass engine.Pass) {
	l.tally.Pass(pass)
	for _, admission := range pass.Admitted {
		if p, found := l.answers[admission.ID]; found {
			p.answer.admit(pass.Start)
		}
	}
	for k, c := range pass.Chunks {
		due := pass.End
		if l.virtual {
			due += time.Duration(k + 1)
		}
		p, found := l.answers[c.ID]
		if !found {
			continue // canceled meanwhile
		}
		l.tally.Chunk(pass.Rank, p.tally, c, due)
		p.answer.add(p.choice, c, due)
		if !p.answer.touched {
			p.answer.touched = true
			l.touched = append(l.touched, p.answer)
		}
		if c.Last {
			delete(l.answers, c.ID)
		}
	}
	for _, a := range l.touched {
		a.touched = false
		a.signal()
	}
	clear(l.touched)
	l.touched = l.touched[:0]
}
