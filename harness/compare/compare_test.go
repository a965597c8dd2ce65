package compare

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/steady"
)

func level(name string, n float64, ttft, rate float64) Level {
	return Level{Name: name, Figures: Figures{
		"time_to_first_token":     {"avg": ttft, "p50": ttft, "p99": 2 * ttft, "count": n},
		"output_token_throughput": {"avg": rate},
		"inter_chunk_latency":     {"p99": 7, "count": 100 * n},
		"request_count":           {"avg": n},
	}}
}

func rules(t *testing.T, text string) Rules {
	t.Helper()
	r, err := ParseRules([]byte(text))
	require.NoError(t, err)
	return r
}

func TestLimits(t *testing.T) {
	r := rules(t, `
limits:
  - {metric: time_to_first_token, max: 100}
  - {metric: time_to_first_token, statistic: p99, level: c2, max: 150}
  - {metric: output_token_throughput, level: c2, min: 1000, max: 3000}
`)
	findings := r.Check([]Level{level("c1", 300, 100, 500), level("c2", 300, 101, 900)})
	require.Len(t, findings, 4)
	var got []string
	for _, f := range findings {
		got = append(got, f.Level+" "+string(f.Verdict)+": "+f.Text)
	}
	assert.Equal(t, []string{
		"c1 pass: time_to_first_token avg of c1 is 100 ms, within the limit 100, 300 requests",
		"c2 fail: time_to_first_token avg of c2 is 101 ms, above the limit 100 by 1 ms (+1.00 %), 300 requests",
		"c2 fail: time_to_first_token p99 of c2 is 202 ms, above the limit 150 by 52 ms (+34.67 %), 300 requests",
		"c2 fail: output_token_throughput avg of c2 is 900 tokens/sec, below the limit 1000 by 100 tokens/sec (-10.00 %), 300 requests",
	}, got)
}

// TestEveryLimitHasItsBound: a finding has the limit, or the baseline with the margin, whatever its verdict.
func TestEveryLimitHasItsBound(t *testing.T) {
	r := rules(t, `
limits:
  - {metric: time_to_first_token, statistic: p99, max: 150}
  - {metric: inter_token_latency, min: 1, max: 20}
  - {metric: output_token_throughput, min: 100, max: 1000, level: c1}
  - {metric: request_throughput, level: c9, min: 5}
`)
	broken := level("c2", 10, 1, 1)
	broken.Unfinished = "it is failed: why"
	got := map[string]float64{}
	for _, f := range r.Check([]Level{level("c1", 10, 5, 200), broken}) {
		assert.True(t, f.Limit)
		assert.True(t, math.IsNaN(f.Baseline))
		got[f.Level+" "+f.Metric+" "+string(f.Verdict)] = f.Bound
	}
	assert.Equal(t, map[string]float64{
		"c1 time_to_first_token inconclusive": 150, "c2 time_to_first_token fail": 150, "c1 inter_token_latency fail": 20, "c2 inter_token_latency fail": 20,
		"c1 output_token_throughput pass": 100, "c9 request_throughput fail": 5,
	}, got)

	r = rules(t, "margins: [{metric: time_to_first_token, margin: 10%}, {metric: output_token_throughput, margin: 10%}]")
	findings := r.Compare(run("a", true, level("c1", 10, 100, 1000), level("c2", 10, 200, 1)), run("b", true, level("c1", 10, 105, 905)))
	var bounds []float64
	for _, f := range findings {
		assert.False(t, f.Limit)
		bounds = append(bounds, f.Value, f.Baseline, f.Bound)
	}
	nan := math.NaN()
	assert.InDeltaSlice(t, []float64{105, 100, 110, 905, 1000, 900, nan, 200, 220, nan, 1, 0.9}, bounds, 1e-9)
	one := Rules{Margins: []Margin{{Selector: Selector{Metric: "time_to_first_token", Statistic: "p99", Level: allLevels}, Percent: 50}}}
	f := one.Compare(run("a", false, level("c1", 10, 1, 1)), run("b", false, level("c1", 10, 1, 1)))[0]
	assert.Equal(t, []any{Inconclusive, 2.0, 2.0, 3.0}, []any{f.Verdict, f.Value, f.Baseline, f.Bound})
}

