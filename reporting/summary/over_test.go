package summary

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/stat"
	"github.com/llmsweep/llmsweep/reporting/results"
)

// TestFiguresOverRunsSayWhatTheyNeed, in 100 columns.
func TestFiguresOverRunsSayWhatTheyNeed(t *testing.T) {
	five, three := stat.Need{Needs: 5, Have: 5}, stat.Need{Needs: 5, Have: 3}
	enough := stat.Need{Needs: 5, Have: 750}
	over := func(tag, statistic string, runs stat.Need) results.Over {
		return results.Over{Tag: tag, Statistic: statistic, Value: 11022, Requests: enough, Runs: runs, Interval: stat.Interval{Low: 10022, High: 12022}, CV: 0.1234, HasInterval: runs.Met()}
	}
	few := over("inter_token_latency", "p99", five)
	few.Requests, few.HasInterval = stat.Need{Needs: 299, Have: 298}, false
	level := results.Level{Point: record.Point{Concurrency: 250}, Record: &record.Level{Status: record.Done, Instrument: &record.Instrument{Verdict: record.ClientLimited}}, Over: []results.Over{
		over("time_to_first_token", "avg", five), over("time_to_first_token", "p50", five), over("time_to_first_token", "p99", five), over("inter_token_latency", "avg", five), few,
		over("request_latency", "avg", three), over("output_token_throughput", "avg", five),
	}}
	var b strings.Builder
	benchmark := &results.Benchmark{Run: &record.Run{}, Levels: []results.Level{level}}
	Over(&b, benchmark)
	lines := strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
	assert.Equal(t, []string{
		"", " Over runs; an interval needs 5 runs, have 3",
		" conc         runs avg                        p50                        p99",
		" 250! TTFT ms    5 11022 [10022, 12022] 12.3% 11022 [10022, 12022] 12.3% 11022 [10022, 12022] 12.3%",
		"      ITL ms     5 11022 [10022, 12022] 12.3%                            n/a (needs 299, have 298)",
		"      lat s      3 11.0 [needs 5]",
		"      tok/s      5 11022 [10022, 12022] 12.3%",
	}, lines)
	for _, line := range lines {
		assert.LessOrEqual(t, len(line), 100, line)
	}
	benchmark.Levels[0].Over = level.Over[:2]
	assert.Equal(t, "95 % intervals over runs, and CV", OverHead(benchmark))
}
