package workload

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
)

// within reports whether a length may be.
func within(n float64) bool { return n >= 1 && n <= MaxTokens }

// outside says what is wrong with a mean and a deviation.
func outside(mean, std int) string {
	switch {
	case !within(float64(mean)):
		return fmt.Sprintf("must be 1 to %d tokens", MaxTokens)
	case std < 0 || std > MaxTokens:
		return fmt.Sprintf("the deviation must be 0 to %d tokens", MaxTokens)
	}
	return ""
}

// normal is rounded.
type normal struct{ center, std int }

func (n normal) draw(r *rand.Rand) int {
	for {
		// The product is converted so that no compiler fuses it with the sum, which would give other lengths on other machines.
		if x := math.Floor(float64(n.center) + float64(float64(n.std)*r.NormFloat64()) + 0.5); within(x) {
			return int(x)
		}
	}
}

func (n normal) mean() float64 { return float64(n.center) }
func (n normal) fixed() bool   { return n.std == 0 }
func (n normal) fault() string { return outside(n.center, n.std) }

// String is the length as ParseLengths reads it.
func (n normal) String() string {
	if n.std == 0 {
		return strconv.Itoa(n.center)
	}
	return fmt.Sprintf("%d|%d", n.center, n.std)
}

// uniform has both ends in it.
type uniform struct{ least, most int }

func (u uniform) draw(r *rand.Rand) int { return u.least + r.IntN(u.most-u.least+1) }
func (u uniform) mean() float64         { return float64(u.least+u.most) / 2 }
func (u uniform) fixed() bool           { return u.least == u.most }

// String is the length as ParseLengths reads it.
func (u uniform) String() string { return fmt.Sprintf("%d-%d", u.least, u.most) }

func (u uniform) fault() string {
	switch {
	case !within(float64(u.least)) || !within(float64(u.most)):
		return fmt.Sprintf("must be 1 to %d tokens", MaxTokens)
	case u.most < u.least:
		return "must not end before its start"
	}
	return ""
}

// logNormal has the mean and deviation of the lengths themselves: its logarithm is normal with the variance s^2 = ln(1 + (std/center)^2) and the
// mean ln center - s^2/2.
type logNormal struct{ center, std int }

func (l logNormal) draw(r *rand.Rand) int {
	spread := float64(l.std) / float64(l.center)
	variance := math.Log1p(spread * spread)
	middle := math.Log(float64(l.center)) - float64(variance/2)
	for {
		// Package math's functions differ in their last bits from machine to machine, by which one length in 10^11 could be another.
		if x := math.Floor(math.Exp(middle+float64(math.Sqrt(variance)*r.NormFloat64())) + 0.5); within(x) {
			return int(x)
		}
	}
}

func (l logNormal) mean() float64 { return float64(l.center) }
func (l logNormal) fixed() bool   { return l.std == 0 }

// String is the length as ParseLengths reads it.
func (l logNormal) String() string { return fmt.Sprintf("lognormal(%d|%d)", l.center, l.std) }

// fault refuses deviations with which nearly all lengths would be below one token.
func (l logNormal) fault() string {
	if reason := outside(l.center, l.std); reason != "" {
		return reason
	}
	if l.std > 10*l.center {
		return "the deviation must be at most 10 times the mean"
	}
	return ""
}
