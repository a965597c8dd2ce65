package engine

// trtllm plans in the manner of TRT-LLM with its capacity scheduler
// guaranteed_no_evict: as vLLM, but a request is admitted only when there is room
// for its prompt and the longest answer, beside what is reserved for the running
// ones. So a running request never lacks a block.
type trtllm struct {
	reserved int // blocks that running requests will still take
}

var (
	_ policy = (*trtllm)(nil)
	_ gate   = (*trtllm)(nil)
)

func (p *trtllm) plan(e *Engine) {
	budget := e.config.MaxNumBatchedTokens
	p.reserved = 0
	for _, i := range e.running {
		s := &e.sequences[i]
		n := min(s.pending(), budget)
		e.take(s, n)
		budget -= n
		p.admitted(e, s)
	}
	e.admitAll(budget, p)
}

func (p *trtllm) room(e *Engine, s *sequence, active int) bool {
	return e.config.blocks(s.final())-active <= e.cache.available()-p.reserved
}

func (p *trtllm) admitted(e *Engine, s *sequence) {
	p.reserved += e.config.blocks(s.final()) - len(s.blocks)
}