// TestARuleForALevelReplacesTheGeneralOne, so that each figure has one verdict.
func TestARuleForALevelReplacesTheGeneralOne(t *testing.T) {
	r := rules(t, `
limits: [{metric: time_to_first_token, level: c2, max: 10}, {metric: time_to_first_token, max: 1}, {metric: time_to_first_token, statistic: p50, max: 2}]
margins: [{metric: time_to_first_token}, {metric: time_to_first_token, level: c2, margin: 900%}]
`)
	levels := []Level{level("c1", 10, 5, 5), level("c2", 10, 5, 5)}
	var got []string
	for _, f := range append(r.Check(levels), r.Compare(run("a", true, level("c1", 10, 1, 1), level("c2", 10, 1, 1)), run("b", true, levels...))...) {
		got = append(got, f.Level+" "+f.Statistic+" "+string(f.Verdict)+" "+short(f.Bound))
	}
	assert.Equal(t, []string{"c1 avg fail 1", "c1 p50 fail 2", "c2 avg pass 10", "c2 p50 fail 2", "c1 avg fail 1", "c2 avg pass 10"}, got)
}

// TestRulesNameAnyLevel: those of open loops as well, by the names of their folders.
func TestRulesNameAnyLevel(t *testing.T) {
	for name, known := range map[string]bool{"c50": true, "r2.5": true, "r10": true, "trace": true, "all": true, "c0": false, "r0": false, "r02": false, "r1e3": false, "traces": false} {
		r, err := ParseRules([]byte("limits: [{metric: time_to_first_token, level: " + name + ", max: 1}]"))
		if !known {
			assert.ErrorContains(t, err, `level "`+name+`": must be all, or a level such as c50, r2.5 or trace`)
			continue
		}
		require.NoError(t, err)
		assert.Equal(t, Fail, r.Check([]Level{level("r2.5", 10, 5, 5), level("c50", 10, 5, 5), level("r10", 10, 5, 5), level("trace", 10, 5, 5)})[0].Verdict, name)
	}
}

func TestRulesThatCannotJudge(t *testing.T) {
	limits, margins := "limits: [{metric: request_latency, max: 1}]", "margins: [{metric: request_latency}]"
	for _, test := range []struct {
		rules         string
		one, compared string // what is lacking
	}{
		{"", "has neither limits nor margins", "has neither limits nor margins"},
		{limits, "", ""},
		{margins, "has no limits; its margins are for -baseline and -candidate", ""},
		{limits + "\n" + margins, "", ""},
	} {
		for comparing, want := range map[bool]string{false: test.one, true: test.compared} {
			if err := rules(t, test.rules).Lack(comparing); want == "" {
				assert.NoError(t, err)
			} else {
				assert.EqualError(t, err, want)
			}
		}
	}
}

func TestTooFewRequestsAreInconclusive(t *testing.T) {
	r := rules(t, "limits: [{metric: time_to_first_token, statistic: p99, max: 1}, {metric: inter_chunk_latency, statistic: p99, max: 1}]")
	for n, want := range map[float64]Verdict{298: Inconclusive, 299: Fail} {
		findings := r.Check([]Level{level("c1", n, 5, 5)})
		require.Len(t, findings, 2)
		assert.Equal(t, want, findings[0].Verdict)
		assert.Equal(t, want, findings[1].Verdict, "chunks of one request are no requests")
	}
	low, below := belowFloor("p1", 298)
	assert.True(t, below)
	assert.Equal(t, 299, low)
}

