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
	require.NoError(t, Config{MaxNumSeqs: 1, MaxNumBatchedTokens: 1, NumGPUBlocks: 1, BlockSize: 1}.Validate())
	_, err := New(Config{MaxNumSeqs: -3, SpeedupRatio: math.NaN(), DecodeSpeedupRatio: -0.5})
	require.EqualError(t, err, `max-num-seqs "-3": must be at least 1
max-num-batched-tokens "0": must be at least 1
num-gpu-blocks-override "0": must be at least 1
block-size "0": must be at least 1
speedup-ratio "NaN": must be a finite number, at least 0 (0 means no waiting)
decode-speedup-ratio "-0.5": must be a finite number, at least 0 (0 means no waiting)`)
	infinite := DefaultConfig()
	infinite.SpeedupRatio = math.Inf(1)
	require.ErrorContains(t, infinite.Validate(), `speedup-ratio "+Inf"`)
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
	require.Len(t, pass.Tokens, 1)
	require.NoError(t, e.Submit(once), "an answered request's ID is free")
	require.True(t, e.Cancel(4))
	require.NoError(t, e.Submit(once), "a canceled request's ID is free")
}

func TestStepsDoNotAllocate(t *testing.T) {
	e := busyEngine(t)
	now := time.Duration(0)
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		pass, busy := e.Step(now)
		if !busy || len(pass.Tokens) == 0 {
			t.Fatal("the engine should be busy")
		}
		now = pass.End
	}))
}

// BenchmarkStep is a pass that decodes for 256 requests, each of which is followed
// by another one after 64 tokens.
func BenchmarkStep(b *testing.B) {
	e := busyEngine(b)
	now := time.Duration(0)
	b.ReportAllocs()
	for b.Loop() {
		pass, _ := e.Step(now)
		for _, token := range pass.Tokens {
			if token.Last {
				require.NoError(b, e.Submit(Request{ID: token.ID, PromptTokens: 32, MaxTokens: 64}))
			}
		}
		now = pass.End
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/256, "ns/token")
}

// busyEngine has 256 requests with enough to do, in different stages, after a
// few passes that let its slices grow.
func busyEngine(t testing.TB) *Engine {
	t.Helper()
	e := newEngine(t, DefaultConfig())
	for id := range uint64(256) {
		require.NoError(t, e.Submit(Request{ID: id, PromptTokens: 32 + int(id), MaxTokens: 5000 + int(id)}))
	}
	for range 20 {
		e.Step(0)
	}
	return e
}

func newEngine(t testing.TB, config Config) *Engine {
	t.Helper()
	e, err := New(config)
	require.NoError(t, err)
	return e
}
