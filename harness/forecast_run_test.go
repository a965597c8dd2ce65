package harness

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/forecast"
	"github.com/llmsweep/llmsweep/harness/record"
)

// TestForecastHoldsTheRun: whatever says when requests start, against a server as fast as the fastest that a forecast thinks of, or as slow as the slowest,
// a level takes as long as it said at its ends, and against one between these a time between.
func TestForecastHoldsTheRun(t *testing.T) {
	trace := inputFile(t, `{"text": "a", "timestamp": 5000, "output_length": 4}
{"text": "b", "timestamp": 5700, "output_length": 4}
{"text": "c", "timestamp": 9100, "output_length": 4}
`)
	// Answers of four tokens. Those of a closed loop wait for the prompts of others, too, which are shorter than what these are rounded up by.
	const fast, between, slow = 66 * time.Millisecond, 700 * time.Millisecond, 2150 * time.Millisecond
	for flags, wide := range map[string]time.Duration{ // by how much a time may be off the end of the range
		"-concurrencies=5 -request-count=50":                                                                                  40 * time.Millisecond,
		"-concurrencies=5 -request-count=50 -warmup-requests=7":                                                               40 * time.Millisecond,
		"-concurrencies=5 -request-count=50 -concurrency-ramp-duration=4s":                                                    100 * time.Millisecond,
		"-concurrencies=5 -request-count=50 -concurrency-ramp-duration=40s":                                                   100 * time.Millisecond,
		"-concurrencies=1 -request-count=9 -concurrency-ramp-duration=40s":                                                    20 * time.Millisecond,
		"-concurrencies=5 -duration=10s":                                                                                      slow,
		"-concurrencies=5 -duration=10s -concurrency-ramp-duration=4s":                                                        slow,
		"-concurrencies=5 -duration=10s -grace-period=300ms":                                                                  300 * time.Millisecond,
		"-concurrencies=5 -duration=1h -request-count=50 -concurrency-ramp-duration=4s":                                       100 * time.Millisecond,
		"-request-rate=10 -arrival=constant -request-count=30":                                                                20 * time.Millisecond,
		"-request-rate=10 -request-count=30 -request-rate-ramp-duration=8s":                                                   20 * time.Millisecond,
		"-request-rate=10 -request-count=30 -request-rate-ramp-duration=8s -request-rate-ramp-from=40":                        20 * time.Millisecond,
		"-request-rate=10 -duration=5s -request-rate-ramp-duration=8s":                                                        20 * time.Millisecond,
		"-request-rate=10 -arrival=constant -duration=5s -grace-period=100ms":                                                 20 * time.Millisecond,
		"-request-rate=10 -arrival=constant -request-count=30 -warmup-duration=2s -warmup-request-rate=5":                     20 * time.Millisecond,
		"-request-rate=10 -arrival=constant -request-count=30 -warmup-requests=6 -warmup-concurrency=3":                       20 * time.Millisecond,
		"-concurrencies=5 -request-count=50 -warmup-duration=2s -warmup-request-rate=5 -arrival=constant":                     40 * time.Millisecond,
		"-concurrencies=5 -request-count=50 -warmup-duration=3s -warmup-concurrency=1 -warmup-grace-period=10ms":              100 * time.Millisecond,
		"-request-rate=10 -arrival=constant -request-count=30 -max-in-flight=5":                                               3 * time.Second,
		"-fixed-schedule -input-file=" + trace:                                                                                20 * time.Millisecond,
		"-fixed-schedule -time-scale=0.5 -input-file=" + trace:                                                                20 * time.Millisecond,
		"-fixed-schedule -time-scale=3 -input-file=" + trace:                                                                  20 * time.Millisecond,
		"-fixed-schedule -time-scale=3 -input-file=" + trace + " -duration=10s -request-count=3 -dataset-sampling=sequential": slow,
	} {
		for _, answer := range []time.Duration{fast, between, slow} {
			perform(t, strings.Fields(flags), answerAfter(answer), func(t *testing.T, s stage) {
				r := forecast.Duration(s.sweep.planned()[0], nil)
				l := s.run(t, 0)
				require.Equal(t, record.Done, l.Status, flags)
				took := time.Duration(l.EndedNS)
				assert.LessOrEqual(t, r.Low, took, "%s at %v", flags, answer)
				assert.GreaterOrEqual(t, r.High+10*time.Millisecond, took, "%s at %v", flags, answer)
				if !strings.Contains(flags, "-duration=3s") && answer == fast {
					assert.InDelta(t, r.Low, took, float64(wide+r.Low/50), "%s: it is no wider than it must be", flags)
				}
				if !strings.Contains(flags, "-duration=3s") && answer == slow {
					assert.InDelta(t, r.High, took, float64(wide), "%s: it is no wider than it must be", flags)
				}
			})
		}
	}
}
