package stat_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/stat"
)

// binomial is the distribution of Bin(n, p), term by term.
func binomial(n int, p float64) []float64 {
	terms := make([]float64, n+1)
	for k := range terms {
		all, _ := math.Lgamma(float64(n + 1))
		in, _ := math.Lgamma(float64(k + 1))
		out, _ := math.Lgamma(float64(n - k + 1))
		terms[k] = math.Exp(all - in - out + float64(k)*math.Log(p) + float64(n-k)*math.Log1p(-p))
	}
	return terms
}

// naiveRanks tries every rank.
func naiveRanks(n int, q, confidence float64) (lower, upper int, coverage float64) {
	terms := binomial(n, q/100)
	tail := (1-confidence)/2 + 1e-12
	below, above := 0.0, 0.0
	upper = n + 1
	for l := 1; l <= n; l++ {
		if below += terms[l-1]; below <= tail {
			lower = l
		}
	}
	for u := n; u >= 1; u-- {
		if above += terms[u]; above <= tail {
			upper = u
		}
	}
	for k := lower; k <= upper-1; k++ {
		coverage += terms[k]
	}
	return lower, upper, coverage
}

func TestPercentileRanksAgainstTwin(t *testing.T) {
	for _, q := range []float64{1, 10, 50, 75, 90, 95, 99} {
		for _, confidence := range []float64{0.9, 0.95, 0.99} {
			for n := 1; n <= 800; n += 1 + n/9 {
				name := fmt.Sprintf("p%v of %d at %v", q, n, confidence)
				lower, upper, coverage := naiveRanks(n, q, confidence)
				got, need := stat.PercentileRanks(n, q, confidence)
				require.Equal(t, n, need.Have)
				require.Equal(t, lower > 0 && upper <= n, need.Met(), name)
				if !need.Met() {
					continue
				}
				require.Equal(t, [2]int{lower, upper}, [2]int{got.Lower, got.Upper}, name)
				require.InDelta(t, coverage, got.Coverage, 1e-9, name)
				require.GreaterOrEqual(t, got.Coverage, confidence-1e-12, name)
			}
		}
	}
}

func TestRanksByHand(t *testing.T) {
	r, need := stat.PercentileRanks(10, 50, 0.95) // both ends leave out (1+10)/1024
	assert.True(t, need.Met())
	assert.Equal(t, []int{2, 9}, []int{r.Lower, r.Upper})
	assert.InDelta(t, 1-22.0/1024, r.Coverage, 1e-12)
	assert.Equal(t, stat.Interval{Low: 20, High: 90}, r.Of([]float64{10, 20, 30, 40, 50, 60, 70, 80, 90, 100}))
}

func TestPercentileIntervalByHand(t *testing.T) {
	sorted := make([]float64, 21)
	for i := range sorted {
		sorted[i] = float64(i + 1)
	}
	got, _ := stat.PercentileInterval(sorted[:10], 10, 50, 0.95)
	assert.Equal(t, stat.Interval{Low: 2, High: 9}, got, "the ranks of ten independent values")
	// Of 21 values worth ten, ranks 2 and 9 of 10 are at 2/11 and 9/11, and so are 4 and 18 of 22 parts.
	got, _ = stat.PercentileInterval(sorted, 10.9, 50, 0.95)
	assert.Equal(t, stat.Interval{Low: 4, High: 18}, got)
	got, _ = stat.PercentileInterval(sorted[:20], 10, 50, 0.95) // 3.8 and 17.2 of 21 parts: outwards
	assert.Equal(t, stat.Interval{Low: 3, High: 18}, got)
	got, _ = stat.PercentileInterval(sorted, 6, 50, 0.95) // the outermost of six
	assert.Equal(t, stat.Interval{Low: 3, High: 19}, got)
	_, need := stat.PercentileInterval(sorted, 5.9, 50, 0.95)
	assert.Equal(t, stat.Need{Needs: 6, Have: 5}, need)
}

// TestNeeds: one value fewer has no such interval.
func TestNeeds(t *testing.T) {
	for q, want := range map[float64]int{50: 6, 90: 36, 95: 72, 99: 368, 99.9: 3688, 1: 368} {
		_, need := stat.PercentileRanks(want-1, q, 0.95)
		assert.Equal(t, stat.Need{Needs: want, Have: want - 1}, need, "p%v", q)
		assert.False(t, need.Met())
		r, need := stat.PercentileRanks(want, q, 0.95)
		assert.True(t, need.Met(), "p%v", q)
		assert.Equal(t, want, max(r.Upper, want+1-r.Lower), "p%v: the end that was missing is the outermost value", q)
	}
	_, need := stat.PercentileRanks(5, 50, 0.9375) // exactly twice 1/32
	assert.Equal(t, stat.Need{Needs: 5, Have: 5}, need)
}

// TestFloor holds the formula against its meaning: n independent values all lie below the q-th percentile with probability (q/100)^n.
func TestFloor(t *testing.T) {
	for q, want := range map[float64]int{50: 5, 90: 29, 95: 59, 99: 299, 99.9: 2995} {
		assert.Equal(t, want, stat.Floor(q), "p%v", q)
		allBelow := 1.0
		n := 0
		for ; 1-allBelow < 0.95; n++ {
			allBelow *= q / 100
		}
		assert.Equal(t, n, stat.Floor(q), "p%v by counting", q)
	}
}

// TestSimulatedCoverageOfRanks draws ascending samples of a uniform distribution, whose percentiles are known: the partial sums of
// exponential gaps, as shares of the whole.
func TestSimulatedCoverageOfRanks(t *testing.T) {
	quantiles := []float64{50, 90, 99}
	n := repetitions(4000)
	for _, size := range []int{400, 1000, 4000, 10000} {
		sorted := make([]float64, size)
		covered := make([]int, len(quantiles))
		r := rand.New(rand.NewPCG(uint64(size), 1))
		for range n {
			ascending(r, sorted)
			for i, q := range quantiles {
				ranks, _ := stat.PercentileRanks(size, q, 0.95)
				if in := ranks.Of(sorted); in.Low <= q/100 && q/100 <= in.High {
					covered[i]++
				}
			}
		}
		for i, q := range quantiles {
			ranks, _ := stat.PercentileRanks(size, q, 0.95)
			share := float64(covered[i]) / float64(n)
			atLeast(t, 0.94, share, n, fmt.Sprintf("p%v of %d", q, size))
			se := math.Sqrt(ranks.Coverage * (1 - ranks.Coverage) / float64(n))
			assert.InDelta(t, ranks.Coverage, share, 3.5*se, "the coverage is said to be exact")
		}
	}
}

func ascending(r *rand.Rand, sorted []float64) {
	sum := 0.0
	for i := range sorted {
		sum += r.ExpFloat64()
		sorted[i] = sum
	}
	sum += r.ExpFloat64()
	for i := range sorted {
		sorted[i] /= sum
	}
}
