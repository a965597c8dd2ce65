package summary

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/llmsweep/llmsweep/harness/steady"
	"github.com/llmsweep/llmsweep/reporting/results"
)

// WindowCaption explains the table of windows.
const WindowCaption = "Latencies of the requests issued in the window, throughput without its last median latency; figures over the whole level stand above."

// WindowColumns are the columns of the table of windows, a line each level that has one.
func WindowColumns(b *results.Benchmark) []Column {
	ttft, itl, latency := "time_to_first_token", "inter_token_latency", "request_latency"
	if b.Open() {
		ttft, latency = "scheduled_"+ttft, "scheduled_"+latency
	}
	seconds := func(ns func(*steady.Window) int64) Cell {
		return Cell{Text: func(l *results.Level) string { return fmt.Sprintf("%.1f", float64(ns(&l.Window))/1e9) }}
	}
	return []Column{
		LoadColumn(b),
		{"window s", "from", "From", "s", seconds(func(w *steady.Window) int64 { return w.StartNS })},
		{"window s", "to", "To", "s", seconds(func(w *steady.Window) int64 { return w.EndNS })},
		{"", "ok", "OK", "requests", Cell{Text: func(l *results.Level) string { return fmt.Sprint(l.Window.Requests) }}},
		{"TTFT ms", "avg", "TTFT avg", "ms", settled(ttft, 1)},
		{"TTFT ms", "p50", "TTFT p50", "ms", settledPercentile(ttft, 50, 1)},
		{"TTFT ms", "p99", "TTFT p99", "ms", settledPercentile(ttft, 99, 1)},
		{"ITL ms", "avg", "ITL avg", "ms", settled(itl, 1)},
		{"ITL ms", "p50", "ITL p50", "ms", settledPercentile(itl, 50, 1)},
		{"ITL ms", "p99", "ITL p99", "ms", settledPercentile(itl, 99, 1)},
		{"latency s", "avg", "Latency avg", "s", settled(latency, 1e-3)},
		{"latency s", "p50", "Latency p50", "s", settledPercentile(latency, 50, 1e-3)},
		{"latency s", "p99", "Latency p99", "s", settledPercentile(latency, 99, 1e-3)},
		{"", "tok/s", "Output", "tokens/s", settled("output_token_throughput", 1)},
		{"", "req/s", "Requests", "1/s", settled("request_throughput", 1)},
	}
}

func settled(tag string, factor float64) Cell {
	return Cell{Text: func(l *results.Level) string { return average(l.Settled, tag, factor) }}
}

func settledPercentile(tag string, q, factor float64) Cell {
	return Cell{Text: func(l *results.Level) string {
		if v, ok := l.Settled.Percentile(tag, q); ok {
			return figure(v * factor)
		}
		return missing
	}}
}

// Windowed lists the levels that have a window.
func Windowed(b *results.Benchmark) []results.Level {
	var levels []results.Level
	for i := range b.Levels {
		if b.Levels[i].Settled != nil {
			levels = append(levels, b.Levels[i])
		}
	}
	return levels
}

// Unwindowed says which levels have no window and why; "" if all have one.
func Unwindowed(b *results.Benchmark) string {
	var short, needs, wrong, parts []string
	for i := range b.Levels {
		switch l := &b.Levels[i]; l.Window.Verdict {
		case steady.TooShort:
			if l.Unusable() != "" || l.Validity.Standing == steady.Invalid {
				wrong = append(wrong, l.Name())
				continue
			}
			short, needs = append(short, l.Name()), append(needs, fmt.Sprint(l.Window.Needs))
		case steady.NotSteady, steady.Overloaded:
			parts = append(parts, fmt.Sprintf("%s: %s: %s", l.Name(), l.Window.Verdict, l.Window.Reason))
		}
	}
	if len(short) > 0 {
		parts = append(parts, fmt.Sprintf("levels too short for one, with nothing wrong: %s (they take -request-count %s or so)",
			strings.Join(short, ", "), strings.Join(needs, ", ")))
	}
	if len(wrong) > 0 {
		parts = append(parts, "INVALID or not finished, and too short for one: "+strings.Join(wrong, ", "))
	}
	return strings.Join(parts, "; ")
}

