package apiserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"sync"
	"syscall"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// probeInterval is how often a readiness probe is tried, whatever the manifest says: tests do not wait for seconds.
const probeInterval = 20 * time.Millisecond

// process is the process of a pod's container.
type process struct {
	cmd     *exec.Cmd
	journal *journal
	ended   chan struct{} // closed when it has ended
}

// signal is sent to the whole group, or what the container's process started would outlive the container.
func (p *process) signal(sig syscall.Signal) {
	select {
	case <-p.ended: // its number may belong to another process by now
	default:
		_ = syscall.Kill(-p.cmd.Process.Pid, sig)
	}
}

// processes are the containers that were started, ended ones too: their output can still be read.
type processes struct {
	mu    sync.Mutex
	byPod map[key]*process
}

func (ps *processes) find(k key) *process {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return ps.byPod[k]
}

func (ps *processes) add(k key, p *process) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.byPod == nil {
		ps.byPod = map[key]*process{}
	}
	ps.byPod[k] = p
}

// kill ends the process of a pod and forgets it.
func (ps *processes) kill(k key) {
	ps.mu.Lock()
	p := ps.byPod[k]
	delete(ps.byPod, k)
	ps.mu.Unlock()
	if p != nil {
		p.signal(syscall.SIGKILL)
		<-p.ended
	}
}

func (ps *processes) killAll() {
	ps.mu.Lock()
	keys := make([]key, 0, len(ps.byPod))
	for k := range ps.byPod {
		keys = append(keys, k)
	}
	ps.mu.Unlock()
	for _, k := range keys {
		ps.kill(k)
	}
}

// control does what controllers and nodes do after a change: jobs and deployments get their pods, pods that wait are tried again.
func (s *Server) control() {
	s.controls.Lock()
	defer s.controls.Unlock()
	for _, o := range s.List("jobs", "") {
		s.controlJob(o.(*batchv1.Job))
	}
	s.controlDeployments()
	for _, o := range s.List("pods", "") {
		if pod := o.(*corev1.Pod); pod.Status.Phase == corev1.PodPending && pod.DeletionTimestamp == nil && pod.Spec.NodeName == "" {
			s.startPod(pod)
		}
	}
}

func podKey(pod *corev1.Pod) key { return key{"pods", pod.Namespace, pod.Name} }

// startPod starts the container of a pod, or writes into its status why it cannot.
func (s *Server) startPod(pod *corev1.Pod) {
	if claim := s.missingClaim(pod); claim != "" {
		s.setPod(pod, func(status *corev1.PodStatus) {
			message := fmt.Sprintf("persistentvolumeclaim %q not found", claim)
			setCondition(status, corev1.PodScheduled, corev1.ConditionFalse, corev1.PodReasonUnschedulable, message)
		})
		return
	}
	for i := range pod.Spec.Containers {
		if reason, message := s.obstacle(pod, &pod.Spec.Containers[i]); reason != "" {
			s.setPod(pod, func(status *corev1.PodStatus) {
				setCondition(status, corev1.PodScheduled, corev1.ConditionTrue, "", "")
				setCondition(status, corev1.PodReady, corev1.ConditionFalse, "ContainersNotReady", "")
				setState(status, pod, corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}})
			})
			return
		}
	}
	// One container is all that the pods of a benchmark have.
	s.runContainer(pod, &pod.Spec.Containers[0])
}

func (s *Server) missingClaim(pod *corev1.Pod) string {
	for _, v := range pod.Spec.Volumes {
		if c := v.PersistentVolumeClaim; c != nil && s.Get("persistentvolumeclaims", pod.Namespace, c.ClaimName) == nil {
			return c.ClaimName
		}
	}
	return ""
}

// obstacle says why a node cannot start a container, with the reason in the node's words.
func (s *Server) obstacle(pod *corev1.Pod, c *corev1.Container) (reason, message string) {
	if err := s.runtime.Pull(c.Image); err != nil {
		return "ErrImagePull", err.Error()
	}
	for _, env := range c.Env {
		if env.ValueFrom == nil || env.ValueFrom.SecretKeyRef == nil {
			continue
		}
		ref := env.ValueFrom.SecretKeyRef
		optional := ref.Optional != nil && *ref.Optional
		if s.Get("secrets", pod.Namespace, ref.Name) == nil && !optional {
			return "CreateContainerConfigError", fmt.Sprintf("secret %q not found", ref.Name)
		}
	}
	return "", ""
}

func (s *Server) runContainer(pod *corev1.Pod, c *corev1.Container) {
	journal := newJournal()
	cmd, err := s.runtime.Command(pod, c, nil)
	if err == nil {
		cmd.Stdout, cmd.Stderr = journal, journal
		ownGroup(cmd)
		err = cmd.Start()
	}
	if err != nil {
		s.setPod(pod, func(status *corev1.PodStatus) {
			setState(status, pod, corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CreateContainerError", Message: err.Error()}})
		})
		return
	}
	p := &process{cmd: cmd, journal: journal, ended: make(chan struct{})}
	s.running.add(podKey(pod), p)
	s.setPod(pod, func(status *corev1.PodStatus) {
		status.Phase = corev1.PodRunning
		setCondition(status, corev1.PodScheduled, corev1.ConditionTrue, "", "")
		setState(status, pod, corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}})
	})
	s.wait.Go(func() {
		code := exitCode(cmd.Wait())
		journal.end()
		close(p.ended)
		s.podEnded(pod, code)
	})
	s.wait.Go(func() {
		if s.untilReady(pod, c, p) {
			s.setPod(pod, func(status *corev1.PodStatus) {
				setCondition(status, corev1.PodReady, corev1.ConditionTrue, "", "")
				status.ContainerStatuses[0].Ready = true
			})
		}
	})
}

