package harness

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
)

// startsOf are the starts of a phase's requests in their order.
func (s stage) startsOf(t *testing.T, phase record.Phase) (starts []int64) {
	t.Helper()
	for _, x := range s.samples(t, 0) {
		if x.Phase == phase {
			starts = append(starts, x.StartNS)
		}
	}
	slices.Sort(starts)
	return starts
}

// rounds are the starts of slots that are nanoseconds apart, each of which sends again every gap.
func rounds(from int64, slots, requests int, gap time.Duration) (starts []int64) {
	for i := range requests {
		starts = append(starts, from+int64(i/slots)*gap.Nanoseconds()+int64(i%slots))
	}
	return starts
}

// every is a schedule of equal gaps.
func every(gap time.Duration, n int) (starts []int64) {
	for i := range n {
		starts = append(starts, int64(i)*gap.Nanoseconds())
	}
	return starts
}

// TestWarmup of each kind before levels of each kind: its requests start when they should, to the nanosecond, and the measurement when the last of them has ended.
func TestWarmup(t *testing.T) {
	const answer = 270 * time.Millisecond
	closed, open := []string{"-concurrencies=3", "-request-count=7"}, []string{"-request-rate=10", "-arrival=constant", "-request-count=7"}
	for name, c := range map[string]struct {
		level, flags       []string
		starts             []int64
		planned, unstarted int
	}{
		"closed, a time":             {closed, []string{"-warmup-duration=1s"}, rounds(0, 3, 12, answer), 12, 0},
		"closed, the number first":   {closed, []string{"-warmup-duration=1s", "-warmup-requests=4"}, rounds(0, 3, 4, answer), 4, 0},
		"closed, the time first":     {closed, []string{"-warmup-duration=1s", "-warmup-requests=50"}, rounds(0, 3, 12, answer), 50, 38},
		"closed, fewer in flight":    {closed, []string{"-warmup-duration=1s", "-warmup-concurrency=2"}, rounds(0, 2, 8, answer), 8, 0},
		"closed, more in flight":     {closed, []string{"-warmup-requests=9", "-warmup-concurrency=5"}, rounds(0, 5, 9, answer), 9, 0},
		"closed, at a rate":          {closed, []string{"-warmup-duration=1s", "-warmup-request-rate=20", "-arrival=constant"}, every(50*time.Millisecond, 20), 20, 0},
		"closed, a number at a rate": {closed, []string{"-warmup-requests=4", "-warmup-request-rate=20", "-arrival=constant"}, every(50*time.Millisecond, 4), 4, 0},
		"open, a time":               {open, []string{"-warmup-duration=1s"}, every(100*time.Millisecond, 10), 10, 0},
		"open, the number first":     {open, []string{"-warmup-duration=1s", "-warmup-requests=4"}, every(100*time.Millisecond, 4), 4, 0},
		"open, at another rate":      {open, []string{"-warmup-duration=1s", "-warmup-request-rate=5"}, every(200*time.Millisecond, 5), 5, 0},
		"open, in flight":            {open, []string{"-warmup-duration=1s", "-warmup-concurrency=2"}, rounds(0, 2, 8, answer), 8, 0},
		"closed by time, a time":     {[]string{"-concurrencies=3", "-duration=700ms"}, []string{"-warmup-duration=1s"}, rounds(0, 3, 12, answer), 12, 0},
	} {
		t.Run(name, func(t *testing.T) {
			perform(t, append(c.level, c.flags...), answerAfter(answer), func(t *testing.T, s stage) {
				l := s.run(t, 0)
				require.Equal(t, record.Done, l.Status)
				assert.Equal(t, c.starts, s.startsOf(t, record.Warmup))
				assert.Equal(t, record.Counts{Planned: c.planned, NotStarted: c.unstarted, Outcomes: map[record.Outcome]int{record.OK: len(c.starts)}}, l.Warmup)
				begun := c.starts[len(c.starts)-1] + answer.Nanoseconds()
				want := rounds(begun, 3, 7, answer)
				switch {
				case s.sweep.Levels()[0].Open():
					want = every(100*time.Millisecond, 7)
					for i := range want {
						want[i] += begun
					}
				case s.sweep.Plan.Duration > 0:
					want = rounds(begun, 3, 9, answer)
				}
				assert.Equal(t, want, s.startsOf(t, record.Profiling))
				assert.Equal(t, record.Counts{Planned: len(want), Outcomes: map[record.Outcome]int{record.OK: len(want)}}, l.Counts)
				assert.Equal(t, want[len(want)-1]+answer.Nanoseconds(), l.EndedNS)
				assert.Equal(t, len(want), l.Instrument.Lateness.Requests+min(3, len(want))*closedLoop(l), "the instrument has watched the measurement alone")
				assert.Empty(t, l.Warnings)
				for _, x := range s.samples(t, 0) {
					warmOpen := x.Phase == record.Warmup && (s.sweep.Plan.WarmupRate > 0 || l.Open() && s.sweep.Plan.WarmupConcurrency == 0)
					assert.Equal(t, warmOpen || x.Phase == record.Profiling && l.Open(), x.Timed)
				}
			})
		})
	}
}

