package bench

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
)

// TestVirtualRunsAreIdentical runs the same plan ten times, on one processor and on two: every byte of every file is the same.
func TestVirtualRunsAreIdentical(t *testing.T) {
	dir := t.TempDir()
	var first map[string]string
	for i := range 10 {
		require.NoError(t, os.RemoveAll(filepath.Join(dir, "results")))
		c := child{
			env:  []string{fmt.Sprintf("GOMAXPROCS=%d", 1+i%2)},
			args: []string{"-virtual", "-nonce=7", "-concurrencies=2,50", "-osl=64", "-warmup-requests=3", "-output-dir=" + filepath.Join(dir, "results")},
		}
		c.passes(t)
		digests := digestTree(t, filepath.Join(dir, "results"))
		require.Len(t, digests, 1+2*len(append(levelFiles(), record.ServerMetricsFile))+len(reportFiles()))
		if first == nil {
			first = digests
		}
		require.Empty(t, changed(first, digests), "run %d", i)
	}
}

// digestTree maps each file below dir to its SHA-256.
func digestTree(t *testing.T, dir string) map[string]string {
	t.Helper()
	digests := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		digests[name] = fmt.Sprintf("%x", sha256.Sum256(data))
		return err
	}))
	return digests
}

// changed lists the files that differ, or exist on one side only.
func changed(before, after map[string]string) []string {
	var names []string
	for name := range before {
		if after[name] != before[name] {
			names = append(names, name)
		}
	}
	for name := range after {
		if _, existed := before[name]; !existed {
			names = append(names, name)
		}
	}
	return names
}

// TestVirtualTimeEqualsTheModel holds a level at c = 50 against the engine's rules, played by hand: every first token, last token
// and start of every request agrees to the nanosecond.
func TestVirtualTimeEqualsTheModel(t *testing.T) {
	dir := t.TempDir()
	child{args: []string{"-virtual", "-concurrencies=50", "-osl=100", "-output-dir=" + dir}}.passes(t)
	samples := readSamples(t, filepath.Join(dir, "mock", "c50"))
	require.Len(t, samples, 150)
	sort.Slice(samples, func(i, j int) bool { return samples[i].Index < samples[j].Index })
	prompts := make([]int, len(samples))
	for i, s := range samples {
		prompts[i] = s.Counted.ISL
	}
	want := playByHand(prompts, 50, 100)
	for i, s := range samples {
		w := want[i]
		require.Equal(t, w.start, s.StartNS, "start of request %d", i)
		require.Len(t, s.ChunksNS, len(w.tokens))
		for k := range w.tokens {
			require.Equal(t, w.tokens[k], s.ChunksNS[k], "token %d of request %d", k, i)
		}
	}
	// One value of the rule worked out with pencil: request 0 is alone in the first pass.
	n := float64(prompts[0])
	prefill := 4.209989e-07*n*n + 1.518344e-02*n + 16.50142
	assert.Equal(t, int64(prefill*1e6+0.5)+1, samples[0].ChunksNS[0]-samples[0].StartNS)
}

// course is what one request should live through, in nanoseconds.
type course struct {
	start  int64
	tokens []int64
}

// playByHand plays a closed loop of c slots against the engine's rules, the slow and obvious way. Passes follow one another without
// a gap. A pass gives one token to each decoding request and spends what is left of 8192 tokens on prompts, oldest first. The time for
// prompts depends on their number times the difference of two whole means, of the lengths reached and of those there before. Its k-th
// token is written k ns after its end, and a slot whose last token came sends its next request at that instant.
func playByHand(prompts []int, c, osl int) []course {
	all := make([]course, len(prompts))
	computed := make([]int, len(prompts)) // prompt tokens
	var queue []int                       // requests that were sent and are not finished, by arrival
	next := 0
	send := func(at int64) {
		if next < len(prompts) {
			all[next].start = at
			queue = append(queue, next)
			next++
		}
	}
	for slot := range c {
		send(int64(slot))
	}
	for now := int64(0); len(queue) > 0; {
		budget, reached, before, prefilling, contexts, decoding := 8192, 0, 0, 0, 0, 0
		var yields []int
		for _, id := range queue {
			if all[id].start > now || budget == 0 {
				continue
			}
			if got := len(all[id].tokens); computed[id] == prompts[id] {
				budget--
				decoding++
				contexts += prompts[id] + got
			} else {
				part := min(prompts[id]-computed[id], budget)
				before += computed[id]
				computed[id] += part
				reached += computed[id]
				prefilling++
				budget -= part
			}
			if computed[id] == prompts[id] {
				yields = append(yields, id)
			}
		}
		ms := 0.0
		if prefilling > 0 {
			n := float64(prefilling * (reached/prefilling - before/prefilling))
			ms += 4.209989e-07*n*n + 1.518344e-02*n + 16.50142
		}
		if decoding > 0 {
			u := float64(contexts) / (16384 * 64)
			ms += max(-25.74*u*u+54.01*u+5.74, 1)
		}
		now += time.Duration(ms*1e6 + 0.5).Nanoseconds()
		for k, id := range yields {
			at := now + int64(k) + 1
			all[id].tokens = append(all[id].tokens, at)
			if len(all[id].tokens) == osl {
				send(at)
			}
		}
		queue = unfinished(queue, all, osl)
	}
	return all
}

func unfinished(queue []int, all []course, osl int) []int {
	var left []int
	for _, id := range queue {
		if len(all[id].tokens) < osl {
			left = append(left, id)
		}
	}
	return left
}

// TestReportRewritesItself runs two benchmarks and writes their report again from the files: only the path lines of SUMMARY.txt
// may differ, and into the same directory not even these.
func TestReportRewritesItself(t *testing.T) {
	dir := t.TempDir()
	for i, name := range []string{"one", "two"} {
		child{args: []string{"-virtual", "-benchmark-name=" + name, fmt.Sprintf("-gpus=%d", i+1), "-concurrencies=1,4", "-osl=16", "-output-dir=" + dir}}.passes(t)
	}
	before := digestTree(t, dir)
	runReport(t, 0, "-data-dir", dir)
	assert.Empty(t, changed(before, digestTree(t, dir)))

	requireFiles(t, filepath.Join(dir, "plots"), reportFiles()...)
	text, err := os.ReadFile(filepath.Join(dir, "plots", "SUMMARY.txt"))
	require.NoError(t, err)
	assert.Contains(t, string(text), "  one: 2 concurrency levels (1-4)\n  two: 2 concurrency levels (1-4)\n")
	assert.Contains(t, string(text), "Comparison")
	require.NoError(t, os.Remove(filepath.Join(dir, "one", "c1", record.AggregateFile)))
	runReport(t, 0, "-data-dir", dir)
	assert.Empty(t, changed(before, digestTree(t, dir)), "a lost export is made again from the log")

	elsewhere := filepath.Join(t.TempDir(), "report")
	runReport(t, 0, "-data-dir", dir, "-output-dir", elsewhere)
	for _, name := range reportFiles() {
		here, err := os.ReadFile(filepath.Join(dir, "plots", name))
		require.NoError(t, err)
		there, err := os.ReadFile(filepath.Join(elsewhere, name))
		require.NoError(t, err)
		there = bytes.Replace(there, []byte("Plots generated: "+elsewhere), []byte("Plots generated: "+filepath.Join(dir, "plots")), 1)
		assert.True(t, bytes.Equal(here, there), name)
	}
}
