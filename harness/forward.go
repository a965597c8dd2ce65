package harness

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/llmsweep/llmsweep/harness/kubectl"
	"github.com/llmsweep/llmsweep/harness/record"
)

// forwardScheme marks an endpoint inside a cluster, k8s://namespace/service:port[/path]. In Plan.Endpoints, and so in every file, it stays
// what was written; in Plan.Targets it is http://service.namespace:port/path, and only the dialer knows which local port leads there. So
// the server sees the name that it has in its cluster, and a restarted port-forward changes nothing.
const forwardScheme = "k8s"

// serverSideFrom is the concurrency from which a port-forward is advised against: some hundred long requests at once have been seen to leave
// one unusable (kubernetes issue 78446), and all of them share one connection to the API server.
const serverSideFrom = 100

// parseService reads a k8s:// URL into service and path, or says what is wrong with it.
func parseService(u *url.URL) (service kubectl.Service, path, reason string) {
	const form = ": write k8s://namespace/service:port"
	first, rest, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	name, port, hasPort := strings.Cut(first, ":")
	service = kubectl.Service{Namespace: u.Host, Name: name}
	n, err := strconv.Atoi(port)
	switch {
	case u.User != nil:
		reason = "cannot have a user: a service in a cluster takes its key from OPENAI_API_KEY or -header"
	case u.Host == "":
		reason = "has no namespace" + form
	case u.Port() != "" || first == "":
		reason = "has no service" + form
	case !kubectl.ValidLabel(u.Host):
		reason = fmt.Sprintf("%q cannot be a namespace: lower-case letters, digits and - only, at most 63", u.Host)
	case !kubectl.ValidLabel(name):
		reason = fmt.Sprintf("%q cannot be a service: lower-case letters, digits and - only, at most 63", name)
	case !hasPort || port == "":
		reason = "has no port" + form
	case err != nil || n < 1 || n > 65535 || port != strconv.Itoa(n):
		reason = "has a bad port: must be 1 to 65535"
	}
	service.Port = n
	return service, "/" + rest, reason
}

// addForward makes the service of a k8s:// URL one that is reached through kubectl, and returns the URL of its chat route.
func (p *Plan) addForward(u *url.URL) *url.URL {
	service, path, _ := parseService(u)
	if p.Forwards == nil {
		p.Forwards = map[string]kubectl.Service{}
	}
	host := fmt.Sprintf("%s.%s:%d", service.Name, service.Namespace, service.Port)
	p.Forwards[host] = service
	return &url.URL{Scheme: "http", Host: host, Path: path, RawQuery: u.RawQuery}
}

// forwardWarnings says what a port-forward does to the figures.
func (p *Plan) forwardWarnings() []string {
	if len(p.Forwards) == 0 {
		return nil
	}
	warnings := []string{"measured through kubectl port-forward: it leads to one pod of the service, over one connection through the API server, " +
		"and latency and throughput are those of this way too"}
	var many []string
	for _, c := range p.Concurrencies {
		if c >= serverSideFrom {
			many = append(many, record.LevelName(c))
		}
	}
	if len(many) > 0 {
		warnings = append(warnings, fmt.Sprintf("%s: a port-forward may limit or break so many requests at once: measure %d and more inside the cluster (scripts/cluster)",
			strings.Join(many, ", "), serverSideFrom))
	}
	return warnings
}

// forwardLimit is how long one kubectl port-forward may take to begin.
const forwardLimit = time.Minute

// openForward starts the port-forward to a target that needs one. A pod that does not run yet is waited for, WaitReady from start at most.
func (s *Sweep) openForward(ctx context.Context, host string, start time.Time) error {
	service, needed := s.Plan.Forwards[host]
	if !needed || s.forwards[host] != nil {
		return nil
	}
	tool, err := kubectl.Find()
	if err != nil {
		return err
	}
	s.progress.print(fmt.Sprintf("starting kubectl port-forward to %s", service))
	return s.untilPodRuns(ctx, start.Add(s.Plan.WaitReady), func(ctx context.Context) error {
		f, err := tool.Forward(ctx, service)
		if err != nil {
			return err
		}
		if s.forwards == nil {
			s.forwards = map[string]*kubectl.Forward{}
		}
		s.forwards[host] = f
		return nil
	})
}

