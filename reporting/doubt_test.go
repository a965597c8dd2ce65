package reporting

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/compare"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/steady"
	"github.com/llmsweep/llmsweep/reporting/chart"
	"github.com/llmsweep/llmsweep/reporting/results"
)

// doubt writes what the client knew of itself into a recorded level.
func doubt(t *testing.T, dir string, concurrency int, i record.Instrument, warning string) {
	t.Helper()
	path := filepath.Join(dir, record.LevelName(concurrency), record.LevelFile)
	var l record.Level
	require.NoError(t, record.ReadJSON(path, &l))
	l.Instrument, l.Warnings = &i, append(l.Warnings, warning)
	require.NoError(t, record.WriteJSON(path, &l))
}

func doubtful(t *testing.T) (dir string) {
	t.Helper()
	dir = copyRecorded(t)
	doubt(t, filepath.Join(dir, "ours"), 1, record.Instrument{Verdict: record.ClientSuspect, ErrorMS: 2.25}, "client suspect: why")
	doubt(t, filepath.Join(dir, "ours"), 4, record.Instrument{Verdict: record.ClientLimited, ErrorMS: 31.5}, "client limited: why")
	return dir
}

// TestDoubtIsOnEveryOutput: no output shows a figure of a level whose client is in doubt without saying so.
func TestDoubtIsOnEveryOutput(t *testing.T) {
	dir := doubtful(t)
	report, err := Write(filepath.Join(dir, "plots"), Inputs{DataDir: dir, Names: []string{"ours", "aiperf"}, Exports: true})
	require.NoError(t, err)
	read := func(path ...string) string {
		data, err := os.ReadFile(filepath.Join(append([]string{dir}, path...)...))
		require.NoError(t, err)
		return string(data)
	}

	text := read("plots", SummaryFile)
	for _, want := range []string{
		"\n   1~   1.0    12/0 16.7 ", "\n   4!   4.0    12/0 34.9 ", "\n   1~ ours ", "\n   4! ours ",
		"; VALID at 1; client limited at 4, suspect at 1\n", "  - ours: c1: client suspect: why\n", "  - ours: c4: client limited: why\n",
	} {
		assert.Contains(t, text, want)
	}
	var table bytes.Buffer
	require.NoError(t, PrintTable(&table, dir, "ours"))
	assert.Contains(t, table.String(), "\n   4!   4.0 ")
	assert.Contains(t, table.String(), "warning: c4: client limited: why\n")

	page := read("plots", PageFile)
	for _, want := range []string{"<td>1~</td>", "<td>4!</td>", `<span class="badge bad">client limited</span> <span class="detail">1 of 5 levels: ours at 4</span>`, "ours: c4: client limited: why", "client limited at 4, suspect at 1", "~ client suspect: ", "! INVALID: "} {
		assert.Contains(t, page, want)
	}
	assert.Less(t, strings.Index(page, "ours: c4: client limited: why"), strings.Index(page, "<table"), "on the first screen")
	const hollow = "Hollow: client limited (ours at 4), client suspect (ours at 1)"
	pictures, _ := charts(report.Benchmarks)
	pictures = append(pictures, furtherCharts(report.Benchmarks)...)
	for _, c := range pictures {
		if c.Choice == "c4" {
			assert.Contains(t, c.Note, "In doubt: client limited", c.File)
		}
	}
	pictures = slices.DeleteFunc(pictures, func(c chart.Chart) bool { return c.Kind != chart.Lines && c.Kind != chart.Scatter })
	assert.Equal(t, len(pictures), strings.Count(page, hollow), "each chart of figures of levels has its note")
	for _, c := range pictures {
		assert.Contains(t, c.Note, hollow)
		for _, p := range c.Series[0].Points {
			assert.True(t, p.Hollow, c.File)
		}
		for _, p := range c.Series[1].Points {
			assert.False(t, p.Hollow, "not measured is no mark")
		}
	}

	var aggregate struct {
		Ours struct{ Client record.Instrument } `json:"llmsweep"`
	}
	require.NoError(t, json.Unmarshal([]byte(read("ours/c4", record.AggregateFile)), &aggregate))
	assert.Equal(t, record.ClientLimited, aggregate.Ours.Client.Verdict)
	assert.True(t, strings.HasSuffix(read("ours/c4", record.AggregateTable), "\n\nClient,Stamps Late At Most (ms)\nclient limited,31.50\n"))
	assert.True(t, strings.HasPrefix(read("ours/c1", record.RequestsFile), `{"schema_version":"1.0","llmsweep":{"client":"client suspect"},"requests":[`))

	level, err := results.ReadLevel(record.LevelDir{Path: filepath.Join(dir, "ours", "c1"), Point: record.Point{Concurrency: 1}})
	require.NoError(t, err)
	assert.Contains(t, Attributes(level), Attribute{"client", "suspect error_ms=2.250"})

	run, err := Judgeable(filepath.Join(dir, "ours"), nil)
	require.NoError(t, err)
	rules, err := compare.ParseRules([]byte("limits: [{metric: time_to_first_token, max: 1}]"))
	require.NoError(t, err)
	findings := rules.Check(run.Levels)
	assert.Equal(t, compare.Fail, findings[0].Verdict)
	assert.Equal(t, compare.Inconclusive, findings[1].Verdict)
	path := filepath.Join(t.TempDir(), "summary.md")
	require.NoError(t, AppendFindings(path, findings))
	markdown, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Contains(t, string(markdown), "| fail, client suspect | c1 |")
	assert.Contains(t, string(markdown), "| inconclusive, client limited | c4 |")
}

