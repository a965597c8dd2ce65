// Package reporting turns recorded runs into what people look at: exports in each level's folder, five charts or as many as
// there are, one page and SUMMARY.txt for up to twelve benchmarks.
//
// It depends on files and not on the run that wrote them, so the report of an old folder is, byte for byte, what the run wrote at
// its end; only SUMMARY.txt names the directories it was made from and into.
//
// Rooms: results reads folders, export writes other tools' formats, chart draws pictures, page the HTML, summary the text.
package reporting

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/steady"
	"github.com/llmsweep/llmsweep/reporting/chart"
	"github.com/llmsweep/llmsweep/reporting/export"
	"github.com/llmsweep/llmsweep/reporting/results"
	"github.com/llmsweep/llmsweep/reporting/summary"
)

// File names of a report.
const (
	SummaryFile = "SUMMARY.txt"
	// MarkdownFile is the summary for a pull request.
	MarkdownFile = "SUMMARY.md"
	PageFile     = "report.html"
	BenchFile    = "results.bench"
	TidyFile     = "results.csv"
)

// WriteLevel writes the exports of one recorded level: profile_export.json, profile_export_aiperf.json and .csv, and others that its run asked for. dir is the level's
// folder inside a benchmark's folder of ours. It returns the level's figures.
func WriteLevel(dir string) (*results.Level, error) {
	run, level, err := readStored(dir)
	if err != nil {
		return nil, err
	}
	return level, writeExports(run, level, asked(run))
}

// CompleteLevel is WriteLevel for a level whose exports may be there already: a process that was killed before it wrote all of them left
// some out. Otherwise nothing is written.
func CompleteLevel(dir string) (*results.Level, error) {
	run, level, err := readStored(dir)
	if err != nil {
		return nil, err
	}
	files := []string{record.AggregateFile, record.AggregateTable, record.RequestsFile}
	exports := asked(run)
	if exports.VLLM {
		files = append(files, record.VLLMFile)
	}
	for _, name := range files {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return level, writeExports(run, level, exports)
		}
	}
	return level, nil
}

func readStored(dir string) (*record.Run, *results.Level, error) {
	var run record.Run
	benchmark := filepath.Dir(dir)
	if record.IsRunName(filepath.Base(dir)) {
		benchmark = filepath.Dir(benchmark)
	}
	if err := record.ReadJSON(filepath.Join(benchmark, record.RunFile), &run); err != nil {
		return nil, nil, err
	}
	var stored record.Level
	if err := record.ReadJSON(filepath.Join(dir, record.LevelFile), &stored); err != nil {
		return nil, nil, err
	}
	options, err := results.Options{}.Of(&run)
	if err != nil {
		return nil, nil, err
	}
	level, err := options.ReadLevel(record.LevelDir{Path: dir, Point: stored.Point})
	return &run, level, err
}

// Attribute is one figure for JUnit: a key without blanks, and its value with its unit.
type Attribute struct{ Key, Value string }

// Attributes returns the headline figures of a level: passing tests leave no text in JUnit, but attributes. There are few of them,
// since go test -v prints each on a line of its own.
func Attributes(l *results.Level) []Attribute {
	c := &l.Record.Counts
	requests := fmt.Sprintf("ok=%d failed=%d", c.Outcomes[record.OK], c.Failures())
	if !l.Broken() {
		requests += fmt.Sprintf(" in_flight=%.2f", l.Load.Reached)
	}
	bad := record.FailedOutcomes()
	if c.Interrupted() > 0 {
		bad = append(bad, record.Cancelled)
	}
	if n := c.ByPlan(); n > 0 {
		requests += fmt.Sprintf(" cancelled_by_plan=%d", n)
	}
	attributes := append([]Attribute{{"requests", requests}}, standing(l)...)
	if how := c.Explain(bad...); how != "" {
		attributes = append(attributes, Attribute{"failures", record.Printable(how)})
	}
	for _, r := range l.Results {
		switch r.Tag {
		case "scheduled_time_to_first_token", "time_to_first_token", "inter_token_latency", "scheduled_request_latency", "request_latency":
			attributes = append(attributes, Attribute{r.Tag + "_" + r.Unit, estimates(l, r.Tag)})
		case "slo_attainment":
			attributes = append(attributes, Attribute{r.Tag, attained(l)})
		case "request_throughput", "output_token_throughput", "goodput":
			attributes = append(attributes, Attribute{r.Tag, fmt.Sprintf("%.2f %s", r.Value, r.Unit)})
		}
	}
	if l.Unstreamed {
		const none = "n/a(not streamed)"
		attributes = append(attributes, Attribute{"time_to_first_token_ms", none}, Attribute{"inter_token_latency_ms", none})
	}
	if i := l.Instrument(); i != nil {
		attributes = append(attributes, Attribute{"client", fmt.Sprintf("%s error_ms=%.3f", record.Printable(strings.TrimPrefix(string(i.Verdict), "client ")), i.ErrorMS)})
	}
	return attributes
}

