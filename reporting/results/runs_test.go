package results

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/stat"
	"github.com/llmsweep/llmsweep/harness/steady"
)

// repeated records a benchmark with one level whose runs have the given TTFT in ms, of n requests each, and a run at the end.
func repeated(t *testing.T, n int, sentinel float64, ttft ...float64) (dataDir string) {
	t.Helper()
	dataDir = t.TempDir()
	dir := filepath.Join(dataDir, "b", "c4")
	place := func(name string, ms float64) {
		var samples []*record.Sample
		for i := range n {
			at := int64(i) * 1e9
			s := &record.Sample{
				Index: i, Phase: record.Profiling, Outcome: record.OK, StartNS: at, EndNS: at + 9e8, HeadersNS: record.Never, FirstByteNS: record.Never, FinishReason: "length",
				RequestedOSL: 2, Counted: record.Counted{ISL: 8, OSL: 2, Source: record.FromServer}, ChunksNS: []int64{at + int64(ms*1e6), at + int64(ms*1e6) + 1e7},
				Usage: &record.Usage{PromptTokens: 10, CachedTokens: new(2)},
			}
			samples = append(samples, s)
		}
		require.NoError(t, os.MkdirAll(dir, 0o755))
		require.NoError(t, os.CopyFS(filepath.Join(dir, name), os.DirFS(recordLevel(t, samples).Path)))
	}
	for k, ms := range ttft {
		place(record.RunName(k+1), ms)
	}
	place(record.SentinelName, sentinel)
	require.NoError(t, record.WriteJSON(filepath.Join(dataDir, "b", record.RunFile), &record.Run{
		SchemaVersion: record.SchemaVersion, CreatedAt: time.Unix(0, 0).UTC(), Plan: record.Plan{Concurrencies: []int{4}, Repeats: len(ttft)},
	}))
	return dataDir
}

func overOf(t *testing.T, l *Level, tag, statistic string) Over {
	t.Helper()
	for _, o := range l.Over {
		if o.Tag == tag && o.Statistic == statistic {
			return o
		}
	}
	t.Fatalf("no %s of %s", statistic, tag)
	return Over{}
}

// TestFiguresOverRunsByHand: geometric mean, Student's t on logarithms and the deviation, from a table and a pocket calculator.
func TestFiguresOverRunsByHand(t *testing.T) {
	values := []float64{100, 110, 121, 110, 100}
	b, err := Read(repeated(t, 10, 130, values...), "b")
	require.NoError(t, err)
	assert.Empty(t, besidesValidity(b.Warnings))
	require.Len(t, b.Levels, 1)
	l := &b.Levels[0]
	assert.Equal(t, steady.Invalid, l.Validity.Standing, "no better than its runs")
	assert.Equal(t, steady.Cache{Requests: 50, Prompt: 500, Hits: 100}, l.Cache, "of all runs; the template's two tokens are no unplanned hits")
	// In units of log 1.1 the runs are 0, 1, 2, 1, 0: mean 0.8, deviation sqrt(0.7); t of 4 degrees is 2.776445.
	unit := math.Log(1.1)
	half := 2.776445 * math.Sqrt(0.7/5) * unit
	o := overOf(t, l, "time_to_first_token", "avg")
	require.True(t, o.HasInterval)
	assert.InEpsilon(t, 100*math.Exp(0.8*unit), o.Value, 1e-9)
	assert.InEpsilon(t, 100*math.Exp(0.8*unit-half), o.Interval.Low, 1e-6)
	assert.InEpsilon(t, 100*math.Exp(0.8*unit+half), o.Interval.High, 1e-6)
	assert.InEpsilon(t, math.Sqrt((8.2*8.2*2+1.8*1.8*2+12.8*12.8)/4)/108.2, o.CV, 1e-9)
	v, ok := l.Shown.Get("time_to_first_token", "avg")
	assert.True(t, ok)
	assert.InEpsilon(t, o.Value, v, 1e-12, "the headline is the same figure")
	assert.Equal(t, 50, l.Record.Counts.Outcomes[record.OK])
	assert.Equal(t, 50, l.Record.Counts.Planned)
	assert.Equal(t, 50, l.TokenSources[record.FromServer])
	assert.Equal(t, stat.Need{Needs: 299, Have: 10}, overOf(t, l, "time_to_first_token", "p99").Requests)
	assert.False(t, overOf(t, l, "time_to_first_token", "p99").HasInterval)
	_, ok = l.Shown.Percentile("time_to_first_token", 99)
	assert.False(t, ok, "50 requests, ten a run")
	assert.True(t, overOf(t, l, "request_throughput", "avg").HasInterval)
	// Their line is level, and what they are off it has the deviation sqrt(2.8/3); t of 3 degrees is 5.84: 7.98 units.
	assert.Contains(t, b.Drift(), "none: c4 at the end against its first run (and what chance does at most): TTFT +30.0 % (")
	_, drifts, why := b.Drifts()
	assert.Empty(t, why)
	require.Len(t, drifts, 4)
	assert.InDelta(t, math.Pow(1.1, 5.8409*math.Sqrt2*math.Sqrt(2.8/3))-1, drifts[0].Chance, 1e-4)
	assert.False(t, drifts[0].Drifted())
	assert.Equal(t, Drift{Name: "ITL", Need: stat.Need{Needs: 5, Have: 5}}, drifts[1])
	assert.Len(t, l.Recorded(), 6)
}

