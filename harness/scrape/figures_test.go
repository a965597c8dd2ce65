package scrape

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
)

const second = 1_000_000_000

// historyOf is one of pages that were told a second apart, the first before the measurement; "": the source told nothing.
func historyOf(t *testing.T, pages ...string) *History {
	t.Helper()
	h := NewHistory(nil)
	addStretch(t, h, 0, pages...)
	return h
}

func addStretch(t *testing.T, h *History, from int64, pages ...string) {
	t.Helper()
	h.Begin(&record.Sources{URLs: []string{"http://server/metrics"}})
	var c Changes
	for i, text := range pages {
		round := record.Round{AtNS: from + int64(i)*second, Pages: []record.Told{{Error: "silent"}}}
		if i == 0 {
			round.Edge = record.EdgeMeasure
		}
		if text != "" {
			page, err := Parse([]byte(text))
			require.NoError(t, err)
			round.Pages[0] = c.Of(page)
		}
		h.Add(&round)
	}
}

// TestVocabulary: what each engine tells comes to the same figures.
func TestVocabulary(t *testing.T) {
	type figures struct {
		hit, running, runningMax, usage, ttft, itl, e2e float64
		completed, preempted                            float64
		counted                                         bool
		engines                                         []string
	}
	page := func(format string) func(k int) string {
		return func(k int) string { return fmt.Sprintf(format, k) }
	}
	for name, c := range map[string]struct {
		page func(k int) string // k is 1 at the start and 3 at the end
		want figures
	}{
		"vLLM": {page(`vllm:prefix_cache_hits_total{engine="0"} %[1]d0
vllm:prefix_cache_hits_total{engine="1"} %[1]d0
vllm:prefix_cache_queries_total{engine="0"} %[1]d00
vllm:prefix_cache_queries_total{engine="1"} %[1]d00
vllm:num_requests_running{engine="0"} %[1]d
vllm:num_requests_running{engine="1"} 1
vllm:kv_cache_usage_perc{engine="0"} 0.%[1]d
vllm:kv_cache_usage_perc{engine="1"} 0
vllm:gpu_cache_usage_perc{engine="0"} 0.9
vllm:num_preemptions_total %[1]d
vllm:request_success_total{finished_reason="stop"} %[1]d0
vllm:request_success_total{finished_reason="length"} %[1]d
vllm:request_success_total{finished_reason="abort"} %[1]d00
vllm:time_to_first_token_seconds_sum %[1]d.5
vllm:time_to_first_token_seconds_count %[1]d0
vllm:inter_token_latency_seconds_sum %[1]d
vllm:inter_token_latency_seconds_count %[1]d00
vllm:e2e_request_latency_seconds_sum %[1]d0
vllm:e2e_request_latency_seconds_count %[1]d0
`), figures{10, 3, 4, 10, 100, 10, 1000, 22, 2, true, []string{"vLLM"}}},
		"vLLM before 0.10": {page("vllm:gpu_prefix_cache_hits_total %[1]d0\nvllm:gpu_prefix_cache_queries_total %[1]d00\nvllm:gpu_cache_usage_perc 0.%[1]d\n"),
			figures{hit: 10, usage: 20, counted: true, engines: []string{"vLLM"}}},
		"vLLM V0": {page("vllm:gpu_prefix_cache_hit_rate 0.%d\n"), figures{hit: 20, engines: []string{"vLLM"}}},
		"SGLang": {page(`sglang:cached_tokens_total{cache_source="device"} %[1]d0
sglang:cached_tokens_total{cache_source="host"} %[1]d0
sglang:prompt_tokens_total %[1]d00
sglang:cache_hit_rate 0.77
sglang:num_running_reqs %[1]d
sglang:token_usage 0.%[1]d
sglang:num_requests_total %[1]d1
`), figures{hit: 20, running: 2, runningMax: 3, usage: 20, completed: 20, counted: true, engines: []string{"SGLang"}}},
		"SGLang 0.5.4": {page("sglang_cache_hit_rate 0.%[1]d\nsglang_num_running_reqs %[1]d\n"), figures{hit: 20, running: 2, runningMax: 3, engines: []string{"SGLang"}}},
		"TensorRT-LLM": {page(`trtllm_kv_cache_reused_blocks_total %[1]d
trtllm_kv_cache_missed_blocks_total %[1]d
trtllm_kv_cache_utilization 0.%[1]d
trtllm_num_active_requests %[1]d
trtllm_request_success_total{finished_reason="stop"} %[1]d
trtllm_time_per_output_token_seconds_sum %[1]d
trtllm_time_per_output_token_seconds_count %[1]d00
`), figures{hit: 50, running: 2, runningMax: 3, usage: 20, itl: 10, completed: 2, counted: true, engines: []string{"TensorRT-LLM"}}},
		"Dynamo with vLLM behind it": {page(`dynamo_frontend_requests_total{status="success",endpoint="chat_completions"} %[1]d0
dynamo_frontend_requests_total{status="error",endpoint="chat_completions"} %[1]d0
dynamo_frontend_inflight_requests 9
vllm:num_requests_running %[1]d
vllm:request_success_total{finished_reason="stop"} %[1]d00
dynamo_component_kvstats_active_blocks %[1]d0
dynamo_component_kvstats_total_blocks 100
dynamo_component_kvstats_gpu_prefix_cache_hit_rate 0.%[1]d
dynamo_frontend_time_to_first_token_seconds_sum %[1]d
dynamo_frontend_time_to_first_token_seconds_count %[1]d0
`), figures{hit: 20, running: 2, runningMax: 3, usage: 20, ttft: 100, completed: 20, engines: []string{"vLLM", "Dynamo"}}},
	} {
		t.Run(name, func(t *testing.T) {
			f, ok := historyOf(t, c.page(1), c.page(1), c.page(2), c.page(3)).Measured()
			require.True(t, ok)
			var got figures
			got.hit, got.counted, _ = f.HitRate()
			got.running, got.runningMax, got.usage = f.Gauges[Running].Mean, f.Gauges[Running].Max, f.Gauges[CacheUsage].Mean
			got.ttft, _ = meanOr0(f.MeanOf(FirstTokenSum, FirstTokenCount))
			got.itl, _ = meanOr0(f.MeanOf(GapSum, GapCount))
			got.e2e, _ = meanOr0(f.MeanOf(WholeSum, WholeCount))
			got.completed, got.preempted, got.engines = f.Counters[Completed], f.Counters[Preemptions], f.Engines
			for _, pair := range [][2]*float64{{&got.hit, &c.want.hit}, {&got.usage, &c.want.usage}, {&got.ttft, &c.want.ttft}, {&got.itl, &c.want.itl}} {
				assert.InDelta(t, *pair[1], *pair[0], 1e-9)
				*pair[0] = *pair[1]
			}
			assert.Equal(t, c.want, got)
		})
	}
}

