package harness_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness"
	"github.com/llmsweep/llmsweep/harness/kubectl"
	"github.com/llmsweep/llmsweep/harness/kubectl/fakekubectl"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/leaktest"
)

func TestMain(m *testing.M) {
	fakekubectl.Main()
	os.Exit(leaktest.Run(m))
}

const patience = 20 * time.Second

func TestEndpointInACluster(t *testing.T) {
	for text, want := range map[string]string{
		"k8s://default/vllm-agg-frontend:8000": "http://vllm-agg-frontend.default:8000/v1/chat/completions",
		"K8S://ns/svc:1":                       "http://svc.ns:1/v1/chat/completions",
		" k8s://ns/svc:65535/v1/ ":             "http://svc.ns:65535/v1/chat/completions",
		"k8s://ns/svc:80/openai/v1":            "http://svc.ns:80/openai/v1/chat/completions",
		"k8s://ns/svc:80/chat/completions?v=1": "http://svc.ns:80/chat/completions?v=1",
	} {
		plan := planOf(t, nil, "-benchmark-name=x", "-endpoint="+text)
		require.Len(t, plan.Targets, 1, text)
		assert.Equal(t, want, plan.Targets[0].String())
		assert.Contains(t, plan.Forwards, plan.Targets[0].Host)
	}
	plan := planOf(t, nil, "-benchmark-name=x", "-endpoint=k8s://a/one:1", "-endpoint=http://h:2", "-endpoint=k8s://a/two:3/v1?api-key=secret")
	assert.Equal(t, []string{"k8s://a/one:1/v1/chat/completions", "http://h:2/v1/chat/completions", "k8s://a/two:3/v1/chat/completions?[redacted]"}, plan.Endpoints)
	assert.Equal(t, map[string]kubectl.Service{"one.a:1": {Namespace: "a", Name: "one", Port: 1}, "two.a:3": {Namespace: "a", Name: "two", Port: 3}}, plan.Forwards)
	assert.Equal(t, "[redacted]", plan.Redact("secret"))
}

func TestBadEndpointInACluster(t *testing.T) {
	long := strings.Repeat("a", 64)
	for text, want := range map[string]string{
		"k8s://":                        "has no namespace: write k8s://namespace/service:port",
		"k8s:///svc:80":                 "has no namespace: write k8s://namespace/service:port",
		"k8s://ns":                      "has no service: write k8s://namespace/service:port",
		"k8s://svc:80":                  "has no service: write k8s://namespace/service:port",
		"k8s://svc:80/v1":               "has no service: write k8s://namespace/service:port",
		"k8s://ns/svc":                  "has no port: write k8s://namespace/service:port",
		"k8s://ns/svc:":                 "has no port: write k8s://namespace/service:port",
		"k8s://ns/svc:http":             "has a bad port: must be 1 to 65535",
		"k8s://ns/svc:0":                "has a bad port: must be 1 to 65535",
		"k8s://ns/svc:65536":            "has a bad port: must be 1 to 65535",
		"k8s://ns/svc:+80":              "has a bad port: must be 1 to 65535",
		"k8s://ns/:80":                  `"" cannot be a service: lower-case letters, digits and - only, at most 63`,
		"k8s://ns/Svc:80":               `"Svc" cannot be a service: lower-case letters, digits and - only, at most 63`,
		"k8s://ns/--all:80":             `"--all" cannot be a service: lower-case letters, digits and - only, at most 63`,
		"k8s://ns/" + long + ":80":      `"` + long + `" cannot be a service: lower-case letters, digits and - only, at most 63`,
		"k8s://n_s/svc:80":              `"n_s" cannot be a namespace: lower-case letters, digits and - only, at most 63`,
		"k8s://svc.ns.svc.cluster/x:80": `"svc.ns.svc.cluster" cannot be a namespace: lower-case letters, digits and - only, at most 63`,
	} {
		_, err := resolve(t, nil, "-benchmark-name=x", "-endpoint="+text)
		assert.EqualError(t, err, fmt.Sprintf("endpoint %q: %s", text, want))
	}
	_, err := resolve(t, nil, "-benchmark-name=x", "-endpoint=k8s://user:hunter22@ns/svc:80")
	assert.EqualError(t, err, `endpoint "[redacted]": cannot have a user: a service in a cluster takes its key from OPENAI_API_KEY or -header`)
}

