package instrument_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/llmsweep/llmsweep/harness/instrument"
	"github.com/llmsweep/llmsweep/harness/record"
)

// good is a set of readings without fault.
func good() record.Readings {
	return record.Readings{
		MeasuredMS: 60_000,
		Canary:     &record.Canary{Streams: 3, Chunks: 9000, DelayP50MS: 0.03, DelayP99MS: 0.2},
		Probe:      &record.Probe{Exact: true, Instants: 60_000, LateP99MS: 0.3},
		Lateness:   &record.Lateness{Requests: 5000, P99MS: 0.1},
		InFlight:   &record.InFlight{Mean: 99.9, Target: 100},
	}
}

const (
	ok      = record.ClientOK
	suspect = record.ClientSuspect
	limited = record.ClientLimited
)

// TestLimitsOfTheVerdict: at a limit the client is good, just above it is not.
func TestLimitsOfTheVerdict(t *testing.T) {
	usual := instrument.Medians{TTFT: 150, ITL: 10} // 5 % and 1 % of them are below the least limits
	slow := instrument.Medians{TTFT: 1000, ITL: 100}
	canary := func(v float64) func(*record.Readings) { return func(r *record.Readings) { r.Canary.DelayP99MS = v } }
	probe := func(v float64) func(*record.Readings) { return func(r *record.Readings) { r.Probe.LateP99MS = v } }
	coarse := func(v float64) func(*record.Readings) {
		return func(r *record.Readings) { r.Probe.LateP99MS, r.Probe.Exact = v, false }
	}
	sent := func(v float64) func(*record.Readings) { return func(r *record.Readings) { r.Lateness.P99MS = v } }
	tail := func(v float64, n int) func(*record.Readings) {
		return func(r *record.Readings) { r.Lateness.Above10MSShare, r.Lateness.Requests = v, n }
	}
	mean := func(v float64) func(*record.Readings) { return func(r *record.Readings) { r.InFlight.Mean = v } }
	gaps := func(ms float64) func(*record.Readings) { return func(r *record.Readings) { r.Probe.GapsMS = ms } }
	few := func(n int, v float64) func(*record.Readings) {
		return func(r *record.Readings) { r.Canary.Chunks, r.Canary.DelayP99MS = n, v }
	}
	for i, c := range []struct {
		change func(*record.Readings)
		level  instrument.Medians
		want   record.ClientVerdict
	}{
		{func(*record.Readings) {}, usual, ok},
		{canary(1), usual, ok}, {canary(1.001), usual, suspect}, {canary(5), usual, suspect}, {canary(5.001), usual, limited},
		{canary(5), slow, ok}, {canary(5.001), slow, suspect}, {canary(25), slow, suspect}, {canary(25.001), slow, limited},
		{canary(1), instrument.Medians{TTFT: math.NaN(), ITL: math.NaN()}, ok},
		{canary(1.001), instrument.Medians{TTFT: math.NaN(), ITL: math.NaN()}, suspect},
		{few(299, 5.001), usual, limited}, {few(298, 5.001), usual, suspect}, {few(298, 1), usual, ok},
		{probe(1), usual, ok}, {probe(1.001), usual, suspect}, {probe(5.001), usual, limited},
		{probe(5), slow, ok}, {probe(25.001), slow, limited},
		{coarse(2), usual, ok}, {coarse(2.001), usual, suspect}, {coarse(10.001), usual, limited},
		{sent(2), usual, ok}, {sent(2.001), usual, suspect}, {sent(10), usual, suspect}, {sent(10.001), usual, limited},
		{sent(10), slow, ok}, {sent(10.001), slow, suspect}, {sent(50.001), slow, limited},
		{tail(0.001, 1000), usual, ok}, {tail(0.00101, 1000), usual, suspect}, {tail(0.0501, 1000), usual, limited},
		{tail(0.5, 999), usual, ok}, // too few: the p99 judges them
		{mean(99), usual, ok}, {mean(98.99), usual, suspect}, {mean(95), usual, suspect}, {mean(94.99), usual, limited},
		{gaps(0), usual, ok}, {gaps(101), usual, suspect}, {gaps(3000), usual, suspect}, {gaps(3001), usual, limited},
		{func(r *record.Readings) { r.InFlight.Mean, r.MeasuredMS = 10, 999 }, usual, ok},
		{func(r *record.Readings) { r.Canary.DelayP99MS, r.Probe.LateP99MS = 2, 9 }, usual, limited},
		{func(r *record.Readings) { r.Probe = nil }, usual, ok}, // virtual time
		{func(r *record.Readings) { r.Canary = nil }, usual, ok},
		{func(r *record.Readings) { r.Canary, r.Probe = &record.Canary{Streams: 1}, nil }, usual, record.ClientUnknown},
		{func(r *record.Readings) { r.Canary, r.Probe, r.Lateness.P99MS = nil, nil, 3 }, usual, suspect},
		{func(r *record.Readings) { *r = record.Readings{} }, usual, record.ClientUnknown},
	} {
		r := good()
		c.change(&r)
		got := instrument.Judge(r, c.level)
		assert.Equal(t, c.want, got.Verdict, "case %d: %v", i, got.Checks)
		assert.Equal(t, r, got.Readings)
	}
}

// TestErrorBarIsTheWorseWitness: of a process that does not run the canary knows nothing, its writer being stopped too.
func TestErrorBarIsTheWorseWitness(t *testing.T) {
	r := good()
	assert.Equal(t, 0.3, instrument.Judge(r, instrument.Medians{}).ErrorMS)
	r.Canary.DelayP99MS = 7
	assert.Equal(t, 7.0, instrument.Judge(r, instrument.Medians{}).ErrorMS)
	r.Canary.Chunks = 0
	assert.Equal(t, 0.3, instrument.Judge(r, instrument.Medians{}).ErrorMS)
}

// TestChecksSayWhatTheyStandOn: each has its value, limit and number, and one of too few values says so.
func TestChecksSayWhatTheyStandOn(t *testing.T) {
	r := good()
	r.Canary.Chunks, r.Canary.DelayP99MS = 75, 8
	got := instrument.Judge(r, instrument.Medians{TTFT: 100, ITL: 40})
	assert.Equal(t, suspect, got.Verdict)
	assert.Len(t, got.Checks, 6)
	assert.Equal(t, record.Check{
		Reading: "canary delay p99", Unit: "ms", Value: 8, Limit: 2, LimitedAbove: 10, Count: 75, Needed: 299, Verdict: suspect,
	}, got.Checks[0])
	assert.Equal(t, "canary delay p99 8 ms, limit 2 ms (of 75 values only, 299 are needed)", fmt.Sprint(got.Checks[0]))
	assert.Equal(t, "probe lateness p99 0.3 ms, limit 2 ms", fmt.Sprint(got.Checks[1]))
}
