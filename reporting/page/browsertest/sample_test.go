package browsertest

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/llmsweep/llmsweep/reporting/chart"
	"github.com/llmsweep/llmsweep/reporting/page"
)

// sample is a report of so many benchmarks and levels that has a chart of every kind, each with all that its points can say.
func sample(benchmarks, levels int) page.Page {
	s := shape{names: slices.Clone(names()[:benchmarks]), levels: []int{1, 2, 5, 10, 50, 100, 250}[:levels]}
	p := page.Page{
		Title: fmt.Sprintf("LLM benchmark: %d configurations", benchmarks), Subtitle: "Latency and throughput against the number of concurrent requests",
		Badges: []page.Badge{
			{State: page.Good, Text: "VALID", Detail: "all levels"}, {State: page.Doubt, Text: "client suspect", Detail: "1 of 7 levels: 250"},
			{State: page.Bad, Text: "OVERLOADED", Detail: "1 of 7 levels: 250"}, {State: page.None, Text: "too short for a steady window", Detail: "5 of 7 levels"},
		},
		Facts: []page.Fact{
			{Name: "Target", Value: "http://10.0.0.7:8000"}, {Name: "Model", Value: "Qwen/Qwen3-0.6B"}, {Name: "Lengths", Value: "2000 ± 10 in, 256 out tokens"},
			{Name: "Load", Value: "closed loop, seed 42, nonce 7"}, {Name: "GPUs", Value: "8"}, {Name: "Client", Value: "linux/amd64, 16 CPUs (some processor of today), go1.26"},
		},
		Warnings:    []string{"one", "two", "three"},
		Headline:    []page.Table{s.table()},
		Charts:      s.charts(),
		Tables:      []page.Table{{Title: "Another table", Columns: []page.Column{{Name: "Level"}, {Name: "Outcome", Text: true}}, Rows: page.TextRows([][]string{{"10", "cut"}, {"2", "timed out"}})}},
		Definitions: []page.Fact{{Name: "TTFT", Value: "from the start of the request to its first token"}},
		Notes:       []string{"Repeat it: go test ./bench -run Sweep"},
	}
	return p
}

func names() []string {
	return []string{
		"vllm-agg", "vllm-disagg", "sglang-h100", "trtllm-h100-fp8", "dynamo-disagg-router-kv", "dynamo-agg-router-round-robin",
		"candidate-with-a-name-of-sixty-characters-to-see-it-wrapped.", "tgi-a10", "baseline", "mock-slow", "mock-fast", "last-of-twelve",
	}
}

type shape struct {
	names  []string
	levels []int
}

// latency is a made-up time of benchmark i at a level, in ms.
func latency(i, level int) float64 {
	return float64(40 + 6*i + level)
}

func (s shape) table() page.Table {
	t := page.Table{Title: "Results", Caption: "★ best of its column.", Columns: []page.Column{
		{Name: "Benchmark", Text: true}, {Name: "Concurrency"}, {Name: "Verdict", Text: true}, {Name: "TTFT avg", Unit: "ms"}, {Name: "TTFT p99", Unit: "ms"}, {Name: "Output", Unit: "tokens/s"},
	}}
	for i, name := range s.names {
		for _, level := range s.levels {
			v := latency(i, level)
			mark, p99 := page.NoMark, "n/a"
			switch {
			case i == 0 && level == 1:
				mark = page.Best
			case i == 0:
				mark = page.BestHere
			}
			if level > 50 {
				p99 = fmt.Sprintf("%.0f", 2*v)
			}
			t.Rows = append(t.Rows, []page.Cell{
				{Text: name, Series: i + 1}, {Text: strconv.Itoa(level)}, {Badges: []page.Badge{{State: page.Good, Text: "VALID"}}},
				{Text: fmt.Sprintf("%.1f", v), Detail: fmt.Sprintf("[%.1f, %.1f]", 0.95*v, 1.05*v), Mark: mark}, {Text: p99}, {Text: fmt.Sprintf("%.0f", 1e5*float64(level)/v)},
			})
		}
	}
	return t
}

// each makes the series of a chart.
func (s shape) each(points func(i int) []chart.Point) []chart.Series {
	all := make([]chart.Series, len(s.names))
	for i, name := range s.names {
		all[i] = chart.Series{Name: name, Points: points(i)}
	}
	return all
}

func (s shape) charts() []chart.Chart {
	all := []chart.Chart{s.bands("Time to first token", "Time to First Token (ms)", 1), s.bands("Inter-token latency", "Inter-Token Latency (ms)", 0.1), s.bars(), s.efficiency()}
	for _, level := range s.levels {
		choice := fmt.Sprintf("c%d", level)
		for _, of := range []string{"Time to first token", "Inter-token latency", "Request latency"} {
			all = append(all, s.ecdf(of, choice, level))
		}
	}
	for _, level := range s.levels {
		all = append(all, s.timeLine(fmt.Sprintf("c%d", level), level), s.dots(fmt.Sprintf("c%d", level), level))
	}
	return append(all, s.outcomes())
}

