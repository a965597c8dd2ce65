package summary

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/steady"
	"github.com/llmsweep/llmsweep/reporting/results"
)

// Column is one column of a table: its header in two lines, the same in words with a unit, and its cell for a level.
type Column struct {
	Group, Name string
	Title, Unit string
	Cell        Cell
}

// Cell is what a column shows of a level.
type Cell struct {
	Text func(*results.Level) string
	Of   Figure // that it is the text of; zero where it is of none
}

// Figure is a statistic of a metric, by the names that Figures has, and what makes the unit of the column of that of the metric.
type Figure struct {
	Tag, Statistic string
	Factor         float64
}

// Table writes the headline table. It fits 80 columns for usual figures.
func Table(w io.Writer, benchmark *results.Benchmark) {
	writeTable(w, Columns(benchmark), benchmark.Levels)
}

func writeTable(w io.Writer, columns []Column, levels []results.Level) {
	groups, names := heads(columns)
	rows := [][]string{names}
	for i := range levels {
		row := make([]string, len(columns))
		for k, c := range columns {
			row[k] = c.Cell.Text(&levels[i])
		}
		rows = append(rows, row)
	}
	writeAligned(w, groups, rows)
}

// heads returns the two header lines of columns.
func heads(columns []Column) (groups, names []string) {
	for _, c := range columns {
		groups, names = append(groups, c.Group), append(names, c.Name)
	}
	return groups, names
}

// writeAligned right-aligns the cells of each column with one blank between columns. Neighbours of one group share its name in the
// line above, at the left of their span.
func writeAligned(w io.Writer, groups []string, rows [][]string) {
	widths := make([]int, len(groups))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len(cell))
		}
	}
	fmt.Fprintln(w, groupLine(groups, widths))
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			fmt.Fprintf(&line, " %*s", widths[i], cell)
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
}

// groupLine is the line above the header.
func groupLine(groups []string, widths []int) string {
	var line strings.Builder
	for i := 0; i < len(groups); {
		span, end := widths[i], i+1
		for ; end < len(groups) && groups[i] != "" && groups[end] == groups[i]; end++ {
			span += 1 + widths[end]
		}
		if end == i+1 {
			fmt.Fprintf(&line, " %*s", span, groups[i])
		} else {
			fmt.Fprintf(&line, " %-*s", span, groups[i])
		}
		i = end
	}
	return strings.TrimRight(line.String(), " ")
}

const missing = "n/a"

// Worth reports whether a cell has a figure, and one of enough requests.
func Worth(cell string) bool { return cell != missing && !strings.HasSuffix(cell, "~") }

// Marks explains what stands in tables beside and in place of figures.
const Marks = "n/a: too few requests for that percentile (p50 needs 5, p99 needs 299). * did not run to its planned end. ~ client suspect: this machine stamped late. " +
	"! INVALID: the figures are as much the client's own (client limited), or those of another load than was planned."

// OthersMark explains a mark of tables that follow another tool.
const OthersMark = "~ behind a percentile: too few requests, printed all the same by the tool whose formulas the table follows."

// mark is what stands behind the load of a level whose figures need the reader's care. A level whose client was limited is INVALID, too.
func mark(l *results.Level) string {
	text := ""
	if unfinished(l) {
		text = "*"
	}
	if l.Record.Client() == record.ClientSuspect {
		text += "~"
	}
	if l.Validity.Standing == steady.Invalid || l.Record.Client() == record.ClientLimited {
		text += "!"
	}
	return text
}

// figure prints three significant digits or more, down to thousandths: a table that fits a terminal is read; all digits are in the exports.
func figure(v float64) string {
	switch a := math.Abs(v); {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return missing
	case a >= 99.95:
		return fmt.Sprintf("%.0f", v)
	case a >= 9.995:
		return fmt.Sprintf("%.1f", v)
	case a >= 0.9995:
		return fmt.Sprintf("%.2f", v)
	case a >= 0.0005:
		return fmt.Sprintf("%.3f", v)
	case a == 0:
		return "0.000"
	default: // it is something
		return fmt.Sprintf("%.1g", v)
	}
}

