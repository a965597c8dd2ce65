package harness

import (
	"fmt"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/workload/dataset"
)

// unknown reports whether nobody knows how many requests of a phase a level will send: as many as a closed loop comes to within a time.
func (l *Level) unknown(p *record.Plan, phase record.Phase) bool {
	if phase == record.Warmup {
		return p.WarmupDuration > 0 && p.WarmupRequests == 0 && !l.warmup.Open()
	}
	return p.Duration > 0 && p.RequestCount == 0 && !l.Open()
}

// endedByDuration takes what a closed loop did not come to in its time out of what was planned: nobody knew how much it would be.
func (r *levelRun) endedByDuration() {
	for _, of := range []struct {
		phase  record.Phase
		counts *record.Counts
		early  string
	}{
		{record.Warmup, &r.record.Warmup, " of the warm-up were sent before -warmup-duration was over: pass a larger -warmup-requests"},
		{record.Profiling, &r.record.Counts, " were sent before -duration was over: pass a larger -request-count"},
	} {
		c := of.counts
		if !r.level.unknown(&r.sweep.Plan.Plan, of.phase) {
			continue
		}
		prepared := c.Planned
		if c.Planned, c.NotStarted = c.Planned-c.NotStarted, 0; c.Planned == prepared {
			r.connections = append(r.connections, fmt.Sprintf("all of %d prepared requests", prepared)+of.early)
		}
		if own := r.level.own; own > 0 && c.Planned > own && r.sweep.Plan.Input.Sampling != string(dataset.Random) {
			r.connections = append(r.connections, fmt.Sprintf("%d requests were sent of the %d records that the input-file has for them, so that prompts repeat: a server that caches prefixes answers those faster", c.Planned, own))
		}
	}
}
