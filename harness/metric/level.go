package metric

import (
	"slices"
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
	levels  []levelRule
	started time.Time

	values  map[string][]float64
	weights map[string][]int // of the values of rules with weights
	sums    map[string]float64

	valid, failed, mismatched, disagreeing int
	// delivered and prompted are the tokens of valid requests, prompts by the server's account if it has one; received those of all.
	delivered, prompted, received int

	goals    []goal // of the SLO; nil: there is none
	attained Attained

	content window // first start to last content of valid requests: AIPerf's benchmark duration, which failures do not widen
	whole   window // first start to last end of all requests
	tokens  window // first to last token of all requests
}

// window is the span from the first to the last of some stamps.
type window struct {
	fromNS, toNS int64
	some         bool
	broken       bool // nothing ran in a part of it, or an end of it is not known: it has no length that means something
}

func (w *window) widen(fromNS, toNS int64) {
	if !w.some {
		w.fromNS, w.toNS, w.some = fromNS, toNS, true
		return
	}
	w.fromNS, w.toNS = min(w.fromNS, fromNS), max(w.toNS, toNS)
}

func (w *window) seconds() float64 {
	if w.broken {
		return 0
	}
	return float64(w.toNS-w.fromNS) / nsPerSec
}

// rate is an amount a second. Without an amount there is no rate.
func (w *window) rate(amount float64) (float64, bool) {
	return amount / w.seconds(), amount > 0 && w.seconds() > 0
}

// NewAccumulator starts a level whose stamp 0 is at the given wall-clock time, under AIPerf's definitions and our own beside them.
func NewAccumulator(started time.Time) *Accumulator { return AIPerf.Accumulator(started) }

func newAccumulator(started time.Time, rules []rule, levels []levelRule) *Accumulator {
	return &Accumulator{
		rules: rules, levels: levels, started: started, values: map[string][]float64{}, weights: map[string][]int{}, sums: map[string]float64{},
	}
}

// Break says that the level was continued after a break: durations and throughputs, which are over its whole length, have no value.
func (a *Accumulator) Break() {
	a.content.broken, a.whole.broken, a.tokens.broken = true, true, true
}

// Objectives judges the level by an SLO. Without one it has no goodput. Call it before the first Add, and after With.
func (a *Accumulator) Objectives(slo SLO) {
	if len(slo) > 0 {
		a.goals = slo.goals(a.rules)
	}
}

// NotStarted says how many planned requests were never sent, and whether that is because the plan ended the level. The others are none that were good.
func (a *Accumulator) NotStarted(n int, byPlan bool) {
	if byPlan {
		a.attained.ByPlan += n
	} else {
		a.attained.Of += n
	}
}

// Attained is how many requests were good by the SLO.
func (a *Accumulator) Attained() Attained { return a.attained }

// Only leaves out all metrics of requests but those with the tags, whose values alone are then kept. Call it before the first Add.
func (a *Accumulator) Only(tags ...string) {
	a.rules = slices.DeleteFunc(slices.Clone(a.rules), func(r rule) bool { return !slices.Contains(tags, r.Tag) })
}

// Add takes one sample into account.
func (a *Accumulator) Add(s *record.Sample) {
	if s.Phase != record.Profiling {
		return
	}
	for i := range a.rules {
		a.keep(&a.rules[i], s)
	}
	a.judge(s)
	a.whole.widen(s.StartNS, s.EndNS)
	a.tokens.widen(tokenSpan(s))
	a.tokens.broken = a.tokens.broken || s.Unstreamed // when its first token came is not known
	a.received += s.Counted.OSL
	if s.Outcome != record.OK {
		a.failed++
		return
	}
	a.valid++
	a.content.widen(s.StartNS, lastChunk(s))
	a.delivered += s.Counted.OSL
	a.prompted += promptTokens(s)
	if mismatched(s) {
		a.mismatched++
	}
	if chunkTokensDisagree(s) {
		a.disagreeing++
	}
}

// judge counts a request by the SLO.
func (a *Accumulator) judge(s *record.Sample) {
	if EndedByPlan(s) {
		a.attained.ByPlan++
		return
	}
	a.attained.Of++
	if a.Good(s) {
		a.attained.Good++
	}
}

// Good reports whether a request is good by the SLO.
func (a *Accumulator) Good(s *record.Sample) bool {
	for i := range a.goals {
		if !a.goals[i].met(s) {
			return false
		}
	}
	return len(a.goals) > 0
}

func (a *Accumulator) keep(r *rule, s *record.Sample) {
	v, ok := r.value(s)
	switch {
	case !ok:
		return
	case v.List != nil:
		a.values[v.Tag] = append(a.values[v.Tag], v.List...)
	default:
		a.values[v.Tag] = append(a.values[v.Tag], v.Value)
		a.sums[v.Tag] += v.Value
	}
	if r.weight != nil {
		a.weights[v.Tag] = append(a.weights[v.Tag], r.weight(s))
	}
}

