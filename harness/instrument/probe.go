package instrument

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/llmsweep/llmsweep/harness/clock"
	"github.com/llmsweep/llmsweep/harness/record"
)

// probeInterval is the time between two wake-ups of the probe.
const probeInterval = time.Millisecond

// gapLeast is the lateness from which a wake-up is a gap.
const gapLeast = 100 * time.Millisecond

// maxGaps is how many gaps are kept, the longest ones.
const maxGaps = 20

// probe is a goroutine that looks how late it is woken.
type probe struct {
	epoch   time.Time
	alarm   clock.Alarm
	exact   bool
	running sync.WaitGroup

	late series
	gaps []record.Gap
	lost time.Duration // in all gaps
}

func startProbe(epoch time.Time) *probe {
	p := &probe{epoch: epoch}
	p.alarm, p.exact = clock.New(true)
	start := time.Now()
	p.running.Go(func() { p.run(start) })
	return p
}

func (p *probe) run(start time.Time) {
	due, last := start.Add(probeInterval), start
	for p.alarm.Wait(due) {
		now := time.Now()
		due = p.wake(last, due, now)
		last = now
	}
}

// wake takes a wake-up at now into account that was due at due, the last one having been at last, and returns when the next is due.
func (p *probe) wake(last, due, now time.Time) (next time.Time) {
	if late := now.Sub(due); late > gapLeast {
		p.gap(record.Gap{AtNS: due.Sub(p.epoch).Nanoseconds(), LengthNS: late.Nanoseconds()})
	}
	// Round(0) takes off the monotonic reading, so that the wall clock's are subtracted.
	if jump := now.Round(0).Sub(last.Round(0)) - now.Sub(last); jump > time.Second {
		p.gap(record.Gap{AtNS: due.Sub(p.epoch).Nanoseconds(), LengthNS: jump.Nanoseconds(), Suspended: true})
	}
	for ; !due.After(now); due = due.Add(probeInterval) {
		p.late.add(now.Sub(due).Nanoseconds())
	}
	return due
}

func (p *probe) gap(g record.Gap) {
	if !g.Suspended { // of what the stamps' clock measured, nothing is missing then
		p.lost += time.Duration(g.LengthNS)
	}
	p.gaps = append(p.gaps, g)
	slices.SortStableFunc(p.gaps, func(a, b record.Gap) int { return cmp.Compare(b.LengthNS, a.LengthNS) })
	p.gaps = p.gaps[:min(len(p.gaps), maxGaps)]
}

func (p *probe) stop() (*record.Probe, []record.Gap) {
	p.alarm.Close()
	p.running.Wait()
	q := p.late.milliseconds(50, 99)
	slices.SortFunc(p.gaps, func(a, b record.Gap) int { return cmp.Compare(a.AtNS, b.AtNS) })
	if p.late.n == 0 {
		return nil, p.gaps
	}
	return &record.Probe{
		IntervalMS: probeInterval.Seconds() * 1e3, Exact: p.exact, Instants: p.late.n,
		LateP50MS: q[0], LateP99MS: q[1], LateMaxMS: float64(p.late.most) / 1e6, GapsMS: p.lost.Seconds() * 1e3,
	}, p.gaps
}

// Floor measures how late plain sleeps of a millisecond wake this process, for a second at most. It is for an idle process, before a run.
func Floor() *record.TimerFloor {
	const sleeps = 300 // what a p99 needs
	var late series
	for start := time.Now(); late.n < sleeps && time.Since(start) < time.Second; {
		due := time.Now().Add(time.Millisecond)
		time.Sleep(time.Until(due))
		late.add(time.Since(due).Nanoseconds())
	}
	q := late.milliseconds(50, 99)
	return &record.TimerFloor{Sleeps: late.n, LateP50MS: q[0], LateP99MS: q[1]}
}
