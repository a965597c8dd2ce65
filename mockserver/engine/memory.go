package engine

import "slices"

// What the policies have in common: how sequences take blocks and give them back.

// prefix looks for the beginning of a waiting sequence in the cache and returns how
// many blocks of it are there and how many of these are active. At least one token
// is left to compute: without it there would be no next token. Blocks that the
// current pass computes count only if sharing says so.
func (e *Engine) prefix(s *sequence, sharing bool) (hits, active int) {
	if !e.config.PrefixCaching {
		return 0, 0
	}
	most := (s.known() - 1) / e.config.BlockSize
	for hits < most {
		i := e.cache.find(s.name(hits))
		if i == none || !sharing && e.cache.fresh(i) {
			break
		}
		hits++
		if e.cache.blocks[i].refs > 0 {
			active++
		}
	}
	return hits, active
}

// admit moves a waiting sequence to the end of the running list, with the first so
// many blocks out of the cache.
func (e *Engine) admit(i int32, hits int) *sequence {
	e.dequeue(i)
	e.running = append(e.running, i)
	s := &e.sequences[i]
	s.place = inRunning
	if n := len(e.tables); n > 0 {
		s.blocks, e.tables = e.tables[n-1], e.tables[:n-1]
	}
	for k := range hits {
		s.blocks = append(s.blocks, e.cache.use(s.name(k)))
	}
	s.named = hits
	s.computed = hits * e.config.BlockSize
	e.pass.Admitted = append(e.pass.Admitted, Admission{ID: s.ID, CachedTokens: s.computed, Again: s.admitted})
	if !s.admitted {
		s.admitted, s.cached = true, s.computed
		// A decode engine looks for what need not be copied; what the deployment found
		// of a prompt is what the prefill engine found.
		if e.config.PrefixCaching && e.config.Role != Decode {
			e.stats.PrefixQueries += uint64(s.PromptTokens)
			e.stats.PrefixHits += uint64(s.computed)
		}
	}
	if e.config.Role == Decode {
		// Everything was computed elsewhere but the token that the first new one
		// follows from.
		s.computed, s.decoding = s.known()-1, true
	}
	return s
}

// reach is how many tokens a sequence must have blocks for if n more are computed:
// drafts need a place before it is known whether they are accepted.
func (e *Engine) reach(s *sequence, n int) int {
	if !s.decoding {
		return s.computed + n
	}
	return min(s.computed+n+e.config.Speculation.Drafts, max(s.final()-1, s.computed+n))
}

// opening is how many tokens a waiting sequence must have blocks for when it is admitted: all
// that is known, and drafts where it decodes at once.
func (e *Engine) opening(s *sequence) int {
	if e.config.Role != Decode {
		return s.known()
	}
	admitted := sequence{Request: s.Request, generated: s.generated, computed: s.known() - 1, decoding: true}
	return e.reach(&admitted, 1)
}

// lack is how many more blocks must become active for n more tokens of a running
// sequence. A block that is active already is shared, at no cost.
func (e *Engine) lack(s *sequence, n int) int {
	first, end := len(s.blocks), e.config.blocks(e.reach(s, n))
	if !e.config.PrefixCaching {
		return max(0, end-first)
	}
	lack := 0
	full := (s.computed + n) / e.config.BlockSize
	for k := first; k < end; k++ {
		if k < full {
			if i := e.cache.find(s.name(k)); i != none && e.cache.blocks[i].refs > 0 {
				continue
			}
		}
		lack++
	}
	return lack
}

// take plans n more tokens of a running sequence and takes the blocks for them.
func (e *Engine) take(s *sequence, n int) {
	s.planned = n
	end := e.config.blocks(e.reach(s, n))
	full := (s.computed + n) / e.config.BlockSize
	e.nameFull(s, s.computed+n)
	for k := len(s.blocks); k < end; k++ {
		if e.config.PrefixCaching && k < full {
			s.blocks = append(s.blocks, e.cache.use(s.name(k)))
			s.named = k + 1
		} else {
			s.blocks = append(s.blocks, e.cache.open())
		}
	}
}

// nameFull gives hashes to the blocks that are full with the first so many tokens.
func (e *Engine) nameFull(s *sequence, tokens int) {
	if !e.config.PrefixCaching {
		return
	}
	for full := min(tokens/e.config.BlockSize, len(s.blocks)); s.named < full; s.named++ {
		s.blocks[s.named] = e.cache.promote(s.blocks[s.named], s.name(s.named))
	}
}

// free gives the blocks of a sequence back, the last one first, so that the end of
// a prefix is evicted before its beginning.
func (e *Engine) free(s *sequence) {
	for k := len(s.blocks) - 1; k >= 0; k-- {
		e.cache.release(s.blocks[k])
	}
	if s.blocks != nil {
		e.tables = append(e.tables, s.blocks[:0])
	}
	s.blocks, s.named = nil, 0
}

// preempt puts running sequence number k back to the front of the waiting list and
// returns the number of tokens that the pass was to compute of it. What it has
// generated stays known.
func (e *Engine) preempt(k int) int {
	i := e.running[k]
	e.running = slices.Delete(e.running, k, k+1)
	s := &e.sequences[i]
	e.free(s)
	planned := s.planned
	s.computed, s.planned, s.decoding = 0, 0, false
	e.enqueueFirst(i)
	e.stats.Preemptions++
	e.pass.Preempted = append(e.pass.Preempted, s.ID)
	return planned
}
