package apiserver

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Runtime stands for what lies behind a real API server: nodes, images and the network.
type Runtime interface {
	// Pull says why the image of a container cannot be had, in the words of a node, or nil.
	Pull(image string) error
	// Command prepares a process of a container; argv is empty for the container's own. Its error says why there is no such program.
	Command(pod *corev1.Pod, container *corev1.Container, argv []string) (*exec.Cmd, error)
	// Dial connects to a port of a pod.
	Dial(ctx context.Context, pod *corev1.Pod, port int) (net.Conn, error)
}

// Server is a running API server. All its methods may be called at any time.
type Server struct {
	resources []resource
	store     *store
	rules     rules
	runtime   Runtime
	running   processes
	forwards  connections
	controls  sync.Mutex // one round of the controllers at a time

	http *http.Server
	addr net.Addr
	stop context.CancelFunc
	ctx  context.Context // of everything that outlives a request
	wait sync.WaitGroup
}

// Start serves on a free port of 127.0.0.1 until Close. There is one namespace, default.
func Start(runtime Runtime) (*Server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("test API server: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Server{
		resources: allResources(), store: newStore(), runtime: runtime, addr: listener.Addr(), stop: stop, ctx: ctx,
	}
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	s.wait.Go(func() { _ = s.http.Serve(listener) })
	s.AddNamespace("default", nil)
	return s, nil
}

// Close ends the server, all streams and all processes of pods, and waits for them.
func (s *Server) Close() {
	s.stop()
	s.running.killAll()
	s.forwards.closeAll()
	_ = s.http.Close()
	s.wait.Wait()
}

// URL is the address of the server.
func (s *Server) URL() string { return "http://" + s.addr.String() }

// User is whom requests come from, as error messages name them.
const User = "tester"

// WriteKubeconfig writes a file through which kubectl reaches the server; namespace is the one for calls that name none.
func (s *Server) WriteKubeconfig(path, namespace string) error {
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: %q}}]
users: [{name: %s, user: {}}]
contexts: [{name: test, context: {cluster: test, user: %s, namespace: %q}}]
current-context: test
`, s.URL(), User, User, namespace)
	return os.WriteFile(path, []byte(text), 0o600)
}

// AddNamespace creates a namespace with its service account default, as a cluster does.
func (s *Server) AddNamespace(name string, labels map[string]string) {
	s.Add(&corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}, Status: corev1.NamespaceStatus{Phase: corev1.NamespaceActive},
	})
	s.Add(&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default", Namespace: name}})
}

// Add puts an object into the store as it is: no validation, no controller. It panics on a kind that is not served.
func (s *Server) Add(object Object) {
	r := s.resourceOf(object)
	object = clone(object)
	object.GetObjectKind().SetGroupVersionKind(r.gvk())
	s.store.create(key{r.name, object.GetNamespace(), object.GetName()}, object)
}

// Get returns an object by the plural name of its resource, or nil. The namespace of a cluster-wide one is empty.
func (s *Server) Get(resource, namespace, name string) Object {
	return s.store.get(key{resource, namespace, name})
}

// List returns the objects of a resource in a namespace, all namespaces if it is empty.
func (s *Server) List(resource, namespace string) []Object {
	found, _ := s.store.list(resource, namespace, func(Object) bool { return true })
	return found
}

// Remove deletes an object without any controller; a pod's process ends.
func (s *Server) Remove(resource, namespace, name string) {
	k := key{resource, namespace, name}
	if s.store.remove(k) != nil && resource == "pods" {
		s.running.kill(k)
	}
}
