package dataset

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"strings"
)

// Sampling says which record a request takes.
type Sampling string

// The samplings, by AIPerf's names. All go on without end: a request count may be larger than the file.
const (
	Sequential Sampling = "sequential" // in the order of the file, and again from its beginning
	Shuffle    Sampling = "shuffle"    // each record once, in an order of chance, then each again in another
	Random     Sampling = "random"     // with replacement
)

// ParseSampling reads the name of a sampling; "" is the one that is usual for a format, as in AIPerf.
func ParseSampling(name string, format Format) (Sampling, error) {
	all := []string{string(Sequential), string(Shuffle), string(Random)}
	switch {
	case name == "" && format == RandomPool:
		return Random, nil
	case name == "":
		return Sequential, nil
	case slices.Contains(all, name):
		return Sampling(name), nil
	}
	return "", fmt.Errorf("%q: must be %s or %s", name, strings.Join(all[:2], ", "), all[2])
}

// Sampler gives each request its record. It has no state: requests may be asked for in any order, and by several goroutines.
type Sampler struct {
	How  Sampling
	Seed uint64 // of Shuffle and Random, which no other consumer has
	Len  int    // records, at least 1
}

// Record is the record of the i-th request of a run.
func (s Sampler) Record(i int) int {
	switch s.How {
	case Shuffle:
		return s.permuted(i%s.Len, i/s.Len)
	case Random:
		return rand.New(rand.NewPCG(s.Seed, uint64(i))).IntN(s.Len)
	}
	return i % s.Len
}

// permuted is the place of record x in the round-th order. The order is a Feistel network over the next larger square of a power of two, walked until
// it comes back into the range: a permutation without a table of it, which would be one more for each round.
func (s Sampler) permuted(x, round int) int {
	half := max(4, (bits.Len(uint(s.Len-1))+1)/2) // bits; fewer would leave too few orders of short files
	keys := rand.New(rand.NewPCG(s.Seed, uint64(round)))
	var key [feistelRounds]uint64
	for k := range key {
		key[k] = keys.Uint64()
	}
	low := uint64(1)<<half - 1
	for at := uint64(x); ; {
		left, right := at>>half, at&low
		for _, k := range key {
			left, right = right, left^mixed(right+k)>>(64-half)
		}
		if at = left<<half | right; at < uint64(s.Len) {
			return int(at)
		}
	}
}

const feistelRounds = 6

// mixed is the finalizer of SplitMix64: every bit of x changes half of the result's.
func mixed(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
