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
