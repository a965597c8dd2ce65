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

// naivePercentile is type 7 from its definition: the piecewise linear function through the points (i/(n-1), x_i).
func naivePercentile(sorted []float64, q float64) float64 {
	n := len(sorted)
	if n == 1 {
		return sorted[0]
	}
	p := q / 100
	for i := range n - 1 {
		left, right := float64(i)/float64(n-1), float64(i+1)/float64(n-1)
		if p <= right || i == n-2 {
			return sorted[i] + (sorted[i+1]-sorted[i])*(p-left)/(right-left)
		}
	}
	panic("unreachable")
}

func naiveStd(values []float64) float64 {
	var mean, squares float64
	for _, v := range values {
		mean += v / float64(len(values))
	}
	for _, v := range values {
		squares += (v - mean) * (v - mean)
	}
	return math.Sqrt(squares / float64(len(values)))
}

func random(r *rand.Rand, n int) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = math.Exp(2*r.NormFloat64()) * 50
	}
	return values
}

func TestPercentileByHand(t *testing.T) {
	for _, c := range []struct {
		values []float64
		q      float64
		want   float64
	}{
		{[]float64{1, 2, 3, 4}, 50, 2.5},
		{[]float64{1, 2, 3, 4}, 25, 1.75},
		{[]float64{1, 2, 3, 4}, 0, 1},
		{[]float64{1, 2, 3, 4}, 100, 4},
		{[]float64{1, 2, 3, 4, 5}, 50, 3},
		{[]float64{10, 20}, 99, 19.9},
		{[]float64{7}, 1, 7},
		{[]float64{7}, 99, 7},
	} {
		assert.InDelta(t, c.want, stat.Percentile(c.values, c.q), 1e-12, "%v p%v", c.values, c.q)
	}
	assert.True(t, math.IsNaN(stat.Percentile(nil, 50)))
}

func TestPercentileAgainstTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		values := random(r, 1+r.IntN(60))
		slices.Sort(values)
		q := r.Float64() * 100
		got := stat.Percentile(values, q)
		require.InEpsilon(t, naivePercentile(values, q), got, 1e-9, "%v p%v", values, q)
	}
}

func TestSummarizeAgainstTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		values := random(r, 1+r.IntN(200))
		sorted := slices.Sorted(slices.Values(values))
		var sum float64
		for _, v := range values {
			sum += v
		}
		s, ok := stat.Summarize(slices.Clone(values))
		require.True(t, ok)
		n := float64(len(values))
		for name, pair := range map[string][2]float64{
			"count": {n, float64(s.Count)}, "avg": {sum / n, s.Avg}, "sum": {sum, s.Sum}, "min": {sorted[0], s.Min}, "max": {sorted[len(sorted)-1], s.Max},
			"p1": {naivePercentile(sorted, 1), s.P1}, "p5": {naivePercentile(sorted, 5), s.P5}, "p10": {naivePercentile(sorted, 10), s.P10},
			"p25": {naivePercentile(sorted, 25), s.P25}, "p50": {naivePercentile(sorted, 50), s.P50}, "p75": {naivePercentile(sorted, 75), s.P75},
			"p90": {naivePercentile(sorted, 90), s.P90}, "p95": {naivePercentile(sorted, 95), s.P95}, "p99": {naivePercentile(sorted, 99), s.P99},
		} {
			require.InEpsilon(t, pair[0], pair[1], 1e-9, name)
		}
		require.InDelta(t, naiveStd(values), s.Std, 1e-9*sum)
		checkOrder(t, s)
	}
}

// checkOrder holds for every summary, to the last digit.
func checkOrder(t *testing.T, s stat.Summary) {
	t.Helper()
	order := []float64{s.Min, s.P1, s.P5, s.P10, s.P25, s.P50, s.P75, s.P90, s.P95, s.P99, s.Max}
	require.True(t, slices.IsSorted(order), "%v", order)
	require.GreaterOrEqual(t, s.Avg, s.Min)
	require.LessOrEqual(t, s.Avg, s.Max)
	require.GreaterOrEqual(t, s.Std, 0.0)
}

func TestStdIsThePopulations(t *testing.T) {
	s, ok := stat.Summarize([]float64{2, 4, 4, 4, 5, 5, 7, 9})
	require.True(t, ok)
	assert.Equal(t, 2.0, s.Std) // the sample's would be 2.138
	assert.Equal(t, 5.0, s.Avg)
	assert.Equal(t, 40.0, s.Sum)
}

// TestEqualValues guards against two known mistakes: a variance by sums of squares (fortio prints a deviation of 5 for 5, 5), and a
// mean by a sum that leaves the range of its values (0.1 three times).
func TestEqualValues(t *testing.T) {
	for _, v := range []float64{0.1, 5, 1e-9, 123456789.123, math.Pi * 1e12, 0} {
		for n := 1; n <= 100; n++ {
			s, ok := stat.Summarize(slices.Repeat([]float64{v}, n))
			require.True(t, ok)
			require.Zero(t, s.Std, "%d times %v", n, v)
			require.Equal(t, v, s.Avg, "%d times %v", n, v)
			require.Equal(t, v, s.P99)
			checkOrder(t, s)
		}
	}
}

func TestOrderDoesNotMatter(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	values := random(r, 999)
	want, _ := stat.Summarize(slices.Clone(values))
	for range 20 {
		r.Shuffle(len(values), func(i, j int) { values[i], values[j] = values[j], values[i] })
		got, _ := stat.Summarize(slices.Clone(values))
		require.Equal(t, want, got, "equal to the last bit")
	}
}

func TestNoValuesNoSummary(t *testing.T) {
	_, ok := stat.Summarize(nil)
	assert.False(t, ok)
}
