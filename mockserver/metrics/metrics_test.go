package metrics_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/mockserver/engine"
	"github.com/llmsweep/llmsweep/mockserver/metrics"
)

var update = flag.Bool("update", false, "write the pages in testdata anew")

// deployment is one engine whose passes take 40 ms for a prompt and 10 ms for a token.
func deployment(t engine.Type) metrics.Deployment {
	c := engine.DefaultFleetConfig()
	c.Engine = engine.DefaultConfigOf(t)
	c.Engine.BlockSize = 64
	c.Engine.Timing = steps{}
	return metrics.Deployment{Model: "m", Fleet: c, Workers: 1}
}

type steps struct{}

func (steps) Prefill(engine.Work) float64 { return 40 }
func (steps) Decode(engine.Work) float64  { return 10 }

// arrival is a request and when it comes; those with a departure are canceled then.
type arrival struct {
	at, departs time.Duration
	pooled      bool
	engine.Request
}

// play carries out a fleet's work on requests, which are in order, as the server's loop does, and
// returns the reading at an instant.
func play(t *testing.T, d metrics.Deployment, until time.Duration, requests ...arrival) metrics.Reading {
	t.Helper()
	fleet, err := engine.NewFleet(d.Fleet)
	require.NoError(t, err)
	counted := metrics.NewEngines(d)
	sequences := map[uint64]*metrics.Sequence{}
	for {
		now, busy := fleet.Next()
		if len(requests) > 0 && (!busy || requests[0].at <= now) {
			r := requests[0]
			requests = requests[1:]
			require.NoError(t, fleet.Submit(r.at, r.Request))
			sequences[r.ID] = counted.Arrive(r.at, r.Request, new(metrics.Answer), r.pooled)
			if r.departs > 0 {
				fleet.Cancel(r.departs, r.ID)
				counted.Leave(fleet.Rank(r.ID), sequences[r.ID])
				delete(sequences, r.ID)
			}
			continue
		}
		if !busy || now > until {
			return counted.Read(until, fleet.Stats())
		}
		if pass, ended := fleet.Step(now); ended {
			counted.Pass(pass)
			for _, c := range pass.Chunks {
				if s := sequences[c.ID]; s != nil {
					counted.Chunk(pass.Rank, s, c, pass.End)
				}
			}
		}
	}
}

func request(id uint64, prompt, answer int, blocks ...uint64) engine.Request {
	return engine.Request{ID: id, PromptTokens: prompt, MaxTokens: answer, Blocks: blocks}
}

