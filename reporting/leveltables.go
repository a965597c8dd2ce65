package reporting

import (
	"fmt"

	"github.com/llmsweep/llmsweep/reporting/page"
	"github.com/llmsweep/llmsweep/reporting/results"
	"github.com/llmsweep/llmsweep/reporting/summary"
)

// validityTables are the validity of each benchmark that we recorded.
func validityTables(benchmarks []*results.Benchmark) []page.Table {
	var tables []page.Table
	for _, b := range benchmarks {
		if levels := summary.Judged(b); len(levels) > 0 {
			t := tableOf(b.Name+": validity", summary.ValidityColumns(b), levels)
			t.Caption = summary.ValidityCaption
			tables = append(tables, t)
		}
	}
	return tables
}

// windowTables are the steady windows of each benchmark; there is one for a level that is long enough.
func windowTables(benchmarks []*results.Benchmark) []page.Table {
	var tables []page.Table
	for _, b := range benchmarks {
		levels, without := summary.Windowed(b), summary.Unwindowed(b)
		if len(levels) == 0 {
			continue
		}
		t := tableOf(b.Name+": steady window (AIPerf formulas)", summary.WindowColumns(b), levels)
		t.Caption = summary.WindowCaption
		if without != "" {
			t.Caption += " No window: " + without + "."
		}
		tables = append(tables, t)
	}
	return tables
}

// toldTables are what servers and GPUs told of themselves.
func toldTables(benchmarks []*results.Benchmark) []page.Table {
	var tables []page.Table
	for _, b := range benchmarks {
		for _, t := range summary.ToldTables(b) {
			table := tableOf(b.Name+": "+t.Head, t.Columns, t.Levels)
			table.Caption = t.Caption
			tables = append(tables, table)
		}
	}
	return tables
}

func tableOf(title string, columns []summary.Column, levels []results.Level) page.Table {
	t := page.Table{Title: title}
	for _, c := range columns {
		t.Columns = append(t.Columns, page.Column{Name: c.Title, Unit: c.Unit})
	}
	for i := range levels {
		var row []string
		for _, c := range columns {
			row = append(row, c.Cell.Text(&levels[i]))
		}
		t.Rows = append(t.Rows, page.Texts(row...))
	}
	return t
}

// ownTables are the figures of the reader's own metrics.
func ownTables(benchmarks []*results.Benchmark) []page.Table {
	var tables []page.Table
	for _, b := range benchmarks {
		if rows := summary.OwnRows(b); len(rows) > 0 {
			t := page.Table{Title: b.Name + ": metrics of your own", Rows: page.TextRows(rows)}
			for _, c := range summary.OwnColumns(b) {
				t.Columns = append(t.Columns, page.Column{Name: c.Title, Text: c.Text})
			}
			for _, d := range b.Own {
				t.Caption += fmt.Sprintf("%s (%s): %s. ", d.Name, d.Unit, d.Formula)
			}
			tables = append(tables, t)
		}
	}
	return tables
}
