package summary

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/llmsweep/llmsweep/reporting/results"
)

// GoodputHead stands over the table of goodput: whose formulas, and what a good request keeps to.
func GoodputHead(b *results.Benchmark) string {
	return "Goodput (AIPerf formulas): " + b.SLO.Words()
}

// GoodputCaption explains the table of goodput.
const GoodputCaption = "A good request ended well and meets every objective. Attained is its share of all requests: failed ones are misses, and so are those that a signal, errors or a full disk " +
	"cancelled or kept from starting. Those that the plan itself ended (-cancel-rate, -grace-period, -max-duration, -max-tokens-total) are left out and counted apart. At least: what that proves of the " +
	"server, with 95 % confidence to one side, by the exact binomial bound for as many independent requests as these are worth. It is of one look: to send more until it is met proves nothing."

// GoodputColumns are the columns of the table of goodput, a line each level that was judged by an SLO.
func GoodputColumns(b *results.Benchmark) []Column {
	return []Column{
		LoadColumn(b),
		{"", "good", "Good", "requests", Cell{Text: func(l *results.Level) string { return fmt.Sprint(l.Attained.Good) }}},
		{"", "of", "Of", "requests", Cell{Text: func(l *results.Level) string { return fmt.Sprint(l.Attained.Of) }}},
		{"attained %", "share", "Attained", "%", Cell{Text: share}},
		{"attained %", "at least", "Attained at least", "%", Cell{Text: atLeast}},
		{"good", "req/s", "Goodput", "1/s", Cell{func(l *results.Level) string { return average(l.Figures, "goodput", 1) }, Figure{"goodput", "avg", 1}}},
		{"left out", "by plan", "Ended by the plan", "requests", Cell{Text: func(l *results.Level) string { return fmt.Sprint(l.Attained.ByPlan) }}},
	}
}

// GoodputInBrief are the columns of goodput that stand beside other figures of a level.
func GoodputInBrief(b *results.Benchmark) []Column {
	return slices.DeleteFunc(GoodputColumns(b), func(c Column) bool { return c.Title != "Attained" && c.Title != "Goodput" })
}

func share(l *results.Level) string {
	if v, ok := l.Attained.Share(); ok {
		return percentage(v, l.Attained.Good == l.Attained.Of)
	}
	return missing
}

// atLeast is the bound of the share, or what it takes.
func atLeast(l *results.Level) string {
	if v, ok := l.AtLeast(); ok {
		return percentage(v, false)
	}
	return fmt.Sprintf("[needs %d]", l.Goodput.Need.Needs)
}

// percentage cuts off what is behind its digits: a share is never printed larger than it is, and 100 only where it is all.
func percentage(v float64, all bool) string {
	if all {
		return "100"
	}
	return fmt.Sprintf("%.2f", float64(int(v*10000))/100)
}

// Promised lists the levels that were judged by an SLO.
func Promised(b *results.Benchmark) []results.Level {
	return slices.DeleteFunc(slices.Clone(b.Levels), func(l results.Level) bool { return l.SLO == nil })
}

// Goodput writes the table of goodput of a benchmark that has an SLO.
func Goodput(w io.Writer, benchmark *results.Benchmark) {
	levels := Promised(benchmark)
	if len(levels) == 0 {
		return
	}
	var b strings.Builder
	b.WriteString("\n")
	writeWrapped(&b, " ", GoodputHead(benchmark))
	writeTable(&b, GoodputColumns(benchmark), levels)
	_, _ = io.WriteString(w, b.String())
}
