// Package export writes figures in the formats that other tools read: of a level AIPerf's aggregate as JSON (schema 1.3) and CSV, its
// list of requests, its aggregate over runs, and the result of vllm bench serve; of all benchmarks Go's benchmark format and a tidy
// CSV. Values are in the units of the definitions; what has no value is absent.
package export

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/steady"
	"github.com/llmsweep/llmsweep/reporting/results"
)

// schemaVersion is the version of AIPerf's aggregate that is written.
const schemaVersion = "1.3"

// statistics are the keys of a distribution in AIPerf's order.
func statistics() []string {
	return []string{"avg", "p1", "p5", "p10", "p25", "p50", "p75", "p90", "p95", "p99", "min", "max", "std", "count", "sum"}
}

// field is one member of a JSON object whose order is kept.
type field struct {
	key   string
	value any
}

type object []field

// MarshalJSON writes the members in order.
func (o object) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, f := range o {
		key, _ := json.Marshal(f.key)
		value, err := json.Marshal(f.value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.key, err)
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, key...), ':'), value...)
	}
	return append(b, '}'), nil
}

// Aggregate writes profile_export_aiperf.json.
func Aggregate(w io.Writer, run *record.Run, l *results.Level) error {
	id := benchmarkID(run)
	document := object{{"schema_version", schemaVersion}, {"aiperf_version", "llmsweep " + run.Tool.Version}, {"benchmark_id", id}}
	for _, r := range l.Results {
		document = append(document, field{r.Tag, figure(r.Tag, r.Unit, r.PerRequest, l.Figures)})
	}
	end := l.Record.StartedAt.Add(time.Duration(l.Record.EndedNS))
	document = append(document,
		field{"input_config", inputConfig(run, l)},
		field{"run_info", object{
			{"benchmark_id", id}, {"random_seed", run.Plan.Seed}, {"trial", trial(l)}, {"run_label", run.Plan.BenchmarkName},
			{"variation_label", l.Point.Name()}, {"variation_index", slices.Index(run.Plan.Points(), l.Point)},
			{"variation_values", object{load(l)}}, {"cli_command", Command(run)},
		}},
		field{"was_cancelled", l.Record.WasCancelled()},
		field{"error_summary", l.Errors},
		field{"start_time", stamp(l.Record.StartedAt)},
		field{"end_time", stamp(end)},
		field{"llmsweep", ours(run, l)},
	)
	data, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the aggregate: %w", err)
	}
	_, err = w.Write(append(data, '\n'))
	return err
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000+00:00") }

func figure(tag, unit string, perRequest bool, figures results.Figures) object {
	o := object{{"unit", unit}}
	for _, name := range statistics() {
		value, ok := figures.Get(tag, name)
		if (name == "avg" || perRequest) && ok && !math.IsNaN(value) && !math.IsInf(value, 0) {
			o = append(o, field{name, value})
		}
	}
	return o
}

// benchmarkID is the same for all levels of a run and for each writing of its report.
func benchmarkID(run *record.Run) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %d %s", run.Plan.BenchmarkName, run.Plan.Seed, run.Plan.Nonce, run.CreatedAt))
	return hex.EncodeToString(sum[:8])
}

func inputConfig(run *record.Run, l *results.Level) object {
	p := &run.Plan
	return object{
		{"endpoint", object{
			{"model_names", []string{p.Model}}, {"type", cmp.Or(p.EndpointType, record.Chat)}, {"streaming", !p.Unstreamed}, {"urls", p.Endpoints},
			{"timeout_seconds", p.RequestTimeout.Seconds()}, {"use_server_token_count", true},
		}},
		{"input", object{
			{"prompt", prompt(p)},
			{"random_seed", p.Seed}, {"extra", p.ExtraInputs}, {"headers", p.Headers},
		}},
		{"loadgen", loadgen(p, l)},
		{"tokenizer", object{{"name", p.Tokenizer}}},
		{"output", object{{"artifact_directory", folder(l)}}},
		{"cli_command", Command(run)},
	}
}

// loadgen is how the load was made.
func loadgen(p *record.Plan, l *results.Level) object {
	o := object{load(l), {"request_count", l.Record.Counts.Planned}, {"warmup_request_count", l.Record.Warmup.Planned}}
	o = append(o, warmup(p)...)
	if p.PrefillCap > 0 {
		o = append(o, field{"prefill_concurrency", p.PrefillCap})
	}
	if p.CancelRate > 0 {
		o = append(o, field{"request_cancellation_rate", p.CancelRate}, field{"request_cancellation_delay", p.CancelDelay.Seconds()})
	}
	return o
}

