package steady_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/stat"
	"github.com/llmsweep/llmsweep/harness/steady"
)

// naive does what FindWindow does, by the rules as they are written, and each figure by a scan of its own. It returns the verdict, the window's
// start, the trend, the change and the deficit.
func naive(spans []steady.Span, target int) (steady.Verdict, int64, float64, float64, float64) {
	sort.Slice(spans, func(i, j int) bool {
		if spans[i].StartNS == spans[j].StartNS { // slots that start at once
			return spans[i].EndNS < spans[j].EndNS
		}
		return spans[i].StartNS < spans[j].StartNS
	})
	var good []steady.Span
	var latencies []float64
	for _, s := range spans {
		if s.OK {
			good, latencies = append(good, s), append(latencies, float64(s.EndNS-s.StartNS))
		}
	}
	first, last := spans[0].StartNS, spans[len(spans)-1].StartNS
	sorted := slices.Sorted(slices.Values(latencies))
	median := int64(sorted[(len(sorted)-1)/2])
	length := last - first
	need := max(80, 20*target)
	if len(good) < need || length < 20e9 {
		return steady.TooShort, 0, 0, 0, 0
	}
	if target == 0 {
		return naiveOpen(spans, first, last, median)
	}
	var before []steady.Span
	for _, s := range good {
		if s.StartNS < last-median {
			before = append(before, s)
		}
	}
	width := target
	for width+target <= len(before)/40 {
		width += target
	}
	mean := func(i, n int) float64 {
		sum := 0.0
		for _, s := range before[i : i+n] {
			sum += float64(s.EndNS - s.StartNS)
		}
		return sum / float64(n)
	}
	var all, later []float64
	for i := 0; i+width <= len(before); i++ {
		all = append(all, mean(i, width))
		if before[i].StartNS >= (first+last)/2 {
			later = append(later, mean(i, width))
		}
	}
	if len(later) == 0 {
		return steady.NotSteady, 0, 0, 0, 0
	}
	m := stat.Percentile(slices.Sorted(slices.Values(later)), 50)
	cut := int64(math.MaxInt64)
	for i, v := range all {
		if (v-m)*(all[0]-m) <= 0 {
			cut = before[i+width/2].StartNS
			break
		}
	}
	cut = max(cut, first+10e9, first+2*median)
	if 2*(cut-first) > length || cut < 0 {
		return steady.NotSteady, 0, 0, 0, 0
	}
	for len(before) > 0 && before[0].StartNS < cut {
		before = before[1:]
	}
	if len(before) < 16 {
		return steady.NotSteady, 0, 0, 0, 0
	}
	size := len(before) / 8
	if size > target {
		size = size / target * target
	}
	var means []float64
	for k := 8; k > 0; k-- {
		means = append(means, mean(len(before)-k*size, size))
	}
	trend, change := stat.MannKendall(means), (means[6]+means[7])/(means[0]+means[1])-1
	if math.Abs(trend) > 2.576 && math.Abs(change) > 0.05 {
		return steady.NotSteady, 0, trend, change, 0
	}
	return steady.Steady, cut, trend, change, 0
}

