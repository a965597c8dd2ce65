package chart

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestLinearAxis(t *testing.T) {
	for _, test := range []struct {
		values []float64
		want   []float64
	}{
		{[]float64{5.8, 27}, []float64{0, 5, 10, 15, 20, 25, 30}},
		{[]float64{50, 9000}, []float64{0, 2000, 4000, 6000, 8000, 10000}},
		{[]float64{0.6, 15}, []float64{0, 2.5, 5, 7.5, 10, 12.5, 15}},
		{[]float64{10}, []float64{0, 2, 4, 6, 8, 10}},
		{[]float64{0}, []float64{0, 0.2, 0.4, 0.6, 0.8, 1}},
		{[]float64{-5}, []float64{-5, -4, -3, -2, -1, 0}},
		{[]float64{-1, 3}, []float64{-1, 0, 1, 2, 3}},
	} {
		axis := linearAxis(test.values, 6)
		assert.InDeltaSlice(t, test.want, axis.Ticks, 1e-9, "%v", test.values)
	}
	assert.Equal(t, Axis{Min: 0, Max: 1}, linearAxis(nil, 6))
}

func TestLinearAxisCoversZeroAndTheData(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		low := random.NormFloat64() * math.Pow(10, random.Float64()*40-20)
		high := low + random.Float64()*math.Pow(10, random.Float64()*40-20)
		axis := linearAxis([]float64{low, high}, 6)
		slack := 1e-9 * (axis.Max - axis.Min)
		assert.LessOrEqual(t, axis.Min, math.Min(0, low)+slack)
		assert.GreaterOrEqual(t, axis.Max, math.Max(0, high)-slack)
		assert.InDelta(t, axis.Min, axis.Ticks[0], slack)
		assert.InDelta(t, axis.Max, axis.Ticks[len(axis.Ticks)-1], slack)
		assert.True(t, len(axis.Ticks) >= 4 && len(axis.Ticks) <= 9, "%v to %v: %v", low, high, axis.Ticks)
		for i, tick := range axis.Ticks[1:] {
			assert.Greater(t, tick, axis.Ticks[i])
		}
		if t.Failed() {
			t.Fatalf("low %v, high %v: %v", low, high, axis)
		}
	}
}

func TestLogAxisLeavesRoomAtBothEnds(t *testing.T) {
	for _, values := range [][]float64{{1, 2, 250}, {7}, {0.5, 0.75}, {1, math.Nextafter(1, 2)}, {5e-324, 1}, {1e-300, 1e300}} {
		axis := logAxis(values)
		assert.Equal(t, values, axis.Ticks)
		assert.Greater(t, axis.Min, 0.0, "%v", values)
		assert.LessOrEqual(t, axis.Min, values[0], "%v", values)
		assert.Greater(t, axis.Max, values[len(values)-1], "%v", values)
		assert.False(t, math.IsInf(axis.Max, 0), "%v", values)
	}
	axis := logAxis([]float64{1, 100})
	assert.InDelta(t, 0.04, math.Log(1/axis.Min)/math.Log(100), 1e-9)
	single := logAxis([]float64{8})
	assert.InDelta(t, 64, single.Min*single.Max, 1e-9, "a single value stands in the middle")
}

func TestNumber(t *testing.T) {
	step := 0.1 // not a constant, whose product would be exact
	for v, want := range map[float64]string{
		0: "0", 1: "1", 250: "250", 1000: "1,000", 9000: "9,000", 1234567: "1,234,567", 0.5: "0.5", 12.5: "12.5",
		3 * step: "0.3", 0.00025: "0.00025", -2500: "-2,500", -0.5: "-0.5", 100: "100", -100: "-100",
		123456.75: "123,457", 1e-7: "1e-07", 1e15: "1e+15", 999999999999: "999,999,999,999",
	} {
		assert.Equal(t, want, Number(v), "%v", v)
	}
}

func TestReadableKeepsWhatFits(t *testing.T) {
	var ticks []float64
	var spans []span
	for v := 1.0; v <= 20; v++ {
		center := math.Log(v) * 100
		ticks, spans = append(ticks, v), append(spans, span{center - 6, center + 6})
	}
	var kept []float64
	for i, keep := range readable(ticks, spans, 4) {
		if keep {
			kept = append(kept, ticks[i])
		}
	}
	assert.Equal(t, []float64{1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20}, kept)
	assert.Equal(t, []bool{true}, readable([]float64{3}, []span{{0, 1}}, 5))
	assert.Empty(t, readable(nil, nil, 5))
}

func TestReadableLabelsNeverCollide(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		n := 1 + random.IntN(40)
		ticks, spans := make([]float64, n), make([]span, n)
		at := 0.0
		for i := range n {
			at += random.Float64() * 20
			ticks[i], spans[i] = at+1, span{at, at + random.Float64()*30}
		}
		chosen := readable(ticks, spans, 3)
		assert.True(t, chosen[0], "the first label is kept")
		for i := range n {
			collides := false
			for k := range n {
				apart := spans[i].low >= spans[k].high+3 || spans[k].low >= spans[i].high+3
				collides = collides || (k != i && chosen[k] && !apart)
			}
			assert.Equal(t, !collides, chosen[i], "a label is kept exactly if it collides with no kept one")
		}
	}
}

// TestAxesOfATimeLineEndAlike: whatever a chart has to show, its time goes on as long as that of the others.
func TestAxesOfATimeLineEndAlike(t *testing.T) {
	short := Chart{Kind: Dots, Until: 41, Series: []Series{{Points: []Point{{X: 3, Y: 1}}}}}
	long := Chart{Kind: Curves, Until: 41, Series: []Series{{Points: []Point{{X: 0, Y: 1}, {X: 41, Y: 2}}}}}
	assert.Equal(t, long.XAxis(), short.XAxis())
	assert.Equal(t, Axis{Min: 0, Max: 1}, Chart{Kind: Dots}.XAxis())
	assert.Greater(t, Chart{Kind: Dots, Until: 41, Series: []Series{{Points: []Point{{X: 300, Y: 1}}}}}.XAxis().Max, 299.0, "it is no limit")
}