// prompt is how long prompts and answers were, and what prompts shared.
func prompt(p *record.Plan) object {
	o := object{
		{"input_tokens", object{{"mean", p.ISL}, {"stddev", p.StdDev}}},
		{"output_tokens", object{{"mean", p.OSL}, {"stddev", 0}}},
	}
	if p.SeqDist != "" {
		o = object{{"sequence_distribution", p.SeqDist}}
	}
	if p.Prefixes == (record.Prefixes{}) {
		return o
	}
	return append(o, field{"prefix_prompt", object{ // AIPerf's prefix comes on top of a prompt's length, ours is part of it
		{"pool_size", max(1, p.Prefixes.Pool)}, {"length", p.Prefixes.Length}, {"ratio", p.Prefixes.Ratio}, {"shared_system_prompt_length", p.Prefixes.System},
	}})
}

// load is what was asked of the level, by AIPerf's name.
func load(l *results.Level) field {
	if l.Trace {
		return field{"fixed_schedule", true}
	}
	if l.Open() {
		return field{"request_rate", l.Rate}
	}
	return field{"concurrency", l.Concurrency}
}

// warmup is what the warm-up has of its own, by AIPerf's names.
func warmup(p *record.Plan) (o object) {
	if p.WarmupDuration > 0 {
		o = append(o, field{"warmup_duration", p.WarmupDuration.Seconds()})
	}
	if p.WarmupConcurrency > 0 {
		o = append(o, field{"warmup_concurrency", p.WarmupConcurrency})
	}
	if p.WarmupRate > 0 {
		o = append(o, field{"warmup_request_rate", p.WarmupRate})
	}
	if p.WarmupGrace != nil {
		o = append(o, field{"warmup_grace_period", p.WarmupGrace.Seconds()})
	}
	return o
}

// folder is the level's inside the benchmark's, or that of one of its runs.
func folder(l *results.Level) string {
	if run := filepath.Base(l.Dir); record.IsRunName(run) {
		return l.Point.Name() + "/" + run
	}
	return l.Point.Name()
}

// trial is the number of a run, from 0; the one at the end repeats the first.
func trial(l *results.Level) int {
	run := 1
	_, _ = fmt.Sscanf(filepath.Base(l.Dir), "run-%d", &run)
	return run - 1
}

// Command is the command that sends the same load again, without secrets: headers that were given literally are missing.
func Command(run *record.Run) string {
	p := &run.Plan
	command := "go test ./bench -run Sweep -v -count=1 -timeout 0"
	flag := func(name string, value any) { command += " -" + name + "=" + quote(fmt.Sprint(value)) }
	optional := func(name string, value any, given bool) {
		if given {
			flag(name, value)
		}
	}
	if p.Virtual {
		command += " -virtual"
	} else if !p.EmbeddedMock {
		for _, e := range p.Endpoints {
			flag("endpoint", e)
		}
	}
	optional("mock-args", strings.Join(p.MockArgs, " "), len(p.MockArgs) > 0)
	flag("benchmark-name", p.BenchmarkName)
	flag("model", p.Model)
	commandPrompts(p, flag, optional)
	commandLoad(p, flag, optional)
	flag("seed", p.Seed)
	flag("nonce", p.Nonce)
	optional("request-count", p.RequestCount, p.RequestCount > 0)
	optional("warmup-requests", p.WarmupRequests, p.WarmupRequests > 0)
	optional("warmup-duration", p.WarmupDuration, p.WarmupDuration > 0)
	optional("warmup-concurrency", p.WarmupConcurrency, p.WarmupConcurrency > 0)
	optional("warmup-request-rate", p.WarmupRate, p.WarmupRate > 0)
	if p.WarmupGrace != nil {
		flag("warmup-grace-period", *p.WarmupGrace)
	}
	optional("repeats", p.Repeats, p.Repeats > 1)
	optional("max-duration", p.MaxDuration, p.MaxDuration > 0)
	optional("max-tokens-total", p.MaxTokensTotal, p.MaxTokensTotal > 0)
	optional("retry-429", true, p.Retry429)
	optional("gpus", p.GPUs, !p.GPUsAssumed)
	pages := strings.Join(p.ServerMetrics, ",")
	optional("server-metrics", pages, pages != "" && pages != record.MetricsAuto)
	optional("gpu-telemetry", strings.Join(p.GPUTelemetry, ","), len(p.GPUTelemetry) > 0)
	optional("definitions", p.Definitions, p.Definitions != "" && p.Definitions != string(metric.AIPerf))
	optional("export", p.Export, p.Export != "")
	optional("slo", p.SLO, p.SLO != "")
	optional("endpoint-type", p.EndpointType, p.AsksCompletions())
	optional("streaming", false, p.Unstreamed)
	optional("compat", p.Compat, p.Compat != "llm")
	optional("ca-cert", p.TLS.CACert, p.TLS.CACert != "")
	optional("client-cert", p.TLS.ClientCert, p.TLS.ClientCert != "")
	optional("client-key", p.TLS.ClientKey, p.TLS.ClientKey != "")
	optional("insecure", true, p.TLS.Insecure)
	if len(p.ExtraInputs) > 0 {
		extra, _ := json.Marshal(p.ExtraInputs) // it came from JSON
		flag("extra-inputs", string(extra))
	}
	for _, name := range slices.Sorted(maps.Keys(p.Headers)) {
		// The API key is read from its own variable.
		optional("header", name+":"+p.Headers[name], strings.HasPrefix(p.Headers[name], "env:") && name != "Authorization")
	}
	return command
}

