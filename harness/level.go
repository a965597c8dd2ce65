package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/llmsweep/llmsweep/harness/instrument"
	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/openai"
	"github.com/llmsweep/llmsweep/harness/record"
)

// levelRun is one level on its way. Only the goroutine of RunLevel touches it; the slots talk to it through a channel.
type levelRun struct {
	sweep   *Sweep
	level   Level
	record  record.Level
	metrics *metric.Calculator
	secrets *redactor
	config  openai.Config // of client
	client  *openai.Client
	counted func()            // lets go of what counts tokens
	watch   *instrument.Watch // nil outside the measurement
	// What the watch has seen: content chunks and requests that ended.
	events, requestsEnded int
	begun                 time.Duration // of the present phase, since epoch
	flying                atomic.Int64  // requests in flight
	log                   *record.Log
	started               time.Time
	epoch                 time.Time // stamp 0: started, save in a level that is continued
	kept                  *ledger   // of a level that is continued; nil: none
	logErr                error
	server, gpus          *scraper
	// firstError is the first failure in words, for the reason of a level that failed.
	firstError string
	// mended is what had to be done to the way to the server before the level.
	mended []string
	beyond beyond
	// prefill has a place for each request that may be waiting for its first token; nil: any number may.
	prefill chan struct{}
	// connections is what there is to say of how the connections were made.
	connections []string
}

// RunLevel runs one level to its end and writes its files. A level that went wrong has a Status other than Done; the error is for
// files that could not be written. When ctx ends, requests in flight are cancelled, and what was measured is kept.
func (s *Sweep) RunLevel(ctx context.Context, level Level) (*record.Level, error) {
	mended, err := s.mendForwards(ctx)
	if err != nil {
		return nil, err
	}
	s.measureFloor()
	dir := s.LevelDir(level)
	r := &levelRun{sweep: s, level: level, mended: mended, metrics: metric.NewCalculator(), secrets: s.Plan.redactor()}
	r.record = record.Level{
		SchemaVersion: record.SchemaVersion, Point: level.Point, Status: record.Running, WorkloadSHA256: level.fingerprint,
		Counts: newCounts(level.Requests), Warmup: newCounts(level.warmups),
		FromFile: s.input != nil,
	}
	p := s.past[level.Name]
	before, err := p.setAside(dir, &r.record)
	if err == nil {
		err = r.prepare(dir, p)
	}
	if err != nil {
		_ = os.Remove(dir) // if it is empty
		if parent := filepath.Dir(dir); parent != s.dir {
			_ = os.Remove(parent) // of a run, likewise
		}
		return nil, errors.Join(err, before.restore())
	}
	spent := s.spent.Load()
	err = r.execute(ctx, dir)
	back, settled := before.settle(r.record.Status, r.answered(), record.Earlier{
		Attempts: 1, Requests: r.record.Counts.Ended() + r.record.Warmup.Ended(), Tokens: s.spent.Load() - spent, Took: time.Duration(r.record.EndedNS),
	})
	if back {
		s.progress.print(level.Name + ": the earlier attempt stays: more of its requests were answered")
	}
	return &r.record, errors.Join(err, settled)
}

// answered is how many requests ended as they were to: by themselves, or cancelled by plan.
func (r *levelRun) answered() int {
	n := 0
	for _, c := range []record.Counts{r.record.Warmup, r.record.Counts} {
		n += c.Ended() - c.Interrupted()
	}
	return n
}

// prepare writes what a level has before its first request.
func (r *levelRun) prepare(dir string, p *past) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("creating the level's folder: %w", err)
	}
	if err := r.writeInputs(filepath.Join(dir, record.InputsFile)); err != nil {
		return err
	}
	r.started = time.Now()
	r.epoch = r.started
	r.record.StartedAt = r.epoch.UTC().Round(0)
	if p != nil && p.fate == continued {
		if err := r.continueFrom(p, dir); err != nil {
			return fmt.Errorf("-resume=request: %w", err)
		}
	}
	return r.open(dir)
}

// execute runs the level and writes how it ended.
func (r *levelRun) execute(ctx context.Context, dir string) error {
	s, shown := r.sweep, r.level
	shown.Requests = r.left(record.Profiling)
	s.progress.begin(shown)
	err := r.run(ctx)
	took := time.Since(r.started)
	s.elapsed += took
	freeReserve(dir)
	err = errors.Join(err, record.WriteJSON(filepath.Join(dir, record.LevelFile), &r.record))
	s.progress.end(shown.Name, &r.record)
	if r.record.Status == record.Done {
		s.forecast(shown, took)
	}
	return err
}

func newCounts(planned int) record.Counts {
	return record.Counts{Planned: planned, NotStarted: planned, Outcomes: map[record.Outcome]int{}}
}