// TestNothingToJudgeFails: a gate that looked at nothing, or at a broken run, must not be green.
func TestNothingToJudgeFails(t *testing.T) {
	r := rules(t, "limits: [{metric: time_to_first_token, level: c9, max: 1}, {metric: inter_token_latency, max: 1}]")
	broken := level("c2", 10, 1, 1)
	broken.Unfinished = "it is failed: why"
	findings := r.Check([]Level{level("c1", 10, 1, 1), broken})
	require.Len(t, findings, 3)
	for _, f := range findings {
		assert.Equal(t, Fail, f.Verdict)
		assert.True(t, math.IsNaN(f.Value))
	}
	assert.Equal(t, "time_to_first_token avg: there is no level c9 to judge; there are: c1, c2", findings[0].Text)
	assert.Equal(t, "inter_token_latency avg is not among the figures of c1", findings[1].Text)
	assert.Equal(t, "inter_token_latency avg of c2 cannot be judged: it is failed: why", findings[2].Text)
}

func run(name string, virtual bool, levels ...Level) Run {
	r := Run{Name: name, Record: &record.Run{Plan: record.Plan{Model: "m", ISL: 1, OSL: 2, Virtual: virtual}, Host: &record.Host{Fingerprint: "h"}}, Source: record.FromServer, Levels: levels, Workload: map[string]string{}}
	for _, l := range levels {
		r.Workload[l.Name] = "w" + l.Name
	}
	return r
}

func TestVirtualRunsCompareExactly(t *testing.T) {
	base := run("base", true, level("c1", 10, 100, 1000), level("c2", 10, 100, 1000), level("c3", 10, 1, 1))
	candidate := run("new", true, level("c1", 10, 100.0001, 1000.0001), level("c2", 10, 99, 949))
	r := Rules{Margins: DefaultMargins(0)[:1]}
	r.Margins = append(r.Margins, rules(t, "margins: [{metric: output_token_throughput, margin: 5%}, {metric: time_to_first_token, statistic: p99, level: c1}]").Margins...)
	findings := r.Compare(base, candidate)
	var got []string
	for _, f := range findings {
		got = append(got, string(f.Verdict)+": "+f.Text)
	}
	assert.Equal(t, []string{
		"fail: time_to_first_token avg of c1 is 100 ms, worse than the baseline's 100 by 0.0001 ms (+0.00 %), 10 requests, margin 0 %",
		"pass: output_token_throughput avg of c1 is 1000 tokens/sec, better than the baseline's 1000 by 0.0001 tokens/sec (+0.00 %), 10 requests, margin 5 %",
		"fail: time_to_first_token p99 of c1 is 200 ms, worse than the baseline's 200 by 0.0002 ms (+0.00 %), 10 requests, margin 0 %",
		"pass: time_to_first_token avg of c2 is 99 ms, better than the baseline's 100 by 1 ms (-1.00 %), 10 requests, margin 0 %",
		"fail: output_token_throughput avg of c2 is 949 tokens/sec, worse than the baseline's 1000 by 51 tokens/sec (-5.10 %), 10 requests, margin 5 %",
		"fail: time_to_first_token avg of c3 cannot be judged: the candidate has no such level",
		"fail: output_token_throughput avg of c3 cannot be judged: the candidate has no such level",
	}, got)
	for _, f := range (Rules{Margins: DefaultMargins(0)[:1]}).Compare(base, base) {
		assert.Equal(t, Pass, f.Verdict)
		assert.Contains(t, f.Text, "as the baseline's")
	}
}

func TestRealRunsCompareForInformation(t *testing.T) {
	findings := Rules{Margins: DefaultMargins(5)[:1]}.Compare(run("a", false, level("c1", 300, 100, 1)), run("b", false, level("c1", 300, 200, 1)))
	require.Len(t, findings, 1)
	assert.Equal(t, Inconclusive, findings[0].Verdict)
	assert.Contains(t, findings[0].Text, "worse than the baseline's 100 by 100 ms (+100.00 %)")
	assert.Contains(t, findings[0].Text, "the runs were not interleaved")
	few := Rules{Margins: []Margin{{Selector: Selector{Metric: "time_to_first_token", Statistic: "p99", Level: allLevels}}}}
	assert.Contains(t, few.Compare(run("a", false, level("c1", 10, 1, 1)), run("b", false, level("c1", 300, 1, 1)))[0].Text, "baseline: time_to_first_token p99 of c1 needs 299 requests, have 10")
}

