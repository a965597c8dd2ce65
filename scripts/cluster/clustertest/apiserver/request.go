package apiserver

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// call is a request to a resource, understood.
type call struct {
	verb string // get, list, watch, create, update, patch, delete
	*resource
	namespace, object, subresource string
	query                          url.Values
}

func (c *call) key() key { return key{c.name, c.namespace, c.object} }

// dryRun reports whether nothing may be kept.
func (c *call) dryRun() bool { return slices.Contains(c.query["dryRun"], metav1.DryRunAll) }

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.wait.Add(1)
	defer s.wait.Done()
	if s.discover(w, r) {
		return
	}
	c, err := s.parse(r)
	if err == nil {
		err = s.authorise(c)
	}
	if err == nil {
		err = s.dispatch(w, r, c)
	}
	if err != nil {
		writeError(w, err)
	}
}

// parse understands the path of a request: /api/v1/… or /apis/GROUP/VERSION/…, then [namespaces/NS/]RESOURCE[/NAME[/SUBRESOURCE]].
func (s *Server) parse(r *http.Request) (*call, error) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	var gv schema.GroupVersion
	switch {
	case parts[0] == "api" && len(parts) > 2:
		gv, parts = schema.GroupVersion{Version: parts[1]}, parts[2:]
	case parts[0] == "apis" && len(parts) > 3:
		gv, parts = schema.GroupVersion{Group: parts[1], Version: parts[2]}, parts[3:]
	default:
		return nil, notServed(r)
	}
	c := &call{query: r.URL.Query()}
	if parts[0] == "namespaces" && len(parts) > 2 {
		c.namespace, parts = parts[1], parts[2:]
	}
	if c.resource = s.resourceNamed(gv, parts[0]); c.resource == nil || len(parts) > 3 {
		return nil, notServed(r)
	}
	if len(parts) > 1 {
		c.object = parts[1]
	}
	if len(parts) > 2 {
		c.subresource = parts[2]
		if !slices.Contains(c.subresources, c.subresource) {
			return nil, notServed(r)
		}
	}
	c.verb = verbOf(r.Method, c)
	return c, nil
}

func verbOf(method string, c *call) string {
	switch {
	case method == http.MethodGet && c.object == "" && c.query.Get("watch") != "":
		return "watch"
	case method == http.MethodGet && c.object == "":
		return "list"
	}
	return map[string]string{
		http.MethodGet: "get", http.MethodPost: "create", http.MethodPut: "update", http.MethodPatch: "patch", http.MethodDelete: "delete",
	}[method]
}

func notServed(r *http.Request) error {
	err := apierrors.NewGenericServerResponse(http.StatusNotFound, r.Method, schema.GroupResource{}, "", "", 0, true)
	err.ErrStatus.Message = "the server could not find the requested resource"
	return err
}

func (s *Server) dispatch(w http.ResponseWriter, r *http.Request, c *call) error {
	switch {
	case c.name == "selfsubjectaccessreviews" && c.verb == "create":
		return s.review(w, r)
	case c.subresource == "log":
		return s.logs(w, r, c)
	case c.subresource == "exec":
		return s.exec(w, r, c)
	case c.subresource == "portforward":
		return s.portForward(w, r, c)
	}
	switch c.verb {
	case "get":
		return s.get(w, c)
	case "list":
		return s.list(w, c)
	case "watch":
		return s.watch(w, r, c)
	case "create":
		return s.create(w, r, c)
	case "patch":
		return s.patch(w, r, c)
	case "delete":
		return s.delete(w, r, c)
	}
	return apierrors.NewMethodNotSupported(c.groupResource(), c.verb)
}

func writeJSON(w http.ResponseWriter, status int, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(text) // the client has gone
	return nil
}

// writeError answers with a Status object, as every failure of a real server does.
func writeError(w http.ResponseWriter, err error) {
	var known apierrors.APIStatus
	if !errors.As(err, &known) {
		known = apierrors.NewInternalError(err)
	}
	status := known.Status()
	status.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
	_ = writeJSON(w, int(status.Code), &status)
}
