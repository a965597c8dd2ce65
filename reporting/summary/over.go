package summary

import (
	"fmt"
	"io"

	"github.com/llmsweep/llmsweep/harness/stat"
	"github.com/llmsweep/llmsweep/reporting/results"
)

// OverHead stands over the figures over runs.
func OverHead(b *results.Benchmark) string {
	fewest := 0
	for i := range b.Levels {
		for _, o := range b.Levels[i].Over {
			if fewest == 0 || o.Runs.Have < fewest {
				fewest = o.Runs.Have
			}
		}
	}
	if fewest < stat.MinRuns {
		return fmt.Sprintf("Over runs; an interval needs %d runs, have %d", stat.MinRuns, fewest)
	}
	return "95 % intervals over runs, and CV"
}

// OverCaption explains the table of figures over runs.
const OverCaption = "By AIPerf's formulas: geometric means over runs, with Student's t on their logarithms; behind it CV, the deviation of the runs as a share of their mean. " +
	"[needs 5] runs for an interval; n/a (needs 299, have 30): requests (of ICL gaps) of each run for that percentile. " +
	"More runs make the p99 of short runs near saturation no truer: it is off in each of them."

// OverColumns heads the columns of OverRows.
func OverColumns(b *results.Benchmark) []WithinColumn {
	load := LoadColumn(b)
	return []WithinColumn{
		{load.Name, load.Title, false}, {"", "Figure", true}, {"runs", "Runs", false}, {"avg", "Average", true}, {"p50", "p50", true}, {"p99", "p99", true},
	}
}

// Over writes the figures over runs, a line each metric of a level that was repeated.
func Over(w io.Writer, b *results.Benchmark) {
	writeIntervals(w, OverHead(b), OverColumns(b), OverRows(b))
}

// OverRows are the cells: of each metric of a repeated level, its figures over the runs.
func OverRows(b *results.Benchmark) [][]string {
	var rows [][]string
	for i := range b.Levels {
		l := &b.Levels[i]
		conc, tag := l.Value()+mark(l), ""
		for _, o := range l.Over {
			name, factor := overName(o.Tag)
			if o.Tag != tag {
				rows = append(rows, []string{conc, name, fmt.Sprint(o.Runs.Have), "", "", ""})
				conc, tag = "", o.Tag
			}
			column := map[string]int{"avg": 3, "p50": 4, "p99": 5}[o.Statistic]
			rows[len(rows)-1][column] = overRuns(o, factor)
		}
	}
	return rows
}

func overName(tag string) (name string, factor float64) {
	switch tag {
	case "output_token_throughput":
		return "tok/s", 1
	case "request_throughput":
		return "req/s", 1
	case "goodput":
		return "good req/s", 1
	}
	return withinName(tag)
}

// overRuns is a figure over runs with its interval and CV, or what it needs.
func overRuns(o results.Over, factor float64) string {
	text := figure(o.Value * factor)
	switch {
	case !o.Requests.Met():
		return fmt.Sprintf("%s (needs %d, have %d)", missing, o.Requests.Needs, o.Requests.Have)
	case o.HasInterval:
		return fmt.Sprintf("%s [%s, %s] %.1f%%", text, figure(o.Interval.Low*factor), figure(o.Interval.High*factor), 100*o.CV)
	case !o.Runs.Met():
		return fmt.Sprintf("%s [needs %d]", text, o.Runs.Needs)
	default: // a value of zero has no logarithm
		return text
	}
}
