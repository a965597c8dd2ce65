package summary

import (
	"maps"
	"math"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/steady"
	"github.com/llmsweep/llmsweep/reporting/results"
)

func TestFigureHasThreeDigits(t *testing.T) {
	for want, v := range map[string]float64{
		"0.000": 0, "0.057": 0.0571, "0.999": 0.9991, "1.00": 0.9999, "9.99": 9.991, "10.0": 9.999, "12.3": 12.345678, "99.9": 99.94, "100": 99.97, "123": 123.456,
		"123457": 123456.7, "-12.5": -12.5, "0.001": 0.0005, "0.0004": 0.00041, "1e-05": 0.0000107, "-2e-05": -0.00002,
	} {
		assert.Equal(t, want, figure(v))
	}
	assert.Equal(t, "n/a", figure(math.NaN()))
	assert.Equal(t, "n/a", figure(math.Inf(1)))
}

// TestUsualTableFits80Columns: figures of a large server still fit a terminal.
func TestUsualTableFits80Columns(t *testing.T) {
	level := results.Level{
		Point: record.Point{Concurrency: 250}, Record: &record.Level{Status: record.Done, Counts: record.Counts{Outcomes: map[record.Outcome]int{record.OK: 750}}},
		Figures: results.Figures{
			"time_to_first_token":     {"avg": 2201.1, "p50": 568.4, "p99": 11022, "count": 750},
			"inter_token_latency":     {"avg": 58.47, "p50": 64.69, "p99": 165.79, "count": 750},
			"request_latency":         {"avg": 17110},
			"output_token_throughput": {"avg": 3708}, "request_throughput": {"avg": 14.49},
		},
	}
	level.Load.Reached, level.Load.HasPlateau, level.Load.PlateauEndNS, level.Load.PlateauTokens, level.Load.EdgeShare = 250, true, 1e9, 3639, 0.02
	var b strings.Builder
	benchmark := &results.Benchmark{Levels: []results.Level{level}}
	benchmark.Follow(metric.AIPerf)
	Table(&b, benchmark)
	lines := strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
	require.Len(t, lines, 3)
	for _, line := range lines {
		assert.LessOrEqual(t, len(line), 80, line)
	}
	assert.Contains(t, lines[2], "250 250.0   750/0 2201 568 11022 58.5 64.7 166")
}

func TestTableOfAnOpenLoopFits80Columns(t *testing.T) {
	times := map[string]float64{"avg": 201.1, "p50": 568.4, "count": 60}
	level := results.Level{
		Point: record.Point{Rate: 120.5}, Record: &record.Level{Status: record.Done, Counts: record.Counts{Outcomes: map[record.Outcome]int{record.OK: 750}}},
		Figures: results.Figures{
			"scheduled_time_to_first_token": times, "time_to_first_token": times, "inter_token_latency": {"avg": 58.47, "count": 60},
			"scheduled_request_latency": {"avg": 1710}, "output_token_throughput": {"avg": 3708}, "request_throughput": {"avg": 14.49},
		},
	}
	var b strings.Builder
	benchmark := &results.Benchmark{Levels: []results.Level{level}}
	benchmark.Follow(metric.AIPerf)
	Table(&b, benchmark)
	for line := range strings.Lines(b.String()) {
		assert.LessOrEqual(t, len(strings.TrimRight(line, "\n")), 80, line)
	}
	assert.Contains(t, b.String(), "120.5")
}

func TestGroupNamesStandOverTheirColumns(t *testing.T) {
	var b strings.Builder
	writeAligned(&b, []string{"", "G", "G", "H"}, [][]string{{"a", "b1", "b2", "c"}, {"1", "22", "333", "4444"}})
	assert.Equal(t, "   G         H\n a b1  b2    c\n 1 22 333 4444\n", b.String())
}

func TestEfficiency(t *testing.T) {
	l := &results.Level{Point: record.Point{Concurrency: 10}, Figures: results.Figures{"request_throughput": {"avg": 3}, "output_sequence_length": {"avg": 200}}}
	user, gpu, ok := Efficiency(l, 4)
	assert.True(t, ok)
	assert.InDelta(t, 60, user, 1e-12)
	assert.InDelta(t, 150, gpu, 1e-12)
	l.Figures["output_token_throughput"] = map[string]float64{"avg": 500}
	user, gpu, ok = Efficiency(l, 1)
	assert.True(t, ok)
	assert.InDelta(t, 50, user, 1e-12)
	assert.InDelta(t, 500, gpu, 1e-12)
	_, _, ok = Efficiency(&results.Level{Point: record.Point{Concurrency: 1}, Figures: results.Figures{}}, 1)
	assert.False(t, ok)
}

