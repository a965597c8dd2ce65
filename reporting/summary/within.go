package summary

import (
	"fmt"
	"io"
	"strings"

	"github.com/llmsweep/llmsweep/reporting/results"
)

// WithinHead stands over the intervals of a benchmark.
func WithinHead(b *results.Benchmark) string {
	if b.Run == nil {
		return fmt.Sprintf("95 %% intervals: none, aggregates of %s do not hold the requests", b.Sources())
	}
	return "95 % intervals within one run; too narrow under load"
}

// WithinCaption explains the table of intervals.
const WithinCaption = "By AIPerf's formulas. Requests that wait for each other are no independent values: n_eff is how many independent ones would say as much of the mean. " +
	"The same level run again is outside its interval more often than 1 time in 20, under load far more often. " +
	"[needs ...] what an interval takes: 40 requests, and for a percentile so many independent ones. (<200) of a tail of fewer than 200 requests: nearer to 86 than to 95 %. " +
	"Throughput has no interval within one run."

// WithinColumn is one column of the table of intervals: its header, and the same in words.
type WithinColumn struct {
	Name, Title string
	Text        bool // left aligned
}

// WithinColumns heads the columns of WithinRows.
func WithinColumns(b *results.Benchmark) []WithinColumn {
	load := LoadColumn(b)
	return []WithinColumn{
		{load.Name, load.Title, false}, {"", "Figure", true}, {"n", "Requests", false}, {"n_eff", "n_eff", false},
		{"avg", "Average", true}, {"p50", "p50", true}, {"p99", "p99", true},
	}
}

// Within writes the intervals within each run, a line each metric of a level, in 100 columns for usual figures.
func Within(w io.Writer, b *results.Benchmark) {
	var table strings.Builder
	writeIntervals(&table, WithinHead(b), WithinColumns(b), WithinRows(b))
	if wide(table.String()) {
		rows := WithinRows(b)
		for _, row := range rows {
			sayNeedOnly(row)
		}
		table.Reset()
		writeIntervals(&table, WithinHead(b), WithinColumns(b), rows)
	}
	fmt.Fprint(w, table.String())
}

// wide reports whether a line has more than 100 characters.
func wide(table string) bool {
	for line := range strings.Lines(table) {
		if len(line) > 100+len("\n") {
			return true
		}
	}
	return false
}

// sayNeedOnly leaves out of the cells how many there are of what they need.
func sayNeedOnly(row []string) {
	for k, cell := range row {
		if need, _, cut := strings.Cut(cell, ", have "); cut {
			row[k] = strings.TrimSuffix(strings.TrimSuffix(need, " requests"), " gaps") + ")"
		}
	}
}

// WithinBrief is Within in the 80 columns of a terminal: without the numbers of requests.
func WithinBrief(w io.Writer, b *results.Benchmark) {
	columns, rows := WithinColumns(b), WithinRows(b)
	for i, row := range rows {
		rows[i] = append(row[:2:2], row[4:]...)
		sayNeedOnly(rows[i])
	}
	writeIntervals(w, WithinHead(b), append(columns[:2:2], columns[4:]...), rows)
}

// writeIntervals writes a table with a headline, unless it is empty.
func writeIntervals(w io.Writer, head string, columns []WithinColumn, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.Name
	}
	rows = append([][]string{names}, rows...)
	for i, c := range columns {
		width := 0
		for _, row := range rows {
			width = max(width, len(row[i]))
		}
		for _, row := range rows {
			if c.Text {
				row[i] += strings.Repeat(" ", width-len(row[i]))
			}
		}
	}
	fmt.Fprintf(w, "\n %s", head)
	writeAligned(w, make([]string, len(columns)), rows)
}

// WithinRows are the cells: of each metric that a level has, its figures with their intervals, or what these need.
func WithinRows(b *results.Benchmark) [][]string {
	var rows [][]string
	for i := range b.Levels {
		l := &b.Levels[i]
		conc := l.Value() + mark(l)
		for k := range l.Within {
			w := &l.Within[k]
			name, factor := withinName(w.Tag)
			effective := "-"
			if w.Effective > 0 {
				effective = fmt.Sprint(int(w.Effective))
			}
			row := []string{conc, name, fmt.Sprint(w.Requests), effective}
			for _, e := range w.Estimates {
				row = append(row, estimate(w, e, factor))
			}
			rows = append(rows, row)
			conc = ""
		}
	}
	return rows
}

// withinName is the name of a metric with its unit, and what makes that unit of its milliseconds.
func withinName(tag string) (name string, factor float64) {
	switch tag {
	case "scheduled_time_to_first_token":
		return "TTFT ms (schedule)", 1
	case "scheduled_request_latency":
		return "lat s (schedule)", 1e-3
	case "time_to_first_token":
		return "TTFT ms", 1
	case "inter_token_latency":
		return "ITL ms", 1
	case "inter_chunk_latency":
		return "ICL ms", 1
	default:
		return "lat s", 1e-3
	}
}

// estimate is a figure with its interval, or with what is missing for it.
func estimate(w *results.Within, e results.Estimate, factor float64) string {
	of := " requests"
	switch {
	case w.Tag == "inter_chunk_latency":
		of = " gaps"
	case e.Statistic != "p99": // the line is too long for it to be said twice
		of = ""
	}
	text := figure(e.Value * factor)
	switch {
	case !e.Need.Met():
		return fmt.Sprintf("%s (needs %d%s, have %d)", missing, e.Need.Needs, of, e.Need.Have)
	case e.HasInterval && e.Thin:
		return text + " " + Interval(e.Interval.Low*factor, e.Interval.High*factor) + " (<200)"
	case e.HasInterval:
		return text + " " + Interval(e.Interval.Low*factor, e.Interval.High*factor)
	case e.IntervalNeed.Met(): // there are no samples
		return text
	case w.Requests < results.MinRequests:
		return fmt.Sprintf("%s [needs %d]", text, e.IntervalNeed.Needs)
	default:
		return fmt.Sprintf("%s [needs n_eff %d]", text, e.IntervalNeed.Needs)
	}
}

// Interval writes an interval with the digits of tables.
func Interval(low, high float64) string { return fmt.Sprintf("[%s, %s]", figure(low), figure(high)) }
