package engine

import "time"

// worker is one timeline of a fleet: it takes requests at instants and has
// something to do at others.
type worker interface {
	// submit and cancel hand an event in; instants do not fall, as far as the
	// caller knows.
	submit(at time.Duration, r Request)
	cancel(at time.Duration, id uint64)
	// next is when there is something to do, and false when nothing will be
	// before another event.
	next() (time.Duration, bool)
	// step does it. It returns a pass, and true, if one has ended. now is the
	// caller's clock.
	step(now time.Duration) (Pass, bool)
	// stats returns gauges and counters.
	stats() Stats
}

// spread chooses the end of a pass with so many chunks: the wanted instant or a
// little later.
type spread func(start, wanted time.Duration, chunks int) time.Duration

// event is an arrival or, without a length, a cancellation.
type event struct {
	at      time.Duration
	request Request
}

// batching is a worker with an engine: one pass follows the other.
type batching struct {
	engine *Engine
	spread spread // nil: passes end when the engine says so
	inbox  []event
	free   time.Duration // end of the last pass
	retry  bool          // blocks were released: waiting requests may fit now
	busy   bool
	pass   Pass // the current one, if busy; else the last one
}

var _ worker = (*batching)(nil)

func (b *batching) submit(at time.Duration, r Request) {
	b.inbox = append(b.inbox, event{at, r})
}

func (b *batching) cancel(at time.Duration, id uint64) {
	b.inbox = append(b.inbox, event{at, Request{ID: id}})
}

// release frees the blocks of a transferred request. The engine may start again at
// that instant, if it waited for them.
func (b *batching) release(at time.Duration, id uint64) {
	b.engine.Release(id)
	if !b.busy {
		b.retry = true
		b.free = max(b.free, at)
	}
}

func (b *batching) next() (time.Duration, bool) {
	switch {
	case b.busy:
		return b.pass.End, true
	case b.retry:
		return b.free, true
	case len(b.inbox) > 0:
		return max(b.free, b.inbox[0].at), true
	}
	return 0, false
}

func (b *batching) step(now time.Duration) (Pass, bool) {
	if b.busy {
		b.busy = false
		b.free = b.pass.End
		if b.pass.Start == b.pass.End {
			// Time that does not pass would keep every later event in the future.
			b.free = max(b.free, now)
		}
		b.retry = true
		return b.pass, true
	}
	start, _ := b.next()
	b.begin(start)
	return Pass{}, false
}

// begin starts a pass. The engine sees what happened before that instant. Events of
// that very instant wait for the next pass, whether or not they have been received
// yet: otherwise the order in which they are would show in the schedule. Only an idle
// engine sees the one that wakes it.
func (b *batching) begin(start time.Duration) {
	n := 0
	if !b.retry {
		n = 1
		b.tell(b.inbox[0])
	}
	for n < len(b.inbox) && b.inbox[n].at < start {
		b.tell(b.inbox[n])
		n++
	}
	b.retry = false
	rest := copy(b.inbox, b.inbox[n:])
	clear(b.inbox[rest:])
	b.inbox = b.inbox[:rest]
	pass, busy := b.engine.Step(start)
	if !busy {
		return
	}
	b.busy = true
	b.pass = pass
	if b.spread != nil {
		// No pass is shorter than its tokens take when they are kept apart.
		b.pass.End = b.spread(start, max(pass.End, pass.Start+time.Duration(len(pass.Chunks)+1)), len(pass.Chunks))
	}
}

// tell passes an event on. The fleet has checked that the engine will not refuse.
func (b *batching) tell(e event) {
	if e.request.PromptTokens == 0 {
		b.engine.Cancel(e.request.ID)
	} else if err := b.engine.Submit(e.request); err != nil {
		panic(err)
	}
}

func (b *batching) stats() Stats { return b.engine.Stats() }
