package results

import (
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/stat"
)

// answers are n requests that start one after the other, each 10 ms after the last, whose waits remember the one before, and whose gaps are
// alike within each.
func answers(n int) []*record.Sample {
	r := rand.New(rand.NewPCG(1, 2))
	samples := make([]*record.Sample, n)
	wait := 50.0
	for i := range samples {
		wait = 10 + 0.8*wait + 40*r.Float64()*r.Float64()
		s := &record.Sample{
			Index: i, Phase: record.Profiling, Outcome: record.OK, StartNS: int64(i) * 1e7, HeadersNS: record.Never, FirstByteNS: record.Never,
			FinishReason: "length", Counted: record.Counted{ISL: 8, Source: record.FromServer},
		}
		at, pace := s.StartNS+int64(wait*1e6), 5+10*r.Float64()
		for range 1 + r.IntN(30) {
			s.ChunksNS = append(s.ChunksNS, at)
			at += int64((pace + r.Float64()) * 1e6)
		}
		s.EndNS, s.Counted.OSL, s.RequestedOSL = at, len(s.ChunksNS), len(s.ChunksNS)
		samples[i] = s
	}
	return samples
}

// recordLevel writes samples as a level, in the order in which they ended, as a run does.
func recordLevel(t *testing.T, samples []*record.Sample) record.LevelDir {
	t.Helper()
	dir := t.TempDir()
	started := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	counts := record.Counts{Planned: len(samples), NotStarted: len(samples), Outcomes: map[record.Outcome]int{}}
	log, err := record.CreateLog(filepath.Join(dir, record.LogFile), started)
	require.NoError(t, err)
	ended := slices.Clone(samples)
	slices.SortFunc(ended, func(a, b *record.Sample) int { return int(a.EndNS - b.EndNS) })
	for _, s := range ended {
		counts.Count(s)
		require.NoError(t, log.Append(s, metric.NewCalculator().Of(s)))
	}
	require.NoError(t, log.Close())
	require.NoError(t, record.WriteJSON(filepath.Join(dir, record.LevelFile), &record.Level{
		SchemaVersion: record.SchemaVersion, Point: record.Point{Concurrency: 4}, Status: record.Done, StartedAt: started, EndedNS: 1e12, Counts: counts,
	}))
	return record.LevelDir{Path: dir, Point: record.Point{Concurrency: 4}}
}

// TestIntervalsAgainstTwin computes the intervals of a recorded level again, from the samples as they were issued and step by step.
func TestIntervalsAgainstTwin(t *testing.T) {
	samples := answers(600)
	failed := *samples[10]
	failed.Outcome, failed.Reason, failed.Error = record.Cut, record.Reasons(record.Cut)[0], &record.Error{Message: "why"}
	samples[10] = &failed
	l, err := ReadLevel(recordLevel(t, samples))
	require.NoError(t, err)
	require.Len(t, l.Within, 4)

	samples = slices.Delete(samples, 10, 11)
	ms := func(ns int64) float64 { return float64(ns) / 1e6 }
	first := func(s *record.Sample) int64 { return s.ChunksNS[0] }
	last := func(s *record.Sample) int64 { return s.ChunksNS[len(s.ChunksNS)-1] }
	for i, of := range []func(*record.Sample) float64{
		func(s *record.Sample) float64 { return ms(first(s) - s.StartNS) },
		func(s *record.Sample) float64 { return ms(last(s)-first(s)) / float64(len(s.ChunksNS)-1) }, // of one chunk: 0/0
		func(s *record.Sample) float64 { return ms(last(s) - s.StartNS) },
	} {
		w := l.Within[i]
		var series []float64
		for _, s := range samples {
			if v := of(s); !math.IsNaN(v) {
				series = append(series, v)
			}
		}
		size, _ := stat.EffectiveSize(series)
		require.Equal(t, len(series), w.Requests, w.Tag)
		require.InEpsilon(t, size, w.Effective, 1e-9, w.Tag)
		mean, _ := stat.MeanInterval(series, 0.95)
		sorted := slices.Sorted(slices.Values(series))
		for k, e := range w.Estimates {
			require.Equal(t, []string{"avg", "p50", "p99"}[k], e.Statistic)
			require.True(t, e.Need.Met())
			if k == 0 {
				sum := 0.0
				for _, v := range series {
					sum += v
				}
				require.InEpsilon(t, sum/float64(len(series)), e.Value, 1e-9)
				near(t, mean, e.Interval, w.Tag)
				continue
			}
			q := []float64{0, 50, 99}[k]
			require.InEpsilon(t, stat.Percentile(sorted, q), e.Value, 1e-9)
			want, need := stat.PercentileInterval(sorted, size, q, 0.95)
			require.Equal(t, need, e.IntervalNeed)
			require.Equal(t, need.Met(), e.HasInterval)
			near(t, want, e.Interval, w.Tag)
		}
	}
	assert.Less(t, l.Within[0].Effective, 300.0, "waits remember each other")
	p99 := l.Within[0].Estimates[2]
	assert.True(t, p99.Need.Met())
	assert.Equal(t, stat.Need{Needs: 368, Have: int(l.Within[0].Effective)}, p99.IntervalNeed, "there is a p99, and no interval of it")
	assert.True(t, l.Within[1].Estimates[2].HasInterval, "gaps do not remember those of the last request")

	slices.SortFunc(samples, func(a, b *record.Sample) int { return int(a.EndNS - b.EndNS) })
	var gaps [][]float64
	for _, s := range samples {
		var of []float64
		for i := range s.ChunksNS[1:] {
			of = append(of, ms(s.ChunksNS[i+1]-s.ChunksNS[i]))
		}
		if of != nil {
			gaps = append(gaps, of)
		}
	}
	w := l.Within[3]
	assert.Equal(t, len(gaps), w.Requests)
	assert.Zero(t, w.Effective)
	mean := func(sorted []float64) float64 {
		sum := 0.0
		for _, v := range sorted {
			sum += v
		}
		return sum / float64(len(sorted))
	}
	figures := func(sorted []float64) [3]float64 {
		return [3]float64{mean(sorted), stat.Percentile(sorted, 50), stat.Percentile(sorted, 99)}
	}
	want := bootstrapped(gaps, figures)
	all := figures(slices.Sorted(slices.Values(slices.Concat(gaps...))))
	for k, e := range w.Estimates {
		assert.True(t, e.HasInterval)
		assert.False(t, e.Thin)
		near(t, want[k], e.Interval, e.Statistic)
		assert.InEpsilon(t, all[k], e.Value, 1e-9)
	}
}

