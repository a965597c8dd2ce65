package stat_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/llmsweep/llmsweep/harness/stat"
)

// TestDeviationAboutLine: by hand, the line through 1, 2, 4, 3, 3 is 1.6 + 0.5 i, and what is left 0.6, 0.1, 1.4, 0.1 and 0.6.
func TestDeviationAboutLine(t *testing.T) {
	assert.InDelta(t, math.Sqrt((0.36+0.01+1.96+0.01+0.36)/3), stat.DeviationAboutLine([]float64{1, 2, 4, 3, 3}), 1e-12)
	assert.InDelta(t, 0, stat.DeviationAboutLine([]float64{1, 3, 5, 7}), 1e-12)
	assert.InDelta(t, 1, stat.DeviationAboutLine([]float64{10, 10 - math.Sqrt(1.5), 10}), 1e-12)
}

func TestDriftLimitNeedsFive(t *testing.T) {
	_, need, ok := stat.DriftLimit([]float64{1, 2, 3, 4}, 0.01)
	assert.False(t, ok)
	assert.Equal(t, stat.Need{Needs: 5, Have: 4}, need)
	limit, _, ok := stat.DriftLimit([]float64{7, 7, 7, 7, 7}, 0.01)
	assert.True(t, ok)
	assert.Zero(t, limit, "without noise each difference is one")
}

// TestDriftIsNoChance: of series whose mean does not move as many are beyond the limit as were allowed, and nearly all of those that moved far.
// The plain deviation, which takes a steady drift for noise, would see less of them.
func TestDriftIsNoChance(t *testing.T) {
	const level = 0.01
	n := repetitions(20_000)
	beyond := func(runs int, drift float64, limit func([]float64) float64) func(*rand.Rand) bool {
		return func(r *rand.Rand) bool {
			series := make([]float64, runs)
			for i := range series {
				series[i] = r.NormFloat64() + drift*float64(i)/float64(runs)
			}
			again := r.NormFloat64() + drift
			return math.Abs(again-series[0]) > limit(series)
		}
	}
	about := func(series []float64) float64 {
		limit, _, _ := stat.DriftLimit(series, level)
		return limit
	}
	for _, runs := range []int{5, 10, 20} {
		atMost(t, level, shareOf(n, 1, beyond(runs, 0, about)), n, "false alarms")
	}
	atLeast(t, 0.95, shareOf(n, 2, beyond(5, 15, about)), n, "drift by 15 deviations in 5 runs")
	atLeast(t, 0.95, shareOf(n, 3, beyond(10, 8, about)), n, "by 8 in 10")
	plain := func(series []float64) float64 {
		return naiveStd(series) * math.Sqrt(float64(len(series))/float64(len(series)-1)) * math.Sqrt2 * 3.25 // t of 9 degrees
	}
	seen := shareOf(n, 3, beyond(10, 8, plain))
	t.Logf("by the plain deviation: %.3f", seen)
	assert.Less(t, seen, 0.7)
}
