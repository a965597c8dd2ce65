package metric_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/record"
)

// hand is a request whose figures can be computed in the head: start at 100 ms, a connection of its own after 0.9, headers after 20,
// first token after 50, then 10 ms a token, five tokens, of which the chunks claim six.
func hand() *record.Sample {
	return &record.Sample{
		Phase: record.Profiling, Outcome: record.OK, ScheduledNS: 99e6, Timed: true, StartNS: 100e6, SentNS: 101e6, HeadersNS: 120e6, FirstByteNS: 121e6,
		FirstVisibleNS: 160e6, ChunksNS: []int64{150e6, 160e6, 170e6, 180e6, 190e6}, LastByteNS: 194e6, EndNS: 195e6, RequestedOSL: 4,
		ChunkTokens: []int{1, 1, 1, 1, 2}, EmptyNS: []int64{145e6, 192e6}, BytesSent: 2048, BytesReceived: 3072,
		Conn:    record.Conn{GotNS: 100.9e6, DNSNS: 0.1e6, ConnectNS: 0.2e6, TLSNS: 0.3e6, Remote: "server:80"},
		Counted: record.Counted{ISL: 100, OSL: 5, Reasoning: 1, Source: record.FromServer},
		Usage: &record.Usage{PromptTokens: 110, CompletionTokens: 5, TotalTokens: 115, CachedTokens: new(11), ReasoningTokens: 1,
			CacheWriteTokens: 21, CacheMissTokens: 22, PromptAudioTokens: 23, CompletionAudioTokens: 24, AcceptedPredictionTokens: 25, RejectedPredictionTokens: 26},
	}
}

// figures are the values of a level: Value of each result, by tag.
func figures(samples ...*record.Sample) map[string]float64 {
	accumulator := metric.NewAccumulator(time.Unix(0, 0))
	for _, s := range samples {
		accumulator.Add(s)
	}
	values := map[string]float64{}
	for _, r := range accumulator.Results() {
		values[r.Tag] = r.Value
	}
	return values
}

func TestFiguresByHand(t *testing.T) {
	want := map[string]float64{
		"time_to_first_token": 50, "time_to_second_token": 10, "time_to_first_output_token": 60, "request_latency": 90,
		"scheduled_time_to_first_token": 51, "scheduled_request_latency": 91,
		"inter_token_latency": 10, "inter_chunk_latency": 10, "stream_setup_latency": 20, "stream_prefill_latency": 30, "credit_drop_latency": 1,
		"output_token_throughput_per_user": 100, "e2e_output_token_throughput": 5 / 0.09, "prefill_throughput_per_user": 2000,
		"output_sequence_length": 5, "output_token_count": 4, "reasoning_token_count": 1, "input_sequence_length": 100,
		"requested_osl": 4, "osl_mismatch_diff_pct": 25, "thinking_efficiency": 0.25,
		"usage_prompt_tokens": 110, "usage_completion_tokens": 5, "usage_total_tokens": 115, "usage_reasoning_tokens": 1,
		"usage_prompt_cache_read_tokens": 11, "usage_prompt_tokens_diff_pct": 10,
		"usage_prompt_cache_write_tokens": 21, "usage_prompt_cache_miss_tokens": 22, "usage_prompt_audio_tokens": 23, "usage_completion_audio_tokens": 24,
		"usage_accepted_prediction_tokens": 25, "usage_rejected_prediction_tokens": 26, "total_usage_prompt_cache_write_tokens": 21,
		"total_usage_prompt_cache_miss_tokens": 22, "total_usage_prompt_audio_tokens": 23, "total_usage_completion_audio_tokens": 24,
		"total_usage_accepted_prediction_tokens": 25, "total_usage_rejected_prediction_tokens": 26,
		"time_to_first_byte": 21, "stream_drain_latency": 5, "http_req_blocked": 0.3, "http_req_dns_lookup": 0.1, "http_req_connecting": 0.5,
		"http_req_sending": 0.1, "http_req_waiting": 20, "http_req_receiving": 73, "http_req_duration": 93.1, "http_req_connection_overhead": 0.9,
		"http_req_total": 94, "http_req_data_sent": 2, "http_req_data_received": 3, "http_req_connection_reused": 0, "chunk_token_mismatch_count": 1,
		"request_count": 1, "min_request_timestamp": 100e6, "max_response_timestamp": 190e6, "benchmark_duration": 0.09, "osl_mismatch_count": 1,
		"request_throughput": 1 / 0.09, "output_token_throughput": 5 / 0.09, "total_token_throughput": 105 / 0.09, "input_token_throughput": 100 / 0.09,
		"total_isl": 100, "total_osl": 5, "total_output_tokens": 4, "total_reasoning_tokens": 1, "overall_thinking_efficiency": 0.25,
		"total_usage_prompt_tokens": 110, "total_usage_completion_tokens": 5, "total_usage_total_tokens": 115,
		"total_usage_reasoning_tokens": 1, "total_usage_prompt_cache_read_tokens": 11, "overall_usage_prompt_cache_read_pct": 10,
	}
	got := figures(hand())
	for tag, value := range want {
		require.Contains(t, got, tag)
		assert.InDelta(t, value, got[tag], 1e-12*max(value, 1), tag)
		delete(got, tag)
	}
	assert.Empty(t, got, "figures without an expectation")
}

