package compare

import (
	"fmt"
	"math"
	"strings"

	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/record"
)

// doubted takes the verdict back where the client's error could have made it, or the figure is one of another load than was planned.
func (f Finding) doubted(level Level) Finding {
	if _, has := level.Figures[f.Metric]; level.Invalid != "" && f.ofTheLoad(level) && has && level.Unfinished == "" && f.Verdict != Inconclusive {
		f.Verdict = Inconclusive
		f.Text += fmt.Sprintf("; %s is INVALID: %s", level.Name, level.Invalid)
	}
	switch {
	case level.Client == record.ClientLimited:
		f.Client = level.Client
		if f.Verdict != Inconclusive {
			f.Verdict = Inconclusive
			f.Text += fmt.Sprintf("; %s: the figures of %s are its own as much as the server's", level.Client, level.Name)
		}
	case level.Client == record.ClientSuspect && f.Client != record.ClientLimited:
		f.Client = level.Client
		if f.Verdict != Inconclusive && level.Unfinished == "" && math.Abs(f.Value-f.Bound) <= f.errorOf(level) {
			f.Verdict = Inconclusive
			f.Text += fmt.Sprintf("; %s: its stamps may be %s ms late, which could make that difference", level.Client, short(level.ErrorMS))
		}
	}
	return f
}

// ofTheLoad reports whether the figure would be another one under another load: a time, a rate, or how many requests were good, unless these fail whatever
// the load was.
func (f Finding) ofTheLoad(level Level) bool {
	if metric.OfSLO(f.Metric) {
		return !f.hopeless(level)
	}
	return f.Unit == "ms" || f.Unit == "sec" || strings.Contains(f.Unit, "/sec")
}

// hopeless reports whether a figure of the SLO would be below its limit even if all requests that ended well had been good.
func (f Finding) hopeless(level Level) bool {
	return metric.OfSLO(f.Metric) && f.Verdict == Fail && f.Value < f.Bound && mostGood(f.Metric, level.Figures) < f.Bound
}

// mostGood is a figure of the SLO as it would be if all requests that ended well had been good: late stamps make good requests bad, never bad ones good.
func mostGood(tag string, figures Figures) float64 {
	valid, failed := figures["request_count"]["avg"], figures["error_request_count"]["avg"]
	switch tag {
	case "slo_attainment":
		return 100 * valid / max(valid+failed, 1)
	case "goodput":
		return figures["request_throughput"]["avg"]
	default:
		return valid
	}
}

// mostShort is the part of its load by which a client may fall short in flight before it is limited.
const mostShort = 0.05

// errorOf is how far off the figure may be towards its bound, in its own unit, where stamps may be late by the level's error. Counts of tokens
// and requests do not depend on stamps. The inter-token latency of a request is between two of its stamps, and the error is shared by as many
// gaps as its answer has; the shortest one has the fewest. The rate of one request is the inverse of a time of its own. The rate of all together loses what the
// client waits in each request, and as much as it may have fallen short in flight.
func (f Finding) errorOf(level Level) float64 {
	switch {
	case f.Metric == "inter_token_latency":
		return level.ErrorMS / max(1, level.Figures["output_sequence_length"]["min"]-1)
	case f.Unit == "ms":
		return level.ErrorMS
	case f.Unit == "sec":
		return level.ErrorMS / 1000
	case metric.OfSLO(f.Metric) && f.Unit != "requests/sec":
		return f.flipped(level)
	case !strings.Contains(f.Unit, "/sec"):
		return 0
	}
	average := func(tag string) float64 { return level.Figures[tag]["avg"] }
	switch f.Metric {
	case "output_token_throughput_per_user":
		return f.errorOfInverse(1000/f.Value, level.ErrorMS)
	case "prefill_throughput_per_user":
		return f.errorOfInverse(1000*average("input_sequence_length")/f.Value, level.ErrorMS)
	case "e2e_output_token_throughput":
		return f.errorOfInverse(1000*average("output_sequence_length")/f.Value, level.ErrorMS)
	}
	late := mostShort*math.Abs(f.Value) + f.errorOfInverse(average("request_latency"), level.ErrorMS)
	if f.Metric == "goodput" {
		late += f.flipped(level)
	}
	return late
}

// flipped is how much of a figure of the SLO late stamps may have cost, where it is not at its limit.
func (f Finding) flipped(level Level) float64 {
	if f.Value >= f.Bound {
		return 0
	}
	return max(0, mostGood(f.Metric, level.Figures)-f.Value)
}

// errorOfInverse is the error of a rate over a time that may be off by an error, both in ms: v T / (T - E) - v to a bound above it, which has
// no end where the error is as long as the time, and v - v T / (T + E) to one below. Where the time is not known, nothing speaks for the rate.
func (f Finding) errorOfInverse(ofMS, errorMS float64) float64 {
	switch {
	case !(ofMS > 0):
		return math.Inf(1)
	case f.Bound < f.Value:
		return f.Value * errorMS / (ofMS + errorMS)
	case errorMS >= ofMS:
		return math.Inf(1)
	}
	return f.Value * errorMS / (ofMS - errorMS)
}
