package stat

import (
	"math"
	"sort"

	"gonum.org/v1/gonum/stat/distuv"
)

// Ranks is an interval of a percentile whose ends are two values of the sample: the Lower-th and the Upper-th smallest, from 1.
type Ranks struct {
	Lower, Upper int
	// Coverage is the probability that independent values of one continuous distribution put its percentile between the two. Where values
	// repeat it is more.
	Coverage float64
}

// PercentileRanks returns the narrowest interval of the q-th percentile (0 < q < 100) of n independent values that either misses to one
// side with at most half of 1 - confidence. Between the l-th and the u-th smallest value lies the p-quantile with probability
// P(l <= Bin(n, p) <= u-1): see David and Nagaraja, Order Statistics, section 7.1. The ranks are without meaning where the need is not met.
func PercentileRanks(n int, q, confidence float64) (Ranks, Need) {
	tail := (1 - confidence) / 2
	need := Need{Needs: floor(max(q, 100-q), tail), Have: n}
	if !need.Met() {
		return Ranks{}, need
	}
	p := q / 100
	r := Ranks{Lower: lowerRank(n, p, tail), Upper: n + 1 - lowerRank(n, 1-p, tail)} // the upper end is the lower one of the reversed sample
	r.Coverage = binomialCDF(n, p, r.Upper-1) - binomialCDF(n, p, r.Lower-1)
	return r, need
}

// Of returns the interval in a sample of ascending values, as many as the ranks were computed for.
func (r Ranks) Of(sorted []float64) Interval {
	return Interval{Low: sorted[r.Lower-1], High: sorted[r.Upper-1]}
}

// PercentileInterval is the interval of the q-th percentile (0 < q < 100) of dependent values, ascending, that say as much as size independent
// ones (EffectiveSize): the ranks are those of a sample of that size, at the same share of this one, the next value outwards.
func PercentileInterval(sorted []float64, size, q, confidence float64) (Interval, Need) {
	m, n := min(int(size), len(sorted)), len(sorted)
	r, need := PercentileRanks(m, q, confidence)
	if !need.Met() {
		return Interval{}, need
	}
	r.Lower = r.Lower * (n + 1) / (m + 1)
	r.Upper = (r.Upper*(n+1) + m) / (m + 1)
	return r.Of(sorted), need
}

// Floor returns how many independent values a sample needs before its largest one is, with 95 % confidence, an upper bound of
// the q-th percentile (0 < q < 100): the smallest n with 1-(q/100)^n >= 0.95. Below it a percentile is not worth printing.
// 50: 5, 90: 29, 95: 59, 99: 299. An interval with two ends takes more: see PercentileRanks.
func Floor(q float64) int { return floor(q, 0.05) }

// floor is the smallest n with (q/100)^n <= tail.
func floor(q, tail float64) int {
	n := math.Log(tail) / math.Log(q/100)
	return int(math.Ceil(n - 1e-9)) // logarithms of powers of two may come out a bit above their whole number
}

// lowerRank is the largest l with P(Bin(n, p) <= l-1) <= tail, 0 if there is none.
func lowerRank(n int, p, tail float64) int {
	return sort.Search(n, func(k int) bool { return binomialCDF(n, p, k) > tail })
}

// binomialCDF is P(Bin(n, p) <= k).
func binomialCDF(n int, p float64, k int) float64 {
	return distuv.Binomial{N: float64(n), P: p}.CDF(float64(k))
}
