package engine

import (
	"fmt"
	"math/big"
	"slices"
)

// planVLLM is the pass of 2026.
func (n *naive) planVLLM() {
	budget := n.config.MaxNumBatchedTokens
	for _, r := range slices.Clone(n.running) {
		// The page leaves open that a request does not get the tokens of those that are
		// preempted for it; requests after it do.
		share := min(r.known()-r.computed, budget)
		for n.runs(r) && n.would(r, share) > n.config.NumGPUBlocks {
			victim := n.running[len(n.running)-1]
			if n.config.Preemption == FIFO {
				victim = n.running[0]
			}
			budget += n.preempt(victim)
		}
		if n.runs(r) {
			n.compute(r, share)
			budget -= share
		}
	}
	if len(n.pass.Preempted) > 0 {
		return
	}
	n.admitWhile(budget, func(r *naiveRequest, active int) bool {
		return n.blocks(n.opening(r))-active <= n.free()
	})
}

func (n *naive) runs(r *naiveRequest) bool { return slices.Contains(n.running, r) }

// admitWhile admits in order as long as there is room.
func (n *naive) admitWhile(budget int, room func(r *naiveRequest, active int) bool) {
	for len(n.waiting) > 0 && len(n.running) < n.config.MaxNumSeqs && budget > 0 {
		r := n.waiting[0]
		hits, active := n.found(r, true)
		tokens := r.known() - hits*n.config.BlockSize
		switch {
		case n.config.Role == Decode:
			tokens = 1
		case n.config.ChunkedPrefill:
			tokens = min(tokens, budget)
		case tokens > budget && budget < n.config.MaxNumBatchedTokens:
			// The page leaves open what becomes of a preempted request that has grown
			// beyond a whole budget. It has a pass of its own.
			return
		}
		if !room(r, active) {
			return
		}
		n.compute(n.admit(hits), tokens)
		budget -= tokens
	}
}

// opening is the number of places that a request has when it is admitted: for all that is
// known, and for drafts where it decodes at once.
func (n *naive) opening(r *naiveRequest) int {
	if n.config.Role != Decode {
		return r.known()
	}
	return n.wants(&naiveRequest{prompt: r.prompt, most: r.most, computed: r.known() - 1, decodes: true}, 1)
}

// planTRTLLM never preempts, since it admits a request only if it fits at its longest
// beside all others at theirs.
func (n *naive) planTRTLLM() {
	budget := n.config.MaxNumBatchedTokens
	for _, r := range n.running {
		tokens := min(r.known()-r.computed, budget)
		n.compute(r, tokens)
		budget -= tokens
	}
	n.admitWhile(budget, func(r *naiveRequest, active int) bool {
		blocks := n.active()
		for _, other := range n.running {
			blocks += n.blocks(other.final()) - n.blocks(other.places)
		}
		return blocks+n.blocks(r.final())-active <= n.config.NumGPUBlocks
	})
}

// planSGLang computes prompts, if there are any, or else a token of each answer. The page
// leaves open that a decode engine, where admission computes nothing, does both.
func (n *naive) planSGLang() {
	if n.config.SGLang.SchedulePolicy == LongestPrefixMatch && n.config.PrefixCaching && len(n.waiting) <= 128 {
		n.sortByPrefix()
	}
	prompts := n.planPrompts()
	if len(n.running) == 0 || prompts && n.config.Role != Decode {
		return
	}
	for len(n.running) > 1 && n.wouldAll() > n.config.NumGPUBlocks {
		fewest := n.running[0]
		for _, r := range n.running {
			// The page leaves open which of several.
			if r.generated() <= fewest.generated() {
				fewest = r
			}
		}
		n.preempt(fewest)
	}
	n.decodes++
	if len(n.pass.Preempted) > 0 {
		n.decodes = 0
	}
	for _, r := range n.running {
		n.compute(r, 1)
	}
}