func naiveOpen(spans []steady.Span, first, last, median int64) (steady.Verdict, int64, float64, float64, float64) {
	var series []float64
	for i := range 200 {
		at, n := first+int64(float64(i)/199*float64(last-first)), 0.0
		for _, s := range spans {
			if s.StartNS <= at && at < s.EndNS {
				n++
			}
		}
		series = append(series, n)
	}
	later := slices.Sorted(slices.Values(series[100:]))
	m, lowest, highest := stat.Percentile(later, 50), later[0], later[99]
	begin := 0
	for i, v := range series[:100] {
		if v < lowest-(highest-lowest)/4 || v > highest+(highest-lowest)/4 {
			begin = i
		}
	}
	cut := int64(0)
	for i := begin; i < 200; i++ {
		if (series[i]-m)*(series[begin]-m) <= 0 {
			cut = first + int64(float64(i)/199*float64(last-first))
			break
		}
	}
	means := make([]float64, 8)
	issued, ended := 0.0, 0.0
	for _, s := range spans {
		for k := range means {
			a, b := first+(last-first)*int64(k)/8, first+(last-first)*int64(k+1)/8
			means[k] += float64(max(0, min(b, s.EndNS)-max(a, s.StartNS))) / float64(b-a)
		}
		if s.StartNS > first {
			issued++
		}
		if s.EndNS <= last {
			ended++
		}
	}
	trend, deficit := stat.MannKendall(means), 1-ended/issued
	cut = max(cut, first+10e9, first+2*median)
	switch {
	case trend > 1.645 && deficit > 0.02:
		return steady.Overloaded, 0, trend, 0, deficit
	case last-first < 4*median:
		return steady.TooShort, 0, trend, 0, deficit
	case 2*(cut-first) > last-first:
		return steady.NotSteady, 0, trend, 0, deficit
	}
	return steady.Steady, cut, trend, 0, deficit
}

// anyLevel is a level of any kind: short or long, open or closed, steady or not, with failures.
func anyLevel(r *rand.Rand) (spans []steady.Span, target int) {
	n, sigma, slope := 60+r.IntN(300), r.Float64(), max(0, r.NormFloat64())/100
	cold := 1 + 2*r.Float64()*float64(r.IntN(2))
	pace := func(at float64) float64 {
		if at < 12 {
			return cold * 1.5
		}
		return 1.5 * (1 + slope*at)
	}
	if r.IntN(2) == 0 {
		target = 1 + r.IntN(8)
		spans = slots(n, target, func(at float64) float64 { return pace(at) * logNormal(r, sigma) })
	} else {
		spans = arrivals(r, n, r.IntN(20), 0.3+r.Float64(), pace)
	}
	failing := 0.2 * r.Float64() * float64(r.IntN(2))
	for i := range spans {
		spans[i].OK = r.Float64() >= failing
	}
	return spans, target
}

func TestWindowAgainstTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	seen := map[steady.Verdict]int{}
	for range repetitions(3000) {
		spans, target := anyLevel(r)
		verdict, start, trend, change, deficit := naive(slices.Clone(spans), target)
		r.Shuffle(len(spans), func(i, j int) { spans[i], spans[j] = spans[j], spans[i] })
		w := steady.FindWindow(spans, target)
		require.Equal(t, verdict, w.Verdict, "%+v", w)
		require.InDelta(t, start, w.StartNS, 1)
		require.InDelta(t, trend, w.Trend, 1e-9)
		require.InDelta(t, change, w.Change, 1e-9)
		require.InDelta(t, deficit, w.Deficit, 1e-9)
		seen[verdict]++
	}
	t.Log(seen)
	for _, verdict := range []steady.Verdict{steady.Steady, steady.TooShort, steady.NotSteady, steady.Overloaded} {
		assert.Greater(t, seen[verdict], 5, verdict)
	}
}

// TestWindowProperties hold for every level: a window lies in it, a verdict has a reason, and the clock's zero is of no matter.
func TestWindowProperties(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	for range repetitions(2000) {
		spans, target := anyLevel(r)
		w := steady.FindWindow(spans, target)
		first, last := spans[0].StartNS, spans[len(spans)-1].StartNS
		if w.Verdict == steady.Steady {
			require.GreaterOrEqual(t, w.StartNS, first+max(10e9, 2*w.MedianNS))
			require.LessOrEqual(t, 2*(w.StartNS-first), last-first+1)
			require.Equal(t, last, w.EndNS)
			require.Equal(t, last-w.MedianNS, w.RateEndNS)
			require.Greater(t, w.RateEndNS, w.StartNS)
			require.Positive(t, w.Requests)
			require.Empty(t, w.Reason)
		} else {
			require.NotEmpty(t, w.Reason)
			require.Zero(t, w.Requests+int(w.StartNS+w.EndNS+w.RateEndNS))
		}
		require.Equal(t, w.Verdict == steady.TooShort, w.Needs > 0)
		shift := r.Int64N(1e12)
		for i := range spans {
			spans[i].StartNS, spans[i].EndNS = spans[i].StartNS+shift, spans[i].EndNS+shift
		}
		shifted := steady.FindWindow(spans, target)
		if w.Verdict == steady.Steady {
			w.StartNS, w.EndNS, w.RateEndNS = w.StartNS+shift, w.EndNS+shift, w.RateEndNS+shift
		}
		require.Equal(t, w, shifted)
	}
}