// TestInvalidLevelsAreMarked in every table whose rows are levels, of whatever reason they are INVALID, and so does what a sweep prints at its end. Of c1 a quarter failed.
func TestInvalidLevelsAreMarked(t *testing.T) {
	dir := t.TempDir()
	writeTroubled(t, filepath.Join(dir, "troubled"))
	_, err := Write(filepath.Join(dir, "plots"), Inputs{DataDir: dir, Markdown: true, SLO: objective(t, "time_to_first_token:300")})
	require.NoError(t, err)
	for name, of := range map[string]struct{ marked, bare string }{ // what a row of c1 begins with, and what none does
		SummaryFile:  {"\n   1! ", `(?m)^ +[123]\*? `},
		MarkdownFile: {"\n| 1! |", `(?m)^\| [123](\\\*)? \|`},
		PageFile:     {`<th scope="row">1!`, `<th scope="row">[123]\*?<`},
	} {
		text, err := os.ReadFile(filepath.Join(dir, "plots", name))
		require.NoError(t, err)
		assert.GreaterOrEqual(t, strings.Count(string(text), of.marked), 5, "%s: validity, results, goodput, intervals, outcomes", name)
		assert.Empty(t, regexp.MustCompile(of.bare).FindString(string(text)), name)
	}
	_, err = WriteLevel(filepath.Join(dir, "troubled", "c1"))
	require.NoError(t, err)
	exported, err := os.ReadFile(filepath.Join(dir, "troubled", "c1", record.AggregateTable))
	require.NoError(t, err)
	assert.True(t, strings.HasSuffix(string(exported), "\n\nValidity,Status,Beyond Its Limit\nINVALID,done,\"failed requests 25 %, limit at most 1 %; reached in flight 83.3 %, limit at least 95 %\"\n"))
	var table bytes.Buffer
	require.NoError(t, PrintTable(&table, dir, "troubled"))
	assert.Contains(t, table.String(), "\n   1!   0.8     3/1 ")
}

// TestDoubtfulLevelsAreHollow: a chart that is shown by itself says which points are of another load than was planned, or depend on how long it was, and which
// levels have none.
func TestDoubtfulLevelsAreHollow(t *testing.T) {
	level := func(concurrency int, f steady.Facts, status record.Status, window steady.Verdict) results.Level {
		return results.Level{Point: record.Point{Concurrency: concurrency}, Record: &record.Level{Status: status}, Validity: steady.Judge(f), Window: steady.Window{Verdict: window},
			Figures: results.Figures{"inter_token_latency": {"avg": 5, "p50": 5, "count": 9}}, Distributions: map[string]results.Distribution{"inter_token_latency": {Steps: []results.Step{{Value: 5}}}}}
	}
	good, bad := steady.Facts{Ended: 4}, steady.Facts{Ended: 4, Failed: 1}
	b := &results.Benchmark{Name: "ours", Run: &record.Run{}, Levels: []results.Level{
		level(1, good, record.Done, steady.Steady), level(4, bad, record.Done, steady.TooShort), level(8, good, record.Done, steady.Overloaded), level(9, bad, record.Failed, steady.TooShort),
	}}
	pictures, _ := charts([]*results.Benchmark{b})
	assert.Equal(t, "Hollow: INVALID (ours at 4), OVERLOADED (ours at 8). Left out: not finished (ours at 9)", pictures[0].Note)
	var hollow []bool
	for _, p := range pictures[0].Series[0].Points {
		hollow = append(hollow, p.Hollow)
	}
	assert.Equal(t, []bool{false, true, true}, hollow)

	notes := map[string]string{}
	for _, c := range furtherCharts([]*results.Benchmark{b}) {
		if c.Title == "Inter-Token Latency Distribution, Concurrency "+strings.TrimPrefix(c.Choice, "c") {
			notes[c.Choice] = c.Note
		}
	}
	assert.Equal(t, map[string]string{
		"c1": "Of requests that ended well.", "c4": "Of requests that ended well. In doubt: INVALID.", "c8": "Of requests that ended well. In doubt: OVERLOADED.",
	}, notes)
}

