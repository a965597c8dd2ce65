package harness

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"runtime"
	"slices"
	"time"

	"github.com/llmsweep/llmsweep/harness/forecast"
	"github.com/llmsweep/llmsweep/harness/host"
	"github.com/llmsweep/llmsweep/harness/openai"
	"github.com/llmsweep/llmsweep/harness/preflight"
	"github.com/llmsweep/llmsweep/harness/record"
)

// preflight judges whether the sweep can run, now that the servers are ready, and shows the result. The error is for what is refused.
// Warnings go to run.json.
func (s *Sweep) preflight(ctx context.Context, servers []preflight.Server) error {
	s.lookUp(ctx, servers)
	facts := preflight.Facts{Load: s.load(), Servers: servers}
	if s.readsMachine() {
		facts.Machine = s.machine(facts.Load)
	}
	facts.Pages = s.findPages(ctx)
	findings := preflight.Judge(facts)
	for i := range findings {
		findings[i].Text = s.Plan.Redact(record.Printable(findings[i].Text))
	}
	s.show(findings)
	var refused []error
	for _, f := range preflight.Of(findings, preflight.Refusal) {
		refused = append(refused, errors.New("preflight: "+f.String()))
	}
	for _, f := range preflight.Of(findings, preflight.Warning) {
		s.run.Warnings = append(s.run.Warnings, "preflight: "+f.String())
	}
	return errors.Join(refused...)
}

// show prints the findings: all of them where they were asked for, else what is not well.
func (s *Sweep) show(findings []preflight.Finding) {
	if len(findings) == 0 {
		return
	}
	s.progress.print(preflight.Summary(findings))
	if s.Plan.PreflightOnly || s.Plan.Verbose {
		s.progress.print(preflight.Table(findings))
		return
	}
	for _, f := range preflight.Of(findings, preflight.Warning) {
		s.progress.print("warning: preflight: " + f.String())
	}
}

// lookUp finds the addresses of names that this machine resolves, as it will for the load.
func (s *Sweep) lookUp(ctx context.Context, servers []preflight.Server) {
	for i, u := range s.Plan.Targets {
		server := &servers[i]
		server.Host = u.Hostname()
		if address, err := netip.ParseAddr(server.Host); err == nil {
			server.Loopback = address.IsLoopback()
			continue
		}
		if !s.resolves(u) {
			continue
		}
		server.Resolved = true
		within, cancel := context.WithTimeout(ctx, reachLimit)
		server.Addresses, server.LookupErr = net.DefaultResolver.LookupHost(within, server.Host)
		cancel()
		for _, text := range server.Addresses {
			address, err := netip.ParseAddr(text)
			server.Loopback = err == nil && address.IsLoopback()
		}
	}
}

// resolves reports whether the name of an endpoint is looked up here, and not by a proxy or a port-forward.
func (s *Sweep) resolves(u *url.URL) bool {
	_, forwarded := s.Plan.Forwards[u.Host]
	return s.readsMachine() && !forwarded && (s.Plan.Transport == openai.OwnTransport || s.dialer() != nil || !openai.Proxied([]*url.URL{u}))
}

// load is what the plan asks for.
func (s *Sweep) load() preflight.Load {
	p := s.Plan
	largest := s.largest()
	transport := openai.New(openai.Config{Endpoints: p.Targets, Header: p.Header, Dial: s.dialer(), Transport: p.Transport}).Transport()
	l := preflight.Load{
		Level: largest.Name, Connections: min(largest.streams(), max(largest.Requests, largest.warmups)), InProcess: p.EmbeddedMock,
		Reused: p.ConnectionReuse != neverReused, Transport: transport, NoTemplate: p.AsksCompletions() || p.ISLCounts == record.ServerISL, OutputDir: p.OutputDir, Now: time.Now(),
		BytesWritten: forecast.Needed(s.planned(), p.Plot, len(p.Formats)).Most(),
	}
	if transport == openai.HTTP2 {
		// net/http makes another connection when a server takes no more streams on one; most take a hundred.
		const streams = 100
		l.Connections = l.Connections/streams + len(p.Targets)
	}
	for _, level := range s.levels {
		if isl, osl := level.work.Longest(); isl+osl > l.LongestPrompt+l.OSL {
			l.LongestPrompt, l.OSL = isl, osl
		}
		l.Requests += level.Requests + level.warmups
	}
	switch {
	case p.Input.File != "":
		l.LengthsOf = "input-file"
	case p.SeqDist != "":
		l.LengthsOf = "seq-dist"
	}
	return l
}

// largest is the level that asks for most at once.
func (s *Sweep) largest() Level {
	return slices.MaxFunc(s.levels, func(a, b Level) int { return cmp.Compare(a.streams(), b.streams()) })
}

// usualITL stands for a server that was not measured yet.
const usualITL = 20 * time.Millisecond

// machine is what this machine has for that load.
func (s *Sweep) machine(l preflight.Load) *preflight.Machine {
	limits := host.ReadLimits(s.dir)
	m := &preflight.Machine{
		OS: runtime.GOOS, Root: limits.Root, Files: limits.Files, FilesOpen: limits.FilesOpen, Ports: limits.Ports, DiskFree: limits.DiskFree,
		Processors: runtime.GOMAXPROCS(0), ITL: usualITL,
	}
	s.findCeiling(l.Transport)
	largest := s.largest()
	events := float64(largest.streams()) / m.ITL.Seconds()
	_, answers := largest.work.Tokens(record.Profiling)
	mean := float64(answers) / float64(largest.Requests)
	m.CeilingShare, _ = s.ceiling.Share(largest.streams(), events, events/max(mean, 1))
	return m
}

// planned is the sweep as package forecast sees it.
func (s *Sweep) planned() []forecast.Level {
	levels := make([]forecast.Level, 0, len(s.levels))
	for _, l := range s.levels {
		levels = append(levels, forecast.Level{
			Warmup: l.forecast(&s.Plan.Plan, record.Warmup), Measured: l.forecast(&s.Plan.Plan, record.Profiling), Body: l.work.MeanBody(),
		})
	}
	return levels
}

// forecast is a phase of the level as package forecast sees it.
func (l *Level) forecast(p *record.Plan, phase record.Phase) forecast.Phase {
	prompts, answers := l.work.Tokens(phase)
	f := forecast.Phase{
		Requests: l.work.Len(phase), PromptTokens: prompts, OutputTokens: max(answers, l.work.Len(phase)), // bodies of an -input-file may leave it to the server
	}
	at, grace := l.Point, &p.GracePeriod
	f.Limit, f.Ramp = p.Duration, p.ConcurrencyRamp
	if phase == record.Warmup {
		at, grace = l.warmup, p.WarmupGrace
		f.Limit, f.Ramp = p.WarmupDuration, 0
	}
	if grace != nil && f.Limit > 0 {
		f.Ends = f.Limit + *grace
	}
	if f.Open = at.Open(); f.Open {
		f.Concurrency, f.Ramp, f.Sends = p.MaxInFlight, 0, l.sends(phase)
	} else {
		f.Concurrency = at.Concurrency
	}
	return f.Within()
}

// contextLength is how many tokens prompt and answer may have together, as far as the server tells: vLLM and SGLang do, in their list of models.
// What others have under other names can be a model's own length, of which a server may give less or more.
func contextLength(t record.Target) int {
	number, _ := t.Model["max_model_len"].(json.Number)
	n, err := number.Int64()
	if err != nil || n < 1 {
		return 0
	}
	return int(n)
}
