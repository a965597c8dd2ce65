package compare_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/compare"
)

// TestInvalidLevelHasNoVerdictOnTimes: times and rates of an invalid level are inconclusive whatever their value; counts and lengths are judged,
// and a level that is unfinished fails all the same.
func TestInvalidLevelHasNoVerdictOnTimes(t *testing.T) {
	rules, err := compare.ParseRules([]byte(`limits:
  - {metric: time_to_first_token, max: 10}
  - {metric: request_latency, max: 1e9}
  - {metric: request_throughput, min: 1}
  - {metric: error_request_count, max: 0}
  - {metric: inter_token_latency, max: 1}
`))
	require.NoError(t, err)
	one := func(v float64) map[string]float64 { return map[string]float64{"avg": v, "count": 1000} }
	level := compare.Level{Name: "c1", Figures: compare.Figures{
		"time_to_first_token": one(20), "request_latency": one(100), "request_throughput": one(5), "error_request_count": one(3),
	}}
	verdicts := func(l compare.Level) map[string]compare.Verdict {
		got := map[string]compare.Verdict{}
		for _, f := range rules.Check([]compare.Level{l}) {
			got[f.Metric] = f.Verdict
			if f.Verdict == compare.Inconclusive {
				assert.Contains(t, f.Text, "c1 is INVALID: failed requests 3 %")
			}
		}
		return got
	}
	assert.Equal(t, map[string]compare.Verdict{
		"time_to_first_token": compare.Fail, "request_latency": compare.Pass, "request_throughput": compare.Pass, "error_request_count": compare.Fail,
		"inter_token_latency": compare.Fail,
	}, verdicts(level))
	level.Invalid = "failed requests 3 %"
	assert.Equal(t, map[string]compare.Verdict{
		"time_to_first_token": compare.Inconclusive, "request_latency": compare.Inconclusive, "request_throughput": compare.Inconclusive,
		"error_request_count": compare.Fail, "inter_token_latency": compare.Fail,
	}, verdicts(level), "and what is missing fails")
	level.Unfinished = "it failed: why"
	for metric, verdict := range verdicts(level) {
		assert.Equal(t, compare.Fail, verdict, metric)
	}
}

// TestInvalidRunStandsForNothing in a trial: its block is measured again, twice at most.
func TestInvalidRunStandsForNothing(t *testing.T) {
	p := compare.Primary{Selector: compare.Selector{Metric: "request_latency", Statistic: "avg", Level: "c1"}, Percent: 5}
	trial := compare.NewTrial(compare.Design{Primaries: []compare.Primary{p}, Looks: []int{6}})
	good := compare.Level{Name: "c1", Figures: compare.Figures{"request_latency": {"avg": 100, "count": 1000}}}
	bad := good
	bad.Invalid = "output length shift 3 %"
	for range 2 { // block 0 counts for nothing
		trial.Add(compare.Result{Levels: []compare.Level{bad}})
	}
	for attempt := range 3 {
		step, more := trial.Next()
		require.True(t, more)
		assert.Equal(t, []int{1, attempt}, []int{step.Block, step.Attempt})
		trial.Add(compare.Result{Levels: []compare.Level{bad}})
	}
	_, more := trial.Next()
	assert.False(t, more)
	assert.Contains(t, trial.Judge().Reason, "c1 is INVALID: output length shift 3 %")
}