func statistic(tag string, factor float64) Cell {
	return Cell{func(l *results.Level) string { return average(l.Shown, tag, factor) }, Figure{tag, "avg", factor}}
}

func average(f results.Figures, tag string, factor float64) string {
	if v, ok := f.Get(tag, "avg"); ok {
		return figure(v * factor)
	}
	return missing
}

func percentile(tag string, q float64) Cell {
	return Cell{func(l *results.Level) string {
		if v, ok := l.Shown.Percentile(tag, q); ok {
			return figure(v)
		}
		return missing
	}, Figure{tag, fmt.Sprintf("p%g", q), 1}}
}

func reached(l *results.Level) string {
	if l.Record == nil || l.Broken() {
		return missing
	}
	return fmt.Sprintf("%.1f", l.Load.Reached)
}

func okFail(l *results.Level) string {
	if l.Record == nil {
		good, _ := l.Figures.Get("request_count", "avg")
		bad, _ := l.Figures.Get("error_request_count", "avg")
		return fmt.Sprintf("%.0f/%.0f", good, bad)
	}
	c := l.Record.Counts
	return fmt.Sprintf("%d/%d", c.Outcomes[record.OK], c.Failures())
}

func okFailPlan(l *results.Level) string {
	if l.Record == nil {
		return okFail(l)
	}
	return fmt.Sprintf("%s/%d", okFail(l), l.Record.Counts.ByPlan())
}

// cancels reports whether requests of a benchmark were to be cancelled.
func cancels(b *results.Benchmark) bool { return b.Run != nil && b.Run.Plan.CancelRate > 0 }

func plateau(l *results.Level) string {
	if !l.Load.HasPlateau {
		return missing
	}
	return figure(l.Load.TokensPerSecond())
}

func edge(l *results.Level) string {
	if !l.Load.HasPlateau {
		return missing
	}
	return fmt.Sprintf("%.0f%%", 100*l.Load.EdgeShare)
}

// CompareColumns heads the columns of Comparison; their cells come from there.
func CompareColumns(benchmarks []*results.Benchmark) []Column {
	load := Column{Group: "AIPerf", Name: "conc", Title: "Concurrency"}
	if anyOpen(benchmarks) {
		load.Name, load.Title = "load", "Load"
	}
	return []Column{
		load,
		{Group: "AIPerf", Name: "benchmark", Title: "Benchmark"},
		{Group: "TTFT", Name: "ms", Title: "TTFT avg", Unit: "ms"},
		{Group: "ITL", Name: "ms", Title: "ITL avg", Unit: "ms"},
		{Group: "lat", Name: "s", Title: "Latency avg", Unit: "s"},
		{Name: "tok/s", Title: "Output", Unit: "tokens/s"},
		{Name: "req/s", Title: "Requests", Unit: "1/s"},
		{Group: "tok/s", Name: "/user", Title: "Per user", Unit: "tokens/s"},
		{Group: "tok/s", Name: "/GPU", Title: "Per GPU", Unit: "tokens/s"},
	}
}

// CompareCaption explains the table that compares benchmarks.
func CompareCaption(benchmarks []*results.Benchmark) string {
	const caption = "Averages of each level, by AIPerf's formulas. ? one GPU is assumed."
	if anyOpen(benchmarks) {
		return caption + " TTFT and latency of an open loop are from the schedule."
	}
	return caption
}

// Comparison puts the benchmarks side by side, level by level, averages each, by AIPerf's definitions or, of results of other tools, what is
// nearest to them; "?" marks a figure that assumes one GPU.
func Comparison(benchmarks []*results.Benchmark) [][]string {
	var rows [][]string
	for _, at := range points(benchmarks) {
		for _, b := range benchmarks {
			for i := range b.Levels {
				if b.Levels[i].Point == at {
					load := at.Value()
					if anyOpen(benchmarks) { // c10 is another load than r10
						load = at.Name()
					}
					rows = append(rows, append([]string{load + mark(&b.Levels[i])}, comparison(b, &b.Levels[i])...))
				}
			}
		}
	}
	return rows
}

