package reporting

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/reporting/results"
)

// TestExportsAreChosen by whoever makes the report, and else by each run.
func TestExportsAreChosen(t *testing.T) {
	dir := copyRecorded(t)
	files := func(in Inputs) (all []string) {
		in.DataDir, in.Names, in.Exports = dir, []string{"ours"}, true
		plots := t.TempDir()
		_, err := Write(plots, in)
		require.NoError(t, err)
		for _, path := range []string{filepath.Join(plots, BenchFile), filepath.Join(plots, TidyFile), filepath.Join(dir, "ours", "c4", record.VLLMFile)} {
			if _, err := os.Stat(path); err == nil {
				all = append(all, filepath.Base(path))
			}
		}
		return all
	}
	assert.Equal(t, []string{BenchFile, TidyFile}, files(Inputs{}))
	assert.Empty(t, files(Inputs{Export: &record.Exports{}}))
	path := filepath.Join(dir, "ours", record.RunFile)
	var run record.Run
	require.NoError(t, record.ReadJSON(path, &run))
	run.Plan.Export = "vllm,csv"
	require.NoError(t, record.WriteJSON(path, &run))
	assert.Equal(t, []string{TidyFile, record.VLLMFile}, files(Inputs{}))
	golden(t, filepath.Join(dir, "ours", "c4", record.VLLMFile), filepath.Join("testdata", record.VLLMFile))

	require.NoError(t, os.Remove(filepath.Join(dir, "ours", "c4", record.VLLMFile)))
	_, err := CompleteLevel(filepath.Join(dir, "ours", "c4"))
	require.NoError(t, err)
	assert.FileExists(t, filepath.Join(dir, "ours", "c4", record.VLLMFile), "a process that was killed may have left it out")
}

// TestVLLMResultsComeBack: what we write is read as a level of vllm bench serve, whose table has the figures that ours has by its formulas.
func TestVLLMResultsComeBack(t *testing.T) {
	dir := copyRecorded(t)
	_, err := Write(t.TempDir(), Inputs{DataDir: dir, Names: []string{"ours"}, Exports: true, Export: &record.Exports{VLLM: true}})
	require.NoError(t, err)
	level := filepath.Join(dir, "theirs", "c4", "deep")
	require.NoError(t, os.MkdirAll(level, 0o755))
	data, err := os.ReadFile(filepath.Join(dir, "ours", "c4", record.VLLMFile))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(level, "openai-infqps-concurrency4-m-20260101-000000.json"), data, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(level, "a.pytorch.json"), []byte("[]"), 0o600)) // stands beside it
	theirs, err := results.Read(dir, "theirs")
	require.NoError(t, err)
	require.Len(t, theirs.Warnings, 1)
	assert.Contains(t, theirs.Warnings[0], "recorded by vllm bench serve, by whose formulas its figures are, in charts and comparisons, too: ")
	ours, err := results.Read(dir, "ours")
	require.NoError(t, err)
	ours.Follow(metric.VLLM)
	for _, tag := range []string{"request_throughput", "output_throughput"} {
		assert.Equal(t, ours.Levels[1].Shown[tag], theirs.Levels[0].Shown[tag])
	}
	for _, tag := range []string{"ttft", "tpot", "itl", "e2el"} {
		for _, statistic := range []string{"avg", "p50", "p90", "p99", "std"} {
			want, ok := ours.Levels[1].Shown.Get(tag, statistic)
			require.True(t, ok)
			got, ok := theirs.Levels[0].Shown.Get(tag, statistic)
			require.True(t, ok, "%s %s", tag, statistic)
			assert.InDelta(t, want, got, 0, "%s %s", tag, statistic)
		}
	}
	var table strings.Builder
	require.NoError(t, PrintTable(&table, dir, "theirs"))
	assert.Contains(t, table.String(), " vLLM formulas")
	assert.Contains(t, table.String(), "    4   n/a    12/0 ")

	report, err := Write(filepath.Join(dir, "plots"), Inputs{DataDir: dir, Names: []string{"ours", "theirs"}})
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(dir, "plots", SummaryFile))
	require.NoError(t, err)
	assert.Contains(t, string(text), "recorded by vllm bench serve; only its aggregates are known")
	pictures, _ := charts(report.Benchmarks)
	assert.Len(t, pictures[2].Series[1].Points, 1, "it has its place in the charts")
	assert.NoFileExists(t, filepath.Join(dir, "theirs", "c4", record.AggregateFile))
}

