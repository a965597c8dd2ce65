package mockserver_test

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/mockserver"
	"github.com/llmsweep/llmsweep/mockserver/engine"
)

// page reads one of the pages of metrics.
func (r *rig) page(path string) samples {
	response, err := r.client.Get(r.url + path)
	check(r.t, err)
	defer response.Body.Close()
	assert.Equal(r.t, http.StatusOK, response.StatusCode)
	assert.Equal(r.t, "text/plain; version=0.0.4; charset=utf-8", response.Header.Get("Content-Type"))
	text, err := io.ReadAll(response.Body)
	check(r.t, err)
	return strings.Split(string(text), "\n")
}

// samples are the lines of a page.
type samples []string

// sum adds up the samples of a name, those that have a label if one is given.
func (s samples) sum(name string, label ...string) float64 {
	total, found := 0.0, false
	for _, line := range s {
		rest, is := strings.CutPrefix(line, name)
		if !is || rest == "" || rest[0] != '{' && rest[0] != ' ' {
			continue
		}
		found = true
		if len(label) == 0 || strings.Contains(rest, label[0]) {
			v, err := strconv.ParseFloat(rest[strings.LastIndexByte(rest, ' ')+1:], 64)
			if err != nil {
				return math.NaN()
			}
			total += v
		}
	}
	if !found {
		return math.NaN()
	}
	return total
}

// heard is what a client knows of a request.
type heard struct {
	sent   time.Duration
	tokens []time.Duration
	usage  usage
}

// hear sends a streamed chat and listens.
func (r *rig) hear(body string) heard {
	h := heard{sent: r.now()}
	all, err := r.events(r.open("/v1/chat/completions", body))
	check(r.t, err)
	for _, e := range all {
		if e.data == "[DONE]" {
			continue
		}
		if c := decode(r.t, e.data); c.Usage != nil {
			h.usage = *c.Usage
		}
		if contentOf(r.t, e.data) != "" {
			h.tokens = append(h.tokens, e.at)
		}
	}
	return h
}

// body asks for an answer to one of 40 prompts of its own length and beginning, each of which comes again.
func (h *conversation) body(k int) string {
	prompt := strings.Repeat(fmt.Sprintf(" w%d", k%40), 30+7*(k%40))
	return fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":%q}],"max_tokens":%d,"stream":true,"stream_options":{"include_usage":true}}`,
		model, prompt, 1+k%9)
}

type conversation struct {
	mu  sync.Mutex
	all []heard
}

// sweep sends a thousand requests in 25 slots and returns what was heard.
func (h *conversation) sweep(r *rig) []heard {
	var clients sync.WaitGroup
	for slot := range 25 {
		clients.Go(func() {
			r.at(time.Duration(slot))
			for k := range 40 {
				one := r.hear(h.body(slot*40 + k))
				h.mu.Lock()
				h.all = append(h.all, one)
				h.mu.Unlock()
			}
		})
	}
	clients.Wait()
	return h.all
}

// After a thousand requests counters and histograms are what the clients heard, the sums of durations to the nanosecond: in virtual
// time nothing but the schedule takes time.
func TestMetricsAreWhatClientsHeard(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*mockserver.Options){
		"vllm":    func(*mockserver.Options) {},
		"preempt": func(o *mockserver.Options) { o.NumGPUBlocks, o.BlockSize = 60, 16 },
		"sglang": func(o *mockserver.Options) {
			o.EngineType, o.BlockSize, o.NumGPUBlocks = engine.SGLang, 1, 1<<20
		},
		"trtllm": func(o *mockserver.Options) { o.EngineType, o.BlockSize = engine.TRTLLM, 32 },
		"ranks":  func(o *mockserver.Options) { o.NumWorkers, o.DataParallelSize = 2, 2 },
		"disaggregated": func(o *mockserver.Options) {
			o.NumWorkers, o.NumPrefillWorkers = 2, 1
		},
		"disaggregated ranks": func(o *mockserver.Options) {
			o.NumWorkers, o.NumPrefillWorkers, o.DataParallelSize = 1, 2, 2
		},
		"disaggregated sglang": func(o *mockserver.Options) {
			o.EngineType, o.BlockSize, o.NumGPUBlocks = engine.SGLang, 1, 1<<20
			o.NumWorkers, o.NumPrefillWorkers = 2, 2
		},
		"plain": func(o *mockserver.Options) {
			o.Plain = &engine.Plain{TTFT: 20 * time.Millisecond, ITL: 5 * time.Millisecond}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, change, func(r *rig) {
				r.start = time.Now()
				all := new(conversation).sweep(r)
				requireAgreement(t, name, all, r.page("/metrics"))
			})
		})
	}
}

