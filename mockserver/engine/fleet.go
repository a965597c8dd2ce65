package engine

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// FleetConfig describes a deployment: engines that run side by side. Start from
// [DefaultFleetConfig].
type FleetConfig struct {
	// Engine is the configuration of each engine. Its Role and Rank are the fleet's
	// business.
	Engine Config
	// Engines is how many there are: workers times data-parallel ranks; at least 1.
	// In a disaggregated deployment it is the number of decode engines.
	Engines int
	// PrefillEngines is how many other engines compute the prompts. 0 means that
	// the deployment is not disaggregated.
	PrefillEngines int
	// Stagger is when they start.
	Stagger Stagger
	// Transfer is how prompts get from the ones to the others.
	Transfer Transfer
	// Plain replaces the engines by a plain server; nil does not.
	Plain *Plain
	// Apart keeps the tokens of all passes on instants of their own, if the k-th
	// chunk of a pass, from 1, is written k nanoseconds after its end: for servers
	// in virtual time, where what happens on one instant has no order. Passes get
	// longer by as little as that takes, and each spans at least one nanosecond
	// more than it has chunks.
	Apart bool
}

// DefaultFleetConfig is one engine of the default configuration.
func DefaultFleetConfig() FleetConfig {
	return FleetConfig{Engine: DefaultConfig(), Engines: 1, Transfer: DefaultTransfer()}
}

// Validate returns every problem, joined, or nil.
func (c FleetConfig) Validate() error {
	errs := []error{
		c.Engine.Validate(),
		atLeastOne("num-workers times data-parallel-size", c.Engines),
		c.Stagger.validate(),
		c.Transfer.validate(),
	}
	if c.PrefillEngines < 0 {
		errs = append(errs, fmt.Errorf(`prefill workers "%d": must be at least 0`, c.PrefillEngines))
	}
	if c.Plain != nil {
		errs = append(errs, c.Plain.validate())
		if c.PrefillEngines > 0 {
			errs = append(errs, errors.New("a plain server has no prefill workers: leave one of both out"))
		}
	}
	return errors.Join(errs...)
}

// Check returns a [*LimitError] if the deployment could never serve a request of
// these lengths, and nil otherwise.
func (c FleetConfig) Check(promptTokens, maxTokens int) error {
	if c.Plain != nil {
		return c.Engine.checkContext(promptTokens, maxTokens)
	}
	decode, prefill := c.roles()
	if c.PrefillEngines > 0 {
		if err := prefill.Check(promptTokens, maxTokens); err != nil {
			return err
		}
	}
	return decode.Check(promptTokens, maxTokens)
}

func (c FleetConfig) roles() (decode, prefill Config) {
	decode, prefill = c.Engine, c.Engine
	decode.Role, prefill.Role = Aggregated, Prefill
	if c.PrefillEngines > 0 {
		decode.Role = Decode
	}
	return decode, prefill
}

// Fleet is a deployment. Requests go in turn to those of its engines that have started. Like an [Engine] it has
// no clock: the caller says when a request arrives, asks with Next when something is
// to be done and does it with Step, one instant after the other. It is not
// safe for concurrent use.
type Fleet struct {
	config    FleetConfig
	workers   []worker    // those that answer: rank 0 on
	prefills  []*batching // their ranks follow
	timetable timetable   // of both, by rank
	turn      int         // of workers
	turnFirst int         // of prefills
	flights   map[uint64]*flight
	transfers []*flight // in order of their ends
	windows   []window  // of passes that are not over, if they are kept apart
}

// flight is a request on its way.
type flight struct {
	request Request
	prefill int // its engine, or -1 when it has left
	worker  int // the one that answers, or -1 as long as none does
	arrives time.Duration
	cached  int // on the prefill engine
}

// window is where the chunks of a pass are written.
type window struct{ first, last time.Duration }

