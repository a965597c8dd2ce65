package harness

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/llmsweep/llmsweep/harness/record"
)

// TestForecastOfTheLevelsThatAreLeft: where levels are left that do not fit before go test's end, that is said. Levels that send for a time take that time,
// however many requests are prepared for more slots; a schedule has its end.
func TestForecastOfTheLevelsThatAreLeft(t *testing.T) {
	closed := func(n, requests int) Level {
		return Level{Point: record.Point{Concurrency: n}, Requests: requests, Number: n, uncounted: true}
	}
	open := func(n int, last time.Duration) Level {
		return Level{Point: record.Point{Rate: float64(n)}, Requests: n * n * n, Number: n, starts: map[record.Phase][]time.Duration{record.Profiling: {0, last}}}
	}
	for name, c := range map[string]struct {
		levels []Level
		took   time.Duration
		want   string
	}{
		"by time, and it fits":       {[]Level{closed(1, 10), closed(2, 100)}, 89 * time.Second, ""},
		"by time":                    {[]Level{closed(1, 10), closed(2, 100)}, 91 * time.Second, "warning: about 1m31s of measurement are left"},
		"hours of time":              {[]Level{closed(1, 1_000_000), closed(2, 1_000_000), closed(3, 1_000_000)}, 3 * time.Hour, "warning: about 6h0m0s of measurement are left"},
		"by a schedule, and it fits": {[]Level{open(1, 20*time.Second), open(2, 88*time.Second)}, 21 * time.Second, ""},
		"by a schedule":              {[]Level{open(1, 20*time.Second), open(2, 91*time.Second)}, 21 * time.Second, "warning: about 1m32s of measurement are left"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log strings.Builder
				s := &Sweep{Plan: &Plan{}, progress: newProgress(Output{Log: &log}), levels: c.levels, deadline: time.Now().Add(90*time.Second + spare)}
				s.forecast(c.levels[0], c.took)
				assert.Equal(t, c.want != "", strings.Contains(log.String(), "warning"), log.String())
				assert.Contains(t, log.String(), c.want)
			})
		})
	}
}
