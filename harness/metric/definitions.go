// Package metric holds the definition of every figure, once: tag, name, unit, direction, formula and source.
//
// Tags, units and formulas are AIPerf's, so that its readers can read us; a figure that it does not have is ours and says so. What
// other tools make of the same recording, for tables that follow them, are conventions beside AIPerf's.
//
// There are three kinds. A record metric has one value (or a list) for each request and is summarised over the valid requests of a
// level. A counter is a number over the level. A derived metric is a formula over sums and counters. A metric without a value is
// absent, never zero.
//
// The pipeline is Sample -> Calculator (values of one request) -> Accumulator (a level) -> Results.
package metric

import (
	"slices"

	"github.com/llmsweep/llmsweep/harness/record"
)

// Definition says what a figure means.
type Definition struct {
	Tag          string // AIPerf's key
	Name         string // header of tables
	Unit         string // unit of the values as stored and printed
	HigherBetter bool
	Formula      string // in words, over the stamps and counts of record.Sample
	Source       string // whose definition it is
	// PerRequest metrics are distributions; the others are one number a level.
	PerRequest bool
	// Streamed metrics are of answers whose chunks came one after another: one that is asked for as a document has none of them.
	Streamed bool
	// Scheduled metrics are of requests that start by a schedule: those of a closed loop have none of them.
	Scheduled bool
}

const (
	unitMS           = "ms"
	unitTokens       = "tokens"
	unitRequests     = "requests"
	unitPerUser      = "tokens/sec/user"
	unitTokensPerSec = "tokens/sec"
	unitPerSec       = "requests/sec"
	aiperf           = "AIPerf"
)

// rule computes a record metric. of returns the value in the definition's unit, or list has the values of a metric with several.
type rule struct {
	Definition
	of   func(*record.Sample) (float64, bool)
	list func(*record.Sample) []float64
	// failed rules are for requests that did not end OK; the others for those that did.
	failed bool
	// weight is how often a value counts in a summary whose percentiles are values of the sample; nil: each once, interpolated.
	weight func(*record.Sample) int
}

// value computes the metric of a request, if it has one.
func (r *rule) value(s *record.Sample) (v record.MetricValue, ok bool) {
	if r.failed == (s.Outcome == record.OK) || r.Streamed && s.Unstreamed {
		return v, false
	}
	v = record.MetricValue{Tag: r.Tag, Unit: r.Unit}
	if r.list != nil {
		v.List = r.list(s)
		return v, v.List != nil
	}
	v.Value, ok = r.of(s)
	return v, ok
}

// rules returns the record metrics in the order of tables.
func rules() []rule {
	return slices.Concat(latencyRules(), tokenRules(), usageRules(), traceRules())
}

