package clustertest

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
)

// kustomize renders a folder with the real kubectl, which needs no server for that and may print no warning.
func kustomize(t *testing.T, folder string) []byte {
	t.Helper()
	cmd := exec.Command(findKubectl(t), "kustomize", folder)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+os.DevNull)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	assert.Empty(t, stderr.String())
	return text
}

func TestOverlaysRender(t *testing.T) {
	t.Parallel()
	for folder, want := range map[string][]string{
		"cluster":                  {"ServiceAccount/dynamo-sa", "PersistentVolumeClaim/dynamo-pvc", "Job/dynamo-benchmark"},
		"overlays/cross-namespace": {"ServiceAccount/dynamo-sa", "PersistentVolumeClaim/dynamo-pvc", "Job/dynamo-benchmark"},
		"overlays/two-jobs": {
			"ServiceAccount/dynamo-sa", "PersistentVolumeClaim/dynamo-pvc", "Job/dynamo-benchmark", "Job/dynamo-benchmark-disagg",
		},
		"overlays/two-jobs/second": {"Job/dynamo-benchmark-disagg"},
		"overlays/mock": {
			"ServiceAccount/dynamo-sa", "Service/mockserver", "PersistentVolumeClaim/dynamo-pvc", "Deployment/mockserver", "Job/dynamo-benchmark",
		},
	} {
		t.Run(folder, func(t *testing.T) {
			var names []string
			for _, object := range decodeAll(t, kustomize(t, outside(t, filepath.Join("scripts", folder)))) {
				names = append(names, object.GetObjectKind().GroupVersionKind().Kind+"/"+object.GetName())
				requireRestricted(t, object)
			}
			assert.ElementsMatch(t, want, names)
		})
	}
}

// TestOverlaysChangeOnlyWhatTheyName guards the lists of arguments, which a patch replaces as a whole: they must stay the base's but for
// the benchmark's name and endpoint.
func TestOverlaysChangeOnlyWhatTheyName(t *testing.T) {
	t.Parallel()
	base := jobsOf(t, "cluster")["dynamo-benchmark"]
	assert.Equal(t, "qwen3-0p6b-vllm-agg", base["--benchmark-name"])
	for _, test := range []struct{ folder, job, benchmark, endpoint string }{
		{"overlays/cross-namespace", "dynamo-benchmark", "qwen3-0p6b-vllm-agg", "vllm-agg-frontend.serving.svc.cluster.local:8000"},
		{"overlays/two-jobs", "dynamo-benchmark", "qwen3-0p6b-vllm-agg", "vllm-agg-frontend:8000"},
		{"overlays/two-jobs", "dynamo-benchmark-disagg", "qwen3-0p6b-vllm-disagg", "vllm-disagg-frontend:8000"},
		{"overlays/mock", "dynamo-benchmark", "mock", "mockserver:8000"},
	} {
		t.Run(test.folder+" "+test.job, func(t *testing.T) {
			got := jobsOf(t, test.folder)[test.job]
			assert.Equal(t, test.benchmark, got["--benchmark-name"])
			assert.Equal(t, test.endpoint, got["--endpoint-url"])
			for name, value := range base {
				if name != "--benchmark-name" && name != "--endpoint-url" {
					assert.Equal(t, value, got[name], name)
				}
			}
			assert.Len(t, got, len(base))
		})
	}
}

// jobsOf returns the arguments of the jobs of a kustomization as a map: --name=value or --name value.
func jobsOf(t *testing.T, folder string) map[string]map[string]string {
	t.Helper()
	jobs := map[string]map[string]string{}
	for _, object := range decodeAll(t, kustomize(t, outside(t, filepath.Join("scripts", folder)))) {
		job, ok := object.(*batchv1.Job)
		if !ok {
			continue
		}
		flags := map[string]string{}
		args := slices.Clone(job.Spec.Template.Spec.Containers[0].Args)
		for len(args) > 0 {
			name, value, joined := strings.Cut(args[0], "=")
			args = args[1:]
			if !joined && len(args) > 0 {
				value, args = args[0], args[1:]
			}
			flags["--"+strings.TrimLeft(name, "-")] = value
		}
		jobs[job.Name] = flags
	}
	return jobs
}
