package harness

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/llmsweep/llmsweep/harness/openai"
	"github.com/llmsweep/llmsweep/harness/preflight"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/scrape"
)

// metricsPages reads -server-metrics and -gpu-telemetry.
func (r *resolver) metricsPages(p *Plan) {
	p.ServerMetrics, p.ServerPages = r.pages("server-metrics")
	p.GPUTelemetry, p.GPUPages = r.pages("gpu-telemetry")
}

// pages reads a list of pages: as it is stored, and the URLs in it.
func (r *resolver) pages(name string) (stored []string, pages []*url.URL) {
	values, _ := r.values(name)
	if len(values) == 0 {
		return nil, nil
	}
	for item := range strings.SplitSeq(values[0], ",") {
		item = strings.TrimSpace(item)
		if item == record.MetricsAuto || item == record.MetricsOff {
			stored = append(stored, item)
			continue
		}
		u, ok := parsePage(item)
		if !ok {
			r.fault(name, pageShown(item), "must be http(s)://host:port/metrics")
			continue
		}
		stored = append(stored, withoutCredentials(u).String())
		pages = append(pages, u)
	}
	return stored, pages
}

// parsePage reads the URL of a page of metrics. The usual path may be left out.
func parsePage(text string) (*url.URL, bool) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || !validPort(u.Port()) {
		return nil, false
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = metricsPath
	}
	u.Fragment = ""
	return u, true
}

// pagesShown is a list of pages without their credentials, for which a mark stands.
func pagesShown(text string) string {
	items := strings.Split(text, ",")
	for i, item := range items {
		items[i] = pageShown(strings.TrimSpace(item))
	}
	return strings.Join(items, ",")
}

func pageShown(item string) string {
	u, ok := parsePage(item)
	switch {
	case item == record.MetricsAuto || item == record.MetricsOff:
		return item
	case !ok && strings.ContainsAny(item, "@?"):
		return redacted
	case !ok:
		return item
	}
	return marked(u)
}

// metricsPages checks which pages are asked for.
func (c *checks) metricsPages(p *Plan) {
	shown := strings.Join(p.ServerMetrics, ",")
	switch {
	case len(p.ServerMetrics) > 1 && strings.Contains(","+shown+",", ","+record.MetricsOff+","):
		c.fault("server-metrics", shown, "off goes with nothing else")
	case len(p.ServerPages)+len(p.GPUPages) > maxPages:
		c.fault("server-metrics", shown, fmt.Sprintf("there may be %d pages, those of -gpu-telemetry among them", maxPages))
	}
	if len(p.GPUPages) != len(p.GPUTelemetry) {
		c.fault("gpu-telemetry", strings.Join(p.GPUTelemetry, ","), "must be URLs of DCGM exporters, such as http://host:9400/metrics")
	}
	if len(p.Arms) > 0 && len(p.ServerPages)+len(p.GPUPages) > 0 {
		c.fault("server-metrics", shown, "cannot be URLs with -arm, nor can there be -gpu-telemetry: each arm has its own; auto finds them")
	}
}

const (
	metricsPath = "/metrics"
	maxPages    = 64
)

// page is one that is asked beside the load.
type page struct {
	url  *url.URL
	name string // its URL without credentials
}

func pageOf(u *url.URL) page { return page{u, withoutCredentials(u).String()} }

// among reports whether the page is one of pages: what is asked twice would be counted twice.
func (p page) among(pages []page) bool {
	return slices.ContainsFunc(pages, func(other page) bool { return other.url.String() == p.url.String() })
}

