package clustertest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
)

// The tests of this file hold the API server itself against what kubectl users know of a real one.

func TestServerWords(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.Deny("delete", "pods")
	c.Deny("list", "secrets")
	for command, want := range map[string]string{
		"get pod nothing":                                                      `Error from server (NotFound): pods "nothing" not found`,
		"get secrets":                                                          `secrets is forbidden: User "tester" cannot list resource "secrets" in API group "" in the namespace "benchmarking"`,
		"auth can-i delete pods":                                               "no\n",
		"auth can-i create pods --subresource=x":                               "yes\n",
		"apply -n nowhere -f scripts/cluster/pvc.yaml":                         `namespaces "nowhere" not found`,
		"create secret generic s --dry-run=server":                             "secret/s created (server dry run)",
		"get pods -l app=pvc-access":                                           "",
		"get events":                                                           "No resources found in benchmarking namespace.",
		"get frobs":                                                            `the server doesn't have a resource type "frobs"`,
		"wait --for=condition=Ready --timeout=1s pod/x":                        `pods "x" not found`,
		"api-resources -o name --cached=false":                                 "jobs.batch",
		"get sa default -o jsonpath={.metadata.name}":                          "default",
		"get namespace benchmarking -o jsonpath={.status.phase}":               "Active",
		"get pods --all-namespaces --field-selector=status.phase=Running":      "No resources found",
		"get deployments.apps,endpointslices.discovery.k8s.io -n benchmarking": "No resources found in benchmarking namespace.",
	} {
		r := c.run(t, "", "kubectl", strings.Fields(command)...)
		assert.Contains(t, r.all(), want, command)
	}
	assert.Empty(t, c.List("secrets", ""), "a dry run keeps nothing")
}

// TestServerRefusesPods of which the namespace's security profile, a missing account or a missing secret does not allow.
func TestServerRefusesPods(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.prepare(t)
	manifest := func(container string) string {
		return "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec:\n" + container
	}
	const hardened = "  securityContext: {runAsNonRoot: true, runAsUser: 1000, seccompProfile: {type: RuntimeDefault}}\n" +
		"  containers: [{name: x, image: 'llmsweep:dev', args: [hold], securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}"
	r := c.run(t, manifest("  containers: [{name: x, image: 'llmsweep:dev'}]\n"), "kubectl", "apply", "-f", "-")
	assert.Contains(t, r.stderr, `pods "x" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false`)
	r = c.run(t, manifest(hardened+"}]\n  serviceAccountName: nobody\n"), "kubectl", "apply", "-f", "-")
	assert.Contains(t, r.stderr, `error looking up service account benchmarking/nobody: serviceaccount "nobody" not found`)
	r = c.run(t, manifest(hardened+", env: [{name: T, valueFrom: {secretKeyRef: {name: s, key: k}}}]}]\n"), "kubectl", "apply", "-f", "-")
	assert.Zero(t, r.code, r.all())
	status := c.Get("pods", namespace, "x").(*corev1.Pod).Status
	assert.Equal(t, "CreateContainerConfigError", status.ContainerStatuses[0].State.Waiting.Reason)
	assert.Equal(t, `secret "s" not found`, status.ContainerStatuses[0].State.Waiting.Message)

	c.kubectl(t, "create", "secret", "generic", "s", "--from-literal=k=v")
	c.kubectl(t, "wait", "--for=condition=Ready", "--timeout=30s", "pod/x")
}

// TestServerEndsWhatRunsInAPod together with the pod.
func TestServerEndsWhatRunsInAPod(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.prepare(t)
	c.kubectl(t, "apply", "-f", "scripts/cluster/access-pod.yaml")
	c.kubectl(t, "wait", "--for=condition=Ready", "--timeout=30s", "pod/pvc-access-pod")
	cmd, log := c.start(t, "kubectl", "exec", "pvc-access-pod", "--", "/llmsweep", "hold", "-for", "50m")
	eventually(t, "it runs", func() bool { return c.Forwards() == 1 })
	c.kubectl(t, "delete", "pod", "pvc-access-pod", "--timeout=30s")
	assert.Equal(t, 137, exitCode(t, cmd), log.String())
}

// TestServerOwnsPods: a job's pod comes and goes with the job, and a job without its account has an event instead of a pod.
func TestServerOwnsPods(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.kubectl(t, "apply", "-f", "scripts/cluster/pvc.yaml", "-f", "scripts/cluster/benchmark_job.yaml")
	assert.Contains(t, c.kubectl(t, "describe", "job", "dynamo-benchmark"), `serviceaccount "dynamo-sa" not found`)
	assert.Empty(t, c.List("pods", namespace))
	c.prepare(t)
	assert.Len(t, c.List("pods", namespace), 1)
	c.kubectl(t, "delete", "job", "dynamo-benchmark", "--timeout=30s")
	eventually(t, "the pod goes", func() bool { return len(c.List("pods", namespace)) == 0 })
}
