package reporting

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"

	"github.com/llmsweep/llmsweep/harness/compare"
	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/reporting/results"
	"github.com/llmsweep/llmsweep/reporting/summary"
)

// Judgeable reads a recorded benchmark for package compare. Levels that were planned or have a folder, and cannot be read, are there
// without figures: a gate must not pass for want of data. slo, where there is one, stands in place of the run's own.
func Judgeable(dir string, slo metric.SLO) (compare.Run, error) {
	dataDir, name := filepath.Split(filepath.Clean(dir))
	if dataDir == "" {
		dataDir = "."
	}
	b, err := results.Options{SLO: slo}.Read(dataDir, name)
	if errors.Is(err, fs.ErrNotExist) {
		if _, missing := choose(Inputs{DataDir: filepath.Clean(dataDir), Names: []string{name}}); missing != nil {
			return compare.Run{}, missing // it knows which benchmarks there are
		}
	}
	if err != nil {
		return compare.Run{}, fmt.Errorf("%s: %w", dir, err)
	}
	run := compare.Run{Name: name, Record: b.Run, Workload: map[string]string{}}
	read := map[record.Point]bool{}
	sources := map[record.TokenSource]bool{}
	for i := range b.Levels {
		l := &b.Levels[i]
		read[l.Point] = true
		level := compare.Level{Name: l.Name(), Figures: judged(l), Unfinished: cmp.Or(l.Unusable(), lost(b, l))}
		if i := l.Instrument(); i != nil {
			level.Client, level.ErrorMS = record.ClientVerdict(record.Printable(string(i.Verdict))), i.ErrorMS
		}
		level.Cache = l.Cache
		level.Invalid = record.Printable(l.Validity.Broken(false)) // the client's verdict is there already
		if l.Record != nil {
			run.Workload[level.Name], level.Transport = l.Record.WorkloadSHA256, record.Printable(l.Record.Transport)
		}
		run.Levels = append(run.Levels, level)
		for source := range l.TokenSources {
			sources[source] = true
		}
	}
	planned := b.Unread
	if b.Run != nil {
		planned = append(planned, b.Run.Plan.Points()...)
	}
	for _, at := range planned {
		if !read[at] {
			read[at] = true
			run.Levels = append(run.Levels, compare.Level{Name: at.Name(), Unfinished: "it has no results that can be read"})
		}
	}
	for _, source := range []record.TokenSource{record.FromServer, record.FromTokenizer, record.FromChunks} {
		if sources[source] {
			run.Source += source + " "
		}
	}
	if len(b.Levels) == 0 {
		return run, fmt.Errorf("%s: %w", dir, &NoDataError{DataDir: dataDir, Missing: []string{name}})
	}
	return run, nil
}

// judged are the figures of a level for a gate. Requests that were cancelled as planned are no errors there, though AIPerf counts them.
func judged(l *results.Level) compare.Figures {
	if l.Record == nil || l.Record.Counts.ByPlan() == 0 {
		return compare.Figures(l.Figures)
	}
	const tag = "error_request_count"
	figures := maps.Clone(l.Figures)
	delete(figures, tag)
	c := &l.Record.Counts
	if errors := c.Failures() + c.Interrupted(); errors > 0 {
		figures[tag] = map[string]float64{"avg": float64(errors) / float64(max(1, len(l.Usable())))} // of one run
	}
	return compare.Figures(figures)
}

// lost says which runs of a repeated level are missing in its figures: a gate must not pass by leaving out a run that failed.
func lost(b *results.Benchmark, l *results.Level) string {
	if b.Run == nil {
		return ""
	}
	return l.Lost(b.Run.Plan.Repeats)
}

// AppendFindings appends a gate's verdicts as Markdown to a file, such as the one that GitHub names for a job's summary; "" is none.
func AppendFindings(path string, findings []compare.Finding) error {
	if path == "" {
		return nil
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("writing the gate's summary: %w", err)
	}
	return errors.Join(summary.Findings(file, findings), file.Close())
}
