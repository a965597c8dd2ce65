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
	some := false
	for _, b := range benchmarks {
		s := chart.Series{Name: b.Name}
		for i := range b.Levels {
			l := &b.Levels[i]
			parts, n := ended(l)
			if n <= 0 {
				continue
			}
			some = some || len(parts) > 1
			s.Points = append(s.Points, chart.Point{X: float64(slices.Index(points, l.Point)), Y: 100, N: n, Parts: parts})
		}
		c.Series = append(c.Series, s)
	}
	if !some {
		return chart.Chart{}
	}
	return c
}

// ended are the shares of a level's outcomes in percent, ok first, and of how many requests.
func ended(l *results.Level) (parts []chart.Part, n int) {
	counts, names := map[string]int{}, []string{"ok"}
	if l.Record == nil { // AIPerf tells no more
		names = append(names, "failed")
		counts["ok"], counts["failed"] = int(l.Figures["request_count"]["avg"]), int(l.Figures["error_request_count"]["avg"])
	} else {
		for _, o := range append(record.FailedOutcomes(), record.Cancelled) {
			names = append(names, strings.ReplaceAll(string(o), "_", " "))
		}
		for o, k := range l.Record.Counts.Outcomes {
			counts[strings.ReplaceAll(string(o), "_", " ")] += k
		}
	}
	for _, name := range names {
		n += counts[name]
	}
	for _, name := range names {
		if k := counts[name]; k > 0 || name == "ok" {
			parts = append(parts, chart.Part{Name: name, Value: 100 * float64(k) / float64(max(n, 1))})
		}
	}
	return parts, n
}
