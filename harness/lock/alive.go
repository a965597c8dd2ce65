package lock

import (
	"errors"
	"os"
	"syscall"
)

// alive reports whether a process of this machine runs, or may run.
func alive(pid int) bool {
	process, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	return !errors.Is(process.Signal(syscall.Signal(0)), os.ErrProcessDone)
}
