package apiserver

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"

	openapiv2 "github.com/google/gnostic-models/openapiv2"
	"google.golang.org/protobuf/proto"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/version"
)

// discover answers what kubectl asks before it asks for objects, and reports whether the request was such a question.
func (s *Server) discover(w http.ResponseWriter, r *http.Request) bool {
	path := strings.Trim(r.URL.Path, "/")
	var answer any
	switch path {
	case "version":
		answer = version.Info{Major: "1", Minor: "32", GitVersion: "v1.32.0", Platform: "linux/amd64"}
	case "api":
		answer = metav1.APIVersions{TypeMeta: metav1.TypeMeta{Kind: "APIVersions"}, Versions: []string{"v1"}}
	case "apis":
		answer = s.groups()
	case "openapi/v3":
		answer = s.openAPIIndex()
	default:
		answer = s.discoverVersion(path)
	}
	if path == "openapi/v2" {
		answer = s.openAPIv2()
	}
	if answer == nil {
		return false
	}
	if r.Method != http.MethodGet {
		http.Error(w, "only GET", http.StatusMethodNotAllowed)
		return true
	}
	if document, ok := answer.(*openapiv2.Document); ok {
		writeProtobuf(w, document)
		return true
	}
	_ = writeJSON(w, http.StatusOK, answer)
	return true
}

// writeProtobuf answers with the one form in which kubectl reads OpenAPI 2.
func writeProtobuf(w http.ResponseWriter, message proto.Message) {
	text, err := proto.Marshal(message)
	if err != nil {
		writeError(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/com.github.proto-openapi.spec.v2.v1.0+protobuf")
	_, _ = w.Write(text) // the client has gone
}

func (s *Server) versions() []schema.GroupVersion {
	var all []schema.GroupVersion
	for _, r := range s.resources {
		if !slices.Contains(all, r.GroupVersion) {
			all = append(all, r.GroupVersion)
		}
	}
	return all
}

func pathOf(gv schema.GroupVersion) string {
	if gv.Group == "" {
		return "api/" + gv.Version
	}
	return "apis/" + gv.String()
}

func (s *Server) groups() metav1.APIGroupList {
	list := metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}}
	for _, gv := range s.versions() {
		if gv.Group == "" {
			continue
		}
		only := metav1.GroupVersionForDiscovery{GroupVersion: gv.String(), Version: gv.Version}
		list.Groups = append(list.Groups, metav1.APIGroup{
			Name: gv.Group, Versions: []metav1.GroupVersionForDiscovery{only}, PreferredVersion: only,
		})
	}
	return list
}

func (s *Server) discoverVersion(path string) any {
	for _, gv := range s.versions() {
		switch path {
		case pathOf(gv):
			return s.resourceList(gv)
		case "openapi/v3/" + pathOf(gv):
			return s.openAPI(gv)
		}
	}
	return nil
}

func (s *Server) resourceList(gv schema.GroupVersion) metav1.APIResourceList {
	list := metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: gv.String()}
	for _, r := range s.resources {
		if r.GroupVersion != gv {
			continue
		}
		list.APIResources = append(list.APIResources, metav1.APIResource{
			Name: r.name, SingularName: r.singular, Namespaced: !r.clusterWide, Kind: r.kind, ShortNames: r.short,
			Verbs: metav1.Verbs{"create", "delete", "get", "list", "patch", "watch"},
		})
		for _, sub := range r.subresources {
			list.APIResources = append(list.APIResources, metav1.APIResource{
				Name: r.name + "/" + sub, Namespaced: true, Kind: r.kind, Verbs: metav1.Verbs{"create", "get"},
			})
		}
	}
	return list
}

// object is a JSON object written by hand.
type object = map[string]any

func (s *Server) openAPIIndex() object {
	paths := object{}
	for _, gv := range s.versions() {
		paths[pathOf(gv)] = object{"serverRelativeURL": "/openapi/v3/" + pathOf(gv)}
	}
	return object{"paths": paths}
}

// openAPI describes no schemas. It says only what makes kubectl leave validation to the server: that each kind takes fieldValidation.
func (s *Server) openAPI(gv schema.GroupVersion) object {
	paths := s.patches(gv, object{"name": "fieldValidation", "in": "query", "schema": object{"type": "string"}})
	return object{"openapi": "3.0.0", "info": object{"title": "test", "version": "v1.32.0"}, "paths": paths}
}

// openAPIv2 says the same to a kubectl before 1.28.
func (s *Server) openAPIv2() *openapiv2.Document {
	paths := object{}
	for _, gv := range s.versions() {
		maps.Copy(paths, s.patches(gv, object{"name": "fieldValidation", "in": "query", "type": "string"}))
	}
	text, err := json.Marshal(object{"swagger": "2.0", "info": object{"title": "test", "version": "v1.32.0"}, "paths": paths})
	if err != nil {
		return nil
	}
	document, err := openapiv2.ParseDocument(text)
	if err != nil {
		return nil
	}
	return document
}

func (s *Server) patches(gv schema.GroupVersion, parameter object) object {
	paths := object{}
	for _, r := range s.resources {
		if r.GroupVersion != gv {
			continue
		}
		scope := "namespaces/{namespace}/"
		if r.clusterWide {
			scope = ""
		}
		paths["/"+pathOf(gv)+"/"+scope+r.name+"/{name}"] = object{"patch": object{
			"parameters":                      []object{parameter},
			"responses":                       object{"200": object{"description": "OK"}},
			"x-kubernetes-group-version-kind": object{"group": r.Group, "version": r.Version, "kind": r.kind},
		}}
	}
	return paths
}
