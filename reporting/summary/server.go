package summary

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/scrape"
	"github.com/llmsweep/llmsweep/reporting/results"
)

// ToldTable is a table of what servers or GPUs told of themselves, a line each level.
type ToldTable struct {
	Head, Caption string
	Columns       []Column
	Levels        []results.Level
}

// ToldTables are those of a benchmark: over the levels and, where there are any, over their steady windows; then those of GPUs.
func ToldTables(b *results.Benchmark) []ToldTable {
	server := func(l *results.Level) *results.Told { return l.Server }
	gpu := func(l *results.Level) *results.Told { return l.GPU }
	const counted = "From the first measured request to the end of the last, by pages asked once a second. Gauges are means of what the pages said during the load, and the largest of it. Times are means of the server's histograms."
	const within = "Counters at the edges of a window are interpolated between the two nearest pages; edge s is how far the nearest page is, at most."
	const energy = "All GPUs together: utilisation is their mean. tok/J: output tokens of requests that ended well, by the energy of all GPUs from the first measured request to the end of the last."
	tables := []ToldTable{
		toldTable(b, "The server's own figures", counted, overLevel(server), serverColumns),
		toldTable(b, "The server's own figures in the steady window", within, inWindow(server), func(pick picker) []Column { return append(serverColumns(pick), edgeColumn(pick)) }),
		toldTable(b, "GPUs", energy, overLevel(gpu), gpuColumns),
	}
	return slices.DeleteFunc(tables, func(t ToldTable) bool { return len(t.Levels) == 0 })
}

// picker finds the figures of a level for a table; nil: it has none.
type picker func(*results.Level) *scrape.Figures

func overLevel(of func(*results.Level) *results.Told) picker {
	return func(l *results.Level) *scrape.Figures {
		if t := of(l); t != nil {
			return &t.Figures
		}
		return nil
	}
}

func inWindow(of func(*results.Level) *results.Told) picker {
	return func(l *results.Level) *scrape.Figures {
		if t := of(l); t != nil {
			return t.Window
		}
		return nil
	}
}

// toldTable has the levels that have figures, and of the columns those that any of them has something in.
func toldTable(b *results.Benchmark, head, caption string, pick picker, columns func(picker) []Column) ToldTable {
	t := ToldTable{Head: head, Caption: caption}
	var engines []string
	for i := range b.Levels {
		if f := pick(&b.Levels[i]); f != nil {
			t.Levels = append(t.Levels, b.Levels[i])
			for _, engine := range f.Engines {
				if !slices.Contains(engines, engine) {
					engines = append(engines, engine)
				}
			}
		}
	}
	if len(engines) > 0 {
		t.Head += " (" + strings.Join(engines, ", ") + ")"
	}
	t.Columns = []Column{LoadColumn(b)}
	for _, c := range columns(pick) {
		if slices.ContainsFunc(t.Levels, func(l results.Level) bool { return c.Cell.Text(&l) != missing }) {
			t.Columns = append(t.Columns, c)
		}
	}
	return t
}

// cell is a cell of what pick finds, or n/a.
func cell(pick picker, value func(*scrape.Figures) (float64, bool), text func(float64) string) Cell {
	return Cell{Text: func(l *results.Level) string {
		f := pick(l)
		if f == nil {
			return missing
		}
		v, ok := value(f)
		if !ok {
			return missing
		}
		return text(v)
	}}
}

func gauge(q scrape.Quantity, largest bool) func(*scrape.Figures) (float64, bool) {
	return func(f *scrape.Figures) (float64, bool) {
		g := f.Gauges[q]
		if largest {
			return g.Max, g.Rounds > 0
		}
		return g.Mean, g.Rounds > 0
	}
}

func count(q scrape.Quantity) func(*scrape.Figures) (float64, bool) {
	return func(f *scrape.Figures) (float64, bool) {
		v, ok := f.Counters[q]
		return v, ok
	}
}

func meanOf(sum, n scrape.Quantity) func(*scrape.Figures) (float64, bool) {
	return func(f *scrape.Figures) (float64, bool) { return f.MeanOf(sum, n) }
}

func hitRate(f *scrape.Figures) (float64, bool) {
	percent, _, ok := f.HitRate()
	return percent, ok
}

// whole is a whole number where it is one: what is counted between two pages is interpolated.
func whole(v float64) string {
	if v == float64(int64(v)) {
		return fmt.Sprintf("%.0f", v)
	}
	return figure(v)
}

