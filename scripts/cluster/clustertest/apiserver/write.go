package apiserver

import (
	"encoding/json"
	"net/http"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
)

func (s *Server) create(w http.ResponseWriter, r *http.Request, c *call) error {
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	created, err := c.decode(w, body)
	if err != nil {
		return err
	}
	if err := s.admit(c, created); err != nil {
		return err
	}
	k := key{c.name, c.namespace, created.GetName()}
	if c.dryRun() {
		if s.store.get(k) != nil {
			return apierrors.NewAlreadyExists(c.groupResource(), k.name)
		}
		return writeJSON(w, http.StatusCreated, created)
	}
	stored := s.store.create(k, created)
	if stored == nil {
		return apierrors.NewAlreadyExists(c.groupResource(), k.name)
	}
	s.control()
	return writeJSON(w, http.StatusCreated, stored)
}

// admit completes an object that is to be created and refuses what a cluster would refuse.
func (s *Server) admit(c *call, o Object) error {
	if !c.clusterWide {
		if o.GetNamespace() == "" {
			o.SetNamespace(c.namespace)
		}
		if o.GetNamespace() != c.namespace {
			return apierrors.NewBadRequest("the namespace of the provided object does not match the namespace sent on the request")
		}
		if s.Get("namespaces", "", c.namespace) == nil {
			return apierrors.NewNotFound(s.mustResource("namespaces").groupResource(), c.namespace)
		}
	}
	if err := validate(c.resource, o); err != nil {
		return err
	}
	switch o := o.(type) {
	case *corev1.Pod:
		o.Status = corev1.PodStatus{Phase: corev1.PodPending}
		return s.admitPod(o)
	case *corev1.PersistentVolumeClaim:
		o.Status.Phase = corev1.ClaimBound
	case *corev1.Namespace:
		o.Status.Phase = corev1.NamespaceActive
	}
	return nil
}

func (s *Server) patch(w http.ResponseWriter, r *http.Request, c *call) error {
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	if kind := types.PatchType(r.Header.Get("Content-Type")); kind != types.StrategicMergePatchType {
		return apierrors.NewGenericServerResponse(http.StatusUnsupportedMediaType, "patch", c.groupResource(), c.object, string(kind), 0, true)
	}
	var asIfPatched Object
	stored, err := s.store.update(c.key(), func(old Object) (Object, error) {
		patched, err := c.patched(w, old, body)
		if err != nil || !c.dryRun() {
			return patched, err
		}
		asIfPatched = patched
		return old, nil
	})
	switch {
	case err != nil:
		return err
	case stored == nil:
		return apierrors.NewNotFound(c.groupResource(), c.object)
	case asIfPatched != nil:
		return writeJSON(w, http.StatusOK, asIfPatched)
	}
	s.control()
	return writeJSON(w, http.StatusOK, stored)
}

func (c *call) patched(w http.ResponseWriter, old Object, patch []byte) (Object, error) {
	before, err := json.Marshal(old)
	if err != nil {
		return nil, err
	}
	after, err := strategicpatch.StrategicMergePatch(before, patch, old)
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	patched, err := c.decode(w, after)
	if err != nil {
		return nil, err
	}
	if err := validate(c.resource, patched); err != nil {
		return nil, err
	}
	return patched, validateUpdate(c.resource, old, patched)
}

// delete removes an object and all that it owns. A pod gets its grace period first.
func (s *Server) delete(w http.ResponseWriter, r *http.Request, c *call) error {
	options, err := deleteOptions(w, r)
	if err != nil {
		return err
	}
	found := s.store.get(c.key())
	switch {
	case found == nil:
		return apierrors.NewNotFound(c.groupResource(), c.object)
	case c.dryRun() || len(options.DryRun) > 0:
		return writeJSON(w, http.StatusOK, found)
	}
	if pod, ok := found.(*corev1.Pod); ok {
		return writeJSON(w, http.StatusOK, s.deletePod(pod, options.GracePeriodSeconds))
	}
	s.store.remove(c.key())
	s.collect(found)
	return writeJSON(w, http.StatusOK, &metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusSuccess,
		Details: &metav1.StatusDetails{Name: c.object, Group: c.Group, Kind: c.name, UID: found.GetUID()},
	})
}

// collect ends the pods of an owner that is gone.
func (s *Server) collect(owner Object) {
	for _, o := range s.List("pods", owner.GetNamespace()) {
		if ref := metav1.GetControllerOf(o); ref != nil && ref.UID == owner.GetUID() {
			s.deletePod(o.(*corev1.Pod), nil)
		}
	}
}

// finished reports whether a job has ended, and how.
func finished(job *batchv1.Job) bool { return job.Status.Succeeded+job.Status.Failed > 0 }
