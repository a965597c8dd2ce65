package engine

import (
	"slices"
	"time"
)

// naiveFleet is the second deployment: engines that take turns, or prefill engines that
// take turns in front of decode engines that do. A pass is planned when it starts and its
// tokens exist when it ends; whoever comes or goes in between is heard at the end.
type naiveFleet struct {
	config   FleetConfig
	engines  []*naiveWorker // those that answer, by rank
	prefills []*naiveWorker // with the ranks that follow
	turns    map[Role]int
	known    map[uint64]*naiveJob
	copies   []*naiveJob // in order of their beginnings
	windows  []window    // of all passes, if they are kept apart
}

// naiveJob is a request on its way.
type naiveJob struct {
	id             uint64
	prompt, answer string
	most           int
	prefill        *naiveWorker // nil when the prompt has been copied
	engine         *naiveWorker // nil until one is chosen
	arrives        time.Duration
	cached         int // on the prefill engine
}

// naiveWorker is an engine in time.
type naiveWorker struct {
	*naive
	inbox  []naiveNews
	busy   bool
	end    time.Duration // of the pass, if busy
	look   bool          // something has changed for those that wait
	lookAt time.Duration
}

// naiveNews is a request or, without one, the end of one.
type naiveNews struct {
	at  time.Duration
	id  uint64
	job *naiveJob
}

func newNaiveFleet(c FleetConfig) *naiveFleet {
	f := &naiveFleet{config: c, turns: map[Role]int{}, known: map[uint64]*naiveJob{}}
	decode, prefill := c.Engine, c.Engine
	decode.Role, prefill.Role = Aggregated, Prefill
	if c.PrefillEngines > 0 {
		decode.Role = Decode
	}
	for range c.Engines {
		f.engines = append(f.engines, &naiveWorker{naive: newNaive(decode)})
		decode.Rank++
	}
	for prefill.Rank = c.Engines; prefill.Rank < c.Engines+c.PrefillEngines; prefill.Rank++ {
		f.prefills = append(f.prefills, &naiveWorker{naive: newNaive(prefill)})
	}
	return f
}

// submit reports whether the deployment can serve the request.
func (f *naiveFleet) submit(at time.Duration, j *naiveJob) bool {
	for _, of := range [][]*naiveWorker{f.engines, f.prefills} {
		if len(of) > 0 && !naiveFits(of[0].config, tokens(j.prompt), j.most) {
			return false
		}
	}
	f.known[j.id] = j
	if len(f.prefills) > 0 {
		j.prefill = f.inTurn(f.prefills)
		j.prefill.hear(naiveNews{at, j.id, j})
		return true
	}
	j.engine = f.inTurn(f.engines)
	j.engine.hear(naiveNews{at, j.id, j})
	return true
}

func (f *naiveFleet) inTurn(of []*naiveWorker) *naiveWorker {
	role := of[0].config.Role
	f.turns[role]++
	return of[(f.turns[role]-1)%len(of)]
}

func (w *naiveWorker) hear(n naiveNews) { w.inbox = append(w.inbox, n) }

// cancel reports whether the request was on its way.
func (f *naiveFleet) cancel(at time.Duration, id uint64) bool {
	j := f.known[id]
	if j == nil {
		return false
	}
	delete(f.known, id)
	f.copies = slices.DeleteFunc(f.copies, func(other *naiveJob) bool { return other == j })
	if j.prefill != nil {
		j.prefill.hear(naiveNews{at, id, nil})
	} else {
		j.engine.hear(naiveNews{at, id, nil})
	}
	return true
}

// next is what happens next: the arrival of a copy, or what an engine has to do. The page
// leaves open the order of what happens on one instant: it is the order of this function.
func (f *naiveFleet) next() (at time.Duration, happen func() []naiveToken, found bool) {
	consider := func(due time.Duration, what func() []naiveToken) {
		if !found || due < at {
			at, happen, found = due, what, true
		}
	}
	for _, j := range f.copies {
		consider(j.arrives, func() []naiveToken { return f.arrive(j) })
	}
	for _, w := range slices.Concat(f.engines, f.prefills) {
		switch {
		case w.busy:
			consider(w.end, func() []naiveToken { return f.finish(w) })
		case w.look:
			consider(w.lookAt, func() []naiveToken { return f.start(w, w.lookAt, 0) })
		case len(w.inbox) > 0:
			consider(w.inbox[0].at, func() []naiveToken { return f.start(w, w.inbox[0].at, 1) })
		}
	}
	return at, happen, found
}

