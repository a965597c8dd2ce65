package reporting

import (
	"slices"
	"strings"

	"github.com/llmsweep/llmsweep/reporting/chart"
	"github.com/llmsweep/llmsweep/reporting/results"
	"github.com/llmsweep/llmsweep/reporting/summary"
)

// dotNote says what stands beside the dots of a scatter.
func dotNote(benchmarks []*results.Benchmark) string {
	if slices.ContainsFunc(benchmarks, (*results.Benchmark).Open) {
		return "Note: Numbers on dots indicate concurrency level, or request rate in an open loop"
	}
	return "Note: Numbers on dots indicate concurrency level"
}

func efficiency(benchmarks []*results.Benchmark) chart.Chart {
	c := chart.Chart{
		File: "efficiency_tok_s_gpu_vs_user.png", Title: "GPU Efficiency vs User Experience",
		XLabel: "Tokens/sec per User", YLabel: "Tokens/sec per GPU", Kind: chart.Scatter, Group: throughputGroup,
		Note: dotNote(benchmarks),
		Help: sentences("Tokens/sec per User = output_token_throughput / concurrency, in an open loop / mean in flight; Tokens/sec per GPU = output_token_throughput / GPUs",
			help(benchmarks, "output_token_throughput")),
	}
	c.Series = seriesOf(benchmarks, func(b *results.Benchmark, l *results.Level) (chart.Point, bool) {
		gpus, _ := b.GPUs()
		x, y, ok := summary.Efficiency(l, gpus)
		return chart.Point{X: x, Y: y, Label: l.Value(), N: requests(l, "output_sequence_length")}, ok
	})
	assumed, all := assumedGPUs(benchmarks)
	if all {
		c.YLabel, assumed = c.YLabel+" (1 GPU assumed)", ""
	}
	return noted(c, assumed, doubts(benchmarks))
}

// assumedGPUs says of which benchmarks the number of GPUs is not known, "" of none; all: of all of them.
func assumedGPUs(benchmarks []*results.Benchmark) (note string, all bool) {
	var names []string
	for _, b := range benchmarks {
		if _, is := b.GPUs(); is {
			names = append(names, b.Name)
		}
	}
	switch len(names) {
	case 0:
		return "", false
	case len(benchmarks):
		return "1 GPU is assumed", true
	}
	return "1 GPU is assumed for " + strings.Join(names, ", "), false
}

// noted is a chart with more sentences in its note, of which some may be empty.
func noted(c chart.Chart, more ...string) chart.Chart {
	for _, note := range more {
		if note != "" {
			c.Note += ". " + note
		}
	}
	return c
}

// pareto is what a GPU delivers against what a user sees.
func pareto(benchmarks []*results.Benchmark) chart.Chart {
	const perUser, total = "output_token_throughput_per_user", "output_token_throughput"
	c := chart.Chart{
		File: "pareto_tok_s_gpu_vs_tok_s_user.png", Title: "Throughput per GPU vs Output Speed per User",
		XLabel: "Output Token Throughput per User (tok/s/user)", YLabel: "Output Token Throughput per GPU (tok/s/GPU)",
		Kind: chart.Scatter, Front: true, Group: throughputGroup,
		Note: dotNote(benchmarks) + ". Dashed: the points that no other one beats in both",
		Help: help(benchmarks, perUser, total),
	}
	c.Series = seriesOf(benchmarks, func(b *results.Benchmark, l *results.Level) (chart.Point, bool) {
		gpus, _ := b.GPUs()
		x, ok := l.Figures.Get(perUser, "avg")
		y, also := l.Figures.Get(total, "avg")
		return chart.Point{X: x, Y: y / float64(gpus), Label: l.Value(), N: requests(l, perUser)}, ok && also
	})
	assumed, _ := assumedGPUs(benchmarks)
	return noted(c, assumed, doubts(benchmarks))
}

// latencyAgainstThroughput is the time to a first token, in an open loop from the schedule, against what is delivered.
func latencyAgainstThroughput(benchmarks []*results.Benchmark) chart.Chart {
	const ttft, total = "time_to_first_token", "output_token_throughput"
	tags := []string{total}
	for _, x := range axes(benchmarks) {
		tags = append(tags, x.timed(ttft))
	}
	c := chart.Chart{
		File: "avg_time_to_first_token_vs_output_token_throughput.png", Title: "Average Time to First Token vs Output Token Throughput",
		XLabel: "Output Token Throughput (tok/s)", YLabel: "Average Time to First Token (ms)", Kind: chart.Scatter, Group: latencyGroup,
		Note: dotNote(benchmarks), Help: help(benchmarks, tags...),
	}
	c.Series = seriesOf(benchmarks, func(_ *results.Benchmark, l *results.Level) (chart.Point, bool) {
		tag := axis{open: l.Open()}.timed(ttft)
		x, ok := l.Figures.Get(total, "avg")
		y, also := l.Figures.Get(tag, "avg")
		return chart.Point{X: x, Y: y, Label: l.Value(), N: requests(l, tag)}, ok && also
	})
	if slices.ContainsFunc(benchmarks, (*results.Benchmark).Open) {
		c.Note += "; of an open loop the time is from the schedule"
	}
	return noted(c, doubts(benchmarks))
}
