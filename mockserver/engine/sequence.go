package engine

// sequence is a request inside the engine. The first computed of its known
// tokens, which are the prompt and what was generated, are in the cache.
type sequence struct {
	Request
	serial    uint64 // of the submission; makes the names of blocks nobody else has
	place     place
	computed  int
	planned   int // tokens that the current pass computes
	generated int
	decoding  bool // the pass that completed the prompt is over
	admitted  bool // at least once
	cached    int  // prompt tokens found at the first admission
	blocks    []int32
	named     int   // the first so many blocks have hashes
	prev      int32 // in the waiting list
	next      int32
}

// place is where a sequence is.
type place int8

const (
	nowhere place = iota
	inWaiting
	inRunning
	inTransfer // done, its blocks are still being copied
)

func (s *sequence) known() int {
	return s.PromptTokens + s.generated
}

// pending is the number of tokens that are known but not computed.
func (s *sequence) pending() int {
	return s.known() - s.computed
}

// remaining is the number of tokens that the answer may still get, as the scheduler
// sees it, and left the number that it will get.
func (s *sequence) remaining() int {
	return s.MaxTokens - s.generated
}

func (s *sequence) left() int {
	return s.length() - s.generated
}

// final is the length that the sequence will reach.
func (s *sequence) final() int {
	return s.PromptTokens + s.MaxTokens
}

// name is the hash of full block k.
func (s *sequence) name(k int) uint64 {
	if k < len(s.Blocks) {
		return s.Blocks[k]
	}
	// No other sequence has this one, and the sequence itself finds it again.
	return mix(mix(s.serial) + uint64(k))
}

// mix is the finaliser of splitmix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// queue is the waiting list, linked through the sequences.
type queue struct {
	first, last int32
	length      int
}

func (e *Engine) enqueue(i int32) {
	s := &e.sequences[i]
	s.place, s.prev, s.next = inWaiting, e.waiting.last, none
	if e.waiting.last == none {
		e.waiting.first = i
	} else {
		e.sequences[e.waiting.last].next = i
	}
	e.waiting.last = i
	e.waiting.length++
}

// enqueueFirst is for sequences that were preempted.
func (e *Engine) enqueueFirst(i int32) {
	s := &e.sequences[i]
	s.place, s.prev, s.next = inWaiting, none, e.waiting.first
	if e.waiting.first == none {
		e.waiting.last = i
	} else {
		e.sequences[e.waiting.first].prev = i
	}
	e.waiting.first = i
	e.waiting.length++
}

func (e *Engine) dequeue(i int32) {
	s := &e.sequences[i]
	if s.prev == none {
		e.waiting.first = s.next
	} else {
		e.sequences[s.prev].next = s.next
	}
	if s.next == none {
		e.waiting.last = s.prev
	} else {
		e.sequences[s.next].prev = s.prev
	}
	e.waiting.length--
}
