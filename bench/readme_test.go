package bench

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestReadmeCommands runs each command of the README as it stands there, made small by the environment, and looks for what it should
// print. A command that no case knows fails the test.
func TestReadmeCommands(t *testing.T) {
	url, _ := countedMock(t)
	commands := readmeCommands(t)
	require.Greater(t, len(commands), 5)
	for _, command := range commands {
		if command == "make test" {
			continue // would run this test again
		}
		t.Run(command, func(t *testing.T) {
			t.Setenv("CONCURRENCIES", "1,2")
			t.Setenv("REQUEST_COUNT", "5")
			t.Setenv("BENCH_OSL", "8")
			t.Setenv("BENCH_OUTPUT_DIR", t.TempDir())
			switch {
			case strings.HasPrefix(command, "make gate"):
				t.Setenv("OUT", t.TempDir())
				t.Setenv("BENCH_OUTPUT_DIR", "") // the script names its own
				assert.Contains(t, shell(t, command), "PASS bench.TestGate/c2/time_to_first_token/avg")
			case strings.Contains(command, "-run Gate"):
				dir := t.TempDir()
				child{args: []string{"-virtual", "-concurrencies=100", "-plot=false", "-output-dir=" + dir}}.passes(t)
				assert.Contains(t, shell(t, strings.Replace(command, "benchmarks/results", dir, 1)), "--- PASS: TestGate/c100/time_to_first_token/p99")
			case strings.HasPrefix(command, "make sweep"):
				assert.Contains(t, shell(t, command), "conc reach ok/fail")
			case strings.Contains(command, "-virtual"):
				assert.Contains(t, shell(t, command), "\nReport:  ")
			case strings.Contains(command, "-endpoint=http://localhost:8000"):
				out := shell(t, strings.Replace(command, "http://localhost:8000", url, 1))
				assert.Contains(t, out, "--- PASS: TestSweep/c2")
			case strings.Contains(command, "-llmsweep.help"):
				assert.Contains(t, shell(t, command), "-benchmark-name NAME")
			case strings.Contains(command, "cmd/report"):
				assert.Contains(t, shell(t, strings.Replace(command, "benchmarks/results", "reporting/testdata/results -output-dir "+t.TempDir(), 1)), "report.html")
			case strings.Contains(command, "cmd/mockserver"):
				runsUntilStopped(t, strings.Replace(command, "8000", "0", 1), "mockserver: serving Qwen/Qwen3-0.6B on http://")
			default:
				assert.Fail(t, "the README has a command that no test runs", command)
			}
		})
	}
}

// readmeCommands returns the commands of the README's sh blocks.
func readmeCommands(t *testing.T) []string {
	t.Helper()
	data, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	var commands []string
	for i, part := range strings.Split(string(data), "```") {
		if block, isShell := strings.CutPrefix(part, "sh\n"); i%2 == 1 && isShell {
			commands = append(commands, strings.Split(strings.ReplaceAll(strings.TrimSpace(block), "\\\n", ""), "\n")...)
		}
	}
	return commands
}

// shell runs a command line at the module's root and returns what it printed; it must succeed.
func shell(t *testing.T, line string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), childLimit)
	defer cancel()
	command := exec.CommandContext(ctx, "sh", "-c", line)
	command.Dir = ".."
	out, err := command.CombinedOutput()
	require.NoError(t, err, string(out))
	return string(out)
}

// runsUntilStopped starts a command that serves, waits for its line, and stops it with its children.
func runsUntilStopped(t *testing.T, line, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), childLimit)
	defer cancel()
	command := exec.CommandContext(ctx, "sh", "-c", line)
	command.Dir = ".."
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	output := new(lockedBuffer)
	command.Stdout, command.Stderr = output, output
	command.WaitDelay = endLimit
	require.NoError(t, command.Start())
	assert.Eventually(t, func() bool { return strings.Contains(output.String(), want) }, childLimit, 20*time.Millisecond, output)
	require.NoError(t, syscall.Kill(-command.Process.Pid, syscall.SIGTERM))
	_ = command.Wait()
}
