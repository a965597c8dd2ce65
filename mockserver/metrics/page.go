package metrics

import (
	"strconv"

	"github.com/llmsweep/llmsweep/mockserver/engine"
)

// Deployment is what labels and constant gauges say of a server.
type Deployment struct {
	Model string
	Fleet engine.FleetConfig
	// Workers is how many there are, prefill workers included.
	Workers int
}

// Page is what /metrics answers.
func Page(d Deployment, r Reading, f *Frontend) []byte {
	p := page{decimal: true}
	if d.Fleet.Engine.Type == engine.SGLang {
		p.sglang(d, r)
	} else {
		p.vllm(d, r)
	}
	p.decimal = false
	p.frontend(d, r, f.read())
	return p.text
}

func vllmBounds() (first, gap, whole bounds) {
	return seconds(.001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560),
		seconds(.01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80),
		seconds(.3, .5, .8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680)
}

func sglangBounds() (first, gap, whole bounds) {
	short := []float64{.1, .2, .4, .6, .8, 1, 2, 4, 6, 8, 10, 20, 40, 60, 80, 100, 200, 400}
	return seconds(short...),
		seconds(.002, .004, .006, .008, .01, .015, .02, .025, .03, .035, .04, .06, .08, .1, .2, .4, .6, .8, 1, 2, 4, 6, 8),
		seconds(append(short, 600, 1200, 1800, 2400)...)
}

// families writes what all engines have: one sample, or one histogram, for each rank.
type families struct {
	*page
	reading Reading
	prefix  string
	labels  []string // of each rank
}

func (e families) values(name, kind, help string, value func(r *rank, s engine.Stats) float64) {
	name = e.prefix + name
	e.family(name, kind, help)
	for k := range e.reading.ranks {
		e.sample(name, e.labels[k], value(&e.reading.ranks[k], e.reading.stats[k]))
	}
}

func (e families) histograms(name, help string, pick func(r *rank) *histogram) {
	name = e.prefix + name
	e.family(name, "histogram", help)
	for k := range e.reading.ranks {
		e.histogram(name, e.labels[k], pick(&e.reading.ranks[k]))
	}
}

// durations are the three histograms, which both types of engine call the same.
func (e families) durations() {
	e.histograms("time_to_first_token_seconds", "Histogram of time to first token in seconds.",
		func(r *rank) *histogram { return &r.first })
	e.histograms("inter_token_latency_seconds", "Histogram of inter-token latency in seconds.",
		func(r *rank) *histogram { return &r.gap })
	e.histograms("e2e_request_latency_seconds", "Histogram of end-to-end request latency in seconds.",
		func(r *rank) *histogram { return &r.whole })
}

// tokens are counters that both types call the same.
func (e families) tokens() {
	e.values("prompt_tokens_total", counter, "Number of prompt tokens processed.",
		func(r *rank, _ engine.Stats) float64 { return float64(r.prompt) })
	e.values("generation_tokens_total", counter, "Number of tokens generated.",
		func(r *rank, _ engine.Stats) float64 { return float64(r.generated) })
}

func (p *page) vllm(d Deployment, r Reading) {
	e := families{page: p, reading: r, prefix: "vllm:"}
	for k := range r.ranks {
		e.labels = append(e.labels, labels("engine", strconv.Itoa(k), "model_name", d.Model))
	}
	e.values("num_requests_running", gauge, "Number of requests in execution batches.",
		func(_ *rank, s engine.Stats) float64 { return float64(s.Running) })
	e.values("num_requests_waiting", gauge, "Number of requests waiting to be processed.",
		func(_ *rank, s engine.Stats) float64 { return float64(s.Waiting) })
	e.values("kv_cache_usage_perc", gauge, "KV cache usage: 1 is full.", usage)
	e.values("gpu_cache_usage_perc", gauge, "KV cache usage under its older name: 1 is full.", usage)
	e.values("num_preemptions_total", counter, "Number of preemptions.",
		func(_ *rank, s engine.Stats) float64 { return float64(s.Preemptions) })
	e.values("prefix_cache_queries_total", counter, "Number of prompt tokens looked for in the prefix cache.",
		func(_ *rank, s engine.Stats) float64 { return float64(s.PrefixQueries) })
	e.values("prefix_cache_hits_total", counter, "Number of prompt tokens found in the prefix cache.",
		func(_ *rank, s engine.Stats) float64 { return float64(s.PrefixHits) })
	e.tokens()
	e.family("vllm:request_success_total", counter, "Number of finished requests.")
	for k := range r.ranks {
		for why, n := range r.ranks[k].finished {
			e.sample("vllm:request_success_total", e.labels[k]+","+labels("finished_reason", reason(why).label()), float64(n))
		}
	}
	e.durations()
}

