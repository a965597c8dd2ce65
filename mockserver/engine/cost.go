package engine

import (
	"math"
	"time"
)

// longestPass keeps the sum of a start and a pass within a Duration, however
// small the speedup ratio.
const longestPass = float64(1 << 61)

// prefillMS is the time for n prompt tokens, in milliseconds at speedup 1.
//
// The conversions around products forbid fused multiply-add, which some
// processors use and others do not: a pass must last the same nanoseconds on
// all of them.
func prefillMS(n int) float64 {
	if n == 0 {
		return 0
	}
	x := float64(n)
	return max(0, float64(4.209989e-07*x*x)+float64(1.518344e-02*x)+16.50142)
}

// decodeMS is the time for one token of every decoding request, in milliseconds
// at speedup 1. u is the used share of the cache; above 1 the curve would fall.
func decodeMS(u float64) float64 {
	u = min(u, 1)
	return max(1, float64(-25.74*u*u)+float64(54.01*u)+5.74)
}

// duration is how long the pass takes.
func (c Config) duration(p Pass) time.Duration {
	ms := slowed(prefillMS(p.PromptTokens), c.SpeedupRatio)
	if p.Decoding > 0 {
		cache := float64(c.NumGPUBlocks) * float64(c.BlockSize)
		u := float64(p.ContextTokens) / cache
		ms += slowed(decodeMS(u), c.SpeedupRatio*c.DecodeSpeedupRatio)
	}
	return time.Duration(min(math.Round(ms*1e6), longestPass))
}

// slowed divides by a speedup ratio, where 0 means infinitely fast.
func slowed(ms, ratio float64) float64 {
	if ratio == 0 {
		return 0
	}
	return ms / ratio
}
