package tokenizer

import "math"

// noPair marks a position where no pair of parts starts that could become one token.
const noPair = math.MaxUint32

// merger is the scratch memory of merging one piece. The slices but the heap are indexed by byte: parts are named by the byte where they
// start, so merging two of them moves nothing.
type merger struct {
	next []int    // start -> start of the part behind it; the last part's is the length of the piece
	prev []int    // start -> start of the part before it
	pair []uint32 // start -> rank of this part joined with the one behind it, or noPair
	heap []uint64 // candidates rank<<40 | start, smallest first; outdated ones stay until they are popped
}

// merge cuts piece into tokens and returns how many; m.next then leads from one token's start to that of the next.
//
// As the reference does, the pair with the lowest rank goes first, the leftmost of equals. The textbook loop searches
// all pairs again for each merge, which for a run of a megabyte without a cut takes hours: hence the heap.
func (m *merger) merge(b *BPE, piece string) int {
	n := len(piece)
	m.reset(n)
	for start := range n {
		m.offer(b, piece, start)
	}
	parts := n
	for len(m.heap) > 0 {
		top := m.pop()
		start, rank := int(top&(1<<40-1)), uint32(top>>40)
		if m.pair[start] != rank { // one of the two parts has been merged with another since
			continue
		}
		gone := m.next[start]
		m.next[start] = m.next[gone]
		m.prev[m.next[start]] = start
		m.pair[gone] = noPair
		parts--
		m.offer(b, piece, start)
		if start > 0 {
			m.offer(b, piece, m.prev[start])
		}
	}
	return parts
}

// reset makes every byte of a piece of n bytes a part.
func (m *merger) reset(n int) {
	if cap(m.next) <= n {
		size := max(n+1, 2*cap(m.next), 64)
		m.next, m.prev, m.pair = make([]int, size), make([]int, size), make([]uint32, size)
	}
	m.next, m.prev, m.pair, m.heap = m.next[:n+1], m.prev[:n+1], m.pair[:n+1], m.heap[:0]
	for i := range m.next {
		m.next[i], m.prev[i] = i+1, i-1
	}
}

// offer notes the pair that starts at start, if it is a token.
func (m *merger) offer(b *BPE, piece string, start int) {
	m.pair[start] = noPair
	second := m.next[start]
	if second == len(piece) {
		return
	}
	if rank, ok := b.rank(piece[start:m.next[second]]); ok {
		m.pair[start] = rank
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