// commandPrompts writes the flags that say what requests ask.
func commandPrompts(p *record.Plan, flag func(name string, value any), optional func(name string, value any, given bool)) {
	if p.Input.File == "" && p.SeqDist == "" {
		flag("isl", p.ISL)
		flag("std", p.StdDev)
	}
	optional("seq-dist", p.SeqDist, p.SeqDist != "")
	optional("isl-counts", p.ISLCounts, p.ISLCounts != "")
	optional("shared-system-prompt-length", p.Prefixes.System, p.Prefixes.System > 0)
	optional("prefix-length", p.Prefixes.Length, p.Prefixes.Length > 0)
	optional("prefix-ratio", p.Prefixes.Ratio, p.Prefixes.Ratio > 0)
	optional("prefix-pool", p.Prefixes.Pool, p.Prefixes.Pool > 0)
	optional("input-file", p.Input.File, p.Input.File != "")
	optional("custom-dataset-type", p.Input.Format, p.Input.File != "")
	optional("dataset-sampling", p.Input.Sampling, p.Input.File != "")
	optional("osl", p.OSL, p.SeqDist == "")
}

// commandLoad writes the flags that say what is in flight, or when requests start.
func commandLoad(p *record.Plan, flag func(name string, value any), optional func(name string, value any, given bool)) {
	levels := make([]string, len(p.Points()))
	for i, at := range p.Points() {
		levels[i] = at.Value()
	}
	optional("duration", p.Duration, p.Duration > 0)
	optional("grace-period", p.GracePeriod, p.Duration > 0)
	optional("prefill-concurrency", p.PrefillCap, p.PrefillCap > 0)
	optional("cancel-rate", p.CancelRate, p.CancelRate > 0)
	optional("cancel-delay", p.CancelDelay, p.CancelDelay > 0)
	switch {
	case p.FixedSchedule:
		flag("fixed-schedule", true)
		optional("time-scale", p.TimeScale, p.TimeScale != 1)
		optional("max-in-flight", p.MaxInFlight, p.MaxInFlight > 0)
	case len(p.RequestRates) > 0:
		flag("request-rate", strings.Join(levels, ","))
		flag("arrival", p.Arrival)
		optional("burstiness", p.Burstiness, p.Burstiness > 0)
		optional("request-rate-ramp-duration", p.RateRamp, p.RateRamp > 0)
		optional("request-rate-ramp-from", p.RateRampFrom, p.RateRampFrom > 0)
		optional("max-in-flight", p.MaxInFlight, p.MaxInFlight > 0)
	default:
		optional("arrival", p.Arrival, p.WarmupRate > 0)
		optional("burstiness", p.Burstiness, p.Burstiness > 0)
		flag("concurrencies", strings.Join(levels, ","))
		optional("concurrency-ramp-duration", p.ConcurrencyRamp, p.ConcurrencyRamp > 0)
	}
}

// quote makes a text one word of a shell.
func quote(text string) string {
	plain := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-_./:,@%+=", c)
	}
	if text != "" && !strings.ContainsFunc(text, func(c rune) bool { return !plain(c) }) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// ours holds what AIPerf's schema has no key for.