// bootstrapped draws requests with all their gaps, writes down what it has drawn, and sorts it.
func bootstrapped(groups [][]float64, of func(sorted []float64) [3]float64) (intervals [3]stat.Interval) {
	r := rand.New(rand.NewPCG(1, 0))
	var figures [3][]float64
	for range 1000 {
		var drawn []float64
		for range groups {
			drawn = append(drawn, groups[r.IntN(len(groups))]...)
		}
		slices.Sort(drawn)
		for i, v := range of(drawn) {
			figures[i] = append(figures[i], v)
		}
	}
	for i := range figures {
		slices.Sort(figures[i])
		intervals[i] = stat.Interval{Low: stat.Percentile(figures[i], 2.5), High: stat.Percentile(figures[i], 97.5)}
	}
	return intervals
}

func near(t *testing.T, want, got stat.Interval, name string) {
	t.Helper()
	require.InDelta(t, want.Low, got.Low, 1e-9, name)
	require.InDelta(t, want.High, got.High, 1e-9, name)
}

// TestSmallLevelsSayWhatTheyNeed: one request fewer has no interval, and the tail of fewer than 200 says so.
func TestSmallLevelsSayWhatTheyNeed(t *testing.T) {
	within := func(n int) []Within {
		var long []*record.Sample
		for _, s := range answers(3 * n) {
			if len(s.ChunksNS) > 10 && len(long) < n {
				long = append(long, s)
			}
		}
		require.Len(t, long, n)
		l, err := ReadLevel(recordLevel(t, long))
		require.NoError(t, err)
		return l.Within
	}
	for _, w := range within(39) {
		for _, e := range w.Estimates {
			assert.False(t, e.HasInterval)
			assert.Equal(t, stat.Need{Needs: 40, Have: 39}, e.IntervalNeed, w.Tag)
		}
	}
	forty := within(40)
	for _, w := range forty {
		assert.True(t, w.Estimates[0].HasInterval, w.Tag)
	}
	assert.Equal(t, stat.Need{Needs: 299, Have: 40}, forty[0].Estimates[2].Need)
	assert.Equal(t, []bool{false, false, true}, thin(within(199)[3]))
	assert.Equal(t, []bool{false, false, false}, thin(within(200)[3]))
}

func thin(w Within) []bool {
	var marks []bool
	for _, e := range w.Estimates {
		marks = append(marks, e.Thin)
	}
	return marks
}

// TestLargeLevelsAreSampled: memory and time of the bootstrap have a bound, each stretch of the level has its part in it, and the interval is
// about the figure of all requests.
func TestLargeLevelsAreSampled(t *testing.T) {
	w := newSpread()
	chunksOf := func(i int) []int64 { return []int64{0, 1e6, 1e6 + int64(i*7919%30_000)*100} } // each value once, in no order
	for i := range 30_000 {
		w.add(&record.Sample{Index: i, StartNS: int64(30_000-i) * 10, Phase: record.Profiling, Outcome: record.OK, ChunksNS: chunksOf(i)})
	}
	w.choose()
	assert.Len(t, w.chosen, 2000)
	for stretch := range 2000 { // 15 requests each; places are in the order of the log, the reverse of that of their start
		chosen := 0
		for i := range 15 {
			if w.chosen[stretch*15+i] {
				chosen++
			}
		}
		require.Equal(t, 1, chosen)
	}
	var gaps []float64
	for i := range 30_000 {
		w.addGaps(&record.Sample{Phase: record.Profiling, Outcome: record.OK, ChunksNS: chunksOf(i)})
		gaps = append(gaps, 1, float64(i)*1e-4)
	}
	require.Len(t, w.groups, 2000)
	summary, _ := stat.Summarize(gaps)
	of, _ := Figures{chunkTag: Statistics(summary)}.estimated(chunkTag)
	w.ofChunks(&of)
	assert.Equal(t, 30_000, of.Requests)
	mean := of.Estimates[0]
	assert.InDelta(t, 1.25, mean.Value, 1e-3)
	// The mean of a request, (1+x)/2 with x evenly spread over 3, deviates by 3/sqrt(12)/2; of 2000 requests by its 2000th part's root.
	assert.InEpsilon(t, 2*1.96*3/math.Sqrt(12)/2/math.Sqrt(2000), mean.Interval.High-mean.Interval.Low, 0.1)
	assert.InDelta(t, mean.Value, (mean.Interval.Low+mean.Interval.High)/2, 2e-3)

	long := newSpread()
	chunks := make([]int64, 10_001)
	for i := range 300 {
		long.add(&record.Sample{Index: i, StartNS: int64(i), Phase: record.Profiling, Outcome: record.OK, ChunksNS: chunks})
	}
	long.choose()
	assert.Len(t, long.chosen, 100, "a million gaps")
}
