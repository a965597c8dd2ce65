package steady_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/steady"
)

// sound are the facts of a level with nothing wrong, each at its limit.
func sound() steady.Facts {
	return steady.Facts{
		Instrument: &record.Instrument{Verdict: record.ClientOK, Checks: []record.Check{
			{Reading: "canary delay p99", Unit: "ms", Value: 1, Limit: 1, LimitedAbove: 5, Verdict: record.ClientOK},
			{Reading: "shortfall in flight", Unit: "%", Value: 0.5, Limit: 1, LimitedAbove: 5, Verdict: record.ClientOK},
		}},
		Ended: 100, Failed: 1, Reached: 19, Target: 20, Asked: 200, Delivered: 202, CountedByTheServer: true,
	}
}

func TestValidity(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*steady.Facts)
		broken string
	}{
		"all at their limits": {func(*steady.Facts) {}, ""},
		"a client that was limited": {func(f *steady.Facts) {
			f.Instrument.Verdict, f.Instrument.Checks[1].Verdict, f.Instrument.Checks[1].Value = record.ClientLimited, record.ClientLimited, 6
			f.Instrument.Checks[0].Value = 50 // of too few values
		}, "client: shortfall in flight 6 %, limit at most 5 %"},
		"a client that is suspect":    {func(f *steady.Facts) { f.Instrument.Verdict = record.ClientSuspect }, ""},
		"failures":                    {func(f *steady.Facts) { f.Failed = 2 }, "failed requests 2 %, limit at most 1 %"},
		"too few in flight":           {func(f *steady.Facts) { f.Reached = 18.9 }, "reached in flight 94.5 %, limit at least 95 %"},
		"slots that wait for a place": {func(f *steady.Facts) { f.Reached, f.Waits = 18.9, true }, "reached in flight or waiting 94.5 %, limit at least 95 %"},
		"longer answers":              {func(f *steady.Facts) { f.Delivered = 202.1 }, "output length shift 1.05 %, limit at most 1 %"},
		"shorter answers":             {func(f *steady.Facts) { f.Delivered = 100 }, "output length shift 50 %, limit at most 1 %"},
		"two things": {func(f *steady.Facts) { f.Failed, f.Delivered = 50, 100 },
			"failed requests 50 %, limit at most 1 %; output length shift 50 %, limit at most 1 %"},
	} {
		f := sound()
		c.change(&f)
		v := steady.Judge(f)
		assert.Equal(t, c.broken, v.Broken(true), name)
		assert.Equal(t, c.broken != "", v.Standing == steady.Invalid, name)
		require.Len(t, v.Readings, 4)
	}
	assert.Empty(t, func() string {
		f := sound()
		f.Instrument.Verdict = record.ClientLimited
		return steady.Judge(f).Broken(false)
	}(), "without the client's")
}

// TestWhatIsNotKnownIsNotInvalid: each reading that was not taken is unknown, and so is an output length that the client counted.
func TestWhatIsNotKnownIsNotInvalid(t *testing.T) {
	v := steady.Judge(steady.Facts{Target: 1})
	assert.Equal(t, steady.Valid, v.Standing)
	for _, r := range v.Readings {
		assert.Equal(t, steady.HeldUnknown, r.Verdict, r.Name)
		assert.Zero(t, r.Value, r.Name)
		assert.Equal(t, r.Name+" unknown", r.String())
	}
	f := sound()
	f.Delivered, f.CountedByTheServer = 100, false
	assert.Equal(t, steady.Valid, steady.Judge(f).Standing)
}
