package export

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/reporting/results"
)

// update writes the golden files anew. They are the exports beside the recording itself.
var update = flag.Bool("update", false, "write the golden files")

const recorded = "../testdata/results/ours"

func readRecorded(t *testing.T) (*record.Run, *results.Level) {
	t.Helper()
	var run record.Run
	require.NoError(t, record.ReadJSON(filepath.Join(recorded, record.RunFile), &run))
	level, err := results.ReadLevel(record.LevelDir{Path: filepath.Join(recorded, "c4"), Point: record.Point{Concurrency: 4}})
	require.NoError(t, err)
	return &run, level
}

// TestGolden holds the three exports of a recorded level against the files that stand beside it.
func TestGolden(t *testing.T) {
	run, level := readRecorded(t)
	var aggregate, table, requests bytes.Buffer
	require.NoError(t, Aggregate(&aggregate, run, level))
	require.NoError(t, Table(&table, level))
	require.NoError(t, Requests(&requests, level))
	for name, got := range map[string]*bytes.Buffer{record.AggregateFile: &aggregate, record.AggregateTable: &table, record.RequestsFile: &requests} {
		path := filepath.Join(level.Dir, name)
		if *update {
			require.NoError(t, os.WriteFile(path, got.Bytes(), 0o644))
		}
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, string(want), got.String(), name)
	}
}

// TestAggregateHasTheSchemasKeys looks for what readers of AIPerf's files look for.
func TestAggregateHasTheSchemasKeys(t *testing.T) {
	run, level := readRecorded(t)
	var b bytes.Buffer
	require.NoError(t, Aggregate(&b, run, level))
	var document map[string]any
	require.NoError(t, json.Unmarshal(b.Bytes(), &document))
	for _, key := range []string{"schema_version", "aiperf_version", "benchmark_id", "input_config", "run_info", "was_cancelled", "error_summary", "start_time", "end_time"} {
		assert.Contains(t, document, key)
	}
	asked := func() map[string]any { return document["input_config"].(map[string]any)["endpoint"].(map[string]any) }
	assert.Equal(t, []any{"chat", true}, []any{asked()["type"], asked()["streaming"]}, "of before there was another way to ask")
	run.Plan.EndpointType, run.Plan.Unstreamed = record.Completions, true
	var other bytes.Buffer
	require.NoError(t, Aggregate(&other, run, level))
	require.NoError(t, json.Unmarshal(other.Bytes(), &document))
	assert.Equal(t, []any{"completions", false}, []any{asked()["type"], asked()["streaming"]})
	assert.Equal(t, "1.3", document["schema_version"])
	assert.Equal(t, []any{}, document["error_summary"])
	ttft := document["time_to_first_token"].(map[string]any)
	assert.Len(t, ttft, 1+len(statistics()))
	assert.Equal(t, "ms", ttft["unit"])
	count := document["request_count"].(map[string]any)
	assert.Equal(t, map[string]any{"unit": "requests", "avg": 12.0}, count)
	assert.NotContains(t, document, "error_request_count", "absent when zero")
	assert.Equal(t, "2000-01-01T00:00:00.000000+00:00", document["start_time"])
}

func TestTableIsTwoTables(t *testing.T) {
	_, level := readRecorded(t)
	level.Results = append(level.Results, metric.Result{Definition: metric.Definition{Tag: "zzz", Name: "Odd, name", Unit: "ms"}, Value: math.NaN()})
	var b bytes.Buffer
	require.NoError(t, Table(&b, level))
	parts := strings.Split(b.String(), "\n\n")
	require.Len(t, parts, 2)
	distributions, err := csv.NewReader(strings.NewReader(parts[0])).ReadAll()
	require.NoError(t, err)
	assert.Equal(t, append([]string{"Metric"}, csvStatistics()...), distributions[0])
	single, err := csv.NewReader(strings.NewReader(parts[1])).ReadAll()
	require.NoError(t, err)
	assert.Equal(t, []string{"Metric", "Value"}, single[0])
	assert.Contains(t, single, []string{"Request Count", "12.00"})
	assert.Equal(t, []string{"Odd, name (ms)", ""}, single[len(single)-1])
}

func TestNumbersWithoutValueAreLeftOut(t *testing.T) {
	got := figure("x", "ms", true, results.Figures{"x": {"avg": math.NaN(), "p50": math.Inf(1), "p99": 3}})
	assert.Equal(t, object{{"unit", "ms"}, {"p99", 3.0}}, got)
}

func TestRequestsSkipsWhatIsNoRecord(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, record.LogFile)
	require.NoError(t, os.WriteFile(path, []byte(`{"metadata":{"session_num":1},"metrics":{"a":{"value":1,"unit":"ms"}},"trace":{"start_ns":1}}
not json

{"metadata":{"session_num":2},"metrics":{},"error":{"code":500},"trace":{}}
{"metadata":{"session`), 0o600))
	var b bytes.Buffer
	require.NoError(t, Requests(&b, &results.Level{Dir: dir, Record: &record.Level{}}))
	assert.JSONEq(t, `{"schema_version":"1.0","requests":[{"metadata":{"session_num":1},"metrics":{"a":{"value":1,"unit":"ms"}}},
		{"metadata":{"session_num":2},"metrics":{},"error":{"code":500}}]}`, b.String())
}

