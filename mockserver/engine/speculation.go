package engine

import (
	"errors"
	"fmt"
	"math/rand/v2"
)

// Speculation lets a pass give several tokens to a decoding request: with
// multi-token prediction a pass checks Drafts guesses, and every guess up to the
// first wrong one is a token. The pass that completes a prompt has no guesses to check. The
// zero value is none.
type Speculation struct {
	// Drafts is the number of guesses, 0 to 5.
	Drafts int
	// AcceptRates are the probabilities that guess k is right if those before it
	// were; those missing at the end are 0. None at all stands for Dynamo's 0.85, 0.3, 0, 0, 0.
	AcceptRates []float64
	// Seed decides which are right.
	Seed uint64
}

const mostDrafts = 5

func (c Config) validateSpeculation() error {
	s := c.Speculation
	var drafts, rates, speedup error
	if s.Drafts < 0 || s.Drafts > mostDrafts {
		drafts = fmt.Errorf(`aic-nextn "%d": must be from 0 to %d`, s.Drafts, mostDrafts)
	}
	if len(s.AcceptRates) > mostDrafts {
		rates = fmt.Errorf(`aic-nextn-accept-rates "%v": must be at most %d rates`, s.AcceptRates, mostDrafts)
	}
	for _, r := range s.AcceptRates {
		if !(r >= 0 && r <= 1) {
			rates = fmt.Errorf(`aic-nextn-accept-rates "%v": must be from 0 to 1`, r)
		}
	}
	if s.Drafts > 0 && c.DecodeSpeedupRatio != 1 {
		speedup = fmt.Errorf(`aic-nextn "%d" and decode-speedup-ratio "%v": both model speculative decoding; set one of them only`,
			s.Drafts, c.DecodeSpeedupRatio)
	}
	return errors.Join(drafts, rates, speedup)
}

// drafter draws how many guesses are right.
type drafter struct {
	rates  [mostDrafts]float64
	random *rand.Rand
}

func newDrafter(s Speculation, rank int) drafter {
	rates := s.AcceptRates
	if len(rates) == 0 {
		rates = []float64{0.85, 0.3}
	}
	d := drafter{random: rand.New(rand.NewPCG(s.Seed, streamOf(streamDrafts, rank)))}
	copy(d.rates[:s.Drafts], rates)
	return d
}

// accepted is the number of consecutive right guesses. A guess that cannot be
// right draws nothing.
func (d *drafter) accepted() int {
	for k, rate := range d.rates {
		if rate == 0 || d.random.Float64() >= rate {
			return k
		}
	}
	return mostDrafts
}
