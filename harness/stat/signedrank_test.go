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

// naivePAbove is the test as it is told: the differences from the centre are ranked by their size, and the ranks of the positive ones add
// up to at least as much in some of all choices of signs. There must not be any ties.
func naivePAbove(d []float64, centre float64) float64 {
	bySize := slices.Clone(d)
	slices.SortFunc(bySize, func(a, b float64) int {
		if math.Abs(a-centre) < math.Abs(b-centre) {
			return -1
		}
		return 1
	})
	seen := 0
	for i, v := range bySize {
		if v > centre {
			seen += i + 1
		}
	}
	as := 0
	for signs := range 1 << len(d) {
		sum := 0
		for i := range d {
			if signs>>i&1 == 1 {
				sum += i + 1
			}
		}
		if sum >= seen {
			as++
		}
	}
	return float64(as) / float64(int(1)<<len(d))
}

func differences(r *rand.Rand, k int, centre float64) []float64 {
	d := make([]float64, k)
	for i := range d {
		d[i] = centre + r.NormFloat64()
	}
	return d
}

func TestSignedRankAgainstTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(61, 62))
	for range 150 {
		d := differences(r, r.IntN(12), 0.5)
		centre := r.NormFloat64()
		s := stat.NewSignedRank(d)
		require.Equal(t, naivePAbove(d, centre), s.PAbove(centre), "%v above %v", d, centre)
		for i := range d {
			d[i] = -d[i]
		}
		require.Equal(t, naivePAbove(d, -centre), s.PBelow(centre), "%v below %v", d, centre)
	}
}

// TestSignedRankTable holds the two-sided critical values of 5 % against those in print: that the positive ranks of k differences add up
// to so much and no more.
func TestSignedRankTable(t *testing.T) {
	for k, critical := range map[int]int{6: 0, 7: 2, 8: 3, 9: 5, 10: 8, 11: 10, 12: 13, 15: 25, 18: 40, 20: 52, 22: 65, 24: 81, 25: 89} {
		assert.LessOrEqual(t, stat.NewSignedRank(withPositiveRanks(k, critical)).PBelow(0), 0.025, "%d differences", k)
		assert.Greater(t, stat.NewSignedRank(withPositiveRanks(k, critical+1)).PBelow(0), 0.025, "%d differences", k)
	}
}

// withPositiveRanks are differences of the sizes 1 to k, of which the positive ones add up to a sum.
func withPositiveRanks(k, sum int) []float64 {
	d := make([]float64, k)
	for rank := k; rank > 0; rank-- {
		if d[rank-1] = -float64(rank); rank <= sum {
			d[rank-1], sum = float64(rank), sum-rank
		}
	}
	return d
}

// TestBoundsAgreeWithTheTest: a bound excludes a centre just where the test rejects it, with ties and zeros too.
func TestBoundsAgreeWithTheTest(t *testing.T) {
	r := rand.New(rand.NewPCG(63, 64))
	for range 500 {
		d := make([]float64, r.IntN(20))
		for i := range d {
			d[i] = float64(r.IntN(9) - 3)
		}
		s := stat.NewSignedRank(d)
		level := math.Exp(-6 * r.Float64())
		for centre := -4.0; centre < 6; centre += 0.25 {
			require.Equal(t, s.PAbove(centre) <= level, s.Lower(level) > centre, "%v above %v at %v", d, centre, level)
			require.Equal(t, s.PBelow(centre) <= level, s.Upper(level) < centre, "%v below %v at %v", d, centre, level)
		}
	}
}

// TestSignedRankBounds: the least p-value of k differences is 2^-k, and there is no bound at a level below it.
func TestSignedRankBounds(t *testing.T) {
	s := stat.NewSignedRank([]float64{3, 1, 2, 6, 5, 4})
	assert.Equal(t, 1.0/64, s.PAbove(0))
	assert.Equal(t, 1.0, s.PBelow(0))
	assert.Equal(t, 3.5, s.Centre())
	assert.Equal(t, []float64{1, 6}, []float64{s.Lower(0.05 / 3), s.Upper(0.05 / 3)})
	assert.Equal(t, []float64{math.Inf(-1), math.Inf(1)}, []float64{s.Lower(0.01 / 3), s.Upper(0.01 / 3)})
	none := stat.NewSignedRank(nil)
	assert.True(t, math.IsNaN(none.Centre()))
	assert.Equal(t, []float64{1, 1}, []float64{none.PAbove(0), none.PBelow(0)})
}

