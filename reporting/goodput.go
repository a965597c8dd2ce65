package reporting

import (
	"slices"

	"github.com/llmsweep/llmsweep/reporting/chart"
	"github.com/llmsweep/llmsweep/reporting/page"
	"github.com/llmsweep/llmsweep/reporting/results"
	"github.com/llmsweep/llmsweep/reporting/summary"
)

// goodputTables are the goodput of each benchmark that has an SLO.
func goodputTables(benchmarks []*results.Benchmark) []page.Table {
	var tables []page.Table
	for _, b := range benchmarks {
		if levels := summary.Promised(b); len(levels) > 0 {
			t := tableOf(b.Name+": goodput", summary.GoodputColumns(b), levels)
			t.Caption = "Objectives: " + b.SLO.Words() + ". " + summary.GoodputCaption
			tables = append(tables, t)
		}
	}
	return tables
}

// goodputCharts are goodput and attainment against load, for benchmarks that have them.
func goodputCharts(benchmarks []*results.Benchmark) []chart.Chart {
	var all []chart.Chart
	for _, x := range axes(benchmarks) {
		goodput := x.line(throughputGroup, "goodput", "Goodput", "Goodput (req/s)")
		goodput.Series, goodput.Note = x.figures(benchmarks, "goodput", "avg"), x.note(benchmarks, "goodput", "avg")
		goodput.Help = "good_request_count / benchmark_duration (AIPerf). " + summary.GoodputCaption
		attained := x.line(requestsGroup, "slo_attainment", "SLO Attainment", "Requests That Meet Every Objective (%)")
		attained.Series, attained.Help = x.attainment(benchmarks), summary.GoodputCaption
		for _, c := range []chart.Chart{goodput, attained} {
			if slices.ContainsFunc(c.Series, func(s chart.Series) bool { return len(s.Points) > 0 }) {
				c.Note = joinNotes(objectives(benchmarks), c.Note)
				all = append(all, c)
			}
		}
	}
	return all
}

// attainment is the share of each level, of so many requests.
func (x axis) attainment(benchmarks []*results.Benchmark) []chart.Series {
	return x.series(benchmarks, func(l *results.Level) (chart.Point, bool) {
		y, ok := l.Figures.Get("slo_attainment", "avg")
		return chart.Point{Y: y, N: l.Attained.Of}, ok
	})
}

// objectives says what good requests keep to, where all benchmarks that have an SLO have the same.
func objectives(benchmarks []*results.Benchmark) string {
	words := ""
	for _, b := range benchmarks {
		switch w := b.SLO.Words(); {
		case w == "" || w == words:
		case words != "":
			return "Objectives differ between the benchmarks"
		default:
			words = w
		}
	}
	if words == "" {
		return ""
	}
	return "Good: " + words
}

func joinNotes(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + ". " + b
}
