package compare

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
)

// at is a primary's figure in one run of 400 requests, beside those that speak for its error.
func at(s Selector, value float64) Level {
	l := Level{Name: s.Level, Figures: Figures{"request_latency": {"avg": 1000, "count": 400}, "request_count": {"avg": 400}}}
	l.Figures[s.Metric] = map[string]float64{s.Statistic: value, "count": 400}
	return l
}

func design(primaries ...Primary) Design {
	return Design{Primaries: primaries, Looks: DefaultLooks(), Seed: 7}
}

func primary(s Selector, percent float64) Primary { return Primary{Selector: s, Percent: percent} }

// scatter is a share by which runs differ that looks like chance: small, of both signs, without ties.
func scatter(block int) float64 {
	return 0.01 * math.Sin(float64(block*block)+0.3) / (1 + 0.1*float64(block))
}

// play runs a trial to its end.
func play(t *testing.T, d Design, result func(Step) Result) (*Trial, []Step) {
	t.Helper()
	require.NoError(t, d.Validate())
	trial := NewTrial(d)
	var steps []Step
	for step, more := trial.Next(); more; step, more = trial.Next() {
		again, _ := trial.Next()
		require.Equal(t, step, again, "the same until it is added")
		steps = append(steps, step)
		require.Less(t, len(steps), 200)
		trial.Add(result(step))
	}
	j := trial.Judge()
	trial.Add(Result{Invalid: "after the end"})
	require.Equal(t, fmt.Sprintf("%+v", j), fmt.Sprintf("%+v", trial.Judge()), "NaN are NaN")
	require.True(t, j.Final)
	return trial, steps
}

// changed gives the figure 100 in the base and as much times it in the candidate, a little scattered.
func changed(s Selector, times float64) func(Step) Result {
	return func(step Step) Result {
		v := 100.0
		if step.Arm == Candidate {
			v *= times * (1 + scatter(step.Block))
		}
		return Result{Levels: []Level{at(s, v)}}
	}
}

// TestOrderOfArms: both arms of each block are run, in an order that is a coin's: half of the blocks each way, whatever came before, another
// for another seed, and the same again for the same.
func TestOrderOfArms(t *testing.T) {
	t.Parallel()
	first, alike, differ := 0, 0, 0
	for seed := range int64(200) {
		d, other := Design{Seed: seed}, Design{Seed: seed + 1}
		for block := range 50 {
			order := d.order(block)
			require.ElementsMatch(t, []Arm{Base, Candidate}, order[:])
			first += int(order[0])
			if order == d.order(block+1) {
				alike++
			}
			if order != other.order(block) {
				differ++
			}
			assert.Equal(t, order, Design{Seed: seed}.order(block))
		}
	}
	for what, times := range map[string]int{"candidate first": first, "as in the next block": alike, "other than with the next seed": differ} {
		assert.InDelta(t, 5000, times, 150, what) // three standard errors of 10,000 coins
	}
	assert.Equal(t, "base candidate", Base.String()+" "+Candidate.String())
}

// TestTrialByHand: passing takes 6 blocks and failing 12, in either direction, and the steps are both arms of each block, from 0.
func TestTrialByHand(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		of      Selector
		times   float64
		verdict Verdict
		blocks  int
	}{
		{itl, 1, Pass, 6}, {itl, 0.5, Pass, 6}, {itl, 1.03, Pass, 6}, {itl, 1.3, Fail, 12}, {itl, 1.07, Fail, 12}, {itl, 1.05, Fail, 12},
		{rate, 1, Pass, 6}, {rate, 2, Pass, 6}, {rate, 0.97, Pass, 6}, {rate, 0.7, Fail, 12}, {rate, 0.93, Fail, 12},
	} {
		trial, steps := play(t, design(primary(c.of, 5)), changed(c.of, c.times))
		j := trial.Judge()
		assert.Equal(t, c.verdict, j.Verdict, "%+v: %s", c, j.Reason)
		assert.Equal(t, c.blocks, j.Blocks, "%+v", c)
		assert.Equal(t, DefaultLooks()[:c.blocks/6], j.Looks)
		require.Len(t, steps, 2*(c.blocks+1))
		for i, step := range steps {
			assert.Equal(t, i/2, step.Block)
			assert.Equal(t, i < 2, step.Discarded())
			assert.Zero(t, step.Attempt)
			if i%2 == 1 {
				assert.NotEqual(t, steps[i-1].Arm, step.Arm)
			}
		}
		e := j.Estimates[0]
		assert.Equal(t, c.verdict, e.Verdict)
		assert.Equal(t, 400, e.Requests)
		assert.InDelta(t, 100, e.Base, 1e-9)
		assert.InEpsilon(t, 100*c.times, e.Candidate, 0.01)
		assert.InDelta(t, c.times-1, e.Change, 0.01)
		assert.True(t, e.Low < e.Change && e.Change < e.High && e.High < c.times-1+0.03 && e.Low > c.times-1-0.03, "%+v", e)
	}
}

