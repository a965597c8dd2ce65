package apiserver

import (
	"fmt"
	"net/http"
	"sync"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// rules holds what is denied; all else is allowed.
type rules struct {
	mu     sync.Mutex
	denied map[[2]string]bool
}

// Deny takes a permission away: a verb such as create, and a resource such as pods or pods/exec.
func (s *Server) Deny(verb, resource string) {
	s.rules.mu.Lock()
	defer s.rules.mu.Unlock()
	if s.rules.denied == nil {
		s.rules.denied = map[[2]string]bool{}
	}
	s.rules.denied[[2]string{verb, resource}] = true
}

func (ru *rules) allow(verb, resource string) bool {
	ru.mu.Lock()
	defer ru.mu.Unlock()
	return !ru.denied[[2]string{verb, resource}]
}

// authorise refuses a call in the words of a real server's RBAC.
func (s *Server) authorise(c *call) error {
	full := c.name
	if c.subresource != "" {
		full += "/" + c.subresource
	}
	if s.rules.allow(c.verb, full) {
		return nil
	}
	scope := fmt.Sprintf("in the namespace %q", c.namespace)
	if c.namespace == "" {
		scope = "at the cluster scope"
	}
	reason := fmt.Errorf("User %q cannot %s resource %q in API group %q %s", User, c.verb, full, c.Group, scope) //nolint:staticcheck // the server's words
	return apierrors.NewForbidden(c.groupResource(), c.object, reason)
}

// review answers kubectl auth can-i.
func (s *Server) review(w http.ResponseWriter, r *http.Request) error {
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	asked := authorizationv1.SelfSubjectAccessReview{}
	if _, err := unmarshal(body, &asked); err != nil {
		return apierrors.NewBadRequest(err.Error())
	}
	if a := asked.Spec.ResourceAttributes; a != nil {
		full := a.Resource
		if a.Subresource != "" {
			full += "/" + a.Subresource
		}
		asked.Status.Allowed = s.rules.allow(a.Verb, full)
	}
	return writeJSON(w, http.StatusCreated, &asked)
}
