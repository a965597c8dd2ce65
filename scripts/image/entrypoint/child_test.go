package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// limit is how long a child may take to do what it is about to do.
const limit = 20 * time.Second

func TestFailureLeavesItsReason(t *testing.T) {
	for play, want := range map[string]string{
		"fail":     "TestSweep/c2: 3 of 10 requests failed; connection refused",
		"complain": "unexpected arguments",
		"used":     `TestSweep: nothing was sent: benchmark-name "b": /r/b holds results already`,
		"silent":   "failed",
		"killed":   "bench.test was ended by a signal: killed",
	} {
		t.Run(play, func(t *testing.T) {
			s := newStage(t, "PLAY="+play)
			code := exitFailure
			if play == "used" { // a fault of the command line
				code = exitUsage
			}
			assert.Equal(t, code, s.im.run(t.Context(), []string{"-d", "/r"}))
			assert.Equal(t, want, s.message(t))
		})
	}
}

func TestFailureOfASiblingLeavesItsReason(t *testing.T) {
	for play, test := range map[string]struct {
		code         int
		want, stderr string
	}{
		"complain":    {2, "unexpected arguments", "All flags"},
		"sibling":     {1, `report: data-dir "x" does not exist`, "warning: c1 is cut off"},
		"silent":      {7, "report failed", ""},
		"killed":      {exitFailure, "report was ended by a signal: killed", "llmsweep: report was ended"},
		"not started": {exitFailure, "starting /nowhere/report: fork/exec /nowhere/report: no such file or directory", "llmsweep: starting"},
	} {
		t.Run(play, func(t *testing.T) {
			s := newStage(t, "PLAY="+play)
			if play == "not started" {
				s.im.bench = "/nowhere/bench.test"
			}
			assert.Equal(t, test.code, s.im.run(t.Context(), []string{"report"}))
			assert.Equal(t, test.want, s.message(t))
			assert.Contains(t, s.stderr.String(), test.stderr)
		})
	}
}

func TestSuccessLeavesNoMessage(t *testing.T) {
	s := newStage(t)
	assert.Equal(t, exitOK, s.im.run(t.Context(), []string{"-d", "/r"}))
	assert.Equal(t, exitOK, s.im.run(t.Context(), []string{"report"}))
	assert.Equal(t, "old", s.message(t))
}

// waitingOutput is a stdout that tells when the child waits for a signal.
type waitingOutput struct {
	mu    sync.Mutex
	text  strings.Builder
	ready chan struct{}
}

func (w *waitingOutput) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.text.Len() == 0 {
		close(w.ready)
	}
	return w.text.Write(p)
}

func TestSignalsArePassedOn(t *testing.T) {
	for name, sig := range map[string]syscall.Signal{"terminated": syscall.SIGTERM, "interrupt": syscall.SIGINT, "hangup": syscall.SIGHUP} {
		t.Run(name, func(t *testing.T) {
			out := requireEnded(t, []string{"-d", "/r"}, exitFailure, func(context.CancelFunc) {
				require.NoError(t, syscall.Kill(os.Getpid(), sig))
			})
			assert.Equal(t, "waiting\ngot "+name+"\n", out)
		})
	}
	t.Run("end of the context", func(t *testing.T) {
		out := requireEnded(t, []string{"-d", "/r"}, exitFailure, func(cancel context.CancelFunc) { cancel() })
		assert.Equal(t, "waiting\ngot terminated\n", out)
	})
	t.Run("to a sibling", func(t *testing.T) {
		requireEnded(t, []string{"mockserver"}, 3, func(context.CancelFunc) {
			require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGTERM))
		})
	})
}

// requireEnded runs a child that waits, ends it, and returns what it said.
func requireEnded(t *testing.T, args []string, code int, end func(context.CancelFunc)) string {
	t.Helper()
	s := newStage(t, "PLAY=wait")
	out := &waitingOutput{ready: make(chan struct{})}
	s.im.stdout = out
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan int, 1)
	go func() { ended <- s.im.run(ctx, args) }()
	select {
	case <-out.ready:
	case <-time.After(limit):
		require.Fail(t, "the child does not wait")
	}
	end(cancel)
	select {
	case got := <-ended:
		assert.Equal(t, code, got)
	case <-time.After(limit):
		require.Fail(t, "the child did not end")
	}
	return out.text.String()
}