// closedLoop is 1 for a closed loop, whose first starts wait for a timer.
func closedLoop(l *record.Level) int {
	if l.Open() {
		return 0
	}
	return 1
}

// TestWarmupHasTheGapsOfTheMeasurement, whatever the loop of that, and other ones: chance has streams of its own.
func TestWarmupHasTheGapsOfTheMeasurement(t *testing.T) {
	starts := func(args ...string) map[record.Phase][]time.Duration {
		s, _, err := openIn(t, t.TempDir(), append(args, "-request-count=20")...)
		require.NoError(t, err)
		return s.Levels()[0].starts
	}
	level := starts("-request-rate=5", "-warmup-requests=20")
	own := starts("-request-rate=5", "-warmup-requests=20", "-warmup-request-rate=10")
	for i, at := range level[record.Warmup] {
		assert.InDelta(t, at/2, own[record.Warmup][i], 1)
	}
	assert.Equal(t, level[record.Profiling], own[record.Profiling])
	assert.NotEqual(t, level[record.Warmup], level[record.Profiling])
	closed := starts("-concurrencies=5", "-warmup-requests=20", "-warmup-request-rate=5", "-arrival=gamma", "-burstiness=0.5")
	assert.Len(t, closed[record.Warmup], 20)
	assert.Nil(t, closed[record.Profiling])
	assert.Equal(t, starts("-request-rate=5", "-request-rate-ramp-duration=1m", "-warmup-requests=20")[record.Warmup], level[record.Warmup], "a ramp is the measurement's")
}

// TestWarmupGrace: by default the measurement waits for all of the warm-up, with a grace period only for so long.
func TestWarmupGrace(t *testing.T) {
	args := []string{"-concurrencies=2", "-request-count=4", "-warmup-duration=1s"}
	perform(t, append(args, "-warmup-grace-period=50ms"), answerAfter(400*time.Millisecond), func(t *testing.T, s stage) {
		l := s.run(t, 0)
		require.Equal(t, record.Done, l.Status)
		assert.Equal(t, 4, l.Warmup.Outcomes[record.OK])
		assert.Equal(t, 2, l.Warmup.Reasons[record.Cancelled][record.ByGrace])
		assert.Equal(t, rounds(1050e6, 2, 4, 400*time.Millisecond), s.startsOf(t, record.Profiling))
		assert.Equal(t, []string{"2 requests of the warm-up were cancelled (grace): the server may have been at work on them when the measurement began"}, l.Warnings)
	})
	perform(t, append(args, "-warmup-grace-period=50ms"), answerAfter(300*time.Millisecond), func(t *testing.T, s stage) {
		l := s.run(t, 0)
		assert.Equal(t, int64(1650e6+1), l.EndedNS)
		assert.Equal(t, 8, l.Warmup.Ended(), "those of 900 ms have 150 ms more, and are cancelled")
		assert.Equal(t, 2, l.Warmup.Outcomes[record.Cancelled])
	})
}

