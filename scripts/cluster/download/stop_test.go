package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/kubectl/fakekubectl"
)

// TestAStreamThatStallsIsGivenUp with what had come.
func TestAStreamThatStallsIsGivenUp(t *testing.T) {
	s := withTar(t, nil, fakekubectl.Rule{Match: "exec", Stdout: string(packed(t, benchmark(), nil)[:1024]), Hang: true})
	d, err := parse([]string{"-n", "n", "-o", s.dir, "-folder", "/data/results/b"})
	require.NoError(t, err)
	d.stdout, d.stall = &s.stdout, 300*time.Millisecond
	require.EqualError(t, d.run(t.Context()), "the stream broke after 1 files (0.0 MB), and nothing was kept: nothing came for 300ms")
	s.requireRemoved(t)
	assert.NoDirExists(t, s.dir)
}

// TestPaddingIsNoError: tar programs fill up their last block.
func TestPaddingIsNoError(t *testing.T) {
	s := withTar(t, append(packed(t, benchmark(), nil), make([]byte, maxPadding)...))
	require.Zero(t, s.run(t), s.stderr.String())
}

// TestAnEndlessStreamIsGivenUp although it never stalls.
func TestAnEndlessStreamIsGivenUp(t *testing.T) {
	s := withTar(t, nil, fakekubectl.Rule{Match: "exec", Stdout: string(packed(t, benchmark(), nil)), File: "/dev/zero"})
	assert.Equal(t, exitFailure, s.run(t))
	assert.Equal(t, "download: the stream goes on after MANIFEST.json: nothing was kept\n", s.stderr.String())
	assert.NoDirExists(t, s.dir)
	s.requireRemoved(t)
}

func TestProgressQuotesNames(t *testing.T) {
	var out bytes.Buffer
	d := download{stdout: &out}
	d.progress(time.Now().Add(-time.Minute))(3, 2e6, "c1/\u202egnp.exe")
	assert.Equal(t, `  3 files, 2.0 MB: "c1/\u202egnp.exe"`+"\n", out.String())
}

// TestStopWhileThePodIsMade: that call is not broken off, but the line with the way out does not wait for it.
func TestStopWhileThePodIsMade(t *testing.T) {
	s := withTar(t, nil, fakekubectl.Rule{Match: "create -f -", Hang: true})
	ctx, cancel := context.WithCancelCause(t.Context())
	d, err := parse([]string{"-n", "n", "-o", s.dir, "-folder", "/data/results/b"})
	require.NoError(t, err)
	said := make(chan string, 10)
	d.stdout = lines(said)
	ended := make(chan error, 1)
	go func() { ended <- d.run(ctx) }()
	require.Eventually(t, func() bool { return len(s.calls.Matching("create -f -")) > 0 }, patience, 5*time.Millisecond)
	cancel(errors.New("received interrupt"))
	assert.Equal(t, "starting the access pod "+d.pod+"\n", <-said)
	select {
	case line := <-said:
		assert.Equal(t, "received interrupt: stopping and removing the access pod; if this is ended too, remove it with: kubectl delete pod "+d.pod+" -n n\n", line)
	case err := <-ended:
		require.Fail(t, "it ended without the line", "%v", err)
	case <-time.After(patience):
		require.Fail(t, "the line waits for the call")
	}
	assert.Empty(t, s.calls.Matching("delete"))
	created := s.calls.Matching("create -f -")[0]
	require.NoError(t, syscall.Kill(created.PID, syscall.SIGKILL))
	require.EqualError(t, <-ended, "stopped: received interrupt")
	s.requireRemoved(t)
}

// lines passes on what is written to it.
type lines chan<- string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

// TestSignalsRemoveThePod ends the command, as a process, while it waits for the stream and while it waits for the pod.
func TestSignalsRemoveThePod(t *testing.T) {
	for name, sig := range map[string]os.Signal{"interrupt": os.Interrupt, "terminated": syscall.SIGTERM} {
		for stage, hanging := range map[string]fakekubectl.Rule{
			"in the stream":        {Match: "exec", Stdout: "part of a tar", Hang: true},
			"waiting for the pod":  {Match: "get pod pvc-access-pod-", Stdout: status(`{"phase":"Pending"}`)},
			"asking for the pod":   {Match: "get pod pvc-access-pod-", Hang: true},
			"asking for the claim": {Match: "get persistentvolumeclaim", Hang: true},
		} {
			t.Run(name+" "+stage, func(t *testing.T) {
				s := withTar(t, nil, hanging)
				command := exec.Command(os.Args[0], "-n=n", "-o="+s.dir, "-folder=/data/results/b")
				command.Env = append(os.Environ(), "AS_DOWNLOAD=1")
				command.Stdout, command.Stderr = &s.stdout, &s.stderr
				require.NoError(t, command.Start())
				require.Eventually(t, func() bool { return len(s.calls.Matching(hanging.Match)) > 0 }, patience, 5*time.Millisecond)
				require.NoError(t, command.Process.Signal(sig))
				ended := make(chan struct{})
				go func() {
					_ = command.Wait() // the exit code is looked at below
					close(ended)
				}()
				select {
				case <-ended:
				case <-time.After(patience):
					_ = command.Process.Kill()
					require.Fail(t, "it did not end")
				}
				assert.Equal(t, exitFailure, command.ProcessState.ExitCode())
				assert.Equal(t, "download: stopped: received "+name+"\n", s.stderr.String())
				assert.NoDirExists(t, s.dir)
				if stage != "asking for the claim" {
					assert.Contains(t, s.stdout.String(), "if this is ended too, remove it with: kubectl delete pod "+s.pod(t)+" -n n")
					s.requireRemoved(t)
				}
			})
		}
	}
}
