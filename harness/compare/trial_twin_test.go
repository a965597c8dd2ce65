package compare

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
)

var (
	itl  = Selector{Metric: "inter_token_latency", Statistic: "avg", Level: "c10"}
	rate = Selector{Metric: "output_token_throughput", Statistic: "avg", Level: "c10"}
	ttft = Selector{Metric: "time_to_first_token", Statistic: "p50", Level: "c10"}
)

// naiveTrial is the procedure as it is told, slowly: it asks for the whole of each run, and judges all over again at each look.
func naiveTrial(d Design, result func(Step) Result) (verdict Verdict, each map[Selector]settled, runs int) {
	each = map[Selector]settled{}
	differences, worst := map[Selector][]float64{}, map[Selector][]float64{}
	repeats := 0
	blocks := 0
	finish := func() (Verdict, map[Selector]settled, int) {
		failed, passed := 0, 0
		for _, p := range d.Primaries {
			switch each[p.Selector].verdict {
			case Fail:
				failed++
			case Pass:
				passed++
			default:
				each[p.Selector] = settled{verdict: Inconclusive}
			}
		}
		if failed > 0 {
			return Fail, each, runs
		}
		if passed == len(d.Primaries) {
			return Pass, each, runs
		}
		return Inconclusive, each, runs
	}
	for block := 0; ; block++ {
		var got map[Arm]Level
		for attempt := 0; ; attempt++ {
			got = map[Arm]Level{}
			for _, arm := range d.order(block) {
				r := result(Step{block, arm, attempt})
				runs++
				if block > 0 && (r.Invalid != "" || r.Levels[0].Client == record.ClientLimited || r.Levels[0].Unfinished != "") {
					break
				}
				got[arm] = Level{}
				if r.Invalid == "" {
					got[arm] = r.Levels[0]
				}
			}
			if len(got) == 2 {
				break
			}
			if repeats == 2 {
				return finish()
			}
			repeats++
		}
		if block == 0 {
			continue
		}
		blocks++
		for _, p := range d.Primaries {
			base, candidate := got[Base].Figures[p.Metric][p.Statistic], got[Candidate].Figures[p.Metric][p.Statistic]
			if base <= 0 || candidate <= 0 {
				if each[p.Selector].verdict == "" {
					each[p.Selector] = settled{verdict: Inconclusive}
				}
				differences[p.Selector] = nil
				base, candidate = math.NaN(), math.NaN()
			}
			late := 0.0
			for _, arm := range []Arm{Base, Candidate} {
				if got[arm].Client == record.ClientSuspect {
					late = max(late, got[arm].ErrorMS)
					if p.Metric == rate.Metric {
						latency := got[arm].Figures["request_latency"]["avg"]
						late = max(late, candidate*(0.05+1-latency/(latency+got[arm].ErrorMS)))
					}
				}
			}
			if p.Metric == rate.Metric {
				differences[p.Selector] = append(differences[p.Selector], math.Log(base/candidate))
				worst[p.Selector] = append(worst[p.Selector], math.Log(base/(candidate-late)))
				continue
			}
			differences[p.Selector] = append(differences[p.Selector], math.Log(candidate/base))
			worst[p.Selector] = append(worst[p.Selector], math.Log((candidate+late)/base))
		}
		if slices.Contains(d.Looks, blocks) {
			naiveLook(d, each, differences, worst)
		}
		open, failed := false, false
		for _, p := range d.Primaries {
			open = open || each[p.Selector].verdict == ""
			failed = failed || each[p.Selector].verdict == Fail
		}
		if failed || !open || blocks == d.Looks[len(d.Looks)-1] {
			return finish()
		}
	}
}

func naiveLook(d Design, each map[Selector]settled, differences, worst map[Selector][]float64) {
	looks := float64(len(d.Looks))
	p := map[Selector]float64{}
	for _, primary := range d.Primaries {
		p[primary.Selector] = naiveP(differences[primary.Selector], 0)
	}
	for _, primary := range d.Primaries {
		s := primary.Selector
		if each[s].verdict != "" {
			continue
		}
		if belowMargin(worst[s], primary.Percent, 0.05/looks) {
			each[s] = settled{verdict: Pass, blocks: len(differences[s])}
			continue
		}
		// Holm: all that are less likely by chance must be rejected too, the least likely one at the smallest level.
		rejected := true
		for _, other := range d.Primaries {
			rank := 0
			for _, third := range d.Primaries {
				if p[third.Selector] < p[other.Selector] {
					rank++
				}
			}
			if p[other.Selector] <= p[s] && p[other.Selector] > 0.01/looks/float64(len(d.Primaries)-rank) {
				rejected = false
			}
		}
		if rejected {
			each[s] = settled{verdict: Fail, blocks: len(differences[s])}
		}
	}
}