// TestShortLevels say what they need, and a level with that is long enough.
func TestShortLevels(t *testing.T) {
	seconds := func(float64) float64 { return 0.5 }
	assert.Zero(t, steady.FindWindow(nil, 1))
	assert.Zero(t, steady.FindWindow([]steady.Span{{StartNS: 0, EndNS: 1}}, 1), "nothing ended well")
	for _, c := range []struct{ target, needs int }{{1, 80}, {4, 161}, {10, 422}, {100, 4445}} {
		w := steady.FindWindow(slots(max(3*c.target, 10), c.target, seconds), c.target)
		require.Equal(t, steady.TooShort, w.Verdict)
		require.Positive(t, w.Needs)
		again := steady.FindWindow(slots(w.Needs+2*c.target, c.target, seconds), c.target)
		if again.Verdict == steady.TooShort { // the ends of a short level weigh more than those of a long one
			again = steady.FindWindow(slots(again.Needs+c.target, c.target, seconds), c.target)
		}
		assert.Equal(t, steady.Steady, again.Verdict, "%d slots: %s", c.target, again.Reason)
	}
	w := steady.FindWindow(slots(10, 1, seconds), 1)
	assert.Equal(t, "a window needs 80 requests over 20 s, has 10 over 4.5 s", w.Reason)
}

// TestColdToTheRequest: of a server that is exactly twice as slow at first, no request of that time is in the window, and no other is missing
// but the half of those that the mean is taken over.
func TestColdToTheRequest(t *testing.T) {
	spans := slots(1000, 10, func(at float64) float64 {
		if at < 30 {
			return 2
		}
		return 1
	})
	w := steady.FindWindow(spans, 10)
	assert.Equal(t, steady.Steady, w.Verdict)
	assert.InDelta(t, 31e9, w.StartNS, 1.1e9)
	assert.Equal(t, 1.0, meanLatency(spans, w.StartNS))
	assert.Zero(t, w.Change)
	assert.Equal(t, int64(1e9), w.MedianNS)
}

// TestFailuresAreNoLatency: refusals at once, in the first half of a level, are no cold server's.
func TestFailuresAreNoLatency(t *testing.T) {
	spans := slots(600, 10, func(float64) float64 { return 1 })
	for i := range spans[:300] {
		if i%3 == 0 {
			spans[i].EndNS, spans[i].OK = spans[i].StartNS+1e6, false
		}
	}
	w := steady.FindWindow(spans, 10)
	assert.Equal(t, steady.Steady, w.Verdict)
	assert.Equal(t, int64(10e9), w.StartNS)
}

// TestSmallChangesAreNone: steps that are as clear as can be, of latencies that fall below and rise above what they are in the end, by little and by much.
func TestSmallChangesAreNone(t *testing.T) {
	for by, want := range map[float64]steady.Verdict{0.02: steady.Steady, 0.3: steady.NotSteady} {
		latency := func(at float64) float64 {
			if at < 14 {
				return 2
			}
			return 1 + by*at/100 // the series comes from above, and has crossed by the fifteenth second
		}
		w := steady.FindWindow(slots(1000, 10, latency), 10)
		assert.Equal(t, want, w.Verdict, "%v: %+v", by, w)
		assert.Greater(t, w.Trend, 3.0)
		assert.Empty(t, w.Warning)
	}
}
