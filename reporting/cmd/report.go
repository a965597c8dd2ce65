// Package cmd is the report command without its process, so that two programs can be it: cmd/report, and the container image's
// bench.test under the name report.
package cmd

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/reporting"
)

// names is a flag that may be repeated.
type names []string

// String is the flag's text, as package flag wants it.
func (n *names) String() string { return fmt.Sprint(*n) }

// Set adds a name.
func (n *names) Set(name string) error {
	*n = append(*n, name)
	return nil
}

// Report writes charts, page and summary of the benchmarks that args name, and returns the exit code: 1 where there is nothing to report
// on or no place to write it, 2 for bad usage. The paths of the report's files go to stdout.
func Report(stdout, stderr io.Writer, args []string) int {
	var chosen names
	fs := flag.NewFlagSet("report", flag.ContinueOnError)
	fs.SetOutput(stderr)
	dataDir := fs.String("data-dir", "", "`DIR` with one folder a benchmark, ours or AIPerf's (required)")
	outputDir := fs.String("output-dir", "", "`DIR` for charts, page and summary (default DATA-DIR/plots)")
	fs.Var(&chosen, "benchmark-name", "`NAME` of a benchmark to report on; repeat it for several, in the order of the legend (default all, by name)")
	definitions := fs.String("definitions", "", "`NAME` of the tool whose formulas the tables follow: aiperf, vllm or guidellm (default what each run asked for)")
	exports := fs.String("export", "", "`LIST` of formats beside AIPerf's: benchfmt, csv, vllm, or none (default what each run asked for)")
	markdown := fs.Bool("markdown", false, "write SUMMARY.md too, for a pull request")
	slo := fs.String("slo", "", "`OBJECTIVES` that a good request keeps to, as \"time_to_first_token:500 inter_token_latency:50\" (default what each run asked for)")
	formats := fs.String("formats", "", "`LIST` of png and svg: write all charts as pictures too (default the five of the guide, as PNG)")
	fs.Usage = func() {
		fmt.Fprint(stderr, "Usage: report -data-dir DIR [-benchmark-name NAME ...] [-output-dir DIR] [-formats png,svg]\n\nWrites five charts, report.html and SUMMARY.txt.\n\n")
		fs.PrintDefaults()
	}
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	usage := func(format string, values ...any) int {
		fmt.Fprintf(stderr, "report: "+format+"\n", values...)
		return 2
	}
	convention, known := metric.ParseConvention(*definitions)
	objectives, sloErr := metric.ParseSLO(*slo)
	written, exportErr := record.ParseExports(*exports)
	pictures, drawn := record.ParseFormats(*formats)
	switch {
	case fs.NArg() > 0:
		return usage("unexpected argument %q", fs.Arg(0))
	case *dataDir == "":
		return usage("-data-dir is missing")
	case !known:
		return usage("-definitions %q: must be aiperf, vllm or guidellm", *definitions)
	case exportErr != nil:
		return usage("-export %q: %v", *exports, exportErr)
	case sloErr != nil:
		return usage("-slo %q: %s", *slo, strings.ReplaceAll(sloErr.Error(), "\n", "; "))
	case !drawn:
		return usage("-formats %q: %s", *formats, record.FormatsWanted)
	case *outputDir == "":
		*outputDir = filepath.Join(*dataDir, "plots")
	}
	if *definitions == "" {
		convention = "" // each run's own
	}
	in := reporting.Inputs{DataDir: *dataDir, Names: chosen, Exports: true, Markdown: *markdown, Definitions: convention, SLO: objectives, Formats: pictures}
	if *exports != "" {
		in.Export = &written
	}
	return write(stdout, stderr, *outputDir, in)
}

// write makes the report, and returns the exit code.
func write(stdout, stderr io.Writer, dir string, in reporting.Inputs) int {
	report, err := reporting.Write(dir, in)
	if report != nil {
		for _, w := range report.AllWarnings() {
			fmt.Fprintln(stderr, "warning:", w)
		}
	}
	if err != nil {
		fmt.Fprintln(stderr, "report:", err)
		return 1
	}
	for _, path := range report.Files {
		fmt.Fprintln(stdout, path)
	}
	return 0
}