// TestKeptConnection: nothing was looked up or dialled, whatever dial of its own the request began meanwhile.
// TestNotStreamed: of an answer that came as a document the latency of the whole is known, its tokens, and what these make together.
func TestNotStreamed(t *testing.T) {
	document := hand()
	document.Unstreamed, document.ChunksNS, document.ChunkTokens, document.EmptyNS, document.FirstVisibleNS = true, []int64{190e6}, nil, nil, 190e6
	got, streamed := figures(document), figures(hand())
	var absent []string
	for tag, value := range streamed {
		if _, ok := got[tag]; !ok {
			absent = append(absent, tag)
			continue
		}
		assert.InDelta(t, value, got[tag], 1e-12*max(value, 1), tag)
	}
	assert.ElementsMatch(t, []string{
		"time_to_first_token", "time_to_second_token", "time_to_first_output_token", "inter_token_latency", "inter_chunk_latency", "stream_setup_latency",
		"stream_prefill_latency", "stream_drain_latency", "output_token_throughput_per_user", "prefill_throughput_per_user", "chunk_token_mismatch_count",
		"scheduled_time_to_first_token",
	}, absent)
	assert.Len(t, got, len(streamed)-len(absent), "nothing is there instead")
	for _, d := range metric.Definitions() {
		assert.Equal(t, slices.Contains(absent, d.Tag) && d.PerRequest, d.Streamed, d.Tag)
	}
	for convention, want := range map[metric.Convention][]string{
		metric.VLLM:     {"duration", "e2el", "output_throughput", "request_throughput", "total_token_throughput"},
		metric.GuideLLM: {"request_latency", "requests_per_second", "time_per_output_token_ms"},
	} {
		accumulator := convention.Accumulator(time.Unix(0, 0))
		later := *document
		later.StartNS, later.EndNS, later.ChunksNS = 200e6, 300e6, []int64{299e6}
		accumulator.Add(document)
		accumulator.Add(&later)
		var tags []string
		for _, r := range accumulator.Results() {
			tags = append(tags, r.Tag)
		}
		assert.ElementsMatch(t, want, tags, convention)
	}
}

