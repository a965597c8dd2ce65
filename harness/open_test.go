package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/record"
)

// byIndex are the measured samples of a level in the order of their numbers.
func (s stage) byIndex(t *testing.T, i int) []*record.Sample {
	t.Helper()
	samples := slices.DeleteFunc(s.samples(t, i), func(x *record.Sample) bool { return x.Phase != record.Profiling })
	slices.SortFunc(samples, func(a, b *record.Sample) int { return a.Index - b.Index })
	return samples
}

// TestOpenLoopStartsOnSchedule whatever became of the requests before: ten are in flight, and none was asked to wait for another.
func TestOpenLoopStartsOnSchedule(t *testing.T) {
	perform(t, []string{"-request-rate=10", "-arrival=constant", "-request-count=30", "-warmup-requests=5"}, answerAfter(time.Second), func(t *testing.T, s stage) {
		assert.Equal(t, "r10", s.sweep.Levels()[0].Name)
		l := s.run(t, 0)
		assert.Equal(t, record.Done, l.Status)
		assert.Equal(t, record.Point{Rate: 10}, l.Point)
		assert.Equal(t, record.Counts{Planned: 30, Outcomes: map[record.Outcome]int{record.OK: 30}}, l.Counts)
		assert.Equal(t, 5, l.Warmup.Ended())
		assert.Empty(t, l.Waited)
		assert.Empty(t, l.Warnings)
		begun := int64(4*100e6 + 1e9) // the warm-up's last start and its answer
		for i, x := range s.byIndex(t, 0) {
			assert.Equal(t, begun+int64(i)*100e6, x.ScheduledNS)
			assert.Equal(t, x.ScheduledNS, x.StartNS)
			assert.Equal(t, x.StartNS+1e9, x.EndNS)
			assert.True(t, x.Timed)
			assert.Zero(t, x.PlacedNS)
		}
	})
}

// TestOpenLoopSchedule: the seed determines it, each rate and phase has its own, and it is part of the workload's fingerprint.
func TestOpenLoopSchedule(t *testing.T) {
	open := func(args ...string) *Sweep {
		s, _, err := openIn(t, t.TempDir(), append([]string{"-request-rate=2,5", "-request-count=50", "-warmup-requests=50", "-nonce=1"}, args...)...)
		require.NoError(t, err)
		return s
	}
	first, same, nonce, seed := open(), open(), open("-nonce=2"), open("-seed=7")
	for i, rate := range []float64{2, 5} {
		l := first.Levels()[i]
		require.Len(t, l.starts[record.Profiling], 50)
		last := l.starts[record.Profiling][49].Seconds()
		assert.InDelta(t, 50/rate, last, 4*math.Sqrt(50)/rate, "four deviations of the 50th arrival")
		assert.NotEqual(t, l.starts[record.Warmup], l.starts[record.Profiling])
		assert.Equal(t, l.starts, same.Levels()[i].starts)
		assert.Equal(t, l.starts, nonce.Levels()[i].starts)
		assert.NotEqual(t, l.starts, seed.Levels()[i].starts)
		assert.Equal(t, l.fingerprint, nonce.Levels()[i].fingerprint)
	}
	assert.Equal(t, first.run.WorkloadSHA256, nonce.run.WorkloadSHA256)
	for _, other := range [][]string{{"-seed=7"}, {"-arrival=constant"}, {"-arrival=gamma", "-burstiness=0.5"}, {"-request-rate=2,6"}} {
		assert.NotEqual(t, first.run.WorkloadSHA256, open(other...).run.WorkloadSHA256, other)
	}
}

// stalling answers after 10 ms, but nothing that comes between 30 and 32 s after the first request before that is over.
func stalling() http.HandlerFunc {
	var first time.Time
	return func(w http.ResponseWriter, r *http.Request) {
		if first.IsZero() {
			first = time.Now()
		}
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		time.Sleep(stalled(time.Since(first)) - time.Since(first))
		fmt.Fprint(w, oneChunk+endMark)
	}
}

// stalled is when a request that comes at a time is answered.
func stalled(at time.Duration) time.Duration {
	if at >= 30*time.Second && at < 32*time.Second {
		at = 32 * time.Second
	}
	return at + served
}

