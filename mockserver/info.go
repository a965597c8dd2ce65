package mockserver

import (
	"net/http"
	"strings"
)

const (
	// Version is that of what the mock server does on the wire.
	Version = "0.1.0"
	// modelCreated stands in for the date of a model that nobody trained.
	modelCreated = 1_700_000_000
)

// modelPath is where the name of a model follows, slashes and all.
const modelPath = "/v1/models/"

// modelCard is a model as clients see it.
type modelCard struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
	Longest int    `json:"max_model_len,omitempty"` // as vLLM tells it
}

func (s *Server) modelCard() modelCard {
	return modelCard{s.options.Model, "model", modelCreated, "llmsweep-mock", s.options.MaxModelLen}
}

func (s *Server) serveModels(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, struct {
		Object string      `json:"object"`
		Data   []modelCard `json:"data"`
	}{"list", []modelCard{s.modelCard()}})
}

func (s *Server) serveModel(w http.ResponseWriter, r *http.Request) {
	if fail := s.hasModel(strings.TrimPrefix(r.URL.Path, modelPath)); fail != nil {
		fail.write(w)
		return
	}
	writeJSON(w, http.StatusOK, s.modelCard())
}

func (s *Server) serveHealth(w http.ResponseWriter, _ *http.Request) {
	type health struct {
		Status    string   `json:"status"`
		Message   string   `json:"message"`
		Endpoints []string `json:"endpoints"`
		Instances []string `json:"instances"`
	}
	if !s.loaded() {
		writeJSON(w, http.StatusServiceUnavailable, health{"not_ready", "The model is still being loaded", []string{}, []string{}})
		return
	}
	writeJSON(w, http.StatusOK, health{"healthy", "Service is healthy",
		[]string{"/v1/chat/completions", "/v1/completions", "/v1/embeddings"}, []string{}})
}

func (s *Server) serveLive(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, struct {
		Status  string `json:"status"`
		Message string `json:"message"`
	}{"live", "Service is live"})
}

func (s *Server) serveVersion(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, struct {
		Version string `json:"version"`
	}{Version})
}
