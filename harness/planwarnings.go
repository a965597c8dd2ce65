package harness

import (
	"fmt"
	"slices"
	"time"

	"github.com/llmsweep/llmsweep/harness/record"
)

// Warnings returns what is allowed but probably not meant.
func (p *Plan) Warnings() []string {
	var warnings []string
	for _, c := range p.Concurrencies {
		if n := p.Requests(record.Point{Concurrency: c}); n < c {
			warnings = append(warnings, fmt.Sprintf("%s: request-count %d is smaller than the concurrency: the level cannot have more than %d in flight",
				record.LevelName(c), n, n))
		}
	}
	return slices.Concat(warnings, p.rampWarnings(), p.prefillWarnings(), p.tokenizerWarnings(), p.forwardWarnings(), p.tlsWarnings())
}

// rampWarnings are about levels that are over before they have their load.
func (p *Plan) rampWarnings() []string {
	flag, ramp := "concurrency-ramp-duration", p.ConcurrencyRamp
	if p.RateRamp > 0 {
		flag, ramp = "request-rate-ramp-duration", p.RateRamp
	}
	if p.Duration == 0 || ramp < p.Duration {
		return nil
	}
	return []string{fmt.Sprintf("%s %v: -duration is %v, so that no level comes to its load: make that longer, or the ramp shorter", flag, ramp, p.Duration)}
}

// prefillWarnings are about a cap that no level can reach.
func (p *Plan) prefillWarnings() []string {
	most := 0
	for _, at := range p.Points() {
		switch {
		case !at.Open():
			most = max(most, min(at.Concurrency, p.Requests(at)))
		case p.MaxInFlight > 0:
			most = max(most, p.MaxInFlight)
		default:
			return nil // any number may be in flight
		}
	}
	if p.PrefillCap == 0 || p.PrefillCap < most {
		return nil
	}
	return []string{fmt.Sprintf("prefill-concurrency %d: no level has more than %d requests in flight, so that none waits for a place: lower it, or leave it out", p.PrefillCap, most)}
}

// longSending is how long the requests of an open loop may be sent before it is worth a word where nobody has said for how long.
const longSending = 24 * time.Hour

// slowWarnings are about open loops whose schedules are so long that a rate, or a factor of time, is probably not what was meant.
func (s *Sweep) slowWarnings() []string {
	p := s.Plan
	if p.MaxDuration > 0 {
		return nil
	}
	var warnings []string
	for i := range s.levels {
		l := &s.levels[i]
		if l.Again > 0 {
			continue // its first run says so
		}
		flag := "request-rate"
		if l.Trace {
			flag = "time-scale"
		}
		for _, phase := range []struct {
			name              record.Phase
			limit             time.Duration
			whose, flag, ends string
		}{
			{record.Warmup, p.WarmupDuration, "its warm-up's", "warmup-request-rate", "warmup-duration"},
			{record.Profiling, p.Duration, "its", flag, "duration"},
		} {
			if last := l.sends(phase.name); phase.limit == 0 && last > longSending {
				warnings = append(warnings, fmt.Sprintf("%s: %s requests, %d, are sent over %.3g days: -%s makes that shorter, -%s ends it",
					l.Name, phase.whose, len(l.starts[phase.name]), last.Hours()/24, phase.flag, phase.ends))
			}
		}
	}
	return warnings
}
