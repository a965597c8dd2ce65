package metric

import "github.com/llmsweep/llmsweep/harness/record"

// guidellmRules are the figures of GuideLLM's latency table (guidellm/schemas/request_stats.py and benchmark/schemas/generative, 2026),
// under its own keys.
//
// That tool counts the first token to the time per output token, ends a request with its stream rather than with its last token, and
// knows of the gaps inside a request their mean alone: a stall does not show in its percentiles. Each request weighs as much as it has
// tokens (time per output token) or gaps between them (inter-token latency). A percentile is the smallest value that this share of the
// weight does not exceed.
func guidellmRules() []rule {
	one := func(*record.Sample) int { return 1 }
	latency := rule{Definition: foreign(GuideLLM, "request_latency", "Request Latency", "sec", "end of the stream - start"), weight: one}
	latency.of = func(s *record.Sample) (float64, bool) { return float64(s.EndNS-s.StartNS) / nsPerSec, true }
	ttft := rule{Definition: foreign(GuideLLM, "time_to_first_token_ms", "Time to First Token", unitMS, "first content chunk - start"), weight: one}
	ttft.of = timeToFirstToken
	itl := rule{Definition: foreign(GuideLLM, "inter_token_latency_ms", "Inter-Token Latency", unitMS,
		"(last - first content chunk) / (output tokens - 1), of a request, weighted by the divisor")}
	itl.of, itl.weight = interTokenLatency, func(s *record.Sample) int { return s.Counted.OSL - 1 }
	tpot := rule{Definition: foreign(GuideLLM, "time_per_output_token_ms", "Time per Output Token", unitMS,
		"(last content chunk - start) / output tokens, of a request, weighted by the divisor")}
	tpot.of, tpot.weight = timePerToken, func(s *record.Sample) int { return s.Counted.OSL }
	ttft.Streamed, itl.Streamed = true, true
	return []rule{latency, ttft, itl, tpot}
}

// timePerToken includes the wait for the first token.
func timePerToken(s *record.Sample) (float64, bool) {
	latency, ok := requestLatency(s)
	return latency / float64(s.Counted.OSL), ok && s.Counted.OSL > 0
}

// guidellmLevelRules are the means of its throughput table, which counts all requests, those that failed with what they received.
// GuideLLM takes instants within 0.1 ms for one, which may shorten its window by as much.
func guidellmLevelRules() []levelRule {
	return []levelRule{
		{throughput(GuideLLM, "requests_per_second", "Requests per Second", unitPerSec, "all requests / (last end - first start)"),
			func(a *Accumulator) (float64, bool) { return a.whole.rate(float64(a.valid + a.failed)) }},
		{throughput(GuideLLM, "output_tokens_per_second", "Output Tokens per Second", unitTokensPerSec,
			"output tokens of all requests / (last - first token of the level)"),
			func(a *Accumulator) (float64, bool) { return a.tokens.rate(float64(a.received)) }},
	}
}

// tokenSpan is when the tokens of a request came by GuideLLM's account: a request with one chunk has it at its last token, one without
// any at its end.
func tokenSpan(s *record.Sample) (from, to int64) {
	switch n := len(s.ChunksNS); n {
	case 0:
		return s.EndNS, s.EndNS
	case 1:
		return s.ChunksNS[0], s.ChunksNS[0]
	default:
		return s.ChunksNS[0], s.ChunksNS[n-1]
	}
}
