package clustertest

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/pod-security-admission/api"
	"sigs.k8s.io/yaml"

	"github.com/llmsweep/llmsweep/scripts/cluster/clustertest/apiserver"
)

const manifests = "scripts/cluster"

// documents splits a file of several YAML documents.
func documents(text []byte) [][]byte {
	var parts [][]byte
	for _, part := range bytes.Split(append([]byte("\n"), text...), []byte("\n---\n")) {
		if len(bytes.TrimSpace(part)) > 0 {
			parts = append(parts, part)
		}
	}
	return parts
}

// decode reads a document into its Go type and refuses fields that the type does not have.
func decode(document []byte) (apiserver.Object, error) {
	var meta metav1.TypeMeta
	if err := yaml.Unmarshal(document, &meta); err != nil {
		return nil, err
	}
	var object apiserver.Object
	switch meta.APIVersion + " " + meta.Kind {
	case "batch/v1 Job":
		object = new(batchv1.Job)
	case "apps/v1 Deployment":
		object = new(appsv1.Deployment)
	case "v1 Pod":
		object = new(corev1.Pod)
	case "v1 Service":
		object = new(corev1.Service)
	case "v1 PersistentVolumeClaim":
		object = new(corev1.PersistentVolumeClaim)
	case "v1 ServiceAccount":
		object = new(corev1.ServiceAccount)
	default:
		return nil, &os.PathError{Op: "decode", Path: meta.APIVersion + " " + meta.Kind, Err: os.ErrInvalid}
	}
	return object, yaml.UnmarshalStrict(document, object)
}

// decodeAll reads all documents of a text.
func decodeAll(t *testing.T, text []byte) []apiserver.Object {
	t.Helper()
	var objects []apiserver.Object
	for _, document := range documents(text) {
		object, err := decode(document)
		require.NoError(t, err, string(document))
		objects = append(objects, object)
	}
	require.NotEmpty(t, objects)
	return objects
}

// podOf returns the pod that an object is or makes.
func podOf(o apiserver.Object) (*metav1.ObjectMeta, *corev1.PodSpec) {
	switch o := o.(type) {
	case *corev1.Pod:
		return &o.ObjectMeta, &o.Spec
	case *batchv1.Job:
		return &o.Spec.Template.ObjectMeta, &o.Spec.Template.Spec
	case *appsv1.Deployment:
		return &o.Spec.Template.ObjectMeta, &o.Spec.Template.Spec
	}
	return nil, nil
}

// manifestFiles lists the YAML files under scripts, kustomizations apart.
func manifestFiles(t *testing.T) (plain, kustomizations []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(outside(t, "scripts"), func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "clustertest" || entry.Name() == "testdata"):
			return fs.SkipDir
		case entry.Name() == "kustomization.yaml":
			kustomizations = append(kustomizations, filepath.Dir(path))
		case strings.HasSuffix(path, ".yaml") || strings.HasSuffix(path, ".yml"):
			plain = append(plain, path)
		}
		return nil
	}))
	require.GreaterOrEqual(t, len(plain), 5)
	require.Len(t, kustomizations, 5)
	return plain, kustomizations
}

func TestManifestsDecodeStrictly(t *testing.T) {
	t.Parallel()
	plain, _ := manifestFiles(t)
	for _, path := range plain {
		t.Run(filepath.Base(path), func(t *testing.T) {
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			for _, object := range decodeAll(t, text) {
				assert.Empty(t, object.GetNamespace(), "kubectl -n decides where it goes")
				requireRestricted(t, object)
			}
		})
	}
}

// requireRestricted asks Kubernetes' own evaluator about an object's pod, and about what the profile does not ask for but we do.
func requireRestricted(t *testing.T, object apiserver.Object) {
	t.Helper()
	meta, spec := podOf(object)
	if spec == nil {
		return
	}
	assert.Empty(t, apiserver.Violations(api.LevelRestricted, meta, spec))
	require.NotNil(t, spec.AutomountServiceAccountToken)
	assert.False(t, *spec.AutomountServiceAccountToken, "no pod of ours asks anything of the API")
	for _, c := range spec.Containers {
		require.NotNil(t, c.SecurityContext.ReadOnlyRootFilesystem, c.Name)
		assert.True(t, *c.SecurityContext.ReadOnlyRootFilesystem, c.Name)
		assert.Equal(t, image, c.Image)
		for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
			assert.Contains(t, c.Resources.Requests, name)
			assert.Contains(t, c.Resources.Limits, name)
		}
	}
}

func TestMistakesInManifestsAreNoticed(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(outside(t, manifests+"/access-pod.yaml"))
	require.NoError(t, err)
	t.Run("unknown field", func(t *testing.T) {
		_, err := decode(bytes.ReplaceAll(text, []byte("args:"), []byte("comand:")))
		assert.ErrorContains(t, err, `unknown field "comand"`)
	})
	t.Run("privileges", func(t *testing.T) {
		object, err := decode(bytes.ReplaceAll(text, []byte("allowPrivilegeEscalation: false"), []byte("allowPrivilegeEscalation: true")))
		require.NoError(t, err)
		meta, spec := podOf(object)
		assert.Contains(t, apiserver.Violations(api.LevelRestricted, meta, spec), "allowPrivilegeEscalation")
	})
}

func TestNamesAreTheGuides(t *testing.T) {
	t.Parallel()
	pod := readManifest(t, "access-pod.yaml").(*corev1.Pod)
	assert.Equal(t, "pvc-access-pod", pod.Name)
	assert.Equal(t, "pvc-access", pod.Labels["app"])
	assert.Equal(t, int64(3000), *pod.Spec.ActiveDeadlineSeconds)
	assert.Equal(t, []string{"hold", "-for", "50m"}, pod.Spec.Containers[0].Args, "as long as the pod may live")
	assert.True(t, pod.Spec.Containers[0].VolumeMounts[0].ReadOnly)
	assert.Equal(t, "/data", pod.Spec.Containers[0].VolumeMounts[0].MountPath)

	job := readManifest(t, "benchmark_job.yaml").(*batchv1.Job)
	assert.Equal(t, "dynamo-benchmark", job.Name)
	assert.Zero(t, *job.Spec.BackoffLimit)
	assert.Equal(t, int32(3600), *job.Spec.TTLSecondsAfterFinished)
	spec := job.Spec.Template.Spec
	assert.Equal(t, "benchmark-runner", spec.Containers[0].Name)
	assert.Equal(t, "8", spec.Containers[0].Resources.Limits.Cpu().String())
	assert.Equal(t, "/data", spec.Containers[0].VolumeMounts[0].MountPath)
	assert.Equal(t, "data-volume", spec.Volumes[0].Name)

	claim := readManifest(t, "pvc.yaml").(*corev1.PersistentVolumeClaim)
	assert.Equal(t, claim.Name, spec.Volumes[0].PersistentVolumeClaim.ClaimName)
	assert.Equal(t, claim.Name, pod.Spec.Volumes[0].PersistentVolumeClaim.ClaimName)
	assert.Equal(t, []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, claim.Spec.AccessModes)
	account := readManifest(t, "serviceaccount.yaml").(*corev1.ServiceAccount)
	assert.False(t, *account.AutomountServiceAccountToken)
}

func readManifest(t *testing.T, name string) apiserver.Object {
	t.Helper()
	text, err := os.ReadFile(outside(t, filepath.Join(manifests, name)))
	require.NoError(t, err)
	return decodeAll(t, text)[0]
}
