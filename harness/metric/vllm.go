package metric

import (
	"slices"

	"github.com/llmsweep/llmsweep/harness/record"
)

// vllmRules are the figures of vllm bench serve (vllm/benchmarks/serve.py and lib/endpoint_request_func.py, chat route, 2026), under the
// keys of its result file.
//
// To that tool a chunk is every event with a choice. The role-only one that vLLM sends first ends the time to first token, and the one
// that brings finish_reason ends the request, content or not. Its gaps are between all of these. Percentiles are numpy's default.
//
// What a recording cannot give: the tool stamps an event when its loop comes to it, not when it was read, so that its own figures grow
// with its load. A stream that broke after its first chunk is a success to it and a failure here. Without usage it counts the visible
// text alone.
func vllmRules() []rule {
	ms := func(tag, name, formula string) rule {
		return rule{Definition: foreign(VLLM, tag, name, unitMS, formula)}
	}
	ttft := ms("ttft", "Time to First Token", "first event with a choice, content or not - start")
	ttft.of = func(s *record.Sample) (float64, bool) { return between(s.StartNS, firstOf(choices(s))) }
	tpot := ms("tpot", "Time per Output Token (excl. 1st token)", "(e2el - ttft) / (output tokens - 1)")
	tpot.of = timePerOutputToken
	itl := ms("itl", "Inter-token Latency", "gaps between successive events with a choice, of all requests together")
	itl.list = func(s *record.Sample) []float64 { return gaps(choices(s)) }
	e2el := ms("e2el", "End-to-end Latency", "last event with a choice - start")
	e2el.of = func(s *record.Sample) (float64, bool) { return between(s.StartNS, lastOf(choices(s))) }
	ttft.Streamed, tpot.Streamed, itl.Streamed = true, true, true
	return []rule{ttft, tpot, itl, e2el}
}

func timePerOutputToken(s *record.Sample) (float64, bool) {
	all := choices(s)
	decode, ok := between(firstOf(all), lastOf(all))
	return decode / float64(s.Counted.OSL-1), ok && s.Counted.OSL > 1
}

// choices are the stamps of all events with a choice, with content or without, in order.
func choices(s *record.Sample) []int64 {
	if len(s.EmptyNS) == 0 {
		return s.ChunksNS
	}
	all := slices.Concat(s.ChunksNS, s.EmptyNS)
	slices.Sort(all)
	return all
}

// vllmLevelRules are over the tool's own window: from the first start to the last end of all requests, those that failed among them.
func vllmLevelRules() []levelRule {
	duration := foreign(VLLM, "duration", "Benchmark duration", "sec", "last end - first start of all requests, failed ones too")
	duration.PerRequest = false
	rate := func(amount func(*Accumulator) float64) func(*Accumulator) (float64, bool) {
		return func(a *Accumulator) (float64, bool) { return a.whole.rate(amount(a)) }
	}
	return []levelRule{
		{duration, func(a *Accumulator) (float64, bool) { return a.whole.seconds(), a.whole.seconds() > 0 }},
		{throughput(VLLM, "request_throughput", "Request throughput", unitPerSec, "requests that ended well / duration"),
			rate(func(a *Accumulator) float64 { return float64(a.valid) })},
		{throughput(VLLM, "output_throughput", "Output token throughput", unitTokensPerSec, "their output tokens / duration"),
			rate(func(a *Accumulator) float64 { return float64(a.delivered) })},
		{throughput(VLLM, "total_token_throughput", "Total token throughput", unitTokensPerSec, "their prompt and output tokens / duration"),
			rate(func(a *Accumulator) float64 { return float64(a.delivered + a.prompted) })},
	}
}
