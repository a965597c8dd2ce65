// Package summary writes SUMMARY.txt and the table that a sweep prints at its end: plain ASCII, for people and for grep.
//
// SUMMARY.txt begins with the block of Dynamo's benchmarking guide, whose readers parse it. Then comes, for each benchmark, first whether its figures stand for
// anything, then what was measured, then the figures with what they are worth, then what became of all requests; for several, one comparison table; how
// exact the client was; warnings; how to measure it again; and what the columns mean. Below the guide's block no line is wider than 100 columns, and all
// is ASCII.
package summary

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/steady"
	"github.com/llmsweep/llmsweep/reporting/results"
)

// Input is what a summary is made of.
type Input struct {
	DataDir, OutputDir string
	Benchmarks         []*results.Benchmark
	Commands           map[string]string // that measure a benchmark again, by its name
	Plots              []string          // file names of the charts
	Warnings           []string          // of the report itself
}

// Write writes SUMMARY.txt.
func Write(w io.Writer, in Input) error {
	var b strings.Builder
	guideBlock(&b, in)
	for _, benchmark := range in.Benchmarks {
		writeHead(&b, benchmark.Name)
		facts := Facts(benchmark)
		writeFact(&b, facts[0][0], facts[0][1]) // the verdict
		b.WriteString("\n")
		validity(&b, benchmark)
		for _, fact := range facts[1:] {
			writeFact(&b, fact[0], fact[1])
		}
		b.WriteString("\n")
		Table(&b, benchmark)
		Goodput(&b, benchmark)
		Own(&b, benchmark)
		Within(&b, benchmark)
		Over(&b, benchmark)
		windows(&b, benchmark)
		told(&b, benchmark)
		outcomes(&b, benchmark)
	}
	if len(in.Benchmarks) > 1 {
		writeHead(&b, "Comparison")
		writeComparison(&b, in.Benchmarks)
	}
	instruments(&b, in.Benchmarks)
	writeWarnings(&b, in)
	repeat(&b, in)
	b.WriteString("\n\n" + legend + "\n")
	if anyOpen(in.Benchmarks) {
		b.WriteString(openLegend + "\n")
	}
	if slices.ContainsFunc(in.Benchmarks, func(b *results.Benchmark) bool { return len(b.SLO) > 0 }) {
		b.WriteString(goodputLegend + "\n")
	}
	if slices.ContainsFunc(in.Benchmarks, cancels) {
		b.WriteString(cancelLegend + "\n")
	}
	explainOthers(&b, in.Benchmarks)
	_, err := io.WriteString(w, strings.TrimRight(b.String(), "\n")+"\n")
	return err
}

// guideBlock is the layout of the guide's own summary, whose readers parse it: its lines are as long as what they name.
func guideBlock(b *strings.Builder, in Input) {
	fmt.Fprintf(b, "Benchmark Results Summary\n%s\n\n", strings.Repeat("=", 30))
	fmt.Fprintf(b, "Results directory: %s\nPlots generated: %s\n\nDeployment Types Found:\n", in.DataDir, in.OutputDir)
	for _, benchmark := range in.Benchmarks {
		kind := "concurrency levels"
		if benchmark.Open() {
			kind = "request rates"
		}
		first, last := benchmark.Levels[0].Value(), benchmark.Levels[len(benchmark.Levels)-1].Value()
		fmt.Fprintf(b, "  %s: %d %s (%s-%s)\n", plain(benchmark.Name), len(benchmark.Levels), kind, first, last)
	}
	b.WriteString("\nGenerated Plots:")
	for _, plot := range in.Plots {
		fmt.Fprintf(b, "\n  - %s", plot)
	}
}

func writeFact(b *strings.Builder, name, value string) {
	b.WriteString(strings.Join(wrapped(fmt.Sprintf("%-11s", name+":"), plain(value)), "\n") + "\n")
}