func TestRunsWithoutACommonLevel(t *testing.T) {
	findings := Rules{Margins: DefaultMargins(0)[:1]}.Compare(run("a", true, level("c1", 1, 1, 1)), run("b", true, level("c2", 1, 1, 1)))
	require.Len(t, findings, 2)
	assert.Equal(t, Fail, findings[0].Verdict)
	assert.Contains(t, findings[0].Text, "baseline: time_to_first_token avg of c2 cannot be judged: it has no such level")
	assert.Contains(t, findings[1].Text, "of c1 cannot be judged: the candidate has no such level")
}

func TestCountsThatAreAbsentAreZero(t *testing.T) {
	findings := rules(t, "limits: [{metric: error_request_count, max: 0}]").Check([]Level{level("c1", 10, 1, 1)})
	require.Len(t, findings, 1)
	assert.Equal(t, Pass, findings[0].Verdict, findings[0].Text)
}

func TestRefusal(t *testing.T) {
	same := func() (Run, Run) { return run("a", true, level("c1", 1, 1, 1)), run("b", true, level("c1", 1, 1, 1)) }
	a, b := same()
	reasons, warnings := Refusal(a, b)
	assert.Empty(t, reasons)
	assert.Empty(t, warnings)
	for want, spoil := range map[string]func(*Run){
		"models differ: m in a, x in b":                                       func(r *Run) { r.Record.Plan.Model = "x" },
		"lengths differ: ISL 1 +/- 0, OSL 2 in a, ISL 1 +/- 0, OSL 3":         func(r *Run) { r.Record.Plan.OSL = 3 },
		"token sources differ: server in a, tokenizer in b":                   func(r *Run) { r.Source = record.FromTokenizer },
		"clocks (virtual time) differ: true in a, false in b":                 func(r *Run) { r.Record.Plan.Virtual = false },
		"retries after status 429 (-retry-429) differ: false in a, true in b": func(r *Run) { r.Record.Plan.Retry429 = true },
		"reuses of connections differ: pooled in a, never in b":               func(r *Run) { r.Record.Plan.ConnectionReuse = "never" },
		"endpoint types differ: chat in a, completions in b":                  func(r *Run) { r.Record.Plan.EndpointType = record.Completions },
		"streaming differ: true in a, false in b":                             func(r *Run) { r.Record.Plan.Unstreamed = true },
		"cancellations by plan (-cancel-rate, -cancel-delay) differ: none in a, 5 % of the requests, 1s after they were sent in b": func(r *Run) {
			r.Record.Plan.CancelRate, r.Record.Plan.CancelDelay = 5, time.Second
		},
		"caps of the requests before their first token (-prefill-concurrency) differ: 0 in a, 2 in b": func(r *Run) { r.Record.Plan.PrefillCap = 2 },
		"workload fingerprints of c1 differ":                func(r *Run) { r.Workload["c1"] = "other" },
		"b has no run.json: what it asked for is not known": func(r *Run) { r.Record = nil },
	} {
		a, b := same()
		spoil(&b)
		reasons, _ := Refusal(a, b)
		require.Len(t, reasons, 1)
		assert.Contains(t, reasons[0], want)
	}
	a, b = same()
	a.Record.Plan.ConnectionReuse = "pooled" // as it was before the key was
	b.Record.Host.Fingerprint = "other"
	a.Levels[0].Transport, b.Levels[0].Transport = "nethttp", "own"
	reasons, warnings = Refusal(a, b)
	assert.Empty(t, reasons)
	assert.Equal(t, []string{"host fingerprints differ: h in a, other in b", "transports differ: nethttp in a, own in b"}, warnings)
}

