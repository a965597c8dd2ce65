package reporting

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/compare"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/reporting/page"
	"github.com/llmsweep/llmsweep/reporting/results"
	"github.com/llmsweep/llmsweep/reporting/summary"
)

// judgedFigure is a primary of a comparison.
func judgedFigure(tag, unit string, v compare.Verdict, base, change, low, high, margin float64) compare.Estimate {
	return compare.Estimate{
		Selector: compare.Selector{Metric: tag, Statistic: "avg", Level: "c4"}, Unit: unit, HigherBetter: unit != "ms", Primary: true, Verdict: v, Blocks: 12,
		Base: base, Candidate: base * (1 + change), Change: change, Low: low, High: high, Margin: margin,
	}
}

// arms writes a block of two arms, and above it the comparison that judged it. change may make of that something else.
func arms(t *testing.T, change func(*Comparison)) (block string) {
	t.Helper()
	dir := t.TempDir()
	block = filepath.Join(dir, "block-12")
	c := Comparison{
		CreatedAt: time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC), Gate: true, Arms: []ComparisonArm{{Name: "base"}, {Name: "candidate"}},
		Judgement: compare.Judgement{Verdict: compare.Fail, Reason: "worse", Blocks: 12, Estimates: []compare.Estimate{
			judgedFigure("inter_token_latency", "ms", compare.Fail, 6, 0.16, 0.132, 0.18, 0.05),
			judgedFigure("output_token_throughput", "tokens/sec", compare.Pass, 500, -0.01, -0.02, 0.01, -0.0476),
			{Selector: compare.Selector{Metric: "request_latency", Statistic: "p99", Level: "c4"}, Unit: "ms", Base: math.NaN(), Candidate: math.NaN(), Change: math.NaN(), Low: math.Inf(-1), High: math.Inf(1)},
		}},
	}
	for _, arm := range c.Arms {
		require.NoError(t, os.CopyFS(filepath.Join(block, arm.Name), os.DirFS(filepath.Join(recorded, "ours"))))
		var run record.Run
		path := filepath.Join(block, arm.Name, record.RunFile)
		require.NoError(t, record.ReadJSON(path, &run))
		run.Plan.BenchmarkName = arm.Name
		require.NoError(t, record.WriteJSON(path, &run))
		sum, err := Recording(filepath.Join(block, arm.Name))
		require.NoError(t, err)
		c.Runs = append(c.Runs, ComparisonRun{Block: 12, Arm: arm.Name, Dir: "block-12/" + arm.Name, Recording: sum})
	}
	if change != nil {
		change(&c)
	}
	c.SchemaVersion = record.SchemaVersion
	require.NoError(t, record.WriteJSON(filepath.Join(dir, record.ComparisonFile), &c))
	return block
}

// reported is the report of a directory: page and summaries, and its warnings.
func reported(t *testing.T, dataDir string) (html, text, markdown, warnings string) {
	t.Helper()
	out := t.TempDir()
	r, err := Write(out, Inputs{DataDir: dataDir, Markdown: true})
	require.NoError(t, err)
	read := func(name string) string {
		data, err := os.ReadFile(filepath.Join(out, name))
		require.NoError(t, err)
		return string(data)
	}
	return read(PageFile), read(SummaryFile), read(MarkdownFile), strings.Join(r.AllWarnings(), "\n")
}

