package clock

import (
	"errors"
	"os"
	"syscall"
	"time"
	"unsafe"
)

// fine is an alarm of the kernel's, a timerfd. Its waiter is woken by the runtime's poller, as a goroutine is that reads from a
// socket: what holds up the one holds up the other.
type fine struct {
	file    *os.File
	raw     syscall.RawConn
	settime func(fd uintptr) // start, a closure made once
	spec    timerSpec
}

// timerSpec is the kernel's struct itimerspec.
type timerSpec struct{ interval, value syscall.Timespec }

func newFine() (*fine, error) {
	const monotonic = 1
	fd, _, errno := syscall.Syscall(syscall.SYS_TIMERFD_CREATE, monotonic, syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if errno != 0 {
		return nil, os.NewSyscallError("timerfd_create", errno)
	}
	a := &fine{file: os.NewFile(fd, "timerfd")}
	raw, err := a.file.SyscallConn()
	if err != nil {
		return nil, errors.Join(err, a.file.Close())
	}
	a.raw, a.settime = raw, a.start
	return a, nil
}

// Wait sleeps until a time; false: the alarm was closed.
func (a *fine) Wait(until time.Time) bool {
	a.spec.value = syscall.NsecToTimespec(max(time.Until(until).Nanoseconds(), 1)) // zero would switch it off
	if a.raw.Control(a.settime) != nil {
		return false // closed
	}
	var expirations [8]byte
	_, err := a.file.Read(expirations[:])
	return err == nil
}

// start is the system call that sets the timer to spec. Its arguments are right by construction.
func (a *fine) start(fd uintptr) {
	_, _, _ = syscall.Syscall6(syscall.SYS_TIMERFD_SETTIME, fd, 0, uintptr(unsafe.Pointer(&a.spec)), 0, 0, 0)
}

// Close ends a Wait, and each later one at once.
func (a *fine) Close() { _ = a.file.Close() } // a second time it fails, to no harm
