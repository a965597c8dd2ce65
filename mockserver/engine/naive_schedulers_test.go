package engine

import (
	"fmt"
	"math/big"
	"slices"
)

// naiveVLLM is a pass of vLLM, and of TRT-LLM, which only asks for more room.
func (n *naive) naiveVLLM() {
	budget := n.config.MaxNumBatchedTokens
	for _, r := range slices.Clone(n.running) {
		if !slices.Contains(n.running, r) {
			continue // preempted in favour of one before it
		}
		want := min(len(r.words)-r.computed, budget)
		for slices.Contains(n.running, r) && n.missing(r, want) > n.free() {
			victim := n.running[len(n.running)-1]
			if n.config.Preemption == FIFO {
				victim = n.running[0]
			}
			budget += n.stop(victim)
		}
		if slices.Contains(n.running, r) {
			n.compute(r, want)
			budget -= want
		}
	}
	for len(n.pass.Preempted) == 0 && len(n.waiting) > 0 && len(n.running) < n.config.MaxNumSeqs && budget > 0 {
		r := n.waiting[0]
		hits, active := n.found(r, true)
		want := len(r.words) - hits*n.config.BlockSize
		if !n.config.ChunkedPrefill && want > budget && budget < n.config.MaxNumBatchedTokens {
			break
		}
		if n.blocksOf(r)-active > n.unreserved() {
			break
		}
		if n.config.ChunkedPrefill {
			want = min(want, budget)
		}
		n.compute(n.start(0, hits), want)
		budget -= want
	}
}

// blocksOf is what admission asks for.
func (n *naive) blocksOf(r *naiveRequest) int {
	tokens := len(r.words)
	if n.config.Type == TRTLLM {
		tokens = r.prompt + r.max
	}
	return (tokens + n.config.BlockSize - 1) / n.config.BlockSize
}

// unreserved is what admission may give.
func (n *naive) unreserved() int {
	blocks := n.free()
	if n.config.Type == TRTLLM {
		for _, r := range n.running {
			blocks -= n.blocksOf(r) - len(r.blocks)
		}
	}
	return blocks
}

// naiveSGLang has the share of future tokens that is reserved.
type naiveSGLang struct {
	*naive
	decodes int // passes since memory ran out
	fresh   map[*naiveRequest]bool
}

// ratio falls from 0.7 to 0.14 of that in 600 passes.
func (n *naiveSGLang) ratio() *big.Rat {
	first := product(fraction("0.7"), fraction(fmt.Sprint(n.config.SGLang.ScheduleConservativeness)))
	fallen := product(first, fraction("0.86"), big.NewRat(int64(min(n.decodes, 600)), 600))
	return sum(first, fallen.Neg(fallen))
}

func (n *naiveSGLang) plan() {
	if n.config.SGLang.SchedulePolicy == LongestPrefixMatch && n.config.PrefixCaching && len(n.waiting) <= 128 {
		n.order()
	}
	if n.prompts() || len(n.running) == 0 {
		return
	}
	retracted := false
	for len(n.running) > 1 {
		missing := 0
		victim := n.running[0]
		for _, r := range n.running {
			missing += n.missing(r, 1)
			if r.generated() <= victim.generated() {
				victim = r
			}
		}
		if missing <= n.free() {
			break
		}
		n.stop(victim)
		retracted = true
	}
	n.decodes++
	if retracted {
		n.decodes = 0
	}
	for _, r := range n.running {
		n.compute(r, 1)
	}
}

func (n *naiveSGLang) prompts() bool {
	s := n.config.SGLang
	total, chunk := s.MaxPrefillTokens, 1<<40
	if n.config.ChunkedPrefill {
		chunk = s.ChunkedPrefillSize
	}
	n.fresh = map[*naiveRequest]bool{}
	any := false
	for _, r := range n.running {
		if !r.decodes {
			part := min(len(r.words)-r.computed, chunk)
			n.compute(r, part)
			total, chunk, any = total-part, chunk-part, true
		}
	}
	for len(n.waiting) > 0 && len(n.running) < n.config.MaxNumSeqs && chunk > 0 {
		r := n.waiting[0]
		hits, active := n.found(r, false)
		want := len(r.words) - hits*n.config.BlockSize
		if !n.covers(r, active) || any && want > total {
			break
		}
		cut := want > chunk
		if cut {
			want = chunk - chunk%n.config.BlockSize
		}
		if want == 0 {
			break
		}
		n.compute(n.start(0, hits), want)
		n.fresh[r] = true
		total, chunk, any = total-want, chunk-want, true
		if cut {
			break
		}
	}
	return any
}

// covers holds a request with its answer against what is free and not spoken for.
func (n *naiveSGLang) covers(r *naiveRequest, active int) bool {
	clip := n.config.SGLang.ClipMaxNewTokens
	left := big.NewRat(int64(n.free()*n.config.BlockSize), 1)
	for _, other := range n.running {
		tokens := big.NewRat(int64(min(other.remaining(), clip)), 1)
		if !n.fresh[other] {
			tokens = product(tokens, n.ratio())
		}
		left = sum(left, tokens.Neg(tokens), big.NewRat(int64(1-n.config.BlockSize), 1))
	}
	need := len(r.words) - active*n.config.BlockSize + min(r.remaining(), clip)
	return big.NewRat(int64(need), 1).Cmp(left) <= 0
}

// order is longest prefix match.
func (n *naiveSGLang) order() {
	prefix := map[*naiveRequest]int{}
	var first, last []*naiveRequest
	for _, r := range n.waiting {
		prefix[r], _ = n.found(r, false)
		if prefix[r]*n.config.BlockSize <= 32 && slices.ContainsFunc(first, func(o *naiveRequest) bool { return n.common(r, o) >= 32 }) {
			last = append(last, r)
		} else {
			first = append(first, r)
		}
	}
	slices.SortStableFunc(first, func(a, b *naiveRequest) int { return prefix[b] - prefix[a] })
	n.waiting = slices.Concat(first, last)
}

// common is the number of equal words in equal blocks at the beginning of two requests.
func (n *naiveSGLang) common(a, b *naiveRequest) int {
	k := 0
	for k < min(len(a.words), len(b.words)) && a.words[k] == b.words[k] {
		k++
	}
	return k - k%n.config.BlockSize
}
