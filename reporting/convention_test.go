package reporting

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/record"
)

// TestSummaryUnderOtherDefinitions: tables of our own recordings follow the other tool and say so; the comparison, the folder that AIPerf
// wrote, and every file beside the tables keep AIPerf's.
func TestSummaryUnderOtherDefinitions(t *testing.T) {
	for _, c := range []metric.Convention{metric.VLLM, metric.GuideLLM} {
		dir := copyRecorded(t)
		writeTroubled(t, filepath.Join(dir, "troubled"))
		report, err := Write(filepath.Join(dir, "plots"), Inputs{DataDir: dir, Names: []string{"ours", "troubled", "aiperf"}, Definitions: c, Exports: true})
		require.NoError(t, err)
		summaryIs(t, dir, "testdata/SUMMARY-"+string(c)+".txt")
		page, err := os.ReadFile(filepath.Join(dir, "plots", PageFile))
		require.NoError(t, err)
		for _, text := range []string{"<h2>Results (" + c.Title() + " formulas)</h2>", "<h2>Results (AIPerf formulas)</h2>", c.Title() + ": percentiles</dt>"} {
			assert.Contains(t, string(page), text)
		}
		for _, name := range []string{record.AggregateFile, record.AggregateTable} {
			want, err := os.ReadFile(filepath.Join(recorded, "ours/c4", name))
			require.NoError(t, err)
			got, err := os.ReadFile(filepath.Join(dir, "ours/c4", name))
			require.NoError(t, err)
			assert.Equal(t, string(want), string(got))
		}
		pictures, _ := charts(report.Benchmarks)
		plain, err := Write(filepath.Join(dir, "plots"), Inputs{DataDir: dir, Names: []string{"ours", "troubled", "aiperf"}})
		require.NoError(t, err)
		same, _ := charts(plain.Benchmarks)
		assert.Equal(t, same, pictures)
	}
}

// TestTablesFollowTheRun: without a word on the report's command line each table follows what its run.json says.
func TestTablesFollowTheRun(t *testing.T) {
	dir := copyRecorded(t)
	path := filepath.Join(dir, "ours", record.RunFile)
	for definitions, want := range map[string]string{"vllm": " vLLM formulas", "guidellm": " GuideLLM formulas", "aiperf": " AIPerf formulas", "": " AIPerf formulas", "k6": " AIPerf formulas"} {
		var run record.Run
		require.NoError(t, record.ReadJSON(path, &run))
		run.Plan.Definitions = definitions
		require.NoError(t, record.WriteJSON(path, &run))
		var b strings.Builder
		require.NoError(t, PrintTable(&b, dir, "ours"))
		assert.Contains(t, b.String(), want)
		for line := range strings.Lines(b.String()) {
			assert.LessOrEqual(t, len(line), 101, line)
		}
		assert.Equal(t, definitions == "k6", strings.Contains(b.String(), `definitions "k6" of its run.json are unknown`))
	}
}
