package metric_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/record"
)

// naive holds the figures of a level as AIPerf's documentation words them, computed the long way: distributions by tag and single
// numbers by tag. What is not in a map is absent.
type naive struct {
	lists  map[string][]float64
	single map[string]float64
}

// perRequest gives the values of one request that ended well.
func perRequest(s *record.Sample) map[string][]float64 {
	v := map[string][]float64{}
	chunks, start := s.ChunksNS, s.StartNS
	ms := func(ns int64) float64 { return float64(ns) / 1e6 }
	ttft, latency := ms(chunks[0]-start), ms(chunks[len(chunks)-1]-start)
	v["time_to_first_token"] = []float64{ttft}
	v["request_latency"] = []float64{latency}
	for i := 1; i < len(chunks); i++ {
		v["inter_chunk_latency"] = append(v["inter_chunk_latency"], ms(chunks[i]-chunks[i-1]))
	}
	if len(chunks) > 1 {
		v["time_to_second_token"] = v["inter_chunk_latency"][:1]
	}
	if s.FirstVisibleNS >= 0 {
		v["time_to_first_output_token"] = []float64{ms(s.FirstVisibleNS - start)}
	}
	setup := ms(s.HeadersNS - start)
	v["stream_setup_latency"] = []float64{setup}
	v["stream_prefill_latency"] = []float64{ttft - setup}
	v["credit_drop_latency"] = []float64{ms(start - s.ScheduledNS)}
	v["time_to_first_byte"] = []float64{ms(s.FirstByteNS - start)}
	v["stream_drain_latency"] = []float64{ms(s.EndNS - chunks[len(chunks)-1])}
	naiveTrace(v, s)
	naiveTokens(v, s, ttft, latency)
	naiveUsage(v, s)
	return v
}

// naiveTrace walks along the six phases.
func naiveTrace(v map[string][]float64, s *record.Sample) {
	kilobytes := func(tag string, n int64) {
		if n > 0 {
			v[tag] = []float64{float64(n) / 1024}
		}
	}
	kilobytes("http_req_data_sent", s.BytesSent)
	kilobytes("http_req_data_received", s.BytesReceived)
	put := func(tag string, ns int64) { v["http_req_"+tag] = []float64{float64(ns) / 1e6} }
	put("receiving", s.LastByteNS-s.FirstByteNS)
	if s.SentNS <= s.FirstByteNS {
		put("waiting", s.FirstByteNS-s.SentNS)
	}
	if s.Conn.Remote == "" {
		return
	}
	dns, connect, reused := s.Conn.DNSNS, s.Conn.ConnectNS+s.Conn.TLSNS, 0.0
	if s.Conn.Reused {
		dns, connect, reused = 0, 0, 1
	}
	put("dns_lookup", dns)
	put("connecting", connect)
	v["http_req_connection_reused"] = []float64{reused}
	if s.Conn.GotNS < 0 {
		return
	}
	before := s.Conn.GotNS - s.StartNS
	blocked := max(before-dns-connect, 0)
	put("blocked", blocked)
	put("sending", s.SentNS-s.Conn.GotNS)
	put("duration", s.LastByteNS-s.Conn.GotNS)
	put("connection_overhead", max(before, dns+connect))
	if s.SentNS <= s.FirstByteNS {
		put("total", max(before, dns+connect)+s.LastByteNS-s.Conn.GotNS)
	}
}

func naiveTokens(v map[string][]float64, s *record.Sample, ttft, latency float64) {
	put := func(tag string, x float64) { v[tag] = []float64{x} }
	isl, osl, thought := float64(s.Counted.ISL), float64(s.Counted.OSL), float64(s.Counted.Reasoning)
	put("output_sequence_length", osl)
	put("e2e_output_token_throughput", osl*1000/latency)
	if isl > 0 {
		put("input_sequence_length", isl)
		put("prefill_throughput_per_user", isl*1000/ttft)
	}
	if osl > thought {
		put("output_token_count", osl-thought)
	}
	if thought > 0 {
		put("reasoning_token_count", thought)
	}
	if thought > 0 && osl > thought {
		put("thinking_efficiency", thought/(osl-thought))
	}
	if osl >= 2 {
		itl := (latency - ttft) / (osl - 1)
		put("inter_token_latency", itl)
		if len(s.ChunksNS) > 1 {
			put("output_token_throughput_per_user", 1000/itl)
		}
	}
	if s.RequestedOSL > 0 {
		put("requested_osl", float64(s.RequestedOSL))
		put("osl_mismatch_diff_pct", (osl-float64(s.RequestedOSL))/float64(s.RequestedOSL)*100)
	}
}

