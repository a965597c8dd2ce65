package bench

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
)

// TestPrintedConfigRuns: what -print-config prints, with what go test prints around it, is a file that -config runs by.
func TestPrintedConfigRuns(t *testing.T) {
	url, chats := countedMock(t)
	dir := t.TempDir()
	args := []string{"-endpoint=" + url, "-benchmark-name=x", "-concurrencies=1", "-request-count=2", "-osl=4", "-isl=4", "-std=0", "-plot=false", "-header=X-A:env:MY_TOKEN", "-output-dir=" + dir}
	env := []string{"MY_TOKEN=my-secret", "BENCH_OSLL=5"}
	printed := child{env: env, args: append(args, "-print-config")}.passes(t)
	assert.Contains(t, printed.output, "# warning: environment variable \"BENCH_OSLL\" is no flag of llmsweep; did you mean \"BENCH_OSL\"?\n")
	assert.NotContains(t, printed.output, "my-secret")
	assert.NotContains(t, printed.output, "=== RUN")
	assert.Zero(t, chats.Load(), "load was sent")
	assert.NoDirExists(t, filepath.Join(dir, "x"))

	file := filepath.Join(t.TempDir(), "flags.yaml")
	require.NoError(t, os.WriteFile(file, []byte(printed.output+"PASS\nok  \tgithub.com/llmsweep/llmsweep/bench\t0.012s\n"), 0o600))
	child{env: env, args: []string{"-config=" + file, "-osl=3"}}.passes(t)
	assert.Equal(t, int64(1+2), chats.Load(), "the first for what its template adds")
	var run record.Run
	require.NoError(t, record.ReadJSON(filepath.Join(dir, "x", record.RunFile), &run))
	assert.Equal(t, []int{3, 4}, []int{run.Plan.OSL, run.Plan.ISL}, "a flag beats the file")
	assert.Equal(t, map[string]string{"X-A": "env:MY_TOKEN"}, run.Plan.Headers)
}

// TestBadConfigIsRefused before any load, whatever was asked for.
func TestBadConfigIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "flags.yaml")
	require.NoError(t, os.WriteFile(file, []byte("virtual: true\nisll: 5\n"), 0o600))
	for _, arg := range []string{"-plot=false", "-print-config", "-dry-run"} {
		r := child{args: []string{"-config=" + file, arg, "-output-dir=" + t.TempDir()}}.run(t)
		assert.NotZero(t, r.code)
		assert.Contains(t, r.output, "nothing was sent:")
		assert.Contains(t, r.output, file+`:2: key "isll": is no flag of llmsweep; did you mean "isl"?`)
	}
	for _, entry := range []string{"TestGate", "TestCompare", "TestSelfCompare", "TestCalibrate"} {
		r := child{entry: entry, args: []string{"-benchmark-name=of-the-gate", "-print-config"}}.passes(t)
		assert.Contains(t, r.output, "\nbenchmark-name: of-the-gate ", entry)
	}
}

// TestMakeReplacesItsOwnResultsOnly: make sweep passes -overwrite for the default run, and where nothing names another or goes on with one.
func TestMakeReplacesItsOwnResultsOnly(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		require.Empty(t, os.Getenv("REQUIRE_MAKE"), "make is not on PATH")
		t.Skip("make is not on PATH, whose rules this test reads; REQUIRE_MAKE=1 makes this a failure")
	}
	for setting, replaces := range map[string]bool{
		"ARGS=": true, "ARGS=-isl=5": true, "BENCH_ISL=5": true,
		"ENDPOINT=http://x": false, "BENCH_ENDPOINT=http://x": false, "BENCH_BENCHMARK_NAME=x": false, "BENCH_CONFIG=x": false, "BENCH_RESUME=true": false,
		"ARGS=-endpoint=x": false, "ARGS=-isl=5 --benchmark-name x": false, "ARGS=-config=x": false, "ARGS=-resume=request": false,
	} {
		command := exec.CommandContext(t.Context(), "make", "-n", "sweep")
		command.Dir, command.Env = "..", append(cleanEnvironment(), setting)
		output, err := command.CombinedOutput()
		require.NoError(t, err, "%s", output)
		assert.Equal(t, replaces, strings.Contains(string(output), " -overwrite"), "%s: %s", setting, output)
	}
}
