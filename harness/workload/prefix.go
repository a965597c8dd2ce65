package workload

import (
	"errors"
	"fmt"
	"math"
)

// Prefixes says what prompts share on purpose; all else of them differs from its first tokens on. Shared tokens count into the lengths that [Lengths]
// draws: a prompt does not become longer by them. The zero value shares nothing.
type Prefixes struct {
	System int     // tokens of a system message that is the same for all requests
	Pool   int     // how many prefixes there are, of which each request takes one at random; 0 is 1
	Length int     // tokens of a prefix, at the start of the user's message
	Ratio  float64 // instead of Length: the part of each prompt's tokens that is its prefix, at least 0 and below 1
}

const mostPrefixes = 1_000_000

// Validate reports everything that is wrong, by the names of the flags.
func (p Prefixes) Validate() error {
	var faults []error
	fault := func(name string, value any, reason string) {
		faults = append(faults, fmt.Errorf("%s %q: %s", name, fmt.Sprint(value), reason))
	}
	between := func(name string, value, most int) {
		if value < 0 || value > most {
			fault(name, value, fmt.Sprintf("must be 0 to %d", most))
		}
	}
	between("shared-system-prompt-length", p.System, MaxTokens)
	between("prefix-pool", p.Pool, mostPrefixes)
	between("prefix-length", p.Length, MaxTokens)
	switch {
	case !(p.Ratio >= 0 && p.Ratio < 1): // not a number is neither
		fault("prefix-ratio", p.Ratio, "must be at least 0 and below 1: some tokens of a prompt are its own")
	case p.Ratio > 0 && p.Length > 0:
		fault("prefix-ratio", p.Ratio, "cannot go with -prefix-length: both say how long a prefix is")
	case p.Ratio > 0 && p.System > 0:
		fault("prefix-ratio", p.Ratio, "cannot go with -shared-system-prompt-length: more than the ratio would be shared")
	case p.Pool > 0 && p.Ratio == 0 && p.Length == 0:
		fault("prefix-pool", p.Pool, "needs -prefix-length or -prefix-ratio")
	}
	return errors.Join(faults...)
}

// any reports whether something is shared.
func (p Prefixes) any() bool { return p.System > 0 || p.Length > 0 || p.Ratio > 0 }

// tokens is the length of the prefix of a prompt of isl tokens. One token at least is the prompt's own.
func (p Prefixes) tokens(isl int) int {
	if p.Ratio > 0 {
		return min(int(math.Round(p.Ratio*float64(isl))), isl-1)
	}
	return p.Length
}

// pick is the number of the prefix that a request takes.
func (p Prefixes) pick(seed uint64, level string, request int) int {
	if p.Pool <= 1 {
		return 0
	}
	return Stream(seed, "prefix choice", level, request).IntN(p.Pool)
}

// leaves checks that a prompt of isl tokens has some of its own.
func (p Prefixes) leaves(isl int) error {
	if own := isl - p.System - p.tokens(isl); own >= 1 {
		return nil
	}
	name, value := "prefix-length", p.Length
	if p.System > p.Length {
		name, value = "shared-system-prompt-length", p.System
	}
	return fmt.Errorf("%s %q: a prompt of %d tokens was drawn, and %d would be shared, so that none were its own: shorten it, or raise the shortest prompt",
		name, fmt.Sprint(value), isl, p.System+p.Length)
}