func naiveUsage(v map[string][]float64, s *record.Sample) {
	if s.Usage == nil {
		return
	}
	u := s.Usage
	for tag, n := range map[string]int{
		"usage_prompt_tokens": u.PromptTokens, "usage_completion_tokens": u.CompletionTokens, "usage_total_tokens": u.TotalTokens,
		"usage_reasoning_tokens": u.ReasoningTokens, "usage_prompt_cache_write_tokens": u.CacheWriteTokens,
		"usage_prompt_cache_miss_tokens": u.CacheMissTokens, "usage_prompt_audio_tokens": u.PromptAudioTokens,
		"usage_completion_audio_tokens": u.CompletionAudioTokens, "usage_accepted_prediction_tokens": u.AcceptedPredictionTokens,
		"usage_rejected_prediction_tokens": u.RejectedPredictionTokens,
	} {
		if n != 0 {
			v[tag] = []float64{float64(n)}
		}
	}
	v["usage_prompt_cache_read_tokens"] = []float64{float64(*u.CachedTokens)}
	if u.PromptTokens != 0 && s.Counted.ISL != 0 {
		v["usage_prompt_tokens_diff_pct"] = []float64{math.Abs(float64(u.PromptTokens)-float64(s.Counted.ISL)) * 100 / float64(s.Counted.ISL)}
	}
}

func naiveLevel(samples []*record.Sample, started time.Time) naive {
	n := naive{lists: map[string][]float64{}, single: map[string]float64{}}
	var from, to []int64
	mismatches, disagreements := 0, 0
	for _, s := range samples {
		switch {
		case s.Phase == record.Warmup:
		case s.Outcome != record.OK:
			n.single["error_request_count"]++
			if s.Counted.ISL > 0 {
				n.lists["error_isl"] = append(n.lists["error_isl"], float64(s.Counted.ISL))
			}
		default:
			n.single["request_count"]++
			for tag, values := range perRequest(s) {
				n.lists[tag] = append(n.lists[tag], values...)
			}
			from, to = append(from, s.StartNS), append(to, s.ChunksNS[len(s.ChunksNS)-1])
			off := math.Abs(float64(s.Counted.OSL) - float64(s.RequestedOSL))
			if s.RequestedOSL > 0 && (off > 50 || off > 0.05*float64(s.RequestedOSL)) {
				mismatches++
			}
			claimed := 0
			for _, k := range s.ChunkTokens {
				claimed += k
			}
			if s.ChunkTokens != nil && s.Usage != nil && claimed != s.Usage.CompletionTokens {
				disagreements++
			}
		}
	}
	if mismatches > 0 {
		n.single["osl_mismatch_count"] = float64(mismatches)
	}
	if disagreements > 0 {
		n.single["chunk_token_mismatch_count"] = float64(disagreements)
	}
	n.totals()
	if len(from) > 0 {
		n.window(slices.Min(from), slices.Max(to), started)
	}
	return n
}

func (n *naive) totals() {
	sum := func(tag string) (total float64) {
		for _, v := range n.lists[tag] {
			total += v
		}
		return total
	}
	for total, tag := range map[string]string{
		"total_isl": "input_sequence_length", "total_osl": "output_sequence_length", "total_output_tokens": "output_token_count",
		"total_reasoning_tokens": "reasoning_token_count", "total_error_isl": "error_isl", "total_usage_prompt_tokens": "usage_prompt_tokens",
		"total_usage_completion_tokens": "usage_completion_tokens", "total_usage_total_tokens": "usage_total_tokens",
		"total_usage_reasoning_tokens": "usage_reasoning_tokens", "total_usage_prompt_cache_write_tokens": "usage_prompt_cache_write_tokens",
		"total_usage_prompt_cache_miss_tokens": "usage_prompt_cache_miss_tokens", "total_usage_prompt_audio_tokens": "usage_prompt_audio_tokens",
		"total_usage_completion_audio_tokens":    "usage_completion_audio_tokens",
		"total_usage_accepted_prediction_tokens": "usage_accepted_prediction_tokens", "total_usage_rejected_prediction_tokens": "usage_rejected_prediction_tokens",
		"total_usage_prompt_cache_read_tokens": "usage_prompt_cache_read_tokens",
	} {
		if n.lists[tag] != nil {
			n.single[total] = sum(tag)
		}
	}
	if n.single["total_reasoning_tokens"] > 0 && n.single["total_output_tokens"] > 0 {
		n.single["overall_thinking_efficiency"] = n.single["total_reasoning_tokens"] / n.single["total_output_tokens"]
	}
	if n.single["total_usage_prompt_tokens"] > 0 {
		n.single["overall_usage_prompt_cache_read_pct"] = 100 * n.single["total_usage_prompt_cache_read_tokens"] / n.single["total_usage_prompt_tokens"]
	}
}

