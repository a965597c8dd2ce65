package bench

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
)

// validityOf are the readings of a level by their names, and what they come to.
func validityOf(t *testing.T, level string) (verdict string, readings map[string]float64) {
	t.Helper()
	validity := aggregate(t, level)["llmsweep"].(map[string]any)["validity"].(map[string]any)
	readings = map[string]float64{}
	for _, r := range validity["readings"].([]any) {
		reading := r.(map[string]any)
		readings[reading["name"].(string)] = reading["value"].(float64)
	}
	return validity["verdict"].(string), readings
}

func summaryIn(t *testing.T, dir string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "plots", "SUMMARY.txt"))
	require.NoError(t, err)
	return string(data)
}

// unbroken is the summary without its line breaks, one space between words: where a line ends depends on how long names are.
func unbroken(t *testing.T, dir string) string {
	t.Helper()
	return strings.Join(strings.Fields(summaryIn(t, dir)), " ")
}

// inOrder are the samples of a level in the order of their requests.
func inOrder(t *testing.T, level string) []*record.Sample {
	t.Helper()
	samples := readSamples(t, level)
	sort.Slice(samples, func(i, j int) bool { return samples[i].Index < samples[j].Index })
	return samples
}

// TestPlannedCacheHits: of prompts that share half of their tokens the mock's cache has, from the second on, as many whole blocks as the longest
// shared beginning so far, to the token; and a hit rate that was asked for makes no level invalid.
func TestPlannedCacheHits(t *testing.T) {
	const block = 64
	dir := t.TempDir()
	r := child{args: []string{"-virtual", "-nonce=7", "-prefix-ratio=0.5", "-std=100", "-concurrencies=1,8", "-request-count=40", "-osl=8", "-output-dir=" + dir, "-plot=false"}}.passes(t)
	assert.NotContains(t, r.output, "INVALID")
	level := filepath.Join(dir, "mock", "c1")
	hits, shared, longest := 0, 0, 0
	for i, s := range inOrder(t, level) {
		assert.Equal(t, int(math.Round(float64(s.Counted.ISL)/2)), s.SharedTokens)
		want := min(longest, s.SharedTokens) / block * block
		assert.Equal(t, want, *s.Usage.CachedTokens, "request %d", i)
		hits, shared, longest = hits+want, shared+s.SharedTokens, max(longest, s.SharedTokens)
	}
	for _, name := range []string{"c1", "c8"} {
		level := filepath.Join(dir, "mock", name)
		cache := aggregate(t, level)["llmsweep"].(map[string]any)["prefix_cache"].(map[string]any)
		assert.EqualValues(t, 40, cache["requests"])
		assert.InDelta(t, 0.5, cache["shared_on_purpose"].(float64)/cache["prompt_tokens"].(float64), 0.001)
		assert.Zero(t, cache["unplanned_hits"])
		if name == "c1" {
			assert.Equal(t, []int{hits, shared}, []int{int(cache["hits"].(float64)), int(cache["shared_on_purpose"].(float64))})
		}
		// What is missing to the design is of the first request and at most a block of each other.
		missing := cache["shared_on_purpose"].(float64) - cache["hits"].(float64)
		assert.Positive(t, missing)
		assert.Less(t, missing, 1200+39*block+1000., name)
		verdict, readings := validityOf(t, level)
		assert.Equal(t, "VALID", verdict)
		assert.Contains(t, readings, "unplanned cache hits")
	}
}

