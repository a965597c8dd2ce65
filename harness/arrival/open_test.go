package arrival_test

import (
	"flag"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/llmsweep/llmsweep/harness/arrival"
)

var update = flag.Bool("update", false, "write the golden schedules")

func stream(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 2)) }

func count(t testing.TB, o arrival.Open, seed uint64, n int) []time.Duration {
	t.Helper()
	starts, err := o.Count(stream(seed), n)
	require.NoError(t, err)
	require.Len(t, starts, n)
	return starts
}

// TestConstantDoesNotDrift over a million requests: each is where the whole number's quotient is, to the nearest nanosecond.
func TestConstantDoesNotDrift(t *testing.T) {
	for _, rate := range []float64{3, 7.7, 999.9, 1000, 2048, 1_000_000} {
		exact := new(big.Rat).SetFloat64(rate)
		exact.Quo(big.NewRat(1e9, 1), exact)
		for k, start := range count(t, arrival.Open{Process: arrival.Constant, Rate: rate}, 1, 1_000_000) {
			if k%997 != 0 && k < 999_000 {
				continue
			}
			want, _ := new(big.Rat).Mul(exact, big.NewRat(int64(k), 1)).Float64()
			require.InDelta(t, want, float64(start), 0.501, "request %d at %v per second", k, rate)
		}
	}
	whole := true
	for k, start := range count(t, arrival.Open{Process: arrival.Constant, Rate: 1000, Burstiness: 1}, 1, 1_000_000) {
		whole = whole && start == time.Duration(k)*time.Millisecond
	}
	assert.True(t, whole, "a rate whose gaps are whole nanoseconds has no other")
}

// gapsOf returns the gaps between starts in units of the mean gap, the one before the first included.
func gapsOf(starts []time.Duration, rate float64) []float64 {
	gaps := make([]float64, len(starts))
	previous := time.Duration(0)
	for i, start := range starts {
		gaps[i], previous = (start-previous).Seconds()*rate, start
	}
	return gaps
}

// distance is the Kolmogorov-Smirnov statistic times the root of the number of values: above 1.95 in one of a thousand samples of the distribution.
func distance(values []float64, cdf func(float64) float64) float64 {
	sorted, most, n := slices.Sorted(slices.Values(values)), 0.0, float64(len(values))
	for i, x := range sorted {
		f := cdf(x)
		most = max(most, f-float64(i)/n, float64(i+1)/n-f)
	}
	return most * math.Sqrt(n)
}

const (
	unlikely   = 1.95
	impossible = 3.5 // in 1e-10 of samples
)

func TestPoissonGapsAreExponential(t *testing.T) {
	for seed := range uint64(5) {
		gaps := gapsOf(count(t, arrival.Open{Process: arrival.Poisson, Rate: 20}, seed, 20_000), 20)
		assert.Less(t, distance(gaps, distuv.Exponential{Rate: 1}.CDF), unlikely)
		assert.Greater(t, distance(gaps, distuv.Exponential{Rate: 1.1}.CDF), impossible, "another mean is seen")
		assert.Greater(t, distance(gaps, distuv.Gamma{Alpha: 1.2, Beta: 1.2}.CDF), impossible, "another shape is seen")
	}
}

func TestGammaGaps(t *testing.T) {
	for _, shape := range []float64{0.25, 0.5, 0.99, 1, 1.5, 4, 100} {
		o := arrival.Open{Process: arrival.Gamma, Burstiness: shape, Rate: 0.001} // slow, so that few gaps are below a nanosecond
		gaps := gapsOf(count(t, o, 7, 40_000), o.Rate)
		assert.Less(t, distance(gaps, distuv.Gamma{Alpha: shape, Beta: shape}.CDF), unlikely, "shape %v", shape)
		assert.Greater(t, distance(gaps, distuv.Gamma{Alpha: 1.2 * shape, Beta: 1.2 * shape}.CDF), impossible, "shape %v and not a fifth more", shape)
		assert.Greater(t, distance(gaps, distuv.Gamma{Alpha: shape, Beta: 1.2 * shape}.CDF), impossible, "shape %v: another mean is seen", shape)
	}
}