// TestLongTextsAreWrapped: no line is wider than 100 columns, and no letter is lost.
func TestLongTextsAreWrapped(t *testing.T) {
	for _, text := range []string{
		strings.Repeat("word ", 30) + strings.Repeat("x", 150) + " end", strings.Repeat("y", 500), "a", strings.Repeat("z", 96) + " " + strings.Repeat("z", 97),
	} {
		for _, first := range []string{"", "  - ", "Tokenizer: "} {
			lines := wrapped(first, text)
			joined := ""
			for _, line := range lines {
				assert.LessOrEqual(t, len(line), 100, line)
				joined += strings.TrimSpace(strings.TrimPrefix(line, first))
			}
			assert.Equal(t, strings.ReplaceAll(text, " ", ""), strings.ReplaceAll(joined, " ", ""))
			assert.True(t, strings.HasPrefix(lines[0]+" ", strings.TrimRight(first, " ")))
		}
	}
}

// TestCommandsAreBrokenAsAShellReadsThem: the lines together are the words of the command, quotation marks and all.
func TestCommandsAreBrokenAsAShellReadsThem(t *testing.T) {
	quoted := `-a='` + strings.Repeat("b c ", 60) + `'\''it'\''s' `
	for _, command := range []string{
		"go test ./bench -run Sweep", "printf -x=1 " + strings.Repeat("-flag=value ", 30) + "-last", "printf " + quoted + "-z='q'", "printf -long=" + strings.Repeat("0123456789", 40) + " -z",
		"printf -a='" + strings.Repeat("'\\''", 90) + "'",
	} {
		lines := shellLines(command)
		for _, line := range lines {
			assert.LessOrEqual(t, len(line), 100, line)
		}
		words := func(script string) string {
			if !strings.HasPrefix(script, "printf ") {
				return ""
			}
			out, err := exec.Command("sh", "-c", "printf '<%s>' "+strings.TrimPrefix(script, "printf ")).CombinedOutput()
			require.NoError(t, err, "%s: %s", script, out)
			return string(out)
		}
		assert.Equal(t, words(command), words(strings.Join(lines, "\n")))
	}
}

// TestPlainTextIsASCII: two names never become one.
func TestPlainTextIsASCII(t *testing.T) {
	for text, want := range map[string]string{"vllm-agg": "vllm-agg", "modèle": `mod\u00e8le`, "模": `\u6a21`, "😀": `\U0001f600`, "a\x1b[31m\nb": `a\x1b[31m b`, "\u202e": `\u202e`} {
		assert.Equal(t, want, plain(text))
	}
}

func TestServerVersion(t *testing.T) {
	assert.Equal(t, "vllm 0.9", serverVersion(record.Target{Version: `{"version":"0.9"}`, Headers: map[string]string{"Server": "vllm"}}))
	assert.Equal(t, "plain", serverVersion(record.Target{Version: "plain"}))
}

// TestWhoCountedTheTokens is named beside the tokenizer.
func TestWhoCountedTheTokens(t *testing.T) {
	by := func(sources ...record.TokenSource) string {
		l := results.Level{Tally: results.NewTally()}
		for _, source := range sources {
			l.Tally.Add(&record.Sample{Phase: record.Profiling, Outcome: record.OK, Counted: record.Counted{Source: source}})
		}
		return Counting(&results.Benchmark{Levels: []results.Level{l}})
	}
	assert.Equal(t, "output tokens by the server's usage", by(record.FromServer, record.FromServer))
	assert.Equal(t, "output tokens by the tokenizer: the server reported no usage", by(record.FromTokenizer))
	assert.Equal(t, "output tokens by the server's usage for 2 of 3 answers, else by the tokenizer", by(record.FromServer, record.FromTokenizer, record.FromServer))
	assert.Equal(t, "no answer to count tokens of", by())
}

// TestHowFarAStandInIsOff stands beside its name.
func TestHowFarAStandInIsOff(t *testing.T) {
	l := results.Level{Tally: results.NewTally()}
	b := &results.Benchmark{Run: &record.Run{Plan: record.Plan{TokenizerApproximate: true, Tokenizer: "cl100k, approximate"}}, Levels: []results.Level{l, l}}
	fact := func() string {
		for _, f := range Facts(b) {
			if f[0] == "Tokenizer" {
				return f[1]
			}
		}
		return ""
	}
	assert.Equal(t, "cl100k, approximate: the server reported no usage to compare it with", fact())
	for i, estimate := range []int{0, 11} {
		b.Levels[i].Tally.Add(&record.Sample{Phase: record.Profiling, Outcome: record.OK, Usage: &record.Usage{PromptTokens: 1000, CompletionTokens: 10}, Counted: record.Counted{ISL: 990 - i, Estimate: estimate}})
	}
	assert.Equal(t, "cl100k, approximate: against the server's usage prompts -1.05 % (the server's with its template), outputs +10.00 % (1 answers)", fact())
	b.Run.Plan.TokenizerApproximate = false
	assert.Equal(t, "cl100k, approximate", fact())
}

