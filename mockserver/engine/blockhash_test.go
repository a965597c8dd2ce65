package engine

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/zeebo/xxh3"
)

// Vectors of the self-test of XXH3's author, over a buffer of his: without seed and
// with the seed that he calls PRIME64, for each of the algorithm's ranges of length.
func TestXXH3Vectors(t *testing.T) {
	t.Parallel()
	const prime32, prime64 = 2654435761, 11400714785074694797
	buffer := make([]byte, 2048)
	state := uint64(prime32)
	for i := range buffer {
		buffer[i] = byte(state >> 56)
		state *= prime64
	}
	for _, v := range []struct {
		length           int
		unseeded, seeded uint64
	}{
		{0, 0x2D06800538D394C2, 0xA8A6B918B2F0364A},
		{1, 0xC44BDFF4074EECDB, 0x032BE332DD766EF8},
		{6, 0x27B56A84CD2D7325, 0x84589C116AB59AB9},
		{12, 0xA713DAF0DFBB77E7, 0xE7303E1B2336DE0E},
		{24, 0xA3FE70BF9D3510EB, 0x850E80FC35BDD690},
		{48, 0x397DA259ECBA1F11, 0xADC2CBAA44ACC616},
		{80, 0xBCDEFBBB2C47C90A, 0xC6DD0CB699532E73},
		{195, 0xCD94217EE362EC3A, 0xBA68003D370CB3D9},
		{403, 0xCDEB804D65C6DEA4, 0x6259F6ECFD6443FD},
		{512, 0x617E49599013CB6B, 0x3CE457DE14C27708},
		{2048, 0xDD59E2C3A5F038E0, 0x66F81670669ABABC},
	} {
		assert.Equal(t, v.unseeded, xxh3.HashSeed(buffer[:v.length], 0), "%d bytes", v.length)
		assert.Equal(t, v.seeded, xxh3.HashSeed(buffer[:v.length], prime64), "%d bytes, with a seed", v.length)
	}
}

func TestHasherNamesFullBlocks(t *testing.T) {
	h := NewHasher(2)
	for _, token := range []uint32{1, 0x01020304, 3, 4, 5} {
		h.Add(token)
	}
	own := func(b ...byte) uint64 { return xxh3.HashSeed(b, 1337) }
	first := own(1, 0, 0, 0, 4, 3, 2, 1)
	second := own(3, 0, 0, 0, 4, 0, 0, 0)
	pair := make([]byte, 0, 16)
	for _, name := range []uint64{first, second} {
		for shift := 0; shift < 64; shift += 8 {
			pair = append(pair, byte(name>>shift))
		}
	}
	assert.Equal(t, []uint64{first, own(pair...)}, h.Blocks(), "the fifth token fills no block")

	names := h.Blocks()
	h.Reset(names[:0])
	h.Add(9)
	assert.Empty(t, h.Blocks(), "the fifth token is forgotten")
	h.Add(9)
	assert.Len(t, h.Blocks(), 1)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		h.Reset(names[:0])
		for token := range uint32(4) {
			h.Add(token)
		}
	}))
}

// The arithmetic that was published for blocks of 64: 2000 tokens are 31 full blocks
// and 16 tokens, 48 more fill the 32nd, the 49th opens the 33rd, and 2256 are 36 blocks.
func TestBlockArithmetic(t *testing.T) {
	t.Parallel()
	c := DefaultConfig()
	for tokens, want := range map[int]int{1: 1, 64: 1, 65: 2, 2000: 32, 2048: 32, 2049: 33, 2240: 35, 2256: 36} {
		assert.Equal(t, want, c.blocks(tokens), "%d tokens", tokens)
	}
	e := newEngine(t, c)
	assert.NoError(t, e.Submit(Request{ID: 1, PromptTokens: 2000, MaxTokens: 256}))
	for pass := range 256 {
		e.Step(0)
		// Pass k computes token k - 1 of the answer; the last one is never computed.
		want := map[int][2]int{0: {32, 31}, 48: {32, 32}, 49: {33, 32}, 254: {36, 35}}
		if blocks, interesting := want[pass]; interesting {
			assert.Equal(t, blocks[0], e.Stats().ActiveBlocks, "pass %d", pass)
			assert.Equal(t, blocks[1], e.sequences[0].named, "full blocks after pass %d", pass)
		}
	}
	assert.Zero(t, e.Stats().ActiveBlocks)
}
