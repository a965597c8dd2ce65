package compare

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/llmsweep/llmsweep/harness/stat"
)

// TestSimulatedOrderOfArms: on a machine that slows down while it measures, or on which the second run of a block is slower than the first,
// equal arms fail all the time if their order is fixed, and hardly ever with a trial's own.
func TestSimulatedOrderOfArms(t *testing.T) {
	t.Parallel()
	const cv = 0.02
	fixed := func(int, int64) [2]Arm { return [2]Arm{Base, Candidate} }
	coin := func(block int, seed int64) [2]Arm { return Design{Seed: seed}.order(block) }
	warming := func(block, place int) float64 { return 0.04 * float64(place) }
	slowing := func(block, place int) float64 { return 0.05 * float64(2*block+place) / 36 }
	alarms := func(n int, order func(block int, seed int64) [2]Arm, effect func(block, place int) float64) int {
		r, failed := rand.New(rand.NewPCG(121, 122)), 0
		for seed := range n {
			block := 0
			if simulate([]float64{math.Log1p(0.05)}, func(d []float64) {
				block++
				var at [2]float64
				for place, arm := range order(block, int64(seed)) {
					at[arm] = effect(block, place) + normal(r, cv)
				}
				d[0] = at[Candidate] - at[Base]
			}).verdict() == Fail {
				failed++
			}
		}
		return failed
	}
	n := repetitions(20000)
	atLeast(t, 0.3, alarms(n, fixed, warming), n, "fixed order, the second run is slower")
	atMost(t, 0.01, alarms(n, coin, warming), n, "by coin, the second run is slower")
	atMost(t, 0.01, alarms(n, coin, slowing), n, "by coin, ever slower")

	// All runs of one arm, then all of the other: the drift between them looks like a change, whatever the number of looks.
	sequential, r := 0, rand.New(rand.NewPCG(123, 124))
	for range n {
		block := 0
		if simulate([]float64{math.Log1p(0.05)}, func(d []float64) {
			block++
			d[0] = slowing(block+18, 0) - slowing(block, 0) + normal(r, cv) - normal(r, cv)
		}).settled[0].verdict == Fail {
			sequential++
		}
	}
	atLeast(t, 0.3, sequential, n, "all of one arm, then all of the other")
}

// served is what one run of a loaded server looks like: the mean service time, latency and first sign of life, and the 99th percentile of the last.
type served struct{ service, latency, first, first99 float64 }

// serve lets n requests arrive at 8 slots, empty at first, and a line before them: times between arrivals and lengths come from streams of
// their own. Serving takes slower times 1 on average; the load is what is offered as a share of what can be served at 1.
func serve(arrivals, lengths *rand.Rand, load, slower float64, n int) served {
	const slots = 8
	var free [slots]float64
	var s served
	now, firsts := 0.0, make([]float64, n)
	for i := range n {
		now += arrivals.ExpFloat64() / (load * slots)
		slot := 0
		for j, at := range free {
			if at < free[slot] {
				slot = j
			}
		}
		begin := max(now, free[slot])
		service := slower * math.Exp(0.5*lengths.NormFloat64()-0.125)
		first := begin - now + 0.1*slower*math.Exp(0.3*lengths.NormFloat64())
		free[slot], firsts[i] = begin+service, first
		s.service += service / float64(n)
		s.latency += (free[slot] - now) / float64(n)
	}
	summary, _ := stat.Summarize(firsts)
	s.first, s.first99 = summary.Avg, summary.P99
	return s
}

func streams(seed, run uint64) (arrivals, lengths *rand.Rand) {
	return rand.New(rand.NewPCG(seed, 2*run)), rand.New(rand.NewPCG(seed, 2*run+1))
}