// start begins a pass if there is anything to do. The engine has heard what happened
// earlier and, if it was idle, the news that made it look.
func (f *naiveFleet) start(w *naiveWorker, now time.Duration, news int) []naiveToken {
	for len(w.inbox) > 0 && (news > 0 || w.inbox[0].at < now) {
		if j := w.inbox[0].job; j != nil {
			w.naive.submit(j.id, j.prompt, j.answer, j.most)
		} else {
			w.naive.cancel(w.inbox[0].id)
		}
		w.inbox = w.inbox[1:]
		news--
	}
	w.look = false
	if w.busy = w.begin(); w.busy {
		w.end = now + w.time()
		if f.config.Apart {
			w.end = f.apart(now, w.end, w.chunks())
		}
	}
	return nil
}

// apart is the first instant from end on at which so many chunks can be written, one each
// nanosecond after it, with nothing of another pass on the same instants, and after so many
// nanoseconds and one.
func (f *naiveFleet) apart(start, end time.Duration, chunks int) time.Duration {
	end = max(end, start+time.Duration(chunks+1))
	mine := func() window { return window{end, end + time.Duration(chunks)} }
	for slices.ContainsFunc(f.windows, func(w window) bool { return w.first <= mine().last && mine().first <= w.last }) {
		end++
	}
	f.windows = append(f.windows, mine())
	return end
}

// chunks is how many the pass will have.
func (n *naive) chunks() int {
	count := 0
	for _, r := range n.running {
		if r.planned > 0 && r.computed+r.planned == r.known() {
			count++
		}
	}
	return count
}

// naiveToken is one that a client gets; several that come at once are several.
type naiveToken struct {
	id    uint64
	at    time.Duration
	first int // index of the first one of its chunk
	cache int // cached tokens
	last  bool
}

// finish ends a pass.
func (f *naiveFleet) finish(w *naiveWorker) (told []naiveToken) {
	w.naive.end()
	w.busy, w.look, w.lookAt = false, true, w.end
	for k, c := range w.pass.Chunks {
		j := f.known[c.ID]
		switch {
		case j == nil: // canceled
		case w.config.Role == Prefill:
			f.copy(j, w.end, c.CachedTokens)
		default:
			told = append(told, f.tell(j, w.end, k, c)...)
		}
	}
	return told
}

func (f *naiveFleet) tell(j *naiveJob, end time.Duration, k int, c Chunk) (told []naiveToken) {
	if f.config.Apart {
		end += time.Duration(k + 1)
	}
	if f.config.PrefillEngines > 0 {
		c.CachedTokens = j.cached
	}
	if c.Last {
		delete(f.known, j.id)
	}
	for i := range c.Count {
		told = append(told, naiveToken{j.id, end, c.Index, c.CachedTokens, c.Last && i == c.Count-1})
	}
	return told
}

// copy begins a transfer. The page leaves open when a decode engine is chosen: now.
func (f *naiveFleet) copy(j *naiveJob, now time.Duration, cached int) {
	j.cached = cached
	j.engine = f.inTurn(f.engines)
	count := tokens(j.prompt)
	if f.config.Transfer.Timing == DestinationMissing {
		count -= j.engine.naive.prefix(j.prompt)
	}
	j.arrives = now + copying(f.config.Transfer, count, f.config.Engine.SpeedupRatio)
	f.copies = append(f.copies, j)
}

// prefix is the number of tokens of a text that need not be copied.
func (n *naive) prefix(text string) int {
	blocks := 0
	for n.config.PrefixCaching && (blocks+1)*n.config.BlockSize <= tokens(text) && n.isCached(n.block(text, blocks)) {
		blocks++
	}
	return blocks * n.config.BlockSize
}

// arrive ends a transfer: the prefill engine lets go of the prompt.
func (f *naiveFleet) arrive(j *naiveJob) []naiveToken {
	f.copies = slices.DeleteFunc(f.copies, func(other *naiveJob) bool { return other == j })
	w := j.prefill
	j.prefill = nil
	w.naive.cancel(j.id)
	if !w.busy {
		w.look, w.lookAt = true, max(w.lookAt, j.arrives)
	}
	j.engine.hear(naiveNews{j.arrives, j.id, j})
	return nil
}
