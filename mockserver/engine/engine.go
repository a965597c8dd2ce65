package engine

import (
	"fmt"
	"slices"
	"time"
)

// Request is what the engine needs to know of a request.
type Request struct {
	// ID names the request in chunks and in Cancel. It must differ from the ID
	// of every request that is in the engine.
	ID uint64
	// PromptTokens is the length of the prompt; at least 1.
	PromptTokens int
	// MaxTokens is the length that the answer may have; at least 1. It reaches it, unless
	// StopsAfter says otherwise.
	MaxTokens int
	// StopsAfter is how many tokens the answer has if it ends by itself before
	// MaxTokens; 0 if it does not. The scheduler does not foresee it: what it sets aside
	// is for MaxTokens.
	StopsAfter int
	// Blocks are the names, made by a [Hasher], of the sequence's full blocks from
	// the first one on, as far as somebody else could ask for the same: those of
	// the prompt, or of prompt and answer if the caller knows which tokens the
	// answer will have. Blocks beyond have names of their own, so nil stands for
	// a prompt that resembles no other. The engine keeps the slice.
	Blocks []uint64
}

// length is the number of tokens that the answer will have.
func (r Request) length() int {
	if r.StopsAfter > 0 {
		return min(r.StopsAfter, r.MaxTokens)
	}
	return r.MaxTokens
}

// policy chooses what a pass computes.
type policy interface {
	plan(e *Engine)
}

// Engine is the state of a simulated engine. It is not safe for concurrent use.
type Engine struct {
	config    Config
	policy    policy
	timing    Timing
	noise     noise
	draft     drafter
	cache     cache
	sequences []sequence // places are used again
	vacant    []int32    // free places
	tables    [][]int32  // of blocks, for sequences to use again
	members   map[uint64]int32
	waiting   queue   // in order of Submit, behind those that were preempted
	running   []int32 // in order of admission
	transfers int     // number of sequences in transfer
	submitted uint64
	pass      Pass // the last one; its slices are used again
	stats     Stats
}

// New returns an idle engine, or every problem of the configuration.
func New(config Config) (*Engine, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	e := &Engine{
		config:  config,
		policy:  policyOf(config),
		timing:  config.Timing,
		noise:   newNoise(config.Noise, config.Rank),
		draft:   newDrafter(config.Speculation, config.Rank),
		cache:   newCache(config.NumGPUBlocks),
		members: make(map[uint64]int32),
		waiting: queue{first: none, last: none},
	}
	if e.timing == nil {
		e.timing = DefaultPolynomials()
	}
	return e, nil
}

func policyOf(c Config) policy {
	switch c.Type {
	case SGLang:
		return newSGLang(c.SGLang)
	case TRTLLM:
		return &trtllm{}
	default:
		return vllm{}
	}
}

// Submit appends a request to the waiting list; the next Step considers it. It
// fails with a [*LimitError] if the request can never fit, and otherwise on
// lengths below 1 and on an ID that is in the engine already.
func (e *Engine) Submit(r Request) error {
	if r.PromptTokens < 1 || r.MaxTokens < 1 {
		return fmt.Errorf("submitting request %d: prompt of %d and answer of %d tokens: each must be at least 1",
			r.ID, r.PromptTokens, r.MaxTokens)
	}
	if _, found := e.members[r.ID]; found {
		return fmt.Errorf("submitting request %d: the ID is in use: wait for its last token or cancel it", r.ID)
	}
	if err := e.config.Check(r.PromptTokens, r.MaxTokens); err != nil {
		return fmt.Errorf("submitting request %d: %w", r.ID, err)
	}
	if e.config.Role == Prefill {
		r.MaxTokens, r.StopsAfter = 1, 0
	}
	i := e.place()
	s := &e.sequences[i]
	*s = sequence{Request: r, serial: e.submitted}
	e.submitted++
	e.members[r.ID] = i
	e.enqueue(i)
	return nil
}

// place finds room for a sequence.
func (e *Engine) place() int32 {
	if n := len(e.vacant); n > 0 {
		i := e.vacant[n-1]
		e.vacant = e.vacant[:n-1]
		return i
	}
	e.sequences = append(e.sequences, sequence{})
	return int32(len(e.sequences) - 1)
}

// Cancel removes a request, waiting, running or in transfer, frees its blocks and
// reports whether it was there.
func (e *Engine) Cancel(id uint64) bool {
	i, found := e.members[id]
	if !found {
		return false
	}
	switch e.sequences[i].place {
	case inWaiting:
		e.dequeue(i)
	case inRunning:
		at := slices.Index(e.running, i)
		e.running = slices.Delete(e.running, at, at+1)
	case inTransfer:
		e.transfers--
	}
	e.leave(i)
	return true
}