func (s shape) bands(of, label string, factor float64) chart.Chart {
	return chart.Chart{
		File: "bands_" + strconv.FormatFloat(factor, 'g', -1, 64) + ".png", Title: of + " against load", XLabel: "Concurrency Level", YLabel: label, Kind: chart.Lines, Group: "Latency",
		Help: "From the start of the request to its first content chunk.\nPercentiles interpolate linearly; tokens as the server counted them.", BandNames: []string{"p50", "p90", "p95", "p99"},
		Note: "Bands up to p90, p95 and p99.",
		Series: s.each(func(i int) (points []chart.Point) {
			for _, level := range s.levels {
				v := factor * latency(i, level)
				points = append(points, chart.Point{X: float64(level), Y: v, N: max(10, 3*level), Bands: []float64{1.3 * v, 1.5 * v, 2.1 * v}, Hollow: level == 250})
			}
			return points
		}),
	}
}

func (s shape) bars() chart.Chart {
	return chart.Chart{
		File: "request_throughput_vs_concurrency.png", Title: "Request throughput", XLabel: "Concurrency Level", YLabel: "Request Throughput (req/s)", Kind: chart.Lines, Group: "Throughput",
		Help: "Valid requests over the time from the first start to the last content.", Note: "Bars: 95 % intervals over runs.",
		Series: s.each(func(i int) (points []chart.Point) {
			for _, level := range s.levels {
				v := 1000 * float64(level) / latency(i, level) / 20
				points = append(points, chart.Point{X: float64(level), Y: v, Low: 0.9 * v, High: 1.12 * v, N: 3 * level})
			}
			return points
		}),
	}
}

func (s shape) efficiency() chart.Chart {
	return chart.Chart{
		File: "efficiency_tok_s_gpu_vs_user.png", Title: "GPU Efficiency vs User Experience", XLabel: "Tokens/sec per User", YLabel: "Tokens/sec per GPU", Kind: chart.Scatter,
		Group: "Throughput", Front: true, Note: "Numbers on dots are the concurrency. Dashed: what no other point beats in both.", Help: "Output tokens per second over users, and over GPUs.",
		Series: s.each(func(i int) (points []chart.Point) {
			for _, level := range s.levels {
				v := latency(i, level)
				points = append(points, chart.Point{X: 6000 / v, Y: 6000 * float64(level) / v, Label: strconv.Itoa(level), N: 3 * level})
			}
			return points
		}),
	}
}

func (s shape) ecdf(of, choice string, level int) chart.Chart {
	return chart.Chart{
		File: "ecdf_" + choice + ".png", Title: of + ": distribution at " + choice, XLabel: of + " (ms)", YLabel: "Share of requests (%)", Kind: chart.Curves, Group: "Distributions",
		Choice: choice, Help: "The share of requests that took no longer.",
		Series: s.each(func(i int) (points []chart.Point) {
			for k := range 101 {
				points = append(points, chart.Point{X: latency(i, level) * (0.5 + math.Pow(float64(k)/60, 3)), Y: float64(k), N: 750})
			}
			return points
		}),
	}
}

func (s shape) timeLine(choice string, level int) chart.Chart {
	return chart.Chart{
		File: "flight_" + choice + ".png", Title: "In flight at " + choice, XLabel: "Time since the start (s)", YLabel: "Requests in flight", Kind: chart.Curves, Group: "Time line", Choice: choice,
		Spans: []chart.Span{{Series: 0, From: 20, To: 80, Label: "window"}}, Help: "Requests that were sent and had not ended.",
		Series: s.each(func(i int) (points []chart.Point) {
			for k := range 121 {
				x := float64(k)
				points = append(points, chart.Point{X: x, Y: float64(level) * math.Min(1, math.Min(x/5, (120-x)/8)) * (1 - 0.01*float64(i)*math.Abs(math.Sin(x)))})
			}
			return points
		}),
	}
}

func (s shape) dots(choice string, level int) chart.Chart {
	return chart.Chart{
		File: "scatter_" + choice + ".png", Title: "Time to first token at " + choice, XLabel: "Time since the start (s)", YLabel: "Time to First Token (ms)", Kind: chart.Dots, Group: "Time line",
		Choice: choice, Help: "A dot each request, at its start.",
		Series: s.each(func(i int) (points []chart.Point) {
			for k := range 100 + level {
				points = append(points, chart.Point{X: 120 * float64(k) / float64(100+level), Y: latency(i, level) * (1 + 0.3*math.Sin(float64(k*k)))})
			}
			return points
		}),
	}
}

func (s shape) outcomes() chart.Chart {
	c := chart.Chart{
		File: "outcomes.png", Title: "Outcomes", XLabel: "Concurrency Level", YLabel: "Requests", Kind: chart.Stacks, Group: "Outcomes", Help: "How the requests of each level ended.",
	}
	for _, level := range s.levels {
		c.Categories = append(c.Categories, strconv.Itoa(level))
	}
	c.Series = s.each(func(i int) (points []chart.Point) {
		for k, level := range s.levels {
			good, bad, cut := float64(3*level), float64(i+level/10), float64(level/20)
			points = append(points, chart.Point{X: float64(k), Y: good + bad + cut, N: 3 * level, Parts: []chart.Part{{Name: "ok", Value: good}, {Name: "rejected", Value: bad}, {Name: "cut", Value: cut}}})
		}
		return points
	})
	return c
}