func serverColumns(pick picker) []Column {
	at := func(value func(*scrape.Figures) (float64, bool), text func(float64) string) Cell {
		return cell(pick, value, text)
	}
	return []Column{
		{"running", "avg", "Running avg", "requests", at(gauge(scrape.Running, false), figure)},
		{"running", "max", "Running max", "requests", at(gauge(scrape.Running, true), whole)},
		{"waiting", "avg", "Waiting avg", "requests", at(gauge(scrape.Waiting, false), figure)},
		{"waiting", "max", "Waiting max", "requests", at(gauge(scrape.Waiting, true), whole)},
		{"KV cache %", "avg", "KV cache avg", "%", at(gauge(scrape.CacheUsage, false), figure)},
		{"KV cache %", "max", "KV cache max", "%", at(gauge(scrape.CacheUsage, true), figure)},
		{"hits", "%", "Prefix cache hits", "%", at(hitRate, figure)},
		{"pre-", "empted", "Preemptions", "", at(count(scrape.Preemptions), whole)},
		{"", "done", "Completed", "requests", at(count(scrape.Completed), whole)},
		{"TTFT", "ms", "TTFT avg", "ms", at(meanOf(scrape.FirstTokenSum, scrape.FirstTokenCount), figure)},
		{"ITL", "ms", "ITL avg", "ms", at(meanOf(scrape.GapSum, scrape.GapCount), figure)},
		{"lat", "s", "Latency avg", "s", at(meanOf(scrape.WholeSum, scrape.WholeCount), func(ms float64) string { return figure(ms / 1000) })},
	}
}

func edgeColumn(pick picker) Column {
	return Column{"edge", "s", "Nearest page", "s", cell(pick, func(f *scrape.Figures) (float64, bool) { return float64(f.EdgeNS) / 1e9, true }, figure)}
}

func gpuColumns(pick picker) []Column {
	at := func(value func(*scrape.Figures) (float64, bool), text func(float64) string) Cell {
		return cell(pick, value, text)
	}
	joules := func(f *scrape.Figures) (float64, bool) {
		j, _, ok := f.Joules()
		return j, ok
	}
	perJoule := func(l *results.Level) string {
		if v, ok := l.TokensPerJoule(); ok {
			return figure(v)
		}
		return missing
	}
	return []Column{
		{"", "GPUs", "GPUs", "", at(func(f *scrape.Figures) (float64, bool) { return float64(f.GPUs), f.GPUs > 0 }, whole)},
		{"power W", "avg", "Power avg", "W", at(gauge(scrape.Power, false), figure)},
		{"power W", "max", "Power max", "W", at(gauge(scrape.Power, true), figure)},
		{"energy", "J", "Energy", "J", at(joules, figure)},
		{"", "tok/J", "Output per energy", "tokens/J", Cell{Text: perJoule}},
		{"busy %", "avg", "Utilisation avg", "%", at(gauge(scrape.GPUUtilisation, false), figure)},
		{"busy %", "max", "Utilisation max", "%", at(gauge(scrape.GPUUtilisation, true), figure)},
		{"memory", "MiB", "Memory max", "MiB", at(gauge(scrape.GPUMemory, true), whole)},
	}
}

// told writes the tables of what servers and GPUs told.
func told(w io.Writer, b *results.Benchmark) {
	for _, t := range ToldTables(b) {
		fmt.Fprintf(w, "\n%s\n", t.Head)
		writeTable(w, t.Columns, t.Levels)
	}
}

// serverHits is what the server itself counts of its prefix cache, "" where it tells of none, and whether any level had hits.
func serverHits(b *results.Benchmark) (text string, some bool) {
	var rates []float64
	for i := range b.Levels {
		if percent, ok := b.Levels[i].HitRate(); ok {
			rates = append(rates, percent)
		}
	}
	if len(rates) == 0 {
		return "", false
	}
	text = fmt.Sprintf("%.3g %%", slices.Min(rates))
	if most := fmt.Sprintf("%.3g %%", slices.Max(rates)); most != text {
		text += " to " + most
	}
	return text, slices.Max(rates) > 0
}

// pagesAsked says which pages were asked beside the load; "" if none was.
func pagesAsked(b *results.Benchmark) string {
	var urls []string
	for i := range b.Levels {
		for _, l := range b.Levels[i].Recorded() {
			if l.Record == nil {
				continue
			}
			for _, a := range []*record.Asked{l.Record.ServerMetrics, l.Record.GPUTelemetry} {
				if a == nil {
					continue
				}
				for _, s := range a.Sources {
					if !slices.Contains(urls, s.URL) {
						urls = append(urls, s.URL)
					}
				}
			}
		}
	}
	return strings.Join(urls, ", ")
}
