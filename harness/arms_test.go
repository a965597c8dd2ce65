package harness_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness"
	"github.com/llmsweep/llmsweep/harness/record"
)

func TestArmsAreRead(t *testing.T) {
	p := planOf(t, nil, "-arm=base=http://user:secret@127.0.0.1:8001", "-arm", "next=mock:-itl=5ms -ttft=9ms", "-arm-command=base=serve --port 8001")
	require.Len(t, p.Arms, 2)
	assert.Equal(t, "http://user:secret@127.0.0.1:8001/v1/chat/completions", p.Arms[0].Target.String())
	assert.Equal(t, "serve --port 8001", p.Arms[0].Command)
	assert.Nil(t, p.Arms[1].Target)
	assert.Equal(t, []string{"-itl=5ms", "-ttft=9ms"}, p.Arms[1].MockArgs)
	assert.Equal(t, "base-vs-next", p.BenchmarkName)
	assert.Equal(t, []int{harness.ArmLevel}, p.Concurrencies)

	p = planOf(t, map[string]string{"BENCH_ARM": "a=mock:\nb=mock:-itl=1ms", "CONCURRENCIES": "3"}, "-benchmark-name=own")
	assert.Equal(t, []int{3}, p.Concurrencies)
	assert.Equal(t, "own", p.BenchmarkName)
	assert.Equal(t, []string{"-itl=1ms"}, p.Arms[1].MockArgs)
}

func TestBadArmsAreRefused(t *testing.T) {
	two := []string{"-arm=a=mock:", "-arm=b=mock:"}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-arm=http://127.0.0.1:1"}, `arm "http://127.0.0.1:1": must be NAME=URL`},
		{[]string{"-arm=a b=mock:"}, `arm "a b": must be NAME=URL`},
		{[]string{"-arm=a=http://user:secret@host:99999", "-arm=b=mock:"}, `arm a: endpoint "[redacted]": has a bad port`},
		{[]string{"-arm=a=mock:", "-arm=A=mock:"}, `arm "a": names both arms`},
		{[]string{"-arm=a=mock:", "-arm=plots=mock:"}, `arm "plots": is reserved`},
		{append(two, "-arm=c=mock:"), `arm "a, b, c": may be given twice`},
		{append(two, "-arm-command=a=serve"), `arm-command "a": is the embedded mock server, which needs no command`},
		{append(two, "-arm-command=c=serve --key secret"), `arm-command "c": names no -arm: pass -arm c=URL too`},
		{append(two, "-arm-command=serve"), `arm-command "serve": must be NAME=COMMAND`},
		{[]string{"-arm=a=:1", "-arm=b=mock:", "-arm-command=a=x", "-arm-command=a=y"}, `arm a: endpoint ":1": has no host`},
		{[]string{"-arm=a=h:1", "-arm=b=mock:", "-arm-command=a=x", "-arm-command=a=y"}, `arm-command "a": is given twice`},
		{[]string{"-arm=a=h:1", "-arm=b=mock:", "-virtual"}, `virtual "true": cannot go with arm a, which is no embedded mock server`},
		{append(two, "-endpoint=h:1"), `cannot go with -endpoint: its place is -arm NAME=URL`},
		{append(two, "-mock-args=-itl=1ms"), `cannot go with -mock-args: each arm has its own`},
		{append(two, "-repeats=2"), `cannot go with -repeats: a comparison repeats its runs itself: see -blocks`},
		{append(two, "-resume"), `cannot go with -resume: `},
		{append(two, "-blocks=5"), `blocks "5": must be at least 6`},
		{append(two, "-blocks=61"), `blocks "61": must be at most 60`},
		{append(two, "-inconclusive=pass"), `inconclusive "pass": must be skip or fail`},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			_, err := resolve(t, nil, c.args...)
			require.ErrorContains(t, err, c.want)
			assert.NotContains(t, err.Error(), "secret")
		})
	}
}