// Results returns every figure that has a value: record metrics first, then counters and derived ones.
func (a *Accumulator) Results() []Result {
	var results []Result
	for i := range a.rules {
		r := &a.rules[i]
		if summary, ok := a.summarize(r); ok {
			results = append(results, Result{Definition: r.Definition, Value: summary.Avg, Summary: summary})
		}
	}
	for _, d := range a.levels {
		if value, ok := d.of(a); ok {
			results = append(results, Result{Definition: d.Definition, Value: value})
		}
	}
	return results
}

func (a *Accumulator) summarize(r *rule) (stat.Summary, bool) {
	if r.weight != nil {
		return stat.SummarizeWeighted(a.values[r.Tag], a.weights[r.Tag])
	}
	return stat.Summarize(a.values[r.Tag])
}

func (a *Accumulator) total(tag string) (float64, bool) { return a.sums[tag], len(a.values[tag]) > 0 }

type levelRule struct {
	Definition
	of func(*Accumulator) (float64, bool)
}

func levelRules() []levelRule {
	return slices.Concat(windowRules(), throughputRules(), goodputRules(), totalRules())
}

func level(tag, name, unit, formula string, of func(*Accumulator) (float64, bool)) levelRule {
	return levelRule{Definition: Definition{Tag: tag, Name: name, Unit: unit, Formula: formula, Source: aiperf}, of: of}
}

func windowRules() []levelRule {
	chunkTokens := level("chunk_token_mismatch_count", "Chunk Token Mismatch Count", unitRequests,
		"requests whose chunk_tokens do not add up to usage.completion_tokens", func(a *Accumulator) (float64, bool) {
			return float64(a.disagreeing), a.disagreeing > 0
		})
	chunkTokens.Source = llmsweep
	return []levelRule{
		level("request_count", "Request Count", unitRequests, "valid requests", func(a *Accumulator) (float64, bool) {
			return float64(a.valid), a.valid > 0
		}),
		level("error_request_count", "Error Request Count", unitRequests, "failed requests", func(a *Accumulator) (float64, bool) {
			return float64(a.failed), a.failed > 0
		}),
		level("min_request_timestamp", "Minimum Request Timestamp", "ns", "first start of a valid request, wall clock", func(a *Accumulator) (float64, bool) {
			return float64(a.started.UnixNano() + a.content.fromNS), a.valid > 0
		}),
		level("max_response_timestamp", "Maximum Response Timestamp", "ns", "last content chunk of a valid request, wall clock", func(a *Accumulator) (float64, bool) {
			return float64(a.started.UnixNano() + a.content.toNS), a.valid > 0
		}),
		level("benchmark_duration", "Benchmark Duration", "sec", "max_response_timestamp - min_request_timestamp", func(a *Accumulator) (float64, bool) {
			return a.content.seconds(), a.valid > 0 && a.content.seconds() > 0
		}),
		level("osl_mismatch_count", "OSL Mismatch Count", unitRequests, "requests with |OSL - requested| > min(5 % of requested, 50)", func(a *Accumulator) (float64, bool) {
			return float64(a.mismatched), a.mismatched > 0
		}),
		chunkTokens,
	}
}

func throughputRules() []levelRule {
	rules := []levelRule{
		level("request_throughput", "Request Throughput", unitPerSec, "request_count / benchmark_duration", func(a *Accumulator) (float64, bool) {
			return a.content.rate(float64(a.valid))
		}),
		level("output_token_throughput", "Output Token Throughput", unitTokensPerSec, "total_osl / benchmark_duration", func(a *Accumulator) (float64, bool) {
			return a.content.rate(a.sums["output_sequence_length"])
		}),
		level("total_token_throughput", "Total Token Throughput", unitTokensPerSec, "(total_isl + total_osl) / benchmark_duration", func(a *Accumulator) (float64, bool) {
			in, out := a.sums["input_sequence_length"], a.sums["output_sequence_length"]
			total, ok := a.content.rate(in + out)
			return total, ok && in > 0 && out > 0
		}),
		level("input_token_throughput", "Input Token Throughput", unitTokensPerSec, "total_isl / benchmark_duration", func(a *Accumulator) (float64, bool) {
			return a.content.rate(a.sums["input_sequence_length"])
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

// Definitions returns every definition of the files, in the order of Results.
func Definitions() []Definition { return AIPerf.Definitions() }

// Lookup returns the definition of a tag of the files.
func Lookup(tag string) (Definition, bool) {
	for _, d := range Definitions() {
		if d.Tag == tag {
			return d, true
		}
	}
	return Definition{}, false
}
