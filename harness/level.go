package harness

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	"github.com/llmsweep/llmsweep/harness/workload"
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

// warnings are what a reader of the level's figures must know.
func (r *levelRun) warnings() []string {
	c := r.record.Counts
	var wait time.Duration
	if c.Outcomes[record.ConnectionFailed]+c.Outcomes[record.Cut] > 0 {
		wait = time.Second
	}
	warnings := slices.Concat(r.inputChanged(), r.unlogged(), r.mended, r.sweep.endedForwards(wait), r.connections, r.otherTokens(), clientWarnings(r.record.Instrument), r.scrapeWarnings())
	if n := c.Failures(); n > 0 && r.record.Status != record.Failed {
		warnings = append(warnings, fmt.Sprintf("%d of %d requests failed (%s); latency figures are of the others", n, c.Ended(), c.Explain(record.FailedOutcomes()...)))
	}
	warnings = append(warnings, r.cancelWarnings(c)...)
	if n := r.record.Warmup.Outcomes[record.Cancelled]; n > 0 && r.record.Status == record.Done {
		warnings = append(warnings, fmt.Sprintf("%d requests of the warm-up were cancelled (%s): the server may have been at work on them when the measurement began",
			n, r.record.Warmup.Why(record.Cancelled)))
	}
	warnings = append(warnings, againWarnings(c.Retried)...)
	warnings = append(warnings, r.waitWarnings()...)
	if c.NotStarted > 0 {
		text := fmt.Sprintf("%d of %d planned requests were not started", c.NotStarted, c.Planned)
		if d := r.sweep.Plan.Duration; d > 0 && r.record.Status == record.Done {
			text += fmt.Sprintf(": -duration %v was over", d)
		}
		warnings = append(warnings, text)
	}
	return warnings
}

// cancelWarnings are about requests that the client ended: by plan, and because the level was cut short.
func (r *levelRun) cancelWarnings(c record.Counts) []string {
	var warnings []string
	if p := r.sweep.Plan; p.CancelRate > 0 {
		text := fmt.Sprintf("%d of %d requests cancelled by plan (-cancel-rate %g, -cancel-delay %v): they are no failures, and latency and throughput are of the others", c.ByPlan(), c.Ended(), p.CancelRate, p.CancelDelay)
		if n := c.Chosen - c.ByPlan(); n > 0 {
			text += fmt.Sprintf("; %d more that were chosen had ended before, and count as what they were", n)
		}
		warnings = append(warnings, text)
	}
	if n := c.Interrupted(); n > 0 {
		warnings = append(warnings, fmt.Sprintf("%d requests in flight were cancelled (%s); latency and throughput are of those that ended before, the quickest ones",
			n, c.Why(record.Cancelled, record.ByPlan)))
	}
	return warnings
}

// waitWarnings are about requests that found a cap reached.
func (r *levelRun) waitWarnings() []string {
	var warnings []string
	for _, at := range []struct {
		waited      record.Waited
		most        int
		where, flag string
	}{
		{r.record.Waited, r.sweep.Plan.MaxInFlight, "in flight", "-max-in-flight"},
		{r.record.Prefill, r.sweep.Plan.PrefillCap, "without their first token", "-prefill-concurrency"},
	} {
		if at.waited.Requests == 0 {
			continue
		}
		text := fmt.Sprintf("%d requests found %d %s (%s) and waited for a place, up to %.3g s: ", at.waited.Requests, at.most, at.where, at.flag, float64(at.waited.LongestNS)/1e9)
		if r.level.Open() {
			text += "the load was not what was planned, and the times from the schedule have the waiting"
		} else {
			text += "so many fewer were in flight, and no figure has the waiting"
		}
		warnings = append(warnings, text)
	}
	return warnings
}

// inputChanged is a warning where -input-file was written to.
func (r *levelRun) inputChanged() []string {
	if reason := r.sweep.input.changed(); reason != "" {
		return []string{reason}
	}
	return nil
}