// TestRunsOfABlockAskForTheSame: lengths and schedule are the block's, the text is the run's own, and so is the noise of a mock server.
func TestRunsOfABlockAskForTheSame(t *testing.T) {
	p := planOf(t, nil, "-arm=a=mock:", "-arm=b=mock:-seed=7", "-nonce=5")
	seeds, nonces, mocks := map[uint64]int{}, map[uint64]bool{}, map[string]bool{}
	for block := range 20 {
		for _, arm := range p.Arms {
			for attempt := range 2 {
				run := p.Run(arm, "dir", block, attempt)
				assert.Equal(t, arm.Name, run.BenchmarkName)
				assert.Equal(t, "dir", run.OutputDir)
				seeds[run.Seed]++
				nonces[run.Nonce] = true
				mocks[strings.Join(run.MockArgs, " ")] = true
				assert.Less(t, run.Nonce, uint64(1)<<48)
			}
		}
	}
	assert.Len(t, seeds, 20)
	for _, n := range seeds {
		assert.Equal(t, 4, n)
	}
	assert.Len(t, nonces, 80)
	assert.Len(t, mocks, 41, "a seed for each run of a, and the one that b's options have")
	assert.Contains(t, mocks, "-seed=7")
	assert.Empty(t, p.MockArgs)
	assert.NotEqual(t, p.Run(p.Arms[0], "", 0, 0).Seed, planOf(t, nil, "-arm=a=mock:", "-arm=b=mock:", "-seed=8").Run(p.Arms[0], "", 0, 0).Seed)
}

// TestCommandOfAnArm: it is told which run it is for, may take its time to end, and its end cancels the run with its last words.
func TestCommandOfAnArm(t *testing.T) {
	dir := t.TempDir()
	arm := harness.Arm{Name: "a", Target: &url.URL{Scheme: "http", Host: vacant(t)}}
	arm.Command = fmt.Sprintf(`trap 'sleep 0.2; echo over >>%[1]s/ended; exit' TERM; echo $LLMSWEEP_ARM $LLMSWEEP_BLOCK; >%[1]s/ready; while :; do sleep 0.01; done`, dir)
	var log bytes.Buffer
	serving, stop, err := arm.Serve(t.Context(), &log, 3)
	require.NoError(t, err)
	require.Eventually(t, func() bool { _, err := os.Stat(filepath.Join(dir, "ready")); return err == nil }, 20*time.Second, time.Millisecond)
	require.NoError(t, serving.Err())
	stop()
	assert.True(t, strings.HasPrefix(log.String(), "a 3\n"), log.String()) // a shell may say "Terminated" of what it was waiting for
	assert.FileExists(t, filepath.Join(dir, "ended"))
	require.Error(t, serving.Err())

	arm.Command = "echo loading >&2; printf 'no \\033[1msuch model\n' >&2; exit 3"
	serving, stop, err = arm.Serve(t.Context(), &log, 0)
	require.NoError(t, err)
	defer stop()
	<-serving.Done()
	assert.EqualError(t, context.Cause(serving), `arm a: its command ended by itself: exit status 3, saying: no \x1b[1msuch model`)
}

// TestSomebodyElsesServerIsNoArm: what already listens would be measured in its place.
func TestSomebodyElsesServerIsNoArm(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	arm := harness.Arm{Name: "a", Target: &url.URL{Scheme: "http", Host: listener.Addr().String()}, Command: "false"}
	_, _, err = arm.Serve(t.Context(), os.Stderr, 0)
	require.ErrorContains(t, err, "arm a: something listens on "+listener.Addr().String()+" already, before the command has started")
}

func vacant(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return listener.Addr().String()
}

func TestFolderOfAComparison(t *testing.T) {
	p := planOf(t, nil, "-arm=a=mock:", "-arm=b=mock:", "-output-dir="+t.TempDir())
	open := func(overwrite bool) error {
		p.Overwrite = overwrite
		b, err := harness.OpenBlocks(p)
		if err == nil {
			_, err := harness.OpenBlocks(p)
			require.ErrorContains(t, err, "is in use by")
			require.NoError(t, b.Close())
		}
		return err
	}
	require.NoError(t, open(false))
	dir := filepath.Join(p.ResultsDir(), "a-vs-b")
	put := func(name string) {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600))
	}
	for _, name := range []string{"block-00/a/run.json", "block-00/a.log", "block-07-again-1/b/c10/" + record.LogFile, record.ComparisonFile, "." + record.ComparisonSummary + ".1"} {
		put(name)
	}
	require.ErrorContains(t, open(false), `benchmark-name "a-vs-b": `+dir+` holds a comparison already`)
	put("block-07-again-1/b/c10/notes.txt")
	require.ErrorContains(t, open(true), `notes.txt", which llmsweep did not write`)
	assert.FileExists(t, filepath.Join(dir, "block-00/a/run.json"))
	require.NoError(t, os.Remove(filepath.Join(dir, "block-07-again-1/b/c10/notes.txt")))
	require.NoError(t, open(true))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left)
	put("c10/" + record.LogFile)
	require.ErrorContains(t, open(true), `holds "c10", which is of no comparison`)
}
