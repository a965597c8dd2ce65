package clustertest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// sweepArgs is a short sweep of an endpoint by the compiled test of package bench.
func sweepArgs(endpoint, output string, more ...string) []string {
	return append([]string{
		"-test.run=^TestSweep$", "-test.v", "-endpoint=" + endpoint, "-model=Qwen/Qwen3-0.6B", "-benchmark-name=vllm-agg", "-output-dir=" + output,
		"-isl=20", "-std=0", "-osl=8", "-concurrencies=1,2", "-request-count=10", "-plot=false",
	}, more...)
}

// requireNothingLeft fails if a process that belongs to the test's cluster still runs: each has its home in the environment.
func (c *cluster) requireNothingLeft(t *testing.T) {
	t.Helper()
	eventually(t, "connections to the cluster end", func() bool { return c.Forwards() == 0 })
	eventually(t, "processes end", func() bool { return len(c.processes(t)) == 0 })
}

// processes lists the port-forwards of the cluster's kubectl: none on a system without such a list, where only connections can be counted.
func (c *cluster) processes(t *testing.T) []string {
	t.Helper()
	environments, err := filepath.Glob("/proc/[0-9]*/environ")
	require.NoError(t, err)
	var found []string
	for _, path := range environments {
		environment, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(environment, []byte("KUBECONFIG="+c.home)) {
			continue
		}
		if line, err := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline")); err == nil && bytes.Contains(line, []byte("port-forward")) {
			found = append(found, string(line))
		}
	}
	return found
}

func TestSweepThroughAPortForward(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.serve(t, namespace, "vllm-agg-frontend")
	output := t.TempDir()
	r := c.run(t, "", filepath.Join(c.programs, "bench.test"), sweepArgs("k8s://benchmarking/vllm-agg-frontend:8000", output)...)
	require.Zero(t, r.code, r.all())
	assert.Contains(t, r.stdout, "10 of 10 requests ok")
	assert.Equal(t, []string{"k8s://benchmarking/vllm-agg-frontend:8000/v1/chat/completions"}, endpointsOf(t, output))
	c.requireNothingLeft(t)
}

// endpointsOf reads what run.json says of the endpoints.
func endpointsOf(t *testing.T, output string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(output, "vllm-agg", "run.json"))
	require.NoError(t, err)
	assert.NotContains(t, string(text), "127.0.0.1", "a local port says nothing about the benchmark")
	var run struct{ Plan struct{ Endpoints []string } }
	require.NoError(t, json.Unmarshal(text, &run))
	return run.Plan.Endpoints
}

// TestPortForwardLostBetweenLevels cuts the connection as the API server's restart would, while the sweep stands still between two levels.
func TestPortForwardLostBetweenLevels(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.serve(t, namespace, "vllm-agg-frontend")
	output := t.TempDir()
	cmd := c.command(t.Context(), filepath.Join(c.programs, "bench.test"),
		sweepArgs("k8s://benchmarking/vllm-agg-frontend:8000", output, "-request-count=2000")...)
	pipe, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var log strings.Builder
	cut := false
	for lines := bufio.NewScanner(pipe); lines.Scan(); {
		fmt.Fprintln(&log, lines.Text())
		if !cut && strings.Contains(lines.Text(), "c1 ") && strings.Contains(lines.Text(), "done:") {
			cut = true
			require.NoError(t, cmd.Process.Signal(syscall.SIGSTOP))
			c.CutForwards()
			eventually(t, "kubectl notices", func() bool { return c.Forwards() == 0 })
			require.NoError(t, cmd.Process.Signal(syscall.SIGCONT))
		}
	}
	require.NoError(t, cmd.Wait(), log.String())
	require.True(t, cut, log.String())
	assert.Contains(t, log.String(), "the port-forward to benchmarking/vllm-agg-frontend:8000 was lost")
	assert.Contains(t, log.String(), "was started again before this level")
	assert.Equal(t, 2, strings.Count(log.String(), "2000 of 2000 requests ok"), log.String())
	c.requireNothingLeft(t)
}

