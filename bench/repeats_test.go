package bench

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
)

// TestLevelsAreRepeatedInTurn: all levels once, then all again, and the first one more time; the first run is what an unrepeated level is, each other
// one asks for other lengths. The report of the files is what the run wrote.
func TestLevelsAreRepeatedInTurn(t *testing.T) {
	dir := t.TempDir()
	measure := func(name string, more ...string) result {
		return child{args: append([]string{"-virtual", "-nonce=7", "-benchmark-name=" + name, "-concurrencies=1,3", "-isl=200", "-osl=16", "-warmup-requests=2", "-output-dir=" + dir}, more...)}.run(t)
	}
	require.Zero(t, measure("plain").code)
	r := measure("many", "-repeats=3")
	require.Zero(t, r.code, r.output)
	var order []string
	for _, match := range regexp.MustCompile(`=== RUN   TestSweep/(\S+)`).FindAllStringSubmatch(r.output, -1) {
		order = append(order, match[1])
	}
	assert.Equal(t, []string{"c1/run-1", "c3/run-1", "c1/run-2", "c3/run-2", "c1/run-3", "c3/run-3", "c1/sentinel"}, order)

	many := filepath.Join(dir, "many")
	workloads := map[string]bool{}
	for _, level := range []string{"c1", "c3"} {
		plain, err := os.ReadFile(filepath.Join(dir, "plain", level, record.LogFile))
		require.NoError(t, err)
		first, err := os.ReadFile(filepath.Join(many, level, "run-1", record.LogFile))
		require.NoError(t, err)
		assert.True(t, string(plain) == string(first), "%s: the first run is the unrepeated level, byte for byte", level)
		for _, run := range []string{"run-1", "run-2", "run-3"} {
			requireFiles(t, filepath.Join(many, level, run), levelFiles()...)
			workloads[readLevel(t, filepath.Join(many, level, run)).WorkloadSHA256] = true
		}
	}
	assert.Len(t, workloads, 6, "each run has lengths of its own")
	assert.Equal(t, readLevel(t, filepath.Join(many, "c1", "run-1")).WorkloadSHA256, readLevel(t, filepath.Join(many, "c1", "sentinel")).WorkloadSHA256)
	assert.NotEqual(t, bodies(t, filepath.Join(many, "c1", "run-1")), bodies(t, filepath.Join(many, "c1", "sentinel")), "its text is new: no prefix cache answers")

	for _, level := range []string{"c1", "c3"} {
		requireFiles(t, filepath.Join(many, level), record.OverRunsFile, record.OverRunsTable)
	}
	assert.Contains(t, r.output, "Over runs; an interval needs 5 runs, have 3\n")
	assert.Regexp(t, `\ndrift: c1 at the end against its first run: TTFT [+-]0\.\d %, ITL [+-]0\.\d %, latency [+-]0\.\d %, tok/s [+-]0\.\d %; what chance does needs 5 runs, have 3\n`, r.output)
	text, err := os.ReadFile(filepath.Join(dir, "plots", "SUMMARY.txt"))
	require.NoError(t, err)
	assert.Contains(t, string(text), "Runs:      3 of each level, in turn; figures are their geometric means\nDrift:     c1 at the end against its first run: TTFT ")
	assert.Regexp(t, `\n    3 TTFT ms    3 \d+\.\d \[needs 5\]`, string(text))
	before := digestTree(t, dir)
	runReport(t, 0, "-data-dir", dir)
	assert.Empty(t, changed(before, digestTree(t, dir)))

	again := measure("many", "-repeats=2")
	assert.Equal(t, 1, again.code)
	assert.Contains(t, again.output, "holds results already")
	fewer := measure("many", "-repeats=2", "-resume")
	assert.Equal(t, 1, fewer.code)
	assert.Contains(t, fewer.output, "the plan is not the one of ")
	limits := filepath.Join(dir, "limits.yaml")
	require.NoError(t, os.WriteFile(limits, []byte("limits: [{metric: time_to_first_token, max: 1000000}]\n"), 0o600))
	judged := child{entry: "TestGate", args: []string{"-gate=" + limits, "-data-dir=" + dir, "-benchmark-name=many"}}
	judged.passes(t)
	require.NoError(t, os.RemoveAll(filepath.Join(many, "c3", "run-2")))
	lost := judged.run(t)
	assert.Equal(t, 1, lost.code)
	assert.Contains(t, lost.output, "run-2 has no results that can be read", "the others alone would pass")
	resumed := measure("many", "-repeats=3", "-resume")
	require.Zero(t, resumed.code, resumed.output)
	assert.Contains(t, resumed.output, "c1/run-1, c3/run-1, c1/run-2, c1/run-3, c3/run-3, c1/sentinel kept as finished")
	for _, name := range changed(before, digestTree(t, dir)) {
		assert.False(t, strings.HasPrefix(name, "many/c"), "%s: the run that was lost is as it was", name)
	}
	once := measure("many", "-overwrite")
	require.Zero(t, once.code, once.output)
	requireFiles(t, filepath.Join(many, "c1"), levelFiles()...)
	twice := measure("many", "-overwrite", "-repeats=2")
	require.Zero(t, twice.code, twice.output)
	assert.NoFileExists(t, filepath.Join(many, "c1", record.LevelFile))
	assert.NoDirExists(t, filepath.Join(many, "c1", "run-3"))
}

// bodies are the first request bodies of a level.
func bodies(t *testing.T, dir string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, record.InputsFile))
	require.NoError(t, err)
	return string(data)
}

// TestRunsHaveNoiseOfTheirOwn: each run meets a mock server that has drawn its speed anew, in virtual time too.
func TestRunsHaveNoiseOfTheirOwn(t *testing.T) {
	for args, speeds := range map[string]int{"-ttft=20ms -itl=10ms": 1, "-ttft=20ms -itl=10ms -noise-run=0.1": 3} {
		dir := t.TempDir()
		child{args: []string{"-virtual", "-nonce=7", "-repeats=2", "-concurrencies=1", "-request-count=2", "-isl=100", "-osl=4", "-plot=false", "-output-dir=" + dir, "-mock-args=" + args}}.passes(t)
		seen := map[int64]bool{}
		for _, run := range []string{"run-1", "run-2", "sentinel"} {
			s := readSamples(t, filepath.Join(dir, "mock", "c1", run))[0]
			seen[s.ChunksNS[1]-s.ChunksNS[0]] = true
		}
		assert.Len(t, seen, speeds, args)
	}
}
