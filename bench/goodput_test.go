package bench

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestLimitsOnGoodput: a gate on goodput takes objectives, says so before any load, and judges by them a run, and a recording by those of its reader.
func TestLimitsOnGoodput(t *testing.T) {
	dir := t.TempDir()
	gate := filepath.Join(dir, "gate.yaml")
	require.NoError(t, os.WriteFile(gate, []byte("limits: [{metric: slo_attainment, min: 99}, {metric: good_request_count, min: 10}]"), 0o600))
	args := func(more ...string) []string {
		return append([]string{"-virtual", "-benchmark-name=a", "-concurrencies=1", "-isl=200", "-osl=20", "-plot=false", "-output-dir=" + dir, "-gate=" + gate}, more...)
	}
	r := child{entry: "TestGate", args: args()}.run(t)
	assert.Equal(t, 1, r.code)
	assert.Contains(t, r.output, "judges slo_attainment, good_request_count, which a run has only with objectives: pass -slo")
	assert.NoDirExists(t, filepath.Join(dir, "a"))

	r = child{entry: "TestGate", args: args("-slo=time_to_first_token:1000 inter_token_latency:50")}.run(t)
	assert.Zero(t, r.code, r.output)
	assert.Contains(t, r.output, "Goodput (AIPerf formulas): time_to_first_token <= 1000 ms and inter_token_latency <= 50 ms")
	assert.Contains(t, r.output, "slo_attainment avg of c1 is 100 %, within the limit 99")
	assert.InDelta(t, 10, aggregate(t, filepath.Join(dir, "a", "c1"))["good_request_count"].(map[string]any)["avg"], 0)

	r = child{entry: "TestGate", args: []string{"-data-dir=" + dir, "-benchmark-name=a", "-gate=" + gate, "-slo=time_to_first_token:1"}}.run(t)
	assert.Equal(t, 1, r.code)
	assert.Contains(t, r.output, "good_request_count avg of c1 is 0 requests, below the limit 10")
}