// TestGateOfTwoArmsIsShown: the verdict above the block that is reported stands beside the others, with the figures that decided.
func TestGateOfTwoArmsIsShown(t *testing.T) {
	t.Parallel()
	block := arms(t, nil)
	html, text, markdown, warnings := reported(t, block)
	assert.NotContains(t, warnings, "not shown")
	assert.Contains(t, html, `<span class="badge bad">gate: FAIL</span> <span class="detail">candidate against base, 12 blocks: 1 failed, 1 passed</span>`)
	first, _, found := strings.Cut(html, "Results (AIPerf formulas)")
	require.True(t, found)
	for _, want := range []string{
		"<h2>Gate: candidate against base, 12 blocks</h2>", ">inter_token_latency avg<", `<span class="badge bad">fail</span>`, ">6.96<",
		`+16.0 %<span class="detail">+13.2 to +18.0 %</span>`, ">margin +5.00 %<", "Judged 2026-11-28 12:00:00 UTC.",
	} {
		assert.Contains(t, strings.ReplaceAll(first, "&#43;", "+"), want)
	}
	assert.NotContains(t, first, "request_latency p99", "it judged nothing")
	const fact = `FAIL: candidate against base, 12 blocks; 1 failed, 1 passed: inter_token_latency avg of c4 6.96 ms, +16.0 % (+13.2 to +18.0 %), margin +5.00 %; judged 2026-11-28 12:00:00 UTC`
	assert.Equal(t, 2, strings.Count(strings.Join(strings.Fields(text), " "), "Gate: "+fact), "each of both")
	assert.Regexp(t, `(?m)^Verdict: .*\nGate:      FAIL: candidate`, text)
	assert.Contains(t, markdown, "**\n\n**Gate: FAIL: candidate against base, 12 blocks; 1 failed, 1 passed: inter\\_token\\_latency avg")

	one := judgedBy(t, block, "candidate")
	assert.Len(t, one.gateBadges(), 1, "one of the two alone")
	beside := t.TempDir()
	require.NoError(t, os.CopyFS(beside, os.DirFS(block)))
	data, err := os.ReadFile(filepath.Join(filepath.Dir(block), record.ComparisonFile))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(beside, record.ComparisonFile), data, 0o600))
	assert.Equal(t, "gate: FAIL", judgedBy(t, beside).gateBadges()[0].Text, "in the directory itself")

	_, err = Write(t.TempDir(), Inputs{DataDir: filepath.Dir(block)})
	assert.ErrorContains(t, err, "it holds a comparison: give one of its blocks, such as "+block)
}

// judgedBy is a report as far as it has read verdicts.
func judgedBy(t *testing.T, dataDir string, names ...string) *Report {
	t.Helper()
	if len(names) == 0 {
		var err error
		names, err = results.Names(dataDir)
		require.NoError(t, err)
	}
	r := &Report{}
	for _, name := range names {
		b, err := results.Read(dataDir, name)
		require.NoError(t, err)
		r.Benchmarks = append(r.Benchmarks, b)
	}
	r.readGates(dataDir)
	return r
}

// TestWhatIsNoGate: a comparison that only reports says so, and one that was stopped why.
func TestWhatIsNoGate(t *testing.T) {
	t.Parallel()
	r := judgedBy(t, arms(t, func(c *Comparison) { c.Gate = false }))
	assert.Equal(t, "comparison: FAIL", r.gateBadges()[0].Text)
	assert.Contains(t, r.gates["base"][0].Fact(), "a comparison without a gate: FAIL: candidate against base")
	head, _ := r.gateTables()
	assert.Equal(t, "Comparison: candidate against base, 12 blocks", head[0].Title)

	r = judgedBy(t, arms(t, func(c *Comparison) {
		c.CreatedAt = time.Time{}
		c.Judgement.Verdict, c.Judgement.Reason = compare.Inconclusive, "stopped: received interrupt"
	}))
	assert.Equal(t, "gate: INCONCLUSIVE", r.gateBadges()[0].Text)
	assert.Equal(t, "INCONCLUSIVE: candidate against base, 12 blocks: stopped: received interrupt; 1 failed, 1 passed; judged in virtual time", r.gates["base"][0].Fact())
	head, _ = r.gateTables()
	assert.Contains(t, head[0].Caption, "stopped: received interrupt. Judged in virtual time.")
}

