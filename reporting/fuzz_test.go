package reporting

import (
	"bytes"
	"encoding/csv"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/reporting/export"
	"github.com/llmsweep/llmsweep/reporting/results"
	"github.com/llmsweep/llmsweep/reporting/summary"
)

// showable reads a benchmark and shows it as text: whatever its files hold, that ends, and gives lines that a terminal does not obey.
func showable(t *testing.T, dir string) *results.Benchmark {
	t.Helper()
	b, err := results.Read(dir, "b")
	require.NoError(t, err, "what cannot be read is a warning")
	assert.Len(t, b.Levels, 1-len(b.Unread))
	var text strings.Builder
	require.NoError(t, PrintTable(&text, dir, "b"))
	if len(b.Levels) > 0 {
		require.NoError(t, summary.Write(&text, summary.Input{Benchmarks: []*results.Benchmark{b}, Warnings: differences([]*results.Benchmark{b, b})}))
	}
	for line := range strings.Lines(text.String()) {
		assert.False(t, strings.ContainsFunc(strings.TrimSuffix(line, "\n"), func(r rune) bool { return !unicode.IsPrint(r) }), "%q", line)
	}
	return b
}

// drawable fails where a chart of a benchmark cannot be drawn.
func drawable(t *testing.T, b *results.Benchmark) {
	t.Helper()
	for _, c := range furtherCharts([]*results.Benchmark{b}) {
		require.NoError(t, c.Validate())
	}
}

func put(t *testing.T, data []byte, path ...string) {
	t.Helper()
	name := filepath.Join(path...)
	require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
	require.NoError(t, os.WriteFile(name, data, 0o600))
}

// FuzzAIPerf reads an aggregate of AIPerf's.
func FuzzAIPerf(f *testing.F) {
	data, err := os.ReadFile(filepath.Join(recorded, "aiperf", "c1", record.AggregateFile))
	require.NoError(f, err)
	f.Add(data)
	f.Add([]byte(`{"records":{"time_to_first_token":{"unit":"ms","avg":1e308,"count":-1,"p50":null}},"was_cancelled":true}`))
	f.Add([]byte(`{"records":null}`))
	f.Add([]byte(`{"a":{"unit":0,"avg":"1"},"output_token_throughput":{"unit":"","avg":-0.0}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		put(t, data, dir, "b", "c1", record.AggregateFile)
		b := showable(t, dir)
		_, warnings := charts([]*results.Benchmark{b})
		drawable(t, b)
		assert.LessOrEqual(t, len(warnings), 5)
	})
}

// FuzzForeign reads results of GenAI-Perf and of vllm bench serve, which stand under any name.
func FuzzForeign(f *testing.F) {
	data, err := os.ReadFile(filepath.Join("testdata", record.VLLMFile))
	require.NoError(f, err)
	f.Add("result.json", data)
	f.Add("x_genai_perf.json", []byte(`{"time_to_first_token":{"unit":"ns","avg":1e308,"p50":-1},"num_output_token":{"unit":"s","avg":1}}`))
	f.Add("a.json", []byte("{\"completed\":1e300,\"request_throughput\":-1,\"mean_ttft_ms\":1,\"\u001b_ttft_ms\":2}\n{\"completed\":3,\"request_throughput\":1}{"))
	f.Add("a.json", []byte(`{"completed":null,"request_throughput":"1"}`))
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		name = filepath.Base(strings.NewReplacer("\x00", "", "/", "").Replace(name))
		if len(name) > 100 || name == "." || name == ".." {
			return
		}
		dir := t.TempDir()
		put(t, data, dir, "b", "c1", name+".json")
		b := showable(t, dir)
		benchmarks := []*results.Benchmark{b}
		charts(benchmarks)
		var bench, tidy bytes.Buffer
		require.NoError(t, export.Bench(&bench, benchmarks))
		require.NoError(t, export.Tidy(&tidy, benchmarks))
		rows, err := csv.NewReader(&tidy).ReadAll()
		require.NoError(t, err)
		for _, row := range rows {
			assert.Len(t, row, 6)
		}
		for line := range strings.Lines(bench.String()) {
			assert.Regexp(t, `^(Benchmark\S+ 1( \S+ \S+)+|# .*|[a-z-]+: .*|Unit \S+ \S+|)\n$`, line)
		}
	})
}

// FuzzRecordings reads a run of ours that somebody has edited.
func FuzzRecordings(f *testing.F) {
	read := func(path ...string) []byte {
		data, err := os.ReadFile(filepath.Join(append([]string{recorded, "ours"}, path...)...))
		require.NoError(f, err)
		return data
	}
	run, level, log := read(record.RunFile), read("c1", record.LevelFile), read("c1", record.LogFile)
	lines := bytes.SplitAfterN(log, []byte("\n"), 3)
	f.Add(run, level, slices.Concat(lines[:2]...)) // a large one costs its time when it is made smaller
	f.Add([]byte(`{"warnings":["\u001b[2J\n"],"plan":{"model":"\u0007","endpoints":["\u202e"]}}`), []byte(`{"warnings":["\r"]}`), []byte("\x1b\n"))
	f.Add([]byte("{}"), []byte("{}"), []byte(`{"trace":{"outcome":"ok","phase":"profiling","end_ns":9223372036854775807,"chunks_ns":[-9223372036854775808,1]}}`))
	f.Add([]byte(`{"plan":{"gpus":-1,"concurrencies":[0]}}`), []byte(`{"concurrency":-7,"status":"running","ended_ns":-1,"instrument":{}}`), []byte("{\n"))
	f.Fuzz(func(t *testing.T, run, level, log []byte) {
		dir := t.TempDir()
		put(t, run, dir, "b", record.RunFile)
		put(t, level, dir, "b", "c1", record.LevelFile)
		put(t, log, dir, "b", "c1", record.LogFile)
		if b := showable(t, dir); b.Run != nil && len(b.Levels) > 0 {
			require.NoError(t, writeExports(b.Run, &b.Levels[0], record.Exports{VLLM: true}))
			drawable(t, b)
		}
	})
}
