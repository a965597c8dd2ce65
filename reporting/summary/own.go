package summary

import (
	"fmt"
	"io"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/stat"
	"github.com/llmsweep/llmsweep/reporting/results"
)

// OwnHead stands over the table of a reader's own metrics.
const OwnHead = "Metrics of your own"

// OwnColumns heads the columns of OwnRows.
func OwnColumns(b *results.Benchmark) []WithinColumn {
	load := LoadColumn(b)
	return []WithinColumn{
		{load.Name, load.Title, false}, {"", "Figure", true}, {"n", "Requests", false}, {"avg", "Average", false}, {"p50", "p50", false}, {"p99", "p99", false}, {"max", "Maximum", false},
	}
}

// OwnRows are the cells: of each of the reader's metrics that a level has, its figures.
func OwnRows(b *results.Benchmark) [][]string {
	var rows [][]string
	for i := range b.Levels {
		l := &b.Levels[i]
		load := l.Value() + mark(l)
		for _, d := range b.Own {
			f := l.Figures[d.Tag]
			if f == nil {
				continue
			}
			of := func(q float64) string {
				if v, ok := l.Figures.Percentile(d.Tag, q); ok {
					return figure(v)
				}
				return fmt.Sprintf("%s (needs %d)", missing, stat.Floor(q))
			}
			rows = append(rows, []string{load, record.Printable(d.Name + " " + d.Unit), fmt.Sprintf("%.0f", f["count"]), figure(f["avg"]), of(50), of(99), figure(f["max"])})
			load = ""
		}
	}
	return rows
}

// Own writes the figures of a reader's own metrics, a line each at each level.
func Own(w io.Writer, b *results.Benchmark) {
	rows := OwnRows(b)
	for _, row := range rows {
		row[1] = plain(row[1])
	}
	writeIntervals(w, OwnHead, OwnColumns(b), rows)
}