// attained writes how much of a level met its SLO, and what that proves.
func attained(l *results.Level) string {
	share, _ := l.Attained.Share()
	text := fmt.Sprintf("good=%d of=%d share=%.4f", l.Attained.Good, l.Attained.Of, share)
	if bound, ok := l.AtLeast(); ok {
		text += fmt.Sprintf(" at_least=%.4f", bound)
	}
	return text
}

// estimates writes the figures of a metric with their intervals: avg=12.34[12.01,12.67].
func estimates(l *results.Level, tag string) string {
	var texts []string
	for _, w := range l.Within {
		for _, e := range w.Estimates {
			switch {
			case w.Tag != tag:
			case !e.Need.Met():
				texts = append(texts, fmt.Sprintf("%s=n/a(needs %d requests, have %d)", e.Statistic, e.Need.Needs, e.Need.Have))
			case e.HasInterval:
				texts = append(texts, fmt.Sprintf("%s=%.2f[%.2f,%.2f]", e.Statistic, e.Value, e.Interval.Low, e.Interval.High))
			default:
				texts = append(texts, fmt.Sprintf("%s=%.2f", e.Statistic, e.Value))
			}
		}
	}
	return strings.Join(texts, " ")
}

// standing is whether the level is valid, and how its window came out.
func standing(l *results.Level) []Attribute {
	text := string(l.Validity.Standing)
	if why := l.Unusable(); why != "" {
		text = "NOT FINISHED: " + why // whatever the part that ran is
	} else if broken := l.Validity.Broken(true); broken != "" {
		text += ": " + record.Printable(broken)
	}
	attributes := []Attribute{{"validity", text}}
	if l.Window.Verdict == "" {
		return attributes
	}
	if l.Window.Verdict == steady.TooShort { // most levels are, and nothing is wrong
		return attributes
	}
	if l.Settled == nil {
		return append(attributes, Attribute{"window", fmt.Sprintf("%s: %s", l.Window.Verdict, l.Window.Reason)})
	}
	text = fmt.Sprintf("from_s=%.1f to_s=%.1f requests=%d", float64(l.Window.StartNS)/1e9, float64(l.Window.EndNS)/1e9, l.Window.Requests)
	for _, of := range [][2]string{
		{"scheduled_ttft_ms", "scheduled_time_to_first_token"}, {"ttft_ms", "time_to_first_token"}, {"itl_ms", "inter_token_latency"}, {"latency_ms", "request_latency"}, {"tok_s", "output_token_throughput"},
		{"req_s", "request_throughput"},
	} {
		if v, ok := l.Settled.Get(of[1], "avg"); ok {
			text += fmt.Sprintf(" %s=%.2f", of[0], v)
		}
	}
	return append(attributes, Attribute{"window", text})
}

// PrintTable writes the headline table of one benchmark, the intervals of its figures, and its warnings, in 80 columns for usual figures.
func PrintTable(w io.Writer, dataDir, name string) error {
	b, err := results.Read(dataDir, name)
	if err != nil {
		return err
	}
	fmt.Fprintln(w)
	summary.Table(w, b)
	summary.Goodput(w, b)
	summary.WithinBrief(w, b)
	summary.Over(w, b)
	if drift := b.Drift(); drift != "" {
		fmt.Fprintf(w, "\ndrift: %s\n", drift)
	}
	for _, warning := range b.Warnings {
		fmt.Fprintln(w, "warning:", warning)
	}
	return nil
}