// Release frees the blocks of a request that a prefill engine has finished, and
// reports whether it was there. The next Step may start at once.
func (e *Engine) Release(id uint64) bool {
	i, found := e.members[id]
	return found && e.sequences[i].place == inTransfer && e.Cancel(id)
}

// leave forgets a sequence that is in no list any more.
func (e *Engine) leave(i int32) {
	s := &e.sequences[i]
	e.free(s)
	delete(e.members, s.ID)
	s.place, s.Blocks = nowhere, nil
	e.vacant = append(e.vacant, i)
}

// Step carries out the pass that starts at now. It reports false, without a pass,
// when there is nothing to do: no request is in the engine, or all that are wait for
// a transfer to end. The state is that of the pass's end at once: requests that
// arrive or leave meanwhile belong to the next Step, which starts no earlier than
// Pass.End.
func (e *Engine) Step(now time.Duration) (Pass, bool) {
	e.pass = Pass{Start: now, Rank: e.config.Rank, Admitted: e.pass.Admitted[:0], Preempted: e.pass.Preempted[:0], Chunks: e.pass.Chunks[:0]}
	if e.waiting.length == 0 && len(e.running) == 0 {
		return Pass{}, false
	}
	e.cache.pass++
	e.policy.plan(e)
	e.pass.Work = e.work()
	if e.pass.Prefilling == 0 && e.pass.Decoding == 0 {
		return Pass{}, false
	}
	e.pass.End = now + e.duration(e.pass.Work)
	e.cache.done = e.cache.pass
	e.commit()
	return e.pass, true
}

// work sums up what was planned.
func (e *Engine) work() Work {
	w := Work{CacheTokens: e.config.NumGPUBlocks * e.config.BlockSize}
	for _, i := range e.running {
		s := &e.sequences[i]
		switch {
		case s.planned == 0:
		case s.decoding:
			w.Decoding++
			w.ContextTokens += s.known()
		default:
			w.Prefilling++
			w.PromptTokens += s.planned
			w.PrefixTokens += s.computed
		}
	}
	return w
}

// commit gives tokens to every sequence that the pass has computed as far as it
// is known, and drops those that are complete.
func (e *Engine) commit() {
	kept := e.running[:0]
	for _, i := range e.running {
		s := &e.sequences[i]
		planned := s.planned
		s.computed += planned
		s.planned = 0
		if planned == 0 || s.pending() > 0 {
			kept = append(kept, i)
			continue
		}
		e.emit(s)
		if s.left() > 0 {
			kept = append(kept, i)
		} else {
			e.finish(i)
		}
	}
	e.running = kept
}

// emit adds a chunk to the answer. All of its tokens but the last one are
// computed: they are drafts that were accepted.
func (e *Engine) emit(s *sequence) {
	count := 1
	if s.decoding {
		count = min(1+e.draft.accepted(), s.left())
	}
	e.pass.Chunks = append(e.pass.Chunks, Chunk{
		ID: s.ID, Index: s.generated, Count: count, CachedTokens: s.cached, Last: count == s.left(),
	})
	s.generated += count
	s.decoding = true
	if count > 1 {
		s.computed += count - 1
		e.nameFull(s, s.computed)
	}
}

// finish ends a sequence. On a prefill engine its blocks stay until they are
// copied.
func (e *Engine) finish(i int32) {
	if e.config.Role == Prefill {
		e.sequences[i].place = inTransfer
		e.transfers++
		return
	}
	e.leave(i)
}

// CachedTokens is how many tokens at the beginning of a prompt are in the cache, in
// whole blocks: what a copy of the prompt could leave out. Unlike a request that is
// admitted, it may leave nothing to compute.
func (e *Engine) CachedTokens(r Request) int {
	if !e.config.PrefixCaching {
		return 0
	}
	hits := 0
	for s := (&sequence{Request: r, serial: e.submitted}); (hits+1)*e.config.BlockSize <= r.PromptTokens; hits++ {
		if e.cache.find(s.name(hits)) == none {
			break
		}
	}
	return hits * e.config.BlockSize
}

// Stats returns gauges and counters.
func (e *Engine) Stats() Stats {
	s := e.stats
	s.Running, s.Waiting = len(e.running), e.waiting.length
	s.ActiveBlocks, s.CachedBlocks, s.TotalBlocks = e.cache.active, e.cache.inactive, e.cache.capacity
	return s
}
