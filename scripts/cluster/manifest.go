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

// AccessPod returns access-pod.yaml as JSON for a namespace, an image and a claim. Where one of them is empty, the file's own stays.
func AccessPod(namespace, image, claim string) ([]byte, error) {
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
	set(metadata, "namespace", namespace)
	container, _ := containers[0].(map[string]any)
	set(container, "image", image)
	for _, v := range volumes {
		volume, _ := v.(map[string]any)
		if source, claimed := volume["persistentVolumeClaim"].(map[string]any); claimed {
			set(source, "claimName", claim)
		}
	}
	return json.Marshal(pod)
}

func set(object map[string]any, key, value string) {
	if value != "" && object != nil {
		object[key] = value
	}
}
