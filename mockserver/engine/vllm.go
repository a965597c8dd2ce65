package engine

// vllm plans in the manner of vLLM: running requests first, waiting ones with what
// is left.
type vllm struct{}

var _ policy = vllm{}

func (vllm) plan(e *Engine) {
	budget := e.config.MaxNumBatchedTokens
	for k := 0; k < len(e.running); k++ {
		s := &e.sequences[e.running[k]]
		n := min(s.pending(), budget)
		for s.place == inRunning && e.lack(s, n) > e.cache.available() {
			victim := len(e.running) - 1
			if e.config.Preemption == FIFO {
				victim = 0
			}
			budget += e.preempt(victim)
			if victim <= k {
				k--
			}
		}
		if s.place == inRunning {
			e.take(s, n)
			budget -= n
		}
	}
	if len(e.pass.Preempted) == 0 {
		e.admitAll(budget, vllm{})
	}
}

// room holds vLLM's admission gate: the whole known sequence must fit. A cached
// block that is inactive does not help, since it takes up one that could be evicted.
func (vllm) room(e *Engine, s *sequence, active int) bool {
	return e.config.blocks(e.opening(s))-active <= e.cache.available()
}

func (vllm) admitted(*Engine, *sequence) {}

// gate says which waiting requests there is room for.
type gate interface {
	// room reports whether a sequence, of which so many blocks are active already,
	// may be admitted.
	room(e *Engine, s *sequence, active int) bool
	// admitted is told of one that was, when it has taken its blocks.
	admitted(e *Engine, s *sequence)
}

// admitAll moves waiting sequences into the running list, first come first served,
// until one has to wait.
func (e *Engine) admitAll(budget int, g gate) {
	whole := budget == e.config.MaxNumBatchedTokens
	for e.waiting.first != none && len(e.running) < e.config.MaxNumSeqs && budget > 0 {
		i := e.waiting.first
		s := &e.sequences[i]
		hits, active := e.prefix(s, true)
		n := s.known() - hits*e.config.BlockSize
		if e.config.Role == Decode {
			n = 1
		}
		// With an untouched budget only a preempted sequence is longer than it, one
		// that has grown since it was admitted. It gets a pass of its own: it would
		// wait for ever otherwise.
		if n > budget && !e.config.ChunkedPrefill && !whole {
			return
		}
		if !g.room(e, s, active) {
			return
		}
		if e.config.ChunkedPrefill {
			n = min(n, budget)
		}
		e.take(e.admit(i, hits), n)
		budget -= n
		whole = false
		g.admitted(e, s)
	}
}
