package workload

import (
	"fmt"
	"io"
	"time"

	"github.com/llmsweep/llmsweep/harness/record"
)

// Cancel says which requests' clients go away before they have their answer. The zero value: none.
type Cancel struct {
	Rate  float64       // of the measured requests, in percent
	Delay time.Duration // from when a request was fully sent
}

// cancels reports whether a request is cancelled, and how long after it was sent. Warm-up is left alone: it is to warm.
func (l *Level) cancels(phase record.Phase, i int) (bool, time.Duration) {
	c := l.spec.Cancel
	if c.Rate <= 0 || phase != record.Profiling || 100*Stream(l.spec.Seed, "cancel", l.stream(phase), i).Float64() >= c.Rate {
		return false, 0
	}
	return true, c.Delay
}

// Cancelled returns how many requests of the level are chosen to be cancelled.
func (l *Level) Cancelled() int {
	n := 0
	for i := range l.Len(record.Profiling) {
		if chosen, _ := l.cancels(record.Profiling, i); chosen {
			n++
		}
	}
	return n
}

// writeCancelled writes what is cancelled, and when, for Fingerprint: nothing where nothing is, as before there was any of it.
func (l *Level) writeCancelled(w io.Writer) {
	if l.spec.Cancel.Rate <= 0 {
		return
	}
	fmt.Fprintf(w, "cancel %d ns after sending", l.spec.Cancel.Delay.Nanoseconds())
	for i := range l.Len(record.Profiling) {
		if chosen, _ := l.cancels(record.Profiling, i); chosen {
			fmt.Fprint(w, " ", i)
		}
	}
	fmt.Fprintln(w)
}
