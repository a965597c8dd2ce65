// Package summary writes SUMMARY.txt and the table that a sweep prints at its end: plain ASCII, for people and for grep.
//
// SUMMARY.txt begins with the block of Dynamo's benchmarking guide, whose readers parse it. Then comes, for each benchmark, first whether its figures stand for
// anything, then what was measured, then the figures with what they are worth, then what became of all requests; for several, one comparison table; how
// exact the client was; warnings; how to measure it again; and what the columns mean. Below the guide's block no line is wider than 100 columns, and all
// is ASCII.
package summary

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/reporting/results"
)

// Input is what a summary is made of.
type Input struct {
	DataDir, OutputDir string
	Benchmarks         []*results.Benchmark
	Commands           map[string]string  // that measure a benchmark again, by its name
	Plots              []string           // file names of the charts
	Warnings           []string           // of the report itself
	Gates              map[string][]*Gate // what gates said of a benchmark, by its name
}

// Write writes SUMMARY.txt.
func Write(w io.Writer, in Input) error {
	var b strings.Builder
	guideBlock(&b, in)
	for _, benchmark := range in.Benchmarks {
		writeHead(&b, benchmark.Name)
		facts := Facts(benchmark)
		writeFact(&b, facts[0][0], facts[0][1]) // the verdict
		for _, g := range in.Gates[benchmark.Name] {
			writeFact(&b, "Gate", g.Fact())
		}
		b.WriteString("\n")
		validity(&b, benchmark)
		for _, fact := range facts[1:] {
			writeFact(&b, fact[0], fact[1])
		}
		b.WriteString("\n")
		Table(&b, benchmark)
		Goodput(&b, benchmark)
		Own(&b, benchmark)
		Within(&b, benchmark)
		Over(&b, benchmark)
		windows(&b, benchmark)
		told(&b, benchmark)
		outcomes(&b, benchmark)
	}
	if len(in.Benchmarks) > 1 {
		writeHead(&b, "Comparison")
		writeComparison(&b, in.Benchmarks)
	}
	instruments(&b, in.Benchmarks)
	writeWarnings(&b, in)
	repeat(&b, in)
	b.WriteString("\n\n" + legend + "\n")
	if anyOpen(in.Benchmarks) {
		b.WriteString(openLegend + "\n")
	}
	if slices.ContainsFunc(in.Benchmarks, func(b *results.Benchmark) bool { return len(b.SLO) > 0 }) {
		b.WriteString(goodputLegend + "\n")
	}
	if slices.ContainsFunc(in.Benchmarks, func(b *results.Benchmark) bool { return len(ToldTables(b)) > 0 }) {
		b.WriteString(toldLegend + "\n")
	}
	if slices.ContainsFunc(in.Benchmarks, cancels) {
		b.WriteString(cancelLegend + "\n")
	}
	explainOthers(&b, in.Benchmarks)
	_, err := io.WriteString(w, strings.TrimRight(b.String(), "\n")+"\n")
	return err
}

// guideBlock is the layout of the guide's own summary, whose readers parse it: its lines are as long as what they name.
func guideBlock(b *strings.Builder, in Input) {
	fmt.Fprintf(b, "Benchmark Results Summary\n%s\n\n", strings.Repeat("=", 30))
	fmt.Fprintf(b, "Results directory: %s\nPlots generated: %s\n\nDeployment Types Found:\n", in.DataDir, in.OutputDir)
	for _, benchmark := range in.Benchmarks {
		kind := "concurrency levels"
		if benchmark.Open() {
			kind = "request rates"
		}
		first, last := benchmark.Levels[0].Value(), benchmark.Levels[len(benchmark.Levels)-1].Value()
		fmt.Fprintf(b, "  %s: %d %s (%s-%s)\n", plain(benchmark.Name), len(benchmark.Levels), kind, first, last)
	}
	b.WriteString("\nGenerated Plots:")
	for _, plot := range in.Plots {
		fmt.Fprintf(b, "\n  - %s", plot)
	}
}

func writeFact(b *strings.Builder, name, value string) {
	b.WriteString(strings.Join(wrapped(fmt.Sprintf("%-11s", name+":"), plain(value)), "\n") + "\n")
}

// explainOthers says what the figures of tables that follow another tool are.
func explainOthers(b *strings.Builder, benchmarks []*results.Benchmark) {
	for _, c := range Others(benchmarks) {
		fmt.Fprintf(b, "\n%s formulas\n", c.Title())
		for _, d := range c.Definitions() {
			writeItem(b, fmt.Sprintf("%s (%s): %s", d.Name, d.Unit, d.Formula))
		}
		writeItem(b, "percentiles: "+c.Percentiles())
		writeItem(b, "~ too few requests for this percentile: "+c.Title()+" prints it all the same")
	}
}