// Inputs says what a report is made of.
type Inputs struct {
	DataDir string
	Names   []string // benchmarks, in the order of the legends; none: all in DataDir, by name
	// Exports writes the exports of our own benchmarks anew, beside their recordings. A sweep has written its own, and must not touch
	// those of another that may still be running.
	Exports bool
	// Export says which formats there are beside AIPerf's; nil: those that the runs asked for.
	Export   *record.Exports
	Markdown bool // writes SUMMARY.md too
	// Metrics are the reader's own, computed from the recordings of ours. Exports, results.csv and tables have them.
	Metrics []metric.Metric
	// Charts makes the reader's own charts, which page and folder have after the others; nil: there are none. Their files have names of their own.
	Charts func([]*results.Benchmark) []chart.Chart
	// SLO stands in place of each run's own objectives; nil: those.
	SLO metric.SLO
	// Definitions is whose formulas the tables follow; "" is what each run asked for.
	Definitions metric.Convention
	// Formats are those in which all charts are drawn as pictures; without any, the five of the guide are, as PNG. A picture that is there already is drawn anew.
	Formats []record.Format
}

// Report is what Write made.
type Report struct {
	Benchmarks []*results.Benchmark
	Files      []string // paths of the charts, page and summary
	Warnings   []string

	gates map[string][]*summary.Gate // of its benchmarks, by their names
}

// NoDataError says that there is nothing to report on, and what there would be.
type NoDataError struct {
	DataDir  string
	Missing  []string // names asked for that do not exist
	Existing []string
}

// Error names what exists.
func (e *NoDataError) Error() string {
	text := fmt.Sprintf("no benchmark results in %q", e.DataDir)
	if len(e.Missing) > 0 {
		text = fmt.Sprintf("no benchmark %s in %q", quoted(e.Missing), e.DataDir)
	}
	if len(e.Existing) > 0 {
		return text + "; there are: " + record.Printable(strings.Join(e.Existing, ", "))
	}
	if levels, err := record.LevelDirs(e.DataDir); err == nil && len(levels) > 0 {
		return text + "; it looks like one benchmark: give the directory above it"
	}
	if block := anyBlock(e.DataDir); block != "" {
		return text + "; it holds a comparison: give one of its blocks, such as " + block
	}
	return text
}

func quoted(names []string) string {
	q := make([]string, len(names))
	for i, name := range names {
		q[i] = fmt.Sprintf("%q", name)
	}
	return strings.Join(q, ", ")
}

// TooManyError names benchmarks beyond the twelve that charts can tell apart.
type TooManyError struct{ Names []string }

// Error lists them.
func (e *TooManyError) Error() string {
	return fmt.Sprintf("%d benchmarks, but charts can tell only %d apart: choose with -benchmark-name from: %s", len(e.Names), chart.MaxSeries, record.Printable(strings.Join(e.Names, ", ")))
}

// Write reads the benchmarks and writes charts, page and SUMMARY.txt to dir.
func Write(dir string, in Inputs) (*Report, error) {
	names, err := choose(in)
	if err != nil {
		return nil, err
	}
	if err := metric.Validate(in.Metrics); err != nil {
		return nil, err
	}
	report := &Report{}
	for _, name := range names {
		b, err := results.Options{SLO: in.SLO, Metrics: in.Metrics}.Read(in.DataDir, name)
		if err != nil {
			return nil, err
		}
		if len(b.Levels) == 0 {
			report.Warnings = append(report.Warnings, fmt.Sprintf("%s left out: no level of it can be read", name))
			report.Warnings = append(report.Warnings, b.Warnings...)
			continue
		}
		if in.Definitions != "" {
			b.Follow(in.Definitions)
		}
		report.Benchmarks = append(report.Benchmarks, b)
	}
	if len(report.Benchmarks) == 0 {
		existing, _ := results.Names(in.DataDir)
		return report, fmt.Errorf("%w\n%s", &NoDataError{DataDir: in.DataDir, Existing: existing}, strings.Join(report.AllWarnings(), "\n"))
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return report, fmt.Errorf("creating the report's folder: %w", err)
	}
	return report, report.write(dir, in)
}

