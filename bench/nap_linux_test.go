package bench

import (
	"syscall"
	"time"
)

// sleepExactly asks the system itself, which wakes it within a tenth of a millisecond.
func sleepExactly(d time.Duration) {
	left := syscall.NsecToTimespec(d.Nanoseconds())
	for syscall.Nanosleep(&left, &left) == syscall.EINTR {
	}
}
