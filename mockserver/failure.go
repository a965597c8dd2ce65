package mockserver

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// statusClientClosed is what the record and the metrics say of a client that went away. Nobody sends it.
const statusClientClosed = 499

// failure is an error as a client sees it: a status and OpenAI's envelope.
type failure struct {
	status  int
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    string  `json:"code"`
}

// of names the parameter that is wrong.
func (f *failure) of(param string) *failure {
	f.Param = &param
	return f
}

func (f *failure) write(w http.ResponseWriter) {
	writeJSON(w, f.status, struct {
		Error *failure `json:"error"`
	}{f})
}

// invalid is the failure of a request that the client must change.
func invalid(status int, code, format string, args ...any) *failure {
	return &failure{status: status, Message: fmt.Sprintf(format, args...), Type: "invalid_request_error", Code: code}
}

// served says which routes there are.
const served = "This server has /v1/chat/completions, /v1/completions, /v1/embeddings, /v1/models, /tokenize, /health, /live, " +
	"/version, /metrics and /dcgm/metrics."

func unknownRoute(r *http.Request) *failure {
	return invalid(http.StatusNotFound, "unknown_url", "Unknown request URL: %s %s. %s", r.Method, r.URL.Path, served)
}

// notImplemented is the failure of a route that servers of models have and this one has not.
func notImplemented(r *http.Request) *failure {
	return &failure{
		status:  http.StatusNotImplemented,
		Message: fmt.Sprintf("%s is not implemented. %s", r.URL.Path, served),
		Type:    "server_error",
		Code:    "not_implemented",
	}
}

func wrongMethod(r *http.Request, want string) *failure {
	return invalid(http.StatusMethodNotAllowed, "method_not_allowed",
		"Not allowed to %s on %s: use %s.", r.Method, r.URL.Path, want)
}

func wrongKey() *failure {
	return invalid(http.StatusUnauthorized, "invalid_api_key",
		"No valid API key was sent: set the header Authorization to \"Bearer \" and the key that this server was started with.")
}

// unavailable is the failure of a server that does not answer, now or ever again.
func unavailable(code, message string) *failure {
	return &failure{status: http.StatusServiceUnavailable, Message: message, Type: "server_error", Code: code}
}

func shuttingDown() *failure {
	return unavailable("shutting_down", "The server is shutting down.")
}

func notReady() *failure {
	return unavailable("not_ready", "The model is still being loaded.")
}

func internal(err error) *failure {
	return &failure{
		status:  http.StatusInternalServerError,
		Message: "The engine refused the request: " + err.Error() + ".",
		Type:    "server_error",
		Code:    "engine_error",
	}
}

// writeJSON answers with a JSON document and a newline. That the client may be
// gone is of no interest here.
func writeJSON(w http.ResponseWriter, status int, document any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(document)
}

// quoted is a string as JSON.
func quoted(s string) []byte {
	text, err := json.Marshal(s)
	if err != nil {
		// Marshal replaces what is not UTF-8; it has no way to fail on a string.
		panic(err)
	}
	return text
}
