package harness

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// fromVariable begins the value of a header that is in an environment variable.
const fromVariable = "env:"

// headers resolves -header and the API key. What is stored of a header is its name and, at most, the variable that holds its value.
func (r *resolver) headers(p *Plan) {
	values, _ := r.values("header")
	p.Header, p.Headers = http.Header{}, map[string]string{}
	for _, text := range values {
		before, value, found := strings.Cut(text, ":")
		before = strings.TrimSpace(before)
		name := headerName.FindString(before)
		switch reason := badHeaderName(name); {
		case !found:
			r.fault("header", redacted, "must be NAME:VALUE") // without a colon the text may be the secret itself
		case name == "" || name != before:
			r.fault("header", name, "must be NAME:VALUE") // so may be what follows the name
		case reason != "":
			r.fault("header", name, reason)
		default:
			r.header(p, http.CanonicalHeaderKey(name), strings.TrimSpace(value))
		}
	}
	r.authorize(p)
}

// header adds one header. The messages quote its name only: the value may be a secret.
func (r *resolver) header(p *Plan, name, value string) {
	p.Headers[name] = redacted
	if variable, fromEnv := strings.CutPrefix(value, fromVariable); fromEnv {
		if value = strings.TrimSpace(r.getenv(variable)); value == "" {
			r.fault("header", name, fmt.Sprintf("environment variable %q is empty", variable))
		}
		p.Headers[name] = fromVariable + variable
	}
	if hasControl(value) {
		r.fault("header", name, "the value has a line break or another control character")
		return
	}
	p.Header.Add(name, value)
}

// authorize sets Authorization where no -header did: from OPENAI_API_KEY, else from the user and password of the endpoint, which
// net/http's transport does not look at.
func (r *resolver) authorize(p *Plan) {
	if p.Header.Get("Authorization") != "" {
		return
	}
	if p.APIKey != "" {
		if hasControl(p.APIKey) {
			r.fault("OPENAI_API_KEY", redacted, "the value has a line break or another control character")
			return
		}
		p.Header.Set("Authorization", "Bearer "+p.APIKey)
		p.Headers["Authorization"] = "env:OPENAI_API_KEY"
		return
	}
	for i, u := range p.Targets {
		if i > 0 && basic(u) != basic(p.Targets[0]) {
			r.fault("endpoint", p.Endpoints[i], "has another user or password than the first endpoint: replicas share one")
		}
	}
	if len(p.Targets) > 0 && p.Targets[0].User != nil {
		p.Header.Set("Authorization", basic(p.Targets[0]))
		p.Headers["Authorization"] = redacted
	}
}

// basic is the Authorization header for the user and password of a URL.
func basic(u *url.URL) string {
	password, _ := u.User.Password()
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password))
}

// headerName is a token of RFC 9110, 5.6.2.
var headerName = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+")

// badHeaderName says what is wrong with a header's name, or "".
func badHeaderName(name string) string {
	switch http.CanonicalHeaderKey(name) {
	case "Host":
		return "cannot be set: it is the host of -endpoint"
	case "Content-Length", "Content-Type", "Transfer-Encoding", "Connection", "X-Request-Id", "Traceparent":
		return "cannot be set: it is llmsweep's own"
	}
	return ""
}

func hasControl(value string) bool {
	return strings.ContainsFunc(value, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f })
}