// TestWarmupThatIsNotAnswered ends with the limits of its requests.
func TestWarmupThatIsNotAnswered(t *testing.T) {
	var asked atomic.Bool
	perform(t, []string{"-concurrencies=1", "-request-count=3", "-warmup-duration=1s", "-request-timeout=5s"}, func(w http.ResponseWriter, r *http.Request) {
		answer := 100 * time.Millisecond
		if !asked.Swap(true) {
			answer = time.Hour
		}
		answerAfter(answer)(w, r)
	}, func(t *testing.T, s stage) {
		l := s.run(t, 0)
		assert.Equal(t, record.Done, l.Status)
		assert.Equal(t, record.Counts{Planned: 1, Outcomes: map[record.Outcome]int{record.TimedOut: 1}, Reasons: l.Warmup.Reasons}, l.Warmup)
		assert.Equal(t, rounds(5e9, 1, 3, 100*time.Millisecond), s.startsOf(t, record.Profiling))
		assert.Zero(t, l.Counts.Failures())
	})
}

// TestWarmupAsksOtherPrompts than the measurement: it fills no cache with what is measured.
func TestWarmupAsksOtherPrompts(t *testing.T) {
	var server listener
	perform(t, []string{"-concurrencies=2", "-isl=20", "-request-count=10", "-warmup-duration=200ms", "-warmup-concurrency=3"}, server.answer, func(t *testing.T, s stage) {
		l := s.run(t, 0)
		seen := map[string]bool{}
		for _, prompt := range server.prompts(t) {
			start := strings.Join(strings.Fields(prompt)[:4], " ")
			assert.False(t, seen[start], "two prompts begin with %q", start)
			seen[start] = true
		}
		assert.Len(t, seen, l.Warmup.Ended()+10)
		assert.Equal(t, 12, l.Warmup.Ended())
	})
}

// TestWarmupIsPartOfTheWorkload, and what is said of it stands in the configuration.
func TestWarmupIsPartOfTheWorkload(t *testing.T) {
	fingerprints := map[string]string{}
	for _, args := range []string{
		"", "-warmup-requests=20", "-warmup-duration=1s", "-warmup-duration=2s -warmup-requests=20", "-warmup-requests=20 -warmup-concurrency=2", "-warmup-requests=20 -warmup-request-rate=5",
		"-warmup-requests=20 -warmup-request-rate=5 -arrival=constant", "-warmup-requests=20 -warmup-request-rate=5 -arrival=gamma -burstiness=2",
	} {
		for _, level := range []string{"-concurrencies=1", "-request-rate=5"} {
			if strings.Contains(level, "rate") && strings.Contains(args, "-warmup-request-rate=5") {
				continue // it is that of the level
			}
			s, _, err := openIn(t, t.TempDir(), append(strings.Fields(level+" "+args), "-request-count=20")...)
			require.NoError(t, err)
			other := fingerprints[s.run.WorkloadSHA256]
			assert.Empty(t, other, "%s %s", level, args)
			fingerprints[s.run.WorkloadSHA256] = level + " " + args
		}
	}
	want, err := planFrom(t, nil, "-warmup-requests=5", "-warmup-duration=30s", "-warmup-request-rate=0.5", "-arrival=constant", "-warmup-grace-period=0s")
	require.NoError(t, err)
	got, err := planFrom(t, nil, "-config="+configFile(t, written(t, want)))
	require.NoError(t, err)
	assert.Equal(t, alike(want), alike(got))
	assert.Equal(t, "5 requests or 30s with 0.5 requests/s", got.Warmup())
}

