package apiserver

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apimachinery/pkg/watch"
)

func (s *Server) get(w http.ResponseWriter, c *call) error {
	found := s.store.get(c.key())
	if found == nil {
		return apierrors.NewNotFound(c.groupResource(), c.object)
	}
	return writeJSON(w, http.StatusOK, found)
}

func (s *Server) list(w http.ResponseWriter, c *call) error {
	keep, err := c.selector()
	if err != nil {
		return err
	}
	found, version := s.store.list(c.name, c.namespace, keep)
	return writeJSON(w, http.StatusOK, object{
		"kind": c.kind + "List", "apiVersion": c.GroupVersion.String(),
		"metadata": object{"resourceVersion": strconv.Itoa(version)}, "items": found,
	})
}

// selector reads the selectors of a query.
func (c *call) selector() (func(Object) bool, error) {
	byLabel, err := labels.Parse(c.query.Get("labelSelector"))
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	byField, err := fields.ParseSelector(c.query.Get("fieldSelector"))
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	return func(o Object) bool {
		return byLabel.Matches(labels.Set(o.GetLabels())) && byField.Matches(selectable(o))
	}, nil
}

// selectable names the fields by which a real server selects.
func selectable(o Object) fields.Set {
	set := fields.Set{"metadata.name": o.GetName(), "metadata.namespace": o.GetNamespace()}
	switch o := o.(type) {
	case *corev1.Pod:
		set["status.phase"] = string(o.Status.Phase)
		set["spec.nodeName"] = o.Spec.NodeName
	case *corev1.Event:
		set["involvedObject.kind"] = o.InvolvedObject.Kind
		set["involvedObject.name"] = o.InvolvedObject.Name
		set["involvedObject.namespace"] = o.InvolvedObject.Namespace
		set["involvedObject.uid"] = string(o.InvolvedObject.UID)
	}
	return set
}

// watch streams changes until the client leaves or its time is up. Without a version it begins with what there is.
func (s *Server) watch(w http.ResponseWriter, r *http.Request, c *call) error {
	keep, err := c.selector()
	if err != nil {
		return err
	}
	if c.query.Get("sendInitialEvents") != "" {
		forbidden := field.Forbidden(field.NewPath("sendInitialEvents"), "is forbidden for watch unless the WatchList feature gate is enabled")
		return apierrors.NewInvalid(c.groupKind(), "", field.ErrorList{forbidden})
	}
	version, err := strconv.Atoi(c.query.Get("resourceVersion"))
	seconds, _ := strconv.Atoi(c.query.Get("timeoutSeconds"))
	if seconds == 0 {
		seconds = 1800
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	stream := json.NewEncoder(w)
	send := func(kind watch.EventType, o Object) {
		if keep(o) {
			_ = stream.Encode(object{"type": kind, "object": o}) // a client that has gone ends the loop below
		}
	}
	if err != nil || version == 0 {
		var found []Object
		found, version = s.store.list(c.name, c.namespace, keep)
		for _, o := range found {
			send(watch.Added, o)
		}
	}
	timeout := time.After(time.Duration(seconds) * time.Second)
	for {
		news, now, changed := s.store.since(version, c.name, c.namespace)
		for _, n := range news {
			send(n.kind, n.object)
		}
		version = now
		_ = http.NewResponseController(w).Flush()
		select {
		case <-changed:
		case <-timeout:
			return nil
		case <-r.Context().Done():
			return nil
		}
	}
}