func TestKeptConnection(t *testing.T) {
	s := hand()
	s.Conn.Reused = true
	got := figures(s)
	for tag, want := range map[string]float64{
		"http_req_blocked": 0.9, "http_req_dns_lookup": 0, "http_req_connecting": 0, "http_req_connection_overhead": 0.9, "http_req_total": 94,
		"http_req_connection_reused": 1,
	} {
		assert.InDelta(t, want, got[tag], 1e-9, tag)
	}
	s.Conn.Reused, s.Conn.ConnectNS = false, 5e6 // two addresses at once
	assert.Zero(t, figures(s)["http_req_blocked"])
}

// TestRefusedAndSentAgain: neither refusals nor waits are the connection's; the latency has them.
func TestRefusedAndSentAgain(t *testing.T) {
	s := hand()
	s.StartNS = 10e6
	s.Retries = []record.Retry{{RefusedNS: 20e6, ResumedNS: 40e6}, {RefusedNS: 60e6, ResumedNS: 100e6, Told: true}}
	got := figures(s)
	for tag, want := range map[string]float64{
		"http_req_blocked": 0.3, "http_req_connecting": 0.5, "http_req_connection_overhead": 0.9, "http_req_total": 94, "http_req_duration": 93.1,
		"time_to_first_token": 140, "request_latency": 180,
	} {
		assert.InDelta(t, want, got[tag], 1e-9, tag)
	}
}

func TestOneVisibleToken(t *testing.T) {
	s := hand()
	s.Counted.OSL, s.Counted.Reasoning = 4, 3
	got := figures(s)
	assert.Equal(t, 3.0, got["thinking_efficiency"])
	assert.Equal(t, 3.0, got["overall_thinking_efficiency"])
	assert.Equal(t, 1.0, got["output_token_count"])
}

func TestWhatCannotBeSaidIsAbsent(t *testing.T) {
	absent := func(why string, change func(*record.Sample), tags ...string) {
		s := hand()
		change(s)
		got := figures(s)
		for _, tag := range tags {
			assert.NotContains(t, got, tag, why)
		}
		for tag, value := range got {
			assert.False(t, math.IsNaN(value) || math.IsInf(value, 0), "%s: %s is %v", why, tag, value)
		}
	}
	absent("one chunk", func(s *record.Sample) { s.ChunksNS = s.ChunksNS[:1] },
		"time_to_second_token", "inter_chunk_latency", "output_token_throughput_per_user")
	absent("one token", func(s *record.Sample) { s.Counted = record.Counted{ISL: 1, OSL: 1} },
		"inter_token_latency", "output_token_throughput_per_user", "reasoning_token_count", "thinking_efficiency", "overall_thinking_efficiency")
	absent("only reasoning", func(s *record.Sample) { s.FirstVisibleNS, s.Counted.Reasoning = record.Never, 5 },
		"time_to_first_output_token", "output_token_count", "total_output_tokens", "thinking_efficiency", "overall_thinking_efficiency")
	absent("no usage", func(s *record.Sample) { s.Usage = nil },
		"usage_prompt_tokens", "usage_completion_tokens", "usage_total_tokens", "usage_reasoning_tokens", "usage_prompt_cache_read_tokens",
		"usage_prompt_tokens_diff_pct", "total_usage_prompt_tokens", "overall_usage_prompt_cache_read_pct")
	absent("usage of the answer alone", func(s *record.Sample) { s.Usage = &record.Usage{CompletionTokens: 5} },
		"usage_prompt_tokens", "usage_total_tokens", "usage_reasoning_tokens", "usage_prompt_tokens_diff_pct", "overall_usage_prompt_cache_read_pct")
	absent("tokens not countable", func(s *record.Sample) { s.Counted = record.Counted{}; s.Usage = nil },
		"output_sequence_length", "input_sequence_length", "e2e_output_token_throughput", "prefill_throughput_per_user", "osl_mismatch_diff_pct",
		"osl_mismatch_count", "total_isl", "total_osl", "output_token_throughput", "input_token_throughput", "total_token_throughput")
	absent("prompt not countable", func(s *record.Sample) { s.Counted.ISL = 0 }, "input_token_throughput", "total_token_throughput", "usage_prompt_tokens_diff_pct")
	absent("answer not countable", func(s *record.Sample) { s.Counted.OSL, s.Counted.Reasoning = 0, 0 }, "output_token_throughput", "total_token_throughput")
	absent("no length asked for", func(s *record.Sample) { s.RequestedOSL = 0 }, "requested_osl", "osl_mismatch_diff_pct", "osl_mismatch_count")
	absent("delivered as asked", func(s *record.Sample) { s.RequestedOSL = 5 }, "osl_mismatch_count", "error_request_count")
	absent("no connection", func(s *record.Sample) { s.Conn = record.Conn{GotNS: record.Never} },
		"http_req_blocked", "http_req_dns_lookup", "http_req_connecting", "http_req_sending", "http_req_duration", "http_req_connection_overhead",
		"http_req_total", "http_req_connection_reused")
	absent("a log of an earlier version", func(s *record.Sample) { s.Conn.GotNS, s.LastByteNS, s.BytesSent = record.Never, record.Never, 0 },
		"http_req_blocked", "http_req_sending", "http_req_receiving", "http_req_duration", "http_req_total", "http_req_data_sent")
	absent("the answer overtook the news of the request", func(s *record.Sample) { s.SentNS = 122e6 }, "http_req_waiting", "http_req_total")
	absent("chunks agree with usage", func(s *record.Sample) { s.ChunkTokens = []int{1, 1, 1, 1, 1} }, "chunk_token_mismatch_count")
	absent("chunks say nothing", func(s *record.Sample) { s.ChunkTokens = nil }, "chunk_token_mismatch_count")
	absent("all at one instant", func(s *record.Sample) { s.StartNS = 190e6; s.ChunksNS = []int64{190e6} },
		"benchmark_duration", "request_throughput", "output_token_throughput", "e2e_output_token_throughput", "prefill_throughput_per_user")
	assert.Empty(t, figures(), "an empty level has no figures")
}