// dispersion is the variance of the requests in each of the windows over their mean.
func dispersion(starts []time.Duration, window time.Duration) float64 {
	counts := make([]float64, starts[len(starts)-1]/window)
	for _, start := range starts {
		if i := int(start / window); i < len(counts) {
			counts[i]++
		}
	}
	return spread(counts)
}

func spread(counts []float64) float64 {
	mean, sum := 0.0, 0.0
	for _, c := range counts {
		mean += c / float64(len(counts))
	}
	for _, c := range counts {
		sum += (c - mean) * (c - mean)
	}
	return sum / float64(len(counts)-1) / mean
}

// TestDispersion: of windows far longer than a gap it is the squared coefficient of variation of the gaps.
func TestDispersion(t *testing.T) {
	for _, c := range []struct {
		process     string
		shape, want float64
	}{
		{arrival.Poisson, 0, 1}, {arrival.Gamma, 1, 1}, {arrival.Gamma, 0.25, 4}, {arrival.Gamma, 0.5, 2}, {arrival.Gamma, 4, 0.25},
	} {
		o := arrival.Open{Process: c.process, Burstiness: c.shape, Rate: 100}
		got := dispersion(count(t, o, 3, 400_000), time.Second)
		assert.InEpsilon(t, c.want, got, 4*math.Sqrt(2.0/4000), "%s %v: within 4 standard errors of a variance of 4,000 windows", c.process, c.shape)
	}
	assert.InDelta(t, 0, dispersion(count(t, arrival.Open{Process: arrival.Constant, Rate: 100}, 3, 400_000), time.Second), 1e-9)
}

// TestNumberWithinATime varies as that of a Poisson process does: nothing is scaled to the rate.
func TestNumberWithinATime(t *testing.T) {
	counts := make([]float64, 3000)
	mean := 0.0
	for seed := range counts {
		starts, err := arrival.Open{Process: arrival.Poisson, Rate: 50}.Within(stream(uint64(seed)), 2*time.Second)
		require.NoError(t, err)
		counts[seed] = float64(len(starts))
		mean += counts[seed] / 3000
	}
	assert.InDelta(t, 100, mean, 4*10/math.Sqrt(3000), "4 standard errors: no request is owed to the start")
	assert.InDelta(t, 1, spread(counts), 4*math.Sqrt(2.0/3000))
}

func TestWithinEndsBeforeTheLimit(t *testing.T) {
	constant := arrival.Open{Process: arrival.Constant, Rate: 10}
	starts, err := constant.Within(stream(1), time.Second)
	require.NoError(t, err)
	assert.Equal(t, count(t, constant, 1, 10), starts, "one at 1 s would start when the level is over")
	starts, err = constant.Within(stream(1), time.Second+1)
	require.NoError(t, err)
	assert.Len(t, starts, 11)
	starts, err = constant.Within(stream(1), 0)
	require.NoError(t, err)
	assert.Empty(t, starts)

	gamma := arrival.Open{Process: arrival.Gamma, Rate: 10, Burstiness: 0.5, RampFrom: 2, Ramp: time.Minute}
	starts, err = gamma.Within(stream(9), 3*time.Minute)
	require.NoError(t, err)
	assert.Equal(t, count(t, gamma, 9, len(starts)), starts, "of one stream both are the same")
	assert.GreaterOrEqual(t, count(t, gamma, 9, len(starts)+1)[len(starts)], 3*time.Minute)

	_, err = arrival.Open{Process: arrival.Constant, Rate: 1_000_000}.Within(stream(1), 10*time.Second+1)
	assert.EqualError(t, err, `duration "10.000000001s": has more than 10000000 requests at a rate of 1e+06 per second: shorten it or lower the rate`)
}

// TestRateRamp holds each start against the integral of the rate, which at request k of the constant process is k.
func TestRateRamp(t *testing.T) {
	for _, c := range []struct{ from, to float64 }{{0, 100}, {20, 100}, {100, 20}, {50, 50}, {1e5, 1e-3}, {0, 1e6}} {
		o := arrival.Open{Process: arrival.Constant, Rate: c.to, RampFrom: c.from, Ramp: 10 * time.Second}
		during := (c.from + c.to) / 2 * 10
		starts := count(t, o, 1, min(int(during)+1+min(int(c.to*10), 1000), 1_000_000))
		for k, start := range starts {
			at := start.Seconds()
			inside := min(at, 10)
			integral := c.from*inside + (c.to-c.from)/20*inside*inside + c.to*max(0, at-10)
			rate := c.from + (c.to-c.from)/10*inside
			require.InDelta(t, k, integral, 1e-9*rate+1e-9*float64(k)+1e-9, "from %v to %v: request %d at %v", c.from, c.to, k, start)
		}
	}
}