func (n *naive) window(from, to int64, started time.Time) {
	n.single["min_request_timestamp"] = float64(started.UnixNano() + from)
	n.single["max_response_timestamp"] = float64(started.UnixNano() + to)
	seconds := float64(to-from) / 1e9
	n.single["benchmark_duration"] = seconds
	n.single["request_throughput"] = n.single["request_count"] / seconds
	n.single["output_token_throughput"] = n.single["total_osl"] / seconds
	if n.single["total_isl"] > 0 {
		n.single["input_token_throughput"] = n.single["total_isl"] / seconds
		n.single["total_token_throughput"] = (n.single["total_isl"] + n.single["total_osl"]) / seconds
	}
}

// statistics are those of AIPerf's section 1.10.
func statistics(values []float64) map[string]float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := float64(len(sorted))
	stats := map[string]float64{"count": n, "min": sorted[0], "max": sorted[len(sorted)-1]}
	for _, v := range sorted {
		stats["sum"] += v
	}
	stats["avg"] = stats["sum"] / n
	for _, v := range sorted {
		stats["std"] += (v - stats["avg"]) * (v - stats["avg"]) / n
	}
	stats["std"] = math.Sqrt(stats["std"])
	for _, q := range []float64{1, 5, 10, 25, 50, 75, 90, 95, 99} {
		index := q / 100 * (n - 1)
		below, above := sorted[int(math.Floor(index))], sorted[int(math.Ceil(index))]
		stats[fmt.Sprintf("p%g", q)] = below*(1-(index-math.Floor(index))) + above*(index-math.Floor(index))
	}
	return stats
}

func near(t *testing.T, want, got float64, what string) {
	t.Helper()
	scale := max(math.Abs(want), math.Abs(got), 1e-6)
	require.LessOrEqual(t, math.Abs(want-got), 1e-9*scale, "%s: want %v, got %v", what, want, got)
}

func agree(t *testing.T, samples []*record.Sample) {
	t.Helper()
	started := time.Unix(1_700_000_000, 12345)
	accumulator := metric.NewAccumulator(started)
	for _, s := range samples {
		accumulator.Add(s)
	}
	want := naiveLevel(samples, started)
	seen := 0
	for _, r := range accumulator.Results() {
		seen++
		if !r.PerRequest {
			value, present := want.single[r.Tag]
			require.True(t, present, "%s should be absent, is %v", r.Tag, r.Value)
			near(t, value, r.Value, r.Tag)
			continue
		}
		require.NotEmpty(t, want.lists[r.Tag], "%s should be absent, is %v", r.Tag, r.Summary)
		stats := statistics(want.lists[r.Tag])
		near(t, stats["avg"], r.Value, r.Tag)
		s := r.Summary
		for name, got := range map[string]float64{
			"count": float64(s.Count), "avg": s.Avg, "min": s.Min, "max": s.Max, "sum": s.Sum, "p1": s.P1, "p5": s.P5, "p10": s.P10,
			"p25": s.P25, "p50": s.P50, "p75": s.P75, "p90": s.P90, "p95": s.P95, "p99": s.P99,
		} {
			near(t, stats[name], got, r.Tag+"."+name)
		}
		require.InDelta(t, stats["std"], s.Std, 1e-9*max(math.Abs(stats["max"]), 1), r.Tag)
	}
	require.Equal(t, len(want.lists)+len(want.single), seen, "a figure of the twin is missing: %v %v", want.single, want.lists)
}