// TestWordsOfATrial: what a person reads.
func TestWordsOfATrial(t *testing.T) {
	t.Parallel()
	first := func(d Design, result func(Step) Result) (Judgement, string) {
		trial, _ := play(t, d, result)
		return trial.Judge(), trial.Judge().Estimates[0].Text
	}
	j, text := first(design(primary(itl, 5)), changed(itl, 1.1))
	assert.Equal(t, "worse by more than chance after 12 blocks: inter_token_latency avg of c10", j.Reason)
	assert.Equal(t, "inter_token_latency avg of c10 is 109.945 ms, the base's 100 (+9.93 %; +9.53 % to +10.36 % with 96.7 % confidence), 12 blocks, "+
		"margin +5.00 %: worse, p 0.00024, corrected 0.00024, fails at 0.0033", text)
	j, text = first(design(primary(rate, 5)), changed(rate, 0.99))
	assert.Equal(t, "within the margin after 6 blocks: output_token_throughput avg of c10", j.Reason)
	assert.Regexp(t, `^output_token_throughput avg of c10 is 98.\d+ tokens/sec, the base's 100 \(-\d.\d\d %; -\d.\d\d % to [+-]\d.\d\d % with 96.7 % `+
		`confidence\), 6 blocks, margin -4.76 %: not worse by the margin$`, text)
	same := func(Step) Result { return Result{Levels: []Level{at(itl, 3)}} }
	_, text = first(design(primary(itl, 5)), same)
	assert.Contains(t, text, "(+0.00 %; +0.00 % to +0.00 % with 96.7 % confidence), 6 blocks, margin +5.00 %: the same in every block")

	begun := NewTrial(design(primary(itl, 5))).Judge()
	assert.Equal(t, "not over yet, after 0 blocks", begun.Reason)
	assert.False(t, begun.Final)
	assert.Equal(t, Inconclusive, begun.Verdict)
	assert.Equal(t, "inter_token_latency avg of c10: no block yet", begun.Estimates[0].Text)
	assert.True(t, math.IsNaN(begun.Estimates[0].Change))
}

// TestIdenticalArmsPass at any look: where nothing ever differs there is no chance to allow for. A suspect client could have hidden something.
func TestIdenticalArmsPass(t *testing.T) {
	t.Parallel()
	d := design(primary(itl, 5))
	d.Looks = []int{2, 12}
	same := func(s Step) Result { return Result{Levels: []Level{at(itl, 3)}} }
	trial, _ := play(t, d, same)
	assert.Equal(t, Pass, trial.Judge().Verdict)
	assert.Equal(t, 2, trial.Judge().Blocks)
	assert.Contains(t, trial.Judge().Estimates[0].Text, "(+0.00 %; too few blocks for an interval), 2 blocks, margin +5.00 %: the same in every block")
	trial, _ = play(t, d, func(s Step) Result {
		r := same(s)
		r.Levels[0].Client, r.Levels[0].ErrorMS = record.ClientSuspect, 0.01
		return r
	})
	assert.Equal(t, 12, trial.Judge().Blocks)
}

// TestUndecidedAtTheCap: what is worse by about the margin, and scattered, is neither.
func TestUndecidedAtTheCap(t *testing.T) {
	t.Parallel()
	trial, steps := play(t, design(primary(itl, 5)), func(s Step) Result {
		v := 100.0
		if s.Arm == Candidate {
			v *= 1.05 + 20*scatter(s.Block)
		}
		return Result{Levels: []Level{at(itl, v)}}
	})
	j := trial.Judge()
	assert.Equal(t, Inconclusive, j.Verdict)
	assert.Equal(t, "neither shown to be worse nor to be within the margin, after 18 blocks: inter_token_latency avg of c10", j.Reason)
	assert.Contains(t, j.Estimates[0].Text, ": undecided, p ")
	assert.Equal(t, []int{6, 12, 18}, j.Looks)
	assert.Len(t, steps, 38)
}

