package reporting

import (
	"fmt"
	"slices"
	"strings"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/steady"
	"github.com/llmsweep/llmsweep/reporting/chart"
	"github.com/llmsweep/llmsweep/reporting/results"
	"github.com/llmsweep/llmsweep/reporting/summary"
)

// charts returns the five charts of the guide, in its order, and what could not be drawn. Benchmarks of an open loop have four of their own,
// against the request rate.
func charts(benchmarks []*results.Benchmark) ([]chart.Chart, []string) {
	var all []chart.Chart
	if slices.ContainsFunc(benchmarks, func(b *results.Benchmark) bool { return !b.Open() }) {
		all = append(all, lines(benchmarks, axis{"concurrency", "Concurrency", "Concurrency Level", false})...)
	}
	if slices.ContainsFunc(benchmarks, func(b *results.Benchmark) bool { return b.Open() && !b.Levels[0].Trace }) {
		all = append(all, lines(benchmarks, axis{"request_rate", "Request Rate", "Request Rate (req/s)", true})...)
	}
	return append(all, efficiency(benchmarks)), gaps(benchmarks)
}

// axis is the load that levels are drawn against: of benchmarks of an open loop, or of the others.
type axis struct {
	file, title, label string
	open               bool
}

// lines are the charts against a load. In an open loop the time to a first token is that from the schedule.
func lines(benchmarks []*results.Benchmark, x axis) []chart.Chart {
	line := func(file, title, y, tag, statistic string) chart.Chart {
		return chart.Chart{
			File: file + "_vs_" + x.file + ".png", Title: title + " vs " + x.title, XLabel: x.label, YLabel: y, Kind: chart.Lines,
			Series: series(benchmarks, x.open, tag, statistic), Note: note(benchmarks, tag, statistic),
		}
	}
	ttft, ttftLabel := "time_to_first_token", "Average Time to First Token (ms)"
	if x.open {
		ttft, ttftLabel = "scheduled_time_to_first_token", "Average Time to First Token, from schedule (ms)"
	}
	return []chart.Chart{
		line("p50_inter_token_latency", "P50 Inter-Token Latency", "P50 Inter-Token Latency (ms)", "inter_token_latency", "p50"),
		line("avg_inter_token_latency", "Average Inter-Token Latency", "Average Inter-Token Latency (ms)", "inter_token_latency", "avg"),
		line("request_throughput", "Request Throughput", "Request Throughput (req/s)", "request_throughput", "avg"),
		line("avg_time_to_first_token", "Average Time to First Token", ttftLabel, ttft, "avg"),
	}
}

// series has a place for each benchmark, so that each keeps its colour in all charts.
func series(benchmarks []*results.Benchmark, open bool, tag, statistic string) []chart.Series {
	all := make([]chart.Series, 0, len(benchmarks))
	for _, b := range benchmarks {
		s := chart.Series{Name: b.Name}
		for i := range b.Levels {
			if b.Levels[i].Open() != open || b.Levels[i].Trace { // a trace has no place on an axis of loads
				continue
			}
			l := &b.Levels[i]
			if y, ok := l.Figures.Get(tag, statistic); ok && l.Unusable() == "" {
				point := chart.Point{X: l.X(), Y: y, Hollow: l.Doubtful()}
				if interval, ok := l.IntervalOver(tag, statistic); ok {
					point.Low, point.High = interval.Low, interval.High
				}
				s.Points = append(s.Points, point)
			}
		}
		all = append(all, s)
	}
	return all
}

// note explains what a chart shows beside its lines.
func note(benchmarks []*results.Benchmark, tag, statistic string) string {
	barred := slices.ContainsFunc(benchmarks, func(b *results.Benchmark) bool {
		return slices.ContainsFunc(b.Levels, func(l results.Level) bool {
			_, ok := l.IntervalOver(tag, statistic)
			return ok && l.Unusable() == ""
		})
	})
	doubt := doubts(benchmarks)
	switch {
	case !barred:
		return doubt
	case doubt == "":
		return "Bars: 95 % intervals over runs"
	default:
		return "Bars: 95 % intervals over runs. " + doubt
	}
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

func efficiency(benchmarks []*results.Benchmark) chart.Chart {
	c := chart.Chart{
		File: "efficiency_tok_s_gpu_vs_user.png", Title: "GPU Efficiency vs User Experience",
		XLabel: "Tokens/sec per User", YLabel: "Tokens/sec per GPU", Kind: chart.Scatter,
		Note: "Note: Numbers on dots indicate concurrency level",
	}
	if slices.ContainsFunc(benchmarks, (*results.Benchmark).Open) {
		c.Note = "Note: Numbers on dots indicate concurrency level, or request rate in an open loop"
	}
	var assumed []string
	for _, b := range benchmarks {
		gpus, isAssumed := b.GPUs()
		if isAssumed {
			assumed = append(assumed, b.Name)
		}
		s := chart.Series{Name: b.Name}
		for i := range b.Levels {
			l := &b.Levels[i]
			if x, y, ok := summary.Efficiency(l, gpus); ok && l.Unusable() == "" {
				s.Points = append(s.Points, chart.Point{X: x, Y: y, Label: l.Value(), Hollow: l.Doubtful()})
			}
		}
		c.Series = append(c.Series, s)
	}
	switch len(assumed) {
	case 0:
	case len(benchmarks):
		c.YLabel += " (1 GPU assumed)"
	default:
		c.Note += ". 1 GPU is assumed for " + strings.Join(assumed, ", ")
	}
	if note := doubts(benchmarks); note != "" {
		c.Note += ". " + note
	}
	return c
}

// doubts says which points are hollow, and why; "" if none is.
func doubts(benchmarks []*results.Benchmark) string {
	var reasons []string
	reason := func(why string, of func(*results.Benchmark) string) {
		var where []string
		for _, b := range benchmarks {
			if levels := of(b); levels != "" {
				where = append(where, b.Name+" at "+levels)
			}
		}
		if len(where) > 0 {
			reasons = append(reasons, fmt.Sprintf("%s (%s)", why, strings.Join(where, "; ")))
		}
	}
	reason(string(steady.Invalid), (*results.Benchmark).Invalid)
	for _, verdict := range []record.ClientVerdict{record.ClientLimited, record.ClientSuspect} {
		reason(string(verdict), func(b *results.Benchmark) string { return b.Judged(verdict) })
	}
	if len(reasons) == 0 {
		return ""
	}
	return "Hollow: " + strings.Join(reasons, ", ")
}
