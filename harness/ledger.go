package harness

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/workload"
)

// ledger says which requests of a level a log accounts for. Requests that the client cancelled did not end, unless it was by plan: they are to be sent again.
type ledger struct {
	ended     map[record.Phase][]bool
	counts    map[record.Phase]record.Counts
	tokens    int64 // of all lines, cancelled requests included
	requests  int   // lines
	cancelled int
	lastNS    int64
}

func newLedger(work *workload.Level) *ledger {
	g := &ledger{ended: map[record.Phase][]bool{}, counts: map[record.Phase]record.Counts{}}
	for _, phase := range []record.Phase{record.Warmup, record.Profiling} {
		g.ended[phase], g.counts[phase] = make([]bool, work.Len(phase)), newCounts(work.Len(phase))
	}
	return g
}

// enter takes a line into account and reports whether it stays.
func (g *ledger) enter(s *record.Sample) (stays bool, err error) {
	ended := g.ended[s.Phase]
	if s.Index < 0 || s.Index >= len(ended) {
		return false, fmt.Errorf("its log has %s request %d of %d: it is not this run's", s.Phase, s.Index, len(ended))
	}
	g.tokens += tokensOf(s)
	g.requests++
	g.lastNS = max(g.lastNS, s.EndNS)
	if s.Interrupted() {
		g.cancelled++
		return false, nil
	}
	if ended[s.Index] {
		return false, nil
	}
	ended[s.Index] = true
	counts := g.counts[s.Phase]
	counts.Count(s)
	g.counts[s.Phase] = counts
	return true, nil
}

// firstLeft is the first measured request that has not ended.
func (g *ledger) firstLeft() int {
	for i, ended := range g.ended[record.Profiling] {
		if !ended {
			return i
		}
	}
	return len(g.ended[record.Profiling])
}

// readLog enters the level's log. Without one nothing had been sent.
func (p *past) readLog(path string, work *workload.Level) error {
	p.log = newLedger(work)
	bad, err := record.ReadLog(path, func(s *record.Sample) error {
		_, err := p.log.enter(s)
		return err
	})
	p.torn = len(bad)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// finished reports whether a request's line is in the log that the level goes on with.
func (r *levelRun) finished(phase record.Phase, i int) bool {
	return r.kept != nil && r.kept.ended[phase][i]
}

// left is how many requests of a phase are to be sent.
func (r *levelRun) left(phase record.Phase) int {
	if r.kept == nil {
		return r.level.work.Len(phase)
	}
	return r.kept.counts[phase].NotStarted
}

// continueFrom goes on with a level that was cut short: its log without what did not end, its stamps from the start that it had. Across
// the break only the wall clock relates them; whatever that says, no stamp after it comes before one of those before it.
func (r *levelRun) continueFrom(p *past, dir string) error {
	was := &p.record
	if was.BytesSHA256 != r.record.BytesSHA256 {
		return fmt.Errorf("%s: the bodies of its requests are not those that were sent before", r.level.Name)
	}
	if err := r.keepLog(filepath.Join(dir, record.LogFile), was); err != nil {
		return err
	}
	r.record.StartedAt, r.record.Earlier, r.record.Breaks, r.record.ErrorBodies = was.StartedAt, was.Earlier, was.Breaks, was.ErrorBodies
	if r.left(record.Warmup)+r.left(record.Profiling) == 0 {
		return nil
	}
	resumed := max(r.started.Sub(was.StartedAt).Nanoseconds(), p.log.lastNS+1)
	r.epoch = r.started.Add(-time.Duration(resumed))
	b := record.Break{
		AtRequest: r.kept.firstLeft(), FromNS: p.log.lastNS, ToNS: resumed, Kept: r.kept.requests - r.kept.cancelled, SentAgain: r.kept.cancelled,
	}
	if last := len(was.Breaks) - 1; last >= 0 && was.Breaks[last].ToNS > b.FromNS { // nothing ended after it: the two are one
		b.SentAgain += was.Breaks[last].SentAgain
		r.record.Breaks = r.record.Breaks[:last]
	}
	r.record.Breaks = append(r.record.Breaks, b)
	return nil
}

// keepLog writes the log anew with the lines that stay: whole ones, of requests that ended.
func (r *levelRun) keepLog(path string, was *record.Level) (err error) {
	r.kept = newLedger(r.level.work)
	unfinished := filepath.Join(filepath.Dir(path), "."+record.LogFile+".kept")
	log, err := record.CreateLog(unfinished, was.StartedAt)
	if err != nil {
		return err
	}
	_, err = record.ReadLog(path, func(s *record.Sample) error {
		stays, err := r.kept.enter(s)
		if err != nil || !stays {
			return err
		}
		r.record.CountWaits(s)
		return log.Append(s, r.metrics.Of(s))
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err = errors.Join(err, log.Close()); err != nil {
		return errors.Join(err, os.Remove(unfinished))
	}
	return os.Rename(unfinished, path)
}
