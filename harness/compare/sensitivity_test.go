package compare

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// selfCompared is a trial of equal arms by two figures, whose differences in a block are these.
func selfCompared(t *testing.T, d []float64, primaries ...Primary) *Trial {
	t.Helper()
	unarmed := map[Selector]string{}
	for _, p := range primaries {
		unarmed[p.Selector] = "this is to find out"
	}
	trial, _ := play(t, Design{Primaries: primaries, Looks: []int{len(d)}, Unarmed: unarmed}, func(s Step) Result {
		v := 100.0
		switch {
		case s.Discarded():
			v = 100 * math.Exp(float64(s.Arm))
		case s.Arm == Candidate:
			v = 100 * math.Exp(d[s.Block-1])
		}
		return Result{Levels: []Level{at(primaries[0].Selector, v)}}
	})
	return trial
}

// withDeviation are differences with a mean of mean and a standard deviation, of a sample, of sd.
func withDeviation(n int, mean, sd float64) []float64 {
	d := make([]float64, n)
	for i := range d {
		d[i] = mean + sd*math.Sqrt(float64(n-1)/float64(n))*(1-2*float64(i%2))
	}
	return d
}

// TestSensitivity: at 18 blocks the smallest change is 0.72 deviations, 1.04 at the level of failing, as logarithms.
func TestSensitivity(t *testing.T) {
	t.Parallel()
	for _, s := range []Selector{itl, rate} {
		known := selfCompared(t, withDeviation(20, 0.01, 0.05), primary(s, 5)).Sensitivity()
		require.Len(t, known, 2, "the primary, and the latency that is reported")
		assert.Equal(t, s, known[0].Selector)
		assert.Equal(t, unit(s.Metric), known[0].Unit)
		assert.Equal(t, 20, known[0].Blocks)
		assert.InDelta(t, 0.05, known[0].SD, 1e-12)
		assert.InDelta(t, 0.72, math.Log1p(known[0].Detectable)/0.05, 0.006)
		assert.InDelta(t, 1.04, math.Log1p(known[0].Failing)/0.05, 0.012)
		assert.Zero(t, known[1].SD, "it never differs")
		text, err := json.Marshal(known)
		require.NoError(t, err)
		var again []Sensitivity
		require.NoError(t, json.Unmarshal(text, &again))
		assert.Equal(t, known, again)
	}
	text, err := json.Marshal(Sensitivity{Selector: itl, Unit: "ms", Blocks: 20, SD: 1, Detectable: 2, Failing: 3})
	require.NoError(t, err)
	assert.JSONEq(t, `{"metric":"inter_token_latency","statistic":"avg","level":"c10","unit":"ms","blocks":20,"sd":1,"detectable":2,"failing":3}`, string(text))
}

// TestArmingSwitches where the smallest change is the margin.
func TestArmingSwitches(t *testing.T) {
	t.Parallel()
	const margin, factor = 5, 0.7243 // 18 blocks: (1.7396 + 1.3334) / sqrt(18), from tables of Student's t
	limit := math.Log1p(margin/100.0) / factor
	p := primary(itl, margin)
	below := Unarmed([]Primary{p}, selfCompared(t, withDeviation(20, 0, 0.999*limit), p).Sensitivity())
	assert.Empty(t, below)
	above := Unarmed([]Primary{p}, selfCompared(t, withDeviation(20, 0, 1.001*limit), p).Sensitivity())
	assert.Equal(t, map[Selector]string{itl: "the smallest change that can be found is 5.01 %, more than the margin of 5 %"}, above)
	assert.Empty(t, Unarmed([]Primary{primary(itl, 5.1)}, selfCompared(t, withDeviation(20, 0, 1.001*limit), p).Sensitivity()))
}

// TestWhatIsNotKnownIsNotArmed, and every such primary has its reason.
func TestWhatIsNotKnownIsNotArmed(t *testing.T) {
	t.Parallel()
	p := primary(itl, 5)
	for want, known := range map[string][]Sensitivity{
		"the target was not compared with itself by this figure":              nil,
		"the target was compared with itself in 19 blocks, which takes 20":    selfCompared(t, withDeviation(19, 0, 0.001), p).Sensitivity(),
		"a deviation takes 2 blocks, have 1":                                  selfCompared(t, []float64{0.1}, p).Sensitivity(),
		"inter_token_latency avg of c10 is +Inf ms, which has no ratio to an": selfCompared(t, []float64{0.1, math.Inf(1), 0}, p).Sensitivity(),
	} {
		assert.Contains(t, Unarmed([]Primary{p, primary(ttft, 5)}, known)[itl], want)
		assert.Equal(t, "the target was not compared with itself by this figure", Unarmed([]Primary{p, primary(ttft, 5)}, known)[ttft])
		for _, s := range known {
			text, err := json.Marshal(s)
			require.NoError(t, err, "%+v", s)
			assert.NotEmpty(t, text)
		}
	}
}