// wouldAll is active, if all computed one more token.
func (n *naive) wouldAll() int {
	var before []naiveRequest
	for _, r := range n.running {
		before = append(before, *r)
		r.places, r.planned = n.wants(r, 1), 1
	}
	active := n.active()
	for k, r := range n.running {
		*r = before[k]
	}
	return active
}

// planPrompts goes on with the prompt that was cut, then admits, and reports whether there
// was anything to do.
func (n *naive) planPrompts() bool {
	s := n.config.SGLang
	total, chunk := s.MaxPrefillTokens, 1<<40
	if n.config.ChunkedPrefill {
		chunk = s.ChunkedPrefillSize
	}
	begun := false
	plan := func(r *naiveRequest, tokens int) {
		n.compute(r, tokens)
		total, chunk, begun = total-tokens, chunk-tokens, true
	}
	for _, r := range n.running {
		if !r.decodes {
			plan(r, min(r.known()-r.computed, chunk))
		}
	}
	var fresh []*naiveRequest
	for len(n.waiting) > 0 && len(n.running) < n.config.MaxNumSeqs && chunk > 0 {
		r := n.waiting[0]
		// The page leaves open that requests of one pass do not find each other's blocks.
		hits, active := n.found(r, false)
		tokens := r.known() - hits*n.config.BlockSize
		if n.config.Role == Decode {
			tokens = 1
		}
		// The page leaves open that a prompt beyond the limit is admitted alone.
		if !n.covered(r, active, fresh) || begun && tokens > total {
			break
		}
		cut := tokens > chunk
		if cut {
			tokens = chunk - chunk%n.config.BlockSize
		}
		if tokens == 0 {
			break
		}
		plan(n.admit(hits), tokens)
		fresh = append(fresh, r)
		if cut {
			break
		}
	}
	return begun
}

// covered holds a request with its answer against what is free and not spoken for. The
// page leaves open that the answers of those that this pass has admitted count whole, and
// that the overhead of pages is a token less than a page for each running request.
func (n *naive) covered(r *naiveRequest, active int, fresh []*naiveRequest) bool {
	ahead := func(r *naiveRequest) int { return min(r.most-r.generated(), n.config.SGLang.ClipMaxNewTokens) }
	left := whole(n.free() * n.config.BlockSize)
	for _, other := range n.running {
		promised := whole(ahead(other))
		if !slices.Contains(fresh, other) {
			promised = product(promised, n.ratio())
		}
		left = difference(left, sum(promised, whole(n.config.BlockSize-1)))
	}
	need := max(r.known()+ahead(r), n.opening(r)) - active*n.config.BlockSize
	return whole(need).Cmp(left) <= 0
}

// ratio is SGLang's new_token_ratio: from 0.7 to 0.14 of that in 600 passes. The page leaves
// open that passes that decode are meant.
func (n *naive) ratio() *big.Rat {
	high := product(fraction("0.7"), fraction(fmt.Sprint(n.config.SGLang.ScheduleConservativeness)))
	low := product(high, fraction("0.14"))
	way := big.NewRat(int64(min(n.decodes, 600)), 600)
	return difference(high, product(difference(high, low), way))
}

// sortByPrefix is longest prefix match. The page leaves open that who has at most 32 tokens
// in the cache, and begins with the same 32 as somebody before, goes behind all others.
func (n *naive) sortByPrefix() {
	cached := map[*naiveRequest]int{}
	var longest, last []*naiveRequest
	for _, r := range n.waiting {
		cached[r], _ = n.found(r, false)
		twin := slices.ContainsFunc(longest, func(other *naiveRequest) bool {
			return n.common(r, other, min(r.known(), other.known())/n.config.BlockSize)*n.config.BlockSize >= 32
		})
		if twin && cached[r]*n.config.BlockSize <= 32 {
			last = append(last, r)
		} else {
			longest = append(longest, r)
		}
	}
	slices.SortStableFunc(longest, func(a, b *naiveRequest) int { return cached[b] - cached[a] })
	n.waiting = slices.Concat(longest, last)
}