// belowMargin tests that the differences are not below the margin: mirrored, that they are not above it.
func belowMargin(d []float64, percent, level float64) bool {
	mirrored := make([]float64, len(d))
	for i, v := range d {
		mirrored[i] = -v
	}
	return naiveP(mirrored, -math.Log(1+percent/100)) <= level
}

// naiveP is how many choices of signs make the ranks of the differences from a centre that are above it add up to as much as they do.
func naiveP(d []float64, centre float64) float64 {
	if len(d) == 0 || math.IsNaN(d[0]) || slices.ContainsFunc(d, math.IsNaN) {
		return 1
	}
	shifted := make([]float64, len(d))
	for i, v := range d {
		shifted[i] = v - centre
	}
	slices.SortFunc(shifted, func(a, b float64) int {
		if math.Abs(a) < math.Abs(b) {
			return -1
		}
		return 1
	})
	seen, as := 0, 0
	for i, v := range shifted {
		if v > 0 {
			seen += i + 1
		}
	}
	for signs := range 1 << len(d) {
		sum := 0
		for i := range d {
			sum += signs >> i & 1 * (i + 1)
		}
		if sum >= seen {
			as++
		}
	}
	return float64(as) / float64(int(1)<<len(d))
}

// TestTrialAgainstTwin: on random designs and runs, some of them invalid, suspect or without a figure, trial and twin make the same runs
// and come to the same verdicts.
func TestTrialAgainstTwin(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(111, 112))
	seen := map[Verdict]int{}
	for range repetitions(500) {
		d := Design{Looks: [][]int{{6, 10}, {5, 10}, {10}, {9, 11}}[r.IntN(4)], Seed: r.Int64()}
		changes := map[Selector]float64{}
		for _, s := range []Selector{itl, rate, ttft}[:1+r.IntN(3)] {
			d.Primaries = append(d.Primaries, Primary{Selector: s, Percent: 2 + 8*r.Float64(), Margin: "some"})
			changes[s] = -0.02 + 0.14*r.Float64()*r.Float64()
		}
		require.NoError(t, d.Validate())
		results := map[Step]Result{}
		suspects, spread := r.IntN(3) == 0, 0.01+0.03*r.Float64()
		result := func(s Step) Result {
			if got, ok := results[s]; ok {
				return got
			}
			results[s] = anyResult(r, s, changes, spread, suspects)
			return results[s]
		}
		verdict, each, runs := naiveTrial(d, result)
		trial, made := NewTrial(d), 0
		for step, more := trial.Next(); more; step, more = trial.Next() {
			made++
			trial.Add(result(step))
		}
		j := trial.Judge()
		require.Equal(t, verdict, j.Verdict, j.Reason)
		require.Equal(t, runs, made)
		require.True(t, j.Final)
		for i, p := range d.Primaries {
			e := j.Estimates[i]
			require.Equal(t, each[p.Selector].verdict, e.Verdict, e.Text)
			if e.Verdict != Inconclusive {
				require.Equal(t, each[p.Selector].blocks, e.Blocks)
			}
			if e.Blocks > 0 {
				require.NotContains(t, e.Text, "NaN")
				require.True(t, e.Low <= e.Change && e.Change <= e.High && e.Base > 0 && e.Candidate > 0, "%+v", e)
			}
			seen[e.Verdict]++
		}
	}
	t.Log(seen)
	for _, v := range []Verdict{Pass, Fail, Inconclusive} {
		assert.Greater(t, seen[v], repetitions(100), "the data are such that each verdict occurs")
	}
}

func anyResult(r *rand.Rand, s Step, changes map[Selector]float64, spread float64, suspects bool) Result {
	if r.Float64() < 0.02 {
		return Result{Invalid: "so it was"}
	}
	value := func(of Selector, base float64) float64 {
		v := math.Log(base) + spread*r.NormFloat64()
		if s.Arm == Candidate {
			v += newSeries(of).worse * changes[of]
		}
		if s.Block == 0 {
			v += 0.5 * float64(s.Arm) // what block 0 says is not true
		}
		return math.Exp(v)
	}
	l := Level{Name: "c10", Figures: Figures{
		itl.Metric: {"avg": value(itl, 10)}, rate.Metric: {"avg": value(rate, 1000)}, ttft.Metric: {"p50": value(ttft, 100), "count": 200},
		"request_latency": {"avg": 900 + 200*r.Float64()}, "request_count": {"avg": 200},
	}}
	switch u := r.Float64(); {
	case u < 0.02:
		l.Client = record.ClientLimited
	case u < 0.03:
		l.Unfinished = "it failed: why"
	case u < 0.04:
		l.Figures[itl.Metric]["avg"] = 0
	case suspects && u < 0.3:
		l.Client, l.ErrorMS = record.ClientSuspect, r.Float64()
	}
	return Result{Levels: []Level{l}}
}
