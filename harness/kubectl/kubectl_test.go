package kubectl_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/kubectl"
	"github.com/llmsweep/llmsweep/harness/kubectl/fakekubectl"
)

func find(t *testing.T) *kubectl.Tool {
	t.Helper()
	tool, err := kubectl.Find()
	require.NoError(t, err)
	return tool
}

func kindOf(t *testing.T, err error) kubectl.Kind {
	t.Helper()
	var failure *kubectl.Error
	require.ErrorAs(t, err, &failure)
	return failure.Kind
}

func TestNoKubectl(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := kubectl.Find()
	require.EqualError(t, err, "kubectl: not found on PATH: install it (https://kubernetes.io/docs/tasks/tools), or run inside the cluster")
	assert.Equal(t, kubectl.NotInstalled, kindOf(t, err))
}

func TestOutputAndInput(t *testing.T) {
	calls := fakekubectl.Install(t, fakekubectl.Rule{Match: "apply", Stdout: "created\n", Stderr: "Warning: old\n"})
	var out bytes.Buffer
	err := find(t).Do(t.Context(), kubectl.Command{Namespace: "n", Args: []string{"apply", "-f", "-"}, Stdin: strings.NewReader("kind: Pod\n"), Stdout: &out, Limit: patience})
	require.NoError(t, err)
	assert.Equal(t, "created\n", out.String())
	require.Len(t, calls.All(), 1)
	call := calls.All()[0]
	assert.Equal(t, "--namespace n apply -f -", call.Line())
	assert.Equal(t, "kind: Pod\n", call.Stdin)
}

// TestLargeOutput is more than any pipe holds: none of it may be lost when kubectl ends.
func TestLargeOutput(t *testing.T) {
	file := filepath.Join(t.TempDir(), "large")
	want := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	require.NoError(t, os.WriteFile(file, want, 0o600))
	fakekubectl.Install(t, fakekubectl.Rule{File: file})
	out, err := find(t).Output(t.Context(), "", patience, "exec")
	require.NoError(t, err)
	assert.True(t, bytes.Equal(want, out), "%d bytes came, of %d", len(out), len(want))
}

func TestACommandThatHangsIsEnded(t *testing.T) {
	for name, dispatch := range map[string]bool{"alone": false, "behind a dispatcher": true} {
		t.Run(name, func(t *testing.T) {
			calls := fakekubectl.Install(t, fakekubectl.Rule{Hang: true, Dispatch: dispatch})
			_, err := find(t).Output(t.Context(), "n", 500*time.Millisecond, "get", "pods")
			require.EqualError(t, err, "kubectl get: no answer within 500ms: check the connection to the cluster with: kubectl cluster-info"+
				" (a credential plugin that asks a question can be answered there, not here)")
			assert.Equal(t, kubectl.TimedOut, kindOf(t, err))
			requireGone(t, pids(calls.All())...)
		})
	}
}

func TestTheCauseOfTheContextIsTheError(t *testing.T) {
	calls := fakekubectl.Install(t, fakekubectl.Rule{Hang: true})
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("received interrupt")
	time.AfterFunc(300*time.Millisecond, func() { cancel(stop) })
	_, err := find(t).Output(ctx, "n", patience, "get", "pods")
	require.ErrorIs(t, err, stop)
	requireGone(t, pids(calls.All())...)
}

func TestNamespaceMissing(t *testing.T) {
	fakekubectl.Install(t,
		fakekubectl.Rule{Match: "get namespace gone", Code: 1, Stderr: `Error from server (NotFound): namespaces "gone" not found`},
		fakekubectl.Rule{Match: "get namespace secret", Code: 1, Stderr: `Error from server (Forbidden): namespaces "secret" is forbidden: User "u" cannot get resource "namespaces" in API group "" in the namespace "secret"`},
		fakekubectl.Rule{Match: "get namespace there", Stdout: "namespace/there\n"})
	tool := find(t)
	assert.True(t, tool.NamespaceMissing(t.Context(), "gone"))
	assert.False(t, tool.NamespaceMissing(t.Context(), "secret"), "who may not look does not know")
	assert.False(t, tool.NamespaceMissing(t.Context(), "there"))
}