// TestOrphansAreReaped makes a process that adopts orphans as process 1 does, and looks for what is left of them.
func TestOrphansAreReaped(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self)
	cmd.Args[0] = "process1"
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Equal(t, "status 5, zombies 0\n", string(out))
}

func TestTermination(t *testing.T) {
	t.Run("one bounded line", func(t *testing.T) {
		s := newStage(t)
		s.im.terminationMessage("ab\n\tc " + strings.Repeat("ä", maxMessage))
		text := s.message(t)
		assert.True(t, strings.HasPrefix(text, "ab c ä"))
		assert.LessOrEqual(t, len(text), maxMessage)
		assert.Greater(t, len(text), maxMessage-4)
		assert.True(t, strings.HasSuffix(text, "ä"), "the cut went through a letter")
	})
	t.Run("never created", func(t *testing.T) {
		im := image{termination: filepath.Join(t.TempDir(), "log")}
		im.terminationMessage("reason")
		assert.NoFileExists(t, im.termination)
	})
}

func TestReason(t *testing.T) {
	for name, test := range map[string]struct{ output, want string }{
		"passed":   {"=== RUN   TestSweep\n--- PASS: TestSweep (0s)\nPASS\n", ""},
		"panic":    {"=== RUN   TestSweep\n--- FAIL: TestSweep (0s)\npanic: boom [recovered]\n\ngoroutine 1\n", "panic: boom [recovered]"},
		"no text":  {"=== RUN   TestSweep\n--- FAIL: TestSweep (0s)\nFAIL\n", "TestSweep: failed"},
		"several":  {"=== RUN   T/a\n    x.go:1: one\n=== RUN   T/b\n    x.go:2: two\n--- FAIL: T (0s)\n    --- FAIL: T/a (0s)\n    --- FAIL: T/b (0s)\n", "T/a: one (and 1 more failed)"},
		"parent's": {"=== RUN   T\n=== RUN   T/a\n    x.go:1: fine\n=== NAME  T\n    x.go:9: report: disk full\n--- FAIL: T (0s)\n    --- PASS: T/a (0s)\n", "T: report: disk full"},
		"attributes between": {
			"=== RUN   T/a\n=== NAME  T\n    x.go:8: early\n=== ATTR  T/a requests ok=1\n    x.go:1: late\n--- FAIL: T (0s)\n    --- FAIL: T/a (0s)\n", "T/a: late",
		},
		"several lines, then progress": {"=== RUN   T\n    x.go:1: nothing was sent:\n        isl \"0\"\n        osl \"0\"\nprogress\n        table\n--- FAIL: T (0s)\n", `T: nothing was sent; isl "0"; osl "0"`},
	} {
		t.Run(name, func(t *testing.T) {
			var v verdict
			sink := &tee{to: new(strings.Builder), line: v.add}
			for i := range test.output { // byte by byte: lines arrive in any pieces
				_, err := sink.Write([]byte{test.output[i]})
				require.NoError(t, err)
			}
			assert.Equal(t, test.want, v.reason())
		})
	}
}

// brokenOutput is a stdout whose reader has gone.
type brokenOutput struct{}

func (brokenOutput) Write([]byte) (int, error) { return 0, syscall.EPIPE }

func TestOutputWithoutReaderStopsNothing(t *testing.T) {
	c := complaint{program: "p"}
	sink := &tee{to: brokenOutput{}, line: c.add}
	text := strings.Repeat("x", 3*maxLine) + "\np: last\n\n"
	n, err := sink.Write([]byte(text))
	require.NoError(t, err)
	assert.Equal(t, len(text), n)
	assert.Equal(t, "p: last", c.reason())
	assert.LessOrEqual(t, cap(sink.partial), 2*maxLine, "a line without end must not fill the memory")
}