func ours(run *record.Run, l *results.Level) object {
	load := field{"in_flight", object{{"reached", l.Load.Reached}, {"peak", l.Load.Peak}, {"integral_ns", l.Load.InFlightNS}}}
	if l.Broken() {
		load = field{"breaks", l.Record.Breaks}
	}
	o := object{
		{"status", l.Record.Status}, {"reason", l.Record.Reason}, {"concurrency", l.Concurrency},
		{"counts", l.Record.Counts}, {"gpus", run.Plan.GPUs}, {"gpus_assumed", run.Plan.GPUsAssumed},
		{"workload_sha256", l.Record.WorkloadSHA256}, {"warnings", l.Warnings},
		load,
		{"percentiles", metric.AIPerf.Percentiles()}, {"token_sources", l.TokenSources}, {"replicas", l.Replicas}, {"finish_reasons", l.FinishReasons},
	}
	if i := l.Instrument(); i != nil {
		o = append(o, field{"client", i})
	}
	o = append(o, field{"validity", l.Validity})
	if c := l.Cache; c.Requests > 0 {
		o = append(o, field{"prefix_cache", object{ // tokens of prompts, by the server's count
			{"requests", c.Requests}, {"prompt_tokens", c.Prompt}, {"hits", c.Hits}, {"shared_on_purpose", c.Shared}, {"unplanned_hits", c.Unplanned},
		}})
	}
	if l.Attained.Of > 0 {
		o = append(o, field{"slo", promised(l)})
	}
	if t := run.Template; t != nil {
		// What it took to find it is the run's, and grows with each resume; a level is the same by whichever it was measured.
		template := object{{"tokens", t.Tokens}, {"approximate", t.Approximate}}
		if t.Unknown != "" {
			template = object{{"unknown", t.Unknown}}
		}
		means := object{{"template", template}, {"requests", l.Prompts.Requests}} // whose prompts both have counted
		if l.Prompts.Requests > 0 {
			byClient, byServer := l.Prompts.Means()
			means = append(means, field{"mean_by_tokenizer", byClient}, field{"mean_by_server", byServer})
		}
		o = append(o, field{"prompt_tokens", means})
	}
	if l.Server != nil {
		o = append(o, field{"server_metrics", serverOf(l)})
	}
	if l.GPU != nil {
		o = append(o, field{"gpu_telemetry", gpusOf(l)})
	}
	if l.Window.Verdict != "" {
		o = append(o, field{"window", windowOf(l)})
	}
	if l.Load.HasPlateau {
		o = append(o, field{"plateau", object{
			{"start_ns", l.Load.PlateauStartNS}, {"end_ns", l.Load.PlateauEndNS},
			{"output_token_throughput", l.Load.TokensPerSecond()}, {"edge_share", l.Load.EdgeShare},
		}}, field{"littles_law", object{ // over the plateau; apart by more than the limit: edges dominate it, or it is not steady
			{"in_flight", l.Load.Little.InFlight}, {"rate_per_second", l.Load.Little.RatePerSecond}, {"latency_seconds", l.Load.Little.LatencySeconds},
			{"apart", l.Load.Little.Off()}, {"limit", steady.LittleLimit},
		}})
	}
	return o
}

// promised is what good requests keep to, how many do, and what that proves.
func promised(l *results.Level) object {
	o := object{{"objectives", l.SLO.String()}, {"good", l.Attained.Good}, {"of", l.Attained.Of}, {"by_plan", l.Attained.ByPlan}}
	if bound, ok := l.AtLeast(); ok {
		o = append(o, field{"effective_requests", l.Effective}, field{"share_at_least", bound}, field{"confidence", results.Confidence})
	}
	return o
}

// windowOf is the steady part of a level, with its figures in the units of their definitions, or why there is none.
func windowOf(l *results.Level) object {
	w := &l.Window
	o := object{{"verdict", w.Verdict}, {"reason", w.Reason}, {"warning", w.Warning}, {"median_latency_ns", w.MedianNS}, {"needs_requests", w.Needs},
		{"trend_z", w.Trend}, {"latency_change", w.Change}}
	if l.Settled == nil {
		return o
	}
	o = append(o, object{{"start_ns", w.StartNS}, {"end_ns", w.EndNS}, {"throughput_end_ns", w.RateEndNS}, {"requests", w.Requests}}...)
	for _, r := range l.Results {
		if _, ok := l.Settled[r.Tag]; ok {
			o = append(o, field{r.Tag, figure(r.Tag, r.Unit, r.PerRequest, l.Settled)})
		}
	}
	return o
}
