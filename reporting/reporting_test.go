package reporting

import (
	"flag"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/record"
)

// update writes the golden files anew.
var update = flag.Bool("update", false, "write the golden files")

const recorded = "testdata/results"

func copyRecorded(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(recorded)))
	return dir
}

// TestSummaryGolden holds SUMMARY.txt over one benchmark of ours with troubles, one without, and one of AIPerf's against a file to
// read.
func TestSummaryGolden(t *testing.T) {
	dir := copyRecorded(t)
	writeTroubled(t, filepath.Join(dir, "troubled"))
	report, err := Write(filepath.Join(dir, "plots"), Inputs{DataDir: dir, Names: []string{"ours", "troubled", "aiperf"}, Markdown: true})
	require.NoError(t, err)
	assert.Len(t, report.Files, 10)
	summaryIs(t, dir, "testdata/SUMMARY.txt")
	for _, name := range []string{BenchFile, TidyFile, MarkdownFile} {
		golden(t, filepath.Join(dir, "plots", name), filepath.Join("testdata", name))
	}
}

// golden holds a file against a golden one.
func golden(t *testing.T, path, golden string) {
	t.Helper()
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	if *update {
		require.NoError(t, os.WriteFile(golden, got, 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	assert.Equal(t, string(want), string(got))
}

// summaryIs holds the summary in dir's plots against a golden file.
func summaryIs(t *testing.T, dir, golden string) {
	t.Helper()
	got, err := os.ReadFile(filepath.Join(dir, "plots", SummaryFile))
	require.NoError(t, err)
	text := strings.ReplaceAll(string(got), dir, "DIR")
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(text), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	assert.Equal(t, string(want), text)
	for line := range strings.Lines(text) {
		assert.LessOrEqual(t, len(line), 101, line)
	}
}

// writeTroubled records a run whose first level failed in part, whose second failed wholly, and whose third was interrupted.
func writeTroubled(t *testing.T, dir string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(dir, 0o755))
	started := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	require.NoError(t, record.WriteJSON(filepath.Join(dir, record.RunFile), &record.Run{
		SchemaVersion: record.SchemaVersion, Tool: record.Tool{Name: "llmsweep", Version: "0.1.0"}, CreatedAt: started,
		Plan: record.Plan{
			BenchmarkName: "troubled", Endpoints: []string{"http://server:8000/v1/chat/completions"}, Model: "m", ISL: 8, OSL: 4,
			Concurrencies: []int{1, 2, 3}, GPUs: 1, GPUsAssumed: true, Tokenizer: "t", Compat: "llm",
		},
		Host: &record.Host{OS: "linux", Arch: "amd64", CPUs: 2, CPU: "CPU", GoVersion: "go1"},
	}))
	write := func(c int, status record.Status, reason string, samples ...*record.Sample) {
		level := filepath.Join(dir, record.LevelName(c))
		require.NoError(t, os.MkdirAll(level, 0o755))
		counts := record.Counts{Planned: len(samples) + 1, NotStarted: len(samples) + 1, Outcomes: map[record.Outcome]int{}}
		log, err := record.CreateLog(filepath.Join(level, record.LogFile), started)
		require.NoError(t, err)
		for _, s := range samples {
			counts.Count(s)
			require.NoError(t, log.Append(s, metric.NewCalculator().Of(s)))
		}
		require.NoError(t, log.Close())
		require.NoError(t, record.WriteJSON(filepath.Join(level, record.LevelFile), &record.Level{
			SchemaVersion: record.SchemaVersion, Point: record.Point{Concurrency: c}, Status: status, Reason: reason, StartedAt: started, EndedNS: 5e9, Counts: counts,
		}))
	}
	write(1, record.Done, "", good(0, 4), good(1, 2), bad(2, record.Rejected, 503), good(3, 4))
	write(2, record.Failed, "2 of 2 requests failed (2 cut); the limit is 5 %", bad(0, record.Cut, 502), bad(1, record.Cut, 502))
	write(3, record.Interrupt, "received interrupt", good(0, 4), bad(1, record.Cancelled, 499))
}

// good is a request of 1 s that started at i seconds and gave n tokens, counted by the tokenizer.
func good(i, n int) *record.Sample {
	s := &record.Sample{
		Index: i, Phase: record.Profiling, Outcome: record.OK, StartNS: int64(i) * 1e9, ScheduledNS: int64(i) * 1e9, EndNS: int64(i+1) * 1e9,
		HeadersNS: int64(i)*1e9 + 1, RequestedOSL: 4, FinishReason: map[bool]string{true: "length", false: "stop"}[n == 4], Counted: record.Counted{ISL: 8, OSL: n, Source: record.FromTokenizer},
	}
	for k := range n {
		s.ChunksNS = append(s.ChunksNS, s.StartNS+int64(k+1)*1e9/int64(n))
	}
	return s
}

func bad(i int, outcome record.Outcome, code int) *record.Sample {
	reason := record.HTTPStatus(code)
	if outcome != record.Rejected {
		reason = record.Reasons(outcome)[0]
	}
	return &record.Sample{
		Index: i, Phase: record.Profiling, Outcome: outcome, Reason: reason, StartNS: int64(i) * 1e9, EndNS: int64(i)*1e9 + 5e8, HeadersNS: record.Never,
		RequestedOSL: 4, Counted: record.Counted{ISL: 8}, Error: &record.Error{Code: code, Type: string(outcome), Message: "why"},
	}
}

// TestWriteIsRepeatable: the same files give the same bytes, and exports that are lost come back.
func TestWriteIsRepeatable(t *testing.T) {
	dir := copyRecorded(t)
	for _, name := range []string{record.AggregateFile, record.AggregateTable, record.RequestsFile} {
		require.NoError(t, os.Remove(filepath.Join(dir, "ours", "c4", name)))
	}
	before, err := os.ReadFile(filepath.Join(dir, "aiperf/c1", record.AggregateFile))
	require.NoError(t, err)
	first := map[string][]byte{}
	for range 2 {
		report, err := Write(filepath.Join(dir, "plots"), Inputs{DataDir: dir, Exports: true})
		require.NoError(t, err)
		for _, path := range report.Files {
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			if first[path] == nil {
				first[path] = data
			}
			assert.True(t, string(first[path]) == string(data), path)
		}
	}
	for _, name := range []string{record.AggregateFile, record.AggregateTable, record.RequestsFile} {
		want, err := os.ReadFile(filepath.Join(recorded, "ours", "c4", name))
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join(dir, "ours", "c4", name))
		require.NoError(t, err)
		assert.Equal(t, string(want), string(got))
	}
	after, err := os.ReadFile(filepath.Join(dir, "aiperf/c1", record.AggregateFile))
	require.NoError(t, err)
	assert.Equal(t, before, after, "a folder that is not ours is not written to")
	assert.NoFileExists(t, filepath.Join(dir, "aiperf/c1", record.AggregateTable))
}

func TestPicturesHaveTheGuidesNames(t *testing.T) {
	dir := copyRecorded(t)
	_, err := Write(filepath.Join(dir, "plots"), Inputs{DataDir: dir, Exports: true})
	require.NoError(t, err)
	for _, name := range []string{
		"p50_inter_token_latency_vs_concurrency", "avg_inter_token_latency_vs_concurrency", "avg_time_to_first_token_vs_concurrency",
		"request_throughput_vs_concurrency", "efficiency_tok_s_gpu_vs_user",
	} {
		file, err := os.Open(filepath.Join(dir, "plots", name+".png"))
		require.NoError(t, err)
		_, err = png.Decode(file)
		assert.NoError(t, err)
		require.NoError(t, file.Close())
	}
}

func TestSeriesFollowTheOrderOfTheNames(t *testing.T) {
	report, err := Write(t.TempDir(), Inputs{DataDir: copyRecorded(t), Names: []string{"ours", "aiperf", "ours"}})
	require.NoError(t, err)
	pictures, _ := charts(report.Benchmarks)
	require.Len(t, pictures, 5)
	for _, c := range pictures {
		require.Len(t, c.Series, 2, "a name that is given twice counts once")
		assert.Equal(t, "ours", c.Series[0].Name)
		assert.Equal(t, "aiperf", c.Series[1].Name)
	}
	scatter := pictures[4]
	assert.Equal(t, "Tokens/sec per GPU", scatter.YLabel)
	assert.Equal(t, "Note: Numbers on dots indicate concurrency level. 1 GPU is assumed for aiperf. Left out: not finished (aiperf at 10)", scatter.Note)
	assert.Equal(t, "Tokens/sec per GPU (1 GPU assumed)", efficiency(report.Benchmarks[1:]).YLabel)
	require.Len(t, scatter.Series[1].Points, 2, "c10 was cancelled")
	assert.Equal(t, "20", scatter.Series[1].Points[1].Label)
	assert.InDelta(t, 3.1*200/20, scatter.Series[1].Points[1].X, 1e-9, "request rate x measured length where no throughput is recorded")
	throughput, ok := report.Benchmarks[0].Levels[1].Figures.Get("output_token_throughput", "avg")
	require.True(t, ok)
	assert.InDelta(t, throughput/4, scatter.Series[0].Points[1].X, 1e-9)
	assert.InDelta(t, throughput/2, scatter.Series[0].Points[1].Y, 1e-9, "two GPUs")
}

func TestNothingToReportOn(t *testing.T) {
	dir := copyRecorded(t)
	_, err := Write(t.TempDir(), Inputs{DataDir: filepath.Join(dir, "missing")})
	assert.ErrorContains(t, err, "missing\" does not exist")
	_, err = Write(t.TempDir(), Inputs{DataDir: dir, Names: []string{"ours", "nope", "neither"}})
	assert.ErrorContains(t, err, `no benchmark "nope", "neither" in`)
	assert.ErrorContains(t, err, "there are: aiperf, ours")
	_, err = Judgeable(filepath.Join(dir, "nope"), nil)
	assert.EqualError(t, err, fmt.Sprintf(`no benchmark "nope" in %q; there are: aiperf, ours`, dir))
	_, err = Judgeable(filepath.Join(dir, "missing", "nope"), nil)
	assert.EqualError(t, err, fmt.Sprintf("data-dir %q does not exist", filepath.Join(dir, "missing")))
	_, err = Write(t.TempDir(), Inputs{DataDir: t.TempDir()})
	assert.ErrorContains(t, err, "no benchmark results in")

	require.NoError(t, os.Remove(filepath.Join(dir, "ours/c1/level.json")))
	require.NoError(t, os.Remove(filepath.Join(dir, "ours/c4/level.json")))
	plots := filepath.Join(t.TempDir(), "plots")
	_, err = Write(plots, Inputs{DataDir: dir, Names: []string{"ours"}})
	assert.ErrorContains(t, err, "ours left out: no level of it can be read")
	assert.NoDirExists(t, plots)
}

func TestThirteenBenchmarksAreTooMany(t *testing.T) {
	dir := t.TempDir()
	for i := range 13 {
		require.NoError(t, os.CopyFS(filepath.Join(dir, fmt.Sprintf("b%02d", i)), os.DirFS(filepath.Join(recorded, "aiperf"))))
	}
	_, err := Write(t.TempDir(), Inputs{DataDir: dir})
	var tooMany *TooManyError
	require.ErrorAs(t, err, &tooMany)
	assert.Len(t, tooMany.Names, 13)
	assert.ErrorContains(t, err, "b00, b01")
	report, err := Write(t.TempDir(), Inputs{DataDir: dir, Names: tooMany.Names[:12]})
	require.NoError(t, err)
	assert.Len(t, report.Benchmarks, 12)
}

func TestAttributesHaveKeysThatJUnitTakes(t *testing.T) {
	level, err := WriteLevel(filepath.Join(copyRecorded(t), "ours", "c4"))
	require.NoError(t, err)
	attributes := Attributes(level)
	require.Len(t, attributes, 7)
	for _, a := range attributes {
		assert.NotContains(t, a.Key, " ")
		assert.NotContains(t, a.Value, "\n")
	}
	assert.Equal(t, []Attribute{{"requests", "ok=12 failed=0 in_flight=4.00"}, {"validity", "VALID"}}, attributes[:2])
	for status, want := range map[record.Status]string{
		record.Interrupt: "NOT FINISHED: it was stopped: why", record.Failed: "NOT FINISHED: it failed: why", record.Running: "NOT FINISHED: its run was killed", record.Capped: "VALID",
	} {
		level.Record.Status, level.Record.Reason = status, "why"
		assert.Contains(t, Attributes(level), Attribute{"validity", want})
	}
}

func TestPrintTable(t *testing.T) {
	dir := copyRecorded(t)
	writeTroubled(t, filepath.Join(dir, "troubled"))
	var b strings.Builder
	require.NoError(t, PrintTable(&b, dir, "troubled"))
	assert.Contains(t, b.String(), "warning: c2: failed: 2 of 2 requests failed")
	headline, intervals, found := strings.Cut(b.String(), "95 % intervals")
	require.True(t, found)
	for line := range strings.Lines(headline) {
		assert.LessOrEqual(t, len(line), 81, line)
	}
	for line := range strings.Lines(intervals) {
		if !strings.HasPrefix(line, "warning") {
			assert.LessOrEqual(t, len(line), 101, line)
		}
	}
	assert.Error(t, PrintTable(&b, dir, "missing"))
}

// TestReportOfAFolderThatCannotBeWritten: an archive on a read-only medium gives the whole report, with a warning.
func TestReportOfAFolderThatCannotBeWritten(t *testing.T) {
	dir := copyRecorded(t)
	// A directory in the place of an export cannot be replaced by a file, not even by root.
	blocked := filepath.Join(dir, "ours", "c4", record.AggregateTable)
	require.NoError(t, os.Remove(blocked))
	require.NoError(t, os.MkdirAll(filepath.Join(blocked, "x"), 0o755))
	report, err := Write(t.TempDir(), Inputs{DataDir: dir, Names: []string{"ours"}, Exports: true})
	require.NoError(t, err)
	assert.Len(t, report.Files, 9)
	require.Len(t, report.Warnings, 1)
	assert.Contains(t, report.Warnings[0], "ours: c4: its exports are not rewritten: ")
	assert.NotContains(t, report.Warnings[0], dir)
}

// TestSpellingOfTheDirectoryDoesNotShow: only SUMMARY's path lines know how the directory was given.
func TestSpellingOfTheDirectoryDoesNotShow(t *testing.T) {
	dir := copyRecorded(t)
	require.NoError(t, os.Remove(filepath.Join(dir, "ours/c1/level.json")))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "aiperf", record.RunFile), []byte("{"), 0o600))
	t.Chdir(dir)
	texts := map[string]string{}
	for _, spelling := range []string{dir, ".", "./", "../" + filepath.Base(dir) + "/"} {
		out := t.TempDir()
		_, err := Write(out, Inputs{DataDir: spelling})
		require.NoError(t, err)
		for _, name := range []string{SummaryFile, PageFile} {
			data, err := os.ReadFile(filepath.Join(out, name))
			require.NoError(t, err)
			text := strings.Replace(strings.Replace(string(data), "directory: "+spelling, "", 1), "generated: "+out, "", 1)
			if texts[name] == "" {
				texts[name] = text
			}
			assert.True(t, texts[name] == text, "%s of %s", name, spelling)
		}
	}
}

func TestOneBenchmarkIsNoDataDirectory(t *testing.T) {
	_, err := Write(t.TempDir(), Inputs{DataDir: filepath.Join(recorded, "ours")})
	assert.ErrorContains(t, err, "it looks like one benchmark: give the directory above it")
}

// TestPageOffersLevelsByTheirLoad: a level none of whose requests has an answer has a time line alone, and keeps its place all the same.
func TestPageOffersLevelsByTheirLoad(t *testing.T) {
	dir := copyRecorded(t)
	writeTroubled(t, filepath.Join(dir, "troubled"))
	_, err := Write(filepath.Join(dir, "plots"), Inputs{DataDir: dir})
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(dir, "plots", PageFile))
	require.NoError(t, err)
	var offered []string
	for _, choice := range regexp.MustCompile(`name="choice" value="(\w+)"( checked)?`).FindAllStringSubmatch(string(text), -1) {
		offered = append(offered, choice[1]+choice[2])
	}
	assert.Equal(t, []string{"c1", "c2", "c3", "c4 checked"}, offered)
}
