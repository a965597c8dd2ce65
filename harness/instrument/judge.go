package instrument

import (
	"math"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/stat"
)

// Medians are the level's own, in milliseconds: what the client's errors are small or large against. NaN or 0: there is none.
type Medians struct{ TTFT, ITL float64 }

// The limits of the package comment.
const (
	farAbove          = 5    // times a limit: limited
	farAbovePercent   = 5    // the same of shares, whose limits are near zero
	lateRequestsLeast = 1000 // requests of which a share of 0.1 % says something
	shortestMeanMS    = 1000 // measured time over which a mean in flight says something: a single hiccup is more than 1 % of less
)

// Judge holds readings against their limits. It is pure: the same readings have the same verdict.
func Judge(r record.Readings, level Medians) *record.Instrument {
	i := &record.Instrument{Readings: r, Checks: []record.Check{}, Verdict: record.ClientUnknown}
	check := func(c record.Check) {
		c = judged(c)
		i.Checks, i.Verdict = append(i.Checks, c), worse(i.Verdict, c.Verdict)
	}
	stamps := max(1, nonNegative(0.05*level.ITL))
	if c := r.Canary; c != nil && c.Chunks > 0 {
		i.Verdict, i.ErrorMS = worse(record.ClientOK, i.Verdict), c.DelayP99MS
		check(p99("canary delay p99", c.DelayP99MS, stamps, c.Chunks))
	}
	if p := r.Probe; p != nil {
		i.Verdict, i.ErrorMS = worse(record.ClientOK, i.Verdict), max(i.ErrorMS, p.LateP99MS)
		limit := stamps
		if !p.Exact { // half a millisecond is the timer's, a whole one at p99
			limit++
		}
		check(p99("probe lateness p99", p.LateP99MS, limit, p.Instants))
		check(record.Check{
			Reading: "time in gaps above 100 ms", Unit: "%", Value: percentOf(p.GapsMS, r.MeasuredMS), LimitedAbove: farAbovePercent, Count: len(r.Gaps),
		})
	}
	if l := r.Lateness; l != nil {
		check(p99("send lateness p99", l.P99MS, max(2, nonNegative(0.01*level.TTFT)), l.Requests))
		if l.Requests >= lateRequestsLeast {
			check(record.Check{
				Reading: "requests sent more than 10 ms late", Unit: "%", Value: 100 * l.Above10MSShare, Limit: 0.1, LimitedAbove: farAbovePercent,
				Count: l.Requests, Needed: lateRequestsLeast,
			})
		}
	}
	if f := r.InFlight; f != nil && r.MeasuredMS >= shortestMeanMS {
		check(record.Check{
			Reading: "shortfall in flight", Unit: "%", Value: percentOf(float64(f.Target)-f.Mean, float64(f.Target)), Limit: 1, LimitedAbove: farAbovePercent,
		})
	}
	return i
}

// p99 is the check of a percentile in milliseconds.
func p99(reading string, value, limit float64, count int) record.Check {
	return record.Check{
		Reading: reading, Unit: "ms", Value: value, Limit: limit, LimitedAbove: farAbove * limit, Count: count, Needed: stat.Floor(99),
	}
}

// judged gives a reading its verdict.
func judged(c record.Check) record.Check {
	switch {
	case c.Value > c.LimitedAbove && c.Count >= c.Needed:
		c.Verdict = record.ClientLimited
	case c.Value > c.Limit:
		c.Verdict = record.ClientSuspect
	default:
		c.Verdict = record.ClientOK
	}
	return c
}

// worse returns the worse of two verdicts.
func worse(a, b record.ClientVerdict) record.ClientVerdict {
	for _, v := range []record.ClientVerdict{record.ClientLimited, record.ClientSuspect} {
		if a == v || b == v {
			return v
		}
	}
	return a
}

// nonNegative makes 0 of what is not a number.
func nonNegative(v float64) float64 {
	if math.IsNaN(v) {
		return 0
	}
	return v
}

func percentOf(part, whole float64) float64 {
	if whole <= 0 {
		return 0
	}
	return 100 * part / whole
}