// TestSimulatedSharedSeeds: that both arms of a block meet the same requests at the same times divides the noise of their ratio by three or more.
func TestSimulatedSharedSeeds(t *testing.T) {
	t.Parallel()
	for _, load := range []float64{0.5, 0.7} {
		n := repetitions(400)
		var shared, own [3][]float64
		for block := range uint64(n) {
			run := func(of uint64, slower float64) served {
				arrivals, lengths := streams(131, of)
				return serve(arrivals, lengths, load, slower, 500)
			}
			base, same, other := run(2*block, 1), run(2*block, 1.05), run(2*block+1, 1.05)
			for to, candidate := range map[*[3][]float64]served{&shared: same, &own: other} {
				to[0] = append(to[0], math.Log(candidate.first/base.first))
				to[1] = append(to[1], math.Log(candidate.latency/base.latency))
				to[2] = append(to[2], math.Log(candidate.first99/base.first99))
			}
		}
		for i, what := range []string{"mean TTFT", "mean latency", "p99 TTFT"} {
			ratio := deviation(own[i]) / deviation(shared[i])
			t.Logf("load %v, %s: %.3f with seeds of their own, %.3f with the same: %.1f", load, what, deviation(own[i]), deviation(shared[i]), ratio)
			assert.GreaterOrEqual(t, ratio, 3.0, "%v %s", load, what)
		}
	}
}

// TestSimulatedTrial is the whole procedure on that server, 400 requests and 1 % of noise a run: what it says of a server that is as fast as
// before, 5 % and 10 % slower, with the same seeds in both arms and with seeds of their own.
func TestSimulatedTrial(t *testing.T) {
	t.Parallel()
	service, latency, first := itl, Selector{Metric: "request_latency", Statistic: "avg", Level: "c10"}, ttft
	first.Statistic = "p99"
	for _, c := range []struct {
		load, slower         float64
		shared               bool
		of                   Selector
		margin               float64
		passes, fails        float64 // shares that are at least so
		mostPasses, mostFail float64
	}{
		{0.7, 1, true, service, 5, 0.99, 0, 1, 0.01}, {0.7, 1.05, true, service, 5, 0, 0.95, 0.05, 1}, {0.7, 1.1, true, service, 5, 0, 0.99, 0, 1},
		{0.7, 1, true, latency, 5, 0.99, 0, 1, 0.01}, {0.7, 1.05, true, latency, 5, 0, 0.95, 0.05, 1}, {0.7, 1.1, true, latency, 5, 0, 0.99, 0, 1},
		{0.5, 1, true, first, 25, 0.95, 0, 1, 0.01}, {0.5, 1.1, true, first, 25, 0, 0.9, 0.05, 1},
		{0.7, 1, false, first, 25, 0, 0, 0.6, 0.01}, {0.7, 1.1, false, first, 25, 0, 0, 0.05, 0.6},
	} {
		name := fmt.Sprintf("load %v, x %v, shared %v, %s", c.load, c.slower, c.shared, c.of.Metric)
		n, got := repetitions(120), map[Verdict]int{}
		for seed := range uint64(n) {
			noise := rand.New(rand.NewPCG(141, seed))
			trial := NewTrial(Design{Primaries: []Primary{primary(c.of, c.margin)}, Looks: DefaultLooks(), Seed: int64(seed)})
			for step, more := trial.Next(); more; step, more = trial.Next() {
				run, slower := 2*uint64(step.Block), 1.0
				if step.Arm == Candidate {
					slower = c.slower
					if !c.shared {
						run++
					}
				}
				arrivals, lengths := streams(1000+seed, run)
				s := serve(arrivals, lengths, c.load, slower*math.Exp(normal(noise, 0.01)), 400)
				trial.Add(Result{Levels: []Level{{Name: "c10", Figures: Figures{
					service.Metric: {"avg": s.service}, latency.Metric: {"avg": s.latency}, first.Metric: {"p99": s.first99, "count": 400}, "request_count": {"avg": 400},
				}}}})
			}
			got[trial.Judge().Verdict]++
		}
		if c.shared {
			atLeast(t, c.passes, got[Pass], n, name+" passes")
			atLeast(t, c.fails, got[Fail], n, name+" fails")
		}
		atMost(t, c.mostPasses, got[Pass], n, name+" passes")
		atMost(t, c.mostFail, got[Fail], n, name+" fails")
	}
}