// TestBlockZeroIsDiscarded: neither its figures nor their absence count.
func TestBlockZeroIsDiscarded(t *testing.T) {
	t.Parallel()
	for _, zero := range []Result{{Invalid: "cold"}, {}, {Levels: []Level{at(itl, 0)}}, {Levels: []Level{at(itl, 1e9)}}} {
		trial, steps := play(t, design(primary(itl, 5)), func(s Step) Result {
			if s.Discarded() {
				return zero
			}
			return changed(itl, 1.2)(s)
		})
		j := trial.Judge()
		assert.Equal(t, Fail, j.Verdict)
		assert.Zero(t, j.Repeats)
		assert.Len(t, steps, 26)
		assert.InDelta(t, 100, j.Estimates[0].Base, 1e-9)
	}
}

// TestRepeats: a run that stands for nothing makes its block be measured again, whole and in the same order, twice in a trial and no more.
func TestRepeats(t *testing.T) {
	t.Parallel()
	d := design(primary(itl, 5))
	limited, unfinished := at(itl, 100), at(itl, 100)
	limited.Client, unfinished.Unfinished = record.ClientLimited, "it failed: why"
	for why, invalid := range map[string]Result{
		"the server was gone": {Invalid: "the server was gone"}, "client limited at c10": {Levels: []Level{limited}}, "c10: it failed: why": {Levels: []Level{unfinished}},
	} {
		for bad := range 5 { // places in blocks 2 and 3 where a run is invalid
			spoil := map[Step]bool{}
			for _, s := range []Step{{2, d.order(2)[1], 0}, {2, d.order(2)[0], 1}, {3, d.order(3)[0], 0}, {3, d.order(3)[1], 0}}[:min(bad, 4)] {
				spoil[s] = true
			}
			trial, steps := play(t, d, func(s Step) Result {
				if spoil[s] {
					return invalid
				}
				return changed(itl, 1)(s)
			})
			j := trial.Judge()
			assert.Equal(t, min(bad, 2), j.Repeats)
			if bad <= 2 {
				assert.Equal(t, Pass, j.Verdict)
				assert.Equal(t, 6, j.Blocks)
				assert.Len(t, steps, 14+[]int{0, 2, 3}[bad])
				continue
			}
			assert.Equal(t, Inconclusive, j.Verdict)
			assert.Equal(t, 2, j.Blocks)
			assert.Equal(t, "2 blocks were measured again and another run stands for nothing: "+why+" (block 3, "+d.order(3)[0].String()+")", j.Reason)
			assert.Equal(t, []Step{
				{2, d.order(2)[0], 0}, {2, d.order(2)[1], 0}, {2, d.order(2)[0], 1}, {2, d.order(2)[0], 2}, {2, d.order(2)[1], 2}, {3, d.order(3)[0], 0},
			}, steps[4:])
		}
	}
}

// TestOtherLevelsMayFail: a level without a primary makes no block invalid; its figures are reported, or why there are none.
func TestOtherLevelsMayFail(t *testing.T) {
	t.Parallel()
	other := itl
	other.Level = "c250"
	trial, _ := play(t, design(primary(itl, 5)), func(s Step) Result {
		r := changed(itl, 1)(s)
		l := at(other, 500)
		if s.Block == 3 {
			l.Client = record.ClientLimited
		}
		r.Levels = append(r.Levels, l)
		return r
	})
	j := trial.Judge()
	assert.Equal(t, Pass, j.Verdict)
	assert.Zero(t, j.Repeats)
	texts := map[Selector]string{}
	for _, e := range j.Estimates[1:] {
		assert.False(t, e.Primary)
		assert.Empty(t, e.Verdict)
		texts[e.Selector] = e.Text
	}
	assert.Len(t, texts, 3, "request latency of both levels, token latency of the other")
	assert.Regexp(t, `client limited: the figures of c250 are its own as much as the server's \(block 3, (base|candidate)\)`, texts[other])
	latency := Selector{Metric: "request_latency", Statistic: "avg", Level: "c10"}
	assert.Equal(t, "request_latency avg of c10 is 1000 ms, the base's 1000 (+0.00 %; +0.00 % to +0.00 % with 96.7 % confidence), 6 blocks", texts[latency])
	assert.Len(t, j.Findings(), 1)
}