func TestForwardWarnings(t *testing.T) {
	general := "measured through kubectl port-forward: it leads to one pod of the service, over one connection through the API server, and latency and throughput are those of this way too"
	plan := planOf(t, nil, "-benchmark-name=x", "-endpoint=k8s://ns/svc:80", "-concurrencies=1,99")
	assert.Equal(t, []string{general}, plan.Warnings())
	plan = planOf(t, nil, "-benchmark-name=x", "-endpoint=k8s://ns/svc:80")
	assert.Equal(t, []string{general, "c100, c250: a port-forward may limit or break so many requests at once: measure 100 and more inside the cluster (scripts/cluster)"}, plan.Warnings())
	assert.Empty(t, planOf(t, nil, "-benchmark-name=x", "-endpoint=http://localhost:8000").Warnings(), "what is behind a port of this machine cannot be known")
}

// cluster is a server behind a fake kubectl, and a sweep of it.
type cluster struct {
	calls *fakekubectl.Calls
	sweep *harness.Sweep
	log   strings.Builder
	mu    sync.Mutex
	hosts map[string]bool // Host headers of the requests
}

// inference answers as a server of the model "m" does.
func (c *cluster) inference(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	c.hosts[r.Host] = true
	c.mu.Unlock()
	switch r.URL.Path {
	case "/v1/models":
		fmt.Fprint(w, list("m"))
	case "/v1/chat/completions":
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, `data: {"choices":[{"index":0,"delta":{"content":"word"}}]}`+"\n\ndata: [DONE]\n\n")
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// clustered opens a sweep of k8s://dynamo/frontend:8000 with the rules before that of a working port-forward.
func clustered(t *testing.T, args []string, rules ...fakekubectl.Rule) *cluster {
	t.Helper()
	c := &cluster{hosts: map[string]bool{}}
	server := httptest.NewServer(http.HandlerFunc(c.inference))
	t.Cleanup(server.Close)
	c.calls = fakekubectl.Install(t, append(rules, fakekubectl.Rule{Match: "port-forward", Forward: server.Listener.Addr().String()})...)
	args = append([]string{"-benchmark-name=x", "-server-metrics=off", "-model=m", "-endpoint=k8s://dynamo/frontend:8000", "-output-dir=" + t.TempDir(), "-wait-ready=20s",
		"-concurrencies=1,2", "-request-count=4", "-isl=4", "-std=0", "-osl=1"}, args...)
	sweep, err := harness.Open(t.Context(), planOf(t, nil, args...), harness.Output{Log: &c.log})
	require.NoError(t, err)
	c.sweep = sweep
	t.Cleanup(sweep.Close)
	return c
}

func (c *cluster) run(t *testing.T, i int) *record.Level {
	t.Helper()
	l, err := c.sweep.RunLevel(t.Context(), c.sweep.Levels()[i])
	require.NoError(t, err)
	return l
}

func (c *cluster) requireNothingLeft(t *testing.T) {
	t.Helper()
	c.sweep.Close()
	calls := c.calls.Matching("port-forward")
	require.NotEmpty(t, calls)
	for _, call := range calls {
		require.Eventually(t, func() bool { return ended(call.PID) }, patience, 10*time.Millisecond, "kubectl %s is left", call.Line())
	}
}

// ended reports whether a process is gone, or nothing but a zombie.
func ended(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return syscall.Kill(pid, 0) != nil || err == nil && strings.Contains(string(stat), ") Z ")
}

// withoutClient leaves out what a busy machine makes the client say of itself.
func withoutClient(warnings []string) []string {
	return slices.DeleteFunc(slices.Clone(warnings), func(w string) bool {
		return strings.HasPrefix(w, "client ") || strings.HasPrefix(w, "the process did not run") || strings.HasPrefix(w, "the hypervisor")
	})
}

func TestSweepThroughAPortForward(t *testing.T) {
	c := clustered(t, nil)
	require.NoError(t, c.sweep.Ready(t.Context()))
	for i := range 2 {
		l := c.run(t, i)
		assert.Equal(t, record.Done, l.Status, l.Reason)
		assert.Equal(t, map[record.Outcome]int{record.OK: 4}, l.Counts.Outcomes)
		assert.Empty(t, withoutClient(l.Warnings))
	}
	assert.Len(t, c.calls.All(), 1, "one port-forward for all")
	assert.Equal(t, map[string]bool{"frontend.dynamo:8000": true}, c.hosts, "the server sees its name in the cluster")
	c.requireNothingLeft(t)

	run := stored(t, c.sweep)
	assert.Equal(t, []string{"k8s://dynamo/frontend:8000/v1/chat/completions"}, run.Plan.Endpoints)
	assert.Contains(t, run.Warnings[0], "measured through kubectl port-forward")
	log, err := os.ReadFile(filepath.Join(c.sweep.Dir(), "c1", record.LogFile))
	require.NoError(t, err)
	assert.Contains(t, string(log), `"endpoint":"frontend.dynamo:8000"`)
}

func TestReplicasInAndOutsideTheCluster(t *testing.T) {
	outside := &cluster{hosts: map[string]bool{}}
	server := httptest.NewServer(http.HandlerFunc(outside.inference))
	defer server.Close()
	c := clustered(t, []string{"-endpoint=k8s://dynamo/other:8000", "-endpoint=k8s://dynamo/frontend:8000", "-endpoint=" + server.URL})
	require.NoError(t, c.sweep.Ready(t.Context()))
	assert.Equal(t, record.Done, c.run(t, 0).Status)
	assert.Len(t, c.calls.All(), 2, "a service that is named twice has one port-forward")
	assert.Equal(t, map[string]bool{"frontend.dynamo:8000": true, "other.dynamo:8000": true}, c.hosts)
	assert.Equal(t, map[string]bool{strings.TrimPrefix(server.URL, "http://"): true}, outside.hosts)
	c.requireNothingLeft(t)
}

func TestALostPortForwardIsStartedAgainBetweenLevels(t *testing.T) {
	c := clustered(t, nil)
	require.NoError(t, c.sweep.Ready(t.Context()))
	c.run(t, 0)
	require.NoError(t, syscall.Kill(c.calls.All()[0].PID, syscall.SIGKILL))
	require.Eventually(t, func() bool { return ended(c.calls.All()[0].PID) }, patience, 5*time.Millisecond)
	l := c.run(t, 1)
	assert.Equal(t, record.Done, l.Status, l.Reason)
	require.Len(t, withoutClient(l.Warnings), 1)
	assert.Contains(t, l.Warnings[0], "the port-forward to dynamo/frontend:8000 was lost (")
	assert.Contains(t, l.Warnings[0], ") and was started again before this level")
	assert.Contains(t, c.log.String(), "warning: "+l.Warnings[0])
	c.requireNothingLeft(t)
}

// TestAPortForwardThatLeadsNowhere runs on after the connection behind it broke, as that of older kubectls does.
func TestAPortForwardThatLeadsNowhere(t *testing.T) {
	gone := httptest.NewServer(nil)
	address := gone.Listener.Addr().String()
	first := fakekubectl.Rule{Match: "port-forward", Times: 1, Forward: address}
	c := clustered(t, nil, first)
	gone.Config.Handler = http.HandlerFunc(c.inference)
	require.NoError(t, c.sweep.Ready(t.Context()))
	c.run(t, 0)
	gone.Close()
	l := c.run(t, 1)
	assert.Equal(t, record.Done, l.Status, l.Reason)
	require.Len(t, withoutClient(l.Warnings), 1)
	assert.Contains(t, l.Warnings[0], "was started again before this level")
	c.requireNothingLeft(t)
}

func TestALostPortForwardThatCannotBeStartedAgain(t *testing.T) {
	c := clustered(t, nil)
	require.NoError(t, c.sweep.Ready(t.Context()))
	c.run(t, 0)
	require.NoError(t, syscall.Kill(c.calls.All()[0].PID, syscall.SIGKILL))
	t.Setenv("FAKE_KUBECTL", "/nowhere")
	require.Eventually(t, func() bool { return ended(c.calls.All()[0].PID) }, patience, 5*time.Millisecond)
	_, err := c.sweep.RunLevel(t.Context(), c.sweep.Levels()[1])
	require.ErrorContains(t, err, `endpoint "k8s://dynamo/frontend:8000/v1/chat/completions": the port-forward was lost (`)
	require.ErrorContains(t, err, "and cannot be started again: kubectl port-forward: fake kubectl:")
	c.requireNothingLeft(t)
}

func TestAPortForwardThatEndsDuringALevel(t *testing.T) {
	c := clustered(t, []string{"-request-count=100000", "-concurrencies=2"})
	require.NoError(t, c.sweep.Ready(t.Context()))
	time.AfterFunc(300*time.Millisecond, func() { _ = syscall.Kill(c.calls.All()[0].PID, syscall.SIGKILL) })
	l := c.run(t, 0)
	assert.Equal(t, record.Failed, l.Status)
	require.NotEmpty(t, l.Warnings)
	assert.Contains(t, l.Warnings[0], "the port-forward to dynamo/frontend:8000 ended during this level: ")
	c.requireNothingLeft(t)
}

func TestAPodThatStartsIsWaitedFor(t *testing.T) {
	pending := fakekubectl.Rule{Match: "port-forward", Times: 1, Code: 1, Stderr: "error: unable to forward port because pod is not running. Current status=Pending\n"}
	c := clustered(t, nil, pending)
	require.NoError(t, c.sweep.Ready(t.Context()))
	assert.Len(t, c.calls.All(), 2)
	assert.Contains(t, c.log.String(), `waiting for a pod, 20s more at most (-wait-ready): no ready pod: the pod in namespace "dynamo" is Pending`)
}

// TestNoPortForwardNoLoad: what goes wrong before readiness ends the run, names the endpoint, and leaves nothing.
func TestNoPortForwardNoLoad(t *testing.T) {
	for name, c := range map[string]struct {
		args  []string
		rules []fakekubectl.Rule
		want  string
	}{
		"no service": {nil, []fakekubectl.Rule{
			{Match: "port-forward", Code: 1, Stderr: `Error from server (NotFound): services "frontend" not found`}, {Match: "get namespace"},
		}, `services "frontend" not found in namespace "dynamo": list them with: kubectl get services -n dynamo`},
		"not allowed": {nil, []fakekubectl.Rule{
			{Match: "port-forward", Code: 1, Stderr: `error: error upgrading connection: pods "p" is forbidden: User "u" cannot create resource "pods/portforward" in API group "" in the namespace "dynamo"`},
		}, `user "u" may not create pods/portforward in namespace "dynamo": ask for that permission; to check it: kubectl auth can-i create pods/portforward -n dynamo`},
		"no pod": {[]string{"-wait-ready=1s"}, []fakekubectl.Rule{
			{Match: "port-forward", Code: 1, Stderr: "error: unable to forward port because pod is not running. Current status=Pending\n"},
		}, `not ready within 1s (-wait-ready): no ready pod: the pod in namespace "dynamo" is Pending: look at it with: kubectl get pods -n dynamo`},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := clustered(t, c.args, c.rules...)
			err := cluster.sweep.Ready(t.Context())
			require.EqualError(t, err, `endpoint "k8s://dynamo/frontend:8000/v1/chat/completions": `+c.want)
			assert.NoDirExists(t, cluster.sweep.Dir())
			cluster.requireNothingLeft(t)
		})
	}
	t.Run("no kubectl", func(t *testing.T) {
		c := clustered(t, nil)
		t.Setenv("PATH", t.TempDir())
		require.ErrorContains(t, c.sweep.Ready(t.Context()), `endpoint "k8s://dynamo/frontend:8000/v1/chat/completions": kubectl: not found on PATH: install it`)
	})
	t.Run("stopped meanwhile", func(t *testing.T) {
		c := clustered(t, nil, fakekubectl.Rule{Match: "port-forward", Hang: true})
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(300*time.Millisecond, func() { cancel(errors.New("received interrupt")) })
		require.ErrorContains(t, c.sweep.Ready(ctx), "stopped while waiting for the server: received interrupt")
		c.requireNothingLeft(t)
	})
}
