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

// forecast warns if the levels that are left will not fit before the deadline, taking their requests to be as fast as those of the
// level that just ended.
func (s *Sweep) forecast(ended Level, took time.Duration) {
	left := 0
	for _, l := range s.levels {
		if l.Number > ended.Number && !s.Finished(l) {
			left += l.Requests
		}
	}
	need := took * time.Duration(left) / time.Duration(max(ended.Requests, 1))
	if s.deadline.IsZero() || s.Plan.Virtual || time.Now().Add(need).Before(s.deadline.Add(-spare)) {
		return
	}
	s.progress.print(fmt.Sprintf("warning: about %v of measurement are left, but go test ends this run at %s: add -timeout 0", need.Round(time.Second), s.deadline.Format(time.TimeOnly)))
}