// TestSignedRankHoldsItsLevelWithTies: whatever sizes the differences have, equal ones and zeros among them, no more than its share of all
// choices of signs is rejected, at any level.
func TestSignedRankHoldsItsLevelWithTies(t *testing.T) {
	r := rand.New(rand.NewPCG(65, 66))
	for range 50 {
		d := make([]float64, 1+r.IntN(9))
		for i := range d {
			d[i] = float64(r.IntN(5))
		}
		var p []float64
		for signs := range 1 << len(d) {
			signed := slices.Clone(d)
			for i := range signed {
				signed[i] *= float64(signs>>i&1)*2 - 1
			}
			p = append(p, stat.NewSignedRank(signed).PAbove(0))
		}
		slices.Sort(p)
		for i, level := range p {
			require.LessOrEqual(t, float64(i+1)/float64(len(p)), level, "sizes %v", d)
		}
	}
}

// TestSimulatedOrderOfRuns: a machine that slows down by 5 % while it measures makes the second of two equal things slower, unless a coin
// decides which one is first.
func TestSimulatedOrderOfRuns(t *testing.T) {
	const k, drift, noise = 8, 0.05, 0.02
	n := repetitions(20000)
	measured := func(r *rand.Rand, at int) float64 { return drift*float64(at)/(2*k-1) + noise*r.NormFloat64() }
	alarms := func(pair func(r *rand.Rand, i int) (first, second int)) float64 {
		d := make([]float64, k)
		return shareOf(n, 67, func(r *rand.Rand) bool {
			for i := range d {
				first, second := pair(r, i)
				d[i] = measured(r, second) - measured(r, first)
			}
			return stat.NewSignedRank(d).PAbove(0) <= 0.05
		})
	}
	sequential := alarms(func(_ *rand.Rand, i int) (first, second int) { return i, k + i })
	randomised := alarms(func(r *rand.Rand, i int) (first, second int) {
		coin := r.IntN(2)
		return 2*i + coin, 2*i + 1 - coin
	})
	atLeast(t, 0.3, sequential, n, "all of one, then all of the other")
	atMost(t, 0.055, randomised, n, "by coin")
	atLeast(t, 0.03, randomised, n, "by coin, no more cautious than it has to be")
}

// TestSimulatedLooks takes bounds of both sides at 6, 12 and 18 pairs until one of them settles the matter, each look at a third of its
// level: equal things do not fail, what is as much slower as is not tolerated does not pass, and what is slower still fails.
func TestSimulatedLooks(t *testing.T) {
	n := repetitions(5000)
	outliers := func(r *rand.Rand, d float64) float64 { // now and then a run is much slower
		for range 2 {
			if d = -d; r.Float64() < 0.05 {
				d += 0.15
			}
		}
		return d
	}
	for name, disturb := range map[string]func(*rand.Rand, float64) float64{
		"normal": func(_ *rand.Rand, d float64) float64 { return d }, "with outliers": outliers,
	} {
		for _, c := range []struct{ change, noise, passAtMost, failAtMost, failAtLeast float64 }{
			{0, 0.02, 1, 0.01, 0}, {0, 0.04, 1, 0.01, 0}, {0.05, 0.02, 0.05, 1, 0}, {0.05, 0.04, 0.05, 1, 0}, {0.1, 0.04, 0.05, 1, 0.95},
		} {
			passed := 0
			failed := shareOf(n, 68, func(r *rand.Rand) bool {
				pass, fail := looks(func() float64 { return math.Log1p(c.change) + disturb(r, c.noise*math.Sqrt2*r.NormFloat64()) })
				if pass {
					passed++
				}
				return fail
			})
			what := fmt.Sprintf("%s, change %v, noise %v: ", name, c.change, c.noise)
			atMost(t, c.passAtMost, float64(passed)/float64(n), n, what+"passed")
			atMost(t, c.failAtMost, failed, n, what+"failed")
			atLeast(t, c.failAtLeast, failed, n, what+"failed")
		}
	}
}

func looks(difference func() float64) (pass, fail bool) {
	var d []float64
	for _, k := range []int{6, 12, 18} {
		for len(d) < k {
			d = append(d, difference())
		}
		s := stat.NewSignedRank(d)
		if s.Upper(0.05/3) < math.Log(1.05) {
			return true, false
		}
		if s.Lower(0.01/3) > 0 {
			return false, true
		}
	}
	return false, false
}