// TestGenAIPerf reads the aggregate of AIPerf's ancestor: in a folder of its own, under the name that its user chose, by its first names and in nanoseconds.
func TestGenAIPerf(t *testing.T) {
	dir := t.TempDir()
	put(t, []byte(`{"request_throughput":{"unit":"requests/sec","avg":2},"time_to_first_token":{"unit":"ns","avg":5e7,"p50":4e7,"count":12},
		"num_output_token":{"unit":"tokens","avg":100},"output_token_throughput":{"unit":"tokens/sec","avg":200},"request_latency":{"unit":"ms","avg":900},
		"input_config":{"model":["m"]}}`), dir, "a", "c2", "m-openai-chat-concurrency2", "my_profile_export_genai_perf.json")
	put(t, []byte(`{"version":1}`), dir, "a", "c2", "m-openai-chat-concurrency2", "inputs.json")
	b, err := results.Read(dir, "a")
	require.NoError(t, err)
	require.Empty(t, b.Warnings)
	l := &b.Levels[0]
	assert.Equal(t, results.OfGenAIPerf, l.Source)
	assert.Equal(t, map[string]float64{"avg": 50, "p50": 40, "count": 12}, l.Figures["time_to_first_token"])
	assert.Equal(t, map[string]float64{"avg": 100}, l.Figures["output_sequence_length"])
	assert.Equal(t, map[string]float64{"avg": 900}, l.Figures["request_latency"])
	var table strings.Builder
	require.NoError(t, PrintTable(&table, dir, "a"))
	assert.Contains(t, table.String(), "aggregates of GenAI-Perf do not hold the requests")

	put(t, []byte(`{"request_count":{"unit":"requests","avg":1}}`), dir, "a", "c2", "m-openai-chat-concurrency2", record.AggregateFile)
	b, err = results.Read(dir, "a")
	require.NoError(t, err)
	assert.Equal(t, results.OfAIPerf, b.Levels[0].Source, "which is the newer one")
}

// TestVLLMResultsOfOthers: of several results in one file the last counts; a failed one has no latency; a goodput is one; files that are none are passed over.
func TestVLLMResultsOfOthers(t *testing.T) {
	dir := t.TempDir()
	put(t, []byte(`{"completed":1,"request_throughput":1}
{"completed":300,"failed":2,"request_throughput":7.5,"request_goodput":5.0,"output_throughput":1500,"total_output_tokens":60000,"duration":40,
 "mean_ttft_ms":50.5,"p99_ttft_ms":90,"median_ttft_ms":49,"mean_tpot_ms":9,"p99.9_itl_ms":30,"ttfts":[1,2,3],"request_rate":"inf"}
{"completed":`), dir, "a", "c8", "b.json")
	put(t, []byte(`{"completed":0,"failed":9,"request_throughput":0.0,"mean_ttft_ms":0.0,"request_goodput":null}`), dir, "a", "c9", "r.json")
	put(t, []byte(`{"completed":9,"request_throughput":9.0,"request_goodput:":7.0}`), dir, "a", "c16", "benchmark_serving.json")
	put(t, []byte(`{"x":1}`), dir, "a", "c8", "a.json")
	b, err := results.Read(dir, "a")
	require.NoError(t, err)
	assert.Equal(t, []string{"c8: b.json has several results: the last one is shown",
		"recorded by vllm bench serve, by whose formulas its figures are, in charts and comparisons, too: its TTFT ends with the first event, empty or not"}, b.Warnings)
	require.Len(t, b.Levels, 3)
	l := &b.Levels[0]
	assert.Equal(t, map[string]float64{"avg": 50.5, "p50": 49, "p99": 90, "count": 300}, l.Figures["time_to_first_token"])
	assert.Equal(t, map[string]float64{"avg": 9, "count": 300}, l.Figures["inter_token_latency"])
	assert.Equal(t, map[string]float64{"avg": 200}, l.Figures["output_sequence_length"])
	assert.Equal(t, map[string]float64{"avg": 5}, l.Figures["goodput"])
	assert.NotContains(t, b.Levels[1].Figures, "time_to_first_token", "the tool's 0 is no time")
	assert.NotContains(t, b.Levels[1].Figures, "goodput")
	assert.Equal(t, map[string]float64{"avg": 7}, b.Levels[2].Figures["goodput"])
	var table strings.Builder
	require.NoError(t, PrintTable(&table, dir, "a"))
	assert.Contains(t, table.String(), "   300/2 50.5 49.0 90.0 9.00 n/a n/a  n/a n/a n/a n/a  1500  7.50")

	put(t, []byte(`{"request_count":{"unit":"requests","avg":1}}`), dir, "a", "c10", record.AggregateFile)
	b, err = results.Read(dir, "a")
	require.NoError(t, err)
	assert.Equal(t, metric.AIPerf, b.Convention)
	assert.Contains(t, b.Warnings, "c8: recorded by vllm bench serve, by whose formulas its figures are: its TTFT ends with the first event, empty or not")
}