// windows writes the steady windows of a benchmark's levels.
func windows(b *strings.Builder, benchmark *results.Benchmark) {
	levels, without := Windowed(benchmark), Unwindowed(benchmark)
	if len(levels) == 0 && without == "" {
		return
	}
	b.WriteString("\nSteady window (AIPerf formulas)\n")
	if len(levels) > 0 {
		writeTable(b, WindowColumns(benchmark), levels)
	}
	if without != "" {
		writeItem(b, "no window: "+without)
	}
}

// ValidityCaption explains the validity table.
const ValidityCaption = "An invalid level's times and rates are those of another load than was planned. ! beyond its limit; unknown makes no level invalid."

// ValidityColumns are the columns of the validity table, a line each level of ours.
func ValidityColumns(b *results.Benchmark) []Column {
	of := func(place int) Cell {
		return Cell{Text: func(l *results.Level) string { return reading(l.Validity.Readings[place]) }}
	}
	columns := []Column{
		LoadColumn(b),
		{"", "verdict", "Verdict", "", Cell{Text: func(l *results.Level) string { return string(l.Validity.Standing) }}},
		{"failed %", fmt.Sprintf("max %d", steady.MostErrors), "Failed", fmt.Sprintf("%%, at most %d", steady.MostErrors), of(1)},
		{"reached %", fmt.Sprintf("min %.0f", steady.LeastReached), "Reached", fmt.Sprintf("%%, at least %.0f", steady.LeastReached), of(2)},
		{"OSL off %", fmt.Sprintf("max %d", steady.MostOSLShifted), "OSL off", fmt.Sprintf("%%, at most %d", steady.MostOSLShifted), of(3)},
		{"", "client", "Client", "nearest to its limit", Cell{Text: client}},
	}
	if b.Open() {
		columns[3] = Column{"rate off %", fmt.Sprintf("max %d", steady.MostRateOff), "Rate off", fmt.Sprintf("%%, at most %d", steady.MostRateOff), of(2)}
		columns = slices.Insert(columns, 4, Column{"waited %", "max 0", "Waited for a place", "%, at most 0", readingOf(steady.WaitReading)})
	}
	cached := readingOf(steady.CacheReading)
	if slices.ContainsFunc(b.Levels, func(l results.Level) bool { return cached.Text(&l) != missing }) {
		head := fmt.Sprintf("%%, at most %d", steady.MostCacheHits)
		columns = slices.Insert(columns, len(columns)-1, Column{"cached %", fmt.Sprintf("max %d", steady.MostCacheHits), "Unplanned cache hits", head, cached})
	}
	return columns
}

// readingOf is a reading that not all levels have: a server need not tell of its cache, and an open loop may end before its first request.
func readingOf(name string) Cell {
	return Cell{Text: func(l *results.Level) string {
		if r, ok := l.Validity.Reading(name); ok {
			return reading(r)
		}
		return missing
	}}
}

// reading is the value of a reading; one beyond its limit says so.
func reading(r steady.Reading) string {
	switch r.Verdict {
	case steady.HeldUnknown:
		return "unknown"
	case steady.HeldInvalid:
		return figure(r.Value) + " !"
	default:
		return figure(r.Value)
	}
}

// client is the client's reading with its own limit, of which there is more than one.
func client(l *results.Level) string {
	r := l.Validity.Readings[0]
	if r.Verdict == steady.HeldUnknown {
		return "not measured"
	}
	return fmt.Sprintf("%s %s, max %.3g %s", cellText(strings.TrimPrefix(r.Name, "client: ")), reading(r), r.Limit, cellText(r.Unit))
}

// Judged lists the levels that have a validity: ours.
func Judged(b *results.Benchmark) []results.Level {
	var levels []results.Level
	for i := range b.Levels {
		if b.Levels[i].Record != nil && b.Levels[i].Validity.Standing != "" {
			levels = append(levels, b.Levels[i])
		}
	}
	return levels
}

// validity writes the validity table of a benchmark.
func validity(w io.Writer, benchmark *results.Benchmark) {
	if levels := Judged(benchmark); len(levels) > 0 {
		fmt.Fprintln(w, "Validity")
		writeTable(w, ValidityColumns(benchmark), levels)
		fmt.Fprintln(w)
	}
}
