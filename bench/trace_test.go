package bench

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/workload/dataset"
)

// trace makes a file like Mooncake's: each prompt goes on from a beginning of chance of one before, or is new.
func trace(requests int, seed uint64) string {
	draw := rand.New(rand.NewPCG(seed, 8))
	var b strings.Builder
	var all [][]uint64
	next := uint64(0)
	for i := range requests {
		var ids []uint64
		if i > 0 && draw.IntN(4) > 0 {
			before := all[draw.IntN(len(all))]
			ids = append(ids, before[:draw.IntN(len(before)+1)]...)
		}
		for len(ids) == 0 || draw.IntN(2) == 0 && len(ids) < 6 {
			ids = append(ids, next)
			next++
		}
		all = append(all, ids)
		fmt.Fprintf(&b, `{"timestamp": %d, "input_length": %d, "output_length": 2, "hash_ids": [%s]}`+"\n",
			20*i, 512*len(ids)-draw.IntN(512)*draw.IntN(2), strings.Trim(strings.Join(strings.Fields(fmt.Sprint(ids)), ","), "[]"))
	}
	return b.String()
}

// TestTraceHitsAreThoseOfANaiveReplay: the prefix cache of the mock server finds of each request of a trace what a naive one without limit finds, for
// blocks as large as the trace's and for smaller ones.
func TestTraceHitsAreThoseOfANaiveReplay(t *testing.T) {
	const requests = 300
	content := trace(requests, 1)
	d, err := dataset.Read("trace", strings.NewReader(content), int64(len(content)), "")
	require.NoError(t, err)
	require.Equal(t, dataset.Mooncake, d.Format)
	for _, block := range []int{512, 64} {
		dir := t.TempDir()
		path := filepath.Join(dir, "trace.jsonl")
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		child{args: []string{
			"-virtual", "-input-file=" + path, "-concurrencies=1", fmt.Sprintf("-request-count=%d", requests), "-plot=false", "-benchmark-name=trace", "-output-dir=" + dir,
			fmt.Sprintf("-mock-args=-block-size=%d -num-gpu-blocks-override=1000000", block),
		}}.passes(t)
		replay, sum := dataset.Replay{Block: block}, 0
		cached := map[int]int{}
		bad, err := record.ReadLog(filepath.Join(dir, "trace", "c1", record.LogFile), func(s *record.Sample) error {
			require.NotNil(t, s.Usage.CachedTokens)
			assert.Equal(t, s.Counted.ISL, s.Usage.PromptTokens)
			cached[s.Index] = *s.Usage.CachedTokens
			return nil
		})
		require.NoError(t, err)
		require.Empty(t, bad)
		require.Len(t, cached, requests)
		for i := range requests {
			e, err := d.Entry(i)
			require.NoError(t, err)
			hits, _ := replay.Ask(e.HashIDs, e.InputTokens)
			sum += hits
			require.Equal(t, hits*block, cached[i], "request %d, blocks of %d", i, block)
		}
		assert.Greater(t, sum*block, 50_000, "tokens that were found")
	}
}
