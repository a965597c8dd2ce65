package steady_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/steady"
)

// repetitions is how often a simulation runs: a tenth with -short.
func repetitions(full int) int {
	if testing.Short() {
		return full / 10
	}
	return full
}

// share is how often FindWindow comes to a verdict in n simulations with fixed seeds.
func share(n, target int, verdict steady.Verdict, simulate func(*rand.Rand) []steady.Span) float64 {
	r := rand.New(rand.NewPCG(uint64(target), 7))
	times := 0
	for range n {
		if steady.FindWindow(simulate(r), target).Verdict == verdict {
			times++
		}
	}
	return float64(times) / float64(n)
}

// allowed is a limit on a share in n simulations. A short run has three standard errors more.
func allowed(limit float64, n int) float64 {
	if testing.Short() {
		limit += 3 * math.Sqrt(limit*(1-limit)/float64(n))
	}
	return limit
}

// slots simulates a closed loop of n requests, latency being what the server takes for one that starts at a time; in seconds.
func slots(n, target int, latency func(at float64) float64) []steady.Span {
	free := make([]float64, target)
	spans := make([]steady.Span, n)
	for i := range spans {
		k := 0
		for j, at := range free {
			if at < free[k] {
				k = j
			}
		}
		start := free[k]
		free[k] += latency(start)
		spans[i] = span(start, free[k])
	}
	return spans
}

func span(start, end float64) steady.Span {
	return steady.Span{StartNS: int64(start * 1e9), EndNS: int64(end * 1e9), OK: true}
}

// logNormal has a mean of 1.
func logNormal(r *rand.Rand, sigma float64) float64 {
	return math.Exp(sigma*r.NormFloat64() - sigma*sigma/2)
}

// TestStationaryClosedLoopIsSteady whatever the spread of its latencies, in all but one of fifty levels.
func TestStationaryClosedLoopIsSteady(t *testing.T) {
	n := repetitions(300)
	for _, c := range []struct{ target, requests int }{{1, 80}, {1, 400}, {4, 80}, {4, 800}, {10, 200}, {10, 1000}, {50, 1000}} {
		for _, sigma := range []float64{0, 0.02, 0.3, 1} {
			simulate := func(r *rand.Rand) []steady.Span {
				return slots(c.requests, c.target, func(float64) float64 { return 2 * logNormal(r, sigma) })
			}
			for _, wrong := range []steady.Verdict{steady.NotSteady, steady.TooShort, steady.Overloaded} {
				got := share(n, c.target, wrong, simulate)
				t.Logf("%d slots, %d requests, sigma %v: %s %.4f", c.target, c.requests, sigma, wrong, got)
				assert.LessOrEqual(t, got, allowed(0.02, n), "%d slots, %d requests, sigma %v: %s", c.target, c.requests, sigma, wrong)
			}
		}
	}
}

// TestWavesAreSteady: slots that go in step, where a request's latency depends on its place in the wave.
func TestWavesAreSteady(t *testing.T) {
	for _, target := range []int{7, 10, 32} {
		for requests := 20 * target; requests < 60*target; requests += target/2 + 1 {
			var spans []steady.Span
			for i := range requests {
				wave, place := float64(i/target), float64(i%target)
				spans = append(spans, span(3*wave+place*1e-6, 3*wave+0.5+2.4*place/float64(target)))
			}
			w := steady.FindWindow(spans, target)
			require.Equal(t, steady.Steady, w.Verdict, "%d slots, %d requests: %s", target, requests, w.Reason)
			require.Empty(t, w.Warning)
		}
	}
}

// TestChangingClosedLoopIsNotSteady: latency that grows without end, whatever the curve, or that falls for most of the level.
func TestChangingClosedLoopIsNotSteady(t *testing.T) {
	n := repetitions(200)
	for name, factor := range map[string]func(at float64) float64{
		"line":        func(at float64) float64 { return 1 + at/100 },
		"root":        func(at float64) float64 { return 1 + math.Sqrt(at/100) },
		"exponential": func(at float64) float64 { return math.Exp(at / 300) },
		"late":        func(at float64) float64 { return 1 + max(0, at-60)/50 },
		"long decay":  func(at float64) float64 { return 1 + 2*math.Exp(-at/150) },
	} {
		for _, sigma := range []float64{0, 0.3} {
			got := share(n, 10, steady.NotSteady, func(r *rand.Rand) []steady.Span {
				return slots(2000, 10, func(at float64) float64 { return factor(at) * logNormal(r, sigma) })
			})
			t.Logf("%s, sigma %v: %.3f", name, sigma, got)
			assert.GreaterOrEqual(t, got, 1-allowed(0.02, n), "%s, sigma %v", name, sigma)
		}
	}
}

