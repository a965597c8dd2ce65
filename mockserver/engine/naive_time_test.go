package engine

import (
	"math"
	"math/big"
	"time"
)

// time is how long the pass lasts that was planned, to the nearest nanosecond. Of two that
// are equally near, as happens with small caches, the page leaves open which; it is the one
// that the last bits of the same sum in floating point decide.
func (n *naive) time() time.Duration {
	ns := product(n.milliseconds(), whole(1e6))
	below := new(big.Int).Quo(ns.Num(), ns.Denom())
	half := difference(difference(ns, new(big.Rat).SetInt(below)), fraction("0.5"))
	switch {
	case half.Abs(half).Cmp(fraction("1e-6")) < 0:
		return time.Duration(math.Round(n.floating() * 1e6))
	default:
		return nearest(ns)
	}
}

func (n *naive) milliseconds() *big.Rat {
	ms := new(big.Rat)
	if n.pass.Prefilling > 0 && n.config.Role != Decode {
		tokens := whole(n.uncached())
		prefill := sum(product(fraction("4.209989e-07"), tokens, tokens), product(fraction("1.518344e-02"), tokens), fraction("16.50142"))
		ms = sum(ms, faster(prefill, n.config.SpeedupRatio))
	}
	if n.pass.Decoding > 0 {
		u := big.NewRat(int64(min(n.pass.ContextTokens, n.pass.CacheTokens)), int64(n.pass.CacheTokens))
		decode := sum(product(fraction("-25.74"), u, u), product(fraction("54.01"), u), fraction("5.74"))
		ms = sum(ms, faster(faster(decode, n.config.SpeedupRatio), n.config.DecodeSpeedupRatio))
	}
	return ms
}

// floating is milliseconds once more, at speedup ratios above 0.
func (n *naive) floating() float64 {
	ms := 0.0
	if n.pass.Prefilling > 0 && n.config.Role != Decode {
		tokens := float64(n.uncached())
		ms += (float64(4.209989e-07*tokens*tokens) + float64(1.518344e-02*tokens) + 16.50142) / n.config.SpeedupRatio
	}
	if n.pass.Decoding > 0 && n.config.DecodeSpeedupRatio > 0 {
		u := float64(min(n.pass.ContextTokens, n.pass.CacheTokens)) / float64(n.pass.CacheTokens)
		ms += (float64(-25.74*u*u) + float64(54.01*u) + 5.74) / (n.config.SpeedupRatio * n.config.DecodeSpeedupRatio)
	}
	return ms
}

// uncached is the batch size times the difference of two means, which are whole numbers.
func (n *naive) uncached() int {
	batch := n.pass.Prefilling
	meanISL := (n.pass.PrefixTokens + n.pass.PromptTokens) / batch
	meanPrefix := n.pass.PrefixTokens / batch
	return batch * (meanISL - meanPrefix)
}

// copying is how long so many tokens are under way from a prefill to a decode engine.
func copying(t Transfer, tokens int, speedup float64) time.Duration {
	if t.Bandwidth == 0 {
		return 0
	}
	bytes := product(whole(tokens), new(big.Rat).SetFloat64(t.BytesPerToken))
	ns := bytes.Quo(bytes, new(big.Rat).SetFloat64(t.Bandwidth)) // GB/s are bytes a nanosecond
	return nearest(faster(ns, speedup))
}

// faster divides by a ratio, of which 0 is infinity.
func faster(x *big.Rat, ratio float64) *big.Rat {
	if ratio == 0 {
		return new(big.Rat)
	}
	return new(big.Rat).Quo(x, new(big.Rat).SetFloat64(ratio))
}

func nearest(ns *big.Rat) time.Duration {
	up := new(big.Rat).Add(ns, fraction("0.5"))
	return time.Duration(new(big.Int).Quo(up.Num(), up.Denom()).Int64())
}

func whole(x int) *big.Rat { return big.NewRat(int64(x), 1) }

func fraction(s string) *big.Rat {
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		panic(s)
	}
	return r
}

func product(factors ...*big.Rat) *big.Rat {
	p := whole(1)
	for _, f := range factors {
		p.Mul(p, f)
	}
	return p
}

func sum(terms ...*big.Rat) *big.Rat {
	s := new(big.Rat)
	for _, x := range terms {
		s.Add(s, x)
	}
	return s
}

func difference(a, b *big.Rat) *big.Rat { return new(big.Rat).Sub(a, b) }
