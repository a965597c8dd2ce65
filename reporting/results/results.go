// Package results reads recorded benchmarks, ours or other tools', into figures that tables and charts are made of. It depends on
// files only: what it reads from a folder years later is what the run itself read at its end.
//
// A folder of ours has the event log, from which every figure is computed again; stored aggregates are not looked at. Of AIPerf,
// GenAI-Perf and vllm bench serve there are aggregates only. What cannot be read is left out with a warning.
package results

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/stat"
	"github.com/llmsweep/llmsweep/harness/steady"
)

// Benchmark is one folder of results.
type Benchmark struct {
	Name string
	Run  *record.Run // nil for a folder that another tool wrote
	SLO  metric.SLO  // by which its goodput is; nil: it has none
	// Own are the reader's own metrics.
	Own []metric.Definition
	// Convention is whose formulas the levels' tables follow: see Follow.
	Convention metric.Convention
	Levels     []Level // by ascending concurrency
	Warnings   []string
	Unread     []record.Point // levels whose folder could not be read
}

// GPUs returns the number of GPUs behind the endpoint, and whether it was only assumed.
func (b *Benchmark) GPUs() (n int, assumed bool) {
	if b.Run == nil || b.Run.Plan.GPUs < 1 {
		return 1, true
	}
	return b.Run.Plan.GPUs, b.Run.Plan.GPUsAssumed
}

// Open reports whether the levels are those of an open loop.
func (b *Benchmark) Open() bool { return len(b.Levels) > 0 && b.Levels[0].Point.Open() }

// Level is one point of a sweep.
type Level struct {
	Dir string
	record.Point
	Record    *record.Level   // nil for another tool's
	Tally                     // of the samples in its log
	Goodput                   // by the SLO of its run, or the reader's
	Results   []metric.Result // of these
	Load      steady.Load     // of these
	Window    steady.Window   // in which the level was steady
	Settled   Figures         // over the window: latencies and throughputs by AIPerf's formulas; nil without one
	Validity  steady.Validity // of ours
	Server    *Told           // what the server told of itself; nil: nothing
	GPU       *Told           // what its GPUs did
	Figures   Figures         // by AIPerf's definitions, as in the files
	Shown     Figures         // by the benchmark's Convention, for its table
	Native    Figures         // of vllm bench serve: under its own keys, by its own formulas
	Within    []Within        // the Figures that have intervals, with these
	Runs      []Level         // of a level that was measured several times, in their order; the figures above are over them
	Over      []Over          // the Figures that have an interval over runs, or would with more of them
	Sentinel  *Level          // the run at the end of the first level, to be held against its first; nil: none
	Cancelled bool            // of another tool's: the run was cancelled
	Source    Tool            // that recorded it; "" is ours
	// Of a level whose own log was read; one that was measured several times has none, but each of its Runs has: see Sampled.
	Distributions map[string]Distribution // by tag: of those of Tags that have values
	Timeline      Timeline
	Warnings      []string

	busy float64 // mean number of slots that had a request in flight, or one that waited for a place: Load.Reached where none did
}

// Unusable says why the level's figures should not stand beside others, or "": it failed, or was stopped or killed in its middle, and
// its figures are of the requests that ended first, the quickest ones. A level that a cap ended drained, and is none of these.
func (l *Level) Unusable() string {
	switch {
	case l.Cancelled:
		return "its run was cancelled"
	case l.Record == nil:
		return ""
	case l.Record.Status == record.Running:
		return "its run was killed"
	case l.Record.Status == record.Failed:
		return "it failed: " + record.Printable(l.Record.Reason)
	case l.Record.Status == record.Interrupt:
		return "it was stopped: " + record.Printable(l.Record.Reason)
	case l.Broken():
		return "it was continued after a break"
	}
	return ""
}

// Broken reports whether the level was continued after a break: it has no throughput and no plateau, since it was not loaded all the time.
func (l *Level) Broken() bool { return l.Record != nil && len(l.Record.Breaks) > 0 }

// Instrument is what the client knew of itself, or nil.
func (l *Level) Instrument() *record.Instrument {
	if l.Record == nil {
		return nil
	}
	return l.Record.Instrument
}

// Judged lists the loads of the levels whose client has the verdict, or "". Those of all levels stand for the verdict "".
func (b *Benchmark) Judged(verdict record.ClientVerdict) string {
	return b.Loads(func(l *Level) bool { return verdict == "" || l.Record.Client() == verdict })
}

// Loads lists the loads of the levels of which something holds, or is "".
func (b *Benchmark) Loads(of func(*Level) bool) string {
	var levels []string
	for i := range b.Levels {
		if of(&b.Levels[i]) {
			levels = append(levels, b.Levels[i].Value())
		}
	}
	return strings.Join(levels, ", ")
}

