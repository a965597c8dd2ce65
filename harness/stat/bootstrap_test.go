package stat_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/stat"
)

// naiveBootstrap writes down each resample, sorts it and takes the figure of it.
func naiveBootstrap(b stat.Bootstrap, groups [][]float64, figure func(sorted []float64) float64) stat.Interval {
	r := rand.New(rand.NewPCG(b.Seed, 0))
	var figures []float64
	for range b.Resamples {
		var values []float64
		for range groups {
			values = append(values, groups[r.IntN(len(groups))]...)
		}
		slices.Sort(values)
		figures = append(figures, figure(values))
	}
	slices.Sort(figures)
	tail := 100 * (1 - b.Confidence) / 2
	return stat.Interval{Low: naivePercentile(figures, tail), High: naivePercentile(figures, 100-tail)}
}

func TestBootstrapAgainstTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(71, 72))
	for range 150 {
		groups := make([][]float64, 2+r.IntN(15))
		kinds := 1 + r.IntN(1000)
		for i := range groups {
			for range 1 + r.IntN(40) {
				groups[i] = append(groups[i], float64(r.IntN(kinds)))
			}
		}
		b := stat.Bootstrap{Resamples: 1 + r.IntN(30), Confidence: r.Float64(), Seed: r.Uint64()}
		g := stat.NewGroups(append(groups, nil))
		for _, q := range []float64{0, 1, 50, 90, 99.9, 100, 100 * r.Float64()} {
			got, ok := b.Percentile(g, q)
			require.True(t, ok)
			same(t, naiveBootstrap(b, groups, func(sorted []float64) float64 { return naivePercentile(sorted, q) }), got, "p%v", q)
			require.InDelta(t, naivePercentile(slices.Sorted(slices.Values(slices.Concat(groups...))), q), g.Percentile(q), 1e-9)
		}
		sum := 0.0
		for _, v := range slices.Concat(groups...) {
			sum += v
		}
		require.InDelta(t, sum/float64(len(slices.Concat(groups...))), g.Mean(), 1e-9)
		got, ok := b.Mean(g)
		require.True(t, ok)
		same(t, naiveBootstrap(b, groups, func(sorted []float64) float64 {
			sum := 0.0
			for _, v := range sorted {
				sum += v
			}
			return sum / float64(len(sorted))
		}), got, "mean")
	}
}

func same(t *testing.T, want, got stat.Interval, format string, args ...any) {
	t.Helper()
	require.InDeltaf(t, want.Low, got.Low, 1e-9, format, args...)
	require.InDeltaf(t, want.High, got.High, 1e-9, format, args...)
}

func TestBootstrapNeedsGroups(t *testing.T) {
	b := stat.Bootstrap{Resamples: 10, Confidence: 0.95}
	for _, groups := range [][][]float64{nil, {{1, 2, 3}}, {{1, 2, 3}, nil, {}}} {
		_, ok := b.Mean(stat.NewGroups(groups))
		assert.False(t, ok)
		_, ok = b.Percentile(stat.NewGroups(groups), 50)
		assert.False(t, ok)
	}
}

func TestBootstrapIsSeeded(t *testing.T) {
	values := [][]float64{{1, 2}, {3}, {4, 5, 6}, {9}}
	g := stat.NewGroups(values)
	values[0][0] = 1000
	a, _ := stat.Bootstrap{Resamples: 50, Confidence: 0.9, Seed: 1}.Mean(g)
	again, _ := stat.Bootstrap{Resamples: 50, Confidence: 0.9, Seed: 1}.Mean(g)
	other, _ := stat.Bootstrap{Resamples: 50, Confidence: 0.9, Seed: 2}.Mean(g)
	assert.Equal(t, a, again)
	assert.NotEqual(t, a, other)
	assert.Less(t, a.High, 10.0, "the values were copied")
}

// groupsOf draws groups of 32 to 96 values: each group has a pace of its own, and its values differ besides.
func groupsOf(r *rand.Rand, n int) [][]float64 {
	groups := make([][]float64, n)
	for i := range groups {
		pace := 0.2 * r.NormFloat64()
		groups[i] = make([]float64, 32+r.IntN(65))
		for j := range groups[i] {
			groups[i][j] = math.Exp(pace + 0.3*r.NormFloat64())
		}
	}
	return groups
}

// TestSimulatedBootstrapOfGroups: drawn by groups the interval holds the truth about as often as it says. Values that are taken for
// independent of each other give one that does so in a third of the cases.
func TestSimulatedBootstrapOfGroups(t *testing.T) {
	n := repetitions(400)
	const variance = 0.2*0.2 + 0.3*0.3
	truth := func(q float64) float64 { return math.Exp(math.Sqrt2 * math.Erfinv(2*q/100-1) * math.Sqrt(variance)) }
	for _, size := range []int{50, 100, 200} {
		values, medians, tails, median := 0, 0, 0, 0
		mean := shareOf(n, uint64(size), func(r *rand.Rand) bool {
			groups := groupsOf(r, size)
			g := stat.NewGroups(groups)
			b := stat.Bootstrap{Resamples: 200, Confidence: 0.95, Seed: r.Uint64()}
			all := slices.Concat(groups...)
			count(&values, normalInterval(all), math.Exp(variance/2))
			slices.Sort(all)
			ranks, _ := stat.PercentileRanks(len(all), 50, 0.95)
			count(&medians, ranks.Of(all), truth(50))
			i, _ := b.Percentile(g, 50)
			count(&median, i, truth(50))
			i, _ = b.Percentile(g, 99)
			count(&tails, i, truth(99))
			i, _ = b.Mean(g)
			return holds(i, math.Exp(variance/2))
		})
		share := func(times int) float64 { return float64(times) / float64(n) }
		name := fmt.Sprintf("%d groups: ", size)
		atLeast(t, 0.9, mean, n, name+"mean")
		atLeast(t, 0.9, share(median), n, name+"median")
		if size >= stat.TailGroups {
			atLeast(t, 0.9, share(tails), n, name+"p99")
		}
		atMost(t, 0.98, mean, n, name+"mean")
		atMost(t, 0.5, share(values), n, name+"mean by values")
		atMost(t, 0.5, share(medians), n, name+"median by values")
	}
}

func count(times *int, i stat.Interval, truth float64) {
	if holds(i, truth) {
		*times++
	}
}

// normalInterval is what the values would say if they were independent.
func normalInterval(values []float64) stat.Interval {
	s, _ := stat.Summarize(slices.Clone(values))
	half := 1.96 * s.Std / math.Sqrt(float64(s.Count))
	return stat.Interval{Low: s.Avg - half, High: s.Avg + half}
}

func BenchmarkBootstrapPercentile(b *testing.B) {
	r := rand.New(rand.NewPCG(73, 74))
	groups := make([][]float64, 4000)
	for i := range groups {
		groups[i] = random(r, 256)
	}
	g := stat.NewGroups(groups)
	for b.Loop() {
		stat.Bootstrap{Resamples: 1000, Confidence: 0.95}.Percentile(g, 99)
	}
}
