package reporting

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/reporting/chart"
	"github.com/llmsweep/llmsweep/reporting/export"
	"github.com/llmsweep/llmsweep/reporting/results"
)

// asked are the formats that a run asked for. What this version does not know is the default's.
func asked(run *record.Run) record.Exports {
	exports, err := record.ParseExports(run.Plan.Export)
	if err != nil {
		exports, _ = record.ParseExports("")
	}
	return exports
}

func writeExports(run *record.Run, l *results.Level, exports record.Exports) error {
	var more error
	if exports.VLLM {
		more = rewrite(filepath.Join(l.Dir, record.VLLMFile), func(w io.Writer) error { return export.VLLM(w, run, l) })
	}
	return errors.Join(more,
		rewrite(filepath.Join(l.Dir, record.AggregateFile), func(w io.Writer) error { return export.Aggregate(w, run, l) }),
		rewrite(filepath.Join(l.Dir, record.AggregateTable), func(w io.Writer) error { return export.Table(w, l) }),
		rewrite(filepath.Join(l.Dir, record.RequestsFile), func(w io.Writer) error {
			return export.Requests(w, l)
		}),
	)
}

func rewrite(path string, write func(io.Writer) error) error { return record.WriteFile(path, write) }

// rewriteExports writes what can be computed from the recordings: all of it, or only what is over the runs of a level, which no single run could
// write. A folder that cannot be written to is a warning: its figures are in the report all the same.
func (r *Report) rewriteExports(in Inputs) {
	for _, b := range r.Benchmarks {
		if b.Run == nil {
			continue
		}
		failures := make([]error, len(b.Levels))
		results.InParallel(len(b.Levels), func(i int) { failures[i] = rewriteLevel(b.Run, &b.Levels[i], in) })
		i := slices.IndexFunc(failures, func(err error) bool { return err != nil })
		if i < 0 {
			continue
		}
		err := failures[i]
		var reason syscall.Errno
		if errors.As(err, &reason) {
			err = reason // without the path, so that a report does not show where it was made
		}
		r.Warnings = append(r.Warnings, fmt.Sprintf("%s: %s: its exports are not rewritten: %v", b.Name, b.Levels[i].Name(), err))
	}
}

func rewriteLevel(run *record.Run, l *results.Level, in Inputs) error {
	var failures []error
	if len(l.Runs) > 0 {
		failures = append(failures,
			rewrite(filepath.Join(l.Dir, record.OverRunsFile), func(w io.Writer) error { return export.Runs(w, run, l) }),
			rewrite(filepath.Join(l.Dir, record.OverRunsTable), func(w io.Writer) error { return export.RunsTable(w, l) }),
		)
	}
	if in.Exports {
		for _, recorded := range l.Recorded() {
			failures = append(failures, writeExports(run, recorded, in.formats(run)))
		}
	}
	return errors.Join(failures...)
}

// formats are those beside AIPerf's, of a run.
func (in Inputs) formats(run *record.Run) record.Exports {
	if in.Export != nil {
		return *in.Export
	}
	return asked(run)
}

// formats are those of the files that are about all benchmarks: what any of them asks for. Benchmarks of other tools ask for the default.
func (r *Report) formats(in Inputs) record.Exports {
	var all record.Exports
	for _, b := range r.Benchmarks {
		run := b.Run
		if run == nil {
			run = &record.Run{}
		}
		e := in.formats(run)
		all.Benchfmt, all.CSV = all.Benchfmt || e.Benchfmt, all.CSV || e.CSV
	}
	return all
}

// withOwn adds the reader's own charts. None of them takes the place of another file of the report.
func (in Inputs) withOwn(pictures, further []chart.Chart, benchmarks []*results.Benchmark) ([]chart.Chart, error) {
	if in.Charts == nil {
		return pictures, nil
	}
	taken := map[string]bool{}
	for _, c := range slices.Concat(pictures, further) {
		taken[c.File] = true
	}
	for _, c := range in.Charts(benchmarks) {
		switch {
		case c.File == "" || c.File != filepath.Base(c.File) || !strings.HasSuffix(c.File, ".png"):
			return nil, fmt.Errorf("chart %q: file %q: must be the name of a PNG file", c.Title, c.File)
		case taken[c.File]:
			return nil, fmt.Errorf("chart %q: file %q: another chart has it", c.Title, c.File)
		}
		taken[c.File] = true
		pictures = append(pictures, c)
	}
	return pictures, nil
}

// commands measure benchmarks again, by their names.
func commands(benchmarks []*results.Benchmark) map[string]string {
	all := map[string]string{}
	for _, b := range benchmarks {
		if b.Run != nil {
			all[b.Name] = export.Command(b.Run)
		}
	}
	return all
}