// TestBadWarmups are refused before anything is sent.
func TestBadWarmups(t *testing.T) {
	const none = "needs a warm-up: say how long it is with -warmup-requests or -warmup-duration"
	for flags, want := range map[string]string{
		"-warmup-duration=-1s":                                                               `warmup-duration "-1s": must not be negative`,
		"-warmup-duration=1":                                                                 `-warmup-duration "1": must be a duration such as 90s, 10m or 1h30m`,
		"-warmup-concurrency=2":                                                              `warmup-concurrency "2": ` + none,
		"-warmup-request-rate=2":                                                             `warmup-request-rate "2": ` + none,
		"-warmup-concurrency=-2 -warmup-requests=1":                                          `warmup-concurrency "-2": must be at least 0`,
		"-warmup-request-rate=-2 -warmup-requests=1":                                         `warmup-request-rate "-2": must be above 0`,
		"-warmup-request-rate=NaN -warmup-requests=1":                                        `warmup-request-rate "NaN": must be above 0`,
		"-warmup-request-rate=1e7 -warmup-requests=1":                                        `warmup-request-rate "1e+07": must be at most 1000000 per second`,
		"-warmup-request-rate=1e5 -warmup-duration=10m":                                      `warmup-request-rate "100000": sends more than 10000000 requests in a -warmup-duration of 10m0s: shorten it or lower the rate`,
		"-warmup-request-rate=x -warmup-requests=1":                                          `-warmup-request-rate "x": must be a number`,
		"-warmup-request-rate=2 -warmup-requests=1 -warmup-concurrency=2":                    `warmup-request-rate "2": cannot go with -warmup-concurrency: a warm-up is an open loop or a closed one`,
		"-warmup-request-rate=2 -warmup-requests=1 -arrival=even":                            `arrival "even": must be constant, poisson or gamma`,
		"-warmup-request-rate=2 -warmup-requests=1 -burstiness=2":                            `burstiness "2": needs -arrival gamma`,
		"-warmup-request-rate=2 -warmup-requests=1 -request-rate=5 -burstiness=2":            `burstiness "2": needs -arrival gamma`,
		"-warmup-grace-period=1s -warmup-requests=1":                                         `warmup-grace-period "1s": is what follows a -warmup-duration, which is missing`,
		"-warmup-grace-period=-1s -warmup-duration=1s":                                       `warmup-grace-period "-1s": must not be negative`,
		"-warmup-duration=1s -resume=request":                                                `resume "request": cannot go with -warmup-duration, which is of one load without a break`,
		"-warmup-duration=1s -fixed-schedule -input-file=x -custom-dataset-type=single_turn": `fixed-schedule "true": cannot go with -warmup-requests or -warmup-duration, which would take the trace's first records`,
	} {
		_, err := planFrom(t, nil, append(strings.Fields(flags), "-endpoint=server:80", "-benchmark-name=b")...)
		if assert.ErrorContains(t, err, want, flags) {
			assert.NotContains(t, err.Error(), "\n", "one fault, one line")
		}
	}
	_, err := resolveHere(t, "-concurrencies=1", "-warmup-request-rate=0.001", "-warmup-duration=1s")
	require.ErrorContains(t, err, "no request comes within -warmup-duration 1s: make it longer, or the rate higher")
}

// TestWarmupOfMoreThanWasPrepared says that it was shorter than was asked for.
func TestWarmupOfMoreThanWasPrepared(t *testing.T) {
	perform(t, []string{"-concurrencies=1", "-request-count=3", "-warmup-duration=2s"}, answerAfter(10*time.Millisecond), func(t *testing.T, s stage) {
		l := s.run(t, 0)
		assert.Equal(t, []string{"all of 40 prepared requests of the warm-up were sent before -warmup-duration was over: pass a larger -warmup-requests"}, l.Warnings)
		assert.Equal(t, int64(430e6), l.EndedNS)
	})
}

// TestResumeWarmsUpAgain: a level that was stopped, in its warm-up or after it, is repeated with all of that; with another one the plan is another.
func TestResumeWarmsUpAgain(t *testing.T) {
	for _, warmup := range []string{"-warmup-duration=1100ms", "-warmup-duration=500ms"} {
		dir := stopped(t, warmup)
		args := []string{"-concurrencies=2", "-request-count=10", "-resume"}
		_, _, err := openIn(t, dir, append(args, warmup, "-warmup-concurrency=1")...)
		require.ErrorContains(t, err, `warmup-concurrency: "0" in the run, "1" now`)
		performIn(t, dir, append(args, warmup), answerAfter(400*time.Millisecond), func(t *testing.T, s stage) {
			l := s.run(t, 0)
			require.Equal(t, record.Done, l.Status)
			sent := map[string]int{"-warmup-duration=1100ms": 6, "-warmup-duration=500ms": 4}[warmup]
			assert.Equal(t, rounds(0, 2, sent, 400*time.Millisecond), s.startsOf(t, record.Warmup))
			assert.Equal(t, rounds(int64(sent/2)*400e6+1, 2, 10, 400*time.Millisecond), s.startsOf(t, record.Profiling))
			assert.Equal(t, sent, l.Warmup.Planned)
		})
	}
}
