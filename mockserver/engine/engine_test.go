package engine

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestConfigProblemsAreReportedTogether(t *testing.T) {
	t.Parallel()
	require.NoError(t, DefaultConfig().Validate())
	for _, kind := range []Type{VLLM, SGLang, TRTLLM} {
		require.NoError(t, DefaultConfigOf(kind).Validate())
	}
	_, err := New(Config{MaxNumSeqs: -3, NumGPUBlocks: 1 << 31, MaxModelLen: 1, SpeedupRatio: math.NaN(), DecodeSpeedupRatio: -0.5})
	require.EqualError(t, err, `engine-type "": must be one of ["vllm" "sglang" "trtllm"]
disaggregation-mode "": must be one of ["agg" "prefill" "decode"]
preemption-mode "": must be one of ["lifo" "fifo"]
max-num-seqs "-3": must be at least 1
max-num-batched-tokens "0": must be at least 1
num-gpu-blocks-override "2147483648": must be at most 1073741824
block-size "0": must be at least 1
max-model-len "1": must be at least 2, or 0 for no limit
speedup-ratio "NaN": must be a finite number, at least 0 (0 means no waiting)
decode-speedup-ratio "-0.5": must be a finite number, at least 0 (0 means no waiting)`)
	requireProblem(t, func(c *Config) { c.NumGPUBlocks = 0 }, `num-gpu-blocks-override "0": must be at least 1`)
	requireProblem(t, func(c *Config) { c.Noise = Noise{Pass: -1, Run: 11} },
		`noise-token "-1": must be a coefficient of variation from 0 to 10
noise-run "11": must be a coefficient of variation from 0 to 10`)
	requireProblem(t, func(c *Config) { c.Timing = Polynomials{DecodeFloorMS: math.Inf(1)} },
		"coefficients: each must be a finite number")
	requireProblem(t, func(c *Config) { c.Speculation = Speculation{Drafts: 6, AcceptRates: []float64{2}} },
		`aic-nextn "6": must be from 0 to 5
aic-nextn-accept-rates "2": must be from 0 to 1`)
	requireProblem(t, func(c *Config) { c.Speculation.Drafts, c.DecodeSpeedupRatio = 1, 2 },
		`aic-nextn "1" and decode-speedup-ratio "2": both model speculative decoding; set one of them only`)
	requireProblem(t, func(c *Config) {
		c.Type, c.BlockSize, c.SGLang = SGLang, 3, SGLangConfig{ChunkedPrefillSize: 4, ScheduleConservativeness: -1}
	},
		`sglang-schedule-policy "": must be one of ["fifo" "lpm"]
sglang-max-prefill-tokens "0": must be at least 1
sglang-clip-max-new-tokens "0": must be at least 1
sglang-chunked-prefill-size "4": must be a multiple of the page size, 3
sglang-schedule-conservativeness "-1": must be a finite number, at least 0`)
	infinite := DefaultConfig()
	infinite.SpeedupRatio = math.Inf(1)
	require.ErrorContains(t, infinite.Validate(), `speedup-ratio "+Inf"`)
}

func requireProblem(t *testing.T, change func(*Config), want string) {
	t.Helper()
	c := DefaultConfig()
	change(&c)
	require.EqualError(t, c.Validate(), want)
}

func TestSubmitRefuses(t *testing.T) {
	t.Parallel()
	e := newEngine(t, DefaultConfig())
	require.EqualError(t, e.Submit(Request{ID: 4, PromptTokens: 0, MaxTokens: 1}),
		"submitting request 4: prompt of 0 and answer of 1 tokens: each must be at least 1")
	require.Error(t, e.Submit(Request{ID: 4, PromptTokens: 1, MaxTokens: 0}))
	_, busy := e.Step(0)
	require.False(t, busy, "a refused request is not in the engine")

	once := Request{ID: 4, PromptTokens: 1, MaxTokens: 1}
	require.NoError(t, e.Submit(once))
	require.EqualError(t, e.Submit(once),
		"submitting request 4: the ID is in use: wait for its last token or cancel it")
	pass, _ := e.Step(0)
	require.Len(t, pass.Chunks, 1)
	require.NoError(t, e.Submit(once), "an answered request's ID is free")
	require.True(t, e.Cancel(4))
	require.NoError(t, e.Submit(once), "a canceled request's ID is free")
}

// The share that SGLang sets aside falls in 600 passes that decode, and no further.
func TestTokenRatioEndsFalling(t *testing.T) {
	t.Parallel()
	e := newEngine(t, DefaultConfigOf(SGLang))
	p := e.policy.(*sglang)
	require.NoError(t, e.Submit(Request{ID: 1, PromptTokens: 1, MaxTokens: 900}))
	for pass := range 800 { // the first one computes the prompt
		share := 0.7 * (1 - 0.86*float64(min(max(0, pass-1), 600))/600)
		require.InDelta(t, share, p.ratio(), 1e-12, "before pass %d", pass)
		_, busy := e.Step(0)
		require.True(t, busy)
	}
}

func TestStepsDoNotAllocate(t *testing.T) {
	for _, kind := range []Type{VLLM, SGLang, TRTLLM} {
		l := newLoad(t, kind)
		for range 500 {
			l.step(t)
		}
		assert.Zero(t, testing.AllocsPerRun(2000, func() { l.step(t) }), kind)
	}
}

