package openai

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/llmsweep/llmsweep/harness/record"
)

// watchdog ends a request whose time is up. It has one timer, which is not reset by each event: when it fires it looks whether
// the limit has really passed and otherwise sleeps on.
type watchdog struct {
	client *Client
	cancel context.CancelCauseFunc
	start  int64
	last   atomic.Int64 // stamp of the last event

	mu      sync.Mutex // held while state is read for a timer that is set by it, so that no older timer replaces a newer one
	state   watchState
	timer   *time.Timer
	stopped bool
}

// watchState says which limits apply.
type watchState int

const (
	waiting   watchState = iota // for the first content chunk
	streaming                   // content came
	finishing                   // [DONE] came; the response should end
)

// drain is how long a server may keep a response open after [DONE].
const drain = time.Second

func startWatchdog(c *Client, start int64, cancel context.CancelCauseFunc) *watchdog {
	w := &watchdog{client: c, cancel: cancel, start: start}
	w.enter(waiting, start)
	return w
}

// enter changes the state at the stamp now.
func (w *watchdog) enter(state watchState, now int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state = state
	w.last.Store(now)
	limit := w.next()
	switch {
	case limit.after == 0: // an older timer may still fire; it will find no limit
	case w.timer == nil:
		w.timer = time.AfterFunc(w.left(limit), w.fire)
	default:
		w.timer.Reset(w.left(limit))
	}
}

// touch notes an event.
func (w *watchdog) touch(now int64) { w.last.Store(now) }

func (w *watchdog) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	if w.timer != nil {
		w.timer.Stop()
	}
}

func (w *watchdog) fire() {
	w.mu.Lock()
	defer w.mu.Unlock()
	limit := w.next()
	if w.stopped || limit.after == 0 {
		return
	}
	if wait := w.left(limit); wait > 0 {
		w.timer.Reset(wait)
		return
	}
	err := fmt.Errorf("no %s within %v (%s)", limit.missing, limit.after, limit.flag)
	w.cancel(&failure{outcome: record.TimedOut, reason: limit.reason, err: err})
}

// left is how long a limit is away.
func (w *watchdog) left(l timeLimit) time.Duration { return time.Duration(l.stamp() - w.client.Now()) }

// timeLimit is a limit that counts from a stamp.
type timeLimit struct {
	after   time.Duration // 0: no limit
	from    int64
	reason  string
	missing string
	flag    string
}

// stamp is when the limit passes.
func (l *timeLimit) stamp() int64 { return l.from + l.after.Nanoseconds() }

// next returns the limit that passes first in the present state.
func (w *watchdog) next() timeLimit {
	config := &w.client.config
	step := timeLimit{config.FirstTokenTimeout, w.start, "first token timeout", "first token", "-first-token-timeout"}
	switch w.state {
	case streaming:
		step = timeLimit{config.IdleTimeout, w.last.Load(), "idle timeout", "event", "-idle-timeout"}
	case finishing:
		return timeLimit{drain, w.last.Load(), "drain", "end of the response", "after [DONE]"}
	}
	whole := timeLimit{config.RequestTimeout, w.start, "request timeout", "complete answer", "-request-timeout"}
	if whole.after == 0 || step.after != 0 && step.stamp() < whole.stamp() {
		return step
	}
	return whole
}
