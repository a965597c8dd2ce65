//go:build unix

package instrument

import (
	"syscall"
	"time"
)

// processorTime is what all threads of the process took, in user and kernel; negative if the system does not say.
func processorTime() time.Duration {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return -1
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
