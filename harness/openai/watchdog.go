package openai

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/llmsweep/llmsweep/harness/record"
)

// watchdog ends a request whose time is up. Its timer, which it keeps for the next request, is set only before a wait, and only where
// a limit passes before the timer fires. Events do not reset it: when it fires it looks whether a limit has really passed and
// otherwise sleeps on.
type watchdog struct {
	client    *Client
	interrupt func(cause error)
	start     int64
	last      atomic.Int64 // stamp of the last event
	changed   bool         // since the timer was looked at; of the goroutine that runs the request

	mu      sync.Mutex // held while state is read for a timer that is set by it, so that no older timer replaces a newer one
	state   watchState
	timer   *time.Timer
	fires   int64 // stamp at which the timer does; untold: it does not
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

// begin watches a request that starts at a stamp.
func (w *watchdog) begin(start int64) {
	w.mu.Lock()
	w.start, w.stopped, w.fires = start, false, untold // a timer of the last request may be about to look
	w.mu.Unlock()
	w.enter(waiting, start)
	w.arm()
}

// enter changes the state at the stamp now.
func (w *watchdog) enter(state watchState, now int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state, w.changed = state, true
	w.last.Store(now)
}

// arm makes sure that the timer fires no later than a limit passes. It is called before each wait.
func (w *watchdog) arm() {
	if !w.changed {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changed = false
	if limit := w.next(); limit.after != 0 && limit.stamp() < w.fires {
		w.set(limit)
	}
}

// set sets the timer to a limit, with the lock held.
func (w *watchdog) set(limit timeLimit) {
	w.fires = limit.stamp()
	if w.timer == nil {
		w.timer = time.AfterFunc(w.left(limit), w.fire)
		return
	}
	w.timer.Reset(w.left(limit))
}

// allows reports whether a wait from now on would end before the next limit passes.
func (w *watchdog) allows(wait time.Duration) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	limit := w.next()
	return limit.after == 0 || wait < w.left(limit)
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
	w.fires = untold
	if w.stopped || limit.after == 0 {
		return
	}
	if w.left(limit) > 0 {
		w.set(limit)
		return
	}
	err := fmt.Errorf("no %s within %v (%s)", limit.missing, limit.after, limit.flag)
	w.interrupt(&failure{outcome: record.TimedOut, reason: limit.reason, err: err})
}

// left is how long a limit is away.
func (w *watchdog) left(l timeLimit) time.Duration { return time.Duration(l.stamp() - w.client.Now()) }

// timeLimit is a limit that counts from a stamp.
type timeLimit struct {
	after   time.Duration // 0: no limit
	from    int64
	reason  record.Reason
	missing string
	flag    string
}

// stamp is when the limit passes.
func (l *timeLimit) stamp() int64 { return l.from + l.after.Nanoseconds() }

// next returns the limit that passes first in the present state.
func (w *watchdog) next() timeLimit {
	config := &w.client.config
	whole := timeLimit{config.RequestTimeout, w.start, record.RequestTimeout, "complete answer", "-request-timeout"}
	if config.Whole {
		return whole // nobody knows when the first of its tokens comes
	}
	step := timeLimit{config.FirstTokenTimeout, w.start, record.FirstTokenTimeout, "first token", "-first-token-timeout"}
	switch w.state {
	case streaming:
		step = timeLimit{config.IdleTimeout, w.last.Load(), record.IdleTimeout, "event", "-idle-timeout"}
	case finishing:
		return timeLimit{drain, w.last.Load(), record.IdleTimeout, "end of the response", "after [DONE]"}
	}
	if whole.after == 0 || step.after != 0 && step.stamp() < whole.stamp() {
		return step
	}
	return whole
}
