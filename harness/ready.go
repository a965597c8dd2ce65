package harness

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/llmsweep/llmsweep/harness/openai"
	"github.com/llmsweep/llmsweep/harness/preflight"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/workload"
)

const (
	pollInterval = 2 * time.Second
	startedPoll  = 50 * time.Millisecond // of a server that we have started ourselves
	repeatEvery  = 30 * time.Second      // of the line that says what is waited for
	// startGrace is how long a server that just came up may refuse: workers register their models one by one.
	startGrace = 10 * time.Second
)

// refusal is an answer that waiting does not mend, once it has lasted for its grace.
type refusal struct {
	error
	grace time.Duration
}

// Ready waits until every endpoint serves the model, at most Plan.WaitReady for all of them together, judges whether the sweep can run (see
// package preflight), finds by a request what the server adds to prompts, and then writes run.json with what the server said of itself. Results of an earlier run are removed only now; with
// Plan.PreflightOnly they stay, and nothing is written. Where ctx ends first, the error wraps its cause.
func (s *Sweep) Ready(ctx context.Context) error {
	var target record.Target
	servers := make([]preflight.Server, len(s.Plan.Targets))
	start := time.Now()
	for i, u := range s.Plan.Targets {
		t, err := s.meet(ctx, u, start, &servers[i])
		if err != nil {
			s.abandon()
		}
		if ctx.Err() != nil {
			return fmt.Errorf("endpoint %q: stopped while waiting for the server: %w", s.Plan.Endpoints[i], context.Cause(ctx))
		}
		if err != nil {
			return fmt.Errorf("endpoint %q: %s", s.Plan.Endpoints[i], s.Plan.Redact(err.Error()))
		}
		t = s.redactTarget(t)
		if i == 0 {
			target = t
			continue
		}
		s.run.Replicas = append(s.run.Replicas, t)
		if t.Version != target.Version || !reflect.DeepEqual(t.Model, target.Model) {
			s.run.Warnings = append(s.run.Warnings, fmt.Sprintf("replica %s is not like the first: version or model entry differ", s.Plan.Endpoints[i]))
		}
	}
	if err := s.learnWords(ctx); err != nil {
		s.abandon()
		return err
	}
	err := s.preflight(ctx, servers)
	if err == nil && (!s.Plan.PreflightOnly || s.Plan.ISLCounts == record.ServerISL) { // which decides there whether the sweep can run
		err = s.findTemplate(ctx)
	}
	if err != nil || s.Plan.PreflightOnly {
		s.abandon()
		return err
	}
	return s.begin(target)
}

// meet makes the way to a server, if it needs one, and waits until the server is ready. What the preflight must know of it goes to server.
func (s *Sweep) meet(ctx context.Context, chat *url.URL, start time.Time, server *preflight.Server) (record.Target, error) {
	if err := s.openForward(ctx, chat.Host, start); err != nil {
		return record.Target{}, err
	}
	prober, done := s.prober(chat)
	defer done()
	seen := &witness{next: prober.Transport}
	prober.Transport = seen
	target, err := s.await(ctx, prober, start)
	seen.fill(server)
	server.Context = contextLength(target)
	return target, err
}

// prober asks one server what it is; done closes its connections.
func (s *Sweep) prober(chat *url.URL) (prober *openai.Prober, done func()) {
	return s.proberBy(chat, s.Plan.Transport == openai.HTTP2)
}

func (s *Sweep) proberBy(chat *url.URL, http2 bool) (prober *openai.Prober, done func()) {
	transport := openai.NewTransport(s.dialer(), http2)
	transport.TLSClientConfig = s.tls.Clone()
	if s.Plan.Transport == openai.OwnTransport {
		transport.Proxy = nil // the load passes by it, too
	}
	return &openai.Prober{
		Chat: chat, Header: s.Plan.Header, UserAgent: userAgent(), Transport: transport, HTTP2: http2, Redact: s.Plan.Redact,
	}, transport.CloseIdleConnections
}

// redactTarget removes secrets from what a server said of itself: it may have echoed them.
func (s *Sweep) redactTarget(t record.Target) record.Target {
	t.Version = s.Plan.Redact(t.Version)
	for i := range t.Models {
		t.Models[i] = s.Plan.Redact(t.Models[i])
	}
	for name, value := range t.Headers {
		t.Headers[name] = s.Plan.Redact(value)
	}
	if t.Model != nil {
		t.Model = s.redactValue(t.Model).(map[string]any)
	}
	return t
}

// redactValue redacts every string in a JSON value.
func (s *Sweep) redactValue(value any) any {
	switch v := value.(type) {
	case string:
		return s.Plan.Redact(v)
	case []any:
		for i := range v {
			v[i] = s.redactValue(v[i])
		}
	case map[string]any:
		clean := make(map[string]any, len(v))
		for key, member := range v {
			clean[s.Plan.Redact(key)] = s.redactValue(member)
		}
		return clean
	}
	return value
}

func userAgent() string { return "llmsweep/" + Version }