// TestWarmerCache: a server that knew the prompts of a file from the run before is named; of made-up prompts it is an invalid level.
func TestWarmerCache(t *testing.T) {
	a, b := run("a", true, level("c1", 1, 1, 1), level("c2", 1, 1, 1), level("c3", 1, 1, 1)), run("b", true, level("c1", 1, 1, 1), level("c2", 1, 1, 1), level("c3", 1, 1, 1))
	cache := func(l *Level, hits int) { l.Cache = steady.Cache{Requests: 1, Prompt: 1000, Hits: hits} }
	cache(&a.Levels[0], 10)
	cache(&b.Levels[0], 900)
	cache(&a.Levels[1], 100)
	cache(&b.Levels[1], 109) // less than a hundredth more
	cache(&b.Levels[2], 900) // the other server does not tell
	_, warnings := Refusal(a, b)
	assert.Empty(t, warnings)
	a.Record.Plan.Input.File, b.Record.Plan.Input.File = "f", "f"
	_, warnings = Refusal(a, b)
	require.Len(t, warnings, 1)
	assert.Contains(t, warnings[0], "c1: of the prompts of the input-file 1 % were in the server's cache in a, 90 % in b: ")
}

func TestBadRules(t *testing.T) {
	for want, text := range map[string]string{
		"field metrik not found": "limits: [{metrik: x, max: 1}]",
		`limit 1: metric "x": no such tag: name one as in the exports, such as time_to_first_token, inter_token_latency`: "limits: [{metric: x, max: 1}]",
		"limit 1: metric is missing":                                               "limits: [{max: 1}]",
		"limit 1: has neither max nor min":                                         "limits: [{metric: time_to_first_token}]",
		"limit 1: max 1 is below min 2":                                            "limits: [{metric: time_to_first_token, min: 2, max: 1}]",
		`statistic "p98": must be avg`:                                             "limits: [{metric: time_to_first_token, statistic: p98, max: 1}]",
		`statistic "p99": request_count is one number`:                             "limits: [{metric: request_count, statistic: p99, max: 1}]",
		`level "50": must be all, or a level such as c50, r2.5 or trace`:           "limits: [{metric: request_count, level: 50, max: 1}]",
		`level "r2.0": must be all`:                                                "limits: [{metric: request_count, level: r2.0, max: 1}]",
		`margin 1: margin "5": must be a share such`:                               "margins: [{metric: time_to_first_token, margin: '5'}]",
		`margin "-5%": must be a share`:                                            "margins: [{metric: time_to_first_token, margin: -5%}]",
		`metric "total_isl": neither more nor less`:                                "margins: [{metric: total_isl}]",
		"NaN is no limit":                                                          "limits: [{metric: time_to_first_token, max: .nan}]",
		"-Inf is no limit":                                                         "limits: [{metric: time_to_first_token, min: -.inf}]",
		"limit 2: request_latency avg of level c5 is judged by limit 1 already":    "limits: [{metric: request_latency, level: c5, max: 1}, {metric: request_latency, statistic: avg, level: c5, min: 1}]",
		"limit 3: request_latency p50 of level all is judged by limit 1 already":   "limits: [{metric: request_latency, statistic: p50, max: 1}, {metric: request_latency, max: 1}, {metric: request_latency, statistic: p50, max: 2}]",
		"margin 2: request_latency avg of level all is judged by margin 1 already": "margins: [{metric: request_latency}, {metric: request_latency, level: all, margin: 5%}]",
		"limit 1: metric is missing\nlimit 1: has neither max nor min":             "limits: [{level: c1}]",
		"second YAML document":                                                     "limits: []\n---\nlimits: []",
		"the gate is not YAML":                                                     "limits: {",
	} {
		_, err := ParseRules([]byte(text))
		assert.ErrorContains(t, err, want)
	}
	_, err := ParseRules([]byte("limits: [{metric: x, max: 1}, {metric: y, max: 1}]"))
	assert.Equal(t, 2, strings.Count(err.Error(), "no such tag"), "all problems at once")
	empty, err := ParseRules(nil)
	require.NoError(t, err)
	assert.Equal(t, Rules{}, empty)
}

