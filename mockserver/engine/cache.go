package engine

const none = int32(-1)

// cache is the KV cache: blocks that hold the keys and values of BlockSize tokens
// each. A block is active while sequences refer to it. When the last one lets go,
// a block with a hash becomes inactive: it can be found again until its place is
// needed, and the one that has been inactive longest goes first. A block without
// a hash, one that is not full, is worth nothing to others and becomes unused.
//
// Blocks are named by their index; they are made when first needed, so that a
// large capacity costs nothing.
type cache struct {
	capacity int
	blocks   []block
	unused   int32   // head of the list of blocks that hold nothing
	oldest   int32   // inactive, evicted first
	newest   int32   // inactive, evicted last
	active   int     // number of blocks that are referred to
	inactive int     // number of blocks that are kept only to be found
	heads    []int32 // of the chains of blocks whose hashes share their low bits
	pass     uint32  // the current one, counted round and round
	done     uint32  // the last one that is over
}

type block struct {
	hash   uint64
	refs   int32
	born   uint32 // pass in which the hash was given, and the contents computed
	prev   int32  // in the inactive list
	next   int32  // in the inactive list or that of unused blocks
	chain  int32  // next block of the same chain
	hashed bool
}

func newCache(capacity int) cache {
	return cache{capacity: capacity, unused: none, oldest: none, newest: none, heads: []int32{none}}
}

// available is how many more blocks may become active.
func (c *cache) available() int {
	return c.capacity - c.active
}

// find returns the block with a hash, active or inactive, or none.
func (c *cache) find(hash uint64) int32 {
	i := c.heads[hash&uint64(len(c.heads)-1)]
	for i != none && c.blocks[i].hash != hash {
		i = c.blocks[i].chain
	}
	return i
}

// use refers to the block with a hash, which is made if there is none. The caller
// has seen to it that one is available.
func (c *cache) use(hash uint64) int32 {
	if i := c.find(hash); i != none {
		c.share(i)
		return i
	}
	i := c.open()
	c.name(i, hash)
	return i
}

// share refers to a block that was found.
func (c *cache) share(i int32) {
	b := &c.blocks[i]
	if b.refs == 0 {
		c.unlink(i)
		c.inactive--
		c.active++
	}
	b.refs++
}

// open refers to a block that is not full yet: an unused one, a new one, or the
// place of the oldest inactive one.
func (c *cache) open() int32 {
	i := c.unused
	switch {
	case i != none:
		c.unused = c.blocks[i].next
	case c.active+c.inactive < c.capacity:
		i = int32(len(c.blocks))
		c.blocks = append(c.blocks, block{})
		c.widen()
	default:
		i = c.oldest
		c.unlink(i)
		c.inactive--
		c.forget(i)
	}
	c.blocks[i].refs = 1
	c.active++
	return i
}

// promote gives an open block its hash, now that it is full. If a block with that
// hash exists, it takes the place of the copy.
func (c *cache) promote(i int32, hash uint64) int32 {
	if found := c.find(hash); found != none {
		c.share(found)
		c.release(i)
		return found
	}
	c.name(i, hash)
	return i
}

// release takes one reference away. A block whose contents the current pass would
// have computed, had its sequence not been preempted, is not kept.
func (c *cache) release(i int32) {
	b := &c.blocks[i]
	b.refs--
	if b.refs > 0 {
		return
	}
	c.active--
	if b.hashed && !c.fresh(i) {
		c.retire(i)
		return
	}
	if b.hashed {
		c.forget(i)
	}
	b.next, c.unused = c.unused, i
}

// fresh says that the block is still being computed, by the current pass.
func (c *cache) fresh(i int32) bool {
	return c.blocks[i].born == c.pass && c.pass != c.done
}

func (c *cache) name(i int32, hash uint64) {
	head := &c.heads[hash&uint64(len(c.heads)-1)]
	b := &c.blocks[i]
	b.hash, b.hashed, b.born = hash, true, c.pass
	b.chain, *head = *head, i
}

func (c *cache) forget(i int32) {
	b := &c.blocks[i]
	link := &c.heads[b.hash&uint64(len(c.heads)-1)]
	for *link != i {
		link = &c.blocks[*link].chain
	}
	*link = b.chain
	b.hashed = false
}

// retire appends a block to the inactive list.
func (c *cache) retire(i int32) {
	b := &c.blocks[i]
	b.prev, b.next = c.newest, none
	if c.newest == none {
		c.oldest = i
	} else {
		c.blocks[c.newest].next = i
	}
	c.newest = i
	c.inactive++
}

// unlink takes a block out of the inactive list.
func (c *cache) unlink(i int32) {
	b := &c.blocks[i]
	if b.prev == none {
		c.oldest = b.next
	} else {
		c.blocks[b.prev].next = b.next
	}
	if b.next == none {
		c.newest = b.prev
	} else {
		c.blocks[b.next].prev = b.prev
	}
}

// widen keeps the chains short: there are at least as many as blocks.
func (c *cache) widen() {
	if len(c.blocks) <= len(c.heads) {
		return
	}
	c.heads = make([]int32, 2*len(c.heads))
	for i := range c.heads {
		c.heads[i] = none
	}
	for i := range c.blocks {
		if b := &c.blocks[i]; b.hashed {
			head := &c.heads[b.hash&uint64(len(c.heads)-1)]
			b.chain, *head = *head, int32(i)
		}
	}
}