// anySample makes a request of one of the kinds that differ in what can be computed.
func anySample(r *rand.Rand) *record.Sample {
	start := r.Int64N(int64(10 * time.Second))
	s := &record.Sample{
		Phase: record.Profiling, Outcome: record.OK, ScheduledNS: start - r.Int64N(1000), StartNS: start, SentNS: start + 5000,
		HeadersNS: start + 10_000 + r.Int64N(1e6), FirstVisibleNS: record.Never, RequestedOSL: r.IntN(300),
		Counted: record.Counted{ISL: r.IntN(3000), Source: record.FromTokenizer},
	}
	s.FirstByteNS = s.HeadersNS + 100
	at := s.FirstByteNS + r.Int64N(1e8)
	for range 1 + r.IntN(40)*r.IntN(2) {
		at += r.Int64N(2e7) * int64(r.IntN(4)) // some gaps are exactly 0
		s.ChunksNS = append(s.ChunksNS, at)
	}
	if at == s.ChunksNS[0] { // several chunks in one read: the gap of the whole stream would be 0
		s.ChunksNS = s.ChunksNS[:1]
	}
	s.LastByteNS = at + r.Int64N(1e6)
	s.EndNS = s.LastByteNS + r.Int64N(1e3)
	connect(r, s)
	s.Counted.OSL = max(1, len(s.ChunksNS)+r.IntN(5)-2)
	if r.IntN(3) == 0 {
		s.Counted.Reasoning = r.IntN(s.Counted.OSL + 1)
	}
	if s.Counted.Reasoning < s.Counted.OSL {
		s.FirstVisibleNS = s.ChunksNS[r.IntN(len(s.ChunksNS))]
	}
	if r.IntN(2) == 0 {
		s.Counted.Source = record.FromServer
		s.Usage = &record.Usage{PromptTokens: s.Counted.ISL + r.IntN(20), CompletionTokens: s.Counted.OSL, CachedTokens: new(r.IntN(3) * 16), CacheWriteTokens: r.IntN(2), CacheMissTokens: r.IntN(3),
			PromptAudioTokens: r.IntN(2), CompletionAudioTokens: r.IntN(2), AcceptedPredictionTokens: r.IntN(4), RejectedPredictionTokens: r.IntN(2), ReasoningTokens: s.Counted.Reasoning}
		s.Usage.TotalTokens = s.Usage.PromptTokens + s.Usage.CompletionTokens
	}
	spoil(r, s)
	return s
}

// connect gives the request a connection, new or kept, and events without content.
func connect(r *rand.Rand, s *record.Sample) {
	s.Conn = record.Conn{GotNS: s.StartNS + r.Int64N(5000), Reused: r.IntN(2) == 0, DNSNS: r.Int64N(100), ConnectNS: r.Int64N(3000), TLSNS: r.Int64N(2) * r.Int64N(1000), Remote: "server:80"}
	switch r.IntN(6) {
	case 0: // a log of an earlier version
		s.Conn.GotNS = record.Never
	case 1:
		s.Conn = record.Conn{GotNS: record.Never}
	}
	if r.IntN(5) == 0 {
		s.SentNS = s.FirstByteNS + r.Int64N(100)
	}
	s.BytesSent, s.BytesReceived = r.Int64N(3)*1000, r.Int64N(3)*5000
	for range r.IntN(3) {
		s.EmptyNS = append(s.EmptyNS, s.FirstByteNS+r.Int64N(s.EndNS-s.FirstByteNS+1))
	}
	slices.Sort(s.EmptyNS)
	if r.IntN(2) == 0 {
		for range s.ChunksNS {
			s.ChunkTokens = append(s.ChunkTokens, 1)
		}
	}
}

// spoil makes some samples fail or belong to the warm-up.
func spoil(r *rand.Rand, s *record.Sample) {
	switch r.IntN(6) {
	case 0:
		s.Outcome = record.Outcomes()[1+r.IntN(len(record.Outcomes())-1)]
		s.Error = &record.Error{Code: 500}
		if r.IntN(2) == 0 {
			s.ChunksNS, s.HeadersNS, s.FirstVisibleNS, s.Counted.OSL = nil, record.Never, record.Never, 0
		}
	case 1:
		s.Phase = record.Warmup
	}
}

func TestEveryFigureAgainstTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 400 {
		samples := make([]*record.Sample, 1+r.IntN(60))
		for i := range samples {
			samples[i] = anySample(r)
		}
		agree(t, samples)
	}
}