// Figures holds statistics by metric tag and name of the statistic: avg, p50, p99, count and so on.
type Figures map[string]map[string]float64

// Get returns one statistic, if it exists.
func (f Figures) Get(tag, statistic string) (float64, bool) {
	v, ok := f[tag][statistic]
	return v, ok
}

// Percentile returns a percentile if the sample reaches its floor (stat.Floor); below it the figure is not worth printing.
func (f Figures) Percentile(tag string, q float64) (float64, bool) {
	n, ok := f.Get(tag, "count")
	if !ok {
		n = f["request_count"]["avg"] // AIPerf before schema 1.1
	}
	v, ok := f.Get(tag, fmt.Sprintf("p%g", q))
	return v, ok && int(n) >= stat.Floor(q)
}

// Statistics returns the statistics of a distribution by AIPerf's names.
func Statistics(s stat.Summary) map[string]float64 {
	return map[string]float64{
		"avg": s.Avg, "min": s.Min, "max": s.Max, "std": s.Std, "sum": s.Sum, "count": float64(s.Count),
		"p1": s.P1, "p5": s.P5, "p10": s.P10, "p25": s.P25, "p50": s.P50, "p75": s.P75, "p90": s.P90, "p95": s.P95, "p99": s.P99,
	}
}

// Options are what a reader wants to know beyond what the runs asked for.
type Options struct {
	SLO     metric.SLO      // nil: each run's own
	Metrics []metric.Metric // of the reader's own
}

// Of are the options for the recordings of a run: its own SLO where the reader has none.
func (o Options) Of(run *record.Run) (Options, error) {
	if len(o.SLO) > 0 {
		return o, nil
	}
	var err error
	if o.SLO, err = metric.ParseSLO(run.Plan.SLO); err != nil {
		return o, fmt.Errorf("slo of its run.json: %w", err)
	}
	return o, nil
}

// Read is Options.Read without options.
func Read(dataDir, name string) (*Benchmark, error) { return Options{}.Read(dataDir, name) }

// Read reads the benchmark of the given name in dataDir. Levels that cannot be read are warnings.
func (o Options) Read(dataDir, name string) (*Benchmark, error) {
	b := &Benchmark{Name: name}
	for _, m := range o.Metrics {
		b.Own = append(b.Own, m.Definition)
	}
	dataDir = filepath.Clean(dataDir)
	dir := filepath.Join(dataDir, name)
	dirs, err := record.LevelDirs(dir)
	if err != nil {
		return nil, err
	}
	var run record.Run
	switch err := record.ReadJSON(filepath.Join(dir, record.RunFile), &run); {
	case err == nil:
		b.Run = &run
		b.Warnings = append(b.Warnings, run.Warnings...)
		for _, resume := range run.Resumes {
			b.Warnings = append(b.Warnings, resume.String())
		}
		if o, err = o.Of(&run); err != nil {
			b.Warnings = append(b.Warnings, err.Error()+": it has no goodput")
		}
		b.SLO = o.SLO
	case !errors.Is(err, fs.ErrNotExist):
		b.Warnings = append(b.Warnings, relative(err, dir))
	}
	levels, failures := o.readLevels(b, dirs)
	for i, d := range dirs {
		level := levels[i]
		if err := failures[i]; err != nil {
			b.Unread = append(b.Unread, d.Point)
			b.Warnings = append(b.Warnings, fmt.Sprintf("%s skipped: %s", filepath.Base(d.Path), relative(err, dir)))
			continue
		}
		b.Levels = append(b.Levels, *level)
		for _, w := range level.Warnings {
			b.Warnings = append(b.Warnings, d.Name()+": "+w)
		}
	}
	b.warnOfDrift()
	for i, w := range b.Warnings { // they quote servers and files
		b.Warnings[i] = record.Printable(w)
	}
	b.Follow(b.planned())
	return b, nil
}

// relative takes the benchmark's folder out of a message: where a report was made must not show in it.
func relative(err error, dir string) string {
	return strings.ReplaceAll(err.Error(), dir+string(os.PathSeparator), "")
}

func (o Options) readLevel(b *Benchmark, d record.LevelDir) (*Level, error) {
	if b.Run == nil {
		return readForeign(d, len(o.SLO) > 0)
	}
	runs, sentinel, err := record.RunDirs(d)
	if err != nil {
		return nil, err
	}
	if len(runs) > 0 {
		return o.readRuns(d, runs, sentinel, b.Run.Plan.Repeats)
	}
	return o.ReadLevel(d)
}

