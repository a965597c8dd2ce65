package reporting

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/reporting/chart"
	"github.com/llmsweep/llmsweep/reporting/results"
)

// TestMetricsAndChartsOfOnesOwn are on every output, and of nobody else's recordings.
func TestMetricsAndChartsOfOnesOwn(t *testing.T) {
	dir := copyRecorded(t)
	chunks := metric.Metric{
		Definition: metric.Definition{Tag: "chunks", Name: "Chunks <b>", Unit: "chunks", Formula: "how many"},
		Of:         func(s *record.Sample) (float64, bool) { return float64(len(s.ChunksNS)), true },
	}
	file := "own.png"
	in := Inputs{DataDir: dir, Names: []string{"ours", "aiperf"}, Exports: true, Markdown: true, Metrics: []metric.Metric{chunks}, Charts: func(all []*results.Benchmark) []chart.Chart {
		v, ok := all[0].Levels[1].Figures.Get("chunks", "avg")
		require.True(t, ok)
		return []chart.Chart{{File: file, Title: "Own", Kind: chart.Lines, Series: []chart.Series{{Name: "x", Points: []chart.Point{{X: 1, Y: v}}}}}}
	}}
	plots := filepath.Join(dir, "plots")
	report, err := Write(plots, in)
	require.NoError(t, err)
	assert.FileExists(t, filepath.Join(plots, file))
	assert.NotContains(t, report.Benchmarks[1].Levels[0].Figures, "chunks")
	for name, want := range map[string]string{
		SummaryFile: "\n    4 Chunks <b> chunks 12 8.00 8.00 n/a (needs 299) 8.00\n", PageFile: "Chunks &lt;b&gt; (chunks): how many.", MarkdownFile: "| 4 | Chunks &lt;b&gt; chunks | 12 | 8.00 |",
		TidyFile: "ours,c4,chunks,avg,8,chunks\n",
	} {
		data, err := os.ReadFile(filepath.Join(plots, name))
		require.NoError(t, err)
		assert.Contains(t, string(data), want, name)
	}
	data, err := os.ReadFile(filepath.Join(dir, "ours", "c4", record.AggregateFile))
	require.NoError(t, err)
	var document map[string]map[string]any
	_ = json.Unmarshal(data, &document) // other members are no objects
	assert.InDelta(t, 8, document["chunks"]["avg"], 0)

	for name, want := range map[string]string{"": "must be the name of a PNG file", "../x.png": "must be the name", "x.html": "must be the name", "efficiency_tok_s_gpu_vs_user.png": "another chart has it"} {
		file = name
		_, err = Write(plots, in)
		assert.ErrorContains(t, err, want, name)
	}
	in.Metrics[0].Tag = "goodput"
	_, err = Write(plots, in)
	assert.ErrorContains(t, err, `metric "goodput": is a metric of llmsweep's own`)
}
