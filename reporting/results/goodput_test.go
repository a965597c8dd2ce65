package results

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/stat"
)

// TestMissesThatClusterProveLess: as many misses, once spread evenly and once in a row, share one attainment and have different bounds.
func TestMissesThatClusterProveLess(t *testing.T) {
	of := func(missed func(i int) bool) Goodput {
		samples := answers(400)
		for i, s := range samples {
			if missed(i) {
				failed := *s
				failed.Outcome, failed.Reason, failed.Error = record.Cut, record.CutAfterToken, &record.Error{}
				samples[i] = &failed
			}
		}
		l, err := Options{SLO: metric.SLO{{Tag: "request_latency", Limit: 1e9}}}.ReadLevel(recordLevel(t, samples))
		require.NoError(t, err)
		assert.Equal(t, metric.Attained{Good: 360, Of: 400}, l.Attained)
		return l.Goodput
	}
	spread, clustered := of(func(i int) bool { return i%10 == 9 }), of(func(i int) bool { return i >= 360 })
	bound, ok := spread.AtLeast()
	require.True(t, ok)
	assert.InDelta(t, 400, spread.Effective, 1e-9)
	assert.InDelta(t, stat.ShareBound(400, 40, 0.95), bound, 1e-12)
	worse, ok := clustered.AtLeast()
	require.True(t, ok)
	assert.Less(t, clustered.Effective, 40.0)
	assert.Less(t, worse, bound-0.1)

	both := spread.With(clustered)
	assert.Equal(t, metric.Attained{Good: 720, Of: 800}, both.Attained)
	assert.InDelta(t, spread.Effective+clustered.Effective, both.Effective, 1e-9)
	_, ok = spread.With(Goodput{SLO: spread.SLO, Attained: metric.Attained{Of: 10}, Need: stat.Need{Needs: 40, Have: 10}}).AtLeast()
	assert.False(t, ok, "of a run that is too short nothing is known")
}

// TestGoodputOverRuns counts the requests of all runs; a run that failed is in none of it.
func TestGoodputOverRuns(t *testing.T) {
	l := Level{}
	slo := metric.SLO{{Tag: "request_latency", Limit: 1}}
	for i, good := range []int{40, 20, 0} {
		status := []record.Status{record.Done, record.Done, record.Failed}[i]
		l.Runs = append(l.Runs, Level{
			Record: &record.Level{Status: status}, Figures: Figures{"goodput": {"avg": float64(good)}, "slo_attainment": {"avg": 1}},
			Goodput: Goodput{SLO: slo, Attained: metric.Attained{Good: good, Of: 40}, Effective: 40, Need: stat.Need{Needs: 40, Have: 40}}, Tally: NewTally(),
		})
	}
	l.pool()
	assert.Equal(t, metric.Attained{Good: 60, Of: 80}, l.Attained)
	share, _ := l.Figures.Get("slo_attainment", "avg")
	assert.InDelta(t, 75, share, 1e-12)
	i := slices.IndexFunc(l.Over, func(o Over) bool { return o.Tag == "goodput" })
	require.GreaterOrEqual(t, i, 0)
	assert.InDelta(t, 28.284271, l.Over[i].Value, 1e-6, "the geometric mean of 40 and 20")
}

// TestWhoEndedTheLevel: what a plan does not start is nobody's miss; what waited for a place in an open loop is.
func TestWhoEndedTheLevel(t *testing.T) {
	closed, open := record.Point{Concurrency: 1}, record.Point{Rate: 1}
	for _, c := range []struct {
		point  record.Point
		status record.Status
		waited int
		byPlan bool
	}{
		{closed, record.Capped, 0, true}, {closed, record.Done, 0, true}, {closed, record.Interrupt, 0, false}, {closed, record.Failed, 0, false}, {closed, record.Running, 0, false},
		{open, record.Done, 0, true}, {open, record.Done, 1, false}, {open, record.Capped, 1, true},
	} {
		l := Level{Point: c.point, Record: &record.Level{Status: c.status, Waited: record.Waited{Requests: c.waited}}}
		assert.Equal(t, c.byPlan, l.endedByPlan(), "%+v", c)
	}
}
