package reporting

import (
	"fmt"
	"slices"
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
		Title: "LLM benchmark: " + strings.Join(names, ", "), Charts: pictures, Warnings: slices.Clone(r.Warnings),
		Subtitle: subtitle(r.Benchmarks), Badges: append(verdicts(r.Benchmarks), r.gateBadges()...), Headline: headlines(r.Benchmarks),
	}
	for _, level := range sampledLevels(r.Benchmarks) {
		p.Levels = append(p.Levels, level.Name())
	}
	if len(r.Benchmarks) > 3 {
		p.Title = fmt.Sprintf("LLM benchmark: %d configurations", len(r.Benchmarks))
	}
	for _, b := range r.Benchmarks {
		for _, w := range b.Warnings {
			p.Warnings = append(p.Warnings, b.Name+": "+w)
		}
		if b.Run != nil {
			p.Commands = append(p.Commands, page.Fact{Name: b.Name, Value: export.Command(b.Run)})
		}
	}
	others := summary.Others(r.Benchmarks)
	last := &p.Headline[len(p.Headline)-1]
	last.Caption = "\u2605 best of its column; bold: best at that load. Figures in doubt take no part. [a, b]: 95 % interval, within one run or over runs. " +
		summary.Marks
	if len(others) > 0 {
		last.Caption += " " + summary.OthersMark
	}
	var differing page.Table
	p.Facts, differing = measured(r.Benchmarks)
	if len(differing.Rows) > 0 {
		p.Headline = append(p.Headline, differing)
	}
	gates, judged := r.gateTables()
	p.Headline = slices.Concat(gates, p.Headline)
	p.Tables = append(p.Tables, judged...)
	if len(r.Benchmarks) > 1 {
		p.Tables = append(p.Tables, comparison(r.Benchmarks))
	}
	p.Tables = append(p.Tables, goodputTables(r.Benchmarks)...)
	p.Tables = append(p.Tables, ownTables(r.Benchmarks)...)
	p.Tables = append(p.Tables, windowTables(r.Benchmarks)...)
	p.Tables = append(p.Tables, validityTables(r.Benchmarks)...)
	p.Tables = append(p.Tables, toldTables(r.Benchmarks)...)
	p.Tables = append(p.Tables, intervals(r.Benchmarks)...)
	for _, b := range r.Benchmarks {
		if t := failures(b); len(t.Rows) > 0 {
			p.Tables = append(p.Tables, t)
		}
	}
	p.Definitions = append(definitions(), otherDefinitions(others)...)
	return p
}

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

// measured says what the benchmarks have in common, and in a table, a row each, what they differ in.
func measured(benchmarks []*results.Benchmark) (common []page.Fact, differing page.Table) {
	var names []string
	values := make([]map[string]string, len(benchmarks))
	for i, b := range benchmarks {
		values[i] = map[string]string{}
		for _, fact := range facts(b) {
			if !slices.Contains(names, fact[0]) {
				names = append(names, fact[0])
			}
			values[i][fact[0]] = fact[1]
		}
	}
	differing = page.Table{Title: "What the benchmarks differ in", Columns: []page.Column{{Name: "Benchmark", Text: true}}}
	var columns []string
	for _, name := range names {
		switch differ := slices.ContainsFunc(values, func(of map[string]string) bool { return of[name] != values[0][name] }); {
		case differ && name == nonce: // it always does
		case differ:
			columns = append(columns, name)
			differing.Columns = append(differing.Columns, page.Column{Name: name, Text: true})
		default:
			common = append(common, page.Fact{Name: name, Value: values[0][name]})
		}
	}
	for i, b := range benchmarks {
		row := []page.Cell{{Text: b.Name, Series: i + 1}}
		for _, name := range columns {
			row = append(row, page.Cell{Text: values[i][name]})
		}
		if len(columns) > 0 {
			differing.Rows = append(differing.Rows, row)
		}
	}
	return common, differing
}

// nonce is the name of a fact that is new for every run.
const nonce = "Nonce"

// facts are the summary's, with the nonce apart: what else the load is does not differ for it.
func facts(b *results.Benchmark) [][2]string {
	all := summary.Facts(b)
	if b.Run == nil {
		return all
	}
	text := fmt.Sprint(b.Run.Plan.Nonce)
	for i := range all {
		if all[i][0] == "Load" {
			all[i][1] = strings.Replace(all[i][1], ", nonce "+text, "", 1)
		}
	}
	return append(all, [2]string{nonce, text})
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
	t := page.Table{Title: b.Name + ": " + summary.WithinHead(b), Caption: summary.WithinCaption, Rows: page.TextRows(filled(summary.WithinRows(b)))}
	for _, c := range summary.WithinColumns(b) {
		t.Columns = append(t.Columns, page.Column{Name: c.Title, Text: c.Text})
	}
	return t
}

// overRuns shows the intervals over the runs of a benchmark's levels.
func overRuns(b *results.Benchmark) page.Table {
	t := page.Table{Title: b.Name + ": " + summary.OverHead(b), Caption: summary.OverCaption, Rows: page.TextRows(filled(summary.OverRows(b)))}
	for _, c := range summary.OverColumns(b) {
		t.Columns = append(t.Columns, page.Column{Name: c.Title, Text: c.Text})
	}
	return t
}

// filled names the level in each row, where a text says it once for those that follow: rows may be sorted.
func filled(rows [][]string) [][]string {
	for i := 1; i < len(rows); i++ {
		if rows[i][0] == "" {
			rows[i][0] = rows[i-1][0]
		}
	}
	return rows
}

// failures lists the requests that did not end well, by level, outcome and reason, with their share of all that ended.
func failures(b *results.Benchmark) page.Table {
	load := summary.LoadColumn(b)
	t := page.Table{
		Title: b.Name + ": requests that did not end well", Caption: "Share is of all requests that ended, those that were cancelled among them.",
		Columns: []page.Column{{Name: load.Title, Unit: load.Unit}, {Name: "Outcome", Text: true}, {Name: "Reason", Text: true}, {Name: "Requests"}, {Name: "Share", Unit: "%"}},
	}
	for i := range b.Levels {
		l := &b.Levels[i]
		if l.Record == nil {
			continue
		}
		c := &l.Record.Counts
		row := func(o record.Outcome, reason string, n int) {
			t.Rows = append(t.Rows, page.Texts(load.Cell.Text(l), strings.ReplaceAll(string(o), "_", " "), reason, fmt.Sprint(n),
				fmt.Sprintf("%.3g", 100*float64(n)/float64(c.Ended()))))
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

// comparison puts the benchmarks side by side, level by level.
func comparison(benchmarks []*results.Benchmark) page.Table {
	t := page.Table{Title: "Comparison", Caption: summary.CompareCaption(benchmarks) + " " + summary.Marks, Rows: page.TextRows(summary.Comparison(benchmarks))}
	for i, c := range summary.CompareColumns(benchmarks) {
		text := c.Name == "benchmark"
		t.Columns = append(t.Columns, page.Column{Name: c.Title, Unit: c.Unit, Text: text})
		for _, row := range t.Rows {
			if text {
				row[i].Series = 1 + slices.IndexFunc(benchmarks, func(b *results.Benchmark) bool { return record.Printable(b.Name) == row[i].Text })
			}
		}
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