// served is how long an answer takes: not by chance does one end when another request is due.
const served = 10*time.Millisecond + 7

// TestStallIsSeenFromTheSchedule: of 50 requests a second over a minute with one stall of two seconds, the times from the schedule are those of whoever
// would have asked, to the nanosecond. With a cap of four in flight the times from the sending hide the stall: hardly anything is sent in it.
func TestStallIsSeenFromTheSchedule(t *testing.T) {
	const n, rate = 3000, 50
	for _, places := range []int{0, 4} {
		var fromSchedule, fromSending []float64
		var ends []time.Duration // of the places
		waited, released := 0, time.Duration(0)
		for k := range n {
			due := time.Duration(k) * time.Second / rate
			start := max(due, released)
			if places > 0 && len(ends) == places {
				slices.Sort(ends)
				start = max(start, ends[0])
				ends = ends[1:]
			}
			if start > due {
				waited++
			}
			released = start
			ends = append(ends, stalled(start))
			if places == 0 {
				ends = nil
			}
			fromSchedule = append(fromSchedule, (stalled(start)-due).Seconds()*1e3)
			fromSending = append(fromSending, (stalled(start)-start).Seconds()*1e3)
		}
		t.Run(fmt.Sprintf("%d places", places), func(t *testing.T) {
			perform(t, []string{"-request-rate=50", "-arrival=constant", fmt.Sprintf("-max-in-flight=%d", places)}, stalling(), func(t *testing.T, s stage) {
				l := s.run(t, 0)
				require.Equal(t, record.Done, l.Status)
				a := metric.NewAccumulator(l.StartedAt)
				for _, x := range s.samples(t, 0) {
					a.Add(x)
				}
				got := map[string]float64{}
				for _, r := range a.Results() {
					got[r.Tag] = r.Summary.P99
				}
				assert.InDelta(t, p99(fromSchedule), got["scheduled_time_to_first_token"], 1e-6)
				assert.InDelta(t, p99(fromSchedule), got["scheduled_request_latency"], 1e-6)
				assert.InDelta(t, p99(fromSending), got["time_to_first_token"], 1e-6)
				t.Logf("p99 from the schedule %.1f ms, from the sending %.1f ms", p99(fromSchedule), p99(fromSending))
				if places > 0 {
					assert.InDelta(t, served.Seconds()*1e3, p99(fromSending), 1e-9, "the stall is hidden")
				}
				assert.Greater(t, p99(fromSchedule), 1300.)
				assert.Equal(t, waited, l.Waited.Requests)
				assert.Equal(t, waited > 0, strings.Contains(strings.Join(l.Warnings, "\n"), "waited for a place"))
				late := l.Instrument.Lateness
				assert.Zero(t, late.MaxMS, "it is no fault of the client's")
			})
		})
	}
}

// p99 interpolates linearly.
func p99(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	at := 0.99 * float64(len(sorted)-1)
	low := int(at)
	return sorted[low] + (at-float64(low))*(sorted[low+1]-sorted[low])
}

// TestOpenLoopStops: what is due after a signal is not started, also where the next start is far away and where a place is waited for.
func TestOpenLoopStops(t *testing.T) {
	for _, c := range []struct {
		args    []string
		started int
	}{
		{[]string{"-request-rate=1"}, 3},
		{[]string{"-request-rate=0.001"}, 1},
		{[]string{"-request-rate=100", "-max-in-flight=2"}, 2},
	} {
		perform(t, append(c.args, "-arrival=constant", "-request-count=20"), answerAfter(time.Hour), func(t *testing.T, s stage) {
			ctx, cancel := context.WithCancelCause(s.ctx)
			time.AfterFunc(2500*time.Millisecond, func() { cancel(errors.New("received interrupt")) })
			l, err := s.sweep.RunLevel(ctx, s.sweep.Levels()[0])
			require.NoError(t, err)
			assert.Equal(t, record.Interrupt, l.Status)
			assert.Equal(t, c.started, l.Counts.Outcomes[record.Cancelled], c.args)
			assert.Equal(t, 20-c.started, l.Counts.NotStarted)
			assert.Equal(t, int64(2500e6), l.EndedNS)
		})
	}
}

