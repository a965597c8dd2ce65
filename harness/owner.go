package harness

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/llmsweep/llmsweep/harness/record"
)

// ownerPoll is how often the parent process is looked at. No system call reports its end to an arbitrary child.
const ownerPoll = 500 * time.Millisecond

// insistence is how long after a signal further ones are ignored.
const insistence = 3 * time.Second

// Owned returns a context that ends, with the reason as its cause, on SIGINT, SIGTERM and SIGHUP and when the parent process goes
// away: go test killed by SIGTERM leaves its test binary behind, and load must not go on without an owner. Writing to a closed
// standard output no longer kills the process. A signal that comes more than
// three seconds after the first has its default effect. release ends the watch and waits for it.
func Owned(parent context.Context) (ctx context.Context, release func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signal.Ignore(syscall.SIGPIPE)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	quit, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		defer signal.Stop(signals)
		watchOwner(signals, quit, cancel)
	}()
	return ctx, func() {
		close(quit)
		<-watched
		cancel(nil)
	}
}

func watchOwner(signals <-chan os.Signal, quit <-chan struct{}, cancel context.CancelCauseFunc) {
	owner := os.Getppid()
	poll := time.NewTicker(ownerPoll)
	defer poll.Stop()
	for {
		select {
		case s := <-signals:
			cancel(because(record.BySignal, "received %v", s))
			// An impatient second Ctrl-C must not cost the report; one that comes later means it.
			select {
			case <-time.After(insistence):
			case <-quit:
			}
			return
		case <-poll.C:
			if os.Getppid() != owner {
				cancel(because(record.BySignal, "the process that started the run ended"))
				return
			}
		case <-quit:
			return
		}
	}
}
