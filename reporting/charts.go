package reporting

import (
	"fmt"
	"slices"
	"strings"

	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/steady"
	"github.com/llmsweep/llmsweep/reporting/chart"
	"github.com/llmsweep/llmsweep/reporting/results"
	"github.com/llmsweep/llmsweep/reporting/summary"
)

// Groups of charts, in their order on a page.
const (
	latencyGroup      = "Latency"
	throughputGroup   = "Throughput"
	distributionGroup = "Distribution"
	timelineGroup     = "Time line"
	requestsGroup     = "Requests"
	serverGroup       = "Server"
	clientGroup       = "Client"
)

// charts returns the five charts of the guide, in its order, and what could not be drawn. Benchmarks of an open loop have four of their own,
// against the request rate.
func charts(benchmarks []*results.Benchmark) ([]chart.Chart, []string) {
	var all []chart.Chart
	for _, x := range axes(benchmarks) {
		all = append(all, x.guide(benchmarks)...)
	}
	all = append(all, efficiency(benchmarks))
	return append(all, goodputCharts(benchmarks)...), gaps(benchmarks)
}

// furtherCharts returns the charts that the guide does not have, by their groups. Those without any value are left out.
func furtherCharts(benchmarks []*results.Benchmark) []chart.Chart {
	var all []chart.Chart
	for _, x := range axes(benchmarks) {
		all = append(all, x.percentiles(benchmarks)...)
	}
	all = append(all, pareto(benchmarks), latencyAgainstThroughput(benchmarks))
	all = append(all, distributions(benchmarks)...)
	all = append(all, timelines(benchmarks)...)
	all = append(all, outcomes(benchmarks))
	for _, x := range axes(benchmarks) {
		all = append(all, x.hitRate(benchmarks))
	}
	all = append(all, told(benchmarks)...)
	for _, x := range axes(benchmarks) {
		all = append(all, x.client(benchmarks)...)
	}
	return slices.DeleteFunc(all, func(c chart.Chart) bool {
		drawn, _ := c.Drawable()
		return !slices.ContainsFunc(drawn, func(s chart.Series) bool { return len(s.Points) > 0 })
	})
}

// axis is the load that levels are drawn against: of benchmarks of an open loop, or of the others.
type axis struct {
	file, title, label string
	open               bool
}

// axes are those that the benchmarks have levels on. A trace has no place on an axis of loads.
func axes(benchmarks []*results.Benchmark) []axis {
	var all []axis
	if slices.ContainsFunc(benchmarks, func(b *results.Benchmark) bool { return !b.Open() }) {
		all = append(all, axis{"concurrency", "Concurrency", "Concurrency Level", false})
	}
	if slices.ContainsFunc(benchmarks, func(b *results.Benchmark) bool { return b.Open() && !b.Levels[0].Trace }) {
		all = append(all, axis{"request_rate", "Request Rate", "Request Rate (req/s)", true})
	}
	return all
}

// on are the benchmarks that have levels on the axis.
func (x axis) on(benchmarks []*results.Benchmark) []*results.Benchmark {
	return slices.DeleteFunc(slices.Clone(benchmarks), func(b *results.Benchmark) bool { return b.Open() != x.open || len(b.Levels) > 0 && b.Levels[0].Trace })
}

// doubts are those about levels on the axis.
func (x axis) doubts(benchmarks []*results.Benchmark) string { return doubts(x.on(benchmarks)) }

// line is an empty chart against the load.
func (x axis) line(group, file, title, y string) chart.Chart {
	return chart.Chart{
		File: file + "_vs_" + x.file + ".png", Title: title + " vs " + x.title, XLabel: x.label, YLabel: y, Kind: chart.Lines, Group: group,
	}
}

// series has a place for each benchmark, so that each keeps its colour in all charts, and in it a point for each of its levels that has one.
func (x axis) series(benchmarks []*results.Benchmark, of func(*results.Level) (chart.Point, bool)) []chart.Series {
	return seriesOf(benchmarks, func(_ *results.Benchmark, l *results.Level) (chart.Point, bool) {
		if l.Open() != x.open || l.Trace {
			return chart.Point{}, false
		}
		p, ok := of(l)
		p.X = l.X()
		return p, ok
	})
}

// seriesOf are the points of the levels whose figures can stand beside others.
func seriesOf(benchmarks []*results.Benchmark, of func(*results.Benchmark, *results.Level) (chart.Point, bool)) []chart.Series {
	all := make([]chart.Series, 0, len(benchmarks))
	for _, b := range benchmarks {
		s := chart.Series{Name: b.Name}
		for i := range b.Levels {
			l := &b.Levels[i]
			if p, ok := of(b, l); ok && l.Unusable() == "" {
				p.Hollow = len(doubtsOf(l)) > 0
				s.Points = append(s.Points, p)
			}
		}
		all = append(all, s)
	}
	return all
}

// requests is of how many requests a metric's figures are.
func requests(l *results.Level, tag string) int {
	n, ok := l.Figures.Get(tag, "count")
	if !ok {
		n = l.Figures["request_count"]["avg"]
	}
	return int(n)
}