// TestOpenLoopIsContinued: what is left starts in its own gaps after the break.
func TestOpenLoopIsContinued(t *testing.T) {
	args := []string{"-request-rate=2", "-arrival=constant", "-request-count=8"}
	dir := killedAt(t, t.TempDir(), args, answerAfter(100*time.Millisecond), 1800*time.Millisecond)
	performIn(t, dir, append(args, "-resume=request"), answerAfter(100*time.Millisecond), func(t *testing.T, s stage) {
		time.Sleep(time.Minute)
		l := s.run(t, 0)
		assert.Equal(t, record.Done, l.Status)
		var starts []int64
		for _, x := range s.byIndex(t, 0) {
			starts = append(starts, x.StartNS)
		}
		again := l.Breaks[0].ToNS
		kept := l.Breaks[0].AtRequest
		want := []int64{0, 500e6, 1000e6, 1500e6, 2000e6, 2500e6, 3000e6, 3500e6}
		for i := kept; i < 8; i++ {
			want[i] = again + int64(i-kept)*500e6
		}
		assert.Equal(t, want, starts)
	})
}

// TestDuration ends the sending of either loop after a time; what is in flight then has the grace period, and is cancelled after it.
func TestDuration(t *testing.T) {
	for _, c := range []struct {
		args            []string
		answer          time.Duration
		ok, cancelled   int
		ended           time.Duration
		planned, unsent int
	}{
		// Starts at 0, 100, ..., 900 ms.
		{[]string{"-request-rate=10", "-arrival=constant", "-duration=1s"}, 250 * time.Millisecond, 10, 0, 1150 * time.Millisecond, 10, 0},
		{[]string{"-request-rate=10", "-arrival=constant", "-duration=1s", "-request-count=4"}, 250 * time.Millisecond, 4, 0, 550 * time.Millisecond, 4, 0},
		{[]string{"-request-rate=10", "-arrival=constant", "-duration=1s", "-grace-period=2s"}, 2450 * time.Millisecond, 6, 4, 3 * time.Second, 10, 0},
		{[]string{"-request-rate=10", "-arrival=constant", "-duration=1s", "-grace-period=2s", "-max-in-flight=3"}, time.Hour, 0, 3, 3 * time.Second, 10, 7},
		// Three slots, 300 ms each: four rounds begin before 1 s.
		{[]string{"-concurrencies=3", "-duration=1s"}, 300 * time.Millisecond, 12, 0, 1200*time.Millisecond + 2, 12, 0},
		{[]string{"-concurrencies=3", "-duration=1s", "-request-count=4"}, 300 * time.Millisecond, 4, 0, 600 * time.Millisecond, 4, 0},
		{[]string{"-concurrencies=3", "-duration=1s", "-request-count=100"}, 300 * time.Millisecond, 12, 0, 1200*time.Millisecond + 2, 100, 88},
		{[]string{"-concurrencies=2", "-duration=1s", "-grace-period=0s"}, 400 * time.Millisecond, 4, 2, time.Second, 6, 0},
	} {
		perform(t, c.args, answerAfter(c.answer), func(t *testing.T, s stage) {
			l := s.run(t, 0)
			assert.Equal(t, record.Done, l.Status, c.args)
			assert.Equal(t, c.ok, l.Counts.Outcomes[record.OK], c.args)
			assert.Equal(t, c.cancelled, l.Counts.Reasons[record.Cancelled][record.ByGrace], c.args)
			assert.Equal(t, c.planned, l.Counts.Planned, c.args)
			assert.Equal(t, c.unsent, l.Counts.NotStarted, c.args)
			assert.Equal(t, c.ended, time.Duration(l.EndedNS), c.args)
			shown := s.sweep.Levels()[0]
			assert.Equal(t, strings.HasPrefix(c.args[0], "-c") && !strings.Contains(fmt.Sprint(c.args), "-request-count"), shown.uncounted, c.args)
			assert.Equal(t, time.Second, shown.lasts)
		})
	}
	_, err := resolveHere(t, "-request-rate=0.001", "-duration=1s")
	require.ErrorContains(t, err, "no request comes within -duration 1s: make it longer, or the rate higher")
}

