package summary

import (
	"fmt"
	"slices"
	"strings"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/steady"
	"github.com/llmsweep/llmsweep/reporting/results"
)

// Verdict says whether a benchmark's figures are those of the load that was planned, why not, and whose they are. Whether they are good is for a gate to say.
func Verdict(b *results.Benchmark) string {
	if b.Run == nil {
		return "not known: of a run of " + b.Sources() + " there are aggregates only"
	}
	var unfinished, invalid, overloaded, good []string
	for i := range b.Levels {
		l := &b.Levels[i]
		switch {
		case l.Unusable() != "":
			unfinished = append(unfinished, l.Value())
		case l.Validity.Standing == steady.Invalid:
			invalid = append(invalid, fmt.Sprintf("%s (%s)", l.Value(), l.Validity.Broken(true)))
		default:
			good = append(good, l.Value())
			if l.Window.Verdict == steady.Overloaded {
				overloaded = append(overloaded, l.Value())
			}
		}
	}
	var parts []string
	if len(invalid) > 0 {
		parts = append(parts, "INVALID at "+strings.Join(invalid, ", "))
	}
	if len(unfinished) > 0 {
		parts = append(parts, "not finished at "+strings.Join(unfinished, ", "))
	}
	switch {
	case len(good) == 0:
	case len(parts) == 0:
		parts = append(parts, "VALID: every level was under the load that was planned")
	default:
		parts = append(parts, "VALID at "+strings.Join(good, ", "))
	}
	if len(overloaded) > 0 {
		parts = append(parts, "OVERLOADED at "+strings.Join(overloaded, ", "))
	}
	return strings.Join(parts, "; ") + "; " + verdict(b) + ceiling(b)
}

// asked is how many requests each level was to send, and how often.
func asked(b *results.Benchmark) string {
	var counts []int
	for i := range b.Levels {
		for _, run := range b.Levels[i].Recorded() {
			if run != b.Levels[i].Sentinel && run.Record != nil {
				counts = append(counts, run.Record.Counts.Planned)
			}
		}
	}
	if len(counts) == 0 {
		return "not known"
	}
	text := fmt.Sprint(slices.Min(counts))
	if most := slices.Max(counts); most != slices.Min(counts) {
		text += fmt.Sprintf(" to %d", most)
	}
	return fmt.Sprintf("%s a level, %d level%s, %s", text, len(b.Levels), plural(len(b.Levels)), runsOf(b))
}

func runsOf(b *results.Benchmark) string {
	if n := b.Run.Plan.Repeats; n > 1 {
		return fmt.Sprintf("%d runs of each", n)
	}
	return "one run"
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

// OutcomeColumns are the columns of the table of outcomes, a line each level of ours. What was planned is the sum of all others.
func OutcomeColumns(b *results.Benchmark) []Column {
	of := func(o record.Outcome) Cell {
		return Cell{Text: func(l *results.Level) string { return fmt.Sprint(l.Record.Counts.Outcomes[o]) }}
	}
	return []Column{
		LoadColumn(b),
		{"", "planned", "Planned", "requests", Cell{Text: func(l *results.Level) string { return fmt.Sprint(l.Record.Counts.Planned) }}},
		{"", "ok", "OK", "requests", of(record.OK)},
		{"", "rejected", "Rejected", "requests", of(record.Rejected)},
		{"timed", "out", "Timed out", "requests", of(record.TimedOut)},
		{"", "cut", "Cut", "requests", of(record.Cut)},
		{"mal-", "formed", "Malformed", "requests", of(record.Malformed)},
		{"error in", "stream", "Error in the stream", "requests", of(record.StreamError)},
		{"no con-", "nection", "Connection failed", "requests", of(record.ConnectionFailed)},
		{"can-", "celled", "Cancelled", "requests", of(record.Cancelled)},
		{"not", "started", "Not started", "requests", Cell{Text: func(l *results.Level) string { return fmt.Sprint(l.Record.Counts.NotStarted) }}},
	}
}

// Recorded lists the levels of ours.
func Recorded(b *results.Benchmark) []results.Level {
	return slices.DeleteFunc(slices.Clone(b.Levels), func(l results.Level) bool { return l.Record == nil })
}

func outcomes(b *strings.Builder, benchmark *results.Benchmark) {
	if levels := Recorded(benchmark); len(levels) > 0 {
		b.WriteString("\n What became of requests\n")
		writeTable(b, OutcomeColumns(benchmark), levels)
	}
}

// InstrumentColumns are the columns of the table of the client's own error, a line each level whose client was measured.
func InstrumentColumns(b *results.Benchmark) []Column {
	milliseconds := func(v float64) string { return fmt.Sprintf("%.3f", v) }
	canary := func(of func(*record.Canary) float64) Cell {
		return Cell{Text: func(l *results.Level) string {
			if c := l.Instrument().Canary; c != nil && c.Chunks > 0 {
				return milliseconds(of(c))
			}
			return missing
		}}
	}
	return []Column{
		LoadColumn(b),
		{"", "client", "Client", "", Cell{Text: func(l *results.Level) string {
			return cellText(strings.TrimPrefix(string(l.Record.Client()), "client "))
		}}},
		{"canary ms", "p50", "Canary p50", "ms", canary(func(c *record.Canary) float64 { return c.DelayP50MS })},
		{"canary ms", "p99", "Canary p99", "ms", canary(func(c *record.Canary) float64 { return c.DelayP99MS })},
		{"wakes", "p99 ms", "Woke late p99", "ms", Cell{Text: func(l *results.Level) string {
			if p := l.Instrument().Probe; p != nil {
				return milliseconds(p.LateP99MS)
			}
			return missing
		}}},
		{"sends", "p99 ms", "Sent late p99", "ms", Cell{Text: func(l *results.Level) string {
			if s := l.Instrument().Lateness; s != nil && s.Requests > 0 {
				return milliseconds(s.P99MS)
			}
			return missing
		}}},
		{"stamps", "+ms", "Stamps late at most", "ms", Cell{Text: func(l *results.Level) string { return milliseconds(l.Instrument().ErrorMS) }}},
	}
}

// Measured lists the levels whose client was measured.
func Measured(b *results.Benchmark) []results.Level {
	return slices.DeleteFunc(slices.Clone(b.Levels), func(l results.Level) bool { return l.Instrument() == nil })
}

// InstrumentCaption explains the table of the client's own error.
const InstrumentCaption = "Canary: a stream inside this process, from the instant before a chunk was written to the client's stamp of it. A difference of times below these errors says nothing."

// timerFloor says how late Go's timers wake an idle process; "" where that was not measured.
func timerFloor(levels []results.Level) string {
	for i := range levels {
		if f := levels[i].Instrument().TimerFloor; f != nil {
			return fmt.Sprintf("Timer floor: p50 %.3f ms, p99 %.3f ms.", f.LateP50MS, f.LateP99MS)
		}
	}
	return ""
}

// instruments writes the error bar of the client at each level.
func instruments(b *strings.Builder, benchmarks []*results.Benchmark) {
	first := true
	for _, benchmark := range benchmarks {
		levels := Measured(benchmark)
		if len(levels) == 0 {
			continue
		}
		if first {
			writeHead(b, "Error of the client")
			writeWrapped(b, "", InstrumentCaption)
		}
		first = false
		b.WriteString("\n")
		head := plain(benchmark.Name)
		if floor := timerFloor(levels); floor != "" {
			head += ". " + floor
		}
		writeWrapped(b, " ", head)
		writeTable(b, InstrumentColumns(benchmark), levels)
	}
}
