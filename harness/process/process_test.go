//go:build unix

package process_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/process"
	"github.com/llmsweep/llmsweep/leaktest"
)

func TestMain(m *testing.M) { os.Exit(leaktest.Run(m)) }

// patience bounds every wait of these tests.
const patience = 20 * time.Second

// shell starts a script, and waits until it has made the file ready.
func shell(t *testing.T, script string) (p *process.Process, dir string) {
	t.Helper()
	dir = t.TempDir()
	p, err := process.Start(process.Spec{Path: "/bin/sh", Args: []string{"-c", script}, Dir: dir, Env: []string{"WORD=said"}})
	require.NoError(t, err)
	require.Eventually(t, func() bool { _, err := os.Stat(filepath.Join(dir, "ready")); return err == nil }, patience, time.Millisecond)
	return p, dir
}

// TestTerminateLetsAServerEndInPeace: it is asked, and what it does then is waited for.
func TestTerminateLetsAServerEndInPeace(t *testing.T) {
	p, dir := shell(t, `trap 'sleep 0.2; echo $WORD >ended; exit 0' TERM; >ready; while :; do sleep 0.01; done`)
	began := time.Now()
	assert.False(t, p.Terminate(patience))
	assert.Less(t, time.Since(began), patience/2)
	text, err := os.ReadFile(filepath.Join(dir, "ended"))
	require.NoError(t, err)
	assert.Equal(t, "said\n", string(text))
}

// TestTerminateWaitsForWhatWasStarted: the program ends at once, its own child takes a while.
func TestTerminateWaitsForWhatWasStarted(t *testing.T) {
	p, dir := shell(t, `(trap 'sleep 0.3; >ended; exit 0' TERM; >ready; while :; do sleep 0.01; done) & wait`)
	assert.False(t, p.Terminate(patience))
	assert.FileExists(t, filepath.Join(dir, "ended"))
}

// TestTerminateKillsWhatDoesNotEnd, with everything that it started.
func TestTerminateKillsWhatDoesNotEnd(t *testing.T) {
	p, dir := shell(t, `trap '' TERM; sh -c 'trap "" TERM; echo $$ >child; >ready; while :; do sleep 0.01; done' & while :; do sleep 0.01; done`)
	text, err := os.ReadFile(filepath.Join(dir, "child"))
	require.NoError(t, err)
	assert.True(t, p.Terminate(100*time.Millisecond))
	child := strings.TrimSpace(string(text))
	require.Eventually(t, func() bool {
		stat, err := os.ReadFile("/proc/" + child + "/stat")
		return err != nil || strings.Contains(string(stat), ") Z ")
	}, patience, time.Millisecond)
}

func TestTerminateAfterTheEnd(t *testing.T) {
	p, _ := shell(t, `>ready; echo "no such model" >&2; exit 3`)
	<-p.Ended()
	assert.EqualError(t, p.Err(), "exit status 3")
	assert.Equal(t, "no such model\n", p.Stderr())
	assert.False(t, p.Terminate(patience))
	require.EqualError(t, p.Stop(), "exit status 3")
}

func TestStartFails(t *testing.T) {
	_, err := process.Start(process.Spec{Path: "/bin/sh", Dir: "/nonexistent"})
	require.ErrorContains(t, err, "starting /bin/sh: ")
	require.ErrorIs(t, err, syscall.ENOENT)
}

// TestOutputGoesWhereItShould: the end of standard error is kept besides.
func TestOutputGoesWhereItShould(t *testing.T) {
	var out, errs bytes.Buffer
	p, err := process.Start(process.Spec{Path: "/bin/sh", Args: []string{"-c", "cat; echo e >&2"}, Stdin: strings.NewReader("in"), Stdout: &out, Stderr: &errs})
	require.NoError(t, err)
	<-p.Ended()
	require.NoError(t, p.Stop())
	assert.Equal(t, []string{"in", "e\n", "e\n"}, []string{out.String(), errs.String(), p.Stderr()})
}