// TestTraceWithinADuration: of a trace those requests are planned that come within -duration, and the level ends with the last of them; where another
// would have come later nobody waits for that. One that comes at its end does not come within it.
func TestTraceWithinADuration(t *testing.T) {
	path := inputFile(t, strings.Join([]string{`{"timestamp":5000,"input_length":9}`, `{"timestamp":5300,"input_length":9}`, `{"timestamp":6000,"input_length":9}`, `{"timestamp":99000,"input_length":9}`, ""}, "\n"))
	for args, want := range map[string]struct {
		planned int
		ended   time.Duration
	}{
		"-duration=1h":                     {4, 94*time.Second + 50*time.Millisecond},
		"-duration=1001ms":                 {3, 1050 * time.Millisecond},
		"-duration=1s":                     {2, 350 * time.Millisecond},
		"-duration=1h -time-scale=1e4":     {2, 3000*time.Second + 50*time.Millisecond},
		"-duration=1h -request-count=2":    {2, 350 * time.Millisecond},
		"-duration=320ms -grace-period=1s": {2, 350 * time.Millisecond},
		"-duration=1ns":                    {1, 50 * time.Millisecond},
	} {
		perform(t, append(strings.Fields(args), "-fixed-schedule", "-input-file="+path), answerAfter(50*time.Millisecond), func(t *testing.T, s stage) {
			l := s.run(t, 0)
			assert.Equal(t, record.Done, l.Status)
			assert.Equal(t, record.Counts{Planned: want.planned, Outcomes: map[record.Outcome]int{record.OK: want.planned}}, l.Counts, args)
			assert.Equal(t, want.ended, time.Duration(l.EndedNS), args)
			assert.Empty(t, l.Warnings, args)
			replayed := fmt.Sprintf("the first %d of its 4 records are replayed", want.planned)
			assert.Equal(t, want.planned < 4, strings.Contains(strings.Join(s.sweep.inputNotes(), "\n"), replayed), args)
		})
	}
}

// TestSchedulesOfDays: a rate with which the requests take more than a day has a warning, unless it was said how long they are sent.
func TestSchedulesOfDays(t *testing.T) {
	trace := inputFile(t, `{"timestamp":0,"input_length":9}`+"\n"+`{"timestamp":86400001,"input_length":9}`+"\n")
	for args, want := range map[string][]string{
		"-request-rate=1e-4,1e-5 -arrival=constant -request-count=9": {"r0.00001: its requests, 9, are sent over 9.26 days: -request-rate makes that shorter, -duration ends it"},
		"-request-rate=1e-5 -arrival=constant -repeats=2":            {"r0.00001/run-1: its requests, 10, are sent over 10.4 days: -request-rate makes that shorter, -duration ends it"},
		"-request-rate=1e-5 -arrival=constant -duration=240h":        nil,
		"-request-rate=1e-5 -arrival=constant -max-duration=1h":      nil,
		"-concurrencies=1 -warmup-request-rate=1e-5 -warmup-requests=2 -arrival=constant": {
			"c1: its warm-up's requests, 2, are sent over 1.16 days: -warmup-request-rate makes that shorter, -warmup-duration ends it"},
		"-fixed-schedule -input-file=" + trace:                  {"trace: its requests, 2, are sent over 1 days: -time-scale makes that shorter, -duration ends it"},
		"-fixed-schedule -time-scale=0.99 -input-file=" + trace: nil,
	} {
		s, err := resolveHere(t, strings.Fields(args)...)
		require.NoError(t, err)
		assert.Equal(t, want, slices.DeleteFunc(s.run.Warnings, func(w string) bool { return !strings.Contains(w, "days") }), args)
	}
}

// resolveHere opens a sweep in a folder of its own.
func resolveHere(t *testing.T, args ...string) (*Sweep, error) {
	t.Helper()
	s, _, err := openIn(t, t.TempDir(), args...)
	return s, err
}