// TestRampedPoisson is a Poisson process still: in the time that the ramp stretches its gaps are exponential.
func TestRampedPoisson(t *testing.T) {
	o := arrival.Open{Process: arrival.Poisson, Rate: 400, RampFrom: 0, Ramp: 100 * time.Second}
	starts := count(t, o, 4, 20_000)
	stretched := make([]float64, len(starts))
	previous := 0.0
	for i, start := range starts {
		at := min(start.Seconds(), 100)
		integral := 2*at*at + 400*max(0, start.Seconds()-100)
		stretched[i], previous = integral-previous, integral
	}
	assert.Less(t, distance(stretched, distuv.Exponential{Rate: 1}.CDF), unlikely)
	assert.Greater(t, distance(gapsOf(starts, 200), distuv.Exponential{Rate: 1}.CDF), impossible, "not at one rate")
}

func TestStartsAscend(t *testing.T) {
	for _, o := range []arrival.Open{
		{Process: arrival.Constant, Rate: 1_000_000},
		{Process: arrival.Poisson, Rate: 1_000_000},
		{Process: arrival.Gamma, Rate: 1_000_000, Burstiness: 0.05},
		{Process: arrival.Gamma, Rate: 100, Burstiness: 1e-3},
	} {
		starts := count(t, o, 1, 100_000)
		ascend := true
		for k := 1; k < len(starts); k++ {
			ascend = ascend && starts[k] > starts[k-1]
		}
		assert.True(t, ascend, "%+v", o)
	}
}

// TestSchedulesAreTheSameEverywhere fixes starts to the nanosecond: a machine or compiler that gives others breaks comparisons. Use -update after a
// change that is meant, and raise the number in the first line of the workload's fingerprint.
func TestSchedulesAreTheSameEverywhere(t *testing.T) {
	var b strings.Builder
	for _, o := range []arrival.Open{
		{Process: arrival.Constant, Rate: 3},
		{Process: arrival.Poisson, Rate: 3},
		{Process: arrival.Gamma, Rate: 3, Burstiness: 0.3},
		{Process: arrival.Gamma, Rate: 3, Burstiness: 7},
		{Process: arrival.Gamma, Rate: 3, Burstiness: 2, RampFrom: 1, Ramp: time.Hour},
	} {
		starts := count(t, o, 1, 100_000)
		fmt.Fprintf(&b, "%+v\n  %v ...\n  %s\n", o, starts[:4], arrival.SHA256(starts))
	}
	const golden = "testdata/schedules.txt"
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(b.String()), 0o600))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	assert.Equal(t, string(want), b.String())
}

func TestOneSeedOneSchedule(t *testing.T) {
	o := arrival.Open{Process: arrival.Gamma, Rate: 5, Burstiness: 0.5}
	same := count(t, o, 1, 100)
	assert.Equal(t, same, count(t, o, 1, 100))
	assert.NotEqual(t, count(t, o, 1, 100), count(t, o, 2, 100))
	assert.Equal(t, count(t, o, 1, 100)[:50], count(t, o, 1, 50), "more requests shift none")
	assert.Empty(t, count(t, o, 1, 0))
}

func TestTooLate(t *testing.T) {
	_, err := arrival.Open{Process: arrival.Constant, Rate: 1e-9}.Count(stream(1), 11)
	assert.EqualError(t, err, `request-rate "1e-09": request 10 would come after more than 292 years: raise the rate`)
	_, err = arrival.Open{Process: arrival.Poisson, Rate: math.SmallestNonzeroFloat64}.Count(stream(1), 1)
	assert.EqualError(t, err, `request-rate "5e-324": request 0 would come after more than 292 years: raise the rate`)
	starts, err := arrival.Open{Process: arrival.Constant, Rate: 1e-9}.Within(stream(1), 1<<63-1)
	assert.NoError(t, err, "what would come later is not asked for")
	assert.Len(t, starts, 10)
}

