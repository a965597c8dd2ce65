package arrival_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/arrival"
)

func trace(t *testing.T, scale float64, stamps ...float64) []time.Duration {
	t.Helper()
	starts, err := arrival.Trace(stamps, scale)
	require.NoError(t, err)
	return starts
}

func TestTrace(t *testing.T) {
	const ms = time.Millisecond
	assert.Equal(t, []time.Duration{0, 20 * ms, 20*ms + 1, 30*ms + 500_000}, trace(t, 1, 100, 120, 120, 130.5), "from the first; equal stamps a nanosecond apart")
	assert.Equal(t, []time.Duration{0, 10 * ms}, trace(t, 0.5, 0, 20), "twice the speed")
	assert.Equal(t, []time.Duration{0, 60 * ms}, trace(t, 3, -5, 15))
	assert.Equal(t, []time.Duration{0, ms}, trace(t, 1, 1_790_000_000_000, 1_790_000_000_001), "of the wall clock")
	assert.Empty(t, trace(t, 1))
	assert.Equal(t, []time.Duration{0, 2, 3, 4}, trace(t, 1, 0, 1.5e-6, 2e-6, 2.4e-6), "rounded; what is moved moves the next ones as little as it must")
}

// TestNoTwoStartAtOnce holds crowded traces against the definition: a start is the least number that is not before its own stamp and leaves a
// nanosecond to each request before it.
func TestNoTwoStartAtOnce(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		stamps := make([]float64, 1+r.IntN(60))
		for i := range stamps {
			stamps[i] = float64(r.IntN(60)) / 1e6 // nanoseconds
		}
		slices.Sort(stamps)
		starts := trace(t, 1, stamps...)
		for k := range starts {
			want := time.Duration(0)
			for j := range k + 1 {
				want = max(want, time.Duration(math.Round((stamps[j]-stamps[0])*1e6))+time.Duration(k-j))
			}
			require.Equal(t, want, starts[k])
		}
	}
}

func TestBadTrace(t *testing.T) {
	const years = 300 * 365 * 86400 * 1e3
	for want, c := range map[string]struct {
		stamps []float64
		scale  float64
	}{
		`timestamp "12.5": request 3 of the trace, counted from 0, comes before request 2, at "13": sort the trace`: {[]float64{1, 13, 13, 12.5, 5}, 1},
		`timestamp "NaN": request 1 of the trace, counted from 0, is no time: give milliseconds`:                    {[]float64{1, math.NaN()}, 1},
		`timestamp "NaN": request 0 of the trace, counted from 0, is no time: give milliseconds`:                    {[]float64{math.NaN(), 1}, 1},
		`timestamp "+Inf": request 2 of the trace, counted from 0, is no time: give milliseconds`:                   {[]float64{1, 2, math.Inf(1)}, 1},
		`timestamp "-Inf": request 1 of the trace, counted from 0, is no time: give milliseconds`:                   {[]float64{1, math.Inf(-1)}, 1},
		`timestamp "9460800000000": request 1 of the trace, counted from 0, comes more than 292 years after request 0: give milliseconds, or a smaller -time-scale`: {
			[]float64{0, years}, 1,
		},
		`time-scale "0": must be above 0 and finite`:    {[]float64{0}, 0},
		`time-scale "-1": must be above 0 and finite`:   {[]float64{0}, -1},
		`time-scale "NaN": must be above 0 and finite`:  {[]float64{0}, math.NaN()},
		`time-scale "+Inf": must be above 0 and finite`: {[]float64{0}, math.Inf(1)},
	} {
		starts, err := arrival.Trace(c.stamps, c.scale)
		assert.EqualError(t, err, want)
		assert.Nil(t, starts)
	}
	// Requests at the last possible number of milliseconds: as many find a nanosecond as there are left.
	last := math.Nextafter((1<<63)/1e6, 0)
	crowd := []float64{0}
	for range math.MaxInt64 - int64(last*1e6) + 1 {
		crowd = append(crowd, last)
	}
	assert.Equal(t, time.Duration(1<<63-1), trace(t, 1, crowd...)[len(crowd)-1])
	_, err := arrival.Trace(append(crowd, last), 1)
	assert.ErrorContains(t, err, fmt.Sprintf("request %d of the trace, counted from 0, comes more than 292 years after request 0", len(crowd)))
	assert.Equal(t, time.Duration(years/2*1e6), trace(t, 0.5, 0, years)[1], "a smaller scale does help")
}
