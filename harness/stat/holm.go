package stat

import (
	"cmp"
	"slices"
)

// Holm corrects the p-values of several tests for their number, in place of each its own: who rejects where the corrected value is at most
// alpha makes one false rejection or more with probability alpha at most, however the tests depend on each other. Sorted ascending,
// the i-th of m counts m-i+1 times, and no less than the one before it (Holm 1979).
func Holm(p []float64) []float64 {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(p[a], p[b]) })
	corrected := make([]float64, len(p))
	least := 0.0
	for i, of := range order {
		least = max(least, min(1, float64(len(p)-i)*p[of]))
		corrected[of] = least
	}
	return corrected
}
