package reporting

import (
	"slices"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/reporting/chart"
	"github.com/llmsweep/llmsweep/reporting/results"
)

// guide are the guide's charts against a load. In an open loop the time to a first token is that from the schedule.
func (x axis) guide(benchmarks []*results.Benchmark) []chart.Chart {
	line := func(group, file, title, y, tag, statistic string) chart.Chart {
		c := x.line(group, file, title, y)
		c.Series, c.Note, c.Help = x.figures(benchmarks, tag, statistic), x.note(benchmarks, tag, statistic), help(benchmarks, tag)
		return c
	}
	ttftLabel := "Average Time to First Token (ms)"
	if x.open {
		ttftLabel = "Average Time to First Token, from schedule (ms)"
	}
	return []chart.Chart{
		line(latencyGroup, "p50_inter_token_latency", "P50 Inter-Token Latency", "P50 Inter-Token Latency (ms)", "inter_token_latency", "p50"),
		line(latencyGroup, "avg_inter_token_latency", "Average Inter-Token Latency", "Average Inter-Token Latency (ms)", "inter_token_latency", "avg"),
		line(throughputGroup, "request_throughput", "Request Throughput", "Request Throughput (req/s)", "request_throughput", "avg"),
		line(latencyGroup, "avg_time_to_first_token", "Average Time to First Token", ttftLabel, x.timed("time_to_first_token"), "avg"),
	}
}

// timed is the tag of a latency that an open loop takes from the schedule.
func (x axis) timed(tag string) string {
	if x.open {
		return "scheduled_" + tag
	}
	return tag
}

// figures are a statistic of the levels, with its intervals over runs.
func (x axis) figures(benchmarks []*results.Benchmark, tag, statistic string) []chart.Series {
	return x.series(benchmarks, func(l *results.Level) (chart.Point, bool) {
		y, ok := l.Figures.Get(tag, statistic)
		p := chart.Point{Y: y, N: requests(l, tag)}
		if interval, has := l.IntervalOver(tag, statistic); has {
			p.Low, p.High = interval.Low, interval.High
		}
		return p, ok
	})
}

// note explains what a chart shows beside its lines.
func (x axis) note(benchmarks []*results.Benchmark, tag, statistic string) string {
	barred := slices.ContainsFunc(x.on(benchmarks), func(b *results.Benchmark) bool {
		return slices.ContainsFunc(b.Levels, func(l results.Level) bool {
			_, ok := l.IntervalOver(tag, statistic)
			return ok && l.Unusable() == ""
		})
	})
	doubt := x.doubts(benchmarks)
	switch {
	case !barred:
		return doubt
	case doubt == "":
		return "Bars: 95 % intervals over runs"
	default:
		return "Bars: 95 % intervals over runs. " + doubt
	}
}

// percentiles are bands from the median to the 99th percentile.
func (x axis) percentiles(benchmarks []*results.Benchmark) []chart.Chart {
	var all []chart.Chart
	for _, of := range [][3]string{
		{"time_to_first_token", "Time to First Token", "Time to First Token"},
		{"inter_token_latency", "Inter-Token Latency", "Inter-Token Latency"},
		{"request_latency", "Request Latency", "Request Latency"},
	} {
		tag, label := of[0], of[2]
		if tag != "inter_token_latency" {
			if tag = x.timed(tag); x.open {
				label += ", from schedule"
			}
		}
		c := x.line(latencyGroup, of[0]+"_percentiles", of[1]+" Percentiles", label+" (ms)")
		c.BandNames = []string{"p50", "p90", "p95", "p99"}
		c.Series = x.series(benchmarks, func(l *results.Level) (chart.Point, bool) { return bands(l, tag) })
		c.Note = sentences("A percentile that a level has too few requests for is left out of its band", x.doubts(benchmarks))
		c.Help = help(benchmarks, tag)
		all = append(all, c)
	}
	return all
}

// bands has the percentiles that the level has enough requests for: of those that need more than one that it has not, none.
func bands(l *results.Level, tag string) (p chart.Point, ok bool) {
	p.N = requests(l, tag)
	if p.Y, ok = l.Figures.Percentile(tag, 50); !ok {
		return p, false
	}
	for _, q := range []float64{90, 95, 99} {
		v, enough := l.Figures.Percentile(tag, q)
		if !enough {
			break
		}
		p.Bands = append(p.Bands, v)
	}
	return p, true
}