// TestForeignComparisonsAreNotShown: a verdict on other runs than these would be a wrong one.
func TestForeignComparisonsAreNotShown(t *testing.T) {
	t.Parallel()
	edit := func(block, name string, change func(*record.Run)) {
		var run record.Run
		path := filepath.Join(block, name, record.RunFile)
		require.NoError(t, record.ReadJSON(path, &run))
		change(&run)
		require.NoError(t, record.WriteJSON(path, &run))
	}
	overwrite := func(text string) func(block string) {
		return func(block string) {
			require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(block), record.ComparisonFile), []byte(text), 0o600))
		}
	}
	for name, c := range map[string]struct {
		change func(*Comparison)
		after  func(block string)
		want   string
	}{
		"another run":          {after: func(block string) { edit(block, "candidate", func(r *record.Run) { r.Plan.Nonce++ }) }, want: "candidate is none of the runs that it judged"},
		"another workload":     {after: func(block string) { edit(block, "base", func(r *record.Run) { r.WorkloadSHA256 = "0" }) }, want: "base is none of the runs that it judged"},
		"a level is missing":   {after: func(block string) { require.NoError(t, os.RemoveAll(filepath.Join(block, "base", "c1"))) }, want: "base is none of"},
		"an edited log":        {after: func(block string) { appendTo(t, filepath.Join(block, "base", "c1", record.LogFile), "\n") }, want: "base is none of"},
		"the runs of an old":   {change: func(c *Comparison) { c.Runs[0].Recording, c.Runs[1].Recording = "", "" }, want: "is none of the runs"},
		"arms in exchange":     {change: func(c *Comparison) { c.Runs[0].Arm, c.Runs[1].Arm = "candidate", "base" }, want: "is none of the runs"},
		"a run of no worth":    {change: func(c *Comparison) { c.Runs[1].Invalid = "client limited" }, want: "candidate is none of the runs"},
		"other benchmarks":     {change: func(c *Comparison) { c.Arms[0].Name, c.Arms[1].Name = "old", "new" }, want: "it is of other benchmarks"},
		"one arm":              {change: func(c *Comparison) { c.Arms = c.Arms[:1] }, want: "it does not have two arms"},
		"the same arm twice":   {change: func(c *Comparison) { c.Arms[1].Name = "base" }, want: "it does not have two arms"},
		"passes all the same":  {change: func(c *Comparison) { c.Judgement.Verdict = compare.Pass }, want: "it passes, and not all of its primaries do"},
		"fails by nothing":     {change: func(c *Comparison) { c.Judgement.Estimates = c.Judgement.Estimates[1:] }, want: "it fails, and none of its primaries does"},
		"a pass out of bounds": {change: func(c *Comparison) { c.Judgement.Estimates[0].Verdict = compare.Pass }, want: "passes beyond its margin"},
		"another word":         {change: func(c *Comparison) { c.Judgement.Verdict = hostile }, want: "is no verdict"},
		"cut off":              {after: overwrite(`{"schema_version":"1","arms":[{"na`), want: "unexpected end of JSON input"},
		"other JSON":           {after: overwrite(`{"schema_version":"1","arms":7}`), want: "cannot unmarshal number"},
		"another version":      {after: overwrite(`{"schema_version":"7"}`), want: `its schema_version is "7"`},
		"very large": {after: func(block string) {
			require.NoError(t, os.Truncate(filepath.Join(filepath.Dir(block), record.ComparisonFile), 1<<30))
		}, want: "it has 1073 MB"},
		"a folder": {after: func(block string) {
			path := filepath.Join(filepath.Dir(block), record.ComparisonFile)
			require.NoError(t, os.Remove(path))
			require.NoError(t, os.Mkdir(path, 0o700))
		}, want: "the verdict in comparison.json is not shown: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			block := arms(t, c.change)
			if c.after != nil {
				c.after(block)
			}
			r := judgedBy(t, block)
			assert.Empty(t, r.gates)
			assert.Empty(t, r.gateBadges())
			warnings := strings.Join(r.AllWarnings(), "\n")
			assert.Contains(t, warnings, "the verdict in comparison.json is not shown: ")
			assert.Contains(t, warnings, c.want)
			assert.NotContains(t, warnings, filepath.Dir(block), "where a report was made does not show")
		})
	}
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = file.WriteString(text)
	require.NoError(t, err)
	require.NoError(t, file.Close())
}

// TestHostileGates: what somebody wrote into a verdict is text, and short.
func TestHostileGates(t *testing.T) {
	t.Parallel()
	html, text, markdown, warnings := reported(t, arms(t, func(c *Comparison) {
		long := strings.Repeat(hostile, 1000)
		c.Judgement.Verdict, c.Judgement.Reason = compare.Inconclusive, long
		e := &c.Judgement.Estimates[0]
		e.Metric, e.Level, e.Statistic, e.Unit = long, long, long, long
	}))
	assert.NotContains(t, warnings, "not shown")
	assert.Contains(t, html, "gate: INCONCLUSIVE")
	assert.NotContains(t, html, "<img src=x")
	assert.NotContains(t, html, "<script>alert")
	for _, shown := range []string{text, markdown} {
		assert.NotRegexp(t, `[\x00-\x09\x0b-\x1f\x7f-\x9f\x{202e}\x{2028}]`, shown)
		assert.Less(t, len(shown), 20_000)
	}
	assert.NotContains(t, markdown, "<script")
}

