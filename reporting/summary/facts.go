package summary

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/steady"
	"github.com/llmsweep/llmsweep/reporting/results"
)

// Facts says in name-value pairs whether a benchmark's figures stand for anything, and what it measured.
func Facts(benchmark *results.Benchmark) [][2]string {
	run := benchmark.Run
	if run == nil {
		return [][2]string{{"Verdict", Verdict(benchmark)}, {"Source", fmt.Sprintf("recorded by %s; only its aggregates are known", benchmark.Sources())}}
	}
	p := &run.Plan
	gpus := fmt.Sprint(p.GPUs)
	if p.GPUsAssumed {
		gpus += " (assumed)"
	}
	facts := [][2]string{
		{"Verdict", Verdict(benchmark)},
		{"Target", target(p)},
		{"Model", p.Model},
		{"Lengths", p.Lengths() + " tokens"},
		{"Tokenizer", p.Tokenizer + deviation(benchmark)},
		{"Counting", Counting(benchmark)},
		{"Load", fmt.Sprintf("%s%s, seed %d, nonce %d", loop(p), warmup(p), p.Seed, p.Nonce)},
		{"Requests", asked(benchmark)},
		{"GPUs", gpus},
	}
	if text := template(benchmark); text != "" {
		facts = append(facts, [2]string{"Template", text})
	}
	if way := unusual(benchmark); way != "" {
		facts = append(facts, [2]string{"Way", way})
	}
	if text := spread(benchmark); text != "" {
		facts = append(facts, [2]string{"Replicas", text})
	}
	if run.Target.Version != "" {
		facts = append(facts, [2]string{"Server", serverVersion(run.Target)})
	}
	if h := run.Host; h != nil {
		facts = append(facts, [2]string{"Client", fmt.Sprintf("%s/%s, %d CPUs (%s), %s", h.OS, h.Arch, h.CPUs, h.CPU, h.GoVersion)})
	}
	if pages := pagesAsked(benchmark); pages != "" {
		facts = append(facts, [2]string{"Metrics", pages})
	}
	if hits := cache(benchmark); hits != "" {
		facts = append(facts, [2]string{"Cache", hits})
	}
	if p.Repeats > 1 {
		facts = append(facts, [2]string{"Runs", fmt.Sprintf("%d of each level, in turn; figures are their geometric means", p.Repeats)})
	}
	if drift := benchmark.Drift(); drift != "" {
		facts = append(facts, [2]string{"Drift", drift})
	}
	return append(facts, [2]string{"Started", run.CreatedAt.UTC().Format("2006-01-02 15:04:05 UTC")})
}

// target is where requests went.
func target(p *record.Plan) string {
	endpoints := strings.Join(p.Endpoints, ", ")
	switch {
	case p.Virtual:
		return "embedded mock server, virtual time"
	case p.EmbeddedMock:
		return "embedded mock server"
	case p.TLS.Insecure && strings.Contains(endpoints, "https://"):
		return endpoints + " (certificate not verified)"
	default:
		return endpoints
	}
}

// cache says how much of the prompts the server had in its prefix cache, by the usage of its answers and by its own counters, and how much of them is
// shared on purpose; "" where none of these is anything.
func cache(benchmark *results.Benchmark) string {
	var all steady.Cache
	var levels []string
	for i := range benchmark.Levels {
		l := &benchmark.Levels[i]
		if l.Cache.Requests > 0 {
			levels = append(levels, fmt.Sprintf("%.3g %% at %s", l.Cache.Percent(l.Cache.Hits), l.Value()))
		}
		all = all.With(l.Cache)
	}
	own, some := serverHits(benchmark)
	shares := benchmark.Run.Plan.Prefixes != (record.Prefixes{})
	const of = " of the prompts' tokens"
	var hits string
	switch usage := strings.Join(levels, ", "); {
	case usage == "" && own == "" && shares:
		return "the server does not tell how much of the shared prompts it had in its cache"
	case all.Hits == 0 && !some && !shares:
		return ""
	case own == "":
		hits = "hits " + usage + of
	case usage == "":
		return "hits from server metrics " + own + "; the usage of answers does not tell"
	default:
		hits = "hits from usage " + usage + of + "; from server metrics " + own
	}
	if benchmark.Run.Plan.Input.File != "" {
		return hits + "; what those of the file share is not known"
	}
	return hits + fmt.Sprintf("; shared on purpose %.3g %%", all.Percent(all.Shared))
}

// warmup says what was sent before each level.
func warmup(p *record.Plan) string {
	if text := p.Warmup(); text != "" {
		return ", warm-up of " + text
	}
	return ""
}

// loop says what decides when requests start.
func loop(p *record.Plan) string {
	text := loopShape(p)
	if p.PrefillCap > 0 {
		text += fmt.Sprintf(", at most %d before their first token", p.PrefillCap)
	}
	if p.CancelRate > 0 {
		text += ", cancelled by plan: " + p.Cancellations()
	}
	return text
}

// loopShape is loop without what bounds or ends requests.
func loopShape(p *record.Plan) string {
	if p.FixedSchedule {
		text := "open loop by the trace's times"
		if p.TimeScale != 1 {
			text += fmt.Sprintf(" x %g", p.TimeScale)
		}
		return text + bounds(p)
	}
	if len(p.RequestRates) == 0 {
		if p.ConcurrencyRamp > 0 {
			return fmt.Sprintf("closed loop, filled over %v", p.ConcurrencyRamp) + bounds(p)
		}
		return "closed loop" + bounds(p)
	}
	text := "open loop, " + p.Arrival + " arrivals"
	if p.Arrival == "gamma" {
		text += fmt.Sprintf(" of burstiness %g", p.Burstiness)
	}
	if p.RateRamp > 0 {
		text += fmt.Sprintf(", from %g requests/s on within %v", p.RateRampFrom, p.RateRamp)
	}
	return text + bounds(p)
}

