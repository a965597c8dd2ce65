// Package cluster holds the manifests in this folder that programs need too.
package cluster

import (
	_ "embed"
	"encoding/json"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// The names in access-pod.yaml.
const (
	AccessPodName   = "pvc-access-pod"
	AccessContainer = "access"
	VolumeMount     = "/data"
)

//go:embed access-pod.yaml
var accessPod []byte

// Access is what differs between the access pod of the file and one that a program starts. Where a field is empty, the file's own stays.
type Access struct {
	Name, Namespace, Image, Claim string
	ManagedBy                     string // the program, as the label app.kubernetes.io/managed-by names it
}

// Pod returns access-pod.yaml, changed so, as JSON.
func (a Access) Pod() ([]byte, error) {
	var pod map[string]any
	if err := yaml.Unmarshal(accessPod, &pod); err != nil {
		return nil, fmt.Errorf("access-pod.yaml: %w", err)
	}
	metadata, _ := pod["metadata"].(map[string]any)
	spec, _ := pod["spec"].(map[string]any)
	containers, _ := spec["containers"].([]any)
	volumes, _ := spec["volumes"].([]any)
	if metadata == nil || len(containers) != 1 || len(volumes) == 0 {
		return nil, fmt.Errorf("access-pod.yaml: is not a pod with one container and a volume")
	}
	labels, _ := metadata["labels"].(map[string]any)
	set(metadata, "name", a.Name)
	set(metadata, "namespace", a.Namespace)
	set(labels, "app.kubernetes.io/managed-by", a.ManagedBy)
	container, _ := containers[0].(map[string]any)
	set(container, "image", a.Image)
	for _, v := range volumes {
		volume, _ := v.(map[string]any)
		if source, claimed := volume["persistentVolumeClaim"].(map[string]any); claimed {
			set(source, "claimName", a.Claim)
		}
	}
	return json.Marshal(pod)
}

func set(object map[string]any, key, value string) {
	if value != "" && object != nil {
		object[key] = value
	}
}
