package reporting

import (
	"slices"
	"strings"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/reporting/chart"
	"github.com/llmsweep/llmsweep/reporting/results"
)

// outcomes is how the requests of each level ended: of all levels, those that failed among them. Where all requests ended well there is nothing to see, and it is
// empty.
func outcomes(benchmarks []*results.Benchmark) chart.Chart {
	c := chart.Chart{
		File: "outcomes.png", Title: "Outcomes of Requests", XLabel: "Level", YLabel: "Requests (%)", Kind: chart.Stacks, Group: requestsGroup,
		Note: "Levels that failed or were stopped are among them.",
		Help: "Share of the requests that ended, the cancelled ones among them; warm-up and what was not started are not.",
	}
	var points []record.Point
	for _, b := range benchmarks {
		for i := range b.Levels {
			points = append(points, b.Levels[i].Point)
		}
	}
	slices.SortFunc(points, record.Point.Compare)
	points = slices.Compact(points)
	for _, at := range points {
		c.Categories = append(c.Categories, at.Name())
	}
	some := map[string]bool{okName: true} // what came of any request, or is below all else
	for _, b := range benchmarks {
		for i := range b.Levels {
			counts, _ := ended(&b.Levels[i])
			for name := range counts {
				some[name] = true
			}
		}
	}
	names := slices.DeleteFunc(outcomeOrder(), func(name string) bool { return !some[name] })
	if len(names) < 2 {
		return chart.Chart{}
	}
	for _, b := range benchmarks {
		s := chart.Series{Name: b.Name}
		for i := range b.Levels {
			l := &b.Levels[i]
			counts, n := ended(l)
			if n == 0 {
				continue
			}
			p := chart.Point{X: float64(slices.Index(points, l.Point)), Y: 100, N: n}
			for _, name := range names {
				p.Parts = append(p.Parts, chart.Part{Name: name, Value: 100 * float64(counts[name]) / float64(n)})
			}
			s.Points = append(s.Points, p)
		}
		c.Series = append(c.Series, s)
	}
	return c
}

// outcomeOrder are the names of outcomes, from below.
func outcomeOrder() []string {
	names := []string{okName, failedName}
	for _, o := range append(record.FailedOutcomes(), record.Cancelled) {
		names = append(names, outcomeName(o))
	}
	return names
}

const (
	okName     = "ok"
	failedName = "failed" // AIPerf tells no more
)

func outcomeName(o record.Outcome) string { return strings.ReplaceAll(string(o), "_", " ") }

// ended are the numbers of a level's requests by what came of them, and their sum.
func ended(l *results.Level) (counts map[string]int, n int) {
	counts = map[string]int{}
	add := func(name string, k int) {
		if k > 0 && slices.Contains(outcomeOrder(), name) {
			counts[name] += k
			n += k
		}
	}
	if l.Record == nil {
		add(okName, int(l.Figures["request_count"]["avg"]))
		add(failedName, int(l.Figures["error_request_count"]["avg"]))
		return counts, n
	}
	for o, k := range l.Record.Counts.Outcomes {
		add(outcomeName(o), k)
	}
	return counts, n
}
