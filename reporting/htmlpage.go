package reporting

import (
	"fmt"
	"strings"

	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/reporting/chart"
	"github.com/llmsweep/llmsweep/reporting/export"
	"github.com/llmsweep/llmsweep/reporting/page"
	"github.com/llmsweep/llmsweep/reporting/results"
	"github.com/llmsweep/llmsweep/reporting/summary"
)

// htmlPage puts the report together for package page.
func htmlPage(r *Report, pictures []chart.Chart) page.Page {
	names := make([]string, len(r.Benchmarks))
	for i, b := range r.Benchmarks {
		names[i] = b.Name
	}
	p := page.Page{
		Title: "LLM benchmark: " + strings.Join(names, ", "), Charts: pictures, Warnings: r.Warnings,
		Subtitle: subtitle(r.Benchmarks),
	}
	if len(r.Benchmarks) > 3 {
		p.Title = fmt.Sprintf("LLM benchmark: %d configurations", len(r.Benchmarks))
	}
	if len(r.Benchmarks) == 1 {
		for _, fact := range summary.Facts(r.Benchmarks[0]) {
			p.Facts = append(p.Facts, page.Fact{Name: fact[0], Value: fact[1]})
		}
	}
	for _, b := range r.Benchmarks {
		for _, w := range b.Warnings {
			p.Warnings = append(p.Warnings, b.Name+": "+w)
		}
		if b.Run != nil {
			p.Notes = append(p.Notes, "Repeat "+b.Name+": "+export.Command(b.Run))
		}
	}
	if len(r.Benchmarks) > 1 {
		p.Tables = append(p.Tables, measured(r.Benchmarks), comparison(r.Benchmarks))
	}
	for _, b := range r.Benchmarks {
		p.Tables = append(p.Tables, headline(b))
	}
	headlines := len(p.Tables)
	p.Tables = append(p.Tables, windowTables(r.Benchmarks)...)
	p.Tables = append(p.Tables, validityTables(r.Benchmarks)...)
	p.Tables = append(p.Tables, toldTables(r.Benchmarks)...)
	p.Tables = append(p.Tables, intervals(r.Benchmarks)...)
	for _, b := range r.Benchmarks {
		if t := failures(b); len(t.Rows) > 0 {
			p.Tables = append(p.Tables, t)
		}
	}
	last := &p.Tables[headlines-1]
	last.Caption = "n/a: too few requests for that percentile (p50 needs 5, p99 needs 299). * did not run to its planned end. " + marks
	others := summary.Others(r.Benchmarks)
	if len(others) > 0 {
		last.Caption += " ~ as few, printed all the same by the tool whose formulas the table follows."
	}
	p.Definitions = append(definitions(), otherDefinitions(others)...)
	return p
}

// marks explains the marks of a client in doubt.
const marks = "~ client suspect: this machine stamped late. ! client limited: by so much that the figures are as much its own."

// subtitle says what the levels are.
func subtitle(benchmarks []*results.Benchmark) string {
	open, closed := false, false
	for _, b := range benchmarks {
		open, closed = open || b.Open(), closed || !b.Open()
	}
	switch {
	case open && closed:
		return "Latency and throughput against the number of concurrent requests, and against the request rate"
	case open:
		return "Latency and throughput against the request rate"
	default:
		return "Latency and throughput against the number of concurrent requests"
	}
}

// measured puts the facts of several benchmarks side by side, a row each fact that any of them has.
func measured(benchmarks []*results.Benchmark) page.Table {
	t := page.Table{Title: "What was measured", Columns: []page.Column{{Text: true}}}
	row := map[string]int{}
	for i, b := range benchmarks {
		t.Columns = append(t.Columns, page.Column{Name: b.Name, Text: true})
		for _, fact := range summary.Facts(b) {
			if _, known := row[fact[0]]; !known {
				row[fact[0]] = len(t.Rows)
				t.Rows = append(t.Rows, append([]string{fact[0]}, make([]string, len(benchmarks))...))
			}
			t.Rows[row[fact[0]]][i+1] = fact[1]
		}
	}
	return t
}

func headline(b *results.Benchmark) page.Table {
	return tableOf(fmt.Sprintf("%s (%s formulas)", b.Name, b.Convention.Title()), summary.Columns(b), b.Levels)
}

// intervals are the tables of the benchmarks' intervals, within runs and over them.
func intervals(benchmarks []*results.Benchmark) []page.Table {
	var tables []page.Table
	for _, b := range benchmarks {
		for _, t := range []page.Table{within(b), overRuns(b)} {
			if len(t.Rows) > 0 {
				tables = append(tables, t)
			}
		}
	}
	return tables
}

