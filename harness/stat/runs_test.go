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

// TestRunsAgainstTwin takes Student's t from a printed table.
func TestRunsAgainstTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	for k, t975 := range map[int]float64{5: 2.776445, 6: 2.570582, 10: 2.262157, 31: 2.042272} {
		values := random(r, k)
		product := 1.0
		for _, v := range values {
			product *= math.Pow(v, 1/float64(k))
		}
		var squares, mean float64
		for _, v := range values {
			squares += math.Pow(math.Log(v/product), 2)
			mean += v / float64(k)
		}
		factor := math.Exp(t975 * math.Sqrt(squares/float64(k-1)/float64(k)))
		got, need, ok := stat.Runs(values, 0.95)
		require.True(t, ok)
		assert.True(t, need.Met())
		assert.InEpsilon(t, product, got.Mean, 1e-9)
		assert.InEpsilon(t, product/factor, got.Interval.Low, 1e-5, "%d runs", k)
		assert.InEpsilon(t, product*factor, got.Interval.High, 1e-5, "%d runs", k)
		assert.InEpsilon(t, naiveStd(values)*math.Sqrt(float64(k)/float64(k-1))/mean, got.CV, 1e-9)
	}
}

func TestRunsNeedFive(t *testing.T) {
	_, need, ok := stat.Runs([]float64{1, 2, 3, 4}, 0.95)
	assert.False(t, ok)
	assert.Equal(t, stat.Need{Needs: 5, Have: 4}, need)
	for _, bad := range []float64{0, -1, math.NaN()} {
		_, need, ok = stat.Runs([]float64{1, 2, 3, 4, bad}, 0.95)
		assert.False(t, ok, "%v has no logarithm", bad)
		assert.True(t, need.Met())
	}
	same, _, ok := stat.Runs(slices.Repeat([]float64{1}, 5), 0.95)
	assert.True(t, ok)
	assert.Equal(t, stat.OverRuns{Mean: 1, Interval: stat.Interval{Low: 1, High: 1}}, same)
}

func TestDetectableChange(t *testing.T) {
	for k, want := range map[int][2]float64{6: {1.43, 2.43}, 8: {1.17, 1.85}, 12: {0.91, 1.36}, 18: {0.72, 1.04}, 24: {0.62, 0.88}} {
		assert.InDelta(t, want[0], stat.DetectableChange(k, 0.05, 0.9), 0.006, "%d pairs", k)
		assert.InDelta(t, want[1], stat.DetectableChange(k, 0.01/3, 0.9), 0.012, "%d pairs", k)
	}
}

// TestSimulatedDetectableChange: the change is found as often as it says, by the t-test that it is made for.
func TestSimulatedDetectableChange(t *testing.T) {
	const k, t95 = 12, 1.795885
	n := repetitions(20000)
	change := stat.DetectableChange(k, 0.05, 0.9)
	found := shareOf(n, 13, func(r *rand.Rand) bool {
		var sum, squares float64
		for range k {
			d := change + r.NormFloat64()
			sum += d
			squares += d * d
		}
		return sum/math.Sqrt(k) > t95*math.Sqrt((squares-sum*sum/k)/(k-1))
	})
	assert.InDelta(t, 0.9, found, 0.015)
}

// TestSimulatedCoverageOverRuns: on runs whose logarithms are normal the interval holds just what it promises.
func TestSimulatedCoverageOverRuns(t *testing.T) {
	n := repetitions(20000)
	for _, k := range []int{5, 10} {
		values := make([]float64, k)
		covered := shareOf(n, uint64(k), func(r *rand.Rand) bool {
			for i := range values {
				values[i] = 100 * math.Exp(0.2*r.NormFloat64())
			}
			o, _, ok := stat.Runs(values, 0.95)
			return ok && o.Interval.Low <= 100 && 100 <= o.Interval.High
		})
		assert.InDelta(t, 0.95, covered, 3*math.Sqrt(0.95*0.05/float64(n)), "%d runs", k)
	}
}

// TestSimulatedRunsOfAQueue: what the requests of one run say of its median is wrong under load, what five runs say is not.
func TestSimulatedRunsOfAQueue(t *testing.T) {
	n := repetitions(300)
	for _, c := range []struct {
		load, q  float64
		size     int
		over     float64 // coverage that intervals over runs reach
		withinAt float64 // coverage that intervals from one run stay below
	}{
		{0.5, 50, 1000, 0.92, 1},
		{0.7, 50, 1000, 0.92, 0.9},
		{0.85, 50, 1000, 0.92, 0.5},
		{0.5, 99, 4000, 0.88, 0.8},
	} {
		name := fmt.Sprintf("p%v at load %v", c.q, c.load)
		long := run(rand.New(rand.NewPCG(14, 15)), c.load, 1000, 1_000_000).first
		slices.Sort(long)
		truth := stat.Percentile(long, c.q)
		within, figures := 0, make([]float64, stat.MinRuns)
		over := shareOf(n, 16, func(r *rand.Rand) bool {
			for i := range figures {
				first := run(r, c.load, 200, c.size).first
				slices.Sort(first)
				figures[i] = stat.Percentile(first, c.q)
				if ranks, _ := stat.PercentileRanks(c.size, c.q, 0.95); i == 0 && holds(ranks.Of(first), truth) {
					within++
				}
			}
			o, _, _ := stat.Runs(figures, 0.95)
			return holds(o.Interval, truth)
		})
		atLeast(t, c.over, over, n, name+" over runs")
		atMost(t, c.withinAt, float64(within)/float64(n), n, name+" within one")
	}
}

func holds(i stat.Interval, truth float64) bool { return i.Low <= truth && truth <= i.High }
