package harness

import (
	"context"
	"fmt"
	"time"

	"github.com/llmsweep/llmsweep/harness/record"
)

// spare is the time that is kept for writing the report before go test kills the process.
const spare = 30 * time.Second

// StopBefore returns a context that ends spare before the deadline at, and says so at once, with the way to lift it. It is an error
// if there is no time to measure at all.
func (s *Sweep) StopBefore(ctx context.Context, at time.Time) (context.Context, error) {
	const lift = "add -timeout 0 to the go test command to lift that limit"
	until := time.Until(at) - spare
	if until <= 0 {
		return ctx, fmt.Errorf("go test ends this run in %v and %v are kept for the report: %s", (until + spare).Round(time.Second), spare, lift)
	}
	s.progress.print(fmt.Sprintf("note: go test ends this run at %s; %s", at.Format(time.TimeOnly), lift))
	s.deadline = at
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(until, func() { cancel(because(record.ByDeadline, "go test's time is up; %s", lift)) })
	context.AfterFunc(ctx, func() { timer.Stop() })
	return ctx, nil
}

// forecast warns if the levels that are left will not fit before the deadline.
func (s *Sweep) forecast(ended Level, took time.Duration) {
	need := time.Duration(0)
	for _, l := range s.levels {
		if l.Number > ended.Number && !s.Finished(l) {
			need += l.like(&ended, took)
		}
	}
	if s.deadline.IsZero() || s.Plan.Virtual || time.Now().Add(need).Before(s.deadline.Add(-spare)) {
		return
	}
	s.progress.print(fmt.Sprintf("warning: about %v of measurement are left, but go test ends this run at %s: add -timeout 0", need.Round(time.Second), s.deadline.Format(time.TimeOnly)))
}

// like is how long a level will take if one that ended took so long: as long where both send for the same time, as much more or less as its schedule is
// longer or shorter, or else with requests as fast as those.
func (l *Level) like(ended *Level, took time.Duration) time.Duration {
	switch {
	case l.uncounted && ended.uncounted:
		return took
	case l.Open() && ended.Open():
		return max(took+l.sends(record.Profiling)-ended.sends(record.Profiling), 0)
	}
	return time.Duration(float64(took) * float64(l.Requests) / float64(max(ended.Requests, 1)))
}

// sends is when the last request of a phase starts, of an open loop.
func (l *Level) sends(phase record.Phase) time.Duration {
	starts := l.starts[phase]
	if len(starts) == 0 {
		return 0
	}
	return starts[len(starts)-1]
}
