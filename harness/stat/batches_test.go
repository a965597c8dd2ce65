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

// correlated is a series of which each value remembers a part of the one before.
func correlated(r *rand.Rand, n int, memory float64) []float64 {
	series := make([]float64, n)
	last := r.NormFloat64()
	for i := range series {
		last = memory*last + math.Sqrt(1-memory*memory)*r.NormFloat64()
		series[i] = last
	}
	return series
}

func TestBatchMeans(t *testing.T) {
	assert.InDeltaSlice(t, []float64{1.5, 3.5, 5.5}, stat.BatchMeans([]float64{1, 2, 3, 4, 5, 6}, 3), 1e-12)
	assert.InDeltaSlice(t, []float64{1, 2.5, 4.5}, stat.BatchMeans([]float64{1, 2, 3, 4, 5}, 3), 1e-12, "no value is left out")
	assert.Equal(t, []float64{0.1, 0.1}, stat.BatchMeans(slices.Repeat([]float64{0.1}, 6), 2))
}

func TestEffectiveSizeAgainstTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 22))
	for range 100 {
		length := 2 + r.IntN(30)
		series := correlated(r, 20*length, 0.7)
		means := make([]float64, 20)
		for i, v := range series {
			means[i/length] += v / float64(length)
		}
		sample := func(values []float64) float64 {
			return naiveStd(values) * naiveStd(values) * float64(len(values)) / float64(len(values)-1)
		}
		tau := float64(length) * sample(means) / sample(series)
		got, need := stat.EffectiveSize(series)
		require.True(t, need.Met())
		require.InEpsilon(t, min(float64(len(series)), float64(len(series))/tau), got, 1e-9)
	}
}

func TestEffectiveSizeNeeds(t *testing.T) {
	_, need := stat.EffectiveSize(make([]float64, 39))
	assert.Equal(t, stat.Need{Needs: 40, Have: 39}, need)
	size, need := stat.EffectiveSize(slices.Repeat([]float64{3}, 40))
	assert.True(t, need.Met())
	assert.Equal(t, 40.0, size, "equal values")
}

// TestSimulatedEffectiveSize: of a series that remembers half of the last value a third counts, of independent values nearly all.
func TestSimulatedEffectiveSize(t *testing.T) {
	n := repetitions(1000)
	for memory, want := range map[float64]float64{0: 1, 0.5: 3, 0.9: 19} {
		r := rand.New(rand.NewPCG(23, 24))
		var inverse float64
		for range n {
			size, _ := stat.EffectiveSize(correlated(r, 4000, memory))
			inverse += 4000 / size / float64(n)
		}
		// A series without memory has a ratio of 1 on average; what is above 4000 counts as 4000, which lifts the mean.
		assert.InEpsilon(t, want, inverse, 0.16, "memory %v", memory)
	}
}

func TestMeanIntervalAgainstTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(25, 26))
	for range 100 {
		length := 4 + r.IntN(30)
		series := correlated(r, 10*length, 0.5)
		means, mean := make([]float64, 10), 0.0
		for i, v := range series {
			means[i/length] += v / float64(length)
			mean += v / float64(len(series))
		}
		half := 2.2621571627 * naiveStd(means) / math.Sqrt(9) // Student's t of 9 degrees from a table
		got, need := stat.MeanInterval(series, 0.95)
		require.True(t, need.Met())
		require.InDelta(t, mean-half, got.Low, 1e-9)
		require.InDelta(t, mean+half, got.High, 1e-9)
	}
	_, need := stat.MeanInterval(make([]float64, 39), 0.95)
	assert.Equal(t, stat.Need{Needs: 40, Have: 39}, need)
	got, _ := stat.MeanInterval(slices.Repeat([]float64{0.1}, 40), 0.95)
	assert.Equal(t, stat.Interval{Low: 0.1, High: 0.1}, got, "equal values")
}

// TestSimulatedCoverageOfDependentValues: intervals by batches and by the effective size hold what they promise where the dependence is short
// beside the series. Taken for independent, such values give intervals that do not.
func TestSimulatedCoverageOfDependentValues(t *testing.T) {
	const size, memory = 4000, 0.8
	n := repetitions(1000)
	for name, test := range map[string]struct {
		figure float64
		of     func(series []float64) stat.Interval
		naive  bool
	}{
		"mean": {0, func(series []float64) stat.Interval {
			i, _ := stat.MeanInterval(series, 0.95)
			return i
		}, false},
		"p50": {0, func(series []float64) stat.Interval {
			effective, _ := stat.EffectiveSize(series)
			i, _ := stat.PercentileInterval(slices.Sorted(slices.Values(series)), effective, 50, 0.95)
			return i
		}, false},
		"p50, taken for independent": {0, func(series []float64) stat.Interval {
			i, _ := stat.PercentileInterval(slices.Sorted(slices.Values(series)), size, 50, 0.95)
			return i
		}, true},
		"p90": {1.2815515655, func(series []float64) stat.Interval {
			effective, _ := stat.EffectiveSize(series)
			i, _ := stat.PercentileInterval(slices.Sorted(slices.Values(series)), effective, 90, 0.95)
			return i
		}, false},
	} {
		share := shareOf(n, 27, func(r *rand.Rand) bool {
			i := test.of(correlated(r, size, memory))
			return i.Low <= test.figure && test.figure <= i.High
		})
		if test.naive {
			atMost(t, 0.65, share, n, name)
		} else {
			atLeast(t, 0.92, share, n, name)
		}
	}
}