// hitRate is how much of the prompts the server had in its cache: by the usage of its answers or, where these do not tell, by its counters.
func (x axis) hitRate(benchmarks []*results.Benchmark) chart.Chart {
	const tag = "overall_usage_prompt_cache_read_pct"
	c := x.line(serverGroup, "prefix_hit_rate", "Prefix Cache Hit Rate", "Prompt Tokens Found in Cache (%)")
	c.Series = x.series(benchmarks, func(l *results.Level) (chart.Point, bool) {
		if l.Record == nil {
			y, ok := l.Figures.Get(tag, "avg")
			return chart.Point{Y: y, N: requests(l, "usage_prompt_cache_read_tokens")}, ok
		}
		if l.Cache.Requests == 0 {
			y, ok := l.HitRate()
			return chart.Point{Y: y, N: requests(l, "request_latency")}, ok
		}
		return chart.Point{Y: l.Cache.Percent(l.Cache.Hits), N: l.Cache.Requests}, true
	})
	counted := byBenchmark(x.on(benchmarks), func(b *results.Benchmark) string {
		if slices.ContainsFunc(b.Levels, func(l results.Level) bool { _, told := l.HitRate(); return told && l.Cache.Requests == 0 }) {
			return "by the server's counters, where its answers do not tell"
		}
		return ""
	})
	c.Note, c.Help = sentences(capital(counted), x.doubts(benchmarks)), help(benchmarks, tag)
	return c
}

// client are what the client knew of itself; of several runs, in that with the worst verdict.
func (x axis) client(benchmarks []*results.Benchmark) []chart.Chart {
	read := func(file, title, y, how string, of func(*record.Instrument) (chart.Point, bool)) chart.Chart {
		c := x.line(clientGroup, file, title, y)
		c.Series = x.series(benchmarks, func(l *results.Level) (p chart.Point, ok bool) {
			if i := l.Instrument(); i != nil {
				p, ok = of(i)
			}
			late := max(p.Y, slices.Max(append(p.Bands, 0)))
			return p, ok && late > 0 // in virtual time nothing is late
		})
		c.Note, c.Help = x.doubts(benchmarks), how
		return c
	}
	canary := read("client_canary", "Canary Delay", "Canary Delay (ms)",
		"From the instant just before a writer inside the client wrote a chunk to the client's stamp of it.",
		func(i *record.Instrument) (chart.Point, bool) {
			if i.Canary == nil || i.Canary.Chunks == 0 {
				return chart.Point{}, false
			}
			return chart.Point{Y: i.Canary.DelayP50MS, Bands: []float64{i.Canary.DelayP99MS, i.Canary.DelayMaxMS}, N: i.Canary.Chunks}, true
		})
	lateness := read("client_send_lateness", "Send Lateness", "Send Lateness (ms)",
		"Start of a request - the instant at which it could have started: in an open loop its schedule, in a closed one when its slot became free.",
		func(i *record.Instrument) (chart.Point, bool) {
			if i.Lateness == nil || i.Lateness.Requests == 0 {
				return chart.Point{}, false
			}
			return chart.Point{Y: i.Lateness.P50MS, Bands: []float64{i.Lateness.P99MS, i.Lateness.MaxMS}, N: i.Lateness.Requests}, true
		})
	canary.BandNames, lateness.BandNames = []string{"p50", "p99", "max"}, []string{"p50", "p99", "max"}
	return []chart.Chart{
		read("client_error", "Client's Error", "Client's Error (ms)",
			"How much too late a stamp may be: the larger 99th percentile of the canary's delay and of how late a goroutine woke. A latency is too high by no more, save in one of a hundred.",
			func(i *record.Instrument) (chart.Point, bool) {
				p := chart.Point{Y: i.ErrorMS}
				if i.Canary != nil {
					p.N = i.Canary.Chunks
				}
				return p, i.Canary != nil || i.Probe != nil
			}),
		lateness, canary,
	}
}
