package kubectl

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"github.com/llmsweep/llmsweep/harness/process"
)

// Kind tells what a caller may want to do about a failure.
type Kind int

// The kinds of failure.
const (
	Other        Kind = iota
	NotInstalled      // there is no kubectl
	NoContext         // kubectl does not know which cluster is meant
	Unreachable       // the cluster does not answer
	NotLoggedIn       // the cluster does not know the user
	Forbidden         // the user may not do this
	NotFound          // an object does not exist; Error.Resource and Error.Name say which
	NoPort            // the service has no such port
	NotRunning        // the pod does not run, or not yet
	NoProgram         // the container does not have the program to be executed
	Refused           // the cluster's rules forbid the object, a quota or a security profile say
	VolumeFull        // there is no space left
	TimedOut          // kubectl did not answer
	Lost              // a connection through the cluster broke
)

// Error is why kubectl failed: one line that says what and what to do.
type Error struct {
	Kind           Kind
	Resource, Name string // of NotFound, as the cluster names them: "services", "frontend"
	text           string
}

// Error is the line.
func (e *Error) Error() string { return e.text }

// failure puts the end of kubectl into words.
func failure(p *process.Process, namespace, verb string, status error) *Error {
	if text := p.Stderr(); text != "" {
		return explain(namespace, verb, text)
	}
	if status == nil {
		status = errors.New("exit status 0")
	}
	return &Error{Kind: Other, text: fmt.Sprintf("kubectl %s: ended without a word: %v", verb, status)}
}

// checkConnection is what to do about a kubectl that says nothing. Away from the terminal, its plugins cannot ask for a password.
const checkConnection = "check the connection to the cluster with: kubectl cluster-info (a credential plugin that asks a question can be answered there, not here)"

// rule turns a text of kubectl into an Error. In its template $1 … are the groups of the pattern; NS is the namespace of the call.
type rule struct {
	kind     Kind
	pattern  string
	template string
}

// rules holds what kubectl and the cluster are known to say; the first match wins. The texts have been the same for years, their ends have not.
func rules() []rule {
	return []rule{
		{Forbidden, `User "([^"]*)" cannot (\S+) resource "([^"]*)" in API group "([^"]*)" in the namespace "([^"]*)"`,
			`user "$1" may not $2 $3 in namespace "$5": ask for that permission; to check it: kubectl auth can-i $2 $3 -n $5`},
		{Forbidden, `User "([^"]*)" cannot (\S+) resource "([^"]*)" in API group "([^"]*)"`,
			`user "$1" may not $2 $3: ask for that permission; to check it: kubectl auth can-i $2 $3`},
		{Refused, `error looking up service account (\S+?)/(\S+?): serviceaccount "\S+" not found`,
			`service account "$2" not found in namespace "$1": create it with scripts/cluster/setup.sh`},
		{Refused, `(violates PodSecurity .*|exceeded quota.*|admission webhook .*)`, `the cluster refused it: $1`},
		{NotFound, `(?s)\(NotFound\): .*?([a-z.]+) "([^"]*)" not found`, `$1 "$2" not found in namespace "NS": list them with: kubectl get $1 -n NS`},
		{NotFound, `unable to upgrade connection: pod does not exist`, `the pod is gone from namespace "NS"`},
		{NoContext, `(?:context was not found for specified context: |context ")([^"\s]+)(?:" does not exist)?`,
			`kubectl's context "$1" does not exist: choose one with: kubectl config use-context`},
		{NoContext, `connection to the server localhost:8080 was refused|no configuration has been provided|current-context must exist|current-context is not set`,
			`kubectl knows no cluster: set KUBECONFIG, or choose a context with: kubectl config use-context`},
		{Unreachable, `The connection to the server (\S+) was refused`,
			`the cluster at $1 is not reachable (connection refused): check it with: kubectl cluster-info`},
		{Unreachable, `Unable to connect to the server: (.*)`, `the cluster is not reachable ($1): check it with: kubectl cluster-info`},
		{NotLoggedIn, `(?i)must be logged in to the server|provide credentials|: Unauthorized$|\(Unauthorized\)`,
			`the cluster does not know the user: log in, or choose another context with: kubectl config use-context`},
		{NoPort, `Service (\S+) does not have a (?:service )?port '?([^\s']+)'?`,
			`service "$1" in namespace "NS" has no port $2: list its ports with: kubectl get service $1 -n NS`},
		{NotFound, `invalid service '([^']+)': Service is defined without a selector`,
			`service "$1" in namespace "NS" has no selector, so that kubectl finds no pod behind it: forward to a service that has one`},
		{NoProgram, `exec: "([^"]+)": (?:stat \S+: |executable file )?(?:no such file or directory|not found in \$PATH)`,
			`the image has no program $1: use llmsweep's own image, which make image builds`},
		{NoProgram, `exec(?:ing)? (?:failed: )?.*?(/llmsweep)\b.*no such file or directory`,
			`the image has no program $1: use llmsweep's own image, which make image builds`},
		{NotRunning, `pod is not running\. Current status=(\w+)`, `no ready pod: the pod in namespace "NS" is $1: look at it with: kubectl get pods -n NS`},
		{NotRunning, `timed out waiting for the condition|watch closed before|no pods found|[Cc]ontainer not found|container .* is not valid for pod`,
			`no ready pod in namespace "NS": look for its reason with: kubectl get pods -n NS`},
		{VolumeFull, `no space left on device`, `no space left on the volume: remove results that are no longer needed, or enlarge it`},
		{TimedOut, `context deadline exceeded|request canceled|the server was unable to return a response in the time allotted`,
			`the cluster did not answer in time: check it with: kubectl cluster-info`},
		{Lost, `lost connection to pod|error sending ping|stream error|unexpected EOF|connection reset by peer`, `the connection through the cluster broke ($0)`},
	}
}