// TestFiguresWithoutARatio have no verdict, and say why; the trial ends as soon as nothing else is open.
func TestFiguresWithoutARatio(t *testing.T) {
	t.Parallel()
	few := ttft
	few.Statistic = "p99"
	with := func(l Level) Result { return Result{Levels: []Level{l}} }
	missing := at(ttft, 1)
	p99 := at(few, 100)
	p99.Figures[few.Metric]["count"] = 200
	for want, c := range map[string]struct {
		of     Selector
		result Result
	}{
		"inter_token_latency avg of c10 is 0 ms, which has no ratio to another (block 2, ":                      {itl, with(at(itl, 0))},
		"inter_token_latency avg of c10 is -1 ms, which has no ratio":                                           {itl, with(at(itl, -1))},
		"inter_token_latency avg of c10 is NaN ms, which has no ratio":                                          {itl, with(at(itl, math.NaN()))},
		"inter_token_latency avg of c10 is +Inf ms, which has no ratio":                                         {itl, with(at(itl, math.Inf(1)))},
		"inter_token_latency avg is not among the figures of c10 (block 2, ":                                    {itl, with(missing)},
		"inter_token_latency avg: there is no level c10 to judge; there are: c5 (block 2, ":                     {itl, with(Level{Name: "c5"})},
		"time_to_first_token p99 of c10 needs 299 requests, have 200 (block 2, ":                                {few, with(p99)},
		"output_token_throughput avg of c10 is 0 tokens/sec, which has no ratio to another (block 2, candidate": {rate, Result{}},
	} {
		for _, arm := range []Arm{Base, Candidate} {
			if strings.HasSuffix(want, "candidate") { // only there
				arm, c.result = Candidate, with(at(rate, 0))
			}
			trial, _ := play(t, design(primary(c.of, 5)), func(s Step) Result {
				if s.Block == 2 && s.Arm == arm {
					return c.result
				}
				return changed(c.of, 1)(s)
			})
			j := trial.Judge()
			assert.Equal(t, Inconclusive, j.Verdict)
			assert.Equal(t, 2, j.Blocks, "ends at once")
			assert.Contains(t, j.Reason, want)
			assert.Contains(t, j.Reason, arm.String())
			e := j.Estimates[0]
			assert.Contains(t, e.Text, want)
			assert.Zero(t, e.Blocks)
			assert.True(t, math.IsNaN(e.Change) && math.IsNaN(e.Base))
			assert.Equal(t, 1.0, e.Holm)
		}
	}
}

// TestOneOfSeveral: the others go on where one cannot be judged, what is settled stays, and one failure ends it all.
func TestOneOfSeveral(t *testing.T) {
	t.Parallel()
	both := func(block int, b, c [3]float64) func(Step) Result {
		return func(s Step) Result {
			v := b
			if s.Arm == Candidate && s.Block >= block {
				v = c
				for i := range v {
					v[i] *= 1 + scatter(s.Block+7*i)
				}
			}
			l := at(itl, v[0])
			l.Figures[rate.Metric] = map[string]float64{"avg": v[1]}
			l.Figures[ttft.Metric] = map[string]float64{"p50": v[2], "count": 400}
			return Result{Levels: []Level{l}}
		}
	}
	d := design(primary(itl, 5), primary(rate, 5), primary(ttft, 25))
	verdictsOf := func(j Judgement) (all []Verdict) {
		for _, f := range j.Findings() {
			all = append(all, f.Verdict)
		}
		return all
	}
	trial, _ := play(t, d, both(1, [3]float64{10, 1000, 0}, [3]float64{11, 1000, 0}))
	j := trial.Judge()
	assert.Equal(t, Fail, j.Verdict)
	assert.Equal(t, []Verdict{Fail, Pass, Inconclusive}, verdictsOf(j))
	assert.Equal(t, []int{12, 6, 0}, []int{j.Estimates[0].Blocks, j.Estimates[1].Blocks, j.Estimates[2].Blocks})
	assert.Equal(t, 12, j.Blocks)
	assert.InDelta(t, 3*j.Estimates[0].P, j.Estimates[0].Holm, 1e-12)

	// What is open when another fails stays open.
	trial, _ = play(t, d, func(s Step) Result {
		r := both(1, [3]float64{10, 1000, 100}, [3]float64{11, 1000, 100})(s)
		r.Levels[0].Figures[rate.Metric]["avg"] *= 1 + 0.1*float64(s.Arm)*float64(1-2*(s.Block%2))
		return r
	})
	j = trial.Judge()
	assert.Equal(t, Fail, j.Verdict)
	assert.Equal(t, []Verdict{Fail, Inconclusive, Pass}, verdictsOf(j))
	assert.Equal(t, 12, j.Blocks)

	// From block 7 on it is all worse: what passed at 6 stays so.
	trial, _ = play(t, d, both(7, [3]float64{10, 1000, 100}, [3]float64{20, 500, 500}))
	j = trial.Judge()
	assert.Equal(t, []Verdict{Pass, Pass, Pass}, verdictsOf(j))
	assert.Equal(t, 6, j.Blocks)

	f := j.Findings()[1]
	assert.Equal(t, "tokens/sec", f.Unit)
	assert.InDelta(t, 1000/1.05, f.Bound, 1e-9)
	assert.Equal(t, []float64{1000, 1000}, []float64{math.Round(f.Value), math.Round(f.Baseline)})
	assert.Equal(t, 400, f.Samples)
	assert.Equal(t, "c10 output_token_throughput avg", f.Level+" "+f.Metric+" "+f.Statistic)
	assert.False(t, f.Limit)
}

