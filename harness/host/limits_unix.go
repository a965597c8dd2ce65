//go:build linux || darwin

package host

import (
	"math"
	"syscall"
)

// raiseFiles raises the limit of file descriptors as far as it goes, and returns it.
func raiseFiles() int {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	if limit.Cur < limit.Max {
		raised := syscall.Rlimit{Cur: limit.Max, Max: limit.Max}
		if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &raised) == nil {
			limit = raised
		}
	}
	return int(min(limit.Cur, math.MaxInt32)) // unlimited is the largest number there is
}

// diskFree is what the volume of dir has left for this user, in bytes.
func diskFree(dir string) int64 {
	var volume syscall.Statfs_t
	if syscall.Statfs(dir, &volume) != nil {
		return -1
	}
	return int64(volume.Bavail) * int64(volume.Bsize) //nolint:unconvert // on darwin it has 32 bits
}
