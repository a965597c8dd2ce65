package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
)

// childLimit bounds a child process: nothing hangs.
const childLimit = 4 * time.Minute

// child is one entry point run in a process of its own, which is the test binary itself.
type child struct {
	entry string   // "": TestSweep
	dir   string   // working directory; "": bench
	env   []string // added to a clean environment
	limit string   // shell command that the process runs under, such as ulimit; "": none
	args  []string
}

// result is what a child left.
type result struct {
	output string
	code   int
}

// inChild marks the environment of a child.
const inChild = "LLMSWEEP_TEST_CHILD"

func (c child) command(ctx context.Context, t *testing.T, entry string) *exec.Cmd {
	t.Helper()
	// A test whose name an entry point's pattern matches would run itself in its child, and so on until the machine is full.
	require.Empty(t, os.Getenv(inChild), "%s runs in a child: its name must not match the pattern of an entry point", t.Name())
	binary, err := os.Executable()
	require.NoError(t, err)
	inheritNothing(t)
	args := append([]string{binary, "-test.run=^" + entry + "$", "-test.v", "-test.timeout=0"}, c.args...)
	if c.limit != "" {
		args = append([]string{"sh", "-c", c.limit + ` && exec "$0" "$@"`}, args...)
	}
	command := exec.CommandContext(ctx, args[0], args[1:]...)
	command.Dir = c.dir
	command.Env = append(append(cleanEnvironment(), inChild+"=1"), c.env...)
	return command
}

// inheritNothing has the files that we inherited, from a runner of jobs for instance, closed in our children, as those that Go opens are anyway: how
// many are open in a child follows from the child.
func inheritNothing(t *testing.T) {
	t.Helper()
	entries, err := os.ReadDir("/dev/fd")
	require.NoError(t, err)
	for _, entry := range entries {
		if fd, err := strconv.Atoi(entry.Name()); err == nil && fd > 2 {
			syscall.CloseOnExec(fd)
		}
	}
}

// cleanEnvironment is ours without what would configure a run, or take its verdicts for ours. Nothing is looked for on the Hub.
func cleanEnvironment() []string {
	kept := []string{"BENCH_TOKENIZER=embedded"}
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		switch name {
		case "ENDPOINT", "MODEL", "CONCURRENCIES", "REQUEST_COUNT", "OPENAI_API_KEY", "SERVICE_PROTOCOL", "DYN_URL_SCHEME", "GITHUB_STEP_SUMMARY":
		default:
			if !strings.HasPrefix(name, "BENCH_") {
				kept = append(kept, entry)
			}
		}
	}
	return kept
}

// TestNamesDoNotMatchEntryPoints: go test ./bench -run Gate runs the gate, and no test of ours beside it.
func TestNamesDoNotMatchEntryPoints(t *testing.T) {
	files, err := filepath.Glob("*_test.go")
	require.NoError(t, err)
	entryPoints := []string{"TestSweep", "TestGate", "TestCalibrate", "TestCompare", "TestSelfCompare"}
	found := 0
	for _, file := range files {
		source, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, match := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(string(source), -1) {
			name := match[1]
			if slices.Contains(entryPoints, name) {
				found++
				continue
			}
			for _, entryPoint := range entryPoints {
				assert.NotContains(t, name, strings.TrimPrefix(entryPoint, "Test"), file)
			}
		}
	}
	assert.GreaterOrEqual(t, found, 2)
}

// run runs the sweep and waits for its end.
func (c child) run(t *testing.T) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), childLimit)
	defer cancel()
	entry := c.entry
	if entry == "" {
		entry = "TestSweep"
	}
	command := c.command(ctx, t, entry)
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	err := command.Run()
	require.NoError(t, ctx.Err(), "the child hung:\n%s", output.String())
	var exited *exec.ExitError
	if err != nil {
		require.ErrorAs(t, err, &exited)
	}
	return result{output: output.String(), code: command.ProcessState.ExitCode()}
}

// passes runs the sweep and requires it to pass.
func (c child) passes(t *testing.T) result {
	t.Helper()
	r := c.run(t)
	require.Zero(t, r.code, r.output)
	return r
}

func readLevel(t *testing.T, dir string) record.Level {
	t.Helper()
	var l record.Level
	require.NoError(t, record.ReadJSON(filepath.Join(dir, record.LevelFile), &l))
	return l
}

func readSamples(t *testing.T, dir string) []*record.Sample {
	t.Helper()
	var samples []*record.Sample
	bad, err := record.ReadLog(filepath.Join(dir, record.LogFile), func(s *record.Sample) error {
		samples = append(samples, s)
		return nil
	})
	require.NoError(t, err)
	require.Empty(t, bad)
	return samples
}

// aggregate reads profile_export_aiperf.json.
func aggregate(t *testing.T, dir string) map[string]any {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, record.AggregateFile))
	require.NoError(t, err)
	var document map[string]any
	require.NoError(t, json.Unmarshal(data, &document))
	return document
}

// levelFiles are the files that every level has, whatever happened to it.
func levelFiles() []string {
	return []string{
		record.LevelFile, record.InputsFile, record.LogFile, record.RequestsFile, record.AggregateFile, record.AggregateTable,
	}
}

func requireFiles(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		info, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		require.NotZero(t, info.Size(), name)
	}
}

// reportFiles are the files of a report.
func reportFiles() []string {
	return []string{
		"SUMMARY.txt", "report.html", "results.bench", "results.csv", "p50_inter_token_latency_vs_concurrency.png", "avg_inter_token_latency_vs_concurrency.png",
		"avg_time_to_first_token_vs_concurrency.png", "request_throughput_vs_concurrency.png", "efficiency_tok_s_gpu_vs_user.png",
	}
}
