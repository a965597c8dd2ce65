package reporting

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/steady"
	"github.com/llmsweep/llmsweep/reporting/chart"
	"github.com/llmsweep/llmsweep/reporting/results"
)

// read reads benchmarks.
func read(t *testing.T, dir string, names ...string) []*results.Benchmark {
	t.Helper()
	var all []*results.Benchmark
	for _, name := range names {
		b, err := results.Read(dir, name)
		require.NoError(t, err)
		all = append(all, b)
	}
	return all
}

// named returns the chart of a file; without one it has no title.
func named(charts []chart.Chart, file string) chart.Chart {
	i := slices.IndexFunc(charts, func(c chart.Chart) bool { return c.File == file })
	if i < 0 {
		return chart.Chart{}
	}
	return charts[i]
}

// levelAt is the level of a benchmark with a concurrency.
func levelAt(b *results.Benchmark, c int) *results.Level {
	return &b.Levels[slices.IndexFunc(b.Levels, func(l results.Level) bool { return l.Concurrency == c })]
}

// TestFurtherCharts: one benchmark with levels of different sizes, one of which a level failed, and one of AIPerf's.
func TestFurtherCharts(t *testing.T) {
	dir := copyRecorded(t)
	simulated{name: "fine", levels: []int{1, 50}, requests: 700, tokens: 6, pace: 1, change: func(l *record.Level) {
		l.Instrument = &record.Instrument{Verdict: record.ClientOK, Readings: record.Readings{Canary: &record.Canary{Chunks: 9}}} // as in virtual time
	}}.write(t, dir)
	simulated{name: "failing", levels: []int{1, 10, 50}, requests: 40, tokens: 6, pace: 2,
		outcome: func(c, i int) record.Outcome {
			switch {
			case c == 10 && i%4 == 0:
				return record.Cut
			case c == 10 && i == 39:
				return record.Cancelled
			}
			return record.OK
		},
		change: func(l *record.Level) {
			if l.Concurrency == 10 {
				l.Status, l.Reason = record.Failed, "10 of 40"
			}
			l.Instrument = &record.Instrument{Verdict: record.ClientLimited, ErrorMS: 7, Readings: record.Readings{Canary: &record.Canary{Chunks: 9, DelayP50MS: 1, DelayP99MS: 7, DelayMaxMS: 8}}}
		}}.write(t, dir)
	all := read(t, dir, "aiperf", "fine", "failing")
	aiperf, fine, failing := all[0], all[1], all[2]
	charts := furtherCharts(all)

	files := map[string]bool{}
	for _, c := range charts {
		require.NoError(t, c.Validate())
		assert.False(t, files[c.File], c.File)
		files[c.File] = true
		assert.Contains(t, []string{latencyGroup, throughputGroup, distributionGroup, timelineGroup, requestsGroup, serverGroup, clientGroup}, c.Group)
		assert.NotEmpty(t, c.Help, c.File)
		require.Len(t, c.Series, 3, c.File)
		for i, name := range []string{"aiperf", "fine", "failing"} { // the index is the colour
			assert.Equal(t, name, c.Series[i].Name)
			for _, p := range c.Series[i].Points {
				assert.True(t, p.N > 0 || c.Kind == chart.Curves && p.Y == 0, "%s: %+v", c.File, p)
			}
		}
		assert.Equal(t, c.Group == distributionGroup || c.Group == timelineGroup, c.Choice != "", c.File)
	}

	bands := named(charts, "time_to_first_token_percentiles_vs_concurrency.png")
	assert.Equal(t, []string{"p50", "p90", "p95", "p99"}, bands.BandNames)
	of := fine.Levels[1].Figures["time_to_first_token"]
	assert.Equal(t, chart.Point{X: 50, Y: of["p50"], Bands: []float64{of["p90"], of["p95"], of["p99"]}, N: 700, Hollow: true}, bands.Series[1].Points[1])
	of = levelAt(failing, 50).Figures["time_to_first_token"]
	assert.Equal(t, chart.Point{X: 50, Y: of["p50"], Bands: []float64{of["p90"]}, N: 40, Hollow: true}, bands.Series[2].Points[1], "40 requests are none for a p95")
	assert.Len(t, bands.Series[2].Points, 2, "a failed level has no figures")
	assert.Contains(t, bands.Help, "Time to First Token = first content chunk - start (ms; definition of AIPerf). Percentiles: linear interpolation between order statistics. Tokens: ")

	pareto := named(charts, "pareto_tok_s_gpu_vs_tok_s_user.png")
	assert.True(t, pareto.Front)
	assert.Equal(t, "Output Token Throughput per GPU (tok/s/GPU)", pareto.YLabel)
	assert.Contains(t, pareto.Note, ". 1 GPU is assumed. Hollow: INVALID (fine at all levels; failing at 1, 50), client limited (failing at 1, 50). Left out: not finished (aiperf at 10; failing at 10)")
	x, _ := fine.Levels[1].Figures.Get("output_token_throughput_per_user", "avg")
	y, _ := fine.Levels[1].Figures.Get("output_token_throughput", "avg")
	assert.Equal(t, chart.Point{X: x, Y: y, Label: "50", N: 700, Hollow: true}, pareto.Series[1].Points[1])

	shares := named(charts, "distribution_time_to_first_token_c10.png")
	assert.Empty(t, shares.Title, "of the only level with requests there the figures do not count")
	shares = named(charts, "distribution_time_to_first_token_c50.png")
	assert.Equal(t, "Time to First Token Distribution, Concurrency 50", shares.Title)
	assert.Equal(t, "c50", shares.Choice)
	assert.Equal(t, "Of requests that ended well. In doubt: INVALID (fine); INVALID, client limited (failing). No requests recorded (aiperf).", shares.Note)
	distribution := fine.Levels[1].Distributions["time_to_first_token"]
	require.Len(t, shares.Series[1].Points, len(distribution.Steps)+1)
	assert.Equal(t, chart.Point{X: distribution.Steps[0].Value, N: 700, Hollow: true}, shares.Series[1].Points[0])
	assert.Equal(t, chart.Point{X: of["max"], Y: 100, N: 40, Hollow: true}, shares.Series[2].Points[len(shares.Series[2].Points)-1])

	inFlight := named(charts, "time_line_in_flight_c10.png")
	integral := 0.0
	points := inFlight.Series[2].Points
	for i := range points[1:] {
		integral += points[i].Y * (points[i+1].X - points[i].X)
	}
	want := 0.0
	for _, b := range levelAt(failing, 10).Timeline.Bins {
		want += b.InFlightNS / 1e9
	}
	assert.InDelta(t, want, integral, 1e-9)
	assert.Positive(t, want)
	assert.Contains(t, named(charts, "time_line_in_flight_c50.png").Note, "In doubt: INVALID (fine); INVALID, client limited (failing).")
	assert.Contains(t, inFlight.Note, "Its figures do not count: it failed: 10 of 40 (failing)")
	failed := named(charts, "time_line_failed_requests_c10.png")
	total := 0.0
	for _, p := range failed.Series[2].Points {
		total += p.Y * float64(levelAt(failing, 10).Timeline.WidthNS) / 1e9
	}
	assert.InDelta(t, 10, total, 1e-9)
	assert.Empty(t, named(charts, "time_line_failed_requests_c50.png").Title, "none failed there")

	ends := named(charts, "outcomes.png")
	assert.Equal(t, []string{"c1", "c10", "c20", "c50"}, ends.Categories)
	i := slices.IndexFunc(ends.Series[2].Points, func(p chart.Point) bool { return p.X == 1 })
	assert.Equal(t, chart.Point{X: 1, Y: 100, N: 40, Parts: []chart.Part{{Name: "ok", Value: 72.5}, {Name: "failed"}, {Name: "cut", Value: 25}, {Name: "cancelled", Value: 2.5}}}, ends.Series[2].Points[i])
	assert.NotEmpty(t, ends.Series[0].Points)
	assert.Empty(t, outcomes([]*results.Benchmark{fine}).Title, "there is nothing to see where all ended well")

	hits := named(charts, "prefix_hit_rate_vs_concurrency.png")
	assert.Empty(t, hits.Series[0].Points)
	assert.Equal(t, chart.Point{X: 50, Y: 100 * float64(233*3) / (8 * 700), N: 700, Hollow: true}, hits.Series[1].Points[1])
	client := named(charts, "client_error_vs_concurrency.png")
	assert.Empty(t, client.Series[1].Points, "nothing was late")
	assert.Equal(t, []chart.Point{{X: 1, Y: 7, N: 9, Hollow: true}, {X: 50, Y: 7, N: 9, Hollow: true}}, client.Series[2].Points)
	assert.Empty(t, named(charts, "client_send_lateness_vs_concurrency.png").Title)

	for _, c := range furtherCharts([]*results.Benchmark{aiperf}) {
		assert.Empty(t, c.Choice, "aggregates have no requests")
	}
}