// findPages finds the pages that there are, each once. For those that were named and cannot be read the error says so, a line each.
func (s *Sweep) findPages(ctx context.Context) []preflight.Page {
	var looked []preflight.Page
	try := func(flag string, u *url.URL) (page, error) {
		p := pageOf(u)
		err := s.readPage(ctx, p)
		looked = append(looked, preflight.Page{Flag: flag, URL: p.name, Err: err})
		return p, err
	}
	s.serverPages, s.gpuPages, s.covered = nil, nil, true
	for _, stored := range s.Plan.ServerMetrics {
		if stored == record.MetricsAuto {
			s.discover(ctx)
		}
	}
	for _, u := range s.Plan.ServerPages {
		if p, err := try("server-metrics", u); err == nil && !p.among(s.serverPages) {
			s.serverPages = append(s.serverPages, p)
		}
	}
	for _, u := range s.Plan.GPUPages {
		if p, err := try("gpu-telemetry", u); err == nil && !p.among(s.gpuPages) {
			s.gpuPages = append(s.gpuPages, p)
		}
	}
	return looked
}

// discover looks for a page beside each endpoint. TensorRT-LLM has one of another kind at the usual path, and its own below it.
func (s *Sweep) discover(ctx context.Context) {
	var without []string
	found := map[string]bool{}
	for _, target := range s.Plan.Targets {
		var first error
		ok := false
		for _, path := range []string{metricsPath, "/prometheus" + metricsPath} {
			p := pageOf(beside(target, path))
			if ok = found[p.url.String()]; ok {
				break
			}
			err := s.readPage(ctx, p)
			if ok = err == nil; ok {
				found[p.url.String()] = true
				s.serverPages = append(s.serverPages, p)
				break
			}
			if first == nil {
				first = err
			}
		}
		if !ok {
			without = append(without, fmt.Sprintf("%s: %v", target.Host, first))
		}
	}
	if len(without) > 0 {
		s.covered = false
		s.progress.print(s.Plan.Redact("no /metrics: server-side figures are left out (" + record.Printable(strings.Join(without, "; ")) + ")"))
	}
}

// beside is a path at the root of an endpoint's server, above the version of its API.
func beside(target *url.URL, path string) *url.URL {
	u := *target
	root := strings.TrimSuffix(strings.TrimSuffix(u.Path, "/completions"), "/chat")
	u.Path = strings.TrimSuffix(root, "/v1") + path
	return &u
}

// lookLimit is for the first look at a page: beside scrapeLimit there is a connection to be made, and a server may have to get ready to tell.
const lookLimit = 3 * time.Second

var errLookedLong = fmt.Errorf("no whole page within %v", lookLimit)

// readPage asks for a page once.
func (s *Sweep) readPage(ctx context.Context, p page) error {
	a := s.asker(p)
	defer a.close()
	ctx, cancel := context.WithTimeoutCause(ctx, lookLimit, errLookedLong)
	defer cancel()
	_, _, err := a.read(ctx)
	if err != nil {
		return errors.New(a.said(err))
	}
	return nil
}

// asker is the way to the page: connections of its own, and the credentials of an endpoint for nobody else. By the trust that endpoints are given also
// other ports of their machines are met.
func (s *Sweep) asker(p page) *asker {
	http2 := false
	a := &asker{url: p.url, header: http.Header{}, changes: scrape.Changes{Redact: s.Plan.redactor().redact}}
	a.header.Set("User-Agent", userAgent())
	a.transport = openai.NewTransport(s.dialer(), false)
	if s.Plan.Transport == openai.OwnTransport {
		a.transport.Proxy = nil // the load passes by it, too
	}
	for _, target := range s.Plan.Targets {
		if target.Hostname() == p.url.Hostname() {
			a.transport.TLSClientConfig = s.tls.Clone()
		}
		if target.Scheme != p.url.Scheme || target.Host != p.url.Host {
			continue
		}
		for name, values := range s.Plan.Header {
			a.header[name] = values
		}
		http2 = s.Plan.Transport == openai.HTTP2
	}
	if http2 {
		tls := a.transport.TLSClientConfig
		a.transport = openai.NewTransport(s.dialer(), true)
		a.transport.TLSClientConfig = tls
	}
	if user := p.url.User; user != nil && a.header.Get("Authorization") == "" {
		a.header.Set("Authorization", basic(p.url))
	}
	a.header.Set("Accept", "text/plain;version=0.0.4, text/plain;q=0.5, */*;q=0.1")
	return a
}