func latencyRules() []rule {
	ms := func(tag, name, formula string, of func(*record.Sample) (float64, bool)) rule {
		return rule{Definition: Definition{Tag: tag, Name: name, Unit: unitMS, Formula: formula, Source: aiperf, PerRequest: true}, of: of}
	}
	streamed := func(tag, name, formula string, of func(*record.Sample) (float64, bool)) rule {
		r := ms(tag, name, formula, of)
		r.Streamed = true
		return r
	}
	icl := streamed("inter_chunk_latency", "Inter Chunk Latency", "gaps between successive content chunks", nil)
	icl.list = chunkGaps
	ours := func(tag, name, formula string, of func(*record.Sample) (float64, bool)) rule {
		r := ms(tag, name, formula, of)
		r.Source = llmsweep
		return r
	}
	scheduled := func(tag, name, formula string, of func(*record.Sample) int64, ofStreams bool) rule {
		r := ours(tag, name, formula, func(s *record.Sample) (float64, bool) {
			v, ok := between(s.ScheduledNS, of(s))
			return v, ok && s.Timed
		})
		r.Streamed, r.Scheduled = ofStreams, true
		return r
	}
	drain := ours("stream_drain_latency", "Stream Drain Latency", "end of the response - last content chunk", func(s *record.Sample) (float64, bool) {
		return between(lastChunk(s), s.EndNS)
	})
	drain.Streamed = true
	return []rule{
		streamed("time_to_first_token", "Time to First Token", "first content chunk - start", timeToFirstToken),
		streamed("time_to_second_token", "Time to Second Token", "second content chunk - first content chunk", secondGap),
		streamed("time_to_first_output_token", "Time to First Output Token", "first chunk with visible output - start", func(s *record.Sample) (float64, bool) {
			return between(s.StartNS, s.FirstVisibleNS)
		}),
		ms("request_latency", "Request Latency", "last content chunk - start", requestLatency),
		streamed("inter_token_latency", "Inter Token Latency", "(request_latency - time_to_first_token) / (output_sequence_length - 1)", interTokenLatency),
		icl,
		streamed("stream_setup_latency", "Stream Setup Latency", "response headers - start", func(s *record.Sample) (float64, bool) {
			return between(s.StartNS, s.HeadersNS)
		}),
		streamed("stream_prefill_latency", "Stream Prefill Latency", "time_to_first_token - stream_setup_latency", func(s *record.Sample) (float64, bool) {
			return between(s.HeadersNS, firstChunk(s))
		}),
		ms("credit_drop_latency", "Credit Drop Latency", "start - scheduled start", func(s *record.Sample) (float64, bool) {
			return between(s.ScheduledNS, s.StartNS)
		}),
		ours("time_to_first_byte", "Time to First Byte", "first byte of the response's body - start", func(s *record.Sample) (float64, bool) {
			return between(s.StartNS, s.FirstByteNS)
		}),
		scheduled("scheduled_time_to_first_token", "Scheduled Time to First Token", "first content chunk - scheduled start, in an open loop", firstChunk, true),
		scheduled("scheduled_request_latency", "Scheduled Request Latency", "last content chunk - scheduled start, in an open loop", lastChunk, false),
		drain,
	}
}

func tokenRules() []rule {
	count := func(tag, name, formula string, of func(*record.Sample) (float64, bool)) rule {
		return rule{Definition: Definition{Tag: tag, Name: name, Unit: unitTokens, Formula: formula, Source: aiperf, PerRequest: true}, of: of}
	}
	rate := func(tag, name, formula string, of func(*record.Sample) (float64, bool)) rule {
		return rule{Definition: Definition{Tag: tag, Name: name, Unit: unitPerUser, HigherBetter: true, Formula: formula, Source: aiperf, PerRequest: true}, of: of}
	}
	mismatch := count("osl_mismatch_diff_pct", "OSL Mismatch Diff %", "(output_sequence_length - requested) / requested x 100", mismatchPercent)
	mismatch.Unit = "%"
	thinking := count("thinking_efficiency", "Thinking Efficiency", "reasoning tokens / visible output tokens", thinkingEfficiency)
	thinking.Unit = "ratio"
	errorISL := count("error_isl", "Error Input Sequence Length", "prompt tokens of a request that failed", isl)
	errorISL.failed = true
	decode := rate("output_token_throughput_per_user", "Output Token Throughput Per User", "1 / inter_token_latency", perUser)
	prefill := rate("prefill_throughput_per_user", "Prefill Throughput Per User", "input_sequence_length / time_to_first_token", prefillRate)
	decode.Streamed, prefill.Streamed = true, true
	return []rule{
		decode, rate("e2e_output_token_throughput", "E2E Output Token Throughput", "output_sequence_length / request_latency", endToEndRate), prefill,
		count("output_sequence_length", "Output Sequence Length", "reasoning + visible output tokens", osl),
		count("output_token_count", "Output Token Count", "visible output tokens", visibleTokens),
		count("reasoning_token_count", "Reasoning Token Count", "reasoning tokens", reasoningTokens),
		count("input_sequence_length", "Input Sequence Length", "prompt tokens by the client's tokenizer, without chat template; with -isl-counts=server by usage", isl),
		count("requested_osl", "Requested OSL", "max_tokens of the request", func(s *record.Sample) (float64, bool) {
			return float64(s.RequestedOSL), s.RequestedOSL > 0
		}),
		mismatch, thinking, errorISL,
	}
}

