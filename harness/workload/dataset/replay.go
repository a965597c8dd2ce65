package dataset

// Replay is the prefix cache of a server without limit, asked by one request after the other: what of a trace could be shared at best. It is the
// naive form that a real cache, which batches and evicts, is held against.
type Replay struct {
	// Block is the server's block in tokens; it must divide BlockTokens.
	Block int
	// next is the node behind a block that follows a node: the blocks seen so far are a tree, by what is before them.
	next map[step]int
}

// step is a block of the server's behind a node: which part of which of the trace's blocks.
type step struct {
	node int
	id   uint64
	part int
}

// Ask adds a prompt of so many tokens with these hash ids and returns how many of its full blocks were there, from its beginning on without a gap, and
// how many it has. Of a prompt that was there as a whole the last block counts as not found: a server computes one token at least.
func (r *Replay) Ask(ids []uint64, tokens int) (hits, blocks int) {
	if r.next == nil {
		r.next = map[step]int{}
	}
	node, whole := 0, BlockTokens/r.Block
	blocks = min(tokens/r.Block, len(ids)*whole)
	for i := range blocks {
		s := step{node, ids[i/whole], i % whole}
		behind, there := r.next[s]
		if !there {
			behind = len(r.next) + 1
			r.next[s] = behind
		} else if hits == i && (i+1)*r.Block < tokens {
			hits++
		}
		node = behind
	}
	return hits, blocks
}
