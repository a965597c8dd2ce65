package mockserver

import (
	"errors"
	"os"
	"syscall"
	"time"
	"unsafe"
)

// fine is an alarm of the kernel's, a timerfd. It wakes a goroutine that reads from it, which
// takes tens of microseconds.
type fine struct {
	file  *os.File
	raw   syscall.RawConn // of file
	ring  chan time.Time  // holds one signal
	ended chan struct{}

	spec    itimerspec
	settime func(fd uintptr) // start
}

var _ alarm = (*fine)(nil)

// itimerspec is the kernel's struct of that name.
type itimerspec struct{ interval, value syscall.Timespec }

func newFine() (*fine, error) {
	a, err := openFine()
	if err == nil {
		go a.read()
	}
	return a, err
}

// openFine is newFine without the goroutine.
func openFine() (*fine, error) {
	const monotonic = 1
	fd, _, errno := syscall.Syscall(syscall.SYS_TIMERFD_CREATE, monotonic, syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if errno != 0 {
		return nil, os.NewSyscallError("timerfd_create", errno)
	}
	a := &fine{file: os.NewFile(fd, "timerfd"), ring: make(chan time.Time, 1), ended: make(chan struct{})}
	raw, err := a.file.SyscallConn()
	if err != nil {
		return nil, errors.Join(err, a.file.Close())
	}
	a.raw, a.settime = raw, a.start
	return a, nil
}

// read passes each ring on until close.
func (a *fine) read() {
	defer close(a.ended)
	var expirations [8]byte
	for {
		if _, err := a.file.Read(expirations[:]); err != nil {
			return
		}
		select {
		case a.ring <- time.Now():
		default:
		}
	}
}

func (a *fine) set(wait time.Duration) {
	// A time of zero would switch it off.
	a.spec.value = syscall.NsecToTimespec(int64(max(wait, 1)))
	// A descriptor that is open does not fail.
	_ = a.raw.Control(a.settime)
}

// start is the system call that settime, a closure made once, does with spec.
func (a *fine) start(fd uintptr) {
	// The arguments are right by construction.
	_, _, _ = syscall.Syscall6(syscall.SYS_TIMERFD_SETTIME, fd, 0, uintptr(unsafe.Pointer(&a.spec)), 0, 0, 0)
}

func (a *fine) rings() <-chan time.Time { return a.ring }

func (a *fine) close() {
	_ = a.file.Close()
	<-a.ended
}