// againWarnings are about requests that were sent more than once.
func againWarnings(r record.Retried) []string {
	var warnings []string
	if r.Requests > 0 {
		warnings = append(warnings, fmt.Sprintf("%d requests were refused with status 429 and sent again, %d times in all (-retry-429): their latency includes %.3g s of waiting",
			r.Requests, r.Retries, float64(r.WaitingNS)/1e9))
	}
	if r.Resent > 0 {
		warnings = append(warnings, fmt.Sprintf("net/http sent a request again %d times because its connection ended without an answer: the server may have worked twice", r.Resent))
	}
	return warnings
}

// writeInputs writes every request body to inputs.json, in AIPerf's form, and hashes them. Bodies of more than the limit are left to
// their recipe: a run must not wait for gigabytes that it can make again.
func (r *levelRun) writeInputs(path string) error {
	hash := sha256.New()
	if r.sweep.Plan.Duration > 0 && !r.level.Open() { // most are never sent
		return r.writeRecipe(path)
	}
	err := record.WriteFile(path, func(w io.Writer) error {
		size := int64(0)
		separator := "{\"data\":[\n"
		for request := range r.requests() {
			if err := r.sweep.interrupted(); err != nil {
				return err
			}
			if request.Err != nil {
				return request.Err
			}
			hash.Write(request.Body)
			if size += int64(len(request.Body)); size > r.sweep.inputsLimit {
				return errInputsTooLarge
			}
			if _, err := fmt.Fprintf(w, "%s{\"session_id\":%q,\"payloads\":[%s]}", separator, request.ID, request.Body); err != nil {
				return err
			}
			separator = ",\n"
		}
		_, err := io.WriteString(w, "\n]}\n")
		return err
	})
	if errors.Is(err, errInputsTooLarge) {
		return r.writeRecipe(path)
	}
	r.record.BytesSHA256 = hex.EncodeToString(hash.Sum(nil))
	return err
}

// writeRecipe writes what the bodies can be made from, and its hash.
func (r *levelRun) writeRecipe(path string) error {
	p := r.sweep.Plan
	recipe := map[string]any{
		"tool": "llmsweep " + Version, "level": r.level.Point.Name(), "workload_sha256": r.level.fingerprint, "model": p.Model, "seed": r.level.seed, "nonce": p.Nonce,
		"input": p.Input, "isl": p.ISL, "std": p.StdDev, "osl": p.OSL, "seq_dist": p.SeqDist, "isl_counts": cmp.Or(p.ISLCounts, record.ClientISL), "prefixes": p.Prefixes, "requests": r.level.Requests, "warmup_requests": r.level.warmups,
		"compat": p.Compat, "endpoint_type": cmp.Or(p.EndpointType, record.Chat), "streaming": !p.Unstreamed, "extra_inputs": p.ExtraInputs,
	}
	data, err := json.Marshal(recipe)
	if err != nil {
		return fmt.Errorf("encoding the recipe of the requests: %w", err)
	}
	sum := sha256.Sum256(data)
	return record.WriteJSON(path, map[string]any{"data": []any{}, "recipe": recipe, "recipe_sha256": hex.EncodeToString(sum[:])})
}

var errInputsTooLarge = errors.New("the request bodies are too large to be kept")

const maxInputs = 1 << 30

// requests renders the level's requests in the order of their numbers, warm-up first. One of which most are prepared in vain is left out.
func (r *levelRun) requests() func(yield func(*workload.Request) bool) {
	return func(yield func(*workload.Request) bool) {
		for _, phase := range []record.Phase{record.Warmup, record.Profiling} {
			if phase == record.Warmup && r.level.unknown(&r.sweep.Plan.Plan, phase) {
				continue
			}
			for i := range r.level.work.Len(phase) {
				if !yield(r.level.work.Render(phase, i)) {
					return
				}
			}
		}
	}
}
