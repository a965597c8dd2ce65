package tokenizer

import "math/bits"

// pairs says which two neighbouring tokens become which, and how early. It is an open-addressing table: a lookup is what encoding spends
// its time on, and costs a third of a map's.
type pairs struct {
	slots []pairSlot // a power of two of them, at most three quarters taken
	shift uint
	n     int
}

type pairSlot struct {
	key      uint64 // left id, right id; emptyPair: none
	rank, id uint32
}

// golden is 2^64 divided by the golden ratio, for Fibonacci hashing (Knuth, TAOCP 3, 6.4).
const golden = 0x9E3779B97F4A7C15

// emptyPair is no key: its ids are beyond maxTokenID.
const emptyPair = 1<<64 - 1

// newPairs has room for n pairs without growing.
func newPairs(n int) *pairs {
	p := new(pairs)
	p.size(n)
	return p
}

func (p *pairs) size(n int) {
	log := uint(max(4, bits.Len(uint(n+n/3))))
	p.slots, p.shift = make([]pairSlot, 1<<log), 64-log
	for i := range p.slots {
		p.slots[i].key = emptyPair
	}
}

// set makes left and right become id, in the order of the ranks. A pair that is set twice has its last rank.
func (p *pairs) set(left, right, rank, id uint32) {
	if 4*p.n >= 3*len(p.slots) {
		old := p.slots
		p.size(2 * p.n)
		for _, slot := range old {
			if slot.key != emptyPair {
				*p.slot(slot.key) = slot
			}
		}
	}
	key := uint64(left)<<32 | uint64(right)
	slot := p.slot(key)
	if slot.key == emptyPair {
		p.n++
	}
	*slot = pairSlot{key: key, rank: rank, id: id}
}

// get gives what left and right become; ok is false where they stay apart.
func (p *pairs) get(left, right uint32) (rank, id uint32, ok bool) {
	slot := p.slot(uint64(left)<<32 | uint64(right))
	return slot.rank, slot.id, slot.key != emptyPair
}

// slot is that of a key, or the empty one where it would stand.
func (p *pairs) slot(key uint64) *pairSlot {
	mask := uint64(len(p.slots) - 1)
	for i := (key ^ key>>29) * golden >> p.shift; ; i++ {
		slot := &p.slots[i&mask]
		if slot.key == key || slot.key == emptyPair {
			return slot
		}
	}
}