func TestFailedRequestsEnterErrorFiguresOnly(t *testing.T) {
	for _, outcome := range record.Outcomes()[1:] {
		failed := hand()
		failed.Outcome, failed.StartNS, failed.Error = outcome, 0, &record.Error{Code: 500}
		failed.ChunksNS = append(failed.ChunksNS, 10e9)
		assert.Equal(t, map[string]float64{"error_request_count": 1, "error_isl": 100, "total_error_isl": 100}, figures(failed), outcome)

		with, without := figures(hand(), failed), figures(hand())
		for tag, value := range without {
			assert.Equal(t, value, with[tag], "%s changed by a request that ended %s", tag, outcome)
		}
		assert.Len(t, with, len(without)+3)
	}
}

func TestWarmUpEntersNothing(t *testing.T) {
	warm := hand()
	warm.Phase, warm.StartNS = record.Warmup, 0
	failed := hand()
	failed.Phase, failed.Outcome = record.Warmup, record.Rejected
	assert.Empty(t, figures(warm, failed))
	assert.Equal(t, figures(hand()), figures(warm, hand(), failed))
}

func TestOrderOfRequestsDoesNotMatter(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	samples := make([]*record.Sample, 300)
	for i := range samples {
		samples[i] = anySample(r)
	}
	want := figures(samples...)
	r.Shuffle(len(samples), func(i, j int) { samples[i], samples[j] = samples[j], samples[i] })
	assert.Equal(t, want, figures(samples...), "equal to the last bit")
}

// TestMismatchLimit is the border of AIPerf's rule: more than the smaller of 5 % and 50 tokens.
func TestMismatchLimit(t *testing.T) {
	for _, c := range []struct {
		requested, delivered int
		counts               bool
	}{{100, 95, false}, {100, 94, true}, {100, 106, true}, {2000, 1950, false}, {2000, 1949, true}, {2000, 2051, true}, {10, 10, false}, {10, 9, true}} {
		s := hand()
		s.RequestedOSL, s.Counted.OSL = c.requested, c.delivered
		_, counted := figures(s)["osl_mismatch_count"]
		assert.Equal(t, c.counts, counted, "%+v", c)
	}
}

