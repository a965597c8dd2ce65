package metric

import (
	"time"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/stat"
)

// Result is one figure of a level. A PerRequest definition fills Summary; the others have one Value.
type Result struct {
	Definition
	Value   float64 // the single value, or Summary.Avg
	Summary stat.Summary
}

// Accumulator gathers the samples of one level. Only valid samples enter latency and throughput figures; all others are counted
// as errors, those that the client cancelled among them (AIPerf's code 499); warm-up is left out.
type Accumulator struct {
	rules   []rule
	values  map[string][]float64
	started time.Time

	valid, failed, mismatched int
	firstNS, lastNS           int64
	sums                      map[string]float64
}

// NewAccumulator starts a level whose stamp 0 is at the given wall-clock time.
func NewAccumulator(started time.Time) *Accumulator {
	return &Accumulator{rules: rules(), values: map[string][]float64{}, sums: map[string]float64{}, started: started, lastNS: record.Never}
}

// Add takes one sample into account.
func (a *Accumulator) Add(s *record.Sample) {
	if s.Phase != record.Profiling {
		return
	}
	for _, v := range ofSample(a.rules, s) {
		if v.List != nil {
			a.values[v.Tag] = append(a.values[v.Tag], v.List...)
			continue
		}
		a.values[v.Tag] = append(a.values[v.Tag], v.Value)
		a.sums[v.Tag] += v.Value
	}
	if s.Outcome != record.OK {
		a.failed++
		return
	}
	if mismatched(s) {
		a.mismatched++
	}
	if a.valid == 0 || s.StartNS < a.firstNS {
		a.firstNS = s.StartNS
	}
	a.lastNS = max(a.lastNS, lastChunk(s))
	a.valid++
}

// Results returns every figure that has a value: record metrics first, then counters and derived ones.
func (a *Accumulator) Results() []Result {
	var results []Result
	for _, r := range a.rules {
		if summary, ok := stat.Summarize(a.values[r.Tag]); ok {
			results = append(results, Result{Definition: r.Definition, Value: summary.Avg, Summary: summary})
		}
	}
	for _, d := range levelRules() {
		if value, ok := d.of(a); ok {
			results = append(results, Result{Definition: d.Definition, Value: value})
		}
	}
	return results
}

// seconds is AIPerf's benchmark duration: first start to last content of valid requests. Failures do not widen it.
func (a *Accumulator) seconds() float64 { return float64(a.lastNS-a.firstNS) / nsPerSec }

// rate is an amount a second. Without an amount there is no rate.
func (a *Accumulator) rate(amount float64) (float64, bool) {
	return amount / a.seconds(), amount > 0 && a.valid > 0 && a.seconds() > 0
}

func (a *Accumulator) total(tag string) (float64, bool) { return a.sums[tag], len(a.values[tag]) > 0 }

type levelRule struct {
	Definition
	of func(*Accumulator) (float64, bool)
}

func levelRules() []levelRule {
	return append(append(windowRules(), throughputRules()...), totalRules()...)
}

func level(tag, name, unit, formula string, of func(*Accumulator) (float64, bool)) levelRule {
	return levelRule{Definition: Definition{Tag: tag, Name: name, Unit: unit, Formula: formula, Source: aiperf}, of: of}
}

func windowRules() []levelRule {
	return []levelRule{
		level("request_count", "Request Count", unitRequests, "valid requests", func(a *Accumulator) (float64, bool) {
			return float64(a.valid), a.valid > 0
		}),
		level("error_request_count", "Error Request Count", unitRequests, "failed requests", func(a *Accumulator) (float64, bool) {
			return float64(a.failed), a.failed > 0
		}),
		level("min_request_timestamp", "Minimum Request Timestamp", "ns", "first start of a valid request, wall clock", func(a *Accumulator) (float64, bool) {
			return float64(a.started.UnixNano() + a.firstNS), a.valid > 0
		}),
		level("max_response_timestamp", "Maximum Response Timestamp", "ns", "last content chunk of a valid request, wall clock", func(a *Accumulator) (float64, bool) {
			return float64(a.started.UnixNano() + a.lastNS), a.lastNS != record.Never
		}),
		level("benchmark_duration", "Benchmark Duration", "sec", "max_response_timestamp - min_request_timestamp", func(a *Accumulator) (float64, bool) {
			return a.seconds(), a.valid > 0 && a.seconds() > 0
		}),
		level("osl_mismatch_count", "OSL Mismatch Count", unitRequests, "requests with |OSL - requested| > min(5 % of requested, 50)", func(a *Accumulator) (float64, bool) {
			return float64(a.mismatched), a.mismatched > 0
		}),
	}
}

