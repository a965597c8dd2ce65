package stat

import (
	"cmp"
	"math"
	"slices"
)

// SummarizeWeighted is Summarize for values of which each counts as often as its weight says; those of weight 0 do not count. Count is
// the number of values that do. Its percentiles are Hyndman and Fan's type 1: the smallest value that at least q % of the weight do not
// exceed. The two slices have the same length; ok is false where nothing counts.
func SummarizeWeighted(values []float64, weights []int) (s Summary, ok bool) {
	order := make([]int, 0, len(values))
	for i, w := range weights {
		if w > 0 {
			order = append(order, i)
		}
	}
	if len(order) == 0 {
		return Summary{}, false
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(values[a], values[b]) })
	total := 0
	var mean, m2 float64
	for _, i := range order { // Welford with weights: equal values have a deviation of exactly zero
		total += weights[i]
		delta := values[i] - mean
		mean += float64(delta * (float64(weights[i]) / float64(total))) // the first share is exactly 1
		m2 += float64(float64(weights[i]) * delta * (values[i] - mean))
		s.Sum += float64(values[i] * float64(weights[i]))
	}
	quantile := func(q float64) float64 {
		below := 0
		for _, i := range order {
			if below += weights[i]; 100*float64(below) >= q*float64(total) {
				return values[i]
			}
		}
		return values[order[len(order)-1]]
	}
	s.Count, s.Avg, s.Std = len(order), mean, math.Sqrt(m2/float64(total))
	s.Min, s.Max = values[order[0]], values[order[len(order)-1]]
	s.P1, s.P5, s.P10, s.P25, s.P50 = quantile(1), quantile(5), quantile(10), quantile(25), quantile(50)
	s.P75, s.P90, s.P95, s.P99 = quantile(75), quantile(90), quantile(95), quantile(99)
	return s, true
}