func TestCommandRepeatsTheRun(t *testing.T) {
	run := &record.Run{Plan: record.Plan{
		BenchmarkName: "a", Endpoints: []string{"http://h:1/v1/chat/completions"}, Model: "m", ISL: 1, StdDev: 2, OSL: 3, Concurrencies: []int{1, 10},
		RequestCount: 7, WarmupRequests: 8, Seed: 4, Nonce: 5, GPUs: 2, Compat: "openai",
		ExtraInputs: map[string]any{"user": "it's me"}, Headers: map[string]string{"X-A": "env:A", "X-B": "[redacted]"},
	}}
	assert.Equal(t, "go test ./bench -run Sweep -v -count=1 -timeout 0 -endpoint=http://h:1/v1/chat/completions -benchmark-name=a -model=m "+
		"-isl=1 -std=2 -osl=3 -concurrencies=1,10 -seed=4 -nonce=5 -request-count=7 -warmup-requests=8 "+
		`-gpus=2 -compat=openai -extra-inputs='{"user":"it'\''s me"}' -header=X-A:env:A`, Command(run))
	run.Plan.EndpointType, run.Plan.Unstreamed = record.Completions, true
	assert.Contains(t, Command(run), " -endpoint-type=completions -streaming=false -compat=openai ")
	run.Plan.WarmupDuration, run.Plan.WarmupRate, run.Plan.Arrival, run.Plan.WarmupGrace = time.Minute, 0.5, "gamma", new(time.Duration)
	run.Plan.Burstiness = 2
	assert.Contains(t, Command(run), " -arrival=gamma -burstiness=2 -concurrencies=1,10 ")
	assert.Contains(t, Command(run), " -warmup-requests=8 -warmup-duration=1m0s -warmup-request-rate=0.5 -warmup-grace-period=0s ")
	run.Plan.WarmupConcurrency = 3
	own, err := json.Marshal(warmup(&run.Plan))
	require.NoError(t, err)
	assert.JSONEq(t, `{"warmup_duration":60,"warmup_concurrency":3,"warmup_request_rate":0.5,"warmup_grace_period":0}`, string(own))
	run.Plan.PrefillCap, run.Plan.CancelRate, run.Plan.CancelDelay = 2, 12.5, time.Second
	assert.Contains(t, Command(run), " -prefill-concurrency=2 -cancel-rate=12.5 -cancel-delay=1s ")
	run.Plan.EmbeddedMock = true
	assert.NotContains(t, Command(run), "-endpoint=")
	run.Plan.Virtual = true
	assert.Contains(t, Command(run), " -virtual ")
}

// TestLengthsOfTheWorkload: whatever says how long prompts are, the command says it again, and the configuration names it as AIPerf's does.
func TestLengthsOfTheWorkload(t *testing.T) {
	run, level := readRecorded(t)
	for _, c := range []struct {
		plan            record.Plan
		command, config string
	}{
		{record.Plan{ISL: 5, OSL: 6}, " -isl=5 -std=0 -osl=6 -concurrencies=", `{"input_tokens":{"mean":5,"stddev":0},"output_tokens":{"mean":6,"stddev":0}}`},
		{record.Plan{SeqDist: "5,6:40;lognormal(7|1),8:60"}, ` -seq-dist='5,6:40;lognormal(7|1),8:60' -concurrencies=`, `{"sequence_distribution":"5,6:40;lognormal(7|1),8:60"}`},
		{record.Plan{SeqDist: "5,6", Prefixes: record.Prefixes{System: 1, Length: 2, Pool: 3}},
			" -seq-dist=5,6 -shared-system-prompt-length=1 -prefix-length=2 -prefix-pool=3 -concurrencies=",
			`{"sequence_distribution":"5,6","prefix_prompt":{"pool_size":3,"length":2,"ratio":0,"shared_system_prompt_length":1}}`},
		{record.Plan{ISL: 5, OSL: 6, ConcurrencyRamp: time.Minute}, " -concurrencies='' -concurrency-ramp-duration=1m0s -seed=",
			`{"input_tokens":{"mean":5,"stddev":0},"output_tokens":{"mean":6,"stddev":0}}`},
		{record.Plan{ISL: 5, OSL: 6, RequestRates: []float64{2}, RateRamp: time.Second, RateRampFrom: 0.5, Arrival: "poisson"},
			" -request-rate=2 -arrival=poisson -request-rate-ramp-duration=1s -request-rate-ramp-from=0.5 -seed=",
			`{"input_tokens":{"mean":5,"stddev":0},"output_tokens":{"mean":6,"stddev":0}}`},
		{record.Plan{ISL: 5, OSL: 6, Prefixes: record.Prefixes{Ratio: 0.5}}, " -isl=5 -std=0 -prefix-ratio=0.5 -osl=6 -concurrencies=",
			`{"input_tokens":{"mean":5,"stddev":0},"output_tokens":{"mean":6,"stddev":0},"prefix_prompt":{"pool_size":1,"length":0,"ratio":0.5,"shared_system_prompt_length":0}}`},
	} {
		run.Plan = c.plan
		assert.Contains(t, Command(run), c.command)
		var b bytes.Buffer
		require.NoError(t, Aggregate(&b, run, level))
		var document struct {
			Config struct {
				Input struct{ Prompt json.RawMessage }
			} `json:"input_config"`
		}
		require.NoError(t, json.Unmarshal(b.Bytes(), &document))
		assert.JSONEq(t, c.config, string(document.Config.Input.Prompt))
	}
}