func (p *page) sglang(d Deployment, r Reading) {
	e := families{page: p, reading: r, prefix: "sglang:"}
	for k := range r.ranks {
		pairs := []string{"model_name", d.Model, "engine_type", role(d.Fleet, k), "tp_rank", "0", "pp_rank", "0", "moe_ep_rank", "0"}
		if len(r.ranks) > 1 {
			pairs = append(pairs, "dp_rank", strconv.Itoa(k))
		}
		e.labels = append(e.labels, labels(pairs...))
	}
	e.values("num_running_reqs", gauge, "Number of running requests.",
		func(_ *rank, s engine.Stats) float64 { return float64(s.Running) })
	e.values("num_queue_reqs", gauge, "Number of requests in the waiting queue.",
		func(_ *rank, s engine.Stats) float64 { return float64(s.Waiting) })
	e.values("token_usage", gauge, "Share of the cache that is in use.", usage)
	e.values("cache_hit_rate", gauge, "Share of all prompt tokens that were found in the cache.", hitRate)
	e.values("cached_tokens_total", counter, "Number of prompt tokens found in the cache.",
		func(_ *rank, s engine.Stats) float64 { return float64(s.PrefixHits) })
	e.values("num_requests_total", counter, "Number of requests processed.",
		func(r *rank, _ engine.Stats) float64 { return float64(r.finished[length] + r.finished[stop]) })
	e.tokens()
	e.durations()
}

func role(c engine.FleetConfig, rank int) string {
	switch {
	case c.PrefillEngines == 0:
		return "unified"
	case rank < c.Engines:
		return "decode"
	default:
		return "prefill"
	}
}

func usage(_ *rank, s engine.Stats) float64 {
	return ratio(float64(s.ActiveBlocks), float64(s.TotalBlocks))
}

func hitRate(_ *rank, s engine.Stats) float64 {
	return ratio(float64(s.PrefixHits), float64(s.PrefixQueries))
}

// ratio is 0 of nothing.
func ratio(part, whole float64) float64 {
	if whole == 0 {
		return 0
	}
	return part / whole
}

func (p *page) frontend(d Deployment, r Reading, f frontend) {
	model := labels("model", d.Model)
	value := func(name, kind, help string, v float64) {
		p.family("dynamo_frontend_"+name, kind, help)
		p.sample("dynamo_frontend_"+name, model, v)
	}
	histogram := func(name, help string, h *histogram) {
		p.family("dynamo_frontend_"+name, "histogram", help)
		p.histogram("dynamo_frontend_"+name, model, h)
	}
	p.family("dynamo_frontend_requests_total", counter, "Number of requests answered or refused.")
	for _, o := range f.outcomes() {
		p.sample("dynamo_frontend_requests_total",
			model+","+labels("endpoint", o.endpoint, "request_type", o.kind, "status", o.status, "error_type", o.err), float64(f.requests[o]))
	}
	value("inflight_requests", gauge, "Number of requests that have not ended.", float64(f.inflight))
	value("queued_requests", gauge, "Number of answers that wait for their first token.", float64(r.waiting))
	p.family("dynamo_frontend_disconnected_clients", gauge, "Number of clients that went away.")
	p.sample("dynamo_frontend_disconnected_clients", "", float64(f.disconnected))
	var generated uint64
	for k := range r.ranks {
		generated += r.ranks[k].generated
	}
	value("output_tokens_total", counter, "Number of tokens generated.", float64(generated))
	histogram("request_duration_seconds", "Duration of requests.", &f.duration)
	histogram("input_sequence_tokens", "Prompt tokens of requests.", &f.input)
	histogram("output_sequence_tokens", "Tokens of answers.", &f.output)
	histogram("time_to_first_token_seconds", "Time to first token in seconds.", &r.latency.first)
	histogram("inter_token_latency_seconds", "Time between tokens in seconds.", &r.latency.gap)
	for _, g := range constants(d) {
		value(g.name, gauge, g.help, float64(g.value))
	}
}

type constant struct {
	name, help string
	value      int
}

// constants are what a worker says of itself.
func constants(d Deployment) []constant {
	c := d.Fleet.Engine
	all := []constant{
		{"model_total_kv_blocks", "Blocks in the cache of a worker's engine.", c.NumGPUBlocks},
		{"model_max_num_seqs", "Sequences that a worker's engine runs at a time.", c.MaxNumSeqs},
		{"model_max_num_batched_tokens", "Tokens that a worker's engine computes in a pass.", c.MaxNumBatchedTokens},
		{"model_kv_cache_block_size", "Tokens in a block of the cache.", c.BlockSize},
		{"model_migration_limit", "Times that a request may move to another worker.", 0},
		{"model_workers", "Number of workers.", d.Workers},
	}
	if c.MaxModelLen > 0 {
		all = append(all, constant{"model_context_length", "Tokens that prompt and answer may have together.", c.MaxModelLen})
	}
	return all
}
