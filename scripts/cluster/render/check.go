package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/llmsweep/llmsweep/harness"
)

var (
	dnsLabel      = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	dnsSubdomain  = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
	quantity      = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$`)
	secretKey     = regexp.MustCompile(`^[-._A-Za-z0-9]+$`)
	variableName  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	imageName     = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/@:-]*$`)
	envReferences = regexp.MustCompile(`^[^:]*: *env:(.*)$`)
)

// volume is where the claim is mounted, resultsDir where a benchmark writes if nothing is said.
const (
	volume     = "/data"
	resultsDir = volume + "/results"
)

// problems collects what is wrong with the command line.
type problems []error

func (p *problems) fault(flag, value, reason string) {
	*p = append(*p, fmt.Errorf("%s %q: %s", flag, value, reason))
}

// check reports everything that is wrong with the settings.
func (s *settings) check() error {
	var p problems
	plan, err := s.sweep.Plan(s.podEnvironment)
	if err != nil {
		p = append(p, err)
	}
	for _, n := range []struct {
		flag, value string
		pattern     *regexp.Regexp
		optional    bool
	}{
		{"job-name", s.jobName, dnsLabel, false},
		{"namespace", s.namespace, dnsLabel, true},
		{"pvc", s.pvc, dnsSubdomain, false},
		{"service-account", s.serviceAccount, dnsSubdomain, true},
		{"image-pull-secret", s.imagePullSecret, dnsSubdomain, true},
	} {
		if !n.pattern.MatchString(n.value) && (n.value != "" || !n.optional) || len(n.value) > 253 {
			p.fault(n.flag, n.value, "must be a Kubernetes name: lower-case letters, digits and -, 63 characters at most")
		}
	}
	if !imageName.MatchString(s.image) || strings.HasSuffix(s.image, ":") {
		p.fault("image", s.image, "must be an image such as registry/name:tag")
	}
	for _, q := range [][2]string{{"cpu", s.cpu}, {"cpu-limit", s.cpuLimit}, {"memory", s.memory}, {"memory-limit", s.memoryLimit}} {
		if !quantity.MatchString(q[1]) {
			p.fault(q[0], q[1], "must be a quantity such as 4, 500m or 8Gi")
		}
	}
	p.secrets(s)
	p.sweep(s, plan)
	return errors.Join(p...)
}

// podEnvironment stands in for the environment that a benchmark has in the pod: variables that headers take their values from have one.
func (s *settings) podEnvironment(name string) string {
	for _, arg := range s.sweep.Args() {
		if variable, isHeader := headerVariable(arg); isHeader && variable == name {
			return "from-a-secret"
		}
	}
	return ""
}

// headerVariable returns the variable that a -header argument takes its value from.
func headerVariable(arg string) (variable string, isHeader bool) {
	text, isHeader := strings.CutPrefix(arg, "-header=")
	if match := envReferences.FindStringSubmatch(text); isHeader && match != nil {
		return strings.TrimSpace(match[1]), true
	}
	return "", isHeader
}

// secrets checks references to secrets, and that nothing secret is on the command line.
func (p *problems) secrets(s *settings) {
	for flag, text := range map[string]string{"hf-token-secret": s.hfTokenSecret, "api-key-secret": s.apiKeySecret} {
		if _, ok := parseReference(text); !ok && text != "" {
			p.fault(flag, text, "must be NAME/KEY of a secret")
		}
	}
	given := map[string]bool{"OPENAI_API_KEY": s.apiKeySecret != ""}
	for _, text := range s.envSecrets {
		variable, reference, _ := strings.Cut(text, "=")
		if _, ok := parseReference(reference); !ok || !variableName.MatchString(variable) {
			p.fault("env-secret", text, "must be VARIABLE=NAME/KEY")
		}
		if given[variable] {
			p.fault("env-secret", text, "gives a variable a second value")
		}
		given[variable] = true
	}
	for _, arg := range s.sweep.Args() {
		switch variable, isHeader := headerVariable(arg); {
		case isHeader && variable == "":
			name, _, found := strings.Cut(strings.TrimPrefix(arg, "-header="), ":")
			if !found {
				continue // it is refused already, and may be the secret itself
			}
			p.fault("header", strings.TrimSpace(name), "its value would stand in clear in the Job: write NAME:env:VARIABLE and -env-secret VARIABLE=SECRET/KEY")
		case isHeader && !given[variable]:
			p.fault("header", strings.TrimPrefix(arg, "-header="), fmt.Sprintf("the pod has no variable %s: pass -env-secret %s=SECRET/KEY", variable, variable))
		}
	}
}

// reference is a key of a secret.
type reference struct{ Name, Key string }

func parseReference(text string) (reference, bool) {
	name, key, found := strings.Cut(text, "/")
	return reference{name, key}, found && dnsSubdomain.MatchString(name) && len(name) <= 253 && secretKey.MatchString(key)
}

// sweep checks what a benchmark can be told inside a cluster.
func (p *problems) sweep(s *settings, plan *harness.Plan) {
	for _, arg := range s.sweep.Args() {
		name, value, _ := strings.Cut(strings.TrimPrefix(arg, "-"), "=")
		switch {
		case !utf8.ValidString(value):
			p.fault(name, value, "is not UTF-8 text")
		case name == "gate" || name == "data-dir" || name == "baseline" || name == "candidate":
			p.fault(name, value, "is for the gate, which the Job does not run")
		case name == "virtual" || name == "mock-args":
			p.fault(name, value, "is for the embedded mock server: the Job measures an endpoint")
		case name == "output-dir" && !onVolume(value):
			p.fault(name, value, "must be below "+volume+", where the volume is: anything else is lost with the pod")
		}
	}
	if len(plan.Targets) == 0 {
		p.fault("endpoint", "", "must be given: service:port, or service.namespace.svc.cluster.local:port")
	}
	for i, u := range plan.Targets {
		p.target(plan, plan.Endpoints[i], u)
	}
}

// target checks one endpoint; shown is its text without secrets.
func (p *problems) target(plan *harness.Plan, shown string, u *url.URL) {
	service, forwarded := plan.Forwards[u.Host]
	ip := net.ParseIP(u.Hostname())
	switch {
	case forwarded:
		p.fault("endpoint", shown, fmt.Sprintf("is for a benchmark outside of the cluster: inside write %s.%s.svc.cluster.local:%d", service.Name, service.Namespace, service.Port))
	case u.User != nil || u.RawQuery != "":
		p.fault("endpoint", shown, "has a user or a query, which would stand in clear in the Job: use -api-key-secret or -header")
	case u.Hostname() == "localhost" || ip != nil && ip.IsLoopback():
		p.fault("endpoint", shown, "is the pod itself: write service:port")
	}
}

// onVolume reports whether a folder lies on the volume, and is not all of it.
func onVolume(dir string) bool {
	return strings.HasPrefix(path.Clean(dir), volume+"/")
}
