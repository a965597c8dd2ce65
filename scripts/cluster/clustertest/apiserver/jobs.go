package apiserver

import (
	"fmt"
	"maps"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// controlJob gives a job its selector and its one pod.
func (s *Server) controlJob(job *batchv1.Job) {
	if len(s.podsOf(job)) > 0 || finished(job) || job.DeletionTimestamp != nil {
		return
	}
	identity := map[string]string{"batch.kubernetes.io/controller-uid": string(job.UID)}
	_, _ = s.store.update(key{"jobs", job.Namespace, job.Name}, func(o Object) (Object, error) {
		if j := o.(*batchv1.Job); j.Spec.Selector == nil {
			j.Spec.Selector = &metav1.LabelSelector{MatchLabels: identity}
		}
		return o, nil
	})
	labels := map[string]string{"job-name": job.Name, "batch.kubernetes.io/job-name": job.Name, "controller-uid": string(job.UID)}
	maps.Copy(labels, identity)
	s.makePod(job, &job.Spec.Template, labels)
}

// controlDeployments gives each deployment its pods.
func (s *Server) controlDeployments() {
	for _, o := range s.List("deployments", "") {
		d := o.(*appsv1.Deployment)
		replicas := 1
		if d.Spec.Replicas != nil {
			replicas = int(*d.Spec.Replicas)
		}
		for range replicas - len(s.podsOf(d)) {
			s.makePod(d, &d.Spec.Template, nil)
		}
	}
}

func (s *Server) podsOf(owner Object) []*corev1.Pod {
	var found []*corev1.Pod
	for _, o := range s.List("pods", owner.GetNamespace()) {
		if ref := metav1.GetControllerOf(o); ref != nil && ref.UID == owner.GetUID() {
			found = append(found, o.(*corev1.Pod))
		}
	}
	return found
}

// makePod creates a pod from its owner's template. What a cluster refuses becomes an event, as for a real controller.
func (s *Server) makePod(owner Object, template *corev1.PodTemplateSpec, labels map[string]string) {
	pod := &corev1.Pod{ObjectMeta: *template.ObjectMeta.DeepCopy(), Spec: *template.Spec.DeepCopy()}
	pod.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Pod"))
	pod.Namespace = owner.GetNamespace()
	pod.Name = fmt.Sprintf("%s-%05x", owner.GetName(), s.store.now())
	if pod.Labels == nil {
		pod.Labels = map[string]string{}
	}
	maps.Copy(pod.Labels, labels)
	pod.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(owner, s.resourceOf(owner).gvk())}
	c := &call{resource: s.mustResource("pods"), namespace: pod.Namespace}
	if err := s.admit(c, pod); err != nil {
		s.event(owner, "FailedCreate", "Error creating: "+err.Error())
		return
	}
	s.store.create(podKey(pod), pod)
}

// event notes a warning about an object, once.
func (s *Server) event(about Object, reason, message string) {
	name := about.GetName() + "." + reason
	event := &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: about.GetNamespace()}, Type: corev1.EventTypeWarning, Reason: reason, Message: message,
		InvolvedObject: corev1.ObjectReference{
			Kind: s.resourceOf(about).kind, Namespace: about.GetNamespace(), Name: about.GetName(), UID: about.GetUID(),
		},
		LastTimestamp: metav1.Now(), Count: 1,
	}
	s.Add(event)
}

// ownerOf brings the status of a pod's owner up to date.
func (s *Server) ownerOf(pod *corev1.Pod) {
	ref := metav1.GetControllerOf(pod)
	if ref == nil {
		return
	}
	resource := map[string]string{"Job": "jobs", "Deployment": "deployments"}[ref.Kind]
	_, _ = s.store.update(key{resource, pod.Namespace, ref.Name}, func(o Object) (Object, error) {
		switch owner := o.(type) {
		case *batchv1.Job:
			setJobStatus(&owner.Status, pod)
		case *appsv1.Deployment:
			setDeploymentStatus(owner, pod)
		}
		return o, nil
	})
}

func setJobStatus(status *batchv1.JobStatus, pod *corev1.Pod) {
	condition := batchv1.JobCondition{Status: corev1.ConditionTrue}
	switch pod.Status.Phase {
	case corev1.PodSucceeded:
		status.Active, status.Succeeded = 0, 1
		condition.Type = batchv1.JobComplete
	case corev1.PodFailed:
		status.Active, status.Failed = 0, 1
		condition.Type, condition.Reason = batchv1.JobFailed, batchv1.JobReasonBackoffLimitExceeded
		condition.Message = "Job has reached the specified backoff limit"
	default:
		status.Active = 1
		return
	}
	status.Conditions = []batchv1.JobCondition{condition}
}

func setDeploymentStatus(d *appsv1.Deployment, pod *corev1.Pod) {
	ready := int32(0)
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
			ready = 1
		}
	}
	d.Status = appsv1.DeploymentStatus{
		ObservedGeneration: d.Generation, Replicas: 1, UpdatedReplicas: 1, ReadyReplicas: ready, AvailableReplicas: ready,
	}
	if ready == 1 {
		d.Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentAvailable, Status: corev1.ConditionTrue}}
	}
}