// spread says how many requests each replica had, of all levels, and how long they took in the mean; "" for a single one.
func spread(benchmark *results.Benchmark) string {
	all := map[string]results.Replica{}
	for i := range benchmark.Levels {
		for endpoint, part := range benchmark.Levels[i].Replicas {
			all[endpoint] = all[endpoint].Plus(part)
		}
	}
	if len(all) < 2 {
		return ""
	}
	parts := make([]string, 0, len(all))
	for _, endpoint := range slices.Sorted(maps.Keys(all)) {
		r := all[endpoint]
		parts = append(parts, fmt.Sprintf("%s %d requests, mean latency %s s", endpoint, r.Requests, figure(r.Latency())))
	}
	return strings.Join(parts, "; ")
}

// bounds says for how long requests start, and how many of an open loop may be in flight, where there are limits.
func bounds(p *record.Plan) (text string) {
	if p.Duration > 0 {
		text += fmt.Sprintf(", for %v", p.Duration)
	}
	if p.MaxInFlight > 0 {
		text += fmt.Sprintf(", at most %d in flight", p.MaxInFlight)
	}
	return text
}

// unusual names what is not the default of requests and the way that they took: figures depend on it.
func unusual(benchmark *results.Benchmark) string {
	over := func(transport string) bool {
		return slices.ContainsFunc(benchmark.Levels, func(l results.Level) bool { return l.Record != nil && l.Record.Transport == transport })
	}
	text := ""
	if benchmark.Run.Plan.AsksCompletions() {
		text += ", to the completions route"
	}
	if benchmark.Run.Plan.Unstreamed {
		text += ", answers not streamed: no TTFT, no ITL"
	}
	if over("nethttp") {
		text += ", through net/http"
	}
	if over("http2") {
		text += ", over HTTP/2"
	}
	if benchmark.Run.Plan.ConnectionReuse == "never" {
		text += ", a new connection for each request"
	}
	if benchmark.Run.Plan.Retry429 {
		text += ", sent again after status 429"
	}
	return strings.TrimPrefix(text, ", ")
}

// ceiling quotes the largest share of the client machine's calibrated ceiling that a level used.
func ceiling(benchmark *results.Benchmark) string {
	most, at := 0.0, ""
	for i := range benchmark.Levels {
		l := &benchmark.Levels[i]
		if l.Record != nil && l.Record.Instrument != nil && l.Record.Instrument.CeilingShare > most {
			most, at = l.Record.Instrument.CeilingShare, l.Value()
		}
	}
	if most == 0 {
		return ""
	}
	return fmt.Sprintf("; at most %.2g %% of this machine's calibrated ceiling (at %s)", 100*most, at)
}

// deviation says how far a tokenizer that stands in for the model's is off.
func deviation(benchmark *results.Benchmark) string {
	if !benchmark.Run.Plan.TokenizerApproximate {
		return ""
	}
	prompts, outputs := compared(benchmark)
	var parts []string
	if prompts.Requests > 0 {
		parts = append(parts, fmt.Sprintf("prompts %+.2f %% (the server's with its template)", 100*prompts.Mean()))
	}
	if outputs.Requests > 0 {
		parts = append(parts, fmt.Sprintf("outputs %+.2f %% (%d answers)", 100*outputs.Mean(), outputs.Requests))
	}
	if len(parts) == 0 {
		return ": the server reported no usage to compare it with"
	}
	return ": against the server's usage " + strings.Join(parts, ", ")
}

// Counting says who counted the output tokens.
func Counting(benchmark *results.Benchmark) string {
	sources, all := map[record.TokenSource]int{}, 0
	for i := range benchmark.Levels {
		for source, n := range benchmark.Levels[i].TokenSources {
			sources[source] += n
			all += n
		}
	}
	switch n := sources[record.FromServer]; {
	case sources[record.FromChunks] > 0:
		return fmt.Sprintf("output tokens by the server's usage for %d of %d answers, by chunks for %d", n, all, sources[record.FromChunks])
	case all == 0:
		return "no answer to count tokens of"
	case n == all:
		return "output tokens by the server's usage"
	case n == 0:
		return "output tokens by the tokenizer: the server reported no usage"
	default:
		return fmt.Sprintf("output tokens by the server's usage for %d of %d answers, else by the tokenizer", n, all)
	}
}

// verdict says what the client was found to be, the worst first.
func verdict(benchmark *results.Benchmark) string {
	var parts []string
	for _, v := range []record.ClientVerdict{record.ClientLimited, record.ClientSuspect, record.ClientUnknown, record.ClientOK} {
		levels := benchmark.Judged(v)
		switch words := strings.TrimPrefix(string(v), "client "); {
		case levels == "":
		case levels == benchmark.Judged(""):
			return string(v) // of all
		case v == record.ClientOK:
			parts = append(parts, words+" elsewhere")
		default:
			parts = append(parts, words+" at "+levels)
		}
	}
	return "client " + strings.Join(parts, ", ")
}

// serverVersion is what the server calls itself, and its version.
func serverVersion(target record.Target) string {
	version := target.Version
	var answer struct{ Version string }
	if json.Unmarshal([]byte(version), &answer) == nil && answer.Version != "" {
		version = answer.Version
	}
	return strings.TrimSpace(target.Headers["Server"] + " " + version)
}
