package reporting

import (
	"slices"

	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/steady"
	"github.com/llmsweep/llmsweep/reporting/page"
	"github.com/llmsweep/llmsweep/reporting/results"
	"github.com/llmsweep/llmsweep/reporting/summary"
)

// headlines are the tables that a reader looks at first: one, or one for each set of benchmarks whose tables have the same columns.
func headlines(benchmarks []*results.Benchmark) []page.Table {
	var tables []page.Table
	for rest := slices.Clone(benchmarks); len(rest) > 0; {
		columns := summary.Columns(rest[0])
		same := func(b *results.Benchmark) bool {
			return slices.EqualFunc(summary.Columns(b), columns, func(x, y summary.Column) bool { return x.Group == y.Group && x.Title == y.Title })
		}
		var together []ranked
		for i, b := range benchmarks { // the index is the series of charts
			if same(b) {
				together = append(together, ranked{b, i})
			}
		}
		rest = slices.DeleteFunc(rest, same)
		if slices.ContainsFunc(together, func(b ranked) bool { return len(summary.Promised(b.Benchmark)) > 0 }) {
			first := slices.IndexFunc(columns, func(c summary.Column) bool { return c.Cell.Of.Tag != "" })
			columns = slices.Insert(columns, first, summary.GoodputInBrief(together[0].Benchmark)...)
		}
		tables = append(tables, headline(together, columns, len(benchmarks) > 1))
	}
	return tables
}

// ranked is a benchmark with its place among all of the report.
type ranked struct {
	*results.Benchmark
	place int
}

// headline has a row for each level of the benchmarks.
func headline(benchmarks []ranked, columns []summary.Column, named bool) page.Table {
	t := page.Table{Title: "Results (" + benchmarks[0].Convention.Title() + " formulas)"}
	if named {
		t.Columns = append(t.Columns, page.Column{Name: "Benchmark", Text: true})
	}
	for i, c := range columns {
		t.Columns = append(t.Columns, page.Column{Name: c.Title, Unit: c.Unit})
		if i == 0 {
			t.Columns = append(t.Columns, page.Column{Name: "Verdict", Text: true})
		}
	}
	bests := make([]*best, len(columns))
	for i, c := range columns {
		bests[i] = newBest(benchmarks, c)
	}
	for _, b := range benchmarks {
		for i := range b.Levels {
			l := &b.Levels[i]
			var row []page.Cell
			if named {
				row = append(row, page.Cell{Text: b.Name, Series: b.place + 1, Cut: true})
			}
			for k, c := range columns {
				row = append(row, page.Cell{Text: c.Cell.Text(l), Detail: interval(b.Benchmark, l, c.Cell.Of), Mark: bests[k].mark(l)})
				if k == 0 {
					row = append(row, page.Cell{Badges: verdictsOf(l)})
				}
			}
			t.Rows = append(t.Rows, row)
		}
	}
	return t
}

// interval is the 95 % interval of a figure: over the runs of a level that was repeated, else within its run; "" where there is none.
func interval(b *results.Benchmark, l *results.Level, of summary.Figure) string {
	if b.Convention != metric.AIPerf || of.Tag == "" { // only AIPerf's figures have intervals
		return ""
	}
	if over, ok := l.IntervalOver(of.Tag, of.Statistic); ok {
		return summary.Interval(over.Low*of.Factor, over.High*of.Factor)
	}
	for _, w := range l.Within {
		for _, e := range w.Estimates {
			if w.Tag == of.Tag && e.Statistic == of.Statistic && e.HasInterval && e.Need.Met() {
				return summary.Interval(e.Interval.Low*of.Factor, e.Interval.High*of.Factor)
			}
		}
	}
	return ""
}

// best finds the best figures of a column: of all levels, and of those at one load where there are several. What is printed alike is equally
// good. Figures in doubt do not take part.
type best struct {
	column summary.Column
	all    string            // as printed
	here   map[string]string // by level; none where all that take part are alike
}

func newBest(benchmarks []ranked, c summary.Column) *best {
	of := c.Cell.Of
	definitions := benchmarks[0].Convention.Definitions()
	at := slices.IndexFunc(definitions, func(d metric.Definition) bool { return d.Tag == of.Tag })
	if at < 0 {
		return &best{}
	}
	found := &best{column: c, here: map[string]string{}}
	better := func(a, b float64) bool { return definitions[at].HigherBetter == (a > b) && a != b }
	values, texts := map[string]float64{}, map[string][]string{}
	var most float64
	for _, b := range benchmarks {
		for i := range b.Levels {
			l := &b.Levels[i]
			v, ok := l.Shown.Get(of.Tag, of.Statistic)
			if !ok || !takesPart(c, l) {
				continue
			}
			text, load := c.Cell.Text(l), l.Point.Name()
			if found.all == "" || better(v, most) {
				most, found.all = v, text
			}
			if len(texts[load]) == 0 || better(v, values[load]) {
				values[load], found.here[load] = v, text
			}
			texts[load] = append(texts[load], text)
		}
	}
	var every []string
	for load, all := range texts {
		every = append(every, all...)
		if alike(all) {
			delete(found.here, load)
		}
	}
	if alike(every) {
		found.all = ""
	}
	return found
}

// alike reports whether none of the figures is better than another.
func alike(texts []string) bool {
	return !slices.ContainsFunc(texts, func(text string) bool { return text != texts[0] })
}

// takesPart reports whether the level's figure in the column may be called the best.
func takesPart(c summary.Column, l *results.Level) bool {
	return l.Unusable() == "" && len(doubtsOf(l)) == 0 && l.Validity.Standing != steady.Invalid && summary.Worth(c.Cell.Text(l))
}

func (b *best) mark(l *results.Level) page.Mark {
	if b.here == nil || !takesPart(b.column, l) {
		return page.NoMark
	}
	switch b.column.Cell.Text(l) {
	case b.all:
		return page.Best
	case b.here[l.Point.Name()]:
		return page.BestHere
	default:
		return page.NoMark
	}
}
