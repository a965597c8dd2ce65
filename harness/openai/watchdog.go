package openai

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/workload"
)

// watchdog ends a request whose time is up. Its timer, which it keeps for the next request, is set only before a wait, and only where
// a limit passes before the timer fires. Events do not reset it: when it fires it looks whether a limit has really passed and
// otherwise sleeps on.
type watchdog struct {
	client    *Client
	interrupt func(cause error)
	start     int64
	last      atomic.Int64  // stamp of the last event
	changed   bool          // since the timer was looked at; of the goroutine that runs the request
	leaves    bool          // the client goes away on purpose,
	after     time.Duration // so long after the request was sent

	mu      sync.Mutex // held while state is read for a timer that is set by it, so that no older timer replaces a newer one
	state   watchState
	timer   *time.Timer
	fires   int64 // stamp at which the timer does; untold: it does not
	stopped bool
	leave   int64 // stamp at which the client goes away; untold: it stays
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
func (w *watchdog) begin(start int64, r *workload.Request) {
	w.mu.Lock()
	w.start, w.stopped, w.fires = start, false, untold // a timer of the last request may be about to look
	w.leave, w.leaves, w.after = untold, r.Cancelled, r.CancelDelay
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

// sent notes that the request was fully sent, which is when the time begins after which its client goes away on purpose. It may be called by any
// goroutine. Without such a time the client goes away here, before anything else can happen.
func (w *watchdog) sent(now int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case !w.leaves || w.stopped:
	case w.after <= 0:
		w.interrupt(gone(w.after))
	default:
		if w.leave = now + w.after.Nanoseconds(); w.leave < w.fires {
			w.set(w.next())
		}
	}
}

// unsent notes that the request is to be sent again: its client has all the time anew.
func (w *watchdog) unsent() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.leave = untold
}

// gone is why a request ends whose client goes away on purpose.
func gone(after time.Duration) error {
	return &Cancellation{Reason: record.ByPlan, Text: fmt.Sprintf("the client went away %v after the request was sent (-cancel-rate)", after)}
}

// allows reports whether a wait from now on would end before the next limit passes.
func (w *watchdog) allows(wait time.Duration) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	limit := w.limit()
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
	if limit.reason == record.ByPlan {
		w.interrupt(gone(limit.after))
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

// next returns what passes first in the present state: a limit, or the time until the client goes away.
func (w *watchdog) next() timeLimit {
	limit := w.limit()
	if w.leave != untold && (limit.after == 0 || w.leave <= limit.stamp()) {
		return timeLimit{after: w.after, from: w.leave - w.after.Nanoseconds(), reason: record.ByPlan}
	}
	return limit
}

// limit returns the limit that passes first in the present state.
func (w *watchdog) limit() timeLimit {
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
