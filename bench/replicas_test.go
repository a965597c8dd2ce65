package bench

import (
	"net/url"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestSpreadOfReplicas: what each endpoint had of a benchmark stands in its files and its summary.
func TestSpreadOfReplicas(t *testing.T) {
	first, _ := countedMock(t)
	second, _ := countedMock(t)
	dir := t.TempDir()
	child{args: []string{
		"-endpoint=" + first, "-endpoint=" + second, "-benchmark-name=two", "-concurrencies=2", "-request-count=20", "-isl=50", "-osl=4", "-output-dir=" + dir,
	}}.passes(t)
	replicas := aggregate(t, filepath.Join(dir, "two", "c2"))["llmsweep"].(map[string]any)["replicas"].(map[string]any)
	require.Len(t, replicas, 2)
	for _, endpoint := range []string{first, second} {
		u, err := url.Parse(endpoint)
		require.NoError(t, err)
		part := replicas[u.Host].(map[string]any)
		assert.InDelta(t, 10, part["requests"], 0)
		assert.InDelta(t, 10, part["ok"], 0)
		assert.Positive(t, part["request_latency_sum_ns"])
		assert.Regexp(t, `Replicas: .*`+u.Host+` 10 requests, mean latency 0\.\d+ s`, unbroken(t, dir))
	}
}