// BenchmarkStep is five thousand passes of an engine on which 256 requests run and 10,000 wait,
// with the submission of one for each that ends.
func BenchmarkStep(b *testing.B) {
	const limit, steps = 100 * time.Microsecond, 5000
	for _, kind := range []Type{VLLM, SGLang, TRTLLM} {
		b.Run(string(kind), func(b *testing.B) {
			l := newLoad(b, kind)
			for range steps { // until nothing has to grow any more
				l.step(b)
			}
			b.ReportAllocs()
			for b.Loop() {
				for range steps {
					l.step(b)
				}
			}
			took := b.Elapsed() / time.Duration(b.N*steps)
			verdict := "PASS"
			if took >= limit {
				verdict = "MISS"
			}
			b.ReportMetric(float64(took), "ns/step")
			b.Logf("a step: %v, limit: below %v: %s", took, limit, verdict)
		})
	}
}

// BenchmarkFleet is what a pass costs with 256 requests on as many of 4,096 engines.
func BenchmarkFleet(b *testing.B) {
	const limit, passes = 100 * time.Microsecond, 50_000
	c := DefaultFleetConfig()
	c.Engines, c.Engine.NumGPUBlocks = 4096, 1<<20
	f, err := NewFleet(c)
	require.NoError(b, err)
	for id := range uint64(256) {
		require.NoError(b, f.Submit(time.Duration(id), Request{ID: id, PromptTokens: 10, MaxTokens: 1 << 25}))
	}
	b.ReportAllocs()
	for b.Loop() {
		for done := 0; done < passes; {
			now, busy := f.Next()
			require.True(b, busy)
			if _, ended := f.Step(now); ended {
				done++
			}
		}
	}
	took, verdict := b.Elapsed()/time.Duration(b.N*passes), "PASS"
	if took >= limit {
		verdict = "MISS"
	}
	b.Logf("a pass: %v, limit: below %v: %s", took, limit, verdict)
}

// load keeps an engine full: 256 requests run, 10,000 wait.
type load struct {
	engine *Engine
	now    time.Duration
	next   uint64
	blocks []uint64 // the beginning of every other prompt
}

func newLoad(t testing.TB, kind Type) *load {
	config := DefaultConfigOf(kind)
	config.NumGPUBlocks = 1 << 17 / config.BlockSize
	config.Noise = Noise{Pass: 0.1, Run: 0.1}
	l := &load{engine: newEngine(t, config)}
	h := NewHasher(config.BlockSize)
	for k := range uint32(128) {
		h.Add(k)
	}
	l.blocks = h.Blocks()
	for range 10_000 + config.MaxNumSeqs {
		l.submit(t)
	}
	return l
}

func (l *load) submit(t testing.TB) {
	r := Request{ID: l.next, PromptTokens: 150 + int(l.next%256), MaxTokens: 128 + int(l.next%128)}
	if l.next%2 == 0 {
		r.Blocks = l.blocks
	}
	l.next++
	if err := l.engine.Submit(r); err != nil {
		t.Fatal(err)
	}
}

func (l *load) step(t testing.TB) {
	pass, busy := l.engine.Step(l.now)
	if !busy {
		t.Fatal("the engine should be busy")
	}
	for _, c := range pass.Chunks {
		if c.Last {
			l.submit(t)
		}
	}
	l.now = pass.End
}

func newEngine(t testing.TB, config Config) *Engine {
	t.Helper()
	e, err := New(config)
	require.NoError(t, err)
	return e
}

// An answer that ends by itself frees its place then, but until then the scheduler reserves what it might have become.
func TestStopsAfterIsNotForeseen(t *testing.T) {
	t.Parallel()
	c := DefaultConfigOf(TRTLLM)
	c.BlockSize, c.NumGPUBlocks = 10, 10
	e, err := New(c)
	require.NoError(t, err)
	require.NoError(t, e.Submit(Request{ID: 1, PromptTokens: 10, MaxTokens: 60, StopsAfter: 3}))
	require.NoError(t, e.Submit(Request{ID: 2, PromptTokens: 10, MaxTokens: 60, StopsAfter: 100}))
	var now time.Duration
	last := map[uint64]int{}
	for k := 1; ; k++ {
		pass, busy := e.Step(now)
		if !busy {
			break
		}
		now = pass.End
		for _, a := range pass.Admitted {
			assert.Equal(t, map[uint64]int{1: 1, 2: 4}[a.ID], k, "the pass that admits request %d", a.ID)
		}
		for _, chunk := range pass.Chunks {
			if chunk.Last {
				last[chunk.ID] = chunk.Index + chunk.Count
			}
		}
	}
	assert.Equal(t, map[uint64]int{1: 3, 2: 60}, last)
}

// The plain server and drafts keep to it as well.
func TestStopsAfterElsewhere(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*FleetConfig){
		"plain":         func(c *FleetConfig) { c.Plain = &Plain{ITL: time.Millisecond} },
		"drafts":        func(c *FleetConfig) { c.Engine.Speculation = Speculation{Drafts: 2, AcceptRates: []float64{1, 1}} },
		"disaggregated": func(c *FleetConfig) { c.PrefillEngines = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := DefaultFleetConfig()
			change(&c)
			f, err := NewFleet(c)
			require.NoError(t, err)
			require.NoError(t, f.Submit(0, Request{ID: 1, PromptTokens: 10, MaxTokens: 60, StopsAfter: 5}))
			tokens, ended := 0, false
			for at, busy := f.Next(); busy; at, busy = f.Next() {
				pass, _ := f.Step(at)
				for _, chunk := range pass.Chunks {
					assert.False(t, ended)
					tokens, ended = tokens+chunk.Count, chunk.Last
				}
			}
			assert.Equal(t, 5, tokens)
			assert.True(t, ended)
		})
	}
}
