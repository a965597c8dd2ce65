package tokenizer

import "math"

// noPair marks a position where no pair of parts starts that could become one token.
const noPair = math.MaxUint32

// merger is the scratch memory of merging one piece. The slices but the heap are indexed by byte: parts are named by the byte where they
// start, so merging two of them moves nothing.
type merger struct {
	next   []int    // start -> start of the part behind it; the last part's is the length of the piece
	prev   []int    // start -> start of the part before it
	id     []uint32 // start -> the part as a token
	pair   []uint32 // start -> rank of this part joined with the one behind it, or noPair
	joined []uint32 // start -> the token that these two would be
	heap   []uint64 // candidates rank<<40 | start, smallest first; outdated ones stay until they are popped
}

// merge cuts piece into tokens and returns how many; m.next then leads from one token's start to that of the next, and m.id has their ids.
//
// As the reference does, the pair with the lowest rank goes first, the leftmost of equals. The textbook loop searches
// all pairs again for each merge, which for a run of a megabyte without a cut takes hours: hence the heap.
func (m *merger) merge(v *vocabulary, piece string) int {
	parts := m.begin(v, piece)
	n, table := len(piece), v.pairs()
	for start := 0; start < n; start = m.next[start] {
		m.offer(table, start, n)
	}
	for len(m.heap) > 0 {
		top := m.pop()
		start, rank := int(top&(1<<40-1)), uint32(top>>40)
		if m.pair[start] != rank { // one of the two parts has been merged with another since
			continue
		}
		gone := m.next[start]
		m.id[start], m.next[start] = m.joined[start], m.next[gone]
		m.prev[m.next[start]] = start
		m.pair[gone] = noPair
		parts--
		m.offer(table, start, n)
		if start > 0 {
			m.offer(table, m.prev[start], n)
		}
	}
	return parts
}

// begin makes every symbol of piece a part: a character that is a token, or else each of its bytes. It returns how many there are.
func (m *merger) begin(v *vocabulary, piece string) (parts int) {
	m.reset(len(piece))
	last := -1
	for start := 0; start < len(piece); parts++ {
		id, size := v.symbol(piece[start:])
		m.id[start], m.next[start], m.prev[start] = id, start+size, last
		last, start = start, start+size
	}
	return parts
}

// reset makes room for a piece of n bytes.
func (m *merger) reset(n int) {
	if cap(m.next) <= n {
		size := max(n+1, 2*cap(m.next), 64)
		m.next, m.prev = make([]int, size), make([]int, size)
		m.id, m.pair, m.joined = make([]uint32, size), make([]uint32, size), make([]uint32, size)
	}
	m.next, m.prev, m.id, m.pair, m.joined, m.heap = m.next[:n+1], m.prev[:n+1], m.id[:n+1], m.pair[:n+1], m.joined[:n+1], m.heap[:0]
}

// offer notes the pair that starts at start, if it becomes a token. n is the length of the piece.
func (m *merger) offer(p *pairs, start, n int) {
	m.pair[start] = noPair
	second := m.next[start]
	if second == n {
		return
	}
	if rank, id, ok := p.get(m.id[start], m.id[second]); ok {
		m.pair[start], m.joined[start] = rank, id
		m.push(uint64(rank)<<40 | uint64(start))
	}
}

// push and pop are container/heap's, written out because its interface would allocate for each number.
func (m *merger) push(key uint64) {
	m.heap = append(m.heap, key)
	h, i := m.heap, len(m.heap)-1
	for i > 0 && h[(i-1)/2] > key {
		h[i] = h[(i-1)/2]
		i = (i - 1) / 2
	}
	h[i] = key
}

func (m *merger) pop() uint64 {
	h := m.heap
	top, key := h[0], h[len(h)-1]
	h = h[:len(h)-1]
	m.heap = h
	if len(h) == 0 {
		return top
	}
	i := 0
	for {
		child := 2*i + 1
		if child >= len(h) {
			break
		}
		if child+1 < len(h) && h[child+1] < h[child] {
			child++
		}
		if h[child] >= key {
			break
		}
		h[i] = h[child]
		i = child
	}
	h[i] = key
	return top
}