// TestUnarmedAreReported: an unarmed primary is measured, and neither judged nor counted by Holm. If none is armed, all blocks are measured.
func TestUnarmedAreReported(t *testing.T) {
	t.Parallel()
	d := design(primary(itl, 5), primary(rate, 5))
	d.Unarmed = map[Selector]string{itl: "too noisy"}
	result := func(s Step) Result {
		r := changed(itl, 2)(s)
		r.Levels[0].Figures[rate.Metric] = map[string]float64{"avg": 1000 * (1 + scatter(s.Block))}
		return r
	}
	trial, _ := play(t, d, result)
	j := trial.Judge()
	assert.Equal(t, Pass, j.Verdict)
	assert.Equal(t, "within the margin after 6 blocks: output_token_throughput avg of c10", j.Reason)
	e := j.Estimates[0]
	assert.Empty(t, e.Verdict)
	assert.True(t, e.Primary)
	assert.Equal(t, "too noisy", e.Unarmed)
	assert.True(t, strings.HasSuffix(e.Text, "margin +5.00 %; not judged: too noisy"), e.Text)
	assert.Equal(t, 6, e.Blocks)
	assert.Equal(t, []float64{1.0 / 64, 1}, []float64{e.P, e.Holm}, "worse in all of six blocks")
	assert.Len(t, j.Findings(), 1)

	d.Unarmed[rate] = "too noisy"
	d.Looks = []int{3}
	trial, steps := play(t, d, result)
	assert.Len(t, steps, 8)
	assert.Equal(t, Inconclusive, trial.Judge().Verdict)
	assert.Equal(t, "no primary is armed: all are reported and none judged, after 3 blocks", trial.Judge().Reason)
	assert.Empty(t, trial.Judge().Findings())
}

// TestSuspectClientKeepsFromPassing: what may hide as much as the margin in too many blocks does so; a failure stands.
func TestSuspectClientKeepsFromPassing(t *testing.T) {
	t.Parallel()
	suspect := func(errorMS float64, from int, arm Arm, result func(Step) Result) func(Step) Result {
		return func(s Step) Result {
			r := result(s)
			if s.Block >= from && s.Arm == arm {
				r.Levels[0].Client, r.Levels[0].ErrorMS = record.ClientSuspect, errorMS
			}
			return r
		}
	}
	for _, c := range []struct {
		of      Selector
		errorMS float64
		from    int
		times   float64
		verdict Verdict
	}{
		{itl, 3, 1, 1, Pass}, {itl, 6, 1, 1, Inconclusive}, {itl, 6, 6, 1, Inconclusive}, {itl, 6, 7, 1, Pass}, {itl, 6, 1, 0.9, Pass}, {itl, 6, 1, 1.2, Fail},
		{rate, 3, 1, 1, Inconclusive}, {rate, 3, 1, 1.1, Pass}, {rate, 3, 1, 0.8, Fail}, {rate, 1e9, 1, 2, Inconclusive},
	} {
		for _, arm := range []Arm{Base, Candidate} {
			trial, _ := play(t, design(primary(c.of, 5)), suspect(c.errorMS, c.from, arm, changed(c.of, c.times)))
			e := trial.Judge().Estimates[0]
			assert.Equal(t, c.verdict, e.Verdict, "%+v %s", c, e.Text)
			if c.verdict == Inconclusive && c.from == 1 {
				assert.Equal(t, 18, e.Blocks)
				assert.Equal(t, record.ClientSuspect, e.Client)
				assert.Contains(t, e.Text, "; client suspect: its stamps may be so late that they hide the margin")
			}
		}
	}
}
