package harness

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/llmsweep/llmsweep/harness/record"
)

// setting is one option of a plan as text.
type setting struct{ name, value string }

// determinants are the settings that a run must keep when it is resumed: all that determines its load, its verdicts or what its report
// says. Left out are only where results go, how long to wait for the server, when to stop, and the benchmark's name, which is the folder's.
func determinants(p *record.Plan) []setting {
	endpoints := strings.Join(p.Endpoints, ", ")
	if p.EmbeddedMock {
		endpoints = "the embedded mock server" // on a port of its own each time
	}
	return []setting{
		{"endpoint", endpoints}, {"mock-args", strings.Join(p.MockArgs, " ")}, {"virtual", text(p.Virtual)}, {"model", p.Model},
		{"input-file", p.Input.File}, {"custom-dataset-type", p.Input.Format}, {"dataset-sampling", p.Input.Sampling}, {"SHA-256 of the input-file", p.Input.SHA256},
		{"isl", text(p.ISL)}, {"std", text(p.StdDev)}, {"osl", text(p.OSL)}, {"seq-dist", p.SeqDist},
		{"isl-counts", cmp.Or(p.ISLCounts, record.ClientISL)},
		{"shared-system-prompt-length", text(p.Prefixes.System)}, {"prefix-length", text(p.Prefixes.Length)}, {"prefix-ratio", text(p.Prefixes.Ratio)},
		{"prefix-pool", text(p.Prefixes.Pool)}, {"concurrencies", strings.Trim(text(p.Concurrencies), "[]")},
		{"request-rate", strings.Trim(text(p.RequestRates), "[]")}, {"fixed-schedule", text(p.FixedSchedule)}, {"time-scale", text(p.TimeScale)}, {"arrival", p.Arrival}, {"burstiness", text(p.Burstiness)},
		{"duration", text(p.Duration)}, {"grace-period", text(p.GracePeriod)}, {"max-in-flight", text(p.MaxInFlight)},
		{"prefill-concurrency", text(p.PrefillCap)}, {"cancel-rate", text(p.CancelRate)}, {"cancel-delay", text(p.CancelDelay)},
		{"concurrency-ramp-duration", text(p.ConcurrencyRamp)}, {"request-rate-ramp-duration", text(p.RateRamp)}, {"request-rate-ramp-from", text(p.RateRampFrom)},
		{"request-count", text(p.RequestCount)}, {"warmup-requests", text(p.WarmupRequests)}, {"warmup-duration", text(p.WarmupDuration)},
		{"warmup-concurrency", text(p.WarmupConcurrency)}, {"warmup-request-rate", text(p.WarmupRate)}, {"warmup-grace-period", orNone(p.WarmupGrace)},
		{"repeats", text(max(1, p.Repeats))}, {"seed", text(p.Seed)}, {"nonce", text(p.Nonce)},
		{"endpoint-type", cmp.Or(p.EndpointType, record.Chat)}, {"streaming", text(!p.Unstreamed)}, {"compat", p.Compat}, {"extra-inputs", object(p.ExtraInputs)}, {"header", object(p.Headers)},
		{"request-timeout", text(p.RequestTimeout)}, {"first-token-timeout", text(p.FirstTokenTimeout)}, {"idle-timeout", text(p.IdleTimeout)},
		{"connect-timeout", text(p.ConnectTimeout)}, {"retry-429", text(p.Retry429)},
		{"insecure, ca-cert, client-cert, client-key", fmt.Sprintf("%t, %s, %s, %s", p.TLS.Insecure, p.TLS.CACert, p.TLS.ClientCert, p.TLS.ClientKey)},
		{"transport", p.Transport}, {"connection-reuse", p.ConnectionReuse}, {"max-error-rate", text(p.MaxErrorRate)},
		{"server-metrics", cmp.Or(strings.Join(p.ServerMetrics, ","), record.MetricsAuto)}, {"gpu-telemetry", strings.Join(p.GPUTelemetry, ",")},
		{"gpus", gpus(p)}, {"definitions", p.Definitions}, {"slo", p.SLO}, {"tokenizer", p.Tokenizer + " " + p.TokenizerSHA256},
	}
}

// orNone is a limit, where there is one.
func orNone(d *time.Duration) string {
	if d == nil {
		return "none"
	}
	return d.String()
}

func text(v any) string { return fmt.Sprint(v) }

// object is a map as JSON, whose keys are in order; an empty one is no map.
func object[V any](m map[string]V) string {
	if len(m) == 0 {
		return ""
	}
	data, _ := json.Marshal(m) // it came from JSON, or holds texts
	return string(data)
}

func gpus(p *record.Plan) string {
	if p.GPUsAssumed {
		return text(p.GPUs) + " (assumed)"
	}
	return text(p.GPUs)
}

// differences says what a plan has otherwise than an earlier one, a line for each setting.
func differences(was, is *record.Plan) []string {
	var lines []string
	before := determinants(was)
	for i, now := range determinants(is) {
		if before[i].value != now.value {
			lines = append(lines, fmt.Sprintf("%s: %q in the run, %q now", now.name, before[i].value, now.value))
		}
	}
	return append(lines, otherFiles(was, is)...)
}

// otherFiles says which files of -mock-args have changed. Where -mock-args is another one, files that only one plan names need no line of their own.
func otherFiles(was, is *record.Plan) []string {
	sameArgs := slices.Equal(was.MockArgs, is.MockArgs)
	var lines []string
	paths := slices.AppendSeq(slices.Collect(maps.Keys(was.MockFiles)), maps.Keys(is.MockFiles))
	slices.Sort(paths)
	for _, path := range slices.Compact(paths) {
		before, had := was.MockFiles[path]
		now, has := is.MockFiles[path]
		if (had != has && sameArgs) || (had && has && before != now) {
			lines = append(lines, fmt.Sprintf("mock-args: the file %q is not the one of the run: SHA-256 %s then, %s now", path, sum(before), sum(now)))
		}
	}
	return lines
}

// sum is the beginning of a SHA-256, which is enough to tell two apart.
func sum(sha256 string) string {
	if sha256 == "" {
		return "unknown" // the plan does not name the file, or is of before sums were kept
	}
	return sha256[:min(12, len(sha256))]
}