func TestValidate(t *testing.T) {
	valid := arrival.Open{Process: arrival.Poisson, Rate: 10}
	assert.NoError(t, valid.Validate())
	assert.NoError(t, arrival.Open{Process: arrival.Gamma, Rate: 1e6, Burstiness: 1000, RampFrom: 1e6, Ramp: 1}.Validate())
	for want, change := range map[string]func(*arrival.Open){
		`request-rate "0": must be above 0`:                               func(o *arrival.Open) { o.Rate = 0 },
		`request-rate "-3": must be above 0`:                              func(o *arrival.Open) { o.Rate = -3 },
		`request-rate "NaN": must be above 0`:                             func(o *arrival.Open) { o.Rate = math.NaN() },
		`request-rate "+Inf": must be at most 1000000 per second`:         func(o *arrival.Open) { o.Rate = math.Inf(1) },
		`request-rate "1.000001e+06": must be at most 1000000 per second`: func(o *arrival.Open) { o.Rate = 1_000_001 },
		`arrival "uniform": must be constant, poisson or gamma`:           func(o *arrival.Open) { o.Process = "uniform" },
		`arrival "": must be constant, poisson or gamma`:                  func(o *arrival.Open) { o.Process = "" },
		`burstiness "0": must be above 0 and at most 1000`:                func(o *arrival.Open) { o.Process = arrival.Gamma },
		`burstiness "1000.5": must be above 0 and at most 1000`:           func(o *arrival.Open) { o.Process, o.Burstiness = arrival.Gamma, 1000.5 },
		`burstiness "NaN": must be above 0 and at most 1000`:              func(o *arrival.Open) { o.Process, o.Burstiness = arrival.Gamma, math.NaN() },
		`burstiness "0.5": needs -arrival gamma`:                          func(o *arrival.Open) { o.Burstiness = 0.5 },
		`burstiness "NaN": needs -arrival gamma`:                          func(o *arrival.Open) { o.Process, o.Burstiness = arrival.Constant, math.NaN() },
		`request-rate-ramp-from "-1": must be 0 to 1000000 per second`:    func(o *arrival.Open) { o.RampFrom, o.Ramp = -1, 1 },
		`request-rate-ramp-from "NaN": must be 0 to 1000000 per second`:   func(o *arrival.Open) { o.RampFrom, o.Ramp = math.NaN(), 1 },
		`request-rate-ramp-from "2e+06": must be 0 to 1000000 per second`: func(o *arrival.Open) { o.RampFrom, o.Ramp = 2e6, 1 },
		`request-rate-ramp-from "5": needs -request-rate-ramp-duration`:   func(o *arrival.Open) { o.RampFrom = 5 },
		`request-rate-ramp-duration "-1s": must not be negative`:          func(o *arrival.Open) { o.Ramp = -time.Second },
	} {
		o := valid
		change(&o)
		assert.EqualError(t, o.Validate(), want)
		_, err := o.Count(stream(1), 1)
		assert.EqualError(t, err, want)
		_, err = o.Within(stream(1), 1)
		assert.EqualError(t, err, want)
	}
	assert.EqualError(t, arrival.Open{Process: "x", RampFrom: -1, Ramp: -1}.Validate(),
		"arrival \"x\": must be constant, poisson or gamma\nrequest-rate \"0\": must be above 0\n"+
			"request-rate-ramp-from \"-1\": must be 0 to 1000000 per second\nrequest-rate-ramp-duration \"-1ns\": must not be negative", "all problems at once")
}

func BenchmarkCount(b *testing.B) {
	for name, o := range map[string]arrival.Open{
		"constant": {Process: arrival.Constant, Rate: 100}, "poisson": {Process: arrival.Poisson, Rate: 100},
		"gamma-0.5": {Process: arrival.Gamma, Rate: 100, Burstiness: 0.5}, "gamma-2": {Process: arrival.Gamma, Rate: 100, Burstiness: 2},
		"ramp": {Process: arrival.Poisson, Rate: 100, RampFrom: 1, Ramp: time.Hour},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			const n = 10_000
			for b.Loop() {
				_ = count(b, o, 1, n)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/request")
		})
	}
}