// await inspects the server until it is ready, is refused or WaitReady has passed since start.
func (s *Sweep) await(ctx context.Context, prober *openai.Prober, start time.Time) (record.Target, error) {
	var refused time.Time // since when the server refuses
	var said string
	var spoken time.Time
	poll := pollInterval
	if s.Plan.Started {
		poll = startedPoll
	}
	for {
		target, err := s.inspectWithin(ctx, prober, s.Plan.WaitReady-time.Since(start))
		err = s.refuseHTTP1(ctx, prober.Chat, err)
		if err == nil || ctx.Err() != nil {
			return target, err
		}
		var final refusal
		if !errors.As(err, &final) {
			refused = time.Time{}
		} else if refused.IsZero() {
			refused = time.Now()
		}
		waited := time.Since(start)
		switch {
		case !refused.IsZero() && time.Since(refused) >= min(final.grace, s.Plan.WaitReady):
			return target, err
		case waited >= s.Plan.WaitReady:
			return target, fmt.Errorf("not ready within %v (-wait-ready): %w", s.Plan.WaitReady, err)
		}
		if said != err.Error() || time.Since(spoken) >= repeatEvery {
			said, spoken = err.Error(), time.Now()
			s.progress.print(fmt.Sprintf("waiting for %s, %v more at most (-wait-ready): %s", prober.Chat.Host, (s.Plan.WaitReady - waited).Round(time.Second), s.Plan.Redact(said)))
		}
		sleep(ctx, min(poll, s.Plan.WaitReady-waited))
	}
}

// inspectWithin inspects once, within the time that is left. A server that hangs must not stretch -wait-ready, but the last look at
// it gets a moment too, lest its reason be lost.
func (s *Sweep) inspectWithin(ctx context.Context, prober *openai.Prober, left time.Duration) (record.Target, error) {
	left = max(left, time.Second)
	ctx, cancel := context.WithTimeoutCause(ctx, left, fmt.Errorf("no answer within %v", left.Round(time.Second)))
	defer cancel()
	target, err := s.inspect(ctx, prober)
	return target, explain(err)
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// modelMissing says that the server is up but does not list the model.
func modelMissing(model string, served []string) error {
	if len(served) == 0 {
		return fmt.Errorf("model %q: the server lists no model yet", model)
	}
	names := record.Printable(strings.Join(served, ", "))
	if len(names) > maxNames {
		names = strings.ToValidUTF8(names[:maxNames], "") + "…"
	}
	return refusal{fmt.Errorf("model %q is not served; the server has: %s", model, names), startGrace}
}

// maxNames bounds the list of models in a message, in bytes.
const maxNames = 500

// inspect asks once whether the server is ready and what it is.
func (s *Sweep) inspect(ctx context.Context, prober *openai.Prober) (record.Target, error) {
	models, header, err := prober.Models(ctx)
	switch statusOf(err) {
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return s.inspectWithoutModels(ctx, prober, header)
	}
	if err != nil {
		return record.Target{}, refuse(err)
	}
	target := record.Target{Headers: identity(header)}
	for _, m := range models {
		target.Models = append(target.Models, m.ID)
		if m.ID == s.Plan.Model {
			target.Model = m.Fields
		}
	}
	if !slices.Contains(target.Models, s.Plan.Model) {
		return target, modelMissing(s.Plan.Model, s.redactTarget(target).Models)
	}
	target.Version, _ = prober.Version(ctx) // not every server has the route
	return target, nil
}

// inspectWithoutModels is for servers that have no model list: healthy, and one token comes.
func (s *Sweep) inspectWithoutModels(ctx context.Context, prober *openai.Prober, header http.Header) (record.Target, error) {
	target := record.Target{Headers: identity(header)}
	if err := prober.Health(ctx); err != nil && statusOf(err) != http.StatusNotFound {
		return target, refuse(err)
	}
	err := prober.Try(ctx, s.Plan.Model, workload.LengthKey(s.Plan.Compat, s.Plan.AsksCompletions()))
	switch status := statusOf(err); {
	case err == nil:
		target.Version, _ = prober.Version(ctx)
		return target, nil
	case status == http.StatusTooManyRequests, status == http.StatusRequestTimeout, status == http.StatusTooEarly:
		return target, err
	case status == http.StatusNotFound, status == http.StatusNotImplemented: // also what a gateway says whose server is still starting
		return target, refusal{err, startGrace}
	case status/100 == 4:
		return target, refusal{refuse(err), 0}
	}
	return target, refuse(err)
}

// statusOf is the HTTP status of an answer other than 2xx, or 0.
func statusOf(err error) int {
	var status *openai.StatusError
	if errors.As(err, &status) {
		return status.Status
	}
	return 0
}

// refuse makes an answer that waiting does not mend final: one that asks for other credentials, one that leads elsewhere, one of a server
// that is not trusted or does not trust us. Any other error stays as it is.
func refuse(err error) error {
	switch status := statusOf(err); {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return refusal{fmt.Errorf("%w (the API key is read from OPENAI_API_KEY)", err), 0}
	case status/100 == 3:
		return refusal{fmt.Errorf("%w: give -endpoint the address that answers", err), startGrace}
	}
	if hint := tlsHint(err); hint != "" {
		return refusal{fmt.Errorf("%w (%s)", err, hint), startGrace}
	}
	return err
}

// identity keeps the response headers that name a server.
func identity(header http.Header) map[string]string {
	var kept map[string]string
	for _, name := range []string{"Server", "Via", "X-Powered-By", "X-Served-By", "Openai-Version", "X-Litellm-Version"} {
		if value := header.Get(name); value != "" {
			if kept == nil {
				kept = map[string]string{}
			}
			kept[name] = value
		}
	}
	return kept
}
