package clustertest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/llmsweep/llmsweep/scripts/cluster/clustertest/apiserver"
)

// node runs the containers of a test's cluster as processes of this machine. It has one image, ours; volumes are folders, and since the
// processes share this machine's files and network, the arguments that name a mount path, a port or a service are rewritten.
type node struct {
	t        *testing.T
	server   *apiserver.Server
	volumes  string
	programs string   // folder with what the image holds
	short    []string // environment that makes benchmarks short

	mu        sync.Mutex
	listeners map[string]string // namespace/pod:port -> where it is reached
	foreign   map[string]bool   // images that can be pulled but hold nothing of ours
}

// addForeignImage makes an image known in which our programs are missing.
func (n *node) addForeignImage(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.foreign == nil {
		n.foreign = map[string]bool{}
	}
	n.foreign[name] = true
}

// Pull knows our image under the names that documentation and manifests use.
func (n *node) Pull(name string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.foreign[name] || strings.Contains(name, "llmsweep:") {
		return nil
	}
	return fmt.Errorf("rpc error: code = NotFound desc = failed to pull and unpack image %q: failed to resolve reference %q: not found", name, name)
}

// Command prepares a process. A container's own program is the image's entry point unless it names one.
func (n *node) Command(pod *corev1.Pod, container *corev1.Container, argv []string) (*exec.Cmd, error) {
	if len(argv) == 0 {
		argv = container.Command
		if len(argv) == 0 {
			argv = []string{"/llmsweep"}
		}
		argv = append(argv, container.Args...)
	}
	n.mu.Lock()
	foreign := n.foreign[container.Image]
	n.mu.Unlock()
	if foreign && argv[0] == "/llmsweep" && argv[1] == "hold" { // an image with a program that sleeps, but without ours
		return exec.Command("sleep", "3000"), nil
	}
	program := filepath.Join(n.programs, strings.TrimPrefix(argv[0], "/"))
	if _, err := os.Stat(program); err != nil || foreign || !strings.HasPrefix(argv[0], "/") {
		if strings.Contains(argv[0], "/") {
			return nil, fmt.Errorf("exec: %q: stat %s: no such file or directory: unknown", argv[0], argv[0])
		}
		return nil, fmt.Errorf("exec: %q: executable file not found in $PATH: unknown", argv[0])
	}
	args := argv[1:]
	if len(args) > 0 && args[0] == "mockserver" {
		args = append(args[:len(args):len(args)], "-host=127.0.0.1", "-port="+n.listen(pod, 8000))
	}
	cmd := exec.Command(program, n.localise(pod, container, args)...)
	cmd.Env = append(os.Environ(), n.environment(pod, container)...)
	return cmd, nil
}

// environment is the image's own and the container's, with secrets looked up.
func (n *node) environment(pod *corev1.Pod, container *corev1.Container) []string {
	scratch, err := os.MkdirTemp(n.volumes, "tmp-")
	require.NoError(n.t, err)
	env := append(slices.Clone(n.short), "HOME="+scratch, "TMPDIR="+scratch, "TERMINATION_LOG="+filepath.Join(scratch, "termination-log"))
	if data, ok := n.mounts(pod, container)["/data"]; ok {
		env = append(env, "BENCH_OUTPUT_DIR="+filepath.Join(data, "results"))
	}
	for _, e := range container.Env {
		value := e.Value
		if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
			secret, _ := n.server.Get("secrets", pod.Namespace, e.ValueFrom.SecretKeyRef.Name).(*corev1.Secret)
			if secret == nil {
				continue
			}
			value = string(secret.Data[e.ValueFrom.SecretKeyRef.Key])
		}
		env = append(env, e.Name+"="+value)
	}
	return env
}

// mounts maps the claims' mount paths of a container to folders.
func (n *node) mounts(pod *corev1.Pod, container *corev1.Container) map[string]string {
	folders := map[string]string{}
	for _, v := range pod.Spec.Volumes {
		if v.PersistentVolumeClaim == nil {
			continue
		}
		for _, m := range container.VolumeMounts {
			if m.Name == v.Name {
				folders[m.MountPath] = n.volume(pod.Namespace, v.PersistentVolumeClaim.ClaimName)
			}
		}
	}
	return folders
}

// volume is the folder behind a claim.
func (n *node) volume(ns, claim string) string {
	folder := filepath.Join(n.volumes, ns, claim)
	require.NoError(n.t, os.MkdirAll(folder, 0o755))
	return folder
}

// localise rewrites paths on a volume and addresses of services.
func (n *node) localise(pod *corev1.Pod, container *corev1.Container, args []string) []string {
	local := make([]string, len(args))
	for i, arg := range args {
		for path, folder := range n.mounts(pod, container) {
			arg = regexp.MustCompile(`(^|=)`+regexp.QuoteMeta(path)+`(/|$)`).ReplaceAllString(arg, "${1}"+folder+"${2}")
		}
		local[i] = regexp.MustCompile(`[a-z0-9.-]+:[0-9]+`).ReplaceAllStringFunc(arg, func(address string) string {
			return n.resolve(pod.Namespace, address)
		})
	}
	return local
}

// resolve stands for the cluster's name service: SERVICE[.NAMESPACE[.svc.cluster.local]]:PORT becomes the address of a pod behind it.
func (n *node) resolve(ns, address string) string {
	host, port, _ := strings.Cut(address, ":")
	name, rest, _ := strings.Cut(strings.TrimSuffix(host, ".svc.cluster.local"), ".")
	if rest != "" {
		ns = rest
	}
	service, ok := n.server.Get("services", ns, name).(*corev1.Service)
	if !ok || strconv.Itoa(int(service.Spec.Ports[0].Port)) != port {
		return address
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, pod := range n.server.List("pods", ns) {
		if labels.SelectorFromSet(service.Spec.Selector).Matches(labels.Set(pod.GetLabels())) {
			if found, ok := n.listeners[fmt.Sprintf("%s/%s:8000", ns, pod.GetName())]; ok {
				return found
			}
		}
	}
	return address
}

// listen chooses where a port of a pod is reached on this machine, and returns the local port.
func (n *node) listen(pod *corev1.Pod, port int) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(n.t, err)
	defer listener.Close()
	address := listener.Addr().String()
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listeners == nil {
		n.listeners = map[string]string{}
	}
	n.listeners[fmt.Sprintf("%s/%s:%d", pod.Namespace, pod.Name, port)] = address
	_, local, _ := net.SplitHostPort(address)
	return local
}

// Dial connects to what listens for a pod.
func (n *node) Dial(ctx context.Context, pod *corev1.Pod, port int) (net.Conn, error) {
	n.mu.Lock()
	address, ok := n.listeners[fmt.Sprintf("%s/%s:%d", pod.Namespace, pod.Name, port)]
	n.mu.Unlock()
	if !ok {
		return nil, errors.New("connection refused")
	}
	return new(net.Dialer).DialContext(ctx, "tcp", address)
}