// TestWindowsAreMarked: the time line has the window of each level that has one, in seconds and in the colour of its benchmark.
func TestWindowsAreMarked(t *testing.T) {
	dir := t.TempDir()
	simulated{name: "a", levels: []int{1}, requests: 20, tokens: 4, pace: 1}.write(t, dir)
	simulated{name: "b", levels: []int{1}, requests: 900, tokens: 4, pace: 1}.write(t, dir)
	all := read(t, dir, "a", "b")
	w := all[1].Levels[0].Window
	require.Equal(t, steady.Steady, w.Verdict, w.Reason)
	for _, c := range furtherCharts(all) {
		if c.Group == timelineGroup {
			assert.Equal(t, []chart.Span{{Series: 1, From: float64(w.StartNS) / 1e9, To: float64(w.EndNS) / 1e9, Label: "steady window"}}, c.Spans)
			assert.Contains(t, c.Note, "Marked: steady window.")
		}
	}
}

// TestThinnedDotsSaySo: a level of more requests than dots tells how many there are.
func TestThinnedDotsSaySo(t *testing.T) {
	dir := t.TempDir()
	simulated{name: "a", levels: []int{40}, requests: 5000, tokens: 2, pace: 1}.write(t, dir)
	all := read(t, dir, "a")
	c := named(furtherCharts(all), "time_line_time_to_first_token_c40.png")
	dots := all[0].Levels[0].Timeline.Dots
	require.Len(t, c.Series[0].Points, len(dots))
	assert.Equal(t, chart.Point{X: float64(dots[7].StartNS) / 1e9, Y: dots[7].TTFT, N: 1, Hollow: true}, c.Series[0].Points[7])
	assert.True(t, strings.HasPrefix(c.Note, chart.Number(float64(len(dots)))+" of 5,000 requests shown: "), c.Note)
}

