package stat

import (
	"cmp"
	"math"
	"slices"
)

// MannKendall returns the z of Mann and Kendall's test for a trend in a series: above 1.645 it rises, at a one-sided level of 5 %. Ties
// reduce the variance, and the statistic, a whole number, is drawn one towards zero (Kendall, Rank Correlation Methods, chapter 4). The
// values have to be independent of each other: give it BatchMeans of what is not.
func MannKendall(series []float64) float64 {
	s := 0
	for i, v := range series {
		for _, later := range series[i+1:] {
			s += cmp.Compare(later, v)
		}
	}
	if s == 0 {
		return 0
	}
	n := len(series)
	variance := n * (n - 1) * (2*n + 5)
	sorted := slices.Sorted(slices.Values(series))
	for start := 0; start < n; {
		end := start + 1
		for end < n && sorted[end] == sorted[start] {
			end++
		}
		t := end - start
		variance -= t * (t - 1) * (2*t + 5)
		start = end
	}
	return float64(s-cmp.Compare(s, 0)) / math.Sqrt(float64(variance)/18)
}