// TestColdClosedLoop: thirty seconds of a penalty are cut, and the window's mean is the warm one.
func TestColdClosedLoop(t *testing.T) {
	n := repetitions(400)
	for _, penalty := range []float64{0.3, 1, 5} {
		for _, sigma := range []float64{0, 0.3} {
			r := rand.New(rand.NewPCG(3, 3))
			bias, whole, steadily := 0.0, 0.0, 0
			for range n {
				spans := slots(1500, 10, func(at float64) float64 {
					if at < 30 {
						return (1 + penalty) * logNormal(r, sigma)
					}
					return logNormal(r, sigma)
				})
				whole += meanLatency(spans, 0) - 1
				if w := steady.FindWindow(spans, 10); w.Verdict == steady.Steady {
					steadily++
					bias += meanLatency(spans, w.StartNS) - 1
				}
			}
			bias, whole = bias/float64(steadily), whole/float64(n)
			t.Logf("penalty %v, sigma %v: steady %d of %d, bias %+.4f, of the whole level %+.4f", penalty, sigma, steadily, n, bias, whole)
			assert.InDelta(t, 0, bias, 0.02, "penalty %v, sigma %v", penalty, sigma)
			assert.Greater(t, whole, 0.04, "or there is nothing to see")
			assert.LessOrEqual(t, 1-float64(steadily)/float64(n), allowed(0.02, n))
		}
	}
}

func meanLatency(spans []steady.Span, from int64) float64 {
	sum, n := 0.0, 0.0
	for _, s := range spans {
		if s.StartNS >= from {
			sum, n = sum+float64(s.EndNS-s.StartNS)/1e9, n+1
		}
	}
	return sum / n
}

// queueSlots serve what arrives in order; a service takes a second on average, so that as many are served a second.
const queueSlots = 8

// arrivals simulates an open loop of n requests at a load, as a share of what the slots can serve. burst requests come at once at the start, and
// pace says by how much longer a service takes that begins at a time.
func arrivals(r *rand.Rand, n, burst int, load float64, pace func(at float64) float64) []steady.Span {
	var free [queueSlots]float64
	now := 0.0
	spans := make([]steady.Span, n)
	for i := range spans {
		if i >= burst {
			now += r.ExpFloat64() / (load * queueSlots)
		}
		k := 0
		for j, at := range free {
			if at < free[k] {
				k = j
			}
		}
		begin := max(now, free[k])
		free[k] = begin + pace(begin)*logNormal(r, 0.5)
		spans[i] = span(now, free[k])
	}
	return spans
}

func even(float64) float64 { return 1 }

// TestOverloadDetector: silent below what can be served, sure well above it.
func TestOverloadDetector(t *testing.T) {
	n := repetitions(1500)
	for _, c := range []struct{ load, least, most float64 }{{0.5, 0, 0.02}, {0.7, 0, 0.02}, {0.85, 0, 0.02}, {1.05, 0.6, 1}, {1.2, 1, 1}, {3, 1, 1}} {
		got := share(n, 0, steady.Overloaded, func(r *rand.Rand) []steady.Span { return arrivals(r, 1000, 0, c.load, even) })
		t.Logf("load %v: %.4f", c.load, got)
		assert.LessOrEqual(t, got, allowed(c.most, n), "load %v", c.load)
		assert.LessOrEqual(t, 1-got, allowed(1-c.least, n), "load %v", c.load)
	}
}

// TestWarmUpRules holds the crossing rule against others on five transients: the error of the mean latency is at most 15 % above that of the best.
func TestWarmUpRules(t *testing.T) {
	const requests, load = 2000, 0.7
	n, worse := repetitions(1000), 1.15
	if testing.Short() {
		worse = 1.4
	}
	truth := 0.0
	r := rand.New(rand.NewPCG(11, 0))
	for range 200 {
		truth += meanLatency(arrivals(r, 10_000, 0, load, even), 100e9) / 200
	}
	slow := func(factor, until float64) func(float64) float64 {
		return func(at float64) float64 {
			if at < until {
				return factor
			}
			return 1
		}
	}
	for _, c := range []struct {
		name  string
		burst int
		pace  func(float64) float64
	}{
		{"none", 0, even},
		{"a burst", 64, even},
		{"two bursts' worth", 128, even},
		{"a slow start", 0, slow(2, 20)},
		{"a decay", 0, func(at float64) float64 { return 1 + 2*math.Exp(-at/8) }},
	} {
		squares := map[string]float64{}
		notSteady := 0
		for range n {
			spans := arrivals(r, requests, c.burst, load, c.pace)
			last := spans[len(spans)-1].StartNS
			add := func(rule string, from int64) {
				d := meanLatency(spans, from)/truth - 1
				squares[rule] += d * d / float64(n)
			}
			add("whole", 0)
			add("a tenth", last/10)
			add("a quarter", last/4)
			add("half", last/2)
			w := steady.FindWindow(spans, 0)
			if w.Verdict != steady.Steady {
				notSteady++
				w.StartNS = last / 2
			}
			add("crossing", w.StartNS)
		}
		best, text := math.Inf(1), ""
		for _, rule := range []string{"whole", "a tenth", "a quarter", "half", "crossing"} {
			rmse := math.Sqrt(squares[rule])
			best = min(best, rmse)
			text += fmt.Sprintf(" %s %.4f", rule, rmse)
		}
		t.Logf("%s: RMSE%s; not steady %.4f", c.name, text, float64(notSteady)/float64(n))
		assert.LessOrEqual(t, math.Sqrt(squares["crossing"]), worse*best, c.name)
		assert.LessOrEqual(t, float64(notSteady)/float64(n), allowed(0.02, n), c.name)
	}
}
