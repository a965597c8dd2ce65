package stat_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/stat"
)

// TestWeightedAgainstTwin writes each value down as often as it counts: mean, deviation and sum are those of the long list, and a
// percentile is the entry that the share of its length points to.
func TestWeightedAgainstTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 500 {
		var values, list []float64
		var weights []int
		counts := 0
		for range 1 + r.IntN(30) {
			v, w := float64(r.IntN(20))/8, r.IntN(5)
			values, weights, list = append(values, v), append(weights, w), append(list, slices.Repeat([]float64{v}, w)...)
			counts += min(w, 1)
		}
		got, ok := stat.SummarizeWeighted(values, weights)
		want, some := stat.Summarize(list)
		require.Equal(t, some, ok)
		if !ok {
			continue
		}
		require.Equal(t, counts, got.Count)
		require.InDelta(t, want.Avg, got.Avg, 1e-12)
		require.InDelta(t, want.Std, got.Std, 1e-9)
		require.InDelta(t, want.Sum, got.Sum, 1e-9)
		require.Equal(t, []float64{want.Min, want.Max}, []float64{got.Min, got.Max})
		for q, p := range map[int]float64{1: got.P1, 5: got.P5, 10: got.P10, 25: got.P25, 50: got.P50, 75: got.P75, 90: got.P90, 95: got.P95, 99: got.P99} {
			require.Equal(t, list[(q*len(list)+99)/100-1], p, "p%d of %v", q, list)
		}
	}
}

func TestWeightedWithoutWeight(t *testing.T) {
	_, ok := stat.SummarizeWeighted([]float64{1, 2}, []int{0, 0})
	assert.False(t, ok)
	_, ok = stat.SummarizeWeighted(nil, nil)
	assert.False(t, ok)
	same, ok := stat.SummarizeWeighted([]float64{0.1, 0.1, 0.1}, []int{3, 1, 7})
	assert.True(t, ok)
	assert.Equal(t, stat.Summary{
		Count: 3, Avg: 0.1, Min: 0.1, Max: 0.1, Sum: same.Sum, P1: 0.1, P5: 0.1, P10: 0.1, P25: 0.1, P50: 0.1, P75: 0.1, P90: 0.1, P95: 0.1, P99: 0.1,
	}, same, "equal values have no deviation")
	assert.False(t, math.IsNaN(same.Std))
}
