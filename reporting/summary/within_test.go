package summary

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/stat"
	"github.com/llmsweep/llmsweep/reporting/results"
)

// TestEstimateSaysWhatItNeeds: a figure is there with its interval, or the text says why not.
func TestEstimateSaysWhatItNeeds(t *testing.T) {
	few, many := &results.Within{Requests: 39}, &results.Within{Requests: 750, Effective: 120}
	chunks := &results.Within{Tag: "inter_chunk_latency", Requests: 60}
	ok := stat.Need{Needs: 1, Have: 750}
	interval := stat.Interval{Low: 11000, High: 13000}
	for want, test := range map[string]struct {
		of *results.Within
		e  results.Estimate
	}{
		"n/a (needs 299 requests, have 39)": {few, results.Estimate{Statistic: "p99", Value: 1, Need: stat.Need{Needs: 299, Have: 39}, Interval: interval, HasInterval: true}},
		"n/a (needs 5, have 4)":             {few, results.Estimate{Statistic: "p50", Value: 1, Need: stat.Need{Needs: 5, Have: 4}}},
		"n/a (needs 299 gaps, have 60)":     {chunks, results.Estimate{Value: 1, Need: stat.Need{Needs: 299, Have: 60}}},
		"12.0 [needs 40]":                   {few, results.Estimate{Value: 12000, Need: ok, IntervalNeed: stat.Need{Needs: 40, Have: 39}}},
		"12.0 [needs n_eff 368]":            {many, results.Estimate{Value: 12000, Need: ok, IntervalNeed: stat.Need{Needs: 368, Have: 120}}},
		"12.0 [11.0, 13.0]":                 {many, results.Estimate{Value: 12000, Need: ok, Interval: interval, HasInterval: true}},
		"12.0 [11.0, 13.0] (<200)":          {chunks, results.Estimate{Value: 12000, Need: ok, Interval: interval, HasInterval: true, Thin: true}},
		"12.0":                              {many, results.Estimate{Value: 12000, Need: ok}}, // of AIPerf's aggregates
	} {
		assert.Equal(t, want, estimate(test.of, test.e, 1e-3))
	}
}

// TestIntervalsFit100Columns with the figures of a slow server, the need of a tail, and a mark behind the concurrency.
func TestIntervalsFit100Columns(t *testing.T) {
	level := results.Level{Point: record.Point{Concurrency: 250}, Record: &record.Level{Status: record.Done, Instrument: &record.Instrument{Verdict: record.ClientLimited}}}
	e := results.Estimate{Value: 11022, Need: stat.Need{Needs: 1, Have: 298}, Interval: stat.Interval{Low: 10022, High: 12022}, HasInterval: true}
	none := results.Estimate{Statistic: "p99", Need: stat.Need{Needs: 299, Have: 298}}
	for _, tag := range []string{"time_to_first_token", "inter_token_latency", "request_latency"} {
		level.Within = append(level.Within, results.Within{Tag: tag, Requests: 298, Effective: 298.9, Estimates: []results.Estimate{e, e, none}})
	}
	var b strings.Builder
	Within(&b, &results.Benchmark{Run: &record.Run{}, Levels: []results.Level{level}})
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	assert.Len(t, lines, 2+3)
	for _, line := range lines {
		assert.LessOrEqual(t, len(line), 100, line)
	}
	assert.Equal(t, " 250! TTFT ms 298   298 11022 [10022, 12022] 11022 [10022, 12022] n/a (needs 299 requests, have 298)", lines[2])

	level.Within[0].Tag = "scheduled_time_to_first_token"
	chunks := results.Estimate{Value: 190, Need: stat.Need{Needs: 1, Have: 298}, Interval: stat.Interval{Low: 190, High: 191}, HasInterval: true, Thin: true}
	level.Within = append(level.Within, results.Within{Tag: "inter_chunk_latency", Requests: 1298, Estimates: []results.Estimate{{Value: 27, Need: e.Need}, {Value: 27, Need: e.Need}, chunks}})
	b.Reset()
	Within(&b, &results.Benchmark{Run: &record.Run{}, Levels: []results.Level{level}})
	for line := range strings.Lines(b.String()) {
		assert.LessOrEqual(t, len(strings.TrimSuffix(line, "\n")), 100, line)
	}
	assert.Contains(t, b.String(), "TTFT ms (schedule)  298   298 11022 [10022, 12022] 11022 [10022, 12022] n/a (needs 299)\n")

	b.Reset()
	Within(&b, &results.Benchmark{Levels: []results.Level{{}}})
	assert.Empty(t, b.String())
}