// Facts says in name-value pairs whether a benchmark's figures stand for anything, and what it measured.
func Facts(benchmark *results.Benchmark) [][2]string {
	run := benchmark.Run
	if run == nil {
		return [][2]string{{"Verdict", Verdict(benchmark)}, {"Source", fmt.Sprintf("recorded by %s; only its aggregates are known", benchmark.Sources())}}
	}
	p := &run.Plan
	target := strings.Join(p.Endpoints, ", ")
	switch {
	case p.Virtual:
		target = "embedded mock server, virtual time"
	case p.EmbeddedMock:
		target = "embedded mock server"
	case p.TLS.Insecure && strings.Contains(target, "https://"):
		target += " (certificate not verified)"
	}
	gpus := fmt.Sprint(p.GPUs)
	if p.GPUsAssumed {
		gpus += " (assumed)"
	}
	facts := [][2]string{
		{"Verdict", Verdict(benchmark)},
		{"Target", target},
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
	most, at := 0.0, 0
	for i := range benchmark.Levels {
		l := &benchmark.Levels[i]
		if l.Record != nil && l.Record.Instrument != nil && l.Record.Instrument.CeilingShare > most {
			most, at = l.Record.Instrument.CeilingShare, l.Concurrency
		}
	}
	if most == 0 {
		return ""
	}
	return fmt.Sprintf("; at most %.2g %% of this machine's calibrated ceiling (at %d)", 100*most, at)
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

// explainOthers says what the figures of tables that follow another tool are.
func explainOthers(b *strings.Builder, benchmarks []*results.Benchmark) {
	for _, c := range Others(benchmarks) {
		fmt.Fprintf(b, "\n%s formulas\n", c.Title())
		for _, d := range c.Definitions() {
			writeItem(b, fmt.Sprintf("%s (%s): %s", d.Name, d.Unit, d.Formula))
		}
		writeItem(b, "percentiles: "+c.Percentiles())
		writeItem(b, "~ too few requests for this percentile: "+c.Title()+" prints it all the same")
	}
}

// Others lists the conventions beside AIPerf's that the benchmarks' tables follow.
func Others(benchmarks []*results.Benchmark) []metric.Convention {
	var others []metric.Convention
	for _, b := range benchmarks {
		if b.Convention != metric.AIPerf && !slices.Contains(others, b.Convention) {
			others = append(others, b.Convention)
		}
	}
	return others
}

const legend = `How to read the tables
  The head of a table names the tool whose formulas it follows. AIPerf's:
  conc      requests asked to be in flight; reach: mean really in flight until
            the last request started
  ok/fail   requests that ended well, and otherwise
  TTFT      time to first token, ms     ITL  inter-token latency, ms
  lat       request latency, s          tok/s, req/s: over the whole level
  plat      output tokens/s while at least 95 % of conc was in flight
  edge      share of the level outside that plateau
  p50, p99  interpolated linearly between order statistics
  n/a       too few requests: p50 needs 5, p99 needs 299
  [a, b]    95 % interval within one run, by AIPerf's formulas: too narrow
            under load, where the same level run again is often outside
  n_eff     independent requests that would say as much of the mean
  [needs]   what an interval takes: 40 requests, and for percentiles n_eff
  (<200)    p99 of the gaps of fewer than 200 requests: nearer 86 than 95 %
  over runs geometric means, Student's t on logarithms; CV: deviation of the
            runs as a share of their mean; n/a needs so many requests a run
  ?         one GPU is assumed: pass -gpus
  *         the level did not run to its planned end, see the warnings
  ~         client suspect: this machine stamped late, see the warnings
  !         client limited: by so much that the figures are as much its own
  VALID     the load was the planned one, and the client could measure it; !
            behind a reading: beyond its limit
  window    the level without its warm-up and drain, if it is long enough`

const openLegend = `  rate      requests a second that were to start; flight: mean in flight
  schedule  times from when a request was to start, which is when its user
            would have asked; sent: from when it did
  waited    requests that found -max-in-flight reached
  OVERLOADED  more came than was served: figures grow with the level's length`

const goodputLegend = `  good      requests that ended well and meet every objective; share: of all of
            them, those that failed too; at least: what that proves of the
            server, with 95 % confidence to one side, by one look
  by plan   ended by -grace-period or a cap, or never started for it: left out`

const cancelLegend = `  plan      requests that were cancelled on purpose (-cancel-rate): no failures,
            and in no figure of latency or throughput`

func writeWarnings(b *strings.Builder, in Input) {
	all := in.allWarnings()
	if len(all) == 0 {
		return
	}
	writeHead(b, "Warnings")
	for _, w := range all {
		writeItem(b, plain(w))
	}
}

// allWarnings are the report's own and those of its benchmarks.
func (in Input) allWarnings() []string {
	all := slices.Clone(in.Warnings)
	for _, benchmark := range in.Benchmarks {
		for _, w := range benchmark.Warnings {
			all = append(all, benchmark.Name+": "+w)
		}
	}
	return all
}

// repeat says how to measure each benchmark again, and what tells whether that was the same.
func repeat(b *strings.Builder, in Input) {
	first := true
	for _, benchmark := range in.Benchmarks {
		command := in.Commands[benchmark.Name]
		if command == "" || benchmark.Run == nil {
			continue
		}
		if first {
			writeHead(b, "Measure again")
		} else {
			b.WriteString("\n")
		}
		first = false
		writeWrapped(b, "", plain(benchmark.Name)+": "+plain(Fingerprint(benchmark.Run)))
		b.WriteString(strings.Join(shellLines(plain(command)), "\n") + "\n")
	}
}

// Fingerprint is what two runs have alike that can be compared: of the workload without its nonce, and of the machine.
func Fingerprint(run *record.Run) string {
	text := "workload " + cmp.Or(run.WorkloadSHA256[:min(16, len(run.WorkloadSHA256))], "not recorded")
	if run.Host != nil && run.Host.Fingerprint != "" {
		text += ", machine " + run.Host.Fingerprint[:min(16, len(run.Host.Fingerprint))]
	}
	return text + ", llmsweep " + cmp.Or(run.Tool.Version, "of unknown version")
}

// unfinished reports whether a level did not run to its planned end, or not at one go.
func unfinished(l *results.Level) bool {
	return l.Cancelled || l.Broken() || l.Record != nil && l.Record.Status != record.Done
}
