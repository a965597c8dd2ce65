package harness

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/llmsweep/llmsweep/harness/arrival"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/workload"
)

// lookAhead is how many requests are rendered before a slot asks for them.
const lookAhead = 64

// drainLimit is how long requests in flight may go on after a cap or too many errors stopped the issuing.
const drainLimit = 30 * time.Second

// loop is one phase of a level.
type loop struct {
	*levelRun
	phase    record.Phase
	inFlight context.Context         // ends requests in flight
	issue    context.Context         // ends the sending of new ones
	stop     context.CancelCauseFunc // of issue
	feed     chan *workload.Request
	ended    chan *record.Sample
	left     atomic.Int64  // requests that have not ended
	over     chan struct{} // closed when none is left
}

// runPhase runs one phase of a level. issue ends the sending of new requests, ctx also those in flight. It returns when every goroutine
// that it started has ended.
func (r *levelRun) runPhase(ctx, issue context.Context, stop context.CancelCauseFunc, phase record.Phase) {
	total := r.left(phase)
	if total == 0 || issue.Err() != nil {
		return
	}
	inFlight, abandon := context.WithCancelCause(ctx)
	defer abandon(nil)
	drain := context.AfterFunc(issue, func() {
		timer := time.AfterFunc(drainLimit, func() { abandon(fmt.Errorf("still running %v after: %w", drainLimit, context.Cause(issue))) })
		context.AfterFunc(inFlight, func() { timer.Stop() })
	})
	defer drain()
	sending, done := r.forDuration(issue, abandon, phase)
	defer done()
	l := &loop{
		levelRun: r, phase: phase, inFlight: inFlight, issue: sending, stop: stop,
		feed: make(chan *workload.Request, lookAhead), ended: make(chan *record.Sample, 1024), over: make(chan struct{}),
	}
	l.left.Store(int64(total))
	if n := r.sweep.Plan.PrefillCap; n > 0 {
		r.prefill = make(chan struct{}, n)
	}
	var workers, slots sync.WaitGroup
	workers.Go(l.render)
	r.begun = time.Since(r.epoch)
	ramp := r.ramp(phase)
	if at := r.loadOf(phase); at.Open() {
		slots.Go(func() { l.open(&slots) })
	} else {
		for _, offset := range arrival.Ramp(min(at.Concurrency, total), ramp) {
			slots.Go(func() { l.slot(r.begun + offset) })
		}
	}
	if ramp > 0 {
		r.record.FilledNS = (r.begun + ramp).Nanoseconds()
	}
	workers.Go(func() {
		slots.Wait()
		close(l.ended)
	})
	l.collect()
	workers.Wait()
}

// loadOf is what a phase keeps in flight, or how often it starts requests.
func (r *levelRun) loadOf(phase record.Phase) record.Point {
	if phase == record.Warmup {
		return r.level.warmup
	}
	return r.level.Point
}

// ramp is the time over which the load of a phase reaches its size.
func (r *levelRun) ramp(phase record.Phase) time.Duration {
	switch p := r.sweep.Plan; {
	case phase == record.Warmup:
		return 0
	case r.level.Open():
		return p.RateRamp
	default:
		return p.ConcurrencyRamp
	}
}

// forDuration returns a context that ends with issue or when a phase has sent for long enough. What is in flight a grace period later is abandoned.
func (r *levelRun) forDuration(issue context.Context, abandon context.CancelCauseFunc, phase record.Phase) (sending context.Context, done func()) {
	p := r.sweep.Plan
	name, d, grace := "", p.Duration, &p.GracePeriod
	if phase == record.Warmup {
		name, d, grace = "warmup-", p.WarmupDuration, p.WarmupGrace
	}
	if d == 0 {
		return issue, func() {}
	}
	sending, end := context.WithCancel(issue)
	enough := time.AfterFunc(d, end)
	if grace == nil { // the limits of requests are those of the wait
		return sending, func() { enough.Stop(); end() }
	}
	late := time.AfterFunc(d+*grace, func() {
		abandon(because(record.ByGrace, "still running after -%sduration %v and a -%sgrace-period of %v", name, d, name, *grace))
	})
	return sending, func() {
		enough.Stop()
		late.Stop()
		end()
	}
}

// render makes requests ahead of the slots, so that no slot waits for its body.
func (l *loop) render() {
	defer close(l.feed)
	for i := range l.level.work.Len(l.phase) {
		if l.finished(l.phase, i) {
			continue
		}
		request := l.level.work.Render(l.phase, i)
		if request.Err != nil {
			l.stop(because(record.ByStorage, "stopped: %v", request.Err))
			return
		}
		select {
		case l.feed <- request:
		case <-l.issue.Done():
			return
		}
	}
}

// slot is one user of the closed loop: it sends its next request as soon as the last one ended.
func (l *loop) slot(first time.Duration) {
	// Without a ramp only virtual time has not yet reached the start: its slots are nanoseconds apart.
	if wait := time.Until(l.epoch.Add(first)); wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-l.issue.Done():
			return
		case <-l.over: // the slots before it have sent everything
			return
		}
	}
	scheduled := first.Nanoseconds()
	for request := range l.feed {
		placed, ok := l.place(l.prefill)
		// Both: when they end together, requests in flight may be told before issue is.
		if !ok || l.issue.Err() != nil || l.inFlight.Err() != nil {
			return
		}
		s := l.send(request, scheduled)
		s.PrefillNS = placed
		scheduled = s.EndNS
		l.end(s)
	}
}

// send sends a request that has its places, and gives back the one that it has until its first token.
func (l *loop) send(request *workload.Request, scheduled int64) *record.Sample {
	l.flying.Add(1)
	s := l.client.Do(l.inFlight, request, scheduled)
	if l.prefill != nil && len(s.ChunksNS) == 0 {
		<-l.prefill // there was no first token
	}
	return s
}

// end hands on a sample.
func (l *loop) end(s *record.Sample) {
	l.flying.Add(-1)
	l.spend(s)
	if l.left.Add(-1) == 0 {
		close(l.over)
	}
	l.ended <- s
}

// spend accounts for the tokens of a request before its slot takes the next one, so that -max-tokens-total is passed by no more
// than what is in flight.
func (l *loop) spend(s *record.Sample) {
	limit := l.sweep.Plan.MaxTokensTotal
	if spent := l.sweep.spent.Add(tokensOf(s)); limit > 0 && spent >= limit {
		l.stop(because(record.ByCap, "-max-tokens-total %d reached", limit))
	}
}

// tokensOf returns the tokens of a request, prompt and output, by the server's account if it has one.
func tokensOf(s *record.Sample) int64 {
	if s.Usage != nil {
		return int64(s.Usage.PromptTokens + s.Usage.CompletionTokens)
	}
	return int64(s.Counted.ISL + s.Counted.OSL)
}

// collect takes samples as they end, and hands the log to the system each second.
func (l *loop) collect() {
	flush := time.NewTicker(time.Second)
	defer flush.Stop()
	for {
		select {
		case s, open := <-l.ended:
			if !open {
				return
			}
			l.take(s, l.stop)
		case <-flush.C:
			if err := l.log.Flush(); err != nil && l.logErr == nil {
				l.logErr = err
				l.stop(because(record.ByStorage, "stopped: %v", err))
			}
		}
	}
}