func meanOr0(mean float64, ok bool) (float64, bool) {
	if !ok {
		mean = 0
	}
	return mean, ok
}

// TestNothingKnown: pages of other names come to no figures.
func TestNothingKnown(t *testing.T) {
	_, ok := historyOf(t, "other 1\n", "other 2\n").Measured()
	assert.False(t, ok)
	_, ok = NewHistory(nil).Measured()
	assert.False(t, ok)
	f, ok := historyOf(t, "vllm:prefix_cache_queries_total 5\nvllm:prefix_cache_hits_total 1\n", "vllm:prefix_cache_queries_total 5\nvllm:prefix_cache_hits_total 1\n").Measured()
	require.True(t, ok)
	_, _, told := f.HitRate()
	assert.False(t, told, "of no prompt there is no rate")
}

// TestCountersOverTime: edges between rounds are interpolated, rounds without a page are passed by, and a counter that falls began anew.
func TestCountersOverTime(t *testing.T) {
	const name = "vllm:generation_tokens_total "
	h := historyOf(t, name+"100\n", name+"110\n", "", name+"150\n", name+"5\n", name+"25\n")
	f, _ := h.Over(second/2, 4*second)
	assert.Equal(t, 5.0+40+5, f.Counters[Generated])
	assert.Equal(t, int64(second/2), f.EdgeNS)
	assert.Equal(t, 4, f.Rounds)
	assert.True(t, f.Restart)
	f, _ = h.Over(2*second, 3*second)
	assert.Equal(t, 20.0, f.Counters[Generated], "half of what came between the rounds about the silent one")
	assert.Equal(t, int64(second), f.EdgeNS, "a round without a page is not near")
	f, _ = historyOf(t, name+"1\n", name+"3\n", "").Measured()
	assert.Equal(t, 2.0, f.Counters[Generated])
	assert.Equal(t, int64(second), f.EdgeNS, "what came after the last page is missing")
	f, _ = h.Measured()
	assert.Zero(t, f.EdgeNS)
	f, _ = h.Measured()
	assert.Equal(t, 75.0, f.Counters[Generated])
	assert.Equal(t, []Point{{0, 0, true}, {second, 10, false}, {3 * second, 50, false}, {4 * second, 55, false}, {5 * second, 75, false}}, h.Tracks()[0].Points)
	assert.True(t, h.Spans())
	assert.False(t, historyOf(t, name+"1\n", "").Spans())
	_, ok := h.Over(6*second, 7*second)
	assert.False(t, ok)
}