// TestGateOfOneBenchmarkIsShown: limits, and a baseline, leave their verdict beside the recording.
func TestGateOfOneBenchmarkIsShown(t *testing.T) {
	t.Parallel()
	nan := math.NaN()
	dir := t.TempDir()
	ours := filepath.Join(dir, "ours")
	require.NoError(t, os.CopyFS(ours, os.DirFS(filepath.Join(recorded, "ours"))))
	finding := func(level string, v compare.Verdict, value float64) compare.Finding {
		return compare.Finding{Level: level, Metric: "inter_token_latency", Statistic: "avg", Unit: "ms", Verdict: v, Limit: true, Value: value, Baseline: nan, Bound: 7}
	}
	all := []compare.Finding{finding("c1", compare.Pass, 6), finding("c4", compare.Fail, 8)}
	write := func(g GateRecord) { require.NoError(t, WriteGate(ours, &g)) }
	write(GateRecord{CreatedAt: time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC), Rules: "gate.yaml", Findings: all, Verdicts: 2})
	html, text, _, _ := reported(t, dir)
	assert.Contains(t, html, `<span class="badge bad">gate: FAIL</span> <span class="detail">limits, by gate.yaml: 1 failed, 1 passed</span>`)
	assert.Contains(t, html, "1 of 2 figures; the evidence stands under Tables.")
	assert.Contains(t, strings.Join(strings.Fields(text), " "), "Gate: FAIL: limits, by gate.yaml; 1 failed, 1 passed: inter_token_latency avg of c4 8 ms, +14.3 %, limit 7; judged 2026-11-28 12:00:00 UTC")

	against := all[0]
	against.Limit, against.Baseline = false, 5
	write(GateRecord{Baseline: "old", SLO: "time_to_first_token:500", Findings: []compare.Finding{against}, Verdicts: 1})
	r := judgedBy(t, dir)
	assert.Equal(t, []page.Badge{{State: page.Good, Text: "gate: PASS", Detail: "against baseline old, objectives time_to_first_token:500: 1 passed"}}, r.gateBadges())
	assert.Equal(t, "PASS: against baseline old, objectives time_to_first_token:500; 1 passed; judged in virtual time", r.gates["ours"][0].Fact())

	write(GateRecord{Findings: all[:1], Verdicts: 2})
	r = judgedBy(t, dir)
	assert.Equal(t, "gate: INCONCLUSIVE", r.gateBadges()[0].Text, "of a part is no verdict on the whole")
	assert.Equal(t, "only 1 of its 2 verdicts were asked for", r.gates["ours"][0].Reason)

	for want, spoil := range map[string]func(*GateRecord){
		"it is of another recording":               func(g *GateRecord) { g.Recording = strings.Repeat("0", 64) },
		"its verdict is not that of its findings":  func(g *GateRecord) { g.Verdict = compare.Pass },
		`"fine" is no verdict`:                     func(g *GateRecord) { g.Findings[1].Verdict = "fine" },
		"inter_token_latency of c1 passes without": func(g *GateRecord) { g.Findings[0].Value = nan },
		`its schema_version is "0"`:                func(g *GateRecord) { g.SchemaVersion = "0" },
		"its verdict is not that of its findings ": func(g *GateRecord) { g.Findings, g.Verdict = nil, "" },
	} {
		g := GateRecord{Findings: append([]compare.Finding{}, all...), Verdicts: 2}
		write(g)
		require.NoError(t, record.ReadJSON(filepath.Join(ours, GateFile), &g))
		spoil(&g)
		require.NoError(t, record.WriteJSON(filepath.Join(ours, GateFile), &g))
		r := judgedBy(t, dir)
		assert.Contains(t, strings.Join(r.AllWarnings(), "\n"), "ours: the verdict in its gate.json is not shown: "+strings.TrimSpace(want))
		assert.Empty(t, r.gates, want)
	}
	assert.ErrorContains(t, WriteGate(t.TempDir(), &GateRecord{}), "there is no recording")
}