// NewFleet returns an idle fleet, or every problem of the configuration.
func NewFleet(c FleetConfig) (*Fleet, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	f := &Fleet{config: c, flights: make(map[uint64]*flight)}
	decode, prefill := c.roles()
	for rank := range c.Engines {
		decode.Rank = rank
		if c.Plain != nil {
			f.workers = append(f.workers, &plain{Plain: *c.Plain, config: decode, noise: newNoise(decode.Noise, rank), spread: f.spread()})
			continue
		}
		w, err := f.newBatching(decode)
		if err != nil {
			return nil, err
		}
		f.workers = append(f.workers, w)
	}
	for k := range c.PrefillEngines {
		prefill.Rank = c.Engines + k
		w, err := f.newBatching(prefill)
		if err != nil {
			return nil, err
		}
		f.prefills = append(f.prefills, w)
	}
	f.timetable = newTimetable(f.all())
	return f, nil
}

func (f *Fleet) newBatching(c Config) (*batching, error) {
	e, err := New(c)
	return &batching{engine: e, spread: f.spread()}, err
}

// all returns the workers by rank: those that answer, then the prefill engines.
func (f *Fleet) all() []worker {
	all := slices.Clone(f.workers)
	for _, w := range f.prefills {
		all = append(all, w)
	}
	return all
}

// spread returns how workers choose the ends of their passes.
func (f *Fleet) spread() spread {
	if !f.config.Apart {
		return nil
	}
	return func(start, end time.Duration, chunks int) time.Duration {
		// Passes begin in order of time, so what is written before one begins is in
		// nobody's way any more.
		f.windows = slices.DeleteFunc(f.windows, func(w window) bool { return w.last < start })
		length := time.Duration(chunks)
		for clear := false; !clear; {
			clear = true
			for _, w := range f.windows {
				if end <= w.last && w.first <= end+length {
					end, clear = w.last+1, false
				}
			}
		}
		f.windows = append(f.windows, window{end, end + length})
		return end
	}
}

// Submit hands a request in that arrives at an instant. It joins a pass that starts
// later than that, or the one that starts then because its engine is idle. Submit
// fails as [Engine.Submit] does, at once.
func (f *Fleet) Submit(at time.Duration, r Request) error {
	if r.PromptTokens < 1 || r.MaxTokens < 1 {
		return fmt.Errorf("submitting request %d: prompt of %d and answer of %d tokens: each must be at least 1",
			r.ID, r.PromptTokens, r.MaxTokens)
	}
	if f.flights[r.ID] != nil {
		return fmt.Errorf("submitting request %d: the ID is in use: wait for its last token or cancel it", r.ID)
	}
	if err := f.config.Check(r.PromptTokens, r.MaxTokens); err != nil {
		return fmt.Errorf("submitting request %d: %w", r.ID, err)
	}
	fl := &flight{request: r, prefill: -1, worker: -1}
	f.flights[r.ID] = fl
	if len(f.prefills) > 0 {
		fl.prefill = f.config.Stagger.take(&f.turnFirst, at, len(f.prefills))
		f.prefills[fl.prefill].submit(at, r)
		f.timetable.changed(len(f.workers) + fl.prefill)
		return nil
	}
	f.answer(at, fl)
	return nil
}

// answer hands a request to the next of the engines that answer.
func (f *Fleet) answer(at time.Duration, fl *flight) {
	if fl.worker < 0 {
		fl.worker = f.nextWorker(at)
	}
	f.workers[fl.worker].submit(at, fl.request)
	f.timetable.changed(fl.worker)
}

func (f *Fleet) nextWorker(at time.Duration) int {
	return f.config.Stagger.take(&f.turn, at, len(f.workers))
}

// Cancel takes a request out, wherever it is, and reports whether it was there. A
// pass that has begun is not undone: its chunks may still come, so the ID must not be
// used again.
func (f *Fleet) Cancel(at time.Duration, id uint64) bool {
	fl := f.flights[id]
	if fl == nil {
		return false
	}
	delete(f.flights, id)
	f.transfers = slices.DeleteFunc(f.transfers, func(t *flight) bool { return t == fl })
	if fl.prefill >= 0 {
		f.prefills[fl.prefill].cancel(at, id)
		f.timetable.changed(len(f.workers) + fl.prefill)
	} else {
		f.workers[fl.worker].cancel(at, id)
		f.timetable.changed(fl.worker)
	}
	return true
}