// untilPodRuns calls begin until it finds a pod that runs; any other failure is final.
func (s *Sweep) untilPodRuns(ctx context.Context, until time.Time, begin func(context.Context) error) error {
	var spoken time.Time
	for {
		attempt, cancel := context.WithTimeout(ctx, min(forwardLimit, max(time.Until(until), pollInterval)))
		err := begin(attempt)
		cancel()
		var failure *kubectl.Error
		switch {
		case err == nil || ctx.Err() != nil || !errors.As(err, &failure) || failure.Kind != kubectl.NotRunning:
			return err
		case !time.Now().Before(until):
			return fmt.Errorf("not ready within %v (-wait-ready): %w", s.Plan.WaitReady, err)
		}
		if time.Since(spoken) >= repeatEvery {
			spoken = time.Now()
			s.progress.print(fmt.Sprintf("waiting for a pod, %v more at most (-wait-ready): %v", time.Until(until).Round(time.Second), err))
		}
		sleep(ctx, min(pollInterval, time.Until(until)))
	}
}

// dialer is the network of a connection: that of Dial, or one that knows where port-forwards begin. With these no proxy of the environment is
// used, for other endpoints neither.
func (s *Sweep) dialer() func(ctx context.Context, network, address string) (net.Conn, error) {
	if len(s.forwards) == 0 {
		return s.Dial
	}
	// A copy: a connection attempt that was given up may still look when a port-forward is started again.
	local := map[string]string{}
	for host, f := range s.forwards {
		local[host] = f.Address()
	}
	direct := net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if port, forwarded := local[address]; forwarded {
			address = port
		}
		return direct.DialContext(ctx, network, address)
	}
}

// reachLimit is how long a server may take to answer anything at all between two levels.
const reachLimit = 10 * time.Second

// mendForwards starts port-forwards again that have ended or lead nowhere, and returns a warning for each.
func (s *Sweep) mendForwards(ctx context.Context) ([]string, error) {
	var warnings []string
	for i, u := range s.Plan.Targets {
		f := s.forwards[u.Host]
		if f == nil {
			continue
		}
		reason := f.Ended(0)
		if reason == nil {
			reason = s.reach(ctx, u)
		}
		if reason == nil || ctx.Err() != nil {
			continue
		}
		if err := s.untilPodRuns(ctx, time.Now().Add(forwardLimit), f.Restart); err != nil {
			return nil, fmt.Errorf("endpoint %q: the port-forward was lost (%w) and cannot be started again: %w", s.Plan.Endpoints[i], reason, err)
		}
		warning := fmt.Sprintf("the port-forward to %s was lost (%s) and was started again before this level", s.Plan.Forwards[u.Host], s.Plan.Redact(reason.Error()))
		s.progress.print("warning: " + warning)
		warnings = append(warnings, warning)
	}
	return warnings, nil
}

// reach asks a server for any answer: a port-forward may run on and lead nowhere.
func (s *Sweep) reach(ctx context.Context, chat *url.URL) error {
	ctx, cancel := context.WithTimeout(ctx, reachLimit)
	defer cancel()
	prober, done := s.prober(chat)
	defer done()
	if err := prober.Health(ctx); err != nil && statusOf(err) == 0 {
		return err
	}
	return nil
}

// endedForwards returns a warning for each port-forward that has ended, or does so within the wait.
func (s *Sweep) endedForwards(wait time.Duration) []string {
	var warnings []string
	for host, f := range s.forwards {
		if err := f.Ended(wait); err != nil {
			warnings = append(warnings, fmt.Sprintf("the port-forward to %s ended during this level: %v", s.Plan.Forwards[host], err))
		}
	}
	return warnings
}