func writeComparison(w io.Writer, benchmarks []*results.Benchmark) {
	groups, names := heads(CompareColumns(benchmarks))
	rows := append([][]string{names}, Comparison(benchmarks)...)
	for _, row := range rows[1:] {
		row[1] = plain(row[1])
	}
	if tableWidth(rows) > width {
		letters := map[string]string{}
		var b strings.Builder
		for i, benchmark := range benchmarks {
			letters[plain(benchmark.Name)] = string(rune('A' + i))
			writeWrapped(&b, fmt.Sprintf(" %c = ", 'A'+i), plain(benchmark.Name))
		}
		fmt.Fprintln(w, b.String())
		for _, row := range rows[1:] {
			row[1] = letters[row[1]]
		}
	}
	longest := 0
	for _, row := range rows {
		longest = max(longest, len(row[1]))
	}
	for _, row := range rows { // names read better from the left
		row[1] += strings.Repeat(" ", longest-len(row[1]))
	}
	writeAligned(w, groups, rows)
}

// tableWidth is how many columns aligned rows take.
func tableWidth(rows [][]string) int {
	total := 0
	for i := range rows[0] {
		widest := 0
		for _, row := range rows {
			widest = max(widest, len(row[i]))
		}
		total += 1 + widest
	}
	return total
}

func anyOpen(benchmarks []*results.Benchmark) bool {
	return slices.ContainsFunc(benchmarks, (*results.Benchmark).Open)
}

// comparison are the cells of a level but the first.
func comparison(b *results.Benchmark, l *results.Level) []string {
	gpus, assumed := b.GPUs()
	perUser, perGPU := missing, missing
	if x, y, ok := Efficiency(l, gpus); ok {
		perUser, perGPU = figure(x), figure(y)
		if assumed {
			perGPU += "?"
		}
	}
	return []string{
		record.Printable(b.Name),
		average(l.Figures, fromSchedule(l, "time_to_first_token"), 1), average(l.Figures, "inter_token_latency", 1), average(l.Figures, fromSchedule(l, "request_latency"), 1e-3),
		average(l.Figures, "output_token_throughput", 1), average(l.Figures, "request_throughput", 1), perUser, perGPU,
	}
}

// fromSchedule is the tag of a latency as an open loop has it. Another tool's has it from the sending only.
func fromSchedule(l *results.Level, tag string) string {
	if scheduled := "scheduled_" + tag; l.Open() && l.Figures[scheduled] != nil {
		return scheduled
	}
	return tag
}

// Efficiency returns output tokens/s per user (the level's throughput / its concurrency, in an open loop the mean in flight) and per GPU. Where
// the throughput is not recorded it is request rate x mean output length.
func Efficiency(l *results.Level, gpus int) (perUser, perGPU float64, ok bool) {
	total, ok := l.Figures.Get("output_token_throughput", "avg")
	if !ok {
		rate, hasRate := l.Figures.Get("request_throughput", "avg")
		length, hasLength := l.Figures.Get("output_sequence_length", "avg")
		total, ok = rate*length, hasRate && hasLength
	}
	users := float64(l.Concurrency)
	if l.Open() {
		users = l.Load.Reached
	}
	return total / users, total / float64(gpus), ok && users > 0
}

// points lists the levels of all benchmarks in ascending order.
func points(benchmarks []*results.Benchmark) []record.Point {
	var all []record.Point
	for _, b := range benchmarks {
		for _, l := range b.Levels {
			all = append(all, l.Point)
		}
	}
	slices.SortFunc(all, record.Point.Compare)
	return slices.Compact(all)
}
