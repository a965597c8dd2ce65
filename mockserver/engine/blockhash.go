package engine

import (
	"encoding/binary"

	"github.com/zeebo/xxh3"
)

// hashSeed is the one that Dynamo hashes blocks with.
const hashSeed = 1337

// Hasher makes the hashes of [Request.Blocks] from the tokens of a prompt. A
// block's own hash is XXH3-64, seed 1337, of its token identifiers, each as four
// bytes, lowest first. The hash that names a block is chained, so that it stands
// for all tokens up to its end: that of the first block is its own hash, every
// other one is XXH3-64, same seed, of the name before it and its own hash, eight
// bytes each, lowest first.
//
// Nothing is allocated for a token; a hasher may be used for one prompt after the
// other.
type Hasher struct {
	size   int    // bytes of a block's tokens
	tokens []byte // of the block that is not full yet
	names  []uint64
}

// NewHasher returns a hasher for blocks of blockSize tokens, at least 1.
func NewHasher(blockSize int) *Hasher {
	return &Hasher{size: 4 * blockSize}
}

// Reset forgets all tokens. The next blocks are appended to names, which may be
// nil or have capacity that the caller wants used.
func (h *Hasher) Reset(names []uint64) {
	h.tokens, h.names = h.tokens[:0], names
}

// Add appends one token.
func (h *Hasher) Add(token uint32) {
	h.tokens = binary.LittleEndian.AppendUint32(h.tokens, token)
	if len(h.tokens) < h.size {
		return
	}
	name := xxh3.HashSeed(h.tokens, hashSeed)
	if n := len(h.names); n > 0 {
		name = chained(h.names[n-1], name)
	}
	h.names = append(h.names, name)
	h.tokens = h.tokens[:0]
}

// Blocks returns the names of the blocks that are full.
func (h *Hasher) Blocks() []uint64 {
	return h.names
}

func chained(parent, own uint64) uint64 {
	var pair [16]byte
	binary.LittleEndian.PutUint64(pair[:8], parent)
	binary.LittleEndian.PutUint64(pair[8:], own)
	return xxh3.HashSeed(pair[:], hashSeed)
}