// TestPages holds whole pages of a small scenario against files: two requests of 200 and 150 tokens with 128 in common, one that
// stops by itself after 2 of 9 tokens, and one whose client goes away.
func TestPages(t *testing.T) {
	for name, page := range map[string]func(t *testing.T) []byte{
		"vllm.prom":   func(t *testing.T) []byte { return scenario(t, deployment(engine.VLLM)) },
		"sglang.prom": func(t *testing.T) []byte { return scenario(t, deployment(engine.SGLang)) },
		"gpus.prom": func(t *testing.T) []byte {
			return metrics.GPUs(play(t, deployment(engine.VLLM), 1500*time.Millisecond, arrival{at: 0, Request: request(1, 100, 47)}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join("testdata", name)
			got := page(t)
			if *update {
				require.NoError(t, os.WriteFile(path, got, 0o644))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.Equal(t, string(want), string(got))
		})
	}
}

func scenario(t *testing.T, d metrics.Deployment) []byte {
	d.Fleet.Engine.MaxModelLen = 4096
	stops := request(3, 70, 9)
	stops.StopsAfter = 2
	r := play(t, d, time.Minute,
		arrival{at: 0, Request: request(1, 200, 3, 11, 12, 13)},
		arrival{at: 100 * time.Millisecond, Request: request(2, 150, 2, 11, 12)},
		arrival{at: 200 * time.Millisecond, Request: stops},
		arrival{at: 300 * time.Millisecond, departs: 310 * time.Millisecond, Request: request(4, 10, 5)})
	f := metrics.NewFrontend()
	for _, q := range []struct{ prompt, answer int }{{200, 3}, {150, 2}, {70, 2}} {
		request := f.Begin("chat_completions", 0)
		request.Stream = q.prompt > 100
		request.Succeed(3*time.Second, q.prompt, q.answer)
		request.Fail(time.Hour, 500) // it has ended
	}
	f.Begin("chat_completions", 0).Disconnect(10 * time.Millisecond)
	f.Begin("completions", 0).Fail(0, 400)
	f.Begin("embeddings", 0) // never ends
	return metrics.Page(d, r, f)
}

// The classes are those of Dynamo's front end.
func TestErrorTypes(t *testing.T) {
	f := metrics.NewFrontend()
	for _, status := range []int{400, 413, 404, 501, 503, 500} {
		f.Begin("completions", 0).Fail(0, status)
	}
	f.Begin("completions", 0).Disconnect(0)
	f.Begin("completions", 0).Succeed(0, 1, 1)
	d := deployment(engine.VLLM)
	got := values(t, metrics.Page(d, play(t, d, time.Second), f))
	for class, want := range map[string]float64{
		"validation": 2, "not_found": 1, "not_implemented": 1, "overload": 1, "internal": 1, "cancelled": 1, "": 1,
	} {
		assert.InDelta(t, want, got(`dynamo_frontend_requests_total error_type="`+class+`"`), 0, class)
	}
	assert.InDelta(t, 7, got(`dynamo_frontend_requests_total status="error"`), 0)
}

// The first request has 4 blocks of 64, of which 3 are full; the second finds 128 of its 150 tokens. Prompts take 40 ms, tokens 10.
func TestFiguresOfTheScenario(t *testing.T) {
	got := values(t, scenario(t, deployment(engine.VLLM)))
	for name, want := range map[string]float64{
		`vllm:prefix_cache_queries_total`:                          200 + 150 + 70 + 10,
		`vllm:prefix_cache_hits_total`:                             128,
		`vllm:prompt_tokens_total`:                                 200 + 150 + 70,
		`vllm:generation_tokens_total`:                             3 + 2 + 2,
		`vllm:time_to_first_token_seconds_count`:                   3,
		`vllm:time_to_first_token_seconds_sum`:                     0.12,
		`vllm:inter_token_latency_seconds_count`:                   2 + 1 + 1,
		`vllm:inter_token_latency_seconds_sum`:                     0.04,
		`vllm:e2e_request_latency_seconds_sum`:                     0.06 + 0.05 + 0.05,
		`vllm:request_success_total finished_reason="length"`:      2,
		`vllm:request_success_total finished_reason="stop"`:        1,
		`vllm:request_success_total finished_reason="abort"`:       1,
		`vllm:inter_token_latency_seconds_bucket le="0.01"`:        4,
		`vllm:time_to_first_token_seconds_bucket le="0.02"`:        0,
		`vllm:time_to_first_token_seconds_bucket le="0.04"`:        3, // a bound belongs to the bucket below it
		`dynamo_frontend_inflight_requests`:                        1,
		`dynamo_frontend_queued_requests`:                          0,
		`dynamo_frontend_disconnected_clients`:                     1,
		`dynamo_frontend_request_duration_seconds_count`:           5,
		`dynamo_frontend_input_sequence_tokens_sum`:                420,
		`dynamo_frontend_output_sequence_tokens_sum`:               7,
		`dynamo_frontend_model_context_length`:                     4096,
		`dynamo_frontend_time_to_first_token_seconds_count`:        3,
		`dynamo_frontend_inter_token_latency_seconds_count`:        4,
		`dynamo_frontend_requests_total endpoint="completions"`:    1,
		`dynamo_frontend_requests_total request_type="stream"`:     2,
		`dynamo_frontend_requests_total status="success"`:          3,
		`dynamo_frontend_inter_token_latency_seconds_bucket le=0`:  0,
		`dynamo_frontend_request_duration_seconds_bucket le="4"`:   5,
		`dynamo_frontend_request_duration_seconds_bucket le="2"`:   2,
		`dynamo_frontend_request_duration_seconds_bucket le="510"`: 5,
	} {
		assert.InDelta(t, want, got(name), 1e-12, name)
	}
}

// values returns a function that sums the samples of a family, or those that have a label as well.
func values(t *testing.T, text []byte) func(name string) float64 {
	t.Helper()
	sample := regexp.MustCompile(`^([a-zA-Z_:]\w*(?::\w+)?)(?:\{(.*)\})? (\S+)$`)
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	return func(name string) float64 {
		name, label, _ := strings.Cut(name, " ")
		sum := 0.0
		for _, line := range lines {
			if strings.HasPrefix(line, "#") {
				continue
			}
			parts := sample.FindStringSubmatch(line)
			require.NotNil(t, parts, line)
			if parts[1] == name && strings.Contains(parts[2], label) {
				v, err := strconv.ParseFloat(parts[3], 64)
				require.NoError(t, err)
				sum += v
			}
		}
		return sum
	}
}

// TestBuckets holds the bounds against those of the real servers.
func TestBuckets(t *testing.T) {
	short := ".1 .2 .4 .6 .8 1 2 4 6 8 10 20 40 60 80 100 200 400"
	for _, c := range []struct {
		kind         engine.Type
		family, want string
	}{
		{engine.VLLM, "vllm:time_to_first_token_seconds", ".001 .005 .01 .02 .04 .06 .08 .1 .25 .5 .75 1 2.5 5 7.5 10 20 40 80 160 640 2560"},
		{engine.VLLM, "vllm:inter_token_latency_seconds", ".01 .025 .05 .075 .1 .15 .2 .3 .4 .5 .75 1 2.5 5 7.5 10 20 40 80"},
		{engine.VLLM, "vllm:e2e_request_latency_seconds", ".3 .5 .8 1 1.5 2 2.5 5 10 15 20 30 40 50 60 120 240 480 960 1920 7680"},
		{engine.TRTLLM, "vllm:inter_token_latency_seconds", ".01 .025 .05 .075 .1 .15 .2 .3 .4 .5 .75 1 2.5 5 7.5 10 20 40 80"},
		{engine.SGLang, "sglang:time_to_first_token_seconds", short},
		{engine.SGLang, "sglang:inter_token_latency_seconds",
			".002 .004 .006 .008 .01 .015 .02 .025 .03 .035 .04 .06 .08 .1 .2 .4 .6 .8 1 2 4 6 8"},
		{engine.SGLang, "sglang:e2e_request_latency_seconds", short + " 600 1200 1800 2400"},
		{engine.VLLM, "dynamo_frontend_request_duration_seconds", "0 2 4 8 16 32 64 130 260 510"},
		{engine.VLLM, "dynamo_frontend_output_sequence_tokens", "0 100 210 430 880 1800 3700 7600 16000 32000"},
		{engine.VLLM, "dynamo_frontend_time_to_first_token_seconds",
			"0 .0022 .0047 .01 .022 .047 .1 .22 .47 1 2.2 4.7 10 22 48 100 220 480"},
		{engine.VLLM, "dynamo_frontend_input_sequence_tokens", "0 100 210 430 870 1800 3600 7400 15000 31000 63000 130000"},
		{engine.VLLM, "dynamo_frontend_inter_token_latency_seconds", "0 .0019 .0035 .0067 .013 .024 .045 .084 .16 .3 .56 1.1 2"},
	} {
		t.Run(c.family, func(t *testing.T) {
			d := deployment(c.kind)
			text := string(metrics.Page(d, play(t, d, 0), metrics.NewFrontend()))
			var want, got []float64
			for f := range strings.FieldsSeq(c.want) {
				want = append(want, number(t, f))
			}
			for _, m := range regexp.MustCompile(regexp.QuoteMeta(c.family)+`_bucket\{.*le="([^"]+)"`).FindAllStringSubmatch(text, -1) {
				got = append(got, number(t, m[1]))
			}
			require.NotEmpty(t, got)
			assert.Equal(t, want, got[:len(got)-1])
		})
	}
}

func number(t *testing.T, text string) float64 {
	t.Helper()
	x, err := strconv.ParseFloat(text, 64)
	require.NoError(t, err)
	return x
}

// Four tokens at once are one gap for vLLM, and four quarters of it for SGLang and the front end.
func TestSeveralTokensAtOnce(t *testing.T) {
	for _, kind := range []engine.Type{engine.VLLM, engine.SGLang} {
		d := deployment(kind)
		d.Fleet.Engine.Speculation = engine.Speculation{Drafts: 3, AcceptRates: []float64{1, 1, 1}}
		got := values(t, metrics.Page(d, play(t, d, time.Minute, arrival{Request: request(1, 10, 9)}), metrics.NewFrontend()))
		count := map[engine.Type]float64{engine.VLLM: 2, engine.SGLang: 8}[kind]
		assert.Equal(t, count, got(string(kind)+":inter_token_latency_seconds_count"), kind)
		assert.Equal(t, 8.0, got("dynamo_frontend_inter_token_latency_seconds_count"))
		assert.InDelta(t, 0.02, got(string(kind)+":inter_token_latency_seconds_sum"), 1e-12)
		assert.InDelta(t, 0.02, got("dynamo_frontend_inter_token_latency_seconds_sum"), 1e-12)
		assert.Equal(t, 8.0, got(`dynamo_frontend_inter_token_latency_seconds_bucket le="0.0035"`), "a share of 2.5 ms")
		assert.Equal(t, 9.0, got(string(kind)+":generation_tokens_total"))
	}
}

// An embedding has a prompt and a duration; its token is nobody's.
func TestEmbeddingsAreNotAnswers(t *testing.T) {
	d := deployment(engine.VLLM)
	got := values(t, metrics.Page(d, play(t, d, time.Minute, arrival{Request: request(1, 10, 1), pooled: true}), metrics.NewFrontend()))
	assert.Equal(t, 10.0, got("vllm:prompt_tokens_total"))
	assert.Equal(t, 1.0, got(`vllm:request_success_total finished_reason="stop"`))
	assert.Equal(t, 0.04, got("vllm:e2e_request_latency_seconds_sum"))
	assert.Zero(t, got("vllm:generation_tokens_total"))
	assert.Zero(t, got("vllm:time_to_first_token_seconds_count"))
}

// Every engine has samples of its own; prefill engines find the prefixes and never answer.
func TestRanksAndRoles(t *testing.T) {
	d := deployment(engine.SGLang)
	d.Fleet.Engines, d.Fleet.PrefillEngines = 2, 1
	d.Workers = 3
	r := play(t, d, time.Minute,
		arrival{at: 0, Request: request(1, 200, 3, 11, 12, 13)},
		arrival{at: time.Second, Request: request(2, 200, 4, 11, 12, 13)})
	text := metrics.Page(d, r, metrics.NewFrontend())
	got := values(t, text)
	assert.Equal(t, 3.0, got(`sglang:generation_tokens_total dp_rank="0"`))
	assert.Equal(t, 4.0, got(`sglang:generation_tokens_total dp_rank="1"`))
	assert.Equal(t, 0.0, got(`sglang:generation_tokens_total engine_type="prefill"`))
	assert.Equal(t, 192.0, got(`sglang:cached_tokens_total engine_type="prefill"`))
	assert.Equal(t, 3.0, got(`dynamo_frontend_model_workers`))
	assert.Contains(t, string(text), `engine_type="prefill",tp_rank="0",pp_rank="0",moe_ep_rank="0",dp_rank="2"}`)
}

// While requests wait and run the gauges show it.
func TestGauges(t *testing.T) {
	d := deployment(engine.VLLM)
	d.Fleet.Engine.MaxNumSeqs, d.Fleet.Engine.NumGPUBlocks = 1, 8
	r := play(t, d, 45*time.Millisecond,
		arrival{at: 0, Request: request(1, 200, 9)}, arrival{at: 1, Request: request(2, 200, 9)}, arrival{at: 2, Request: request(3, 200, 9)})
	got := values(t, metrics.Page(d, r, metrics.NewFrontend()))
	assert.Equal(t, 1.0, got("vllm:num_requests_running"))
	assert.Equal(t, 2.0, got("vllm:num_requests_waiting"))
	assert.Equal(t, 2.0, got("dynamo_frontend_queued_requests"))
	assert.Equal(t, 0.5, got("vllm:kv_cache_usage_perc"))
	assert.Equal(t, 0.5, got("vllm:gpu_cache_usage_perc"))
}

// Passes of 40 ms and 46 times 10 ms fill half of the first second and nothing of the next.
func TestGPUsAreBusyWhilePassesRun(t *testing.T) {
	d := deployment(engine.VLLM)
	at := func(until time.Duration) func(string) float64 {
		return values(t, metrics.GPUs(play(t, d, until, arrival{at: 0, Request: request(1, 100, 47)})))
	}
	got := at(1999 * time.Millisecond)
	assert.InDelta(t, 50, got("DCGM_FI_DEV_GPU_UTIL"), 1e-9)
	assert.InDelta(t, 385, got("DCGM_FI_DEV_POWER_USAGE"), 1e-9)
	assert.InDelta(t, 1000*(70*1.999+630*0.5), got("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"), 1e-6)
	assert.Equal(t, 81559.0, got("DCGM_FI_DEV_FB_USED")+got("DCGM_FI_DEV_FB_FREE"))
	assert.Zero(t, at(2*time.Second)("DCGM_FI_DEV_GPU_UTIL"), "a second later")
	assert.Zero(t, at(500*time.Millisecond)("DCGM_FI_DEV_GPU_UTIL"), "the first second is not over")
}

// A pass counts when it has ended, in each second as far as it lies in it: from 0.25 s to 2.25, 2.75 and 3.25.
func TestPassesAcrossSeconds(t *testing.T) {
	d := deployment(engine.VLLM)
	d.Fleet.Engine.SpeedupRatio = 0.02 // 2 s for a prompt, 0.5 s for a token
	for until, want := range map[time.Duration]float64{
		2 * time.Second: 0, 2300 * time.Millisecond: 100, 3 * time.Second: 75, 4 * time.Second: 25,
	} {
		r := play(t, d, until, arrival{at: 250 * time.Millisecond, Request: request(1, 100, 3)})
		assert.InDelta(t, want, values(t, metrics.GPUs(r))("DCGM_FI_DEV_GPU_UTIL"), 1e-9, until)
	}
}

func TestLabelsAreEscaped(t *testing.T) {
	d := deployment(engine.VLLM)
	d.Model = "a\"b\\c\nd"
	assert.Contains(t, string(metrics.Page(d, play(t, d, 0), metrics.NewFrontend())), `model_name="a\"b\\c\nd"}`)
}

// Requests come and go on many goroutines; pages are read meanwhile.
func TestFrontendIsSafeForConcurrentUse(t *testing.T) {
	d := deployment(engine.VLLM)
	r := play(t, d, 0)
	f := metrics.NewFrontend()
	var running sync.WaitGroup
	for range 8 {
		running.Go(func() {
			for range 100 {
				f.Begin("completions", 0).Succeed(time.Second, 3, 2)
				metrics.Page(d, r, f)
			}
		})
	}
	running.Wait()
	got := values(t, metrics.Page(d, r, f))
	assert.Equal(t, 800.0, got("dynamo_frontend_requests_total"))
	assert.Equal(t, 800.0, got("dynamo_frontend_request_duration_seconds_sum"))
	assert.Zero(t, got("dynamo_frontend_inflight_requests"))
}

// A reading stays what it was.
func TestReadingIsACopy(t *testing.T) {
	d := deployment(engine.VLLM)
	e := metrics.NewEngines(d)
	r := e.Read(0, make([]engine.Stats, 1))
	before := metrics.Page(d, r, metrics.NewFrontend())
	e.Chunk(0, e.Arrive(0, request(1, 10, 1), new(metrics.Answer), false), engine.Chunk{ID: 1, Count: 1, Last: true}, time.Second)
	assert.Equal(t, string(before), string(metrics.Page(d, r, metrics.NewFrontend())))
}

// What is counted for a token allocates nothing.
func TestTokensAllocateNothing(t *testing.T) {
	d := deployment(engine.SGLang)
	e := metrics.NewEngines(d)
	s := e.Arrive(0, request(1, 10, 1000), new(metrics.Answer), false)
	due := time.Duration(0)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		due += 5 * time.Millisecond
		e.Chunk(0, s, engine.Chunk{ID: 1, Index: 1, Count: 2}, due)
		e.Pass(engine.Pass{Start: due - 5*time.Millisecond, End: due})
	}))
}