func throughputRules() []levelRule {
	rules := []levelRule{
		level("request_throughput", "Request Throughput", "requests/sec", "request_count / benchmark_duration", func(a *Accumulator) (float64, bool) {
			return a.rate(float64(a.valid))
		}),
		level("output_token_throughput", "Output Token Throughput", unitTokensPerSec, "total_osl / benchmark_duration", func(a *Accumulator) (float64, bool) {
			return a.rate(a.sums["output_sequence_length"])
		}),
		level("total_token_throughput", "Total Token Throughput", unitTokensPerSec, "(total_isl + total_osl) / benchmark_duration", func(a *Accumulator) (float64, bool) {
			in, out := a.sums["input_sequence_length"], a.sums["output_sequence_length"]
			total, ok := a.rate(in + out)
			return total, ok && in > 0 && out > 0
		}),
		level("input_token_throughput", "Input Token Throughput", unitTokensPerSec, "total_isl / benchmark_duration", func(a *Accumulator) (float64, bool) {
			return a.rate(a.sums["input_sequence_length"])
		}),
	}
	for i := range rules {
		rules[i].HigherBetter = true
	}
	return rules
}

func totalRules() []levelRule {
	sum := func(tag, name, of string) levelRule {
		return level(tag, name, unitTokens, "sum of "+of, func(a *Accumulator) (float64, bool) { return a.total(of) })
	}
	return []levelRule{
		sum("total_isl", "Total Input Sequence Length", "input_sequence_length"),
		sum("total_osl", "Total Output Sequence Length", "output_sequence_length"),
		sum("total_output_tokens", "Total Output Tokens", "output_token_count"),
		sum("total_reasoning_tokens", "Total Reasoning Tokens", "reasoning_token_count"),
		sum("total_error_isl", "Total Error Input Sequence Length", "error_isl"),
		level("overall_thinking_efficiency", "Overall Thinking Efficiency", "ratio", "total_reasoning_tokens / total_output_tokens", func(a *Accumulator) (float64, bool) {
			reasoning, visible := a.sums["reasoning_token_count"], a.sums["output_token_count"]
			return reasoning / visible, reasoning > 0 && visible > 0
		}),
		sum("total_usage_prompt_tokens", "Total Usage Prompt Tokens", "usage_prompt_tokens"),
		sum("total_usage_completion_tokens", "Total Usage Completion Tokens", "usage_completion_tokens"),
		sum("total_usage_total_tokens", "Total Usage Total Tokens", "usage_total_tokens"),
		sum("total_usage_reasoning_tokens", "Total Usage Reasoning Tokens", "usage_reasoning_tokens"),
		sum("total_usage_prompt_cache_read_tokens", "Total Usage Prompt Cache Read Tokens", "usage_prompt_cache_read_tokens"),
		sum("total_usage_prompt_cache_write_tokens", "Total Usage Prompt Cache Write Tokens", "usage_prompt_cache_write_tokens"),
		sum("total_usage_prompt_cache_miss_tokens", "Total Usage Prompt Cache Miss Tokens", "usage_prompt_cache_miss_tokens"),
		sum("total_usage_prompt_audio_tokens", "Total Usage Prompt Audio Tokens", "usage_prompt_audio_tokens"),
		sum("total_usage_completion_audio_tokens", "Total Usage Completion Audio Tokens", "usage_completion_audio_tokens"),
		sum("total_usage_accepted_prediction_tokens", "Total Usage Accepted Prediction Tokens", "usage_accepted_prediction_tokens"),
		sum("total_usage_rejected_prediction_tokens", "Total Usage Rejected Prediction Tokens", "usage_rejected_prediction_tokens"),
		level("overall_usage_prompt_cache_read_pct", "Overall Usage Prompt Cache Read %", "%", "total cached / total prompt tokens x 100", func(a *Accumulator) (float64, bool) {
			prompt := a.sums["usage_prompt_tokens"]
			cached, ok := a.total("usage_prompt_cache_read_tokens")
			return 100 * cached / prompt, ok && prompt > 0
		}),
	}
}

// Definitions returns every definition, in the order of Results.
func Definitions() []Definition {
	var all []Definition
	for _, r := range rules() {
		all = append(all, r.Definition)
	}
	for _, r := range levelRules() {
		all = append(all, r.Definition)
	}
	return all
}
