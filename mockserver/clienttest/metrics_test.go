package clienttest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	pmodel "github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// scrape parses a page as Prometheus does.
func (m mock) scrape(t *testing.T, path string) map[string]*dto.MetricFamily {
	t.Helper()
	response, err := http.Get(m.url + path)
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, http.StatusOK, response.StatusCode)
	assert.Equal(t, expfmt.TypeTextPlain, expfmt.ResponseFormat(response.Header).FormatType())
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	parser := expfmt.NewTextParser(pmodel.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	require.NoError(t, err, string(text))
	return families
}

// sum adds up a family's values. A label's name and value narrow it down.
func (m mock) sum(t *testing.T, family string, label ...string) float64 {
	t.Helper()
	return sum(t, m.scrape(t, "/metrics"), family, label...)
}

func sum(t *testing.T, page map[string]*dto.MetricFamily, family string, label ...string) float64 {
	t.Helper()
	require.Contains(t, page, family)
	total := 0.0
	for _, metric := range page[family].Metric {
		if matches(metric, label) {
			total += metric.GetGauge().GetValue() + metric.GetCounter().GetValue()
		}
	}
	return total
}

func matches(metric *dto.Metric, label []string) bool {
	if len(label) == 0 {
		return true
	}
	for _, l := range metric.Label {
		if l.GetName() == label[0] && l.GetValue() == label[1] {
			return true
		}
	}
	return false
}

// observed is a histogram's count and sum, over all engines.
func observed(t *testing.T, page map[string]*dto.MetricFamily, family string) (count, sum float64) {
	t.Helper()
	require.Contains(t, page, family)
	require.Equal(t, dto.MetricType_HISTOGRAM, page[family].GetType())
	for _, metric := range page[family].Metric {
		h := metric.GetHistogram()
		count += float64(h.GetSampleCount())
		sum += h.GetSampleSum()
		last := h.Bucket[len(h.Bucket)-1]
		assert.Equal(t, h.GetSampleCount(), last.GetCumulativeCount(), "the last bucket of %s", family)
		for k := 1; k < len(h.Bucket); k++ {
			assert.LessOrEqual(t, h.Bucket[k-1].GetCumulativeCount(), h.Bucket[k].GetCumulativeCount())
		}
	}
	return count, sum
}

// isIdle waits until the server has nothing to do.
func (m mock) isIdle(t *testing.T) {
	t.Helper()
	for _, family := range []string{
		"vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc",
		"dynamo_frontend_inflight_requests", "dynamo_frontend_queued_requests",
	} {
		eventually(t, func() bool { return m.sum(t, family) == 0 }, "%s of 0", family)
	}
}

// Prometheus reads all pages, and finds the families that dashboards ask for, of the types that they expect.
func TestPagesParse(t *testing.T) {
	for _, c := range []struct {
		kind             string
		counters, gauges []string
	}{
		{"vllm",
			[]string{"vllm:num_preemptions_total", "vllm:prefix_cache_queries_total", "vllm:prefix_cache_hits_total", "vllm:prompt_tokens_total",
				"vllm:generation_tokens_total", "vllm:request_success_total"},
			[]string{"vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"}},
		{"sglang",
			[]string{"sglang:num_requests_total", "sglang:prompt_tokens_total", "sglang:generation_tokens_total", "sglang:cached_tokens_total"},
			[]string{"sglang:num_running_reqs", "sglang:num_queue_reqs", "sglang:cache_hit_rate", "sglang:token_usage"}},
	} {
		t.Run(c.kind, func(t *testing.T) {
			m := startMock(t, "-engine-type", c.kind, "-data-parallel-size", "2")
			client := m.client()
			_, err := client.Chat.Completions.New(soon(t), chat("hello", 3))
			require.NoError(t, err)
			page := m.scrape(t, "/metrics")
			for _, family := range append(c.counters, "dynamo_frontend_requests_total", "dynamo_frontend_output_tokens_total") {
				require.Contains(t, page, family)
				assert.Equal(t, dto.MetricType_COUNTER, page[family].GetType(), family)
			}
			for _, family := range append(c.gauges, "dynamo_frontend_inflight_requests", "dynamo_frontend_model_workers") {
				require.Contains(t, page, family)
				assert.Equal(t, dto.MetricType_GAUGE, page[family].GetType(), family)
			}
			for _, family := range []string{"time_to_first_token_seconds", "inter_token_latency_seconds", "e2e_request_latency_seconds"} {
				observed(t, page, c.kind+":"+family)
			}
			assert.Len(t, page[c.gauges[0]].Metric, 2, "a sample a rank")
			gpus := m.scrape(t, "/dcgm/metrics")
			for _, family := range []string{"DCGM_FI_DEV_GPU_UTIL", "DCGM_FI_DEV_FB_USED", "DCGM_FI_DEV_FB_FREE", "DCGM_FI_DEV_POWER_USAGE"} {
				require.Contains(t, gpus, family)
				assert.Len(t, gpus[family].Metric, 2, "a GPU a rank")
			}
		})
	}
}

