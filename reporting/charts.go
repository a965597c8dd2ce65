package reporting

import (
	"fmt"
	"slices"
	"strings"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/reporting/chart"
	"github.com/llmsweep/llmsweep/reporting/results"
	"github.com/llmsweep/llmsweep/reporting/summary"
)

// charts returns the five charts of the guide, in its order, and what could not be drawn.
func charts(benchmarks []*results.Benchmark) ([]chart.Chart, []string) {
	line := func(file, title, y, tag, statistic string) chart.Chart {
		return chart.Chart{
			File: file, Title: title, XLabel: "Concurrency Level", YLabel: y, Kind: chart.Lines, Series: series(benchmarks, tag, statistic), Note: note(benchmarks, tag, statistic),
		}
	}
	all := []chart.Chart{
		line("p50_inter_token_latency_vs_concurrency.png", "P50 Inter-Token Latency vs Concurrency", "P50 Inter-Token Latency (ms)", "inter_token_latency", "p50"),
		line("avg_inter_token_latency_vs_concurrency.png", "Average Inter-Token Latency vs Concurrency", "Average Inter-Token Latency (ms)", "inter_token_latency", "avg"),
		line("request_throughput_vs_concurrency.png", "Request Throughput vs Concurrency", "Request Throughput (req/s)", "request_throughput", "avg"),
		line("avg_time_to_first_token_vs_concurrency.png", "Average Time to First Token vs Concurrency", "Average Time to First Token (ms)", "time_to_first_token", "avg"),
		efficiency(benchmarks),
	}
	return all, gaps(benchmarks)
}

func series(benchmarks []*results.Benchmark, tag, statistic string) []chart.Series {
	all := make([]chart.Series, 0, len(benchmarks))
	for _, b := range benchmarks {
		s := chart.Series{Name: b.Name}
		for i := range b.Levels {
			l := &b.Levels[i]
			if y, ok := l.Figures.Get(tag, statistic); ok && l.Unusable() == "" {
				point := chart.Point{X: float64(l.Concurrency), Y: y, Hollow: l.Doubtful()}
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
				warnings = append(warnings, fmt.Sprintf("%s: c%d failed or did not run to its end: its points are left out of the charts", b.Name, l.Concurrency))
				continue
			}
			var missing []string
			for _, tag := range drawn {
				if _, ok := l.Figures.Get(tag, "avg"); !ok {
					missing = append(missing, tag)
				}
			}
			if len(missing) > 0 {
				warnings = append(warnings, fmt.Sprintf("%s: c%d has no %s: its points are left out of the charts", b.Name, l.Concurrency, strings.Join(missing, ", ")))
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
				s.Points = append(s.Points, chart.Point{X: x, Y: y, Label: fmt.Sprint(l.Concurrency), Hollow: l.Doubtful()})
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
	for _, verdict := range []record.ClientVerdict{record.ClientLimited, record.ClientSuspect} {
		var where []string
		for _, b := range benchmarks {
			if levels := b.Judged(verdict); levels != "" {
				where = append(where, b.Name+" at "+levels)
			}
		}
		if len(where) > 0 {
			reasons = append(reasons, fmt.Sprintf("%s (%s)", verdict, strings.Join(where, "; ")))
		}
	}
	if len(reasons) == 0 {
		return ""
	}
	return "Hollow: " + strings.Join(reasons, ", ")
}