// gaps names the levels that have no point in a chart.
func gaps(benchmarks []*results.Benchmark) []string {
	var warnings []string
	for _, b := range benchmarks {
		drawn := []string{"inter_token_latency", "time_to_first_token", "request_throughput"}
		if b.Run != nil && b.Run.Plan.Unstreamed {
			drawn = drawn[2:]
			warnings = append(warnings, b.Name+": its answers were not streamed: it has no TTFT and no ITL, and is left out of their charts")
		}
		for i := range b.Levels {
			l := &b.Levels[i]
			if l.Unusable() != "" {
				warnings = append(warnings, fmt.Sprintf("%s: %s failed or did not run to its end: its points are left out of the charts", b.Name, l.Point.Name()))
				continue
			}
			var missing []string
			for _, tag := range drawn {
				if _, ok := l.Figures.Get(tag, "avg"); !ok {
					missing = append(missing, tag)
				}
			}
			if len(missing) > 0 {
				warnings = append(warnings, fmt.Sprintf("%s: %s has no %s: its points are left out of the charts", b.Name, l.Point.Name(), strings.Join(missing, ", ")))
			}
		}
	}
	return warnings
}

// doubts says which points are hollow, and why, and which levels have none; "" if there is nothing to say.
func doubts(benchmarks []*results.Benchmark) string {
	var hollow []string
	for _, why := range reasonsForDoubt() {
		where := levelsWhere(benchmarks, func(l *results.Level) bool { return l.Unusable() == "" && slices.Contains(doubtsOf(l), why) })
		if where != "" {
			hollow = append(hollow, fmt.Sprintf("%s (%s)", why, where))
		}
	}
	var all []string
	if len(hollow) > 0 {
		all = append(all, "Hollow: "+strings.Join(hollow, ", "))
	}
	if where := levelsWhere(benchmarks, func(l *results.Level) bool { return l.Unusable() != "" }); where != "" {
		all = append(all, fmt.Sprintf("Left out: not finished (%s)", where))
	}
	return strings.Join(all, ". ")
}

// reasonsForDoubt are all that doubtsOf may find.
func reasonsForDoubt() []string {
	return []string{string(steady.Invalid), string(record.ClientLimited), string(record.ClientSuspect), string(steady.Overloaded)}
}

// doubtsOf is why the figures of a level are in doubt.
func doubtsOf(l *results.Level) []string {
	var all []string
	if l.Validity.Broken(false) != "" {
		all = append(all, string(steady.Invalid))
	}
	if c := l.Record.Client(); c == record.ClientLimited || c == record.ClientSuspect {
		all = append(all, string(c))
	}
	if l.Window.Verdict == steady.Overloaded {
		all = append(all, string(steady.Overloaded))
	}
	return all
}

// levelsWhere names the levels of which something holds, or is "".
func levelsWhere(benchmarks []*results.Benchmark, holds func(*results.Level) bool) string {
	var where []string
	everywhere, levels := true, 0
	for _, b := range benchmarks {
		all := !slices.ContainsFunc(b.Levels, func(l results.Level) bool { return !holds(&l) })
		everywhere, levels = everywhere && all, levels+len(b.Levels)
		switch at := b.Loads(holds); {
		case all && len(b.Levels) > 1:
			where = append(where, b.Name+" at all levels")
		case at != "":
			where = append(where, b.Name+" at "+at)
		}
	}
	if everywhere && levels > 1 {
		return "all levels"
	}
	return strings.Join(where, "; ")
}

// byBenchmark says something of each benchmark: once if it is the same of all that it is said of, else with their names. "" is said of none.
func byBenchmark(benchmarks []*results.Benchmark, of func(*results.Benchmark) string) string {
	var texts []string
	names := map[string][]string{}
	for _, b := range benchmarks {
		text := of(b)
		if text == "" {
			continue
		}
		if names[text] == nil {
			texts = append(texts, text)
		}
		names[text] = append(names[text], b.Name)
	}
	if len(texts) == 1 && len(names[texts[0]]) == len(benchmarks) {
		return texts[0]
	}
	for i, text := range texts {
		texts[i] = fmt.Sprintf("%s (%s)", text, strings.Join(names[text], ", "))
	}
	return strings.Join(texts, "; ")
}

// sentences joins those that are not empty.
func sentences(all ...string) string {
	all = slices.DeleteFunc(all, func(s string) bool { return s == "" })
	for i, s := range all {
		if !strings.HasSuffix(s, ".") {
			all[i] = s + "."
		}
	}
	return strings.Join(all, " ")
}

// help says how the metrics of a chart come about: their formulas, who counted tokens, and how percentiles are taken.
func help(benchmarks []*results.Benchmark, tags ...string) string {
	var all []string
	perRequest := false
	for _, d := range metric.Definitions() {
		if slices.Contains(tags, d.Tag) {
			all = append(all, fmt.Sprintf("%s = %s (%s; definition of %s)", d.Name, d.Formula, d.Unit, d.Source))
			perRequest = perRequest || d.PerRequest
		}
	}
	if perRequest {
		all = append(all, "Percentiles: "+metric.AIPerf.Percentiles())
	}
	counted := byBenchmark(benchmarks, func(b *results.Benchmark) string {
		if b.Run == nil {
			return "as AIPerf counted them"
		}
		return summary.Counting(b)
	})
	return sentences(append(all, "Tokens: "+counted)...)
}
