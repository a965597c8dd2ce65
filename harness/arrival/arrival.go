// Package arrival says when requests start, as offsets from the start of a level. It is pure: numbers in, numbers out; it knows
// no clock and sends nothing.
//
// In a closed loop only the first request of each slot has a start of its own; every later one starts when the slot's
// previous request ends. In an open loop ([Open], [Trace]) every request has a start of its own, whatever became of those
// before it: all of them are fixed before the clock starts, by the random numbers that they are given alone.
//
// A schedule is a plain list of offsets with three properties. It is strictly ascending, by a nanosecond at least: in virtual time the
// order of what starts at one instant would be arbitrary. An offset is where the process wants it, to the nearest nanosecond, unless
// the one before it stands there: then it is the next nanosecond. And it is the same on every machine: the logarithm of package math
// is assembly on some processors, and compilers may fuse a product with a sum, so that this package has its own and converts its products.
package arrival

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"time"
)

// Ramp returns the starts of n slots of a closed loop whose concurrency rises evenly from 1, at the level's start, to n, at the end of
// over, which must not be negative. Over no time slot k starts k nanoseconds after the level, so that no two first requests share an instant (in virtual
// time their order would otherwise be arbitrary).
func Ramp(n int, over time.Duration) []time.Duration {
	starts := make([]time.Duration, n)
	if n < 2 {
		return starts
	}
	// k over / (n-1), whose product would overflow.
	gaps := int64(n - 1)
	step, rest := int64(over)/gaps, int64(over)%gaps
	for k := int64(1); k <= gaps; k++ {
		starts[k] = max(time.Duration(k*step+k*rest/gaps), starts[k-1]+1)
	}
	return starts
}

// SHA256 identifies a schedule, in hexadecimal: it is the hash of its offsets in nanoseconds, each eight bytes, the lowest first.
func SHA256(starts []time.Duration) string {
	h := sha256.New()
	var offset [8]byte
	for _, start := range starts {
		binary.LittleEndian.PutUint64(offset[:], uint64(start))
		h.Write(offset[:])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// after is an offset as it stands in a schedule behind another: rounded, and a nanosecond later at least. Where no time.Duration is
// that late it is not ok.
func after(previous time.Duration, ns float64) (start time.Duration, ok bool) {
	rounded := math.Round(ns)
	if !(rounded < math.MaxInt64) || previous == math.MaxInt64 { // not a number is neither
		return 0, false
	}
	return max(time.Duration(rounded), previous+1), true
}