// open creates log and client.
func (r *levelRun) open(dir string) (err error) {
	p := r.sweep.Plan
	if err = record.WriteJSON(filepath.Join(dir, record.LevelFile), &r.record); err != nil {
		return err
	}
	if err = makeReserve(dir); err != nil {
		return err
	}
	path := filepath.Join(dir, record.LogFile)
	if r.kept == nil {
		r.log, err = record.CreateLog(path, r.record.StartedAt)
	} else {
		r.record.Counts, r.record.Warmup = r.kept.counts[record.Profiling], r.kept.counts[record.Warmup]
		r.log, err = record.AppendLog(path, r.record.StartedAt)
	}
	if err != nil {
		return err
	}
	count, done := r.sweep.counter()
	r.counted = done
	r.config = r.sweep.client(r.epoch)
	r.config.Concurrency, r.config.Count, r.config.Estimate, r.config.Chunks = r.level.streams(), count, p.TokenizerApproximate, &r.sweep.progress.chunks
	if p.PrefillCap > 0 {
		r.config.FirstToken = func() { <-r.prefill }
	}
	r.client = openai.New(r.config)
	r.record.Transport = r.client.Transport()
	return nil
}

// client is how all requests are sent.
func (s *Sweep) client(epoch time.Time) openai.Config {
	p := s.Plan
	return openai.Config{
		Endpoints: p.Targets, Header: p.Header, UserAgent: userAgent(), Epoch: epoch,
		RequestTimeout: p.RequestTimeout, FirstTokenTimeout: p.FirstTokenTimeout, IdleTimeout: p.IdleTimeout, ConnectTimeout: p.ConnectTimeout,
		Retry429: p.Retry429, Seed: p.Seed, Completions: p.AsksCompletions(), Whole: p.Unstreamed,
		Dial: s.dialer(), TLS: s.tls, Transport: p.Transport, NoReuse: p.ConnectionReuse == neverReused,
	}
}

// run runs the level's requests and settles its status.
func (r *levelRun) run(ctx context.Context) error {
	defer r.counted()
	defer r.client.Close()
	issue, stop := context.WithCancelCause(ctx) // ends issuing; requests in flight go on
	defer stop(nil)
	if limit := r.sweep.Plan.MaxDuration; limit > 0 {
		timer := time.AfterFunc(limit-r.sweep.elapsed, func() { stop(because(record.ByCap, "-max-duration %v reached", limit)) })
		defer timer.Stop()
	}
	if r.left(record.Warmup)+r.left(record.Profiling) == 0 {
		r.record.EndedNS = r.kept.lastNS // all that was missing was to say so
	} else {
		r.load(ctx, issue, stop)
	}
	if err := r.log.Close(); r.logErr == nil {
		r.logErr = err
	}
	r.settle(ctx, issue)
	return r.logErr
}

// load sends warm-up and measured requests.
func (r *levelRun) load(ctx, issue context.Context, stop context.CancelCauseFunc) {
	r.startScrapers()
	warm := r.left(record.Warmup) > 0
	if warm && r.level.warmup != r.level.Point {
		made := r.connect(issue, record.Warmup, 0)
		r.runPhase(ctx, issue, stop, record.Warmup)
		r.connect(issue, record.Profiling, made) // a server may have closed them during a warm-up that needs fewer
	} else {
		r.connect(issue, record.Profiling, 0)
		r.runPhase(ctx, issue, stop, record.Warmup)
	}
	if warm {
		r.server.edge(record.EdgeMeasure)
		r.gpus.edge(record.EdgeMeasure)
	}
	r.sweep.progress.measure()
	r.startWatch()
	r.runPhase(ctx, issue, stop, record.Profiling)
	r.record.EndedNS = r.client.Now()
	r.stopWatch()
	r.stopScrapers()
}

// connectLimit is how long connections are made before a level. Requests do without those that are not there by then.
const connectLimit = time.Minute

// connect makes the connections of a phase beforehand, of which there are so many already, so that no request pays for its own. It returns how many the
// phase needs. Those that fail are met again by the requests; here they are worth a warning.
func (r *levelRun) connect(ctx context.Context, phase record.Phase, already int) (needed int) {
	needed = min(r.level.connected[phase], r.left(phase))
	if already > 0 && needed <= already {
		return needed
	}
	p := r.sweep.Plan
	if p.Transport == openai.OwnTransport && r.sweep.dialer() == nil && openai.Proxied(p.Targets) {
		r.connections = append(r.connections, "the proxy of the environment is passed by: -transport own knows none")
	}
	within, cancel := context.WithTimeout(ctx, connectLimit)
	defer cancel()
	if err := r.client.Warm(within, needed-already); err != nil && ctx.Err() == nil {
		r.connections = append(r.connections, "before the level, "+r.secrets.redact(err.Error()))
	}
	return needed
}

// because is the cause of a context that ends requests.
func because(reason record.Reason, format string, args ...any) error {
	return &openai.Cancellation{Reason: reason, Text: fmt.Sprintf(format, args...)}
}