// TestVLLMOfALevel by hand: good(i, n) has n chunks spread over a second from i seconds on. The level lasts from 0 to the last end at 4 s.
func TestVLLMOfALevel(t *testing.T) {
	dir := t.TempDir()
	writeTroubled(t, filepath.Join(dir, "troubled"))
	for slo, goodput := range map[string]any{
		"": nil, "time_to_first_token:300": 0.5, "inter_token_latency:400 request_latency:1000": 0.5, "request_latency:1000 time_to_first_output_token:1": nil,
	} {
		b, err := results.Options{SLO: objective(t, slo)}.Read(dir, "troubled")
		require.NoError(t, err)
		for i := range b.Levels {
			require.NoError(t, writeExports(b.Run, &b.Levels[i], record.Exports{VLLM: true}))
		}
		read := func(level string) (document map[string]any) {
			data, err := os.ReadFile(filepath.Join(dir, "troubled", level, record.VLLMFile))
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(data, &document))
			return document
		}
		document := read("c1")
		for key, want := range map[string]any{
			"completed": 3., "failed": 1., "duration": 4., "request_throughput": 0.75, "total_input_tokens": 24., "total_output_tokens": 10., "output_throughput": 2.5,
			"total_token_throughput": 8.5, "request_goodput": goodput, "num_prompts": 5., "request_rate": "inf", "burstiness": 1., "max_concurrency": 1.,
			"endpoint_type": "openai-chat", "label": "troubled", "mean_e2el_ms": 1000., "max_concurrent_requests": 2., "llmsweep_validity": "INVALID", "llmsweep_status": "done",
			"date": "20260102-030405",
		} {
			assert.Equal(t, want, document[key], "%s with %q", key, slo)
		}
		// Of four chunks, a quarter of a second apart, the last is in the next second.
		assert.InDelta(t, 3, document["max_output_tokens_per_s"], 0)
		failed := read("c2")
		for _, key := range []string{"mean_ttft_ms", "p99_e2el_ms", "request_throughput"} {
			assert.Contains(t, failed, key)
			assert.Nil(t, failed[key], key)
		}
		assert.InDelta(t, 2, failed["failed"], 0)
		assert.Equal(t, "failed", failed["llmsweep_status"])
		assert.Equal(t, "cancelled", read("c3")["llmsweep_status"])
	}
}

// TestHostileNamesInExports: no name ends a line, begins a formula or divides a benchmark's name.
func TestHostileNamesInExports(t *testing.T) {
	dir := t.TempDir()
	writeHostile(t, filepath.Join(dir, asFolder()))
	put(t, []byte(`{"=1+1":{"unit":"@x","avg":3,"-p":4},"request_count":{"unit":"requests","avg":1}}`), dir, "+b", "c1", record.AggregateFile)
	_, err := Write(filepath.Join(dir, "plots"), Inputs{DataDir: dir, Exports: true, Export: &record.Exports{Benchfmt: true, CSV: true, VLLM: true}})
	require.NoError(t, err)
	data, err := os.ReadFile(filepath.Join(dir, "plots", TidyFile))
	require.NoError(t, err)
	rows, err := csv.NewReader(strings.NewReader(string(data))).ReadAll()
	require.NoError(t, err, "each row has as many cells as the head")
	for _, row := range rows {
		for i, cell := range row {
			if i != 4 { // numbers
				assert.NotRegexp(t, `^[=+@-]|[\x00-\x1f]`, cell)
			}
		}
	}
	assert.Contains(t, rows, []string{"'+b", "c1", "'=1+1", "avg", "3", ""})
	bench, err := os.ReadFile(filepath.Join(dir, "plots", BenchFile))
	require.NoError(t, err)
	for line := range strings.Lines(string(bench)) {
		assert.Regexp(t, `^(BenchmarkServe/target=[A-Za-z0-9_.+%-]+/concurrency=\d+ 1( [0-9.]+ [a-z0-9/%-]+)+|# .*|[a-z-]+: .*|Unit [a-z0-9/%-]+ better=(lower|higher)|)\n$`, line)
	}
	vllm, err := os.ReadFile(filepath.Join(dir, asFolder(), "c1", record.VLLMFile))
	require.NoError(t, err)
	assert.True(t, json.Valid(vllm))
	assert.NotContains(t, string(vllm), "<script")
}