// TestInvalidAggregatesStayInvalid where the recording that they were computed of is gone; a hostile one can be shown.
func TestInvalidAggregatesStayInvalid(t *testing.T) {
	dir := t.TempDir()
	writeTroubled(t, filepath.Join(dir, "troubled"))
	_, err := WriteLevel(filepath.Join(dir, "troubled", "c1"))
	require.NoError(t, err)
	aggregate, err := os.ReadFile(filepath.Join(dir, "troubled", "c1", record.AggregateFile))
	require.NoError(t, err)
	put(t, aggregate, dir, "kept", "c1", record.AggregateFile)
	put(t, []byte(`{"request_count":{"unit":"requests","avg":1},"llmsweep":{"validity":{"verdict":"INVALID","readings":[{"name":"\u001b"}]}}}`), dir, "kept", "c2", record.AggregateFile)
	report, err := Write(filepath.Join(dir, "plots"), Inputs{DataDir: dir, Names: []string{"kept"}})
	require.NoError(t, err)
	assert.Contains(t, report.AllWarnings(), "kept: c1: INVALID, as its file says: failed requests 25 %, limit at most 1 %; reached in flight 83.3 %, limit at least 95 %")
	text, err := os.ReadFile(filepath.Join(dir, "plots", SummaryFile))
	require.NoError(t, err)
	assert.Contains(t, string(text), "\n   1!   n/a     3/1 ")
	assert.Contains(t, string(text), "\n   2!   n/a     1/0 ")
	bench, err := os.ReadFile(filepath.Join(dir, "plots", BenchFile))
	require.NoError(t, err)
	assert.Contains(t, string(bench), "# BenchmarkServe/target=kept/concurrency=1 left out: INVALID: failed requests 25 %")
	pictures, _ := charts(report.Benchmarks)
	assert.Contains(t, pictures[0].Note, "Hollow: INVALID (kept at 1)")
}

// TestDoubtsAreThoseOfTheAxis: a chart says nothing of levels that it cannot show.
func TestDoubtsAreThoseOfTheAxis(t *testing.T) {
	of := func(name string, at record.Point) *results.Benchmark {
		return &results.Benchmark{Name: name, Run: &record.Run{}, Levels: []results.Level{{
			Point: at, Record: &record.Level{Status: record.Done}, Validity: steady.Judge(steady.Facts{Ended: 4, Failed: 1}), Figures: results.Figures{"inter_token_latency": {"avg": 5, "p50": 5, "count": 9}},
		}}}
	}
	all := []*results.Benchmark{of("closed", record.Point{Concurrency: 2}), of("open", record.Point{Rate: 3}), of("trace", record.Point{Trace: true})}
	notes := map[string]string{}
	for _, c := range slices.Concat(axes(all)[0].guide(all)[:1], axes(all)[1].guide(all)[:1], axes(all)[1].percentiles(all)[1:2], []chart.Chart{efficiency(all)}) {
		_, notes[c.File], _ = strings.Cut(c.Note, "Hollow: ")
	}
	assert.Equal(t, map[string]string{
		"p50_inter_token_latency_vs_concurrency.png":          "INVALID (closed at 2)",
		"p50_inter_token_latency_vs_request_rate.png":         "INVALID (open at 3)",
		"inter_token_latency_percentiles_vs_request_rate.png": "INVALID (open at 3).",
		"efficiency_tok_s_gpu_vs_user.png":                    "INVALID (all levels)",
	}, notes)
}

// TestWarmUpIsMarked: a time line that begins later than its axis says why.
func TestWarmUpIsMarked(t *testing.T) {
	level := results.Level{Point: record.Point{Concurrency: 1}, Record: &record.Level{Status: record.Done}, Timeline: results.Timeline{WidthNS: 1e9, FirstNS: 6e9, Bins: make([]results.Bin, 2)}}
	b := &results.Benchmark{Name: "ours", Run: &record.Run{}, Levels: []results.Level{level}}
	s := sampledLevels([]*results.Benchmark{b})[0]
	assert.Empty(t, s.timeline("", "", "", "").Note)
	b.Run.Plan.WarmupRequests = 3
	assert.Equal(t, "Warm-up until 6 s.", s.timeline("", "", "", "").Note)
}
