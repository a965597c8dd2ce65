package tokenizer

// heap merges a long piece in n log n. The slices but the keys are indexed by part, so merging two of them moves nothing.
type heap struct {
	next, prev []int    // the neighbours of a part; noPart: none
	keys       []uint64 // candidates rank<<40 | part, smallest first; outdated ones stay until they are popped
}

const noPart = -1

// long is short for a piece of any length, whose textbook loop would take hours over a megabyte.
func (h *heap) long(dst []span, v *vocabulary, piece string) []span {
	known, table := len(dst), v.pairs()
	dst = symbols(dst, v, piece)
	parts := dst[known:]
	h.link(len(parts))
	for i := range len(parts) - 1 {
		h.offer(table, parts, i)
	}
	for len(h.keys) > 0 {
		top := h.pop()
		at, rank := int(top&(1<<40-1)), uint32(top>>40)
		if parts[at].rank != rank { // one of the two parts has been merged with another since
			continue
		}
		gone := h.next[at]
		parts[at].id, h.next[at] = parts[at].joined, h.next[gone]
		if behind := h.next[at]; behind != noPart {
			h.prev[behind] = at
		}
		parts[gone].rank = noPair
		h.offer(table, parts, at)
		if before := h.prev[at]; before != noPart {
			h.offer(table, parts, before)
		}
	}
	kept := dst[:known]
	for at := 0; at != noPart; at = h.next[at] {
		kept = append(kept, parts[at])
	}
	return kept
}

// link makes each of n parts, at least one, the neighbour of the next.
func (h *heap) link(n int) {
	if cap(h.next) < n {
		size := max(n, 2*cap(h.next), 64)
		h.next, h.prev = make([]int, size), make([]int, size)
	}
	h.next, h.prev, h.keys = h.next[:n], h.prev[:n], h.keys[:0]
	for i := range n {
		h.prev[i], h.next[i] = i-1, i+1
	}
	h.next[n-1] = noPart
}

// offer notes the pair of a part and the one behind it, if it becomes a token.
func (h *heap) offer(table *pairs, parts []span, at int) {
	parts[at].rank = noPair
	if second := h.next[at]; second != noPart {
		if parts[at].look(table, parts[second].id); parts[at].rank != noPair {
			h.push(uint64(parts[at].rank)<<40 | uint64(at))
		}
	}
}

// push and pop are container/heap's, written out because its interface would allocate for each number.
func (h *heap) push(key uint64) {
	h.keys = append(h.keys, key)
	k, i := h.keys, len(h.keys)-1
	for i > 0 && k[(i-1)/2] > key {
		k[i] = k[(i-1)/2]
		i = (i - 1) / 2
	}
	k[i] = key
}

func (h *heap) pop() uint64 {
	k := h.keys
	top, key := k[0], k[len(k)-1]
	k = k[:len(k)-1]
	h.keys = k
	if len(k) == 0 {
		return top
	}
	i := 0
	for {
		child := 2*i + 1
		if child >= len(k) {
			break
		}
		if child+1 < len(k) && k[child+1] < k[child] {
			child++
		}
		if k[child] >= key {
			break
		}
		k[i] = k[child]
		i = child
	}
	k[i] = key
	return top
}