func requireAgreement(t *testing.T, name string, all []heard, page samples) {
	t.Helper()
	var prompt, answer, cached, first, gaps, whole time.Duration
	for _, h := range all {
		prompt += time.Duration(h.usage.PromptTokens)
		answer += time.Duration(len(h.tokens))
		assert.Len(t, h.tokens, h.usage.CompletionTokens)
		cached += time.Duration(*h.usage.Details.CachedTokens)
		first += h.tokens[0] - h.sent
		last := h.tokens[len(h.tokens)-1]
		gaps += last - h.tokens[0]
		whole += last - h.sent
	}
	require.Len(t, all, 1000)
	prefix := "vllm"
	if strings.HasSuffix(name, "sglang") {
		prefix = "sglang"
		assert.EqualValues(t, cached, page.sum("sglang:cached_tokens_total"))
		assert.Equal(t, 1000.0, page.sum("sglang:num_requests_total"))
	} else {
		assert.EqualValues(t, cached, page.sum("vllm:prefix_cache_hits_total"))
		queries := prompt
		if name == "plain" {
			queries = 0 // it has no cache
		}
		assert.EqualValues(t, queries, page.sum("vllm:prefix_cache_queries_total"))
		if name == "ranks" {
			for _, rank := range []string{`engine="0"`, `engine="1"`, `engine="2"`, `engine="3"`} {
				assert.Equal(t, page.sum("vllm:prefix_cache_queries_total", rank), page.sum("vllm:prompt_tokens_total", rank), rank)
			}
		}
		assert.Equal(t, 1000.0, page.sum("vllm:request_success_total"))
		assert.Equal(t, 1000.0, page.sum("vllm:request_success_total", `finished_reason="length"`))
	}
	workers := map[string]float64{"ranks": 2, "disaggregated": 3, "disaggregated ranks": 3, "disaggregated sglang": 4}[name]
	assert.Equal(t, max(1, workers), page.sum("dynamo_frontend_model_workers"))
	if name != "plain" {
		assert.Positive(t, cached)
	}
	assert.Equal(t, name == "preempt", page.sum("vllm:num_preemptions_total") > 0)
	assert.EqualValues(t, prompt, page.sum(prefix+":prompt_tokens_total"))
	assert.EqualValues(t, answer, page.sum(prefix+":generation_tokens_total"))
	for _, of := range []string{prefix + ":", "dynamo_frontend_"} {
		for _, d := range []struct {
			family string
			count  time.Duration
			sum    time.Duration
		}{
			{"time_to_first_token_seconds", 1000, first},
			{"inter_token_latency_seconds", answer - 1000, gaps},
			{map[bool]string{true: "e2e_request_latency_seconds", false: "request_duration_seconds"}[of == prefix+":"], 1000, whole},
		} {
			assert.EqualValues(t, d.count, page.sum(of+d.family+"_count"), of+d.family)
			assert.EqualValues(t, d.sum, math.Round(1e9*page.sum(of+d.family+"_sum")), of+d.family)
			assert.EqualValues(t, d.count, page.sum(of+d.family+"_bucket", `le="+Inf"`), of+d.family)
		}
	}
	assert.EqualValues(t, prompt, page.sum("dynamo_frontend_input_sequence_tokens_sum"))
	assert.EqualValues(t, answer, page.sum("dynamo_frontend_output_sequence_tokens_sum"))
	assert.EqualValues(t, answer, page.sum("dynamo_frontend_output_tokens_total"))
	assert.Equal(t, 1000.0, page.sum("dynamo_frontend_requests_total", `request_type="stream",status="success"`))
	for _, idle := range []string{"inflight_requests", "queued_requests", "disconnected_clients"} {
		assert.Zero(t, page.sum("dynamo_frontend_"+idle), idle)
	}
}

// Gauges while requests run, and when their clients are gone; a pass that was under way when its client went counts for nobody.
func TestMetricsOfClientsThatLeave(t *testing.T) {
	t.Parallel()
	inBubble(t, func(o *mockserver.Options) { o.MaxNumSeqs = 2 }, func(r *rig) {
		r.start = time.Now()
		var streams []io.ReadCloser
		for k := range 3 {
			r.at(time.Duration(k))
			streams = append(streams, r.open("/v1/chat/completions", chatBody(100, 1000, true)))
		}
		r.at(time.Second)
		page := r.page("/metrics")
		for name, want := range map[string]float64{
			"vllm:num_requests_running": 2, "vllm:num_requests_waiting": 1, "vllm:kv_cache_usage_perc": 8. / 16384,
			"dynamo_frontend_inflight_requests": 3, "dynamo_frontend_queued_requests": 1, "dynamo_frontend_disconnected_clients": 0,
		} {
			assert.InDelta(t, want, page.sum(name), 3./16384, name)
		}
		assert.Positive(t, page.sum("vllm:kv_cache_usage_perc"))
		assert.InDelta(t, 100, r.page("/dcgm/metrics").sum("DCGM_FI_DEV_GPU_UTIL"), 1, "a pass is under way, which does not count yet")
		for _, s := range streams {
			check(t, s.Close())
		}
		r.at(2 * time.Second)
		page = r.page("/metrics")
		for _, name := range []string{"vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc",
			"dynamo_frontend_inflight_requests", "dynamo_frontend_queued_requests"} {
			assert.Zero(t, page.sum(name), name)
		}
		assert.Equal(t, 3.0, page.sum("dynamo_frontend_disconnected_clients"))
		assert.Equal(t, 3.0, page.sum("vllm:request_success_total", `finished_reason="abort"`))
		assert.Equal(t, 3.0, page.sum("dynamo_frontend_requests_total", `status="error",error_type="cancelled"`))
		assert.Equal(t, 200.0, page.sum("vllm:prompt_tokens_total"), "the third never got a token")
	})
}