// TestDriftIsNamed where it is more than the runs differ by, and more than a hundredth; with few runs nobody knows.
func TestDriftIsNamed(t *testing.T) {
	for _, c := range []struct {
		sentinel float64
		runs     []float64
		drift    string
		warning  string
	}{
		{115, []float64{100, 101, 100, 101, 100}, "FOUND: c4 at the end against its first run (and what chance does at most): TTFT +15.0 % (5.3 %), ITL +0.0 % (0.0 %), latency ",
			"drift: from its first run to the end of the sweep c4 moved (TTFT +15.0 %, where chance does 5.3 %; latency +13.6 %, where chance does 4.8 %): the server or a machine changed, and early runs do not compare with late ones"},
		{105, []float64{100, 101, 100, 101, 100}, "none: c4 at the end", ""},
		{100.5, []float64{100, 100, 100, 100, 100}, "none: c4 at the end", ""},
		{200, []float64{100, 100, 100, 100}, "c4 at the end against its first run: TTFT +100.0 %, ITL +0.0 %, latency +90.9 %, tok/s ", ""},
	} {
		b, err := Read(repeated(t, 10, c.sentinel, c.runs...), "b")
		require.NoError(t, err)
		assert.True(t, strings.HasPrefix(b.Drift(), c.drift), b.Drift())
		if c.warning == "" {
			assert.Empty(t, besidesValidity(b.Warnings))
		} else {
			assert.Equal(t, []string{c.warning}, besidesValidity(b.Warnings))
		}
	}
}

// TestLostRuns: a run of the plan that is missing is missed, whatever the others say.
func TestLostRuns(t *testing.T) {
	dataDir := repeated(t, 10, 100, 100, 100, 100, 100, 100, 100)
	c4 := filepath.Join(dataDir, "b", "c4")
	read := func() *Benchmark {
		b, err := Read(dataDir, "b")
		require.NoError(t, err)
		return b
	}
	assert.Empty(t, read().Levels[0].Lost(6))
	require.NoError(t, os.RemoveAll(filepath.Join(c4, "run-1")))
	require.NoError(t, os.WriteFile(filepath.Join(c4, "run-3", record.LevelFile), []byte(`{"status":"failed","reason":"why"}`), 0o600))
	b := read()
	assert.Equal(t, "run-1 has no results that can be read; run-3: it failed: why", b.Levels[0].Lost(6))
	assert.Contains(t, besidesValidity(b.Warnings), "c4: 1 of 6 planned runs are missing: figures are of the others")
	assert.Equal(t, "not known: there is no first run of c4 to hold the one at the end against", b.Drift())
}

// TestRunsThatFailedAreLeftOut, and too few are left for an interval.
func TestRunsThatFailedAreLeftOut(t *testing.T) {
	dataDir := repeated(t, 10, 100, 100, 100, 100, 100, 500)
	path := filepath.Join(dataDir, "b", "c4", "run-5", record.LevelFile)
	var stored record.Level
	require.NoError(t, record.ReadJSON(path, &stored))
	stored.Status, stored.Reason = record.Failed, "why"
	require.NoError(t, record.WriteJSON(path, &stored))
	b, err := Read(dataDir, "b")
	require.NoError(t, err)
	l := &b.Levels[0]
	assert.Equal(t, []string{"c4: run-5: failed: why", "c4: 1 of 5 runs failed, did not run to their end or were continued after a break: figures are of the others"}, besidesValidity(b.Warnings))
	o := overOf(t, l, "time_to_first_token", "avg")
	assert.InEpsilon(t, 100, o.Value, 1e-9)
	assert.Equal(t, stat.Need{Needs: 5, Have: 4}, o.Runs)
	assert.False(t, o.HasInterval)
	assert.Empty(t, l.Unusable())

	require.NoError(t, os.Remove(path))
	b, err = Read(dataDir, "b")
	require.NoError(t, err)
	assert.Equal(t, []string{"c4: a run is left out: open c4/run-5/level.json: no such file or directory"}, besidesValidity(b.Warnings))
	assert.Len(t, b.Levels[0].Runs, 4)
}

// TestErrorsOfOneRunCount: AIPerf leaves out counts that are zero, so that only the runs that have errors have their number. A limit of a gate must see it.
func TestErrorsOfOneRunCount(t *testing.T) {
	clean := Figures{"request_count": {"avg": 10}, "time_to_first_token": {"avg": 5, "count": 10}}
	errors := Figures{"request_count": {"avg": 7}, "error_request_count": {"avg": 3}, "error_isl": {"avg": 4, "count": 3}}
	for _, runs := range [][]Figures{{clean, errors, clean}, {errors, clean, clean}} {
		over := overRuns(runs)
		assert.Equal(t, map[string]float64{"avg": 1}, over["error_request_count"])
		assert.InEpsilon(t, math.Cbrt(700), over["request_count"]["avg"], 1e-12)
		assert.NotContains(t, over, "time_to_first_token", "what a run has not is no zero")
		assert.NotContains(t, over, "error_isl")
		assert.NotContains(t, over, "osl_mismatch_count", "of none")
	}
}

// besidesValidity leaves out what is said of the recordings of these tests, whose requests do not overlap.
func besidesValidity(warnings []string) []string {
	return slices.DeleteFunc(slices.Clone(warnings), func(w string) bool { return strings.Contains(w, "INVALID") })
}
