package engine

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// The figures were published with the curves, to four places.
func TestPrefillCurve(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]float64{
		0: 0, 1: 16.5166, 100: 18.0240, 512: 24.3857, 2000: 48.5523, 8192: 169.1369,
	} {
		assert.InDelta(t, want, prefillMS(n), 0.000051, "n=%d", n)
	}
}

func TestDecodeCurve(t *testing.T) {
	t.Parallel()
	for u, want := range map[float64]float64{
		0: 5.74, 0.1: 10.8836, 0.25: 17.6338, 0.5: 26.31, 0.75: 31.7688, 1: 34.01,
		1.05: 34.01, 7: 34.01, // capped, where the parabola would fall
	} {
		assert.InDelta(t, want, decodeMS(u), 0.000051, "u=%v", u)
	}
}

// Nanoseconds worked out in exact fractions: prefill(2000) is 48 552 295.6 ns and
// decode(2001/2^20) is 5 842 973.672 ns. Their sum is rounded, not each of them.
func TestPassDuration(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name           string
		pass           Pass
		speedup, extra float64
		want           time.Duration
	}{
		{"prompt of 2000", Pass{PromptTokens: 2000}, 1, 1, 48_552_296},
		{"one decodes", Pass{Decoding: 1, ContextTokens: 2001}, 1, 1, 5_842_974},
		{"both", Pass{PromptTokens: 2000, Decoding: 1, ContextTokens: 2001}, 1, 1, 54_395_269},
		{"ten times as fast", Pass{PromptTokens: 2000, Decoding: 1, ContextTokens: 2001}, 10, 1, 5_439_527},
		{"decode twice as fast", Pass{PromptTokens: 2000, Decoding: 1, ContextTokens: 2001}, 1, 2, 51_473_782},
		{"full cache", Pass{Decoding: 9, ContextTokens: 1 << 20}, 1, 1, 34_010_000},
		{"cache overflows", Pass{Decoding: 9, ContextTokens: 1 << 21}, 1, 1, 34_010_000},
		{"no waiting", Pass{PromptTokens: 2000, Decoding: 1, ContextTokens: 2001}, 0, 1, 0},
		{"decoding is free", Pass{PromptTokens: 2000, Decoding: 1, ContextTokens: 2001}, 1, 0, 48_552_296},
		{"slower than time goes", Pass{PromptTokens: 2000}, math.SmallestNonzeroFloat64, 1, 1 << 61},
	} {
		config := DefaultConfig()
		config.SpeedupRatio, config.DecodeSpeedupRatio = c.speedup, c.extra
		assert.Equal(t, c.want, config.duration(c.pass), c.name)
	}
}