// TestRulesOfOpenLoops: their levels have rules of their own as those of closed ones have.
func TestRulesOfOpenLoops(t *testing.T) {
	r := rules(t, `
limits:
  - {metric: time_to_first_token, max: 1}
  - {metric: time_to_first_token, level: r2.5, max: 150}
  - {metric: time_to_first_token, level: trace, max: 120}
`)
	var got []string
	for _, f := range r.Check([]Level{level("r2.5", 300, 130, 500), level("trace", 300, 130, 500)}) {
		got = append(got, fmt.Sprint(f.Level, " ", f.Verdict))
	}
	assert.Equal(t, []string{"r2.5 pass", "trace fail"}, got)
	for _, at := range []string{"r2.5", "trace"} {
		assert.NoError(t, Design{Primaries: DefaultPrimaries(at), Looks: DefaultLooks()}.Validate())
	}
}

// TestNoVerdictOnALimitedClient: neither pass nor fail, whatever the figure, in either time, whether it finished or not.
func TestNoVerdictOnALimitedClient(t *testing.T) {
	r := rules(t, `
limits:
  - {metric: time_to_first_token, max: 100}
  - {metric: output_token_throughput, min: 1000}
  - {metric: inter_token_latency, max: 1}
`)
	watched := func(name string, ttft float64, client record.ClientVerdict, errorMS float64) Level {
		l := level(name, 300, ttft, 900)
		l.Figures["request_latency"] = map[string]float64{"avg": 1000}
		l.Client, l.ErrorMS = client, errorMS
		return l
	}
	failed := watched("c6", 50, record.ClientLimited, 30)
	failed.Unfinished = "it failed: why"
	var got []string
	for _, f := range r.Check([]Level{
		watched("c1", 50, record.ClientLimited, 30), watched("c2", 150, record.ClientLimited, 30), watched("c3", 98, record.ClientSuspect, 3),
		watched("c4", 103.5, record.ClientSuspect, 3), watched("c5", 103, record.ClientOK, 3), failed,
	}) {
		got = append(got, strings.TrimSpace(f.Level+" "+f.Metric+" "+string(f.Verdict)+" "+string(f.Client)))
	}
	assert.Equal(t, []string{
		"c1 time_to_first_token inconclusive client limited", "c1 output_token_throughput inconclusive client limited",
		"c1 inter_token_latency inconclusive client limited", "c2 time_to_first_token inconclusive client limited",
		"c2 output_token_throughput inconclusive client limited", "c2 inter_token_latency inconclusive client limited",
		"c3 time_to_first_token inconclusive client suspect", "c3 output_token_throughput fail client suspect", "c3 inter_token_latency fail client suspect",
		"c4 time_to_first_token fail client suspect", "c4 output_token_throughput fail client suspect", "c4 inter_token_latency fail client suspect",
		"c5 time_to_first_token fail", "c5 output_token_throughput fail", "c5 inter_token_latency fail",
		"c6 time_to_first_token inconclusive client limited", "c6 output_token_throughput inconclusive client limited",
		"c6 inter_token_latency inconclusive client limited",
	}, got)
	f := r.Check([]Level{watched("c1", 50, record.ClientLimited, 30)})[0]
	assert.Equal(t, "time_to_first_token avg of c1 is 50 ms, within the limit 100 by 50 ms (-50.00 %), 300 requests; "+
		"client limited: the figures of c1 are its own as much as the server's", f.Text)
	f = r.Check([]Level{watched("c3", 98, record.ClientSuspect, 3)})[0]
	assert.Contains(t, f.Text, "; client suspect: its stamps may be 3 ms late, which could make that difference")
	assert.Equal(t, 98.0, f.Value, "what was seen is shown")

	m := rules(t, "margins: [{metric: time_to_first_token, margin: 10%}]")
	for _, virtual := range []bool{true, false} {
		before, after := level("c1", 300, 100, 1), level("c1", 300, 200, 1)
		for _, limited := range []*Level{&before, &after} {
			limited.Client = record.ClientLimited
			findings := m.Compare(run("a", virtual, before), run("b", virtual, after))
			assert.Equal(t, Inconclusive, findings[0].Verdict)
			assert.Equal(t, record.ClientLimited, findings[0].Client)
			limited.Client = record.ClientOK
		}
	}
}