// TestTemplateStandsBesideBothCounts in results of since it is measured.
func TestTemplateStandsBesideBothCounts(t *testing.T) {
	l := results.Level{Tally: results.NewTally()}
	b := &results.Benchmark{Run: &record.Run{}, Levels: []results.Level{l, l}}
	fact := func() string {
		for _, f := range Facts(b) {
			if f[0] == "Template" {
				return f[1]
			}
		}
		return ""
	}
	assert.Empty(t, fact())
	b.Run.Template = &record.Template{Unknown: "it reports no\nusage", Requests: 1}
	assert.Equal(t, "what the server adds to a prompt is not known: it reports no usage", fact())
	b.Run.Template = &record.Template{Tokens: 1, Requests: 1}
	assert.Equal(t, "the server adds 1 token to a prompt", fact())
	b.Run.Template = &record.Template{Tokens: 23, Requests: 2, Approximate: true}
	for i := range b.Levels {
		b.Levels[i].Tally.Add(&record.Sample{Phase: record.Profiling, Outcome: record.OK, Usage: &record.Usage{PromptTokens: 123 + i}, Counted: record.Counted{ISL: 123, ClientISL: 100 * i}})
	}
	assert.Equal(t, "the server adds about 23 tokens to a prompt; mean 111.5 by the tokenizer, 123.5 by the server", fact())
}

// TestPercentilesOfOtherTools are printed of any number of requests, and marked where there are too few: requests count, not their gaps.
func TestPercentilesOfOtherTools(t *testing.T) {
	l := &results.Level{
		Record: &record.Level{Counts: record.Counts{Outcomes: map[record.Outcome]int{record.OK: 298}}},
		Shown:  results.Figures{"itl": {"p99": 12.3, "count": 76000}},
	}
	assert.Equal(t, "12.3~", printed("itl", 99).Text(l))
	l.Record.Counts.Outcomes[record.OK] = 299
	assert.Equal(t, "12.3", printed("itl", 99).Text(l))
	assert.Equal(t, "n/a", printed("tpot", 99).Text(l))
}

// TestOtherTablesFit100Columns with figures of a large server.
func TestOtherTablesFit100Columns(t *testing.T) {
	for _, c := range []metric.Convention{metric.VLLM, metric.GuideLLM} {
		level := results.Level{Point: record.Point{Concurrency: 250}, Record: &record.Level{Status: record.Done, Counts: record.Counts{Outcomes: map[record.Outcome]int{record.OK: 250}}}, Shown: results.Figures{}}
		level.Load.Reached = 250
		for _, d := range c.Definitions() {
			level.Shown[d.Tag] = map[string]float64{"avg": 11022, "p50": 5684, "p95": 11022, "p99": 11022, "count": 250}
		}
		var b strings.Builder
		Table(&b, &results.Benchmark{Convention: c, Levels: []results.Level{level}})
		for line := range strings.Lines(b.String()) {
			assert.LessOrEqual(t, len(line), 101, line)
		}
		assert.True(t, strings.HasPrefix(b.String(), " "+c.Title()+" formulas "), b.String())
		assert.NotContains(t, b.String(), "n/a", "every column has a definition")
	}
}

func TestVerdictOfAllLevels(t *testing.T) {
	b := &results.Benchmark{}
	for c, v := range []record.ClientVerdict{record.ClientOK, record.ClientOK} {
		b.Levels = append(b.Levels, results.Level{Point: record.Point{Concurrency: c + 1}, Record: &record.Level{Instrument: &record.Instrument{Verdict: v}}})
	}
	assert.Equal(t, "client ok", verdict(b))
	b.Levels[1].Record.Instrument.Verdict = record.ClientLimited
	assert.Equal(t, "client limited at 2, ok elsewhere", verdict(b))
	b.Levels[0].Record.Instrument = nil
	assert.Equal(t, "client limited at 2, not measured at 1", verdict(b))
	b.Levels[1].Record.Instrument = nil
	assert.Equal(t, "client not measured", verdict(b))
}

