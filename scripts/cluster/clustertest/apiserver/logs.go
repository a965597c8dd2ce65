package apiserver

import (
	"fmt"
	"net/http"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// journal collects what a container prints, for any number of readers, some of whom wait for more.
type journal struct {
	mu      sync.Mutex
	text    []byte
	ended   bool
	changed chan struct{}
}

func newJournal() *journal { return &journal{changed: make(chan struct{})} }

// Write appends to the journal.
func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.text = append(j.text, p...)
	j.wake()
	return len(p), nil
}

func (j *journal) end() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ended = true
	j.wake()
}

func (j *journal) wake() {
	close(j.changed)
	j.changed = make(chan struct{})
}

// from returns what was written after the first n bytes, whether that is all for ever, and what to wait on for more.
func (j *journal) from(n int) (text []byte, ended bool, changed <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text[n:], j.ended, j.changed
}

// logs answers kubectl logs, with follow=true until the container ends.
func (s *Server) logs(w http.ResponseWriter, r *http.Request, c *call) error {
	pod, container, err := s.containerOf(c)
	if err != nil {
		return err
	}
	p := s.running.find(c.key())
	if p == nil {
		return apierrors.NewBadRequest(fmt.Sprintf("container %q in pod %q is waiting to start: %s", container.Name, pod.Name, waitingReason(pod)))
	}
	w.Header().Set("Content-Type", "text/plain")
	follow := c.query.Get("follow") == "true"
	for sent := 0; ; {
		text, ended, changed := p.journal.from(sent)
		_, _ = w.Write(text) // a client that has gone ends the context
		sent += len(text)
		if ended || !follow {
			return nil
		}
		_ = http.NewResponseController(w).Flush()
		select {
		case <-changed:
		case <-r.Context().Done():
			return nil
		}
	}
}

// containerOf finds the container that a stream is for.
func (s *Server) containerOf(c *call) (*corev1.Pod, *corev1.Container, error) {
	pod, ok := s.store.get(c.key()).(*corev1.Pod)
	if !ok {
		return nil, nil, apierrors.NewNotFound(c.groupResource(), c.object)
	}
	name := c.query.Get("container")
	for i := range pod.Spec.Containers {
		if container := &pod.Spec.Containers[i]; name == "" || container.Name == name {
			return pod, container, nil
		}
	}
	return nil, nil, apierrors.NewBadRequest(fmt.Sprintf("container %s is not valid for pod %s", name, pod.Name))
}

func waitingReason(pod *corev1.Pod) string {
	for _, status := range pod.Status.ContainerStatuses {
		if status.State.Waiting != nil {
			return status.State.Waiting.Reason
		}
	}
	return "ContainerCreating"
}
