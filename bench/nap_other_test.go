//go:build !linux

package bench

import "time"

// sleepExactly is as exact as Go's timers.
func sleepExactly(d time.Duration) { time.Sleep(d) }
