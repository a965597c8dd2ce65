package reporting

import (
	"html"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/reporting/results"
)

// writeMany records a run of levels with 30, 150 and 600 requests, each of which lasts as long as a sum of slow waves says.
func writeMany(t *testing.T, dir string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(dir, 0o755))
	started := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	require.NoError(t, record.WriteJSON(filepath.Join(dir, record.RunFile), &record.Run{
		SchemaVersion: record.SchemaVersion, Tool: record.Tool{Name: "llmsweep", Version: "0.1.0"}, CreatedAt: started,
		Plan: record.Plan{
			BenchmarkName: "many", Endpoints: []string{"http://server:8000/v1/chat/completions"}, Model: "m", ISL: 8, OSL: 8,
			Concurrencies: []int{1, 5, 20}, GPUs: 1, Tokenizer: "t", Compat: "llm",
		},
	}))
	for c, n := range map[int]int{1: 30, 5: 150, 20: 600} {
		level := filepath.Join(dir, record.LevelName(c))
		require.NoError(t, os.MkdirAll(level, 0o755))
		counts := record.Counts{Planned: n, NotStarted: n, Outcomes: map[record.Outcome]int{}}
		log, err := record.CreateLog(filepath.Join(level, record.LogFile), started)
		require.NoError(t, err)
		for i := range n {
			s := &record.Sample{
				Index: i, Phase: record.Profiling, Outcome: record.OK, StartNS: int64(i) * 1e9 / int64(c), ScheduledNS: int64(i) * 1e9 / int64(c), RequestedOSL: 8, FinishReason: "length",
				Counted: record.Counted{ISL: 8, OSL: 8, Source: record.FromServer}, HeadersNS: record.Never, FirstByteNS: record.Never,
			}
			at := s.StartNS + int64(40+i%7*3+i%31)*1e6
			for k := range 8 {
				s.ChunksNS = append(s.ChunksNS, at)
				at += int64(5000+i%11*300+k*i%13*100) * 1e3
			}
			s.EndNS = at
			counts.Count(s)
			require.NoError(t, log.Append(s, metric.NewCalculator().Of(s)))
		}
		require.NoError(t, log.Close())
		require.NoError(t, record.WriteJSON(filepath.Join(level, record.LevelFile), &record.Level{
			SchemaVersion: record.SchemaVersion, Point: record.Point{Concurrency: c}, Status: record.Done, StartedAt: started, EndedNS: 5e9, Counts: counts,
		}))
	}
}

// TestIntervalsAreOnEveryOutput: the summary, the table, the page and JUnit show the interval of each figure that has one, or say what it
// needs, and the same recording gives the same bytes again.
func TestIntervalsAreOnEveryOutput(t *testing.T) {
	dir := t.TempDir()
	writeMany(t, filepath.Join(dir, "many"))
	outputs := func() (text, page string) {
		_, err := Write(filepath.Join(dir, "plots"), Inputs{DataDir: dir})
		require.NoError(t, err)
		summary, err := os.ReadFile(filepath.Join(dir, "plots", SummaryFile))
		require.NoError(t, err)
		document, err := os.ReadFile(filepath.Join(dir, "plots", PageFile))
		require.NoError(t, err)
		return string(summary), string(document)
	}
	text, page := outputs()
	again, pageAgain := outputs()
	assert.Equal(t, text, again)
	assert.True(t, page == pageAgain)
	summaryIs(t, dir, "testdata/SUMMARY-intervals.txt")

	var table strings.Builder
	require.NoError(t, PrintTable(&table, dir, "many"))
	_, block, _ := strings.Cut(text, "within one run; too narrow under load\n")
	block, _, _ = strings.Cut(block, "\n\n")
	lines := strings.Split(block, "\n")
	require.Len(t, lines, 1+3*4)
	for _, want := range []string{"63.0 [needs 40]", "n/a (needs 299)", "63.4 [59.2, 67.7]", "9.10 [8.90, 9.15] (<200)"} {
		assert.Contains(t, table.String(), want)
	}
	for line := range strings.Lines(table.String()) {
		assert.LessOrEqual(t, len(line), 81, line)
	}
	for _, want := range []string{
		"63.0 [needs 40]", "n/a (needs 299 requests, have 150)", "n/a (needs 299 gaps, have 210)", "63.4 [59.2, 67.7]", "86.0 [85.0, 88.0]", "9.10 [8.90, 9.15] (<200)",
	} {
		assert.Contains(t, block, want)
		assert.True(t, strings.Contains(page, `<td class="text">`+html.EscapeString(want)+"</td>"), want)
	}

	level, err := results.ReadLevel(record.LevelDir{Path: filepath.Join(dir, "many", "c5"), Point: record.Point{Concurrency: 5}})
	require.NoError(t, err)
	assert.Contains(t, Attributes(level), Attribute{"time_to_first_token_ms", "avg=63.45[59.20,67.69] p50=63.50[59.00,68.00] p99=n/a(needs 299 requests, have 150)"})
}
