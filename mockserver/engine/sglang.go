package engine

import (
	"cmp"
	"math"
	"slices"
)

// Constants of SGLang's scheduler.
const (
	firstTokenRatio  = 0.7  // times the conservativeness
	lastTokenRatio   = 0.14 // times the first ratio
	tokenRatioPasses = 600  // from the first to the last
	longestMatching  = 128  // waiting requests that lpm sorts
	sharedInBatch    = 32   // tokens that make a request wait for another one's prefix
)

// sglang plans in the manner of SGLang: a pass computes either prompts or one
// token for each running request, and prompts go first.
type sglang struct {
	config  SGLangConfig
	decoded int         // passes that decoded since memory ran out, at most tokenRatioPasses
	order   []candidate // reused
}

// candidate is a waiting sequence with the number of its blocks in the cache.
type candidate struct {
	sequence int32
	hits     int
}

var _ policy = (*sglang)(nil)

func newSGLang(c SGLangConfig) *sglang {
	return &sglang{config: c}
}

// ratio is the share of the tokens still to come that admission reserves for running
// requests. It starts high, falls with every pass that decodes, and starts again
// when memory runs out.
func (p *sglang) ratio() float64 {
	fallen := (1 - lastTokenRatio) * float64(p.decoded) / tokenRatioPasses
	return firstTokenRatio * p.config.ScheduleConservativeness * (1 - fallen)
}

func (p *sglang) plan(e *Engine) {
	if p.config.SchedulePolicy == LongestPrefixMatch && e.config.PrefixCaching {
		p.sort(e)
	}
	// Where prompts are computed elsewhere, admission takes nobody's turn.
	if (!p.prefill(e) || e.config.Role == Decode) && len(e.running) > 0 {
		p.decode(e)
	}
}

// budget is what is left of the limits on a pass that computes prompts.
type budget struct {
	tokens   int // max_prefill_tokens
	chunk    int // chunked_prefill_size
	promised int // tokens of answers, for the requests that this pass admits
	begun    bool
}

func (b *budget) spend(n int) {
	b.tokens -= n
	b.chunk -= n
	b.begun = true
}

// prefill goes on with the prompt that an earlier pass has cut, then admits waiting
// requests until one does not fit, and reports whether there was anything to do.
func (p *sglang) prefill(e *Engine) bool {
	b := budget{tokens: p.config.MaxPrefillTokens, chunk: math.MaxInt}
	if e.config.ChunkedPrefill {
		b.chunk = p.config.ChunkedPrefillSize
	}
	old := len(e.running)
	if old > 0 {
		// A cut prompt was admitted last: nobody is admitted behind it.
		if s := &e.sequences[e.running[old-1]]; !s.decoding {
			n := min(s.pending(), b.chunk)
			e.take(s, n)
			b.spend(n)
		}
	}
	for e.waiting.first != none && len(e.running) < e.config.MaxNumSeqs && b.chunk > 0 {
		if !p.admit(e, &b, old) {
			break
		}
	}
	return b.begun
}

// admit takes the first waiting request if there is room for it.
func (p *sglang) admit(e *Engine, b *budget, old int) bool {
	i := e.waiting.first
	s := &e.sequences[i]
	hits, active := e.prefix(s, false)
	n := s.known() - hits*e.config.BlockSize
	if e.config.Role == Decode {
		n = 1
	}
	answer := min(s.remaining(), p.config.ClipMaxNewTokens)
	need := max(s.known()+answer, e.opening(s)) - active*e.config.BlockSize
	if float64(need) > p.free(e, *b, old) || b.begun && n > b.tokens {
		return false
	}
	if n > b.chunk {
		n = b.chunk / e.config.BlockSize * e.config.BlockSize
	}
	if n == 0 {
		return false
	}
	e.take(e.admit(i, hits), n)
	b.spend(n)
	if n < s.pending() {
		b.chunk = 0
	}
	b.promised += answer
	return true
}

// free is how many tokens are neither in use nor spoken for: by the answers of
// the running requests, by the last page of each, which may have to be a new one,
// or by the answers of those that this pass has admitted.
func (p *sglang) free(e *Engine, b budget, old int) float64 {
	coming := 0
	for _, i := range e.running[:old] {
		coming += min(e.sequences[i].remaining(), p.config.ClipMaxNewTokens)
	}
	pages := len(e.running) * (e.config.BlockSize - 1)
	return float64(e.cache.available()*e.config.BlockSize-pages-b.promised) - float64(float64(coming)*p.ratio())
}

// decode gives one token to each running request. While there is no room for
// that, the one that has generated fewest tokens, the latest of several, is
// retracted; one stays.
func (p *sglang) decode(e *Engine) {
	if e.retract() {
		p.decoded = 0
	} else {
		p.decoded = min(p.decoded+1, tokenRatioPasses)
	}
	for _, i := range e.running {
		if s := &e.sequences[i]; s.planned == 0 {
			e.take(s, 1)
		}
	}
}

// retract makes room and reports whether anybody had to go.
func (e *Engine) retract() bool {
	for {
		lack, fewest := 0, 0
		for k, i := range e.running {
			s := &e.sequences[i]
			lack += e.lack(s, 1)
			if s.generated <= e.sequences[e.running[fewest]].generated {
				fewest = k
			}
		}
		if lack <= e.cache.available() || len(e.running) == 1 {
			return len(e.pass.Preempted) > 0
		}
		e.preempt(fewest)
	}
}

// sort orders the waiting list by the length of the cached prefix, the longest
// first, requests with equal ones by arrival. Those that would share with an
// earlier request what is not in the cache yet are put last: once that one is
// computed they need not be. A long list stays as it is.
func (p *sglang) sort(e *Engine) {
	if e.waiting.length < 2 || e.waiting.length > longestMatching {
		return
	}
	p.order = p.order[:0]
	for i := e.waiting.first; i != none; i = e.sequences[i].next {
		c := candidate{sequence: i}
		c.hits, _ = e.prefix(&e.sequences[i], false)
		if p.awaits(e, c) {
			c.hits = -1
		}
		p.order = append(p.order, c)
	}
	slices.SortStableFunc(p.order, func(a, b candidate) int { return cmp.Compare(b.hits, a.hits) })
	e.waiting = queue{first: none, last: none}
	for _, c := range p.order {
		e.enqueue(c.sequence)
	}
}

// awaits says that a candidate has little in the cache but begins like one of the
// candidates before it. The first of these is not put last itself.
func (p *sglang) awaits(e *Engine, c candidate) bool {
	last := (sharedInBatch+e.config.BlockSize-1)/e.config.BlockSize - 1
	s := &e.sequences[c.sequence]
	if c.hits*e.config.BlockSize > sharedInBatch || (last+1)*e.config.BlockSize > s.known() {
		return false
	}
	return slices.ContainsFunc(p.order, func(earlier candidate) bool {
		t := &e.sequences[earlier.sequence]
		return (last+1)*e.config.BlockSize <= t.known() && t.name(last) == s.name(last)
	})
}
