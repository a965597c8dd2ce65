package harness

import (
	"fmt"
	"slices"
	"time"

	"github.com/llmsweep/llmsweep/harness/record"
)

// warnings are what a reader of the level's figures must know.
func (r *levelRun) warnings() []string {
	c := r.record.Counts
	var wait time.Duration
	if c.Outcomes[record.ConnectionFailed]+c.Outcomes[record.Cut] > 0 {
		wait = time.Second
	}
	warnings := slices.Concat(r.inputChanged(), r.unlogged(), r.mended, r.sweep.endedForwards(wait), r.connections, r.otherTokens(), clientWarnings(r.record.Instrument), r.scrapeWarnings())
	if n := c.Failures(); n > 0 && r.record.Status != record.Failed {
		warnings = append(warnings, fmt.Sprintf("%d of %d requests failed (%s); latency figures are of the others", n, c.Ended(), c.Explain(record.FailedOutcomes()...)))
	}
	warnings = append(warnings, r.cancelWarnings(c)...)
	if n := r.record.Warmup.Outcomes[record.Cancelled]; n > 0 && r.record.Status == record.Done {
		warnings = append(warnings, fmt.Sprintf("%d requests of the warm-up were cancelled (%s): the server may have been at work on them when the measurement began",
			n, r.record.Warmup.Why(record.Cancelled)))
	}
	warnings = append(warnings, againWarnings(c.Retried)...)
	warnings = append(warnings, r.waitWarnings()...)
	if c.NotStarted > 0 {
		text := fmt.Sprintf("%d of %d planned requests were not started", c.NotStarted, c.Planned)
		if d := r.sweep.Plan.Duration; d > 0 && r.record.Status == record.Done {
			text += fmt.Sprintf(": -duration %v was over", d)
		}
		warnings = append(warnings, text)
	}
	return warnings
}

// cancelWarnings are about requests that the client ended: by plan, and because the level was cut short.
func (r *levelRun) cancelWarnings(c record.Counts) []string {
	var warnings []string
	if p := r.sweep.Plan; p.CancelRate > 0 {
		text := fmt.Sprintf("%d of %d requests cancelled by plan (-cancel-rate %g, -cancel-delay %v): they are no failures, and latency and throughput are of the others", c.ByPlan(), c.Ended(), p.CancelRate, p.CancelDelay)
		if n := c.Chosen - c.ByPlan(); n > 0 {
			text += fmt.Sprintf("; %d more that were chosen had ended before, and count as what they were", n)
		}
		warnings = append(warnings, text)
	}
	if n := c.Interrupted(); n > 0 {
		warnings = append(warnings, fmt.Sprintf("%d requests in flight were cancelled (%s); latency and throughput are of those that ended before, the quickest ones",
			n, c.Why(record.Cancelled, record.ByPlan)))
	}
	return warnings
}

// waitWarnings are about requests that found a cap reached.
func (r *levelRun) waitWarnings() []string {
	var warnings []string
	for _, at := range []struct {
		waited      record.Waited
		most        int
		where, flag string
	}{
		{r.record.Waited, r.sweep.Plan.MaxInFlight, "in flight", "-max-in-flight"},
		{r.record.Prefill, r.sweep.Plan.PrefillCap, "without their first token", "-prefill-concurrency"},
	} {
		if at.waited.Requests == 0 {
			continue
		}
		text := fmt.Sprintf("%d requests found %d %s (%s) and waited for a place, up to %.3g s: ", at.waited.Requests, at.most, at.where, at.flag, float64(at.waited.LongestNS)/1e9)
		if r.level.Open() {
			text += "the load was not what was planned, and the times from the schedule have the waiting"
		} else {
			text += "so many fewer were in flight, and no figure has the waiting"
		}
		warnings = append(warnings, text)
	}
	return warnings
}

// inputChanged is a warning where -input-file was written to.
func (r *levelRun) inputChanged() []string {
	if reason := r.sweep.input.changed(); reason != "" {
		return []string{reason}
	}
	return nil
}

// againWarnings are about requests that were sent more than once.
func againWarnings(r record.Retried) []string {
	var warnings []string
	if r.Requests > 0 {
		warnings = append(warnings, fmt.Sprintf("%d requests were refused with status 429 and sent again, %d times in all (-retry-429): their latency includes %.3g s of waiting",
			r.Requests, r.Retries, float64(r.WaitingNS)/1e9))
	}
	if r.Resent > 0 {
		warnings = append(warnings, fmt.Sprintf("net/http sent a request again %d times because its connection ended without an answer: the server may have worked twice", r.Resent))
	}
	return warnings
}
