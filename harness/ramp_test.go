package harness

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/steady"
)

// TestConcurrencyRamp: slots are filled evenly from the start of the measurement on, each sends its next request when its last one ended, and what was
// reached is judged from the end of the ramp on. The warm-up has none.
func TestConcurrencyRamp(t *testing.T) {
	args := []string{"-concurrencies=5", "-concurrency-ramp-duration=4s", "-request-count=40", "-warmup-requests=5"}
	perform(t, args, answerAfter(400*time.Millisecond), func(t *testing.T, s stage) {
		l := s.run(t, 0)
		require.Equal(t, record.Done, l.Status)
		assert.Empty(t, l.Warnings)
		begun := int64(400e6) + 4 // of the last slot of the warm-up
		assert.Equal(t, begun+4e9, l.FilledNS)
		want := map[int64]int{}
		for slot := range int64(5) {
			for at := slot * 1e9; len(want) < 1000 && at < 10e9; at += 400e6 {
				want[begun+at]++
			}
		}
		var spans []steady.Span
		for _, x := range s.byIndex(t, 0) {
			assert.Positive(t, want[x.StartNS], "start at %d ns", x.StartNS-begun)
			want[x.StartNS]--
			spans = append(spans, steady.Span{StartNS: x.StartNS, EndNS: x.EndNS, OK: true})
		}
		load := steady.Measure(spans, 5, l.FilledNS)
		assert.InDelta(t, 5, load.Reached, 1e-9)
		assert.Less(t, steady.Measure(spans, 5, 0).Reached, 4.75, "with the ramp it would be a fault")
		assert.InDelta(t, 5, l.Instrument.InFlight.Mean, 1e-9)
		assert.Zero(t, l.Instrument.Lateness.MaxMS)
		after := 0
		for _, x := range s.byIndex(t, 0) {
			if x.ScheduledNS > l.FilledNS+4 {
				after++
			}
		}
		assert.Equal(t, after, l.Instrument.Lateness.Requests, "the first start of a slot waits for a timer, which is late by itself")
	})
}

// TestRampThatIsTooLong: slots that find nothing left to send do not wait for their turn, nor do they after a signal.
func TestRampThatIsTooLong(t *testing.T) {
	args := []string{"-concurrencies=4", "-concurrency-ramp-duration=3h", "-request-count=10"}
	perform(t, args, answerAfter(time.Second), func(t *testing.T, s stage) {
		l := s.run(t, 0)
		assert.Equal(t, record.Done, l.Status)
		assert.Equal(t, 10, l.Counts.Outcomes[record.OK])
		assert.Equal(t, int64(10e9), l.EndedNS)
	})
	perform(t, args, answerAfter(time.Second), func(t *testing.T, s stage) {
		ctx, cancel := context.WithCancelCause(s.ctx)
		time.AfterFunc(2500*time.Millisecond, func() { cancel(errors.New("received interrupt")) })
		l, err := s.sweep.RunLevel(ctx, s.sweep.Levels()[0])
		require.NoError(t, err)
		assert.Equal(t, record.Interrupt, l.Status)
		assert.Equal(t, int64(2500e6), l.EndedNS)
	})
}

// TestRateRamp: with a rate that rises from 2 to 10 requests/s over 4 s the k-th request comes when 2 t + t^2 is k; the warm-up has the full rate.
func TestRateRamp(t *testing.T) {
	args := []string{"-request-rate=10", "-request-rate-ramp-duration=4s", "-request-rate-ramp-from=2", "-arrival=constant", "-request-count=30", "-warmup-requests=3"}
	perform(t, args, answerAfter(10*time.Millisecond), func(t *testing.T, s stage) {
		l := s.run(t, 0)
		require.Equal(t, record.Done, l.Status)
		begun := int64(2*100e6 + 10e6)
		assert.Equal(t, begun+4e9, l.FilledNS)
		samples := s.byIndex(t, 0)
		for k, at := range map[int]int64{0: 0, 3: 1e9, 8: 2e9, 15: 3e9, 24: 4e9, 25: 4.1e9, 29: 4.5e9} {
			assert.Equal(t, begun+at, samples[k].StartNS, "request %d", k)
		}
	})
}

// TestRampsArePartOfTheWorkload, and refused where there is nothing that they could raise.
func TestRampsArePartOfTheWorkload(t *testing.T) {
	fingerprint := func(args string) string {
		s, _, err := openIn(t, t.TempDir(), append(strings.Fields(args), "-request-count=20")...)
		require.NoError(t, err)
		return s.run.WorkloadSHA256
	}
	assert.NotEqual(t, fingerprint("-concurrencies=5"), fingerprint("-concurrencies=5 -concurrency-ramp-duration=1s"))
	assert.NotEqual(t, fingerprint("-request-rate=5"), fingerprint("-request-rate=5 -request-rate-ramp-duration=1s"))
	assert.NotEqual(t, fingerprint("-request-rate=5 -request-rate-ramp-duration=1s -request-rate-ramp-from=1"), fingerprint("-request-rate=5 -request-rate-ramp-duration=1s"))
	for flags, want := range map[string]string{
		"-concurrency-ramp-duration=-1s":                     `concurrency-ramp-duration "-1s": must not be negative`,
		"-request-rate-ramp-duration=1s":                     `request-rate-ramp-duration "1s": is for an open loop: -concurrency-ramp-duration is for a closed one`,
		"-request-rate-ramp-from=1":                          `request-rate-ramp-from "1": is for an open loop`,
		"-request-rate=5 -concurrency-ramp-duration=1s":      `concurrency-ramp-duration "1s": is for a closed loop: -request-rate-ramp-duration is for an open one`,
		"-request-rate=5 -request-rate-ramp-from=1":          `request-rate-ramp-from "1": needs -request-rate-ramp-duration`,
		"-request-rate=5 -request-rate-ramp-duration=-1s":    `request-rate-ramp-duration "-1s": must not be negative`,
		"-request-rate=5 -request-rate-ramp-duration=1":      `-request-rate-ramp-duration "1": must be a duration such as 90s, 10m or 1h30m`,
		"-request-rate=5 -request-rate-ramp-from=x -model=m": `-request-rate-ramp-from "x": must be a number`,
	} {
		_, err := planFrom(t, nil, append(strings.Fields(flags), "-endpoint=server:80", "-benchmark-name=b")...)
		assert.ErrorContains(t, err, want, flags)
	}
}
