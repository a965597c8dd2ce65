package export

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/reporting/results"
)

// Bench writes results.bench in Go's benchmark format, a line for each run of a level, for benchstat: its statistics are over runs, of which -repeats makes
// several. Requests of one run are no repetitions of each other, and are in one line. Runs that did not go to their end, or that were invalid, are left out; a comment says so.
//
// What benchmarks have to be alike in to be compared is configuration, so that benchstat puts those that are not into tables of their own.
func Bench(w io.Writer, benchmarks []*results.Benchmark) error {
	out := bufio.NewWriter(w)
	fmt.Fprintln(out, "tool: llmsweep")
	for _, u := range benchUnits() {
		better := "lower"
		if u.higher {
			better = "higher"
		}
		fmt.Fprintf(out, "Unit %s better=%s\n", u.unit, better)
	}
	for _, b := range benchmarks {
		fmt.Fprintln(out)
		for _, line := range configuration(b) {
			fmt.Fprintf(out, "%s: %s\n", line[0], line[1])
		}
		for i := range b.Levels {
			benchLevel(out, b, &b.Levels[i])
		}
	}
	return out.Flush()
}

// configuration are the lines that hold for a benchmark.
func configuration(b *results.Benchmark) [][2]string {
	if b.Run == nil {
		return [][2]string{{"model", "unknown"}, {"lengths", "unknown"}, {"recorded-by", b.Sources()}}
	}
	p := &b.Run.Plan
	lines := [][2]string{{"model", record.Printable(p.Model)}, {"lengths", record.Printable(p.Lengths())}, {"recorded-by", "llmsweep"}}
	for i := range lines {
		if lines[i][1] == "" {
			lines[i][1] = "unknown" // an empty value would mean that there is no such key
		}
	}
	return lines
}

func benchLevel(w io.Writer, b *results.Benchmark, l *results.Level) {
	runs := []*results.Level{l}
	if len(l.Runs) > 0 {
		runs = nil
		for i := range l.Runs {
			runs = append(runs, &l.Runs[i])
		}
	}
	for _, run := range runs {
		name := fmt.Sprintf("BenchmarkServe/target=%s/%s", escaped(b.Name), benchLoad(l))
		if why := leftOut(run); why != "" {
			fmt.Fprintf(w, "# %s left out: %s\n", name, why)
			continue
		}
		line := name + " 1"
		for _, u := range benchUnits() {
			v, ok := run.Figures.Get(u.tag, u.statistic)
			if q := u.percentile(); q > 0 {
				v, ok = run.Figures.Percentile(u.tag, q)
			}
			if ok && !unprintable(v) {
				line += " " + strconv.FormatFloat(v*u.factor, 'f', -1, 64) + " " + u.unit
			}
		}
		if line == name+" 1" { // benchstat would take it for a broken one
			fmt.Fprintf(w, "# %s left out: no figure\n", name)
			continue
		}
		fmt.Fprintln(w, line)
	}
}

// leftOut says why a run is none to do statistics on, or "".
func leftOut(l *results.Level) string {
	if why := l.Unusable(); why != "" {
		return why
	}
	if broken := l.Validity.Broken(true); broken != "" {
		return "INVALID: " + record.Printable(broken)
	}
	return ""
}

// benchLoad is the load of a level as a part of a name, which must not end as the number of processors does: in - and digits.
func benchLoad(l *results.Level) string {
	switch {
	case l.Trace:
		return "load=trace"
	case l.Open():
		return "rate=" + l.Value()
	default:
		return "concurrency=" + l.Value()
	}
}

// escaped is a name as one part of a benchmark's, in which blanks and slashes divide.
func escaped(name string) string {
	var b strings.Builder
	for _, c := range []byte(name) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.+", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// benchUnit is one figure of a line. benchstat shows units that end in -ns in seconds.
type benchUnit struct {
	unit, tag, statistic string
	factor               float64 // from the metric's unit
	higher               bool
}

// percentile is that of the statistic, 0 for the average.
func (u benchUnit) percentile() (q float64) {
	_, _ = fmt.Sscanf(u.statistic, "p%g", &q)
	return q
}

// benchUnits are the figures of a line: latencies, whose percentiles are there where there are requests enough, and rates.
func benchUnits() []benchUnit {
	var all []benchUnit
	for _, of := range [][2]string{
		{"ttft", "time_to_first_token"}, {"ttft-from-schedule", "scheduled_time_to_first_token"}, {"itl", "inter_token_latency"},
		{"latency", "request_latency"}, {"latency-from-schedule", "scheduled_request_latency"},
	} {
		for _, statistic := range []string{"avg", "p50", "p99"} {
			all = append(all, benchUnit{of[0] + "-" + statistic + "-ns", of[1], statistic, 1e6, false})
		}
	}
	return append(all,
		benchUnit{"tok/s", "output_token_throughput", "avg", 1, true}, benchUnit{"req/s", "request_throughput", "avg", 1, true},
		benchUnit{"good-req/s", "goodput", "avg", 1, true}, benchUnit{"slo-%", "slo_attainment", "avg", 1, true},
	)
}
