package scrape

import "slices"

// Quantity is something that servers tell under names of their own.
type Quantity string

// The quantities. Tokens and blocks are of prompts.
const (
	Running     Quantity = "requests_running"
	Waiting     Quantity = "requests_waiting"
	CacheUsage  Quantity = "kv_cache_usage"
	HitRate     Quantity = "prefix_cache_hit_rate" // as the server computes it, over a time of its own
	Hits        Quantity = "prefix_cache_hits"
	Queries     Quantity = "prefix_cache_queries"
	Preemptions Quantity = "preemptions"
	Completed   Quantity = "requests_completed"
	Prompted    Quantity = "prompt_tokens"
	Generated   Quantity = "generated_tokens"

	FirstTokenSum   Quantity = "time_to_first_token_sum"
	FirstTokenCount Quantity = "time_to_first_token_count"
	GapSum          Quantity = "inter_token_latency_sum"
	GapCount        Quantity = "inter_token_latency_count"
	WholeSum        Quantity = "request_latency_sum"
	WholeCount      Quantity = "request_latency_count"

	Power          Quantity = "gpu_power"
	Energy         Quantity = "gpu_energy"
	GPUUtilisation Quantity = "gpu_utilisation"
	GPUMemory      Quantity = "gpu_memory_used"
	GPUMemoryFree  Quantity = "gpu_memory_free"
)

// join is what becomes of the series that have one meaning: of several engines, ranks or GPUs.
type join int

const (
	sum      join = iota // of gauges
	mean                 // of gauges
	counters             // the sum of their increases
)

// term is a quantity of the vocabulary: its unit, how series are joined, and the names under which it is known. The first of these that any source has
// counts: one of an engine and one of its front end would count everything twice.
type term struct {
	quantity Quantity
	unit     string
	factor   float64 // to the unit; 0: 1
	join     join
	perGPU   bool // one series for each GPU, however often it is told
	known    []naming
}

// naming is the name of a quantity with one engine.
type naming struct {
	engine string
	names  []string                   // whose series are taken together
	of     string                     // what they are a part of; "": nothing
	counts func(labels labelSet) bool // which series; nil: all
	unit   string                     // where it is not the term's
}

type labelSet = map[string]string

// The engines, and the front end that is none.
const (
	vllm   = "vLLM"
	sglang = "SGLang"
	trtllm = "TensorRT-LLM"
	dynamo = "Dynamo"
	dcgm   = "DCGM"
)

// as is a naming by one name.
func as(engine, name string) naming { return naming{engine: engine, names: []string{name}} }

// either are namings of which a server has one, by its version.
func either(engine string, names ...string) []naming {
	var all []naming
	for _, name := range names {
		all = append(all, as(engine, name))
	}
	return all
}

// ofSGLang is a name with SGLang's prefix, of before its version 0.5.4 and since then.
func ofSGLang(name string) []naming { return either(sglang, "sglang:"+name, "sglang_"+name) }

// vocabulary is what is known.
func vocabulary() []term {
	terms := slices.Concat(loadTerms(), cacheTerms(), []term{
		{quantity: Completed, unit: "requests", join: counters, known: slices.Concat(
			[]naming{{engine: dynamo, names: []string{"dynamo_frontend_requests_total"}, counts: func(l labelSet) bool { return l["status"] == "success" }}},
			[]naming{{engine: vllm, names: []string{"vllm:request_success_total"}, counts: finished}},
			ofSGLang("num_requests_total"), either(trtllm, "trtllm_request_success_total"),
		)},
	})
	for _, h := range []struct {
		sum, count Quantity
		known      []naming
	}{
		{FirstTokenSum, FirstTokenCount, slices.Concat(either(vllm, "vllm:time_to_first_token_seconds"), ofSGLang("time_to_first_token_seconds"),
			either(trtllm, "trtllm_time_to_first_token_seconds"), either(dynamo, "dynamo_frontend_time_to_first_token_seconds"))},
		{GapSum, GapCount, slices.Concat(either(vllm, "vllm:inter_token_latency_seconds", "vllm:time_per_output_token_seconds"),
			ofSGLang("inter_token_latency_seconds"), ofSGLang("time_per_output_token_seconds"),
			either(trtllm, "trtllm_time_per_output_token_seconds"), either(dynamo, "dynamo_frontend_inter_token_latency_seconds"))},
		{WholeSum, WholeCount, slices.Concat(either(vllm, "vllm:e2e_request_latency_seconds"), ofSGLang("e2e_request_latency_seconds"),
			either(trtllm, "trtllm_e2e_request_latency_seconds"), either(dynamo, "dynamo_frontend_request_duration_seconds"))},
	} {
		terms = append(terms, term{quantity: h.sum, unit: "ms", factor: 1000, join: counters, known: suffixed(h.known, "_sum")},
			term{quantity: h.count, join: counters, known: suffixed(h.known, "_count")})
	}
	return append(terms, gpuTerms()...)
}

