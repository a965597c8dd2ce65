package export

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/steady"
	"github.com/llmsweep/llmsweep/reporting/results"
)

// repeatedLevel has a run for each TTFT.
func repeatedLevel(ttft ...float64) *results.Level {
	l := &results.Level{Dir: "b/c4"}
	for i, v := range ttft {
		ofRequests := metric.Result{Definition: metric.Definition{Tag: "time_to_first_token", Unit: "ms", PerRequest: true}}
		whole := metric.Result{Definition: metric.Definition{Tag: "request_throughput", Unit: "requests/sec"}}
		l.Runs = append(l.Runs, results.Level{
			Dir: "b/c4/" + record.RunName(i+1), Record: &record.Level{Status: record.Done}, Results: []metric.Result{ofRequests, whole},
			Figures: results.Figures{"time_to_first_token": {"avg": v, "p50": v + 1, "count": 10, "sum": 10 * v}, "request_throughput": {"avg": 5}},
		})
	}
	return l
}

// TestFiguresOverRunsInAIPerfsForm holds them against hand calculation: mean 108.2, squares 304.8, t of 4 degrees 2.776445.
func TestFiguresOverRunsInAIPerfsForm(t *testing.T) {
	run := &record.Run{Plan: record.Plan{Repeats: 6}}
	l := repeatedLevel(100, 110, 121, 110, 100)
	l.Validity = steady.Validity{Standing: steady.Invalid}
	l.Record = &record.Level{Instrument: &record.Instrument{Verdict: record.ClientLimited}}
	last := &l.Runs[4]
	last.Results = append(last.Results, metric.Result{Definition: metric.Definition{Tag: "error_request_count", Unit: "requests"}, Value: 3})
	last.Figures["error_request_count"] = map[string]float64{"avg": 3}
	l.Runs = append(l.Runs, results.Level{Dir: "b/c4/run-6", Record: &record.Level{Status: record.Failed, Reason: "why"}})
	var b bytes.Buffer
	require.NoError(t, Runs(&b, run, l))
	var document struct {
		Metadata map[string]any
		Metrics  map[string]map[string]any
		Llmsweep map[string]any
	}
	require.NoError(t, json.Unmarshal(b.Bytes(), &document))
	assert.Equal(t, map[string]any{
		"aggregation_type": "confidence", "num_profile_runs": 6., "num_successful_runs": 5., "failed_runs": 1., "confidence_level": 0.95, "cooldown_seconds": 0.,
		"run_labels": []any{"run-1", "run-2", "run-3", "run-4", "run-5"},
	}, document.Metadata)
	assert.Equal(t, map[string]any{"version": "", "lost": "run-6: it failed: why", "validity": "INVALID", "client": "client limited"}, document.Llmsweep)
	require.Len(t, document.Metrics, 4, "avg and p50 of the requests, avg of the whole and of the errors; counts and sums are none")
	assert.InDelta(t, 3./5, document.Metrics["error_request_count_avg"]["mean"], 1e-12, "the last run had three, the others none, which AIPerf leaves out")
	ttft := document.Metrics["time_to_first_token_avg"]
	std := math.Sqrt(304.8 / 4)
	half := 2.776445 * std / math.Sqrt(5)
	for key, want := range map[string]float64{
		"mean": 108.2, "std": std, "min": 100, "max": 121, "cv": std / 108.2, "se": std / math.Sqrt(5), "ci_low": 108.2 - half, "ci_high": 108.2 + half, "t_critical": 2.776445,
	} {
		assert.InEpsilon(t, want, ttft[key], 1e-6, key)
	}
	assert.Equal(t, "ms", ttft["unit"])
	// In units of log 1.1 the runs are 0, 1, 2, 1, 0.
	unit := math.Log(1.1)
	ours := ttft["llmsweep"].(map[string]any)
	assert.InEpsilon(t, 100*math.Exp(0.8*unit), ours["geometric_mean"], 1e-9)
	assert.InEpsilon(t, 100*math.Exp(0.8*unit-2.776445*math.Sqrt(0.7/5)*unit), ours["low"], 1e-6)
	assert.InDelta(t, 5, document.Metrics["request_throughput_avg"]["ci_high"], 0)

	b.Reset()
	require.NoError(t, RunsTable(&b, l))
	rows, err := csv.NewReader(&b).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 5)
	assert.Equal(t, []string{"metric", "mean", "std", "min", "max", "cv", "se", "ci_low", "ci_high", "t_critical", "unit"}, rows[0])
	assert.Equal(t, []string{"time_to_first_token_p50", "109.2"}, rows[2][:2])
}

// TestFewRuns: two have AIPerf's interval and none of ours, one is itself.
func TestFewRuns(t *testing.T) {
	for n, half := range map[int]float64{1: 0, 2: 12.706205 * 5} {
		l := repeatedLevel([]float64{100, 110}[:n]...)
		var b bytes.Buffer
		require.NoError(t, Runs(&b, &record.Run{Plan: record.Plan{Repeats: n}}, l))
		var document struct{ Metrics map[string]map[string]any }
		require.NoError(t, json.Unmarshal(b.Bytes(), &document))
		ttft := document.Metrics["time_to_first_token_avg"]
		assert.InDelta(t, ttft["mean"].(float64)-half, ttft["ci_low"], 1e-5)
		assert.NotContains(t, ttft, "llmsweep")
	}
}