func exitCode(err error) int {
	var failed *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &failed) && failed.ExitCode() >= 0:
		return failed.ExitCode()
	}
	return 128 + int(syscall.SIGKILL)
}

// untilReady waits until all probes of a container have succeeded, and reports false where it ended before. A real node asks the probes one
// after another, and kills a container whose liveness probe fails; what they have in common is that a wrong path makes no pod ready.
func (s *Server) untilReady(pod *corev1.Pod, c *corev1.Container, p *process) bool {
	for _, probe := range []*corev1.Probe{c.StartupProbe, c.LivenessProbe, c.ReadinessProbe} {
		if probe == nil || probe.HTTPGet == nil {
			continue
		}
		for !s.answers(pod, portNumber(c, probe.HTTPGet.Port), probe.HTTPGet.Path) {
			select {
			case <-time.After(probeInterval):
			case <-p.ended:
				return false
			}
		}
	}
	return true
}

// answers reports whether a pod answers a GET as probes want it.
func (s *Server) answers(pod *corev1.Pod, port int, path string) bool {
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return s.runtime.Dial(ctx, pod, port) },
	}}
	response, err := client.Get("http://pod" + path)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	return response.StatusCode < http.StatusBadRequest
}

func portNumber(c *corev1.Container, port intstr.IntOrString) int {
	for _, p := range c.Ports {
		if port.Type == intstr.String && p.Name == port.StrVal {
			return int(p.ContainerPort)
		}
	}
	return port.IntValue()
}

func (s *Server) podEnded(pod *corev1.Pod, code int) {
	phase, reason := corev1.PodSucceeded, "Completed"
	if code != 0 {
		phase, reason = corev1.PodFailed, "Error"
	}
	s.setPod(pod, func(status *corev1.PodStatus) {
		status.Phase = phase
		setCondition(status, corev1.PodReady, corev1.ConditionFalse, "PodCompleted", "")
		setState(status, pod, corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: int32(code), Reason: reason}}) //nolint:gosec // 0 to 255
	})
}

// setPod edits the status of a pod and lets its owner know.
func (s *Server) setPod(pod *corev1.Pod, edit func(*corev1.PodStatus)) {
	stored, _ := s.store.update(podKey(pod), func(o Object) (Object, error) {
		if o.GetUID() == pod.UID {
			edit(&o.(*corev1.Pod).Status)
			if o.(*corev1.Pod).Status.Phase == corev1.PodRunning {
				o.(*corev1.Pod).Spec.NodeName = "node-1"
			}
		}
		return o, nil
	})
	if stored != nil {
		s.ownerOf(stored.(*corev1.Pod))
	}
}

func setCondition(status *corev1.PodStatus, kind corev1.PodConditionType, value corev1.ConditionStatus, reason, message string) {
	condition := corev1.PodCondition{Type: kind, Status: value, Reason: reason, Message: message}
	for i := range status.Conditions {
		if status.Conditions[i].Type == kind {
			status.Conditions[i] = condition
			return
		}
	}
	status.Conditions = append(status.Conditions, condition)
}

func setState(status *corev1.PodStatus, pod *corev1.Pod, state corev1.ContainerState) {
	c := pod.Spec.Containers[0]
	status.ContainerStatuses = []corev1.ContainerStatus{{Name: c.Name, Image: c.Image, State: state}}
}

// deletePod asks the pod's process to end, gives it its grace period, and then removes the pod. It returns the pod as it is meanwhile.
func (s *Server) deletePod(pod *corev1.Pod, graceSeconds *int64) Object {
	grace := int64(30)
	for _, asked := range []*int64{pod.Spec.TerminationGracePeriodSeconds, graceSeconds} {
		if asked != nil {
			grace = *asked
		}
	}
	marked, _ := s.store.update(podKey(pod), func(o Object) (Object, error) {
		now := metav1.Now()
		o.SetDeletionTimestamp(&now)
		o.SetDeletionGracePeriodSeconds(&grace)
		return o, nil
	})
	s.wait.Go(func() {
		if p := s.running.find(podKey(pod)); p != nil {
			p.signal(syscall.SIGTERM)
			select {
			case <-p.ended:
			case <-time.After(time.Duration(grace) * time.Second):
			case <-s.ctx.Done():
			}
			s.running.kill(podKey(pod))
		}
		if now := s.store.get(podKey(pod)); now != nil && now.GetUID() == pod.UID {
			s.store.remove(podKey(pod))
		}
	})
	if marked == nil {
		return pod
	}
	return marked
}

// notRunning is what a stream gets from a pod whose container does not run.
func notRunning(pod *corev1.Pod, c *corev1.Container) error {
	if pod.Spec.NodeName == "" {
		return apierrors.NewBadRequest(fmt.Sprintf("pod %s does not have a host assigned", pod.Name))
	}
	return apierrors.NewInternalError(fmt.Errorf("unable to upgrade connection: container not found (%q)", c.Name))
}
