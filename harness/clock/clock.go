// Package clock waits until instants of a schedule, as exactly as the machine allows.
//
// Go's timers wait in the kernel's event queue, whose unit is a millisecond: on an idle process each is late by half of one in the middle
// and by a whole one at p99, however few there are. A timerfd, which only Linux has, is late by some tens of microseconds. It costs a
// system call to set and one to read, so it is for what must be exact (probes of the client itself, canaries, the start of requests in
// open loop) and not for time limits. Inside a testing/synctest bubble a read from a descriptor would hold virtual time up: there, and on
// other systems, an Alarm is one of Go's timers. Which of them is the caller's choice, by its plan; there is no global switch.
//
// Instants are absolute, so that being late once does not shift what comes after.
package clock

import (
	"sync"
	"time"
)

// Alarm waits for one goroutine at a time.
type Alarm interface {
	// Wait returns true at the instant or soon after it, at once if that has passed, and false once the alarm is closed.
	Wait(until time.Time) bool
	// Close ends a Wait on the way and makes later ones return at once. It may be called from any goroutine, and again.
	Close()
}

// New returns an alarm: if fine, the finest that the system has. exact tells whether it is better than Go's timers.
func New(fine bool) (a Alarm, exact bool) {
	if fine {
		if a, err := newFine(); err == nil {
			return a, true
		}
	}
	return newCoarse(), false
}

// coarse is an alarm of Go's timers.
type coarse struct {
	timer  *time.Timer
	once   sync.Once
	closed chan struct{}
}

func newCoarse() *coarse {
	a := &coarse{timer: time.NewTimer(time.Hour), closed: make(chan struct{})}
	a.timer.Stop()
	return a
}

// Wait sleeps until a time; false: the alarm was closed.
func (a *coarse) Wait(until time.Time) bool {
	a.timer.Reset(time.Until(until))
	select {
	case <-a.closed:
	case <-a.timer.C:
		select {
		case <-a.closed:
		default:
			return true
		}
	}
	a.timer.Stop()
	return false
}

// Close ends a Wait, and each later one at once.
func (a *coarse) Close() { a.once.Do(func() { close(a.closed) }) }