// TestComparisonOfOpenLoops: a request that was sent late has waited, whoever let it wait. Of another tool there are times from the sending only.
func TestComparisonOfOpenLoops(t *testing.T) {
	sent := results.Figures{"time_to_first_token": {"avg": 10}, "request_latency": {"avg": 1000}, "inter_token_latency": {"avg": 5}}
	scheduled := maps.Clone(sent)
	scheduled["scheduled_time_to_first_token"], scheduled["scheduled_request_latency"] = map[string]float64{"avg": 510}, map[string]float64{"avg": 1500}
	of := func(name string, at record.Point, f results.Figures) *results.Benchmark {
		return &results.Benchmark{Name: name, Levels: []results.Level{{Point: at, Figures: f}}}
	}
	all := []*results.Benchmark{of("open", record.Point{Rate: 2}, scheduled), of("theirs", record.Point{Rate: 2}, sent), of("closed", record.Point{Concurrency: 2}, scheduled)}
	var cells [][]string
	for _, row := range Comparison(all) {
		cells = append(cells, row[:5])
	}
	assert.Equal(t, [][]string{{"c2", "closed", "10.0", "5.00", "1.00"}, {"r2", "open", "510", "5.00", "1.50"}, {"r2", "theirs", "10.0", "5.00", "1.00"}}, cells)
	assert.Contains(t, CompareCaption(all), "TTFT and latency of an open loop are from the schedule")
	assert.NotContains(t, CompareCaption(all[2:]), "schedule")
}

// TestCeilingNamesTheLevel that came nearest to it, of an open loop by its rate.
func TestCeilingNamesTheLevel(t *testing.T) {
	level := func(at record.Point, share float64) results.Level {
		return results.Level{Point: at, Record: &record.Level{Instrument: &record.Instrument{CeilingShare: share}}}
	}
	assert.Equal(t, "; at most 25 % of this machine's calibrated ceiling (at 2.5)", ceiling(&results.Benchmark{Levels: []results.Level{level(record.Point{Rate: 2.5}, 0.25), level(record.Point{Rate: 5}, 0.2)}}))
	assert.Equal(t, "; at most 30 % of this machine's calibrated ceiling (at 4)", ceiling(&results.Benchmark{Levels: []results.Level{level(record.Point{Concurrency: 4}, 0.3)}}))
}

// What is not the default of the requests' way stands beside the load, and nothing of it where all is usual or not known.
func TestUnusualWayOfRequests(t *testing.T) {
	for want, b := range map[string]*results.Benchmark{
		"": {
			Run:    &record.Run{Plan: record.Plan{ConnectionReuse: "pooled"}},
			Levels: []results.Level{{}, {Record: &record.Level{Transport: "own"}}},
		},
		"to the completions route, answers not streamed: no TTFT, no ITL": {
			Run: &record.Run{Plan: record.Plan{EndpointType: record.Completions, Unstreamed: true}},
		},
		"through net/http, a new connection for each request": {
			Run:    &record.Run{Plan: record.Plan{ConnectionReuse: "never"}},
			Levels: []results.Level{{}, {Record: &record.Level{Transport: "nethttp"}}},
		},
	} {
		if want == "" {
			assert.NotRegexp(t, "Way", Facts(b))
			continue
		}
		assert.Contains(t, Facts(b), [2]string{"Way", want})
	}
}

// TestLoadInOneLine names what decides when requests start, and end.
func TestLoadInOneLine(t *testing.T) {
	b := &results.Benchmark{Run: &record.Run{Plan: record.Plan{PrefillCap: 2, CancelRate: 5, CancelDelay: time.Second}}}
	assert.Contains(t, Facts(b), [2]string{"Load", "closed loop, at most 2 before their first token, cancelled by plan: 5 % of the requests, 1s after they were sent, seed 0, nonce 0"})
}

// TestValidityOfALevelThatStartedNothing: an open loop that was stopped before its first request lacks a reading that the others have.
func TestValidityOfALevelThatStartedNothing(t *testing.T) {
	rate := func(f steady.Facts) results.Level {
		return results.Level{Point: record.Point{Rate: 2}, Record: &record.Level{Status: record.Done}, Validity: steady.Judge(f)}
	}
	b := &results.Benchmark{Name: "open", Levels: []results.Level{
		rate(steady.Facts{Ended: 4, Arrivals: steady.Arrivals{Requests: 4, Waited: 1}}), rate(steady.Facts{}),
	}}
	var table strings.Builder
	validity(&table, b)
	assert.Equal(t, `Validity
              failed % rate off % waited % OSL off %
 rate verdict   max 1   max 1  max 0   max 1       client
   2! INVALID   0.000 unknown 25.0 ! unknown not measured
    2   VALID unknown unknown    n/a unknown not measured

`, table.String())
}