// line is what this test reads of a line of profile_export.jsonl.
type line struct {
	Trace struct {
		Outcome  string
		ChunksNS []int64 `json:"chunks_ns"`
		Usage    struct {
			PromptTokens     int `json:"prompt_tokens"`
			CompletionTokens int `json:"completion_tokens"`
			CachedTokens     int `json:"cached_tokens"`
		}
	}
}

// After a sweep of 1,000 requests and more, whose prompts have beginnings in common with those of the sweep before, the counters are
// what the client has logged.
func TestCountersEqualTheClientsLog(t *testing.T) {
	for _, kind := range []string{"vllm", "sglang"} {
		t.Run(kind, func(t *testing.T) {
			m := startMock(t, "-engine-type", kind, "-num-workers", "2", "-max-num-seqs", "16", "-num-gpu-blocks-override", "200000")
			lines := append(sweep(t, m), sweep(t, m)...)
			require.GreaterOrEqual(t, len(lines), 1000)
			requests, prompt, answer, cached, gaps := float64(len(lines)), 0.0, 0.0, 0.0, 0.0
			for _, l := range lines {
				require.Equal(t, "ok", l.Trace.Outcome)
				require.Len(t, l.Trace.ChunksNS, l.Trace.Usage.CompletionTokens)
				prompt += float64(l.Trace.Usage.PromptTokens)
				answer += float64(l.Trace.Usage.CompletionTokens)
				cached += float64(l.Trace.Usage.CachedTokens)
				gaps += float64(l.Trace.Usage.CompletionTokens - 1)
			}
			require.Positive(t, cached, "prompts should have met again")
			// What each of the two sweeps asked before its first level, for what the server adds to a prompt: 16 tokens, and the same twice over.
			requests, prompt, answer = requests+4, prompt+2*(16+32), answer+4
			page := m.scrape(t, "/metrics")
			requireCounters(t, page, kind, requests, cached)
			assert.Equal(t, prompt, sum(t, page, kind+":prompt_tokens_total"))
			assert.Equal(t, answer, sum(t, page, kind+":generation_tokens_total"))
			for family, want := range map[string]float64{
				kind + ":time_to_first_token_seconds":         requests,
				kind + ":inter_token_latency_seconds":         gaps,
				kind + ":e2e_request_latency_seconds":         requests,
				"dynamo_frontend_time_to_first_token_seconds": requests,
				"dynamo_frontend_inter_token_latency_seconds": gaps,
				"dynamo_frontend_request_duration_seconds":    requests,
			} {
				count, _ := observed(t, page, family)
				assert.Equal(t, want, count, family)
			}
			for family, want := range map[string]float64{
				"dynamo_frontend_input_sequence_tokens":  prompt,
				"dynamo_frontend_output_sequence_tokens": answer,
			} {
				count, total := observed(t, page, family)
				assert.Equal(t, requests, count, family)
				assert.Equal(t, want, total, family)
			}
			assert.Equal(t, requests, sum(t, page, "dynamo_frontend_requests_total", "status", "success"))
			assert.Zero(t, sum(t, page, "dynamo_frontend_requests_total", "status", "error"))
			assert.Equal(t, answer, sum(t, page, "dynamo_frontend_output_tokens_total"))
		})
	}
}

// requireCounters checks what the types of engine call differently.
func requireCounters(t *testing.T, page map[string]*dto.MetricFamily, kind string, requests, cached float64) {
	t.Helper()
	if kind == "sglang" {
		assert.Equal(t, requests, sum(t, page, "sglang:num_requests_total"))
		assert.InDelta(t, cached+48, sum(t, page, "sglang:cached_tokens_total"), 48, "those of the first requests, which are in no log, too")
		return
	}
	assert.Equal(t, requests, sum(t, page, "vllm:request_success_total", "finished_reason", "length"))
	assert.Equal(t, cached, sum(t, page, "vllm:prefix_cache_hits_total"))
	assert.Equal(t, sum(t, page, "vllm:prompt_tokens_total"), sum(t, page, "vllm:prefix_cache_queries_total"))
}

// sweep measures the server with our own client, the same prompts each time, and returns its log, warm-up and all.
func sweep(t *testing.T, m mock) []line {
	t.Helper()
	folder := t.TempDir()
	command := exec.CommandContext(soon(t), program(t, "bench.test", "test", "-c", "./bench"), "-test.run", "Sweep", "-test.count=1", "-nonce=7", "-benchmark-name=mock",
		"-endpoint="+m.url, "-model="+model, "-concurrencies=1,25,50", "-request-count=200", "-isl=300", "-osl=10", "-output-dir="+folder)
	command.Dir = folder
	out, err := command.CombinedOutput()
	require.NoError(t, err, string(out))
	logs, err := filepath.Glob(filepath.Join(folder, "*", "c*", "profile_export.jsonl"))
	require.NoError(t, err)
	require.Len(t, logs, 3)
	var all []line
	for _, path := range logs {
		all = append(all, readLog(t, path)...)
	}
	return all
}

func readLog(t *testing.T, path string) []line {
	t.Helper()
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	var all []line
	scanner := bufio.NewScanner(file)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		var l line
		require.NoError(t, json.Unmarshal(scanner.Bytes(), &l), "%s:%s", path, strconv.Itoa(len(all)+1))
		all = append(all, l)
	}
	require.NoError(t, scanner.Err())
	return all
}