// finished is a request that came to its end, and was not given up.
func finished(l labelSet) bool {
	return l["finished_reason"] != "abort" && l["finished_reason"] != "error"
}

func suffixed(known []naming, suffix string) []naming {
	var all []naming
	for _, n := range known {
		all = append(all, as(n.engine, n.names[0]+suffix))
	}
	return all
}

// loadTerms are what a server has to do.
func loadTerms() []term {
	return []term{
		{quantity: Running, unit: "requests", join: sum, known: slices.Concat(either(vllm, "vllm:num_requests_running"), ofSGLang("num_running_reqs"),
			either(trtllm, "trtllm_num_requests_running", "trtllm_num_active_requests"), either(dynamo, "dynamo_frontend_inflight_requests"))},
		{quantity: Waiting, unit: "requests", join: sum, known: slices.Concat(either(vllm, "vllm:num_requests_waiting"), ofSGLang("num_queue_reqs"),
			either(trtllm, "trtllm_num_requests_waiting", "trtllm_num_queued_requests", "trtllm_server_queue_length"), either(dynamo, "dynamo_frontend_queued_requests"))},
		{quantity: Preemptions, unit: "preemptions", join: counters, known: slices.Concat(either(vllm, "vllm:num_preemptions_total"), ofSGLang("num_retracted_requests_total"))},
		{quantity: Prompted, unit: "tokens", join: counters, known: slices.Concat(either(vllm, "vllm:prompt_tokens_total"), ofSGLang("prompt_tokens_total"),
			either(trtllm, "trtllm_prompt_tokens_total"), either(dynamo, "dynamo_frontend_input_sequence_tokens_sum"))},
		{quantity: Generated, unit: "tokens", join: counters, known: slices.Concat(either(vllm, "vllm:generation_tokens_total"), ofSGLang("generation_tokens_total"),
			either(dynamo, "dynamo_frontend_output_tokens_total"))},
	}
}

// cacheTerms are about the KV cache. Hits and Queries have their namings in the same order: they belong together.
func cacheTerms() []term {
	const blocks = "blocks"
	return []term{
		{quantity: CacheUsage, unit: "%", factor: 100, join: mean, known: slices.Concat(either(vllm, "vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"),
			ofSGLang("token_usage"), either(trtllm, "trtllm_kv_cache_utilization"),
			[]naming{{engine: dynamo, names: []string{"dynamo_component_kvstats_active_blocks"}, of: "dynamo_component_kvstats_total_blocks"}})},
		{quantity: HitRate, unit: "%", factor: 100, join: mean, known: slices.Concat(either(vllm, "vllm:gpu_prefix_cache_hit_rate"), ofSGLang("cache_hit_rate"),
			either(trtllm, "trtllm_kv_cache_hit_rate"), either(dynamo, "dynamo_component_kvstats_gpu_prefix_cache_hit_rate"))},
		{quantity: Hits, unit: "tokens", join: counters, known: slices.Concat(either(vllm, "vllm:prefix_cache_hits_total", "vllm:gpu_prefix_cache_hits_total"),
			ofSGLang("cached_tokens_total"), either(trtllm, "trtllm_prompt_cached_tokens_total"), []naming{{engine: trtllm, names: []string{"trtllm_kv_cache_reused_blocks_total"}, unit: blocks}})},
		{quantity: Queries, unit: "tokens", join: counters, known: slices.Concat(either(vllm, "vllm:prefix_cache_queries_total", "vllm:gpu_prefix_cache_queries_total"),
			ofSGLang("prompt_tokens_total"), either(trtllm, "trtllm_prompt_tokens_total"), []naming{{engine: trtllm, names: []string{"trtllm_kv_cache_reused_blocks_total", "trtllm_kv_cache_missed_blocks_total"}, unit: blocks}})},
	}
}

// gpuTerms are those of NVIDIA's DCGM exporter.
func gpuTerms() []term {
	dcgmTerm := func(q Quantity, unit string, factor float64, how join, name string) term {
		return term{quantity: q, unit: unit, factor: factor, join: how, perGPU: true, known: either(dcgm, name)}
	}
	return []term{
		dcgmTerm(Power, "W", 1, sum, "DCGM_FI_DEV_POWER_USAGE"),
		dcgmTerm(Energy, "J", 0.001, counters, "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"),
		dcgmTerm(GPUUtilisation, "%", 1, mean, "DCGM_FI_DEV_GPU_UTIL"),
		dcgmTerm(GPUMemory, "MiB", 1, sum, "DCGM_FI_DEV_FB_USED"),
		dcgmTerm(GPUMemoryFree, "MiB", 1, sum, "DCGM_FI_DEV_FB_FREE"),
	}
}

// knownNames are all names of the vocabulary.
func knownNames() map[string]bool {
	all := map[string]bool{}
	for _, t := range vocabulary() {
		for _, n := range t.known {
			for _, name := range append(n.names, n.of) {
				all[name] = true
			}
		}
	}
	return all
}
