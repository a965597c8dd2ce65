package reporting

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/compare"
	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/reporting/results"
)

func objective(t *testing.T, text string) metric.SLO {
	t.Helper()
	slo, err := metric.ParseSLO(text)
	require.NoError(t, err)
	return slo
}

// TestGoodputOfARecording: of c1 two of the three that ended well are quick enough, one was rejected, and the one that -duration left out is the plan's.
// Of c2, which failed, and c3, which a signal stopped, what was never started is a miss.
func TestGoodputOfARecording(t *testing.T) {
	dir := copyRecorded(t)
	writeTroubled(t, filepath.Join(dir, "troubled"))
	in := Inputs{DataDir: dir, Names: []string{"troubled"}, SLO: objective(t, "time_to_first_token:300"), Exports: true}
	report, err := Write(filepath.Join(dir, "plots"), in)
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(dir, "plots", SummaryFile))
	require.NoError(t, err)
	assert.Contains(t, string(text), " Goodput (AIPerf formulas): time_to_first_token <= 300 ms\n")
	for _, row := range []string{"   1!    2  4 50.00 [needs 40] 0.500       1\n", "  2*!    0  3  0.00 [needs 40] 0.000       0\n", "  3*!    1  3 33.33 [needs 40]  1.00       0\n"} {
		assert.Contains(t, string(text), row)
	}
	pictures, _ := charts(report.Benchmarks)
	require.Len(t, pictures, 7)
	assert.Equal(t, "goodput_vs_concurrency.png", pictures[5].File)
	assert.Equal(t, "Good: time_to_first_token <= 300 ms. Hollow: INVALID (troubled at 1). Left out: not finished (troubled at 2, 3)", pictures[5].Note)
	require.Len(t, pictures[6].Series[0].Points, 1, "the others did not run to their end")
	assert.InDelta(t, 50, pictures[6].Series[0].Points[0].Y, 1e-9)
	assert.Equal(t, 4, pictures[6].Series[0].Points[0].N)

	data, err := os.ReadFile(filepath.Join(dir, "troubled", "c1", record.AggregateFile))
	require.NoError(t, err)
	var document map[string]any
	require.NoError(t, json.Unmarshal(data, &document))
	assert.Equal(t, map[string]any{"unit": "requests", "avg": 2.}, document["good_request_count"])
	assert.Equal(t, map[string]any{"unit": "requests/sec", "avg": 0.5}, document["goodput"])
	assert.Equal(t, map[string]any{"unit": "%", "avg": 50.}, document["slo_attainment"])
	assert.Equal(t, map[string]any{"objectives": "time_to_first_token:300", "good": 2., "of": 4., "by_plan": 1.}, document["llmsweep"].(map[string]any)["slo"])
	table, err := os.ReadFile(filepath.Join(dir, "troubled", "c1", record.AggregateTable))
	require.NoError(t, err)
	assert.Contains(t, string(table), "Good Request Count,2.00\nGoodput (requests/sec),0.50\n")
}

// TestObjectivesOfTheRun count where the reader has none, and differences between benchmarks are said.
func TestObjectivesOfTheRun(t *testing.T) {
	dir := copyRecorded(t)
	path := filepath.Join(dir, "ours", record.RunFile)
	var run record.Run
	require.NoError(t, record.ReadJSON(path, &run))
	run.Plan.SLO = "time_to_first_token:20"
	require.NoError(t, record.WriteJSON(path, &run))
	require.NoError(t, os.CopyFS(filepath.Join(dir, "plain"), os.DirFS(filepath.Join(recorded, "ours"))))
	level, err := WriteLevel(filepath.Join(dir, "ours", "c1"))
	require.NoError(t, err)
	assert.Equal(t, metric.Attained{Good: 12, Of: 12}, level.Attained)
	var all []string
	for _, a := range Attributes(level) {
		all = append(all, a.Key+"="+a.Value)
	}
	assert.Contains(t, all, "slo_attainment=good=12 of=12 share=1.0000")

	report, err := Write(filepath.Join(dir, "plots"), Inputs{DataDir: dir, Names: []string{"ours", "plain"}})
	require.NoError(t, err)
	assert.Contains(t, report.Warnings, "the benchmarks are not alike in objectives (slo): time_to_first_token:20 (ours) against none (plain)")
	report, err = Write(filepath.Join(dir, "plots"), Inputs{DataDir: dir, Names: []string{"ours", "plain"}, SLO: objective(t, "request_latency:1")})
	require.NoError(t, err)
	assert.Empty(t, report.Warnings)
	for _, b := range report.Benchmarks {
		assert.Equal(t, metric.Attained{Of: 12}, b.Levels[0].Attained, "what the reader asks for stands in place of the run's")
	}

	run.Plan.SLO = "nonsense"
	require.NoError(t, record.WriteJSON(path, &run))
	b, err := results.Read(dir, "ours")
	require.NoError(t, err)
	assert.Contains(t, b.Warnings[0], `slo of its run.json: "nonsense": must be a metric and its limit`)
}

// TestGoodputOfAIPerf is by the objectives of its own run, which a reader's cannot replace.
func TestGoodputOfAIPerf(t *testing.T) {
	dir := t.TempDir()
	put(t, []byte(`{"request_count":{"unit":"requests","avg":10},"goodput":{"unit":"requests/sec","avg":2.5},"good_request_count":{"unit":"requests","avg":5}}`), dir, "a", "c1", record.AggregateFile)
	b, err := results.Read(dir, "a")
	require.NoError(t, err)
	pictures := goodputCharts([]*results.Benchmark{b})
	require.Len(t, pictures, 1)
	assert.InDelta(t, 2.5, pictures[0].Series[0].Points[0].Y, 0)
	b, err = results.Options{SLO: objective(t, "request_latency:1")}.Read(dir, "a")
	require.NoError(t, err)
	assert.Empty(t, goodputCharts([]*results.Benchmark{b}))
	assert.Equal(t, []string{"c1: its goodput is left out: it is by objectives of its own run, and -slo needs the requests"}, b.Warnings)
}

// TestGatesOnGoodput are limits like others; without an SLO there is nothing to judge, and that fails.
func TestGatesOnGoodput(t *testing.T) {
	dir := copyRecorded(t)
	rules, err := compare.ParseRules([]byte("limits:\n- {metric: goodput, level: c4, min: 1}\n- {metric: good_request_count, level: c4, min: 12}\n- {metric: slo_attainment, level: c4, min: 99}\n"))
	require.NoError(t, err)
	assert.Equal(t, []string{"goodput", "good_request_count", "slo_attainment"}, rules.OfSLO())
	for slo, want := range map[string][]compare.Verdict{
		"request_latency:100": {compare.Pass, compare.Pass, compare.Pass},
		"request_latency:1":   {compare.Fail, compare.Fail, compare.Fail},
		"":                    {compare.Fail, compare.Fail, compare.Fail},
	} {
		run, err := Judgeable(filepath.Join(dir, "ours"), objective(t, slo))
		require.NoError(t, err)
		var got []compare.Verdict
		for _, f := range rules.Check(run.Levels) {
			got = append(got, f.Verdict)
			if slo == "" && f.Metric != "good_request_count" {
				assert.Contains(t, f.Text, "is not among the figures of c4")
			}
		}
		assert.Equal(t, want, got, "%s", slo)
	}
	margins, err := compare.ParseRules([]byte("margins:\n- {metric: goodput, margin: 5%}\n"))
	require.NoError(t, err, "more of it is better")
	assert.Equal(t, []string{"goodput"}, margins.OfSLO())
}
