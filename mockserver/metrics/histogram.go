package metrics

import (
	"math"
	"time"
)

// bounds are the upper ends of a histogram's buckets.
type bounds struct {
	ends   []float64 // as labels say them
	limits []int64   // the same in units of what is observed
	unit   float64   // how many of these are 1 in a label
}

// mostBuckets is the size of the largest histogram, SGLang's gaps between tokens, with the bucket
// above its last bound.
const mostBuckets = 24

// seconds are bounds of durations, observed in nanoseconds.
func seconds(ends ...float64) bounds {
	return newBounds(float64(time.Second), ends)
}

func newBounds(unit float64, ends []float64) bounds {
	b := bounds{ends: ends, unit: unit}
	for _, end := range ends {
		b.limits = append(b.limits, int64(math.Round(end*unit)))
	}
	return b
}

// logarithmic returns count ends: 0, then steps of equal ratio on the way from least to most, in two digits.
func logarithmic(least, most float64, count int) []float64 {
	ends := []float64{0}
	for k := 1; k < count; k++ {
		ends = append(ends, twoDigits(least*math.Pow(most/least, float64(k)/float64(count-1))))
	}
	return ends
}

func twoDigits(x float64) float64 {
	digits := math.Floor(math.Log10(x)) - 1
	if digits < 0 {
		// Dividing by a whole power of ten is exact to the last bit, multiplying by its inverse is not.
		scale := math.Pow(10, -digits)
		return math.Round(x*scale) / scale
	}
	scale := math.Pow(10, digits)
	return math.Round(x/scale) * scale
}

// histogram counts values. It is copied by assignment.
type histogram struct {
	bounds *bounds
	counts [mostBuckets]uint64 // of values above the bound before
	count  uint64
	sum    int64
}

func (h *histogram) observe(value int64) {
	h.observeShares(value, 1)
}

// observeShares observes n equal shares of a total.
func (h *histogram) observeShares(total int64, n int) {
	share := total / int64(n)
	k := 0
	for k < len(h.bounds.limits) && share > h.bounds.limits[k] {
		k++
	}
	h.counts[k] += uint64(n)
	h.count += uint64(n)
	h.sum += total
}
