package bench

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
)

// TestClosedLoopKeepsItsConcurrency: in real time, over TCP, the mean number of requests in flight at c = 50 is above 49.5 as long as
// there are requests to start. The mean is taken from the stamps alone.
func TestClosedLoopKeepsItsConcurrency(t *testing.T) {
	dir := t.TempDir()
	child{args: []string{"-concurrencies=50", "-request-count=500", "-isl=60", "-osl=40", "-plot=false", "-output-dir=" + dir}}.passes(t)
	samples := readSamples(t, filepath.Join(dir, "mock", "c50"))
	require.Len(t, samples, 500)
	slices.SortFunc(samples, func(a, b *record.Sample) int { return int(a.StartNS - b.StartNS) })
	first, last := samples[0].StartNS, samples[len(samples)-1].StartNS
	occupied := int64(0)
	for _, s := range samples {
		occupied += min(s.EndNS, last) - s.StartNS
	}
	assert.Greater(t, float64(occupied)/float64(last-first), 49.5)
	assert.Equal(t, record.Done, readLevel(t, filepath.Join(dir, "mock", "c50")).Status)
}
