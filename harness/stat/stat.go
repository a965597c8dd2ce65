// Package stat holds the statistics of the project on plain numbers. It knows nothing of requests or tokens, so that every
// claim it makes can be checked by simulation.
//
// One estimator is used for each purpose and everywhere: percentiles for display interpolate linearly (Hyndman and Fan's
// type 7, numpy's default), the standard deviation is the population's, and the question whether a sample is large enough for
// a percentile is answered by order statistics (Floor). Tables that follow another tool have its estimator (SummarizeWeighted).
package stat

import (
	"math"
	"slices"
)

// Summary describes one sample of values, all in the unit of the values.
type Summary struct {
	Count                                     int
	Avg, Min, Max, Std, Sum                   float64
	P1, P5, P10, P25, P50, P75, P90, P95, P99 float64
}

// Summarize computes a Summary. It sorts values in place and sums them in that order, so that the result does not depend on
// the order in which requests ended. ok is false for an empty sample.
func Summarize(values []float64) (s Summary, ok bool) {
	if len(values) == 0 {
		return Summary{}, false
	}
	slices.Sort(values)
	// Welford: n equal values have a deviation of exactly zero and a mean of exactly their value, which sums do not give. The
	// product is converted so that no compiler fuses it with the sum, which would give other digits on other machines.
	var mean, m2, sum float64
	for i, v := range values {
		sum += v
		delta := v - mean
		mean += delta / float64(i+1)
		m2 += float64(delta * (v - mean))
	}
	n := float64(len(values))
	return Summary{
		Count: len(values),
		Avg:   mean, Min: values[0], Max: values[len(values)-1], Std: math.Sqrt(m2 / n), Sum: sum,
		P1: Percentile(values, 1), P5: Percentile(values, 5), P10: Percentile(values, 10), P25: Percentile(values, 25),
		P50: Percentile(values, 50), P75: Percentile(values, 75), P90: Percentile(values, 90), P95: Percentile(values, 95),
		P99: Percentile(values, 99),
	}, true
}

// Percentile returns the q-th percentile (0 to 100) of an ascending sample by linear interpolation between the order
// statistics at q/100*(n-1). It is NaN for an empty sample.
func Percentile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	h := q / 100 * float64(len(sorted)-1)
	lower := int(math.Floor(h))
	if lower >= len(sorted)-1 {
		return sorted[len(sorted)-1]
	}
	fraction := h - float64(lower)
	return sorted[lower] + float64(fraction*(sorted[lower+1]-sorted[lower]))
}