func usageRules() []rule {
	usage := func(tag, name, formula string, of func(*record.Usage) (float64, bool)) rule {
		return rule{
			Definition: Definition{Tag: tag, Name: name, Unit: unitTokens, Formula: formula, Source: aiperf, PerRequest: true},
			of: func(s *record.Sample) (float64, bool) {
				if s.Usage == nil {
					return 0, false
				}
				return of(s.Usage)
			},
		}
	}
	diff := rule{
		Definition: Definition{Tag: "usage_prompt_tokens_diff_pct", Name: "Usage Prompt Tokens Diff %", Unit: "%",
			Formula: "|usage.prompt_tokens - input_sequence_length| / input_sequence_length x 100", Source: aiperf, PerRequest: true},
		of: promptDifference,
	}
	return []rule{
		usage("usage_prompt_tokens", "Usage Prompt Tokens", "usage.prompt_tokens", func(u *record.Usage) (float64, bool) {
			return reported(u.PromptTokens)
		}),
		usage("usage_completion_tokens", "Usage Completion Tokens", "usage.completion_tokens", func(u *record.Usage) (float64, bool) {
			return reported(u.CompletionTokens)
		}),
		usage("usage_total_tokens", "Usage Total Tokens", "usage.total_tokens", func(u *record.Usage) (float64, bool) {
			return reported(u.TotalTokens)
		}),
		usage("usage_reasoning_tokens", "Usage Reasoning Tokens", "usage.completion_tokens_details.reasoning_tokens", func(u *record.Usage) (float64, bool) {
			return reported(u.ReasoningTokens)
		}),
		usage("usage_prompt_cache_read_tokens", "Usage Prompt Cache Read Tokens", "usage.prompt_tokens_details.cached_tokens", func(u *record.Usage) (float64, bool) {
			if u.CachedTokens == nil {
				return 0, false
			}
			return float64(*u.CachedTokens), true // nothing cached is a finding
		}),
		usage("usage_prompt_cache_write_tokens", "Usage Prompt Cache Write Tokens", "usage.cache_creation_input_tokens", func(u *record.Usage) (float64, bool) {
			return reported(u.CacheWriteTokens)
		}),
		usage("usage_prompt_cache_miss_tokens", "Usage Prompt Cache Miss Tokens", "usage.prompt_cache_miss_tokens", func(u *record.Usage) (float64, bool) {
			return reported(u.CacheMissTokens)
		}),
		usage("usage_prompt_audio_tokens", "Usage Prompt Audio Tokens", "usage.prompt_tokens_details.audio_tokens", func(u *record.Usage) (float64, bool) {
			return reported(u.PromptAudioTokens)
		}),
		usage("usage_completion_audio_tokens", "Usage Completion Audio Tokens", "usage.completion_tokens_details.audio_tokens", func(u *record.Usage) (float64, bool) {
			return reported(u.CompletionAudioTokens)
		}),
		usage("usage_accepted_prediction_tokens", "Usage Accepted Prediction Tokens", "usage.completion_tokens_details.accepted_prediction_tokens", func(u *record.Usage) (float64, bool) {
			return reported(u.AcceptedPredictionTokens)
		}),
		usage("usage_rejected_prediction_tokens", "Usage Rejected Prediction Tokens", "usage.completion_tokens_details.rejected_prediction_tokens", func(u *record.Usage) (float64, bool) {
			return reported(u.RejectedPredictionTokens)
		}),
		diff,
	}
}

// reported takes a count of 0 for one that the server left out.
func reported(n int) (float64, bool) { return float64(n), n > 0 }