// Rank is that of the engine that has a request: while its prompt is copied the prefill engine, which still holds it. It is 0 for a
// request that is not there.
func (f *Fleet) Rank(id uint64) int {
	switch fl := f.flights[id]; {
	case fl == nil:
		return 0
	case fl.prefill >= 0:
		return len(f.workers) + fl.prefill
	default:
		return fl.worker
	}
}

// Next is the instant of the next thing to do, and false when there is nothing to do
// before another request.
func (f *Fleet) Next() (time.Duration, bool) {
	at, _, found := f.first()
	return at, found
}

// first finds what is next: the number of a worker, or ofTransfer for the end of a transfer. Of several
// things at one instant the ends of transfers come first, since nothing else is as late
// to be known, then workers by rank.
func (f *Fleet) first() (at time.Duration, next int, found bool) {
	next, at, found = f.timetable.first()
	if len(f.transfers) > 0 && (!found || f.transfers[0].arrives <= at) {
		return f.transfers[0].arrives, ofTransfer, true
	}
	return at, next, found
}

const ofTransfer = -1

// Step does what is next. If that is the end of a pass it returns the pass and true;
// its slices are valid until the next Step. The chunks of prefill engines are not for
// the client and are left out. now is the caller's clock, which must have come to
// Next; it counts only where passes take no time.
func (f *Fleet) Step(now time.Duration) (Pass, bool) {
	at, next, found := f.first()
	switch {
	case !found:
		return Pass{}, false
	case next == ofTransfer:
		f.arrive(at)
		return Pass{}, false
	}
	pass, ended := f.timetable.workers[next].step(now)
	f.timetable.changed(next)
	if !ended {
		return Pass{}, false
	}
	if pass.Rank >= len(f.workers) {
		for _, c := range pass.Chunks {
			f.transfer(pass.End, c)
		}
		pass.Chunks = nil
		return pass, true
	}
	f.deliver(pass.Chunks)
	return pass, true
}

// deliver forgets requests that are complete. What a prefill engine found in its
// cache is what the client hears of.
func (f *Fleet) deliver(chunks []Chunk) {
	for k := range chunks {
		c := &chunks[k]
		fl := f.flights[c.ID]
		if fl == nil {
			continue // canceled meanwhile
		}
		if len(f.prefills) > 0 {
			c.CachedTokens = fl.cached
		}
		if c.Last {
			delete(f.flights, c.ID)
		}
	}
}

// transfer begins to copy the blocks of a prompt that is computed.
func (f *Fleet) transfer(at time.Duration, c Chunk) {
	fl := f.flights[c.ID]
	if fl == nil {
		return // canceled meanwhile: the engine will hear of it
	}
	fl.cached = c.CachedTokens
	fl.worker = f.nextWorker(at)
	tokens := fl.request.PromptTokens
	if f.config.Transfer.Timing == DestinationMissing {
		if b, isEngine := f.workers[fl.worker].(*batching); isEngine {
			tokens -= b.engine.CachedTokens(fl.request)
		}
	}
	fl.arrives = at + f.config.Transfer.delay(tokens, f.config.Engine.SpeedupRatio)
	k, _ := slices.BinarySearchFunc(f.transfers, fl.arrives, func(t *flight, at time.Duration) int {
		if t.arrives <= at {
			return -1
		}
		return 1
	})
	f.transfers = slices.Insert(f.transfers, k, fl)
}

// arrive ends the first transfer.
func (f *Fleet) arrive(at time.Duration) {
	fl := f.transfers[0]
	f.transfers = slices.Delete(f.transfers, 0, 1)
	f.prefills[fl.prefill].release(at, fl.request.ID)
	f.timetable.changed(len(f.workers) + fl.prefill)
	fl.prefill = -1
	f.answer(at, fl)
}

// Stats returns gauges and counters of each engine by rank: those that answer, then the
// prefill engines.
func (f *Fleet) Stats() []Stats {
	all := make([]Stats, len(f.timetable.workers))
	for rank, w := range f.timetable.workers {
		all[rank] = w.stats()
	}
	return all
}
