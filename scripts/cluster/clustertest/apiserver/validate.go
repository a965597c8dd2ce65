package apiserver

import (
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// validate refuses objects whose values cannot be, in the words of a real server. It knows the mistakes that are easily made in a manifest
// of a benchmark, not all there are.
func validate(r *resource, o Object) error {
	var problems field.ErrorList
	for _, text := range validation.IsDNS1123Subdomain(o.GetName()) {
		problems = append(problems, field.Invalid(field.NewPath("metadata", "name"), o.GetName(), text))
	}
	spec := field.NewPath("spec")
	switch o := o.(type) {
	case *corev1.Pod:
		problems = append(problems, validatePod(&o.Spec, spec, "", corev1.RestartPolicyAlways, corev1.RestartPolicyNever, corev1.RestartPolicyOnFailure)...)
	case *batchv1.Job:
		problems = append(problems, validatePod(&o.Spec.Template.Spec, spec.Child("template", "spec"), corev1.RestartPolicyNever, corev1.RestartPolicyOnFailure)...)
	case *appsv1.Deployment:
		problems = append(problems, validateDeployment(o)...)
	case *corev1.PersistentVolumeClaim:
		problems = append(problems, validateClaim(o)...)
	case *corev1.Service:
		if len(o.Spec.Ports) == 0 {
			problems = append(problems, field.Required(spec.Child("ports"), ""))
		}
	}
	if len(problems) > 0 {
		return apierrors.NewInvalid(r.groupKind(), o.GetName(), problems)
	}
	return nil
}

func validateDeployment(d *appsv1.Deployment) field.ErrorList {
	path := field.NewPath("spec", "template")
	problems := validatePod(&d.Spec.Template.Spec, path.Child("spec"), "", corev1.RestartPolicyAlways)
	selector, err := metav1.LabelSelectorAsSelector(d.Spec.Selector)
	if err != nil || selector.Empty() || !selector.Matches(labels.Set(d.Spec.Template.Labels)) {
		problems = append(problems, field.Invalid(path.Child("metadata", "labels"), d.Spec.Template.Labels, "`selector` does not match template `labels`"))
	}
	return problems
}

func validateClaim(c *corev1.PersistentVolumeClaim) field.ErrorList {
	var problems field.ErrorList
	spec := field.NewPath("spec")
	if len(c.Spec.AccessModes) == 0 {
		problems = append(problems, field.Required(spec.Child("accessModes"), "at least 1 access mode is required"))
	}
	if c.Spec.Resources.Requests.Storage().IsZero() {
		problems = append(problems, field.Required(spec.Child("resources").Key("storage"), ""))
	}
	return problems
}

func validatePod(spec *corev1.PodSpec, path *field.Path, restarts ...corev1.RestartPolicy) field.ErrorList {
	var problems field.ErrorList
	if !slices.Contains(restarts, spec.RestartPolicy) {
		problems = append(problems, field.NotSupported(path.Child("restartPolicy"), spec.RestartPolicy, restarts))
	}
	if len(spec.Containers) == 0 {
		problems = append(problems, field.Required(path.Child("containers"), ""))
	}
	volumes := map[string]bool{}
	for _, v := range spec.Volumes {
		volumes[v.Name] = true
	}
	for i := range spec.Containers {
		problems = append(problems, validateContainer(&spec.Containers[i], volumes, path.Child("containers").Index(i))...)
	}
	return problems
}

func validateContainer(c *corev1.Container, volumes map[string]bool, path *field.Path) field.ErrorList {
	var problems field.ErrorList
	for _, text := range validation.IsDNS1123Label(c.Name) {
		problems = append(problems, field.Invalid(path.Child("name"), c.Name, text))
	}
	if c.Image == "" {
		problems = append(problems, field.Required(path.Child("image"), ""))
	}
	for i, m := range c.VolumeMounts {
		if !volumes[m.Name] {
			problems = append(problems, field.NotFound(path.Child("volumeMounts").Index(i).Child("name"), m.Name))
		}
	}
	for name, request := range c.Resources.Requests {
		if limit, ok := c.Resources.Limits[name]; ok && request.Cmp(limit) > 0 {
			problems = append(problems, field.Invalid(path.Child("resources", "requests"), request.String(),
				fmt.Sprintf("must be less than or equal to %s limit of %s", name, limit.String())))
		}
	}
	return problems
}

// validateUpdate refuses changes of what cannot change.
func validateUpdate(r *resource, old, now Object) error {
	var path *field.Path
	reason := "field is immutable"
	switch now := now.(type) {
	case *batchv1.Job:
		if !equality.Semantic.DeepEqual(old.(*batchv1.Job).Spec.Template, now.Spec.Template) {
			path = field.NewPath("spec", "template")
		}
	case *corev1.PersistentVolumeClaim:
		was := old.(*corev1.PersistentVolumeClaim).Spec.DeepCopy()
		was.Resources.Requests = now.Spec.Resources.Requests
		if !equality.Semantic.DeepEqual(was, &now.Spec) {
			path, reason = field.NewPath("spec"), "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
		}
	}
	if path == nil {
		return nil
	}
	return apierrors.NewInvalid(r.groupKind(), now.GetName(), field.ErrorList{field.Forbidden(path, reason)})
}

// admitPod refuses a pod whose account is missing or which its namespace's pod security profile forbids.
func (s *Server) admitPod(pod *corev1.Pod) error {
	pods := s.mustResource("pods").groupResource()
	account := pod.Spec.ServiceAccountName
	if account == "" {
		account = "default"
	}
	if s.Get("serviceaccounts", pod.Namespace, account) == nil {
		return apierrors.NewForbidden(pods, pod.Name,
			fmt.Errorf("error looking up service account %s/%s: serviceaccount %q not found", pod.Namespace, account, account))
	}
	level := s.Get("namespaces", "", pod.Namespace).GetLabels()[api.EnforceLevelLabel]
	if level == "" {
		return nil
	}
	if forbidden := Violations(api.Level(level), &pod.ObjectMeta, &pod.Spec); forbidden != "" {
		return apierrors.NewForbidden(pods, pod.Name, fmt.Errorf("violates PodSecurity \"%s:latest\": %s", level, forbidden))
	}
	return nil
}

// Violations says what the pod security profile of a level (privileged, baseline, restricted) forbids about a pod; empty for nothing. The
// evaluator is Kubernetes' own.
func Violations(level api.Level, meta *metav1.ObjectMeta, spec *corev1.PodSpec) string {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return err.Error()
	}
	results := evaluator.EvaluatePod(api.LevelVersion{Level: level, Version: api.LatestVersion()}, meta, spec)
	if all := policy.AggregateCheckResults(results); !all.Allowed {
		return all.ForbiddenDetail()
	}
	return ""
}