// Others lists the conventions beside AIPerf's that the benchmarks' tables follow.
func Others(benchmarks []*results.Benchmark) []metric.Convention {
	var others []metric.Convention
	for _, b := range benchmarks {
		if b.Convention != metric.AIPerf && !slices.Contains(others, b.Convention) {
			others = append(others, b.Convention)
		}
	}
	return others
}

const legend = `How to read the tables
  The head of a table names the tool whose formulas it follows. AIPerf's:
  conc      requests asked to be in flight; reach: mean really in flight until
            the last request started
  ok/fail   requests that ended well, and otherwise
  TTFT      time to first token, ms     ITL  inter-token latency, ms
  lat       request latency, s          tok/s, req/s: over the whole level
  plat      output tokens/s while at least 95 % of conc was in flight
  edge      share of the level outside that plateau
  p50, p99  interpolated linearly between order statistics
  n/a       too few requests: p50 needs 5, p99 needs 299
  [a, b]    95 % interval within one run, by AIPerf's formulas: too narrow
            under load, where the same level run again is often outside
  n_eff     independent requests that would say as much of the mean
  [needs]   what an interval takes: 40 requests, and for percentiles n_eff
  (<200)    p99 of the gaps of fewer than 200 requests: nearer 86 than 95 %
  over runs geometric means, Student's t on logarithms; CV: deviation of the
            runs as a share of their mean; n/a needs so many requests a run
  ?         one GPU is assumed: pass -gpus
  *         the level did not run to its planned end, see the warnings
  ~         client suspect: this machine stamped late, see the warnings
  !         INVALID: the figures are as much the client's own (client limited),
            or those of another load than was planned
  VALID     the load was the planned one, and the client could measure it; !
            behind a reading: beyond its limit
  window    the level without its warm-up and drain, if it is long enough`

const openLegend = `  rate      requests a second that were to start; flight: mean in flight
  schedule  times from when a request was to start, which is when its user
            would have asked: those of the comparison, too; sent: from when it did
  waited    requests that found -max-in-flight reached
  OVERLOADED  more came than was served: figures grow with the level's length`

const toldLegend = `  server's  own figures: what its pages said, asked once a second, from the first
            measured request to the end of the last; times are means of its
            histograms; edge s: how far from the ends of a window a page is
  tok/J     output tokens of requests that ended well, by the energy of all GPUs
            from the first measured request to the end of the last`

const goodputLegend = `  good      requests that ended well and meet every objective; share: of all of
            them, those that failed too; at least: what that proves of the
            server, with 95 % confidence to one side, by one look
  by plan   ended by -grace-period or a cap, or never started for it: left out`

const cancelLegend = `  plan      requests that were cancelled on purpose (-cancel-rate): no failures,
            and in no figure of latency or throughput`

func writeWarnings(b *strings.Builder, in Input) {
	all := in.allWarnings()
	if len(all) == 0 {
		return
	}
	writeHead(b, "Warnings")
	for _, w := range all {
		writeItem(b, plain(w))
	}
}

// allWarnings are the report's own and those of its benchmarks.
func (in Input) allWarnings() []string {
	all := slices.Clone(in.Warnings)
	for _, benchmark := range in.Benchmarks {
		for _, w := range benchmark.Warnings {
			all = append(all, benchmark.Name+": "+w)
		}
	}
	return all
}

// repeat says how to measure each benchmark again, and what tells whether that was the same.
func repeat(b *strings.Builder, in Input) {
	first := true
	for _, benchmark := range in.Benchmarks {
		command := in.Commands[benchmark.Name]
		if command == "" || benchmark.Run == nil {
			continue
		}
		if first {
			writeHead(b, "Measure again")
		} else {
			b.WriteString("\n")
		}
		first = false
		writeWrapped(b, "", plain(benchmark.Name)+": "+plain(Fingerprint(benchmark.Run)))
		b.WriteString(strings.Join(shellLines(plain(command)), "\n") + "\n")
	}
}

// Fingerprint is what two runs have alike that can be compared: of the workload without its nonce, and of the machine.
func Fingerprint(run *record.Run) string {
	text := "workload " + cmp.Or(run.WorkloadSHA256[:min(16, len(run.WorkloadSHA256))], "not recorded")
	if run.Host != nil && run.Host.Fingerprint != "" {
		text += ", machine " + run.Host.Fingerprint[:min(16, len(run.Host.Fingerprint))]
	}
	return text + ", llmsweep " + cmp.Or(run.Tool.Version, "of unknown version")
}

// unfinished reports whether a level did not run to its planned end, or not at one go.
func unfinished(l *results.Level) bool {
	return l.Cancelled || l.Broken() || l.Record != nil && l.Record.Status != record.Done
}
