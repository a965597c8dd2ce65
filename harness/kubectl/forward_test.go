package kubectl_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/kubectl"
	"github.com/llmsweep/llmsweep/harness/kubectl/fakekubectl"
)

// serve is a server in the cluster; it returns its address.
func serve(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "here") }))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func ask(t *testing.T, address string) string {
	t.Helper()
	response, err := http.Get("http://" + address)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return string(body)
}

func refuses(address string) bool {
	conn, err := net.Dial("tcp", address)
	if err == nil {
		_ = conn.Close()
	}
	return err != nil
}

func TestForward(t *testing.T) {
	for name, dispatch := range map[string]bool{"alone": false, "behind a dispatcher": true} {
		t.Run(name, func(t *testing.T) {
			calls := fakekubectl.Install(t, fakekubectl.Rule{Match: "port-forward", Forward: serve(t), Dispatch: dispatch})
			f, err := find(t).Forward(t.Context(), frontend())
			require.NoError(t, err)
			defer f.Close()
			assert.Equal(t, "here", ask(t, f.Address()))
			require.NoError(t, f.Ended(0))
			assert.Equal(t, "--namespace dynamo port-forward --address 127.0.0.1 --pod-running-timeout 1m0s svc/frontend :8000", calls.All()[0].Line())
			f.Close()
			requireGone(t, pids(calls.All())...)
			// The first thread of a process that was killed may be gone a moment before its files are closed.
			require.Eventually(t, func() bool { return refuses(f.Address()) }, patience, time.Millisecond)
			require.Error(t, f.Ended(0))
			f.Close()
		})
	}
}

func TestForwardThatDiedIsStartedAgain(t *testing.T) {
	calls := fakekubectl.Install(t, fakekubectl.Rule{Match: "port-forward", Forward: serve(t), Stderr: "error: lost connection to pod\n"})
	f, err := find(t).Forward(t.Context(), frontend())
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, syscall.Kill(calls.All()[0].PID, syscall.SIGKILL))
	require.Eventually(t, func() bool { return f.Ended(0) != nil }, patience, 5*time.Millisecond)
	require.EqualError(t, f.Ended(0), "the connection through the cluster broke (lost connection to pod)")
	require.NoError(t, f.Restart(t.Context()))
	require.NoError(t, f.Ended(0))
	assert.Equal(t, "here", ask(t, f.Address()))
	assert.Len(t, calls.All(), 2)
}

func TestForwardThatDoesNotBegin(t *testing.T) {
	notFound := `Error from server (NotFound): services "frontend" not found`
	for name, c := range map[string]struct {
		rules []fakekubectl.Rule
		kind  kubectl.Kind
		want  string
	}{
		"no service": {
			[]fakekubectl.Rule{{Match: "port-forward", Code: 1, Stderr: notFound}, {Match: "get namespace dynamo", Stdout: "namespace/dynamo"}}, kubectl.NotFound,
			`services "frontend" not found in namespace "dynamo": list them with: kubectl get services -n dynamo`},
		"no namespace": {
			[]fakekubectl.Rule{{Match: "port-forward", Code: 1, Stderr: notFound}, {Match: "get namespace dynamo", Code: 1, Stderr: `Error from server (NotFound): namespaces "dynamo" not found`}}, kubectl.NotFound,
			`namespace "dynamo" not found: create it, or list those there are with: kubectl get namespaces`},
		"silence": {
			[]fakekubectl.Rule{{Match: "port-forward", Hang: true}}, kubectl.TimedOut,
			`kubectl port-forward: did not begin in time: check the connection to the cluster with: kubectl cluster-info` +
				` (a credential plugin that asks a question can be answered there, not here)`},
	} {
		t.Run(name, func(t *testing.T) {
			calls := fakekubectl.Install(t, c.rules...)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			_, err := find(t).Forward(ctx, frontend())
			require.EqualError(t, err, c.want)
			assert.Equal(t, c.kind, kindOf(t, err))
			requireGone(t, pids(calls.Matching("port-forward"))...)
		})
	}
	t.Run("stopped meanwhile", func(t *testing.T) {
		calls := fakekubectl.Install(t, fakekubectl.Rule{Match: "port-forward", Hang: true})
		ctx, cancel := context.WithCancelCause(t.Context())
		stop := errors.New("received interrupt")
		go func() {
			for start := time.Now(); len(calls.All()) == 0 && time.Since(start) < patience; time.Sleep(10 * time.Millisecond) {
			}
			cancel(stop)
		}()
		_, err := find(t).Forward(ctx, frontend())
		require.ErrorIs(t, err, stop)
		requireGone(t, pids(calls.All())...)
	})
	t.Run("a port that does not accept", func(t *testing.T) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		address := listener.Addr().String()
		require.NoError(t, listener.Close())
		_, port, _ := strings.Cut(address, ":")
		fakekubectl.Install(t, fakekubectl.Rule{Match: "port-forward", Stdout: "Forwarding from 127.0.0.1:" + port + " -> 8000\n", Hang: true})
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		_, err = find(t).Forward(ctx, frontend())
		require.ErrorContains(t, err, "its local port takes no connection")
	})
}

// TestNoForwardIsLeftBehind ends a process that has one, in the ways that a process can end.
func TestNoForwardIsLeftBehind(t *testing.T) {
	for name, sig := range map[string]syscall.Signal{"killed": syscall.SIGKILL, "terminated": syscall.SIGTERM, "interrupted": syscall.SIGINT} {
		t.Run(name, func(t *testing.T) {
			calls := fakekubectl.Install(t, fakekubectl.Rule{Match: "port-forward", Forward: serve(t), Dispatch: true})
			owner := exec.Command(os.Args[0])
			owner.Env = append(os.Environ(), "FORWARD_AND_WAIT=1")
			stdin, err := owner.StdinPipe()
			require.NoError(t, err)
			defer stdin.Close()
			stdout, err := owner.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, owner.Start())
			address, err := bufio.NewReader(stdout).ReadString('\n')
			require.NoError(t, err)
			assert.Equal(t, "here", ask(t, strings.TrimSpace(address)))
			require.Len(t, calls.All(), 2, "a dispatcher and what it started")
			require.NoError(t, owner.Process.Signal(sig))
			_ = owner.Wait()
			requireGone(t, pids(calls.All())...)
		})
	}
}

// TestCtrlCDoesNotReachKubectl: it goes to the whole foreground process group, and the forward is still needed while the run drains.
func TestCtrlCDoesNotReachKubectl(t *testing.T) {
	calls := fakekubectl.Install(t, fakekubectl.Rule{Match: "port-forward", Forward: serve(t)})
	f, err := find(t).Forward(t.Context(), frontend())
	require.NoError(t, err)
	defer f.Close()
	group, err := syscall.Getpgid(calls.All()[0].PID)
	require.NoError(t, err)
	assert.NotEqual(t, syscall.Getpgrp(), group)
}