// TestCounterThatAppears had counted nothing before, where the server told all else.
func TestCounterThatAppears(t *testing.T) {
	f, _ := historyOf(t, "vllm:num_requests_running 0\n", `vllm:request_success_total{finished_reason="stop"} 3`+"\nvllm:num_requests_running 1\n").Measured()
	assert.Equal(t, 3.0, f.Counters[Completed])
}

// TestSeriesAsTold: a series has points where it was on a page, and none where it was not or there was no page.
func TestSeriesAsTold(t *testing.T) {
	h := NewHistory(func(name string) bool { return name == "a" })
	addStretch(t, h, 0, "a{x=\"1\"} 5\nb 1\n", "", "b 1\n", "a{x=\"1\"} 7\n")
	assert.Equal(t, []Series{{"http://server/metrics", "a", map[string]string{"x": "1"}, []Point{{0, 5, true}, {3 * second, 7, false}}}}, h.Series())
}

// TestStretchesAreAddedUp: what a server counted while the level was interrupted is not the level's.
func TestStretchesAreAddedUp(t *testing.T) {
	const name = "vllm:generation_tokens_total "
	h := historyOf(t, name+"100\nvllm:num_requests_running 2\n", name+"110\nvllm:num_requests_running 4\n")
	addStretch(t, h, 10*second, name+"500\nvllm:num_requests_running 6\n", name+"505\nvllm:num_requests_running 6\n", name+"520\nvllm:num_requests_running 6\n")
	f, _ := h.Measured()
	assert.Equal(t, 30.0, f.Counters[Generated])
	assert.InDelta(t, (4.0+6+6)/3, f.Gauges[Running].Mean, 1e-9)
	assert.Equal(t, []float64{6, 3, 3 + 12}, []float64{f.Gauges[Running].Max, float64(f.Gauges[Running].Rounds), f.Gauges[Running].Integral})
	total, _ := h.Whole(Generated)
	assert.Equal(t, 30.0, total)
}

// TestGPUs: energy by the counters, of each GPU once, whatever pod has it; without counters the integral of the power.
func TestGPUs(t *testing.T) {
	const format = `DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{gpu="0",UUID="a",pod="%[2]s"} %[1]d000
DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{gpu="1",UUID="b"} %[1]d500
`
	const power = `DCGM_FI_DEV_POWER_USAGE{gpu="0",UUID="a",pod="%[2]s"} %[1]d00
DCGM_FI_DEV_POWER_USAGE{gpu="1",UUID="b"} 50
DCGM_FI_DEV_GPU_UTIL{gpu="0",UUID="a",pod="%[2]s"} %[1]d0
DCGM_FI_DEV_GPU_UTIL{gpu="1",UUID="b"} 0
DCGM_FI_DEV_FB_USED{gpu="0",UUID="a"} 1000
DCGM_FI_DEV_FB_USED{gpu="1",UUID="b"} 24
`
	f, ok := historyOf(t, fmt.Sprintf(format+power, 1, "x"), fmt.Sprintf(format+power, 2, "y"), fmt.Sprintf(format+power, 4, "y")).Measured()
	require.True(t, ok)
	joules, counted, ok := f.Joules()
	assert.True(t, ok && counted)
	assert.InDelta(t, 6, joules, 1e-9)
	assert.Equal(t, 2, f.GPUs)
	assert.Equal(t, Gauge{Mean: 350, Max: 450, Rounds: 2, Integral: 550}, f.Gauges[Power])
	assert.Equal(t, 20.0, f.Gauges[GPUUtilisation].Max)
	assert.Equal(t, 1024.0, f.Gauges[GPUMemory].Mean)
	f, _ = historyOf(t, fmt.Sprintf(power, 1, "x"), fmt.Sprintf(power, 2, "x")).Measured()
	joules, counted, ok = f.Joules()
	assert.True(t, ok && !counted)
	assert.InDelta(t, 200, joules, 1e-9)
	still := fmt.Sprintf(format, 0, "x")
	f, _ = historyOf(t, still+fmt.Sprintf(power, 1, "x"), still+fmt.Sprintf(power, 2, "x")).Measured()
	joules, counted, ok = f.Joules()
	assert.True(t, ok && !counted, "a counter that stands still does not count")
	assert.InDelta(t, 200, joules, 1e-9)
	f, _ = historyOf(t, still, still).Measured()
	_, _, ok = f.Joules()
	assert.False(t, ok)
}
