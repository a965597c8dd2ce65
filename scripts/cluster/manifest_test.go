package cluster_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/llmsweep/llmsweep/scripts/cluster"
)

// pod is what Access changes, and the names that programs rely on.
type pod struct {
	Kind     string
	Metadata struct {
		Name, Namespace string
		Labels          map[string]string
	}
	Spec struct {
		Containers []struct {
			Name, Image  string
			VolumeMounts []struct{ MountPath string }
		}
		Volumes []struct {
			PersistentVolumeClaim struct{ ClaimName string }
		}
	}
}

func accessPod(t *testing.T, a cluster.Access) (p pod) {
	t.Helper()
	data, err := a.Pod()
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &p))
	return p
}

func TestAccessPod(t *testing.T) {
	p := accessPod(t, cluster.Access{Name: "mine", Namespace: "n", Image: "llmsweep:dev", Claim: "results", ManagedBy: "somebody"})
	assert.Equal(t, "Pod", p.Kind)
	assert.Equal(t, "mine", p.Metadata.Name)
	assert.Equal(t, "pvc-access", p.Metadata.Labels["app"])
	assert.Equal(t, "somebody", p.Metadata.Labels["app.kubernetes.io/managed-by"])
	assert.Equal(t, "n", p.Metadata.Namespace)
	require.Len(t, p.Spec.Containers, 1)
	assert.Equal(t, cluster.AccessContainer, p.Spec.Containers[0].Name)
	assert.Equal(t, "llmsweep:dev", p.Spec.Containers[0].Image)
	assert.Equal(t, cluster.VolumeMount, p.Spec.Containers[0].VolumeMounts[0].MountPath)
	assert.Equal(t, "results", p.Spec.Volumes[0].PersistentVolumeClaim.ClaimName)
}

func TestAccessPodIsElseTheFile(t *testing.T) {
	text, err := os.ReadFile("access-pod.yaml")
	require.NoError(t, err)
	var want any
	require.NoError(t, yaml.Unmarshal(text, &want))
	data, err := cluster.Access{}.Pod()
	require.NoError(t, err)
	assert.Equal(t, cluster.AccessPodName, accessPod(t, cluster.Access{}).Metadata.Name)
	var got any
	require.NoError(t, yaml.Unmarshal(data, &got))
	assert.Equal(t, want, got)
}
