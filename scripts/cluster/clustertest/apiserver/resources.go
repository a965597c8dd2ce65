package apiserver

import (
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Object is any object of the API in its Go type.
type Object interface {
	metav1.Object
	runtime.Object
}

// resource is one kind that is served.
type resource struct {
	schema.GroupVersion
	name, singular, kind string
	short                []string
	clusterWide          bool
	subresources         []string
	new                  func() Object
}

func (r *resource) groupKind() schema.GroupKind {
	return schema.GroupKind{Group: r.Group, Kind: r.kind}
}

func (r *resource) groupResource() schema.GroupResource {
	return schema.GroupResource{Group: r.Group, Resource: r.name}
}

func (r *resource) gvk() schema.GroupVersionKind { return r.WithKind(r.kind) }

// allResources lists what is served, core group first.
func allResources() []resource {
	core, batch, apps := corev1.SchemeGroupVersion, batchv1.SchemeGroupVersion, appsv1.SchemeGroupVersion
	return []resource{
		{core, "namespaces", "namespace", "Namespace", []string{"ns"}, true, nil, func() Object { return new(corev1.Namespace) }},
		{core, "pods", "pod", "Pod", []string{"po"}, false, []string{"log", "exec", "portforward"}, func() Object { return new(corev1.Pod) }},
		{core, "services", "service", "Service", []string{"svc"}, false, nil, func() Object { return new(corev1.Service) }},
		{core, "endpoints", "endpoints", "Endpoints", []string{"ep"}, false, nil, func() Object { return new(corev1.Endpoints) }}, //nolint:staticcheck // kubectl still asks for them
		{core, "persistentvolumeclaims", "persistentvolumeclaim", "PersistentVolumeClaim", []string{"pvc"}, false, nil, func() Object { return new(corev1.PersistentVolumeClaim) }},
		{core, "secrets", "secret", "Secret", nil, false, nil, func() Object { return new(corev1.Secret) }},
		{core, "serviceaccounts", "serviceaccount", "ServiceAccount", []string{"sa"}, false, nil, func() Object { return new(corev1.ServiceAccount) }},
		{core, "events", "event", "Event", []string{"ev"}, false, nil, func() Object { return new(corev1.Event) }},
		{batch, "jobs", "job", "Job", nil, false, nil, func() Object { return new(batchv1.Job) }},
		{apps, "deployments", "deployment", "Deployment", []string{"deploy"}, false, nil, func() Object { return new(appsv1.Deployment) }},
		{discoveryv1.SchemeGroupVersion, "endpointslices", "endpointslice", "EndpointSlice", nil, false, nil, func() Object { return new(discoveryv1.EndpointSlice) }},
		{authorizationv1.SchemeGroupVersion, "selfsubjectaccessreviews", "selfsubjectaccessreview", "SelfSubjectAccessReview", nil, true, nil, func() Object { return new(authorizationv1.SelfSubjectAccessReview) }},
	}
}

// resourceNamed finds a resource by its plural name.
func (s *Server) resourceNamed(gv schema.GroupVersion, name string) *resource {
	i := slices.IndexFunc(s.resources, func(r resource) bool { return r.GroupVersion == gv && r.name == name })
	if i < 0 {
		return nil
	}
	return &s.resources[i]
}

// resourceOf finds the resource of an object by its Go type.
func (s *Server) resourceOf(object Object) *resource {
	for i := range s.resources {
		if sameType(s.resources[i].new(), object) {
			return &s.resources[i]
		}
	}
	return nil
}

func (s *Server) mustResource(name string) *resource {
	i := slices.IndexFunc(s.resources, func(r resource) bool { return r.name == name })
	return &s.resources[i]
}
