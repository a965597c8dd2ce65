package tokenizer

import "math"

// noPair marks a part that becomes no token with the one behind it.
const noPair = math.MaxUint32

// shortest is the length in bytes up to which all pairs of a piece are searched for the lowest rank each time. Beyond it a heap is faster.
const shortest = 64

// span is a part of a piece: a token, or a symbol on the way to one.
type span struct {
	start  int
	id     uint32
	rank   uint32 // of this part joined with the one behind it, or noPair
	joined uint32 // the token that these two would be
}

// merger is the scratch memory of merging pieces.
type merger struct {
	parts []span
	heap
	seams
}

// merge cuts piece into tokens, which hold until the next call.
//
// As the reference does, the pair with the lowest rank goes first, the leftmost of equals.
func (m *merger) merge(v *vocabulary, piece string) []span {
	if len(piece) <= shortest {
		m.parts = short(m.parts[:0], v, piece)
		return m.parts
	}
	return m.sew(v, piece, 8*len(piece))
}

// plain appends the tokens of a piece that is taken as a whole.
func (h *heap) plain(dst []span, v *vocabulary, piece string) []span {
	if len(piece) <= shortest {
		return short(dst, v, piece)
	}
	return h.long(dst, v, piece)
}

// short searches all pairs again for each merge, which is fastest where they are few.
func short(dst []span, v *vocabulary, piece string) []span {
	known, table := len(dst), v.pairs()
	dst = symbols(dst, v, piece)
	parts := dst[known:]
	for i := range len(parts) - 1 {
		parts[i].look(table, parts[i+1].id)
	}
	for {
		best, lowest := 0, uint32(noPair)
		for i := range parts {
			if rank := parts[i].rank; rank < lowest {
				best, lowest = i, rank
			}
		}
		if lowest == noPair {
			return dst[:known+len(parts)]
		}
		parts[best].id, parts[best].rank = parts[best].joined, noPair
		copy(parts[best+1:], parts[best+2:])
		parts = parts[:len(parts)-1]
		if best+1 < len(parts) {
			parts[best].look(table, parts[best+1].id)
		}
		if best > 0 {
			parts[best-1].look(table, parts[best].id)
		}
	}
}

// symbols appends a part for every symbol of piece: a character that is a token, or else each of its bytes.
func symbols(dst []span, v *vocabulary, piece string) []span {
	for start := 0; start < len(piece); {
		id, size := v.symbol(piece[start:])
		dst = append(dst, span{start: start, id: id, rank: noPair})
		start += size
	}
	return dst
}

// look notes the pair of a part and the one behind it, if it becomes a token.
func (p *span) look(table *pairs, second uint32) {
	p.rank = noPair
	if rank, id, ok := table.get(p.id, second); ok {
		p.rank, p.joined = rank, id
	}
}