// within shows the intervals of a benchmark's figures.
func within(b *results.Benchmark) page.Table {
	t := page.Table{Title: b.Name + ": " + summary.WithinHead(b), Caption: summary.WithinCaption, Rows: summary.WithinRows(b)}
	for _, c := range summary.WithinColumns(b) {
		t.Columns = append(t.Columns, page.Column{Name: c.Title, Text: c.Text})
	}
	return t
}

// overRuns shows the intervals over the runs of a benchmark's levels.
func overRuns(b *results.Benchmark) page.Table {
	t := page.Table{Title: b.Name + ": " + summary.OverHead(b), Caption: summary.OverCaption, Rows: summary.OverRows(b)}
	for _, c := range summary.OverColumns(b) {
		t.Columns = append(t.Columns, page.Column{Name: c.Title, Text: c.Text})
	}
	return t
}

// failures lists the requests that did not end well, by level, outcome and reason, with their share of all that ended.
func failures(b *results.Benchmark) page.Table {
	load := page.Column{Name: "Concurrency"}
	if b.Open() {
		load = page.Column{Name: "Request rate", Unit: "1/s"}
	}
	t := page.Table{
		Title: b.Name + ": requests that did not end well", Caption: "Share is of all requests that ended, those that were cancelled among them.",
		Columns: []page.Column{load, {Name: "Outcome", Text: true}, {Name: "Reason", Text: true}, {Name: "Requests"}, {Name: "Share", Unit: "%"}},
	}
	for i := range b.Levels {
		l := &b.Levels[i]
		if l.Record == nil {
			continue
		}
		c := &l.Record.Counts
		row := func(o record.Outcome, reason string, n int) {
			t.Rows = append(t.Rows, []string{l.Value(), strings.ReplaceAll(string(o), "_", " "), reason, fmt.Sprint(n),
				fmt.Sprintf("%.3g", 100*float64(n)/float64(c.Ended()))})
		}
		for _, o := range append(record.FailedOutcomes(), record.Cancelled) {
			for _, reason := range c.ReasonsOf(o) {
				row(o, string(reason), c.Reasons[o][reason])
			}
			if c.Reasons == nil && c.Outcomes[o] > 0 {
				row(o, "not recorded", c.Outcomes[o])
			}
		}
	}
	return t
}

func comparison(benchmarks []*results.Benchmark) page.Table {
	t := page.Table{Title: "Comparison", Caption: "Averages of each level, by AIPerf's formulas. ? one GPU is assumed. * did not run to its planned end. " + marks, Rows: summary.Comparison(benchmarks)}
	for _, c := range summary.CompareColumns(benchmarks) {
		t.Columns = append(t.Columns, page.Column{Name: c.Title, Unit: c.Unit, Text: c.Name == "benchmark"})
	}
	return t
}

// definitions explains the figures that the page shows.
func definitions() []page.Fact {
	shown := map[string]bool{
		"time_to_first_token": true, "inter_token_latency": true, "request_latency": true, "output_token_throughput": true,
		"request_throughput": true, "output_sequence_length": true, "benchmark_duration": true,
	}
	var facts []page.Fact
	for _, d := range metric.Definitions() {
		if shown[d.Tag] {
			facts = append(facts, page.Fact{Name: fmt.Sprintf("%s (%s)", d.Name, d.Unit), Value: fmt.Sprintf("%s. Definition of %s.", d.Formula, d.Source)})
		}
	}
	return append(facts,
		page.Fact{Name: "Reached", Value: "time-weighted mean number of requests in flight until the last request started"},
		page.Fact{Name: "Plateau", Value: "output tokens per second while at least 95 % of the concurrency was in flight; Edge is the share of the level outside it"},
		page.Fact{Name: "Percentiles", Value: metric.AIPerf.Percentiles() + "; the standard deviation is the population's"},
		page.Fact{Name: "Tokens/sec per User", Value: "output_token_throughput / concurrency"},
	)
}

// otherDefinitions explains the figures of tables that follow another tool.
func otherDefinitions(conventions []metric.Convention) []page.Fact {
	var facts []page.Fact
	for _, c := range conventions {
		for _, d := range c.Definitions() {
			facts = append(facts, page.Fact{Name: fmt.Sprintf("%s: %s (%s)", c.Title(), d.Name, d.Unit), Value: d.Formula})
		}
		facts = append(facts, page.Fact{Name: c.Title() + ": percentiles", Value: c.Percentiles()})
	}
	return facts
}