// take files one sample that ended.
func (r *levelRun) take(s *record.Sample, stop context.CancelCauseFunc) {
	p := r.sweep.Plan
	counts := &r.record.Counts
	if s.Phase == record.Warmup {
		counts = &r.record.Warmup
	}
	counts.Count(s)
	r.record.CountWaits(s)
	r.beyond.count(s)
	s.FinishReason = r.secrets.redact(s.FinishReason)
	if s.Error != nil {
		s.Error.Message = r.secrets.redact(s.Error.Message)
		r.keepErrorBody(s)
	}
	values := r.metrics.Of(s)
	if r.logErr == nil {
		if r.logErr = r.log.Append(s, values); r.logErr != nil {
			stop(because(record.ByStorage, "stopped: %v", r.logErr)) // measuring on would lose what is measured
		}
	}
	r.observe(s, values)
	r.sweep.progress.sample(s, values, p.Verbose)
	if counts.Ended() >= enoughEnded && r.tooManyErrorsOf(*counts, r.sent(*counts)) {
		reason := r.failures(*counts)
		if s.Phase == record.Warmup {
			reason = "warm-up: " + reason
		}
		stop(because(record.ByErrors, "%s", reason))
	}
}

// enoughEnded is how many requests must have ended before a share of failures says something.
const enoughEnded = 20

// tooManyErrors judges the share of failures. Of fewer than enoughEnded requests it is too many only where most failed: one failure of
// ten is no error rate.
func (r *levelRun) tooManyErrors(c record.Counts) bool {
	return r.tooManyErrorsOf(c, c.Ended()-c.Outcomes[record.Cancelled])
}

func (r *levelRun) tooManyErrorsOf(c record.Counts, requests int) bool {
	return float64(c.Failures()) > r.errorLimit(requests)*float64(requests)
}

// sent is how many requests there were so far, those in flight included: what fails early ends before what goes well, and of the first that
// end too many have failed.
func (r *levelRun) sent(c record.Counts) int {
	return c.Ended() - c.Outcomes[record.Cancelled] + min(int(r.flying.Load()), c.NotStarted)
}

// errorLimit is the share of failures that is allowed of so many requests. A limit of zero allows none of any number.
func (r *levelRun) errorLimit(ended int) float64 {
	limit := r.sweep.Plan.MaxErrorRate
	if ended < enoughEnded && limit > 0 {
		return max(limit, 0.5)
	}
	return limit
}

// keepErrorBody keeps the first three distinct answers of servers that refused.
func (r *levelRun) keepErrorBody(s *record.Sample) {
	body := record.ErrorBody{Status: s.Status, Body: s.Error.Message}
	if s.Outcome != record.Cancelled && r.firstError == "" {
		r.firstError = failure(s)
	}
	answered := s.Outcome == record.Rejected || s.Outcome == record.StreamError || s.Outcome == record.Malformed
	if !answered || len(r.record.ErrorBodies) == 3 || slices.Contains(r.record.ErrorBodies, body) {
		return
	}
	r.record.ErrorBodies = append(r.record.ErrorBodies, body)
}

// failure says in short why a request failed. Its message is redacted already.
func failure(s *record.Sample) string {
	message := record.Printable(s.Error.Message)
	return strings.TrimSuffix(string(s.Reason)+", "+strings.ToValidUTF8(message[:min(len(message), 200)], ""), ", ")
}

// failures puts the error rate into words.
func (r *levelRun) failures(c record.Counts) string {
	ended := c.Ended() - c.Outcomes[record.Cancelled]
	how := c.Explain(record.FailedOutcomes()...)
	text := fmt.Sprintf("%d of %d requests failed (%s); the limit is %.3g %%", c.Failures(), ended, how, 100*r.errorLimit(ended))
	if r.firstError != "" {
		text += "; the first: " + r.firstError
	}
	if n := c.ByPlan(); n > 0 {
		text += fmt.Sprintf("; %d more were cancelled by plan", n)
	}
	return text
}

// settle decides how the level ended.
func (r *levelRun) settle(ctx, issue context.Context) {
	var by *openai.Cancellation
	cause := context.Cause(issue)
	l := &r.record
	switch {
	case r.logErr != nil:
		l.Status, l.Reason = record.Failed, r.logErr.Error()
	case ctx.Err() != nil:
		l.Status, l.Reason = record.Interrupt, context.Cause(ctx).Error()
	case r.tooManyErrors(l.Counts):
		l.Status, l.Reason = record.Failed, r.failures(l.Counts)
	case errors.As(cause, &by) && by.Reason == record.ByCap:
		l.Status, l.Reason = record.Capped, cause.Error()
	case cause != nil:
		l.Status, l.Reason = record.Failed, cause.Error()
	default:
		l.Status = record.Done
	}
	r.endedByDuration()
	l.Warnings = r.warnings()
}