// TestManyGates are counted where they would be too many to name.
func TestManyGates(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i := range 4 {
		ours := filepath.Join(dir, fmt.Sprint("b", i))
		require.NoError(t, os.CopyFS(ours, os.DirFS(filepath.Join(recorded, "ours"))))
		f := compare.Finding{Level: "c1", Metric: "inter_token_latency", Statistic: "avg", Unit: "ms", Verdict: compare.Pass, Limit: true, Value: 1, Baseline: math.NaN(), Bound: 7}
		if i == 0 {
			f.Verdict = compare.Fail
		}
		require.NoError(t, WriteGate(ours, &GateRecord{Findings: []compare.Finding{f}, Verdicts: 1}))
	}
	r := judgedBy(t, dir)
	assert.Equal(t, []page.Badge{{State: page.Bad, Text: "gate: FAIL", Detail: "b0, limits: 1 failed"}, {State: page.Good, Text: "gate: PASS", Detail: "3 of 4"}}, r.gateBadges())
	head, all := r.gateTables()
	require.Len(t, head, 1, "what passed needs no room on the first screen")
	assert.Equal(t, "Gate: b0, limits", head[0].Title)
	assert.Len(t, all, 4)
	for i := range 4 {
		f := compare.Finding{Level: "c1", Metric: "inter_token_latency", Statistic: "avg", Unit: "ms", Verdict: compare.Inconclusive, Client: record.ClientLimited, Value: 1, Baseline: 2, Bound: 2, Text: "why"}
		if i == 3 {
			f.Verdict = compare.Fail
		}
		require.NoError(t, WriteGate(filepath.Join(dir, fmt.Sprint("b", i)), &GateRecord{Baseline: "old", Findings: []compare.Finding{f}, Verdicts: 1}))
	}
	head, all = judgedBy(t, dir).gateTables()
	require.Len(t, head, 2)
	assert.Equal(t, "Gate: b3, against baseline old", head[0].Title, "the worst is the first")
	assert.Equal(t, "Gate: b0, against baseline old", head[1].Title)
	assert.Equal(t, []page.Badge{{State: page.Doubt, Text: "inconclusive", Detail: "client limited"}}, head[1].Rows[0][2].Badges)
	require.Len(t, all, 4)
	assert.Equal(t, "why", all[1].Rows[0][8].Text)
}

// FuzzComparisons reads a comparison that knows the runs of this report: whatever else it says, it is shown in lines of 100 columns that no terminal obeys, or
// not at all.
func FuzzComparisons(f *testing.F) {
	dir := f.TempDir()
	require.NoError(f, os.CopyFS(filepath.Join(dir, "base"), os.DirFS(filepath.Join(recorded, "ours"))))
	sum, err := Recording(filepath.Join(dir, "base"))
	require.NoError(f, err)
	b, err := results.Read(dir, "base")
	require.NoError(f, err)
	const start = `{"schema_version":"1","gate":true,"arms":[{"name":"base"},{"name":"next"}],"runs":[{"arm":"base","recording_sha256":"SUM"}],"judgement":`
	f.Add([]byte(start + `{"verdict":"pass","blocks":6,"estimates":[{"metric":"m","level":"c1","primary":true,"verdict":"pass","change":0.01,"low":null,"high":0.02,"margin":0.05}]}}`))
	f.Add([]byte(start + `{"verdict":"fail","blocks":-6,"estimates":[{"metric":"m\u202e\n","higher_is_better":true,"primary":true,"verdict":"fail","base":1e308,"candidate":-1e308,"change":-1e308}]}}`))
	f.Add([]byte(start + `{"verdict":"inconclusive","reason":"\u001b[31m` + strings.Repeat("x", 500) + `","estimates":[null,{"primary":true}]}}`))
	f.Add([]byte(start + `null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), record.ComparisonFile)
		put(t, []byte(strings.ReplaceAll(string(data), "SUM", sum)), path)
		r := &Report{Benchmarks: []*results.Benchmark{b}, gates: map[string][]*summary.Gate{}}
		if err := r.readComparison(dir, path); err != nil {
			assert.Empty(t, r.gates)
			return
		}
		require.Len(t, r.gates["base"], 1)
		require.Len(t, r.gateBadges(), 1)
		head, all := r.gateTables()
		require.NoError(t, page.Page{Headline: head, Tables: all}.Validate())
		var text strings.Builder
		require.NoError(t, summary.Write(&text, summary.Input{Benchmarks: r.Benchmarks, Gates: r.gates}))
		for line := range strings.Lines(text.String()) {
			assert.LessOrEqual(t, len(line), 101, "%q", line)
			assert.False(t, strings.ContainsFunc(strings.TrimSuffix(line, "\n"), func(r rune) bool { return r < ' ' || r > '~' }), "%q", line)
		}
	})
}
