package engine

import (
	"errors"
	"fmt"
	"time"
)

// Stagger is when the workers of a deployment start, one after the other; in a
// disaggregated one those of each role apart. The zero value starts all at once.
// A worker that has not started is sent no requests.
type Stagger struct {
	// First is the instant at which the first worker takes requests; at least 0.
	// What arrives earlier goes to it too: to refuse that is the caller's business.
	First time.Duration
	// Delay is how much later each further worker starts; at least 0.
	Delay time.Duration
	// Ranks is how many engines start with each worker; below 1 it stands for 1.
	Ranks int
}

func (s Stagger) validate() error {
	var first, delay error
	if s.First < 0 {
		first = fmt.Errorf(`startup-time "%v": must be at least 0`, s.First)
	}
	if s.Delay < 0 {
		delay = fmt.Errorf(`stagger-delay "%v": must be at least 0, which starts all workers at once`, s.Delay)
	}
	return errors.Join(first, delay)
}

// started is how many of so many engines have started at an instant, at least those of the first worker.
func (s Stagger) started(at time.Duration, engines int) int {
	if s.Delay == 0 {
		return engines
	}
	// A quotient, since the product of many workers and a long delay would overflow.
	further := max(0, at-s.First) / s.Delay
	ranks := max(1, s.Ranks)
	if further >= time.Duration(engines/ranks) {
		return engines
	}
	return int(1+further) * ranks
}

// take is whose turn it is among those that have started.
func (s Stagger) take(turn *int, at time.Duration, engines int) int {
	k := *turn
	if k >= s.started(at, engines) {
		k = 0
	}
	*turn = (k + 1) % engines
	return k
}