// ReadLevel is Options.ReadLevel without options.
func ReadLevel(d record.LevelDir) (*Level, error) { return Options{}.ReadLevel(d) }

// ReadLevel reads a level of ours and computes its figures.
func (o Options) ReadLevel(d record.LevelDir) (*Level, error) {
	l := &Level{Dir: d.Path, Point: d.Point, Record: new(record.Level)}
	if err := record.ReadJSON(filepath.Join(d.Path, record.LevelFile), l.Record); err != nil {
		return nil, err
	}
	defer thrift(filepath.Join(d.Path, record.LogFile))()
	accumulator := l.accumulator(metric.AIPerf)
	accumulator.With(o.Metrics)
	accumulator.Objectives(o.SLO)
	var verdicts verdicts
	l.Tally = NewTally()
	intervals := newSpread()
	bad, err := l.eachSample(func(s *record.Sample) {
		accumulator.Add(s)
		if len(o.SLO) > 0 {
			verdicts.add(s, accumulator.Good(s))
		}
		l.Tally.Add(s)
		intervals.add(s)
	})
	if err != nil {
		return nil, err
	}
	l.rank()
	if l.Record.Status == record.Running {
		l.recount()
	}
	// The log is in the order in which requests ended, which two virtual runs share but two real ones never do.
	if len(o.SLO) > 0 {
		accumulator.NotStarted(l.Record.Counts.NotStarted, l.endedByPlan())
		l.Goodput = verdicts.goodput(o.SLO, accumulator.Attained())
	}
	l.Results = accumulator.Results()
	l.Figures = figuresOf(l.Results)
	if err := l.settle(intervals); err != nil {
		return nil, err
	}
	l.Within = intervals.within(l.Figures)
	unread := l.readTold()
	l.Distributions = intervals.distributions(l.tags())
	l.judge()
	l.Warnings = append(levelWarnings(l, bad), unread...)
	return l, nil
}

// eachSample reads the level's log. What it cannot use are warnings.
func (l *Level) eachSample(use func(*record.Sample)) (bad []error, err error) {
	return record.ReadLog(filepath.Join(l.Dir, record.LogFile), func(s *record.Sample) error {
		use(s)
		return nil
	})
}

// accumulator starts the level under a convention.
func (l *Level) accumulator(c metric.Convention) *metric.Accumulator {
	a := c.Accumulator(l.Record.StartedAt)
	if l.Broken() {
		a.Break()
	}
	return a
}

// recount makes the counts of a killed run, which were never written, from its log.
func (l *Level) recount() {
	for _, c := range []struct{ stored, counted *record.Counts }{{&l.Record.Counts, &l.measured}, {&l.Record.Warmup, &l.warmup}} {
		c.counted.Planned, c.counted.NotStarted = c.stored.Planned, c.stored.NotStarted+c.counted.NotStarted
		*c.stored = *c.counted
	}
	l.Record.EndedNS = max(l.Record.EndedNS, l.endNS)
}

func levelWarnings(l *Level, bad []error) []string {
	var warnings []string
	switch l.Record.Status {
	case record.Running:
		warnings = append(warnings, "the run was killed: what its log holds is shown")
	case record.Failed:
		warnings = append(warnings, "failed: "+l.Record.Reason)
	case record.Capped, record.Interrupt:
		warnings = append(warnings, "stopped: "+l.Record.Reason)
	}
	for _, b := range l.Record.Breaks {
		warnings = append(warnings, b.String())
	}
	if l.Broken() {
		warnings = append(warnings, "throughput, duration and plateau are left out: no load ran during the break; what the client knew of itself is of the part after it")
	}
	warnings = append(warnings, l.Record.Warnings...)
	warnings = append(warnings, l.standingWarnings()...)
	warnings = append(warnings, l.answerWarnings()...)
	for i, err := range bad {
		var line *record.LineError
		if errors.As(err, &line) {
			warnings = append(warnings, fmt.Sprintf("%s:%d skipped: %v", record.LogFile, line.Line, line.Err))
		}
		if i == 4 && len(bad) > 5 {
			return append(warnings, fmt.Sprintf("%s: %d more lines skipped", record.LogFile, len(bad)-5))
		}
	}
	return warnings
}

// Names lists the benchmarks in dataDir by name: folders with at least one level folder. plots and hidden folders are none.
func Names(dataDir string) ([]string, error) {
	entries, err := os.ReadDir(dataDir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		if strings.EqualFold(entry.Name(), "plots") || strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		if dirs, err := record.LevelDirs(filepath.Join(dataDir, entry.Name())); err == nil && len(dirs) > 0 {
			names = append(names, entry.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}
