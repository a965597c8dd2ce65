package clustertest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
)

// prepare applies what a benchmark needs beside itself.
func (c *cluster) prepare(t *testing.T) {
	t.Helper()
	c.kubectl(t, "apply", "-f", "scripts/cluster/pvc.yaml", "-f", "scripts/cluster/serviceaccount.yaml")
}

func TestApplyAcceptsEveryManifest(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.prepare(t)
	plain, kustomizations := manifestFiles(t)
	for _, path := range plain {
		t.Run(filepath.Base(path), func(t *testing.T) {
			r := c.run(t, "", "kubectl", "apply", "--dry-run=server", "-f", path)
			assert.Zero(t, r.code, r.all())
			assert.Empty(t, r.stderr)
			r = c.run(t, "", "kubectl", "apply", "--dry-run=client", "-f", path)
			assert.Zero(t, r.code, r.all())
		})
	}
	for _, folder := range kustomizations {
		t.Run("-k "+filepath.Base(folder), func(t *testing.T) {
			r := c.run(t, "", "kubectl", "apply", "--dry-run=server", "-k", folder)
			assert.Zero(t, r.code, r.all())
			assert.Empty(t, r.stderr)
		})
	}
	assert.Empty(t, c.List("jobs", ""), "a dry run creates nothing")
}

func TestApplyTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	assert.Contains(t, c.kubectl(t, "apply", "-k", "scripts/cluster"), "job.batch/dynamo-benchmark created")
	again := c.kubectl(t, "apply", "-k", "scripts/cluster")
	assert.Equal(t, 3, strings.Count(again, " unchanged"), again)
}

func TestApplyRefuses(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(outside(t, manifests+"/benchmark_job.yaml"))
	require.NoError(t, err)
	for name, test := range map[string]struct{ old, planted, want string }{
		"an unknown field":       {"args:", "comand:", `unknown field "spec.template.spec.containers[0].comand"`},
		"a wrong restart policy": {"restartPolicy: Never", "restartPolicy: Always", `spec.template.spec.restartPolicy: Unsupported value: "Always"`},
		"a volume of no name":    {"- name: data-volume\n          persistent", "- name: other\n          persistent", `Not found: "data-volume"`},
		"more than the limit":    {`memory: 8Gi`, `memory: 80Gi`, "must be less than or equal to memory limit of 16Gi"},
		"a wrong type":           {"backoffLimit: 0", "backoffLimit: none", "cannot unmarshal string"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			planted := strings.Replace(string(text), test.old, test.planted, 1)
			require.NotEqual(t, string(text), planted)
			r := c.run(t, planted, "kubectl", "apply", "-f", "-")
			assert.NotZero(t, r.code)
			assert.Contains(t, r.stderr, test.want)
			assert.Empty(t, c.List("jobs", ""))
		})
	}
}

func TestWhatRunsCannotChange(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.prepare(t)
	text, err := os.ReadFile(outside(t, manifests+"/benchmark_job.yaml"))
	require.NoError(t, err)
	c.kubectl(t, "apply", "-f", "scripts/cluster/benchmark_job.yaml")
	r := c.run(t, strings.Replace(string(text), "--osl=256", "--osl=128", 1), "kubectl", "apply", "-f", "-")
	assert.NotZero(t, r.code)
	assert.Contains(t, r.stderr, "field is immutable")
}

func TestPodsWaitForWhatIsMissing(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.kubectl(t, "apply", "-f", "scripts/cluster/serviceaccount.yaml", "-f", "scripts/cluster/access-pod.yaml")
	pod := c.Get("pods", namespace, "pvc-access-pod").(*corev1.Pod)
	assert.Equal(t, corev1.PodPending, pod.Status.Phase)
	assert.Equal(t, `persistentvolumeclaim "dynamo-pvc" not found`, pod.Status.Conditions[0].Message)
	r := c.run(t, "", "kubectl", "exec", "pvc-access-pod", "--", "/llmsweep", "--help")
	assert.NotZero(t, r.code)

	c.prepare(t)
	c.kubectl(t, "wait", "--for=condition=Ready", "--timeout=30s", "pod/pvc-access-pod")
	assert.Contains(t, c.kubectl(t, "exec", "pvc-access-pod", "--", "/llmsweep", "--help"), "llmsweep measures LLM endpoints")
	r = c.run(t, "", "kubectl", "exec", "pvc-access-pod", "--", "/llmsweep", "nonsense")
	assert.Equal(t, 2, r.code, r.all())
	assert.Contains(t, r.stderr, `sub-command "nonsense"`)
	// Links to bench.test, which tells by its name what it is asked for.
	r = c.run(t, "", "kubectl", "exec", "pvc-access-pod", "--", "/llmsweep", "report", "-h")
	assert.Contains(t, r.all(), "Usage: report -data-dir DIR")
	r = c.run(t, "", "kubectl", "exec", "pvc-access-pod", "--", "/mockserver", "-h")
	assert.Contains(t, r.all(), "Usage: mockserver [flags]")
	r = c.run(t, "", "kubectl", "exec", "pvc-access-pod", "--", "tar", "c", "/data")
	assert.NotZero(t, r.code)
	assert.Contains(t, r.stderr, `exec: "tar": executable file not found in $PATH`)
	c.kubectl(t, "delete", "pod", "pvc-access-pod", "--timeout=30s")
	assert.Nil(t, c.Get("pods", namespace, "pvc-access-pod"))
}

// TestBenchmarkWithoutGPUs goes the guide's whole way in the cluster: mock server and job are applied, the job runs, its log is read.
func TestBenchmarkWithoutGPUs(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	rendered := string(kustomize(t, outside(t, "scripts/overlays/mock")))
	quick := strings.Replace(rendered, "- --isl=2000", "- --isl=20\n        - --concurrencies=1,2\n        - --request-count=4", 1)
	quick = strings.NewReplacer("--osl=256", "--osl=8", "--std=10", "--std=0").Replace(quick)
	require.Contains(t, quick, "request-count")
	r := c.run(t, quick, "kubectl", "apply", "-f", "-")
	require.Zero(t, r.code, r.all())
	c.kubectl(t, "rollout", "status", "deployment/mockserver", "--timeout=30s")
	c.kubectl(t, "wait", "--for=condition=Complete", "--timeout=60s", "job/dynamo-benchmark")
	log := c.kubectl(t, "logs", "-f", "job/dynamo-benchmark")
	assert.Contains(t, log, "--- PASS: TestSweep")
	assert.Contains(t, c.kubectl(t, "get", "pods", "-l", "job-name=dynamo-benchmark", "-o", "name"), "pod/dynamo-benchmark-")
	assert.Contains(t, c.kubectl(t, "describe", "job", "dynamo-benchmark"), "1 Succeeded")
	assert.Equal(t, int32(1), c.Get("jobs", namespace, "dynamo-benchmark").(*batchv1.Job).Status.Succeeded)
	assert.FileExists(t, filepath.Join(c.volume(namespace, "dynamo-pvc"), "results", "mock", "c2", "level.json"))
}