// A request that ends without a token ended on the engine that had it.
func TestMetricsOfAbortsNameTheEngine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*mockserver.Options)
		engine string
	}{
		"side by side":  {func(o *mockserver.Options) { o.NumWorkers = 2 }, `engine="1"`},
		"disaggregated": {func(o *mockserver.Options) { o.NumPrefillWorkers = 2 }, `engine="2"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, c.change, func(r *rig) {
				r.start = time.Now()
				first := r.open("/v1/chat/completions", chatBody(3, 1, true))
				readAll(t, first)
				r.at(time.Second)
				check(t, r.open("/v1/chat/completions", chatBody(60_000, 5, true)).Close())
				r.at(2 * time.Second)
				page := r.page("/metrics")
				assert.Equal(t, 1.0, page.sum("vllm:request_success_total", `finished_reason="abort"`))
				assert.Equal(t, 1.0, page.sum("vllm:request_success_total", c.engine+`,model_name="`+model+`",finished_reason="abort"`))
			})
		})
	}
}

// What is refused is counted, and nothing reaches the engines.
func TestMetricsOfRefusals(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(r *rig) {
		for _, body := range []string{`{`, `{"model":"other","prompt":"a"}`, `{"model":"` + model + `","prompt":"a","stream":true,"max_tokens":-1}`} {
			status, answer, err := r.post(r.t.Context(), "/v1/completions", body)
			check(t, err)
			check(t, answer.Close())
			assert.GreaterOrEqual(t, status, 400)
		}
		page := r.page("/metrics")
		assert.Equal(t, 3.0, page.sum("dynamo_frontend_requests_total", `endpoint="completions"`))
		assert.Equal(t, 2.0, page.sum("dynamo_frontend_requests_total", `status="error",error_type="validation"`))
		assert.Equal(t, 1.0, page.sum("dynamo_frontend_requests_total", `status="error",error_type="not_found"`))
		assert.Zero(t, page.sum("vllm:prefix_cache_queries_total"))
		assert.Zero(t, page.sum("vllm:request_success_total"))
	})
}

// Answers that stop, several answers, tool calls and embeddings are counted for what they are.
func TestMetricsOfOtherAnswers(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(r *rig) {
		ask := func(path, body string) usage {
			return *decode(t, readAll(t, r.open(path, `{"model":"`+model+`",`+body+`}`))).Usage
		}
		two := ask("/v1/chat/completions", `"messages":[{"role":"user","content":"a b c"}],"max_tokens":5,"n":2`)
		stop := ask("/v1/completions", `"prompt":"a b","max_tokens":900,"stop":["a","e","o","i"]`)
		call := ask("/v1/chat/completions", `"messages":[{"role":"user","content":"a"}],"tool_choice":"required",`+weather)
		vector := ask("/v1/embeddings", `"input":["a b","c"]`)
		require.Equal(t, 10, two.CompletionTokens)
		page := r.page("/metrics")
		// Each of two choices has the prompt.
		prompt := 2*two.PromptTokens + stop.PromptTokens + call.PromptTokens + vector.PromptTokens
		answer := two.CompletionTokens + stop.CompletionTokens + call.CompletionTokens
		assert.EqualValues(t, prompt, page.sum("vllm:prompt_tokens_total"))
		assert.EqualValues(t, answer, page.sum("vllm:generation_tokens_total"))
		assert.EqualValues(t, answer, page.sum("dynamo_frontend_output_tokens_total"))
		assert.EqualValues(t, answer, page.sum("dynamo_frontend_output_sequence_tokens_sum"))
		assert.Equal(t, 4.0, page.sum("vllm:time_to_first_token_seconds_count"))
		assert.Equal(t, 3.0, page.sum("dynamo_frontend_time_to_first_token_seconds_count"), "one a request")
		assert.Equal(t, 2.0, page.sum("vllm:request_success_total", `finished_reason="length"`))
		assert.Equal(t, 4.0, page.sum("vllm:request_success_total", `finished_reason="stop"`))
		assert.Equal(t, 4.0, page.sum("dynamo_frontend_requests_total", `request_type="unary",status="success"`))
		assert.Equal(t, 1.0, page.sum("dynamo_frontend_requests_total", `endpoint="embeddings"`))
	})
}

// A page has no family and no sample twice.
func TestPagesRepeatNothing(t *testing.T) {
	t.Parallel()
	inBubble(t, func(o *mockserver.Options) { o.NumWorkers = 3 }, func(r *rig) {
		r.stream(10, 3)
		for _, path := range []string{"/metrics", "/dcgm/metrics"} {
			var names []string
			for _, line := range r.page(path) {
				names = append(names, line[:max(0, strings.LastIndexByte(line, ' '))])
			}
			slices.Sort(names)
			assert.Equal(t, slices.Compact(slices.Clone(names)), names)
		}
	})
}
