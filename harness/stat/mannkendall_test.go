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

// naiveMannKendall takes the variance from all orders of the values.
func naiveMannKendall(series []float64) float64 {
	statistic := func(v []float64) (s float64) {
		for i := range v {
			for j := range i {
				switch {
				case v[i] > v[j]:
					s++
				case v[i] < v[j]:
					s--
				}
			}
		}
		return s
	}
	var squares, orders float64
	var permute func(v []float64, k int)
	permute = func(v []float64, k int) {
		if k == len(v) {
			squares += statistic(v) * statistic(v)
			orders++
			return
		}
		for i := k; i < len(v); i++ {
			v[k], v[i] = v[i], v[k]
			permute(v, k+1)
			v[k], v[i] = v[i], v[k]
		}
	}
	s := statistic(series)
	if s == 0 {
		return 0
	}
	permute(append([]float64(nil), series...), 0)
	return math.Copysign(math.Abs(s)-1, s) / math.Sqrt(squares/orders)
}

func TestMannKendallAgainstTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(31, 32))
	for range 60 {
		series := make([]float64, 1+r.IntN(7))
		kinds := 1 + r.IntN(9) // few kinds of values: many ties
		for i := range series {
			series[i] = float64(r.IntN(kinds))
		}
		require.InDelta(t, naiveMannKendall(series), stat.MannKendall(series), 1e-9, "%v", series)
	}
}

func TestMannKendallByHand(t *testing.T) {
	rising := []float64{1, 2, 3, 4, 5, 6, 7, 8}
	assert.InDelta(t, 27/math.Sqrt(8*7*21/18.0), stat.MannKendall(rising), 1e-12)
	assert.Negative(t, stat.MannKendall([]float64{3, 2, 1}))
	assert.Zero(t, stat.MannKendall([]float64{5, 5, 5}))
	assert.Zero(t, stat.MannKendall(nil))
}

// TestSimulatedTrendOfAQueue: a trend in what is in flight, of 8 batch means, together with requests that are left over, tells a queue
// that grows without end from one under high load. The raw series would show trends that are none.
func TestSimulatedTrendOfAQueue(t *testing.T) {
	n := repetitions(1500)
	const size, risen, leftOver = 1000, 1.645, 0.02
	for load, limits := range map[float64][2]float64{0.5: {0, 0.02}, 0.7: {0, 0.02}, 0.85: {0, 0.02}, 1.05: {0.6, 1}, 1.2: {1, 1}} {
		raw := 0
		flagged := shareOf(n, uint64(100*load), func(r *rand.Rand) bool {
			q := run(r, load, 0, size)
			series := q.inFlight(200)
			if stat.MannKendall(series[20:]) > risen { // the queue has filled by then
				raw++
			}
			return stat.MannKendall(stat.BatchMeans(series, 8)) > risen && q.deficit() > leftOver
		})
		atLeast(t, limits[0], flagged, n, fmt.Sprintf("load %v", load))
		atMost(t, limits[1], flagged, n, fmt.Sprintf("load %v", load))
		if load == 0.85 {
			atLeast(t, 0.2, float64(raw)/float64(n), n, "raw")
		}
	}
}