// TestConservation: latency is first token plus gaps, for each request.
func TestConservation(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	for range 500 {
		values := map[string]record.MetricValue{}
		for _, v := range metric.NewCalculator().Of(anySample(r)) {
			values[v.Tag] = v
		}
		if _, failed := values["error_isl"]; failed || len(values) == 0 {
			assert.LessOrEqual(t, len(values), 1)
			continue
		}
		sum := values["time_to_first_token"].Value
		for _, gap := range values["inter_chunk_latency"].List {
			sum += gap
		}
		require.InDelta(t, values["request_latency"].Value, sum, 1e-6)
		require.InDelta(t, values["time_to_first_token"].Value, values["stream_setup_latency"].Value+values["stream_prefill_latency"].Value, 1e-6)
	}
}

func TestDefinitions(t *testing.T) {
	units := map[string]bool{
		"ms": true, "sec": true, "ns": true, "tokens": true, "requests": true, "requests/sec": true, "tokens/sec": true, "tokens/sec/user": true,
		"ratio": true, "%": true, "KB": true,
	}
	definitions := map[string]metric.Definition{}
	names := map[string]string{}
	for _, d := range metric.Definitions() {
		assert.NotContains(t, definitions, d.Tag, "a tag is used twice")
		assert.NotContains(t, names, d.Name, "a name is used twice")
		definitions[d.Tag], names[d.Name] = d, d.Tag
		assert.Regexp(t, `^[a-z0-9]+(_[a-z0-9]+)*$`, d.Tag)
		assert.NotEmpty(t, d.Name, d.Tag)
		assert.NotEmpty(t, d.Formula, d.Tag)
		assert.NotEmpty(t, d.Source, d.Tag)
		assert.True(t, units[d.Unit], "%s: unit %q", d.Tag, d.Unit)
	}
	for _, tag := range []string{"request_throughput", "output_token_throughput", "output_token_throughput_per_user"} {
		assert.True(t, definitions[tag].HigherBetter, tag)
	}
	for _, tag := range []string{"time_to_first_token", "inter_token_latency", "error_request_count"} {
		assert.False(t, definitions[tag].HigherBetter, tag)
	}
}

// TestResultsFollowTheDefinitions: tables list figures in one order.
func TestResultsFollowTheDefinitions(t *testing.T) {
	failed := hand()
	failed.Outcome = record.Cut
	accumulator := metric.NewAccumulator(time.Unix(0, 0))
	accumulator.Objectives(metric.SLO{{Tag: "request_latency", Limit: 1e9}})
	accumulator.Add(hand())
	accumulator.Add(failed)
	results := accumulator.Results()
	definitions := metric.Definitions()
	require.Len(t, results, len(definitions), "this level has every figure")
	for i, r := range results {
		assert.Equal(t, definitions[i], r.Definition)
		assert.Equal(t, r.PerRequest, r.Summary.Count > 0, r.Tag)
	}
	definitions = slices.DeleteFunc(definitions, func(d metric.Definition) bool { return d.Tag == "error_isl" })
	for i, v := range metric.NewCalculator().Of(hand()) {
		assert.Equal(t, definitions[i].Tag, v.Tag, "a line of the log has the same order")
		assert.Equal(t, definitions[i].Unit, v.Unit)
	}
}

// TestCalculatorOfSomeTags computes those alone, in the order of the definitions.
func TestCalculatorOfSomeTags(t *testing.T) {
	var tags []string
	for _, v := range metric.NewCalculator("request_latency", "time_to_first_token").Of(hand()) {
		tags = append(tags, v.Tag)
	}
	assert.Equal(t, []string{"time_to_first_token", "request_latency"}, tags)
}
