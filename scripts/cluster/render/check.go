package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/llmsweep/llmsweep/harness"
	"github.com/llmsweep/llmsweep/harness/kubectl"
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
	if files := valuesOf(s.sweep.Args(), "config"); len(files) > 0 {
		p.fault("config", files[0], "is a file of this machine, which the Job does not have: pass what it says as flags")
		return errors.Join(p...)
	}
	plan, err := s.sweep.Plan(s.podEnvironment)
	if err != nil {
		p = append(p, err)
	}
	p.names(s)
	if !validImage(s.image) {
		p.fault("image", s.image, "must be an image such as registry/name:tag or name@sha256:…, its name in lower case")
	}
	p.resource("cpu", cpuQuantity(), s.cpu, s.cpuLimit)
	p.resource("memory", memoryQuantity(), s.memory, s.memoryLimit)
	p.secrets(s)
	p.sweep(s, plan)
	return errors.Join(p...)
}

func (p *problems) names(s *settings) {
	const letters = "must be a Kubernetes name: lower-case letters, digits and -"
	for _, n := range []struct {
		flag, value string
		valid       func(string) bool
		form        string
		optional    bool
	}{
		// The Job's name becomes a label of its pod.
		{"job-name", s.jobName, kubectl.ValidLabel, letters + ", 63 characters at most", false},
		{"namespace", s.namespace, kubectl.ValidLabel, letters + ", 63 characters at most", true},
		{"pvc", s.pvc, kubectl.ValidSubdomain, letters + ", dots between, 253 characters at most", false},
		{"service-account", s.serviceAccount, kubectl.ValidSubdomain, letters + ", dots between, 253 characters at most", true},
		{"image-pull-secret", s.imagePullSecret, kubectl.ValidSubdomain, letters + ", dots between, 253 characters at most", true},
	} {
		if !n.valid(n.value) && (n.value != "" || !n.optional) {
			p.fault(n.flag, n.value, n.form)
		}
	}
}

// imageReference is the grammar of image names: [HOST[:PORT]/]PATH[:TAG][@DIGEST].
var imageReference = regexp.MustCompile(`^(` +
	`([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[A-Fa-f0-9:]+\])(:[0-9]+)?/)?` +
	`[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*` +
	`(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?` +
	`(@sha256:[a-f0-9]{64})?$`)

func validImage(name string) bool {
	const longest = 255 + 1 + 128 + len("@sha256:") + 64
	return len(name) <= longest && imageReference.MatchString(name)
}

// sweep checks what a benchmark can be told inside a cluster.
func (p *problems) sweep(s *settings, plan *harness.Plan) {
	for _, arg := range s.sweep.Args() {
		name, value, _ := strings.Cut(strings.TrimPrefix(arg, "-"), "=")
		switch {
		case !utf8.ValidString(value):
			p.fault(name, value, "is not UTF-8 text")
		case name == "print-config":
			p.fault(name, value, "is for a benchmark on this machine: the Job runs one")
		case slices.Contains([]string{"gate", "data-dir", "baseline", "candidate"}, name):
			p.fault(name, value, "is for the gate, which the Job does not run")
		case (name == "virtual" || name == "mock-args") && len(plan.Targets) == 0: // with an endpoint the plan refuses them
			p.fault(name, value, "is for the embedded mock server: the Job measures an endpoint")
		case slices.Contains([]string{"ca-cert", "client-cert", "client-key", "input-file"}, name) && !onVolume(value):
			p.fault(name, value, "must be below "+volume+", where the volume is: the Job has no other files")
		case name == "output-dir" && !onVolume(value):
			p.fault(name, value, "must be below "+volume+", where the volume is: anything else is lost with the pod")
		}
	}
	p.extraInputs("", plan.ExtraInputs)
	if len(plan.Targets) == 0 {
		p.fault("endpoint", "", "must be given: service:port, or service.namespace.svc.cluster.local:port")
	}
	for i, u := range plan.Targets {
		p.target(plan, plan.Endpoints[i], u)
	}
	p.pages("server-metrics", plan.ServerPages)
	p.pages("gpu-telemetry", plan.GPUPages)
}

// pages checks the URLs of metrics. They are not quoted where they may hold a secret.
func (p *problems) pages(flag string, pages []*url.URL) {
	for _, u := range pages {
		switch {
		case u.User != nil || u.RawQuery != "":
			p.fault(flag, u.Host, "has a user or a query, which would stand in clear in the Job: name a page that asks for none")
		case isLoopback(u.Hostname()):
			p.fault(flag, u.String(), "is the pod itself: write http://service:port/metrics")
		}
	}
}

// target checks one endpoint; shown is its text without secrets.
func (p *problems) target(plan *harness.Plan, shown string, u *url.URL) {
	service, forwarded := plan.Forwards[u.Host]
	switch {
	case forwarded:
		p.fault("endpoint", shown, fmt.Sprintf("is for a benchmark outside of the cluster: inside write %s.%s.svc.cluster.local:%d", service.Name, service.Namespace, service.Port))
	case u.User != nil || u.RawQuery != "":
		p.fault("endpoint", shown, "has a user or a query, which would stand in clear in the Job: use -api-key-secret or -header")
	case isLoopback(u.Hostname()):
		p.fault("endpoint", shown, "is the pod itself: write service:port")
	}
}

// shortLoopback matches the abbreviations of 127.0.0.1 and 0.0.0.0 that some resolvers take: 127.1, or 0.
var shortLoopback = regexp.MustCompile(`^(127|0+)(\.[0-9]+){0,3}$`)

// isLoopback reports whether a host is the machine that asks. The unspecified address is, to those who connect to it.
func isLoopback(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || shortLoopback.MatchString(host) ||
		ip != nil && (ip.IsLoopback() || ip.IsUnspecified())
}

// onVolume reports whether a folder lies on the volume, and is not all of it.
func onVolume(dir string) bool {
	return strings.HasPrefix(path.Clean(dir), volume+"/")
}
