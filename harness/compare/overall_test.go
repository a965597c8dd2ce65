package compare

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
)

// TestVerdictsAreReadAsTheyWereWritten: figures that do not exist come back as none.
func TestVerdictsAreReadAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	e := Estimate{
		Selector: Selector{Metric: "m", Statistic: "avg", Level: "c1"}, Unit: "ms", Verdict: Pass, Primary: true, Unarmed: "u", HigherBetter: true, Blocks: 6,
		Base: 1.1, Candidate: 1.2, Change: 0.1, Low: -0.1, High: 0.3, Confidence: 0.95, Margin: 0.05, P: 0.5, Holm: 1, Client: record.ClientSuspect, Requests: 7, Text: "t",
	}
	f := Finding{
		Level: "c1", Metric: "m", Statistic: "p99", Unit: "ms", Verdict: Fail, Client: record.ClientSuspect, Limit: true, Value: 1.1, Baseline: 1.2, Bound: 1.3, Samples: 7, Text: "t",
	}
	data, err := json.Marshal([]any{e, f})
	require.NoError(t, err)
	var parts []json.RawMessage
	require.NoError(t, json.Unmarshal(data, &parts))
	var e2 Estimate
	var f2 Finding
	require.NoError(t, json.Unmarshal(parts[0], &e2))
	require.NoError(t, json.Unmarshal(parts[1], &f2))
	assert.Equal(t, e, e2)
	assert.Equal(t, f, f2)

	e.Low, e.Base, f.Value = math.Inf(-1), math.NaN(), math.NaN()
	data, err = json.Marshal([]any{e, f})
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &parts))
	require.NoError(t, json.Unmarshal(parts[0], &e2))
	require.NoError(t, json.Unmarshal(parts[1], &f2))
	for _, v := range []float64{e2.Low, e2.Base, f2.Value} {
		assert.True(t, math.IsNaN(v))
	}
	assert.Error(t, json.Unmarshal([]byte("7"), &e2))
	assert.Error(t, json.Unmarshal([]byte("7"), &f2))
}

func TestOverall(t *testing.T) {
	t.Parallel()
	of := func(all ...Verdict) Verdict {
		findings := make([]Finding, len(all))
		for i, v := range all {
			findings[i].Verdict = v
		}
		return Overall(findings)
	}
	assert.Equal(t, Inconclusive, of(), "a gate never passes because it looked at nothing")
	assert.Equal(t, Pass, of(Pass, Pass))
	assert.Equal(t, Inconclusive, of(Pass, Inconclusive))
	assert.Equal(t, Fail, of(Pass, Inconclusive, Fail))
}

// TestTrialsDoNotContradictThemselves, whatever becomes of them, written and read.
func TestTrialsDoNotContradictThemselves(t *testing.T) {
	t.Parallel()
	seen := map[Verdict]bool{}
	for _, slower := range []float64{1, 0.9, 1.01, 1.03, 1.2} {
		for _, noise := range []float64{0, 0.01, 0.2} {
			trial, k := NewTrial(Design{Primaries: DefaultPrimaries("c1"), Looks: DefaultLooks()}), 0
			for step, more := trial.Next(); more; step, more = trial.Next() {
				k++
				v := 100 * (1 + noise*math.Sin(float64(k*k)))
				if step.Arm == Candidate {
					v *= slower
				}
				level := Level{Name: "c1", Figures: Figures{"request_count": {"avg": 300}}}
				for _, tag := range []string{"inter_token_latency", "time_to_first_token"} {
					level.Figures[tag] = map[string]float64{"avg": v, "count": 300}
				}
				level.Figures["output_token_throughput"] = map[string]float64{"avg": 1e5 / v}
				trial.Add(Result{Levels: []Level{level}})
				j := trial.Judge()
				data, err := json.Marshal(j)
				require.NoError(t, err)
				var read Judgement
				require.NoError(t, json.Unmarshal(data, &read))
				require.NoError(t, read.Contradiction(), "%v %v", slower, noise)
				seen[read.Verdict] = true
			}
		}
	}
	assert.Len(t, seen, 3)
}

func TestContradictions(t *testing.T) {
	t.Parallel()
	pass := Estimate{Primary: true, Verdict: Pass, Change: 0.01, Low: -0.01, High: 0.04, Margin: 0.05}
	fail := Estimate{Primary: true, Verdict: Fail, Change: 0.2, Low: 0.1, High: 0.3, Margin: 0.05}
	with := func(e Estimate, change func(*Estimate)) Judgement {
		change(&e)
		return Judgement{Verdict: e.Verdict, Estimates: []Estimate{e}}
	}
	for want, j := range map[string]Judgement{
		`"fine" is no verdict`:                       {Verdict: "fine"},
		`"" is no verdict`:                           {},
		"it passes, and not all of its primaries do": {Verdict: Pass},
		"it passes, and not all":                     {Verdict: Pass, Estimates: []Estimate{pass, fail}},
		"it fails, and none of its":                  {Verdict: Fail, Estimates: []Estimate{pass}},
		"passes beyond its margin":                   with(pass, func(e *Estimate) { e.High = 0.051 }),
		"m  of  passes beyond its margin":            with(pass, func(e *Estimate) { e.Metric, e.Change = "m", math.NaN() }),
		"x  of  passes beyond its margin":            with(pass, func(e *Estimate) { e.Metric, e.HigherBetter, e.Low, e.Margin = "x", true, -0.06, -0.05 }),
		"fails and is no worse":                      with(fail, func(e *Estimate) { e.Change = -0.1 }),
		"y  of  fails and is no worse":               with(fail, func(e *Estimate) { e.Metric, e.HigherBetter = "y", true }),
		"is no primary and has a verdict":            with(fail, func(e *Estimate) { e.Primary = false }),
		`"?" is no verdict`:                          with(fail, func(e *Estimate) { e.Verdict = "?" }),
	} {
		assert.ErrorContains(t, j.Contradiction(), want)
	}
	assert.NoError(t, Judgement{Verdict: Fail, Estimates: []Estimate{pass, fail}}.Contradiction())
	assert.NoError(t, Judgement{Verdict: Inconclusive, Estimates: []Estimate{pass, fail}}.Contradiction(), "it was stopped")
}