// explain turns what kubectl wrote to its standard error into one line.
func explain(namespace, verb, stderr string) *Error {
	lines := sayings(stderr)
	text := strings.Join(lines, "\n")
	for _, r := range rules() {
		pattern := regexp.MustCompile(r.pattern)
		match := pattern.FindStringSubmatchIndex(text)
		if match == nil {
			continue
		}
		// Namespace first: what the cluster says may hold the letters NS.
		template := strings.ReplaceAll(r.template, "NS", inNamespace(namespace))
		e := &Error{Kind: r.kind, text: string(pattern.ExpandString(nil, template, text, match))}
		if r.kind == NotFound && len(match) >= 6 {
			e.Resource, e.Name = text[match[2]:match[3]], text[match[4]:match[5]]
		}
		if e.Resource == "namespaces" {
			e.text = fmt.Sprintf("namespace %q not found: create it, or list those there are with: kubectl get namespaces", e.Name)
		}
		return e
	}
	last := "it said nothing"
	if len(lines) > 0 {
		last = lines[len(lines)-1]
	}
	return &Error{Kind: Other, text: fmt.Sprintf("kubectl %s: %s", verb, last)}
}

// inNamespace is the namespace as a template takes it. That of the context is not known.
func inNamespace(namespace string) string {
	if namespace == "" {
		return "default"
	}
	return strings.ReplaceAll(namespace, "$", "$$")
}

// visible drops what a terminal would obey and not show.
func visible(r rune) rune {
	if unicode.IsPrint(r) || r == '\t' {
		return r
	}
	return -1
}

// klog is the beginning of a line of kubectl's own log, E1124 02:11:20.207652    8070 memcache.go:265] say.
var klog = regexp.MustCompile(`^[EWIF]\d{4} [\d:.]+ +\d+ \S+\] `)

// sayings splits what kubectl said into lines, without warnings, without the exit code of a remote command that said something itself,
// and without kubectl's log where there is anything else.
func sayings(stderr string) []string {
	var said, logged []string
	for line := range strings.Lines(stderr) {
		// What a program in a pod wrote comes through here too, and may hold escape sequences.
		line = strings.TrimSpace(strings.Map(visible, line))
		switch {
		case line == "", strings.HasPrefix(line, "Warning:"):
		case klog.MatchString(line):
			logged = append(logged, klog.ReplaceAllString(line, ""))
		default:
			said = append(said, strings.TrimPrefix(line, "error: "))
		}
	}
	if n := len(said); n > 1 && strings.HasPrefix(said[n-1], "command terminated with exit code") {
		said = said[:n-1]
	}
	if len(said) == 0 {
		return logged
	}
	return said
}
