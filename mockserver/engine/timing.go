package engine

import (
	"math"
	"time"
)

// Timing says how long work takes, in milliseconds at speedup 1. Both parts are
// asked for only when there is such work, and added. Results below 0 count as 0.
type Timing interface {
	// Prefill is the time for the prompt tokens of a pass.
	Prefill(w Work) float64
	// Decode is the time for one token of every decoding request of a pass.
	Decode(w Work) float64
}

// batch is the number n that Dynamo's curves want: requests times the difference of
// two means, of the lengths to which they are computed and of what was there
// before. Both means are whole numbers, so n can differ from Work.PromptTokens.
func (w Work) batch() int {
	mean := (w.PrefixTokens + w.PromptTokens) / w.Prefilling
	prefix := w.PrefixTokens / w.Prefilling
	return w.Prefilling * (mean - prefix)
}

// Polynomials are quadratic curves: coefficients by power, from the constant on.
type Polynomials struct {
	// PrefillMS is in the number n of prompt tokens.
	PrefillMS [3]float64
	// DecodeMS is in u, the sum of the contexts over the size of the cache, at
	// most 1.
	DecodeMS [3]float64
	// DecodeFloorMS is the least time of a pass that decodes.
	DecodeFloorMS float64
}

var _ Timing = Polynomials{}

// DefaultPolynomials returns the curves of Dynamo's mocker.
func DefaultPolynomials() Polynomials {
	return Polynomials{
		PrefillMS:     [3]float64{16.50142, 1.518344e-02, 4.209989e-07},
		DecodeMS:      [3]float64{5.74, 54.01, -25.74},
		DecodeFloorMS: 1,
	}
}

// Prefill is the first curve at n.
func (p Polynomials) Prefill(w Work) float64 {
	return max(0, quadratic(p.PrefillMS, float64(w.batch())))
}

// Decode is the second curve at u; above 1 the default one would fall.
func (p Polynomials) Decode(w Work) float64 {
	u := min(1, float64(w.ContextTokens)/float64(w.CacheTokens))
	return max(p.DecodeFloorMS, quadratic(p.DecodeMS, u))
}

func (p Polynomials) finite() bool {
	sum := p.DecodeFloorMS
	for k := range 3 {
		sum += p.PrefillMS[k] + p.DecodeMS[k]
	}
	return !math.IsNaN(sum) && !math.IsInf(sum, 0)
}

// quadratic evaluates c[0] + c[1] x + c[2] x².
//
// The conversions around products forbid fused multiply-add, which some
// processors use and others do not: a pass must last the same nanoseconds on
// all of them.
func quadratic(c [3]float64, x float64) float64 {
	return float64(c[2]*x*x) + float64(c[1]*x) + c[0]
}

// longestPass keeps the sum of a start and a pass within a Duration, however
// small the speedup ratio.
const longestPass = float64(1 << 61)

// duration is how long work takes.
func (e *Engine) duration(w Work) time.Duration {
	ms := 0.0
	if w.Prefilling > 0 && e.config.Role != Decode {
		ms += slowed(e.timing.Prefill(w), e.config.SpeedupRatio)
	}
	if w.Decoding > 0 && e.config.Role != Prefill {
		ms += slowed(e.timing.Decode(w), e.config.SpeedupRatio*e.config.DecodeSpeedupRatio)
	}
	ms = float64(ms * e.noise.draw())
	return time.Duration(min(math.Round(ms*1e6), longestPass))
}

// slowed divides by a speedup ratio, where 0 means infinitely fast.
func slowed(ms, ratio float64) float64 {
	if ratio == 0 || !(ms > 0) {
		return 0
	}
	return ms / ratio
}
