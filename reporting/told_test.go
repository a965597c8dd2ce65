package reporting

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
)

// TestWhatServersToldIsOnEveryOutput: of a level of 12 requests two GPUs took 60 J and 40 J in a second, and the server counted.
func TestWhatServersToldIsOnEveryOutput(t *testing.T) {
	dir := copyRecorded(t)
	rounds := func(file, first, last string) {
		put(t, fmt.Appendf(nil, `{"schema_version":"1","sources":["http://s/metrics"]}
{"at_ns":0,"edge":"measure","pages":[{"took_ns":1,%s}]}
{"at_ns":1000000000,"edge":"end","pages":[{"took_ns":1,%s}]}
`, first, last), dir, "ours", "c4", file)
	}
	rounds(record.ServerMetricsFile, `"new":["vllm:request_success_total","vllm:time_to_first_token_seconds_sum","vllm:time_to_first_token_seconds_count"],"values":{"0":5,"1":1,"2":5}`, `"values":{"0":17,"1":1.6,"2":17}`)
	rounds(record.GPUTelemetryFile, `"new":["DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{gpu=\"0\"}","DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{gpu=\"1\"}"],"values":{"0":1000,"1":7000}`, `"values":{"0":61000,"1":47000}`)
	_, err := Write(filepath.Join(dir, "plots"), Inputs{DataDir: dir, Names: []string{"ours"}, Markdown: true, Exports: true})
	require.NoError(t, err)
	var aggregate struct {
		Output struct{ Avg float64 } `json:"total_osl"`
		Ours   struct {
			GPU struct {
				PerJoule struct{ Value float64 } `json:"output_tokens_per_joule"`
			} `json:"gpu_telemetry"`
		} `json:"llmsweep"`
	}
	data, err := os.ReadFile(filepath.Join(dir, "ours", "c4", record.AggregateFile))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &aggregate))
	assert.InDelta(t, aggregate.Output.Avg/100, aggregate.Ours.GPU.PerJoule.Value, 1e-12)
	perJoule := fmt.Sprintf("%.3f", aggregate.Output.Avg/100)
	for name, wanted := range map[string][]string{
		SummaryFile:  {"\nThe server's own figures (vLLM)\n", "\n conc done   ms\n    4   12 50.0\n", "\nGPUs (DCGM)\n", "\n           energy\n conc GPUs   J tok/J\n    4    2 100 " + perJoule + "\n", "\n  tok/J     output tokens of requests that ended well"},
		MarkdownFile: {"\nThe server's own figures (vLLM)\n", "\n| 4 | 12 | 50.0 |\n", "\nGPUs (DCGM)\n", "\n| 4 | 2 | 100 | " + perJoule + " |\n\nAll GPUs together"},
		PageFile:     {"ours: The server&#39;s own figures (vLLM)", ">12</td><td>50.0<", "ours: GPUs (DCGM)", ">2</td><td>100</td><td>" + perJoule + "<"},
	} {
		text, err := os.ReadFile(filepath.Join(dir, "plots", name))
		require.NoError(t, err)
		for _, want := range wanted {
			assert.Contains(t, string(text), want, name)
		}
	}
}