// TestUnplannedCacheHits: a second run of the same text finds a warm server, and its levels say that they are invalid wherever they are read.
func TestUnplannedCacheHits(t *testing.T) {
	url, _ := countedMock(t)
	dir := t.TempDir()
	args := func(name, nonce string) []string {
		return []string{"-endpoint=" + url, "-nonce=" + nonce, "-benchmark-name=" + name, "-concurrencies=1", "-request-count=20", "-isl=200", "-std=0", "-osl=8", "-output-dir=" + dir}
	}
	child{args: args("cold", "7")}.passes(t)
	verdict, readings := validityOf(t, filepath.Join(dir, "cold", "c1"))
	assert.Equal(t, 0., readings["unplanned cache hits"], "%s", verdict)

	r := child{args: args("warm", "7")}.passes(t)
	for _, s := range inOrder(t, filepath.Join(dir, "warm", "c1")) {
		assert.Equal(t, 200/64*64, *s.Usage.CachedTokens)
	}
	verdict, readings = validityOf(t, filepath.Join(dir, "warm", "c1"))
	assert.Equal(t, "INVALID", verdict)
	assert.InDelta(t, 96, readings["unplanned cache hits"], 1e-9)
	const reading = "unplanned cache hits 96 %, limit at most 1 %"
	assert.Contains(t, r.output, reading)
	summary := unbroken(t, dir)
	assert.Contains(t, summary, "Cache: hits from usage 96 % at 1 of the prompts' tokens; from server metrics 96 %; shared on purpose 0 % ")
	assert.Regexp(t, `INVALID: (\S.*; )?`+reading, summary, "a server that takes no time leaves slots empty, which is another reason")
	assert.Contains(t, summary, "the server had 96 % of the prompts' tokens in its cache")
	page, err := os.ReadFile(filepath.Join(dir, "plots", "report.html"))
	require.NoError(t, err)
	assert.Contains(t, string(page), reading)

	child{args: args("other", "8")}.passes(t)
	_, readings = validityOf(t, filepath.Join(dir, "other", "c1"))
	assert.Equal(t, 0., readings["unplanned cache hits"], "another nonce is another text")

	file := filepath.Join(t.TempDir(), "prompts.jsonl")
	require.NoError(t, os.WriteFile(file, []byte(`{"text":"`+strings.Repeat("again ", 200)+`"}`), 0o600))
	child{args: []string{"-endpoint=" + url, "-benchmark-name=file", "-concurrencies=1", "-request-count=20", "-osl=8", "-input-file=" + file, "-output-dir=" + dir}}.passes(t)
	_, readings = validityOf(t, filepath.Join(dir, "file", "c1"))
	assert.NotContains(t, readings, "unplanned cache hits", "nobody knows what is planned of a file")
	assert.Contains(t, unbroken(t, dir), "20 requests have 1 record, so that prompts repeat")
	assert.Regexp(t, `Cache: hits from usage 9[0-9.]* % at 1 of the prompts' tokens; from server metrics 9[0-9.]* %; what those of the file share is not known `, unbroken(t, dir))
}

// TestFileAskedTwice of one server: the second run meets the cache that the first has filled, which both the summary and a gate say.
func TestFileAskedTwice(t *testing.T) {
	url, _ := countedMock(t)
	dir := t.TempDir()
	var b strings.Builder
	for i := range 20 {
		fmt.Fprintf(&b, "{\"text\": \"%s\"}\n", strings.Repeat(fmt.Sprintf("word%d ", i), 200))
	}
	file := filepath.Join(t.TempDir(), "prompts.jsonl")
	require.NoError(t, os.WriteFile(file, []byte(b.String()), 0o600))
	for _, name := range []string{"first", "second"} {
		child{args: []string{"-endpoint=" + url, "-benchmark-name=" + name, "-concurrencies=1,2", "-request-count=9", "-warmup-requests=1", "-osl=8", "-input-file=" + file, "-output-dir=" + dir}}.passes(t)
		for _, level := range []string{"c1", "c2"} {
			for _, s := range readSamples(t, filepath.Join(dir, name, level)) {
				assert.Equal(t, name == "second", *s.Usage.CachedTokens > 150, "%s %s %d: levels and the warm-up ask other records", name, level, s.Index)
			}
		}
	}
	assert.Regexp(t, `Cache: hits from usage 9[0-9.]* % at 1, 9[0-9.]* % at 2 of the prompts' tokens; from server metrics 9[0-9.]* %( to 9[0-9.]* %)?; what those of the file share is not known `, unbroken(t, dir))
	r := child{entry: "TestGate", args: []string{"-baseline=" + filepath.Join(dir, "first"), "-candidate=" + filepath.Join(dir, "second")}}.run(t)
	assert.Regexp(t, `warning: c1: of the prompts of the input-file [0-9.]+ % were in the server's cache in \S*first, 9[0-9.]* % in \S*second: `, r.output)
}
