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

// TestTraceIsFollowed: requests start when the trace says, to the nanosecond, and find in the mock's prefix cache what a naive one finds in the order of
// the arrivals. They are far enough apart for each to be answered before the next.
func TestTraceIsFollowed(t *testing.T) {
	requests := 10_000
	if testing.Short() {
		requests = 500
	}
	content := trace(requests, 2)
	d, err := dataset.Read("trace", strings.NewReader(content), int64(len(content)), "")
	require.NoError(t, err)
	dir := t.TempDir()
	path := filepath.Join(dir, "trace.jsonl")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	const block, scale = 512, 25
	r := child{args: []string{
		"-virtual", "-input-file=" + path, "-fixed-schedule", fmt.Sprint("-time-scale=", scale), "-benchmark-name=followed", "-output-dir=" + dir,
		fmt.Sprintf("-mock-args=-block-size=%d -num-gpu-blocks-override=1000000", block),
	}}.passes(t)
	cached := make([]int, requests)
	_, err = record.ReadLog(filepath.Join(dir, "followed", "trace", record.LogFile), func(s *record.Sample) error {
		require.Equal(t, int64(s.Index)*20e6*scale, s.StartNS)
		cached[s.Index] = *s.Usage.CachedTokens
		return nil
	})
	require.NoError(t, err)
	replay, sum := dataset.Replay{Block: block}, 0
	for i := range requests {
		e, err := d.Entry(i)
		require.NoError(t, err)
		hits, _ := replay.Ask(e.HashIDs, e.InputTokens)
		sum += hits
		require.Equal(t, hits*block, cached[i], "request %d", i)
	}
	assert.Greater(t, sum, requests/2)
	assert.Contains(t, r.output, " rate flight ok/fail")
	text, err := os.ReadFile(filepath.Join(dir, "plots", "SUMMARY.txt"))
	require.NoError(t, err)
	assert.Contains(t, string(text), "open loop by the trace's times x 25")
	assert.Regexp(t, `(?m)^ +trace +\d`, string(text))
}

// TestTraceThatCannotBeFollowed is refused before anything is sent.
func TestTraceThatCannotBeFollowed(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return "-input-file=" + path
	}
	timed := file("timed.jsonl", `{"timestamp":5,"input_length":9,"output_length":2}`+"\n"+`{"timestamp":7,"input_length":9,"output_length":2}`+"\n")
	for want, args := range map[string][]string{
		"needs an -input-file with timestamps":           {},
		"cannot go with -request-rate or -concurrencies": {timed, "-concurrencies=1"},
		"cannot go with -warmup-requests":                {timed, "-warmup-requests=1"},
		"must be sequential":                             {timed, "-dataset-sampling=random"},
		`time-scale "0": must be above 0`:                {timed, "-time-scale=0"},
		"request-count 3 is more than the 2 records":     {timed, "-request-count=3"},
		"has no timestamps":                              {file("untimed.jsonl", `{"text":"a"}`+"\n")},
		"unsorted.jsonl:2: its timestamp is before":      {file("unsorted.jsonl", `{"timestamp":7,"input_length":9,"output_length":2}`+"\n"+`{"timestamp":5,"input_length":9,"output_length":2}`+"\n")},
		"cannot go with ramps":                           {timed, "-concurrency-ramp-duration=1s"},
	} {
		r := child{args: append([]string{"-virtual", "-fixed-schedule", "-output-dir=" + t.TempDir()}, args...)}.run(t)
		assert.NotZero(t, r.code, want)
		assert.Contains(t, r.output, want)
	}
	r := child{args: []string{"-virtual", "-time-scale=2", "-output-dir=" + t.TempDir()}}.run(t)
	assert.NotZero(t, r.code)
	assert.Contains(t, r.output, `time-scale "2": is for -fixed-schedule`)
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