// TestRepeatedLevelsShowOneRun: of a level with several runs the first that counts is shown, and the chart says so.
func TestRepeatedLevelsShowOneRun(t *testing.T) {
	dir := t.TempDir()
	s := simulated{name: "a", levels: []int{4}, requests: 30, tokens: 4, pace: 1}
	s.write(t, dir)
	level := filepath.Join(dir, "a", "c4")
	require.NoError(t, os.RemoveAll(level))
	started := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s.change = func(l *record.Level) { l.Status, l.Reason = record.Interrupt, "signal" }
	s.writeLevel(t, filepath.Join(level, record.RunName(1)), 4, started)
	s.change, s.pace = nil, 2
	s.writeLevel(t, filepath.Join(level, record.RunName(2)), 4, started)
	s.writeLevel(t, filepath.Join(level, record.RunName(3)), 4, started)
	all := read(t, dir, "a")
	charts := furtherCharts(all)
	shares := named(charts, "distribution_request_latency_c4.png")
	assert.Equal(t, "Of requests that ended well. In doubt: INVALID. Run-2 of 3 runs.", shares.Note)
	longest, _ := all[0].Levels[0].Runs[1].Figures.Get("request_latency", "max")
	assert.Equal(t, chart.Point{X: longest, Y: 100, N: 30, Hollow: true}, shares.Series[0].Points[len(shares.Series[0].Points)-1])
	assert.Contains(t, named(charts, "time_line_in_flight_c4.png").Note, "Run-2 of 3 runs.")
}

// TestFormats: without formats only the guide's charts are pictures; with them all are, and the guide's stay as they are.
func TestFormats(t *testing.T) {
	dir := t.TempDir()
	simulated{name: "a", levels: []int{4}, requests: 12, tokens: 4, pace: 1}.write(t, dir)
	out := filepath.Join(t.TempDir(), "plots")
	write := func(formats ...record.Format) (names []string, guide []byte) {
		report, err := Write(out, Inputs{DataDir: dir, Formats: formats})
		require.NoError(t, err)
		for _, path := range report.Files {
			assert.FileExists(t, path)
			names = append(names, filepath.Base(path))
		}
		guide, err = os.ReadFile(filepath.Join(out, "efficiency_tok_s_gpu_vs_user.png"))
		require.NoError(t, err)
		return names, guide
	}
	var further []string
	for _, c := range furtherCharts(read(t, dir, "a")) {
		further = append(further, c.File)
	}
	assert.Contains(t, further, "time_line_in_flight_c4.png")
	svgs, before := write(record.SVG)
	plain := svgs[:5]
	assert.Len(t, svgs, 9+5+len(further))
	again, _ := write()
	assert.Equal(t, svgs, again, "pictures of an earlier report are not left as they are")
	both, after := write(record.PNG, record.SVG)
	assert.Equal(t, before, after)
	wanted := slices.Concat(plain, further)
	for _, name := range slices.Clone(wanted) {
		wanted = append(wanted, strings.TrimSuffix(name, ".png")+".svg")
	}
	assert.Equal(t, append(wanted, PageFile, BenchFile, TidyFile, SummaryFile), both, "in this order, whatever was drawn first")
}

// TestTimeLinesEndAlike: what the client saw and what the server told stand below each other, second by second.
func TestTimeLinesEndAlike(t *testing.T) {
	b := read(t, copyRecorded(t), "ours")
	ends := map[string]float64{}
	for i := range b[0].Levels {
		ends[b[0].Levels[i].Name()] = float64(b[0].Levels[i].Record.EndedNS) / 1e9
	}
	n := 0
	for _, c := range furtherCharts(b) {
		if strings.HasPrefix(c.File, "time_line_") {
			assert.InDelta(t, ends[c.Choice], c.Until, 0, c.File)
			n++
		}
	}
	assert.GreaterOrEqual(t, n, 6)
}
