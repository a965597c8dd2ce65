package bench

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
)

// endLimit is how long a run may take from a signal to its last process.
const endLimit = 10 * time.Second

// TestSignalsLoseNothing ends a run in three ways in the middle of its second level: no process is left after ten seconds, what was
// measured can be read, and the report says what happened.
func TestSignalsLoseNothing(t *testing.T) {
	for name, end := range map[string]struct {
		signal syscall.Signal
		target func(goTest *exec.Cmd, binary int) int // whom the signal is sent to; negative: a process group
	}{
		"SIGINT to the group":        {syscall.SIGINT, func(c *exec.Cmd, _ int) int { return -c.Process.Pid }},
		"SIGTERM to go test alone":   {syscall.SIGTERM, func(c *exec.Cmd, _ int) int { return c.Process.Pid }},
		"SIGTERM to the test binary": {syscall.SIGTERM, func(_ *exec.Cmd, binary int) int { return binary }},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			run := startGoTest(t, dir)
			level := filepath.Join(dir, "mock", "c20")
			binary := run.waitUntilMeasuring(t, level)
			require.NoError(t, syscall.Kill(end.target(run.command, binary), end.signal))
			start := time.Now()
			run.wait(t)
			assert.Eventually(t, func() bool { return len(processes(dir)) == 0 }, endLimit, 50*time.Millisecond, "processes are left: %v", processes(dir))
			t.Logf("the last process was gone after %v", time.Since(start).Round(time.Millisecond))
			requireInterrupted(t, dir)
		})
	}
}

func requireInterrupted(t *testing.T, dir string) {
	t.Helper()
	first, second := filepath.Join(dir, "mock", "c19"), filepath.Join(dir, "mock", "c20")
	assert.Equal(t, record.Done, readLevel(t, first).Status)
	requireFiles(t, first, levelFiles()...)
	requireFiles(t, second, levelFiles()...)
	l := readLevel(t, second)
	assert.Equal(t, record.Interrupt, l.Status)
	assert.NotEmpty(t, l.Reason)
	samples := readSamples(t, second)
	assert.Len(t, samples, l.Counts.Ended())
	// What was in flight, but for requests that ended at that very moment.
	assert.Positive(t, l.Counts.Outcomes[record.Cancelled])
	assert.LessOrEqual(t, l.Counts.Outcomes[record.Cancelled], 20)
	assert.Equal(t, l.Counts.Ended(), l.Counts.Outcomes[record.OK]+l.Counts.Outcomes[record.Cancelled])
	assert.Positive(t, l.Counts.Outcomes[record.OK])
	assert.Equal(t, l.Counts.Planned, l.Counts.Ended()+l.Counts.NotStarted)
	assert.Equal(t, true, aggregate(t, second)["was_cancelled"])
	assert.Equal(t, false, aggregate(t, first)["was_cancelled"])
	requireFiles(t, filepath.Join(dir, "plots"), reportFiles()...)
	text, err := os.ReadFile(filepath.Join(dir, "plots", "SUMMARY.txt"))
	require.NoError(t, err)
	assert.Contains(t, string(text), "mock: 2 concurrency levels (19-20)")
	assert.Contains(t, string(text), "mock: c20: stopped: "+l.Reason)
}

// goTest is a running go test command in a process group of its own.
type goTest struct {
	command *exec.Cmd
	output  *lockedBuffer
	ended   chan struct{}
	dir     string
}

// lockedBuffer is a buffer that is written and read by several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func startGoTest(t *testing.T, dir string) *goTest {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), childLimit)
	command := exec.CommandContext(ctx, "go", "test", "./bench", "-run", "^TestSweep$", "-v", "-count=1", "-timeout", "0",
		"-concurrencies=19,20,21", "-request-count=400", "-isl=100", "-osl=32", "-output-dir="+dir)
	command.Dir = ".."
	command.Env = cleanEnvironment()
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	g := &goTest{command: command, output: new(lockedBuffer), ended: make(chan struct{}), dir: dir}
	command.Stdout, command.Stderr = g.output, g.output
	// A killed go test must not keep us waiting for the pipes that its orphan still holds.
	command.WaitDelay = endLimit
	require.NoError(t, command.Start())
	go func() {
		_ = command.Wait()
		close(g.ended)
	}()
	t.Cleanup(func() {
		cancel()
		for _, pid := range processes(dir) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		<-g.ended
	})
	return g
}

// waitUntilMeasuring waits until some requests of the level have ended, and returns the process of the test binary.
func (g *goTest) waitUntilMeasuring(t *testing.T, level string) int {
	t.Helper()
	require.Eventually(t, func() bool {
		info, err := os.Stat(filepath.Join(level, record.LogFile))
		return err == nil && info.Size() > 0
	}, childLimit, 20*time.Millisecond, "the level did not begin:\n%s", g.output)
	for _, pid := range processes(g.dir) {
		if pid != g.command.Process.Pid {
			return pid
		}
	}
	require.Fail(t, "no test binary runs", g.output.String())
	return 0
}

func (g *goTest) wait(t *testing.T) {
	t.Helper()
	select {
	case <-g.ended:
	case <-time.After(endLimit):
		require.Fail(t, "go test did not end", g.output.String())
	}
}

// processes lists the processes whose command line names dir, and which are no zombies.
func processes(dir string) []int {
	entries, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	var pids []int
	for _, path := range entries {
		line, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(line), dir) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil && pid != os.Getpid() {
			pids = append(pids, pid)
		}
	}
	return pids
}

// TestDumbTerminalIsLeftAlone: what cannot redraw a line, or must not be drawn over, gets plain ones.
func TestDumbTerminalIsLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tty")
	assert.Nil(t, terminal(path), "there is none")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	for kind, live := range map[string]bool{"dumb": false, "xterm": true, "": true} {
		t.Setenv("TERM", kind)
		tty := terminal(path)
		assert.Equal(t, live, tty != nil, kind)
		_ = tty.Close()
	}
}
