package engine

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// A schedule written out: engine k has started once its own instant has come.
func TestStaggerAgainstATimetable(t *testing.T) {
	t.Parallel()
	for _, s := range []Stagger{
		{}, {First: 5}, {Delay: 3}, {First: 5, Delay: 3}, {First: 5, Delay: 3, Ranks: 2}, {First: 1, Delay: 1, Ranks: 4},
	} {
		for engines := max(1, s.Ranks); engines <= 12; engines += max(1, s.Ranks) {
			for at := range time.Duration(40) {
				want := 0
				for k := range engines {
					if s.First+s.Delay*time.Duration(k/max(1, s.Ranks)) <= at {
						want++
					}
				}
				if at >= s.First {
					assert.Equal(t, want, s.started(at, engines), "%+v, %d engines at %d", s, engines, at)
				} else {
					assert.Positive(t, s.started(at, engines), "%+v: somebody takes what comes too early", s)
				}
			}
		}
	}
}

// Who has started takes turns from the one whose turn it was.
func TestStaggeredTurns(t *testing.T) {
	t.Parallel()
	s := Stagger{First: 10, Delay: 10}
	turn := 0
	var taken []int
	for _, at := range []time.Duration{10, 11, 20, 21, 22, 30, 31, 32, 33} {
		taken = append(taken, s.take(&turn, at, 3))
	}
	assert.Equal(t, []int{0, 0, 1, 0, 1, 2, 0, 1, 2}, taken)
}

func TestStaggerOfCenturies(t *testing.T) {
	t.Parallel()
	assert.Equal(t, 1, Stagger{Delay: math.MaxInt64}.started(math.MaxInt64-1, 4096))
	assert.Equal(t, 4096, Stagger{Delay: 1}.started(math.MaxInt64, 4096))
}
