package instrument

import (
	"math"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/stat"
)

// TestSeriesIsExactUpToItsBound compares it with a plain slice; beyond the bound with what is left when every second value goes.
func TestSeriesIsExactUpToItsBound(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 299, seriesBound, seriesBound + 1, 5*seriesBound + 3} {
		var s series
		var all []float64
		most := 0.0
		for range n {
			v := random.Int64N(1e9)
			s.add(v)
			all = append(all, float64(v)/1e6)
			most = max(most, float64(v))
		}
		assert.Equal(t, n, s.n)
		assert.Equal(t, most, float64(s.most), "the largest is never lost")
		assert.LessOrEqual(t, len(s.kept), seriesBound)
		for len(all) > seriesBound {
			var half []float64
			for i := 0; i < len(all); i += 2 {
				half = append(half, all[i])
			}
			all = half
		}
		require.Len(t, s.kept, len(all))
		slices.Sort(all)
		assert.Equal(t, []float64{stat.Percentile(all, 50), stat.Percentile(all, 99)}, s.milliseconds(50, 99))
	}
	assert.True(t, math.IsNaN(new(series).milliseconds(50)[0]))
}

// TestProbeCountsEveryInstantOfAPause: of a pause each millisecond counts with the time that was left of it, and a long one is a gap.
func TestProbeCountsEveryInstantOfAPause(t *testing.T) {
	epoch := time.Now()
	p := &probe{epoch: epoch}
	at := epoch.Add
	due := p.wake(at(0), at(time.Millisecond), at(time.Millisecond+30_000))
	assert.Equal(t, at(2*time.Millisecond), due)
	assert.Equal(t, []int64{30_000}, p.late.kept)
	due = p.wake(at(time.Millisecond), due, at(5*time.Millisecond))
	assert.Equal(t, at(6*time.Millisecond), due)
	assert.Equal(t, []int64{30_000, 3e6, 2e6, 1e6, 0}, p.late.kept)
	due = p.wake(at(5*time.Millisecond), due, at(106*time.Millisecond))
	assert.Empty(t, p.gaps, "100 ms is none")
	p.wake(at(106*time.Millisecond), due, at(1307*time.Millisecond+1))
	assert.Equal(t, []record.Gap{{AtNS: 107e6, LengthNS: 1200e6 + 1}}, p.gaps)
	assert.Equal(t, 1200*time.Millisecond+1, p.lost)
	assert.Equal(t, 1307, p.late.n, "as many instants as milliseconds")
	assert.Equal(t, "the process did not run for 1.2 s at 0.1 s (stopped, suspended or starved)", p.gaps[0].String())
}

// TestGapsKeepTheLongest: their number is bounded, and what they add up to is not.
func TestGapsKeepTheLongest(t *testing.T) {
	p := &probe{}
	for i := range 100 {
		p.gap(record.Gap{AtNS: int64(i), LengthNS: int64((i * 37) % 100)})
	}
	require.Len(t, p.gaps, maxGaps)
	assert.Equal(t, int64(99), p.gaps[0].LengthNS)
	assert.Equal(t, int64(80), p.gaps[maxGaps-1].LengthNS)
	assert.Equal(t, time.Duration(4950), p.lost)
	p.gap(record.Gap{AtNS: 12.3e9, LengthNS: 7e9, Suspended: true})
	assert.Equal(t, time.Duration(4950), p.lost)
	assert.Equal(t, "the clock jumped ahead by 7.0 s at 12.3 s (machine suspended, or clock set)", p.gaps[0].String())
}

func TestHistogramQuantile(t *testing.T) {
	h := histogram{counts: []uint64{0, 98, 1, 1}, edges: []float64{math.Inf(-1), 0.001, 0.002, 0.004, math.Inf(1)}}
	assert.Equal(t, 2.0, h.quantile(0.5))
	assert.Equal(t, 2.0, h.quantile(0.98))
	assert.Equal(t, 4.0, h.quantile(0.99))
	assert.Equal(t, 4.0, h.quantile(1), "the last bucket has no upper edge: its lower one stands")
	assert.Zero(t, histogram{}.quantile(0.5))
}

// TestQuietCollectorRestores: the collector has its pace back afterwards, and a user's own setting is left alone.
func TestQuietCollectorRestores(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	was := gcPercent()
	restore := quietCollector()
	assert.Equal(t, measuringGCPercent, gcPercent())
	restore()
	assert.Equal(t, was, gcPercent())
	t.Setenv("GOGC", "50")
	restore = quietCollector()
	assert.Equal(t, was, gcPercent())
	restore()
}

func gcPercent() int {
	percent := debug.SetGCPercent(100)
	debug.SetGCPercent(percent)
	return percent
}