// choose returns the names to report on, in order.
func choose(in Inputs) ([]string, error) {
	existing, err := results.Names(in.DataDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("data-dir %q does not exist", in.DataDir)
	}
	if err != nil {
		return nil, fmt.Errorf("data-dir %q: %w", in.DataDir, err)
	}
	names := in.Names
	if len(names) == 0 {
		names = existing
	}
	var missing []string
	var chosen []string
	for _, name := range names {
		if !slices.Contains(existing, name) {
			missing = append(missing, name)
		} else if !slices.Contains(chosen, name) {
			chosen = append(chosen, name)
		}
	}
	if len(missing) > 0 || len(chosen) == 0 {
		return nil, &NoDataError{DataDir: in.DataDir, Missing: missing, Existing: existing}
	}
	if len(chosen) > chart.MaxSeries {
		return nil, &TooManyError{Names: chosen}
	}
	return chosen, nil
}

func (r *Report) write(dir string, in Inputs) error {
	r.rewriteExports(in)
	r.readGates(in.DataDir)
	pictures, warnings := charts(r.Benchmarks)
	further := furtherCharts(r.Benchmarks)
	pictures, err := in.withOwn(pictures, further, r.Benchmarks)
	if err != nil {
		return err
	}
	r.Warnings = append(append(r.Warnings, differences(r.Benchmarks)...), warnings...)
	plots := make([]string, 0, len(pictures))
	var files []file
	for _, c := range pictures {
		plots = append(plots, c.File)
		files = append(files, file{c.File, c.WritePNG})
	}
	all := slices.Concat(pictures, further)
	want := func(format record.Format, name string, write func(io.Writer) error) {
		_, err := os.Stat(filepath.Join(dir, name)) // one of an earlier report would show what is no more
		if err == nil || slices.Contains(in.Formats, format) {
			files = append(files, file{name, write})
		}
	}
	for _, c := range all[len(pictures):] {
		want(record.PNG, c.File, c.WritePNG)
	}
	for _, c := range all {
		want(record.SVG, strings.TrimSuffix(c.File, ".png")+".svg", c.WriteSVG)
	}
	files = append(files, file{PageFile, func(w io.Writer) error { return htmlPage(r, all).Write(w) }})
	formats := r.formats(in)
	if formats.Benchfmt {
		files = append(files, file{BenchFile, func(w io.Writer) error { return export.Bench(w, r.Benchmarks) }})
	}
	if formats.CSV {
		files = append(files, file{TidyFile, func(w io.Writer) error { return export.Tidy(w, r.Benchmarks) }})
	}
	input := summary.Input{DataDir: in.DataDir, OutputDir: dir, Benchmarks: r.Benchmarks, Plots: plots, Warnings: r.Warnings, Commands: commands(r.Benchmarks), Gates: r.gates}
	if in.Markdown {
		files = append(files, file{MarkdownFile, func(w io.Writer) error { return summary.Markdown(w, input) }})
	}
	return r.put(dir, append(files, file{SummaryFile, func(w io.Writer) error { return summary.Write(w, input) }}))
}

// file is one of a report: its name, and what it holds.
type file struct {
	name  string
	write func(io.Writer) error
}

// put writes the files, a few at a time, and lists them in their order.
func (r *Report) put(dir string, files []file) error {
	failures := make([]error, len(files))
	results.InParallel(len(files), func(i int) {
		failures[i] = rewrite(filepath.Join(dir, files[i].name), files[i].write)
	})
	for i, f := range files {
		if failures[i] == nil {
			r.Files = append(r.Files, filepath.Join(dir, f.name))
		}
	}
	return errors.Join(failures...)
}

// AllWarnings returns the report's own warnings and those of its benchmarks.
func (r *Report) AllWarnings() []string {
	all := slices.Clone(r.Warnings)
	for _, b := range r.Benchmarks {
		for _, w := range b.Warnings {
			all = append(all, b.Name+": "+w)
		}
	}
	for i, w := range all { // names are those of folders
		all[i] = record.Printable(w)
	}
	return all
}