// TestFailuresInOneLine: what kubectl says, in many lines or one, against the line that a person gets.
func TestFailuresInOneLine(t *testing.T) {
	for name, c := range map[string]struct {
		stderr string
		kind   kubectl.Kind
		want   string
	}{
		"forbidden": {
			`Error from server (Forbidden): pods "vllm-0" is forbidden: User "jane@x" cannot create resource "pods/portforward" in API group "" in the namespace "ns"`,
			kubectl.Forbidden,
			`user "jane@x" may not create pods/portforward in namespace "ns": ask for that permission; to check it: kubectl auth can-i create pods/portforward -n ns`},
		"forbidden by the upgrade": {
			`error: error upgrading connection: pods "p" is forbidden: User "u" cannot create resource "pods/exec" in API group "" in the namespace "ns"`, kubectl.Forbidden,
			`user "u" may not create pods/exec in namespace "ns": ask for that permission; to check it: kubectl auth can-i create pods/exec -n ns`},
		"forbidden in the cluster": {
			`Error from server (Forbidden): namespaces is forbidden: User "u" cannot list resource "namespaces" in API group "" at the cluster scope`, kubectl.Forbidden,
			`user "u" may not list namespaces: ask for that permission; to check it: kubectl auth can-i list namespaces`},
		"security profile": {
			`Error from server (Forbidden): error when creating "STDIN": pods "p" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true`, kubectl.Refused,
			`the cluster refused it: violates PodSecurity "restricted:latest": runAsNonRoot != true`},
		"quota": {
			`Error from server (Forbidden): pods "p" is forbidden: exceeded quota: q, requested: cpu=4`, kubectl.Refused, `the cluster refused it: exceeded quota: q, requested: cpu=4`},
		"service account": {
			`Error from server (Forbidden): pods "p" is forbidden: error looking up service account ns/dynamo-sa: serviceaccount "dynamo-sa" not found`, kubectl.Refused,
			`service account "dynamo-sa" not found in namespace "ns": create it with scripts/cluster/setup.sh`},
		"no such service": {`Error from server (NotFound): services "frontend" not found`, kubectl.NotFound,
			`services "frontend" not found in namespace "ns": list them with: kubectl get services -n ns`},
		"no such namespace": {`Error from server (NotFound): error when creating "STDIN": namespaces "ns" not found`, kubectl.NotFound,
			`namespace "ns" not found: create it, or list those there are with: kubectl get namespaces`},
		"no such port": {`error: Service frontend does not have a service port 81`, kubectl.NoPort,
			`service "frontend" in namespace "ns" has no port 81: list its ports with: kubectl get service frontend -n ns`},
		"no selector": {`error: invalid service 'frontend': Service is defined without a selector`, kubectl.NotFound,
			`service "frontend" in namespace "ns" has no selector, so that kubectl finds no pod behind it: forward to a service that has one`},
		"pending": {`error: unable to forward port because pod is not running. Current status=Pending`, kubectl.NotRunning,
			`no ready pod: the pod in namespace "ns" is Pending: look at it with: kubectl get pods -n ns`},
		"no pod": {`error: timed out waiting for the condition`, kubectl.NotRunning, `no ready pod in namespace "ns": look for its reason with: kubectl get pods -n ns`},
		"no context, with log": {
			"E1124 02:11:20.207652    8070 memcache.go:265] \"Unhandled Error\" err=\"dial tcp 127.0.0.1:8080: connect: connection refused\"\n" +
				"The connection to the server localhost:8080 was refused - did you specify the right host or port?\n", kubectl.NoContext,
			`kubectl knows no cluster: set KUBECONFIG, or choose a context with: kubectl config use-context`},
		"unknown context": {`Error in configuration: context was not found for specified context: prod`, kubectl.NoContext,
			`kubectl's context "prod" does not exist: choose one with: kubectl config use-context`},
		"unknown context on the command line": {`error: context "prod" does not exist`, kubectl.NoContext,
			`kubectl's context "prod" does not exist: choose one with: kubectl config use-context`},
		"refused": {`The connection to the server 10.0.0.1:6443 was refused - did you specify the right host or port?`, kubectl.Unreachable,
			`the cluster at 10.0.0.1:6443 is not reachable (connection refused): check it with: kubectl cluster-info`},
		"unreachable": {`Unable to connect to the server: dial tcp: lookup api.x on 1.1.1.1:53: no such host`, kubectl.Unreachable,
			`the cluster is not reachable (dial tcp: lookup api.x on 1.1.1.1:53: no such host): check it with: kubectl cluster-info`},
		"logged out": {`error: You must be logged in to the server (Unauthorized)`, kubectl.NotLoggedIn,
			`the cluster does not know the user: log in, or choose another context with: kubectl config use-context`},
		"foreign image, containerd": {
			"error: Internal error occurred: error executing command in container: failed to exec in container: OCI runtime exec failed: exec failed: unable to start container process: exec: \"/llmsweep\": stat /llmsweep: no such file or directory: unknown\n",
			kubectl.NoProgram, `the image has no program /llmsweep: use llmsweep's own image, which make image builds`},
		"foreign image, by PATH": {
			"OCI runtime exec failed: exec failed: exec: \"llmsweep\": executable file not found in $PATH: unknown\ncommand terminated with exit code 127\n", kubectl.NoProgram,
			`the image has no program llmsweep: use llmsweep's own image, which make image builds`},
		"full":      {"write /data/x: no space left on device\ncommand terminated with exit code 1", kubectl.VolumeFull, `no space left on the volume: remove results that are no longer needed, or enlarge it`},
		"lost":      {"E1124 02:11:20.2 1 portforward.go:413] x\nerror: lost connection to pod\n", kubectl.Lost, `the connection through the cluster broke (lost connection to pod)`},
		"in time":   {`Error from server (Timeout): the server was unable to return a response in the time allotted, but may still be processing the request`, kubectl.TimedOut, `the cluster did not answer in time: check it with: kubectl cluster-info`},
		"unknown":   {"Warning: x is deprecated\nerror: first\nerror: something new\n", kubectl.Other, `kubectl get: something new`},
		"remote":    {"llmsweep: it failed\ncommand terminated with exit code 1\n", kubectl.Other, `kubectl get: llmsweep: it failed`},
		"escapes":   {"llmsweep: \x1b[31mred\x07\u202e\n", kubectl.Other, `kubectl get: llmsweep: [31mred`},
		"exit code": {"command terminated with exit code 137\n", kubectl.Other, `kubectl get: command terminated with exit code 137`},
		"log alone": {"E1124 02:11:20.207652    8070 memcache.go:265] only this\n", kubectl.Other, `kubectl get: only this`},
		"silent":    {"", kubectl.Other, `kubectl get: ended without a word: exit status 3`},
	} {
		t.Run(name, func(t *testing.T) {
			fakekubectl.Install(t, fakekubectl.Rule{Stderr: c.stderr, Code: 3})
			_, err := find(t).Output(t.Context(), "ns", patience, "get", "x")
			require.EqualError(t, err, c.want)
			assert.Equal(t, c.kind, kindOf(t, err))
		})
	}
}