// TestPortForwardIsNeverLeftBehind ends a sweep in the middle of a level.
func TestPortForwardIsNeverLeftBehind(t *testing.T) {
	t.Parallel()
	for name, sig := range map[string]syscall.Signal{"interrupt": syscall.SIGINT, "terminated": syscall.SIGTERM, "killed": syscall.SIGKILL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.serve(t, namespace, "vllm-agg-frontend")
			cmd, log := c.start(t, filepath.Join(c.programs, "bench.test"),
				sweepArgs("k8s://benchmarking/vllm-agg-frontend:8000", t.TempDir(), "-request-count=100000")...)
			eventually(t, "a port-forward runs", func() bool { return c.Forwards() > 0 })
			if runtime.GOOS == "linux" {
				assert.NotEmpty(t, c.processes(t), "or nothing would be found that is left behind")
			}
			require.NoError(t, cmd.Process.Signal(sig))
			assert.NotZero(t, exitCode(t, cmd), log.String())
			c.requireNothingLeft(t)
		})
	}
}

// TestPortForwardFailures shows that each reason has its line, within seconds, and that no load was sent.
func TestPortForwardFailures(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		prepare  func(*testing.T, *cluster)
		endpoint string
		want     string
	}{
		"no kubectl": {
			func(t *testing.T, c *cluster) { c.set("PATH", t.TempDir()) }, "benchmarking/vllm-agg-frontend:8000", "kubectl: not found on PATH: install it",
		},
		"no namespace": {nil, "nowhere/vllm-agg-frontend:8000", `namespace "nowhere" not found`},
		"no service": {
			nil, "benchmarking/nothing:8000",
			`services "nothing" not found in namespace "benchmarking": list them with: kubectl get services -n benchmarking`,
		},
		"no such port":        {nil, "benchmarking/vllm-agg-frontend:9", `service "vllm-agg-frontend" in namespace "benchmarking" has no port 9`},
		"no ready pod":        {pendingPod, "benchmarking/pending:8000", `no ready pod`},
		"service without pod": {lonelyService, "benchmarking/lonely:8000", `no ready pod`},
		"not allowed": {
			func(_ *testing.T, c *cluster) {
				c.Deny("create", "pods/portforward")
				c.Deny("get", "pods/portforward")
			},
			"benchmarking/vllm-agg-frontend:8000",
			`user "tester" may not create pods/portforward in namespace "benchmarking": ask for that permission`,
		},
		"services may not be read": {
			func(_ *testing.T, c *cluster) { c.Deny("get", "services") },
			"benchmarking/vllm-agg-frontend:8000", `user "tester" may not get services in namespace "benchmarking"`,
		},
		"the cluster is gone":   {func(_ *testing.T, c *cluster) { c.Close() }, "benchmarking/vllm-agg-frontend:8000", `not reachable`},
		"the cluster is silent": {silentServer, "benchmarking/vllm-agg-frontend:8000", "kubectl port-forward: did not begin in time"},
		"nobody listens": {
			silentPod, "benchmarking/silent:8000", "", // the words are kubectl's or our client's, as the versions differ
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.serve(t, namespace, "vllm-agg-frontend")
			if test.prepare != nil {
				test.prepare(t, c)
			}
			output := t.TempDir()
			r := c.run(t, "", filepath.Join(c.programs, "bench.test"), sweepArgs("k8s://"+test.endpoint, output, "-wait-ready=3s")...)
			assert.Equal(t, 1, r.code, r.all())
			assert.Contains(t, r.stdout, test.want)
			assert.NoDirExists(t, filepath.Join(output, "vllm-agg", "c1"))
			c.requireNothingLeft(t)
		})
	}
}

func addService(c *cluster, name string) {
	c.Add(&corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": name}, Ports: []corev1.ServicePort{{Port: 8000}}},
	})
}

func addPod(c *cluster, name string, phase corev1.PodPhase) {
	c.Add(&corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name + "-0", Namespace: namespace, Labels: map[string]string{"app": name}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "server", Image: "x"}}, NodeName: "node-1"},
		Status:     corev1.PodStatus{Phase: phase},
	})
}

func lonelyService(_ *testing.T, c *cluster) { addService(c, "lonely") }

func pendingPod(_ *testing.T, c *cluster) {
	addService(c, "pending")
	addPod(c, "pending", corev1.PodPending)
}

func silentPod(_ *testing.T, c *cluster) {
	addService(c, "silent")
	addPod(c, "silent", corev1.PodRunning)
}
