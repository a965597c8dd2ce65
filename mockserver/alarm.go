package mockserver

import "time"

// alarm wakes the loop, at the instant that was set last or, when it was set anew meanwhile,
// at an earlier one, too.
type alarm interface {
	set(wait time.Duration)
	rings() <-chan time.Time
	close()
}

// coarse is the alarm of Go's timers. They work in a testing/synctest bubble, but when
// nothing else happens they are late by up to a millisecond.
type coarse struct{ timer *time.Timer }

var _ alarm = coarse{}

func newCoarse() coarse {
	timer := time.NewTimer(time.Hour)
	return coarse{timer}
}

func (a coarse) set(wait time.Duration)  { a.timer.Reset(wait) }
func (a coarse) rings() <-chan time.Time { return a.timer.C }
func (a coarse) close()                  { a.timer.Stop() }

// newAlarm returns the finest alarm that there is, if fine, or Go's.
func newAlarm(fine bool) alarm {
	if fine {
		if a, err := newFine(); err == nil {
			return a
		}
	}
	return newCoarse()
}
