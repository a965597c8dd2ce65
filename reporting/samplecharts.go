package reporting

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/steady"
	"github.com/llmsweep/llmsweep/reporting/chart"
	"github.com/llmsweep/llmsweep/reporting/results"
)

// sampled are the levels of the benchmarks with one load whose requests are known, each in the place of its benchmark; nil: it has none.
type sampled struct {
	record.Point
	benchmarks []*results.Benchmark
	levels     []*results.Level
}

// sampledLevels lists all loads of which any benchmark has requests.
func sampledLevels(benchmarks []*results.Benchmark) []sampled {
	var points []record.Point
	for _, b := range benchmarks {
		for i := range b.Levels {
			if b.Levels[i].Record != nil {
				points = append(points, b.Levels[i].Point)
			}
		}
	}
	slices.SortFunc(points, record.Point.Compare)
	var all []sampled
	for _, at := range slices.Compact(points) {
		s := sampled{at, benchmarks, make([]*results.Level, len(benchmarks))}
		for i, b := range benchmarks {
			if k := slices.IndexFunc(b.Levels, func(l results.Level) bool { return l.Point == at && l.Record != nil }); k >= 0 {
				s.levels[i] = &b.Levels[k]
			}
		}
		all = append(all, s)
	}
	return all
}

// chart is an empty one of the levels, which a page shows if the reader chose them.
func (s sampled) chart(group, file, title string) chart.Chart {
	load := "Concurrency " + s.Value()
	switch {
	case s.Trace:
		load = "Trace"
	case s.Open():
		load = s.Value() + " req/s"
	}
	return chart.Chart{File: file + "_" + s.Name() + ".png", Title: title + ", " + load, Group: group, Choice: s.Name(), Kind: chart.Curves}
}

// series are the points that each level has.
func (s sampled) series(of func(*results.Level) []chart.Point) []chart.Series {
	all := make([]chart.Series, len(s.levels))
	for i, l := range s.levels {
		all[i].Name = s.benchmarks[i].Name
		if l == nil {
			continue
		}
		all[i].Points = of(l.Sampled())
		for k := range all[i].Points {
			all[i].Points[k].Hollow = len(doubtsOf(l)) > 0
		}
	}
	return all
}

// say says something of each level.
func (s sampled) say(of func(*results.Level) string) string {
	return byBenchmark(s.benchmarks, func(b *results.Benchmark) string {
		if l := s.levels[slices.Index(s.benchmarks, b)]; l != nil {
			return of(l)
		}
		return ""
	})
}

// origin says which requests are shown: of a level with several runs those of one, and of a folder that AIPerf wrote none.
func (s sampled) origin() string {
	runs := s.say(func(l *results.Level) string {
		if len(l.Runs) == 0 {
			return ""
		}
		return fmt.Sprintf("%s of %d runs", filepath.Base(l.Sampled().Dir), len(l.Runs))
	})
	unknown := byBenchmark(s.benchmarks, func(b *results.Benchmark) string {
		if b.Run == nil {
			return "no requests recorded"
		}
		return ""
	})
	return sentences(capital(runs), capital(unknown))
}

func capital(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// distributions are the distribution functions of the headline latencies, a chart for each level.
func distributions(benchmarks []*results.Benchmark) []chart.Chart {
	var all []chart.Chart
	for _, s := range sampledLevels(benchmarks) {
		x := axis{open: s.Open()}
		for _, of := range [][3]string{
			{x.timed("time_to_first_token"), "time_to_first_token", "Time to First Token"},
			{"inter_token_latency", "inter_token_latency", "Inter-Token Latency"},
			{x.timed("request_latency"), "request_latency", "Request Latency"},
		} {
			c := s.chart(distributionGroup, "distribution_"+of[1], of[2]+" Distribution")
			if c.XLabel = of[2] + " (ms)"; of[0] != of[1] {
				c.XLabel = of[2] + ", from schedule (ms)"
			}
			c.YLabel, c.Steps = "Requests With at Most This Value (%)", true
			c.Series = s.series(func(l *results.Level) []chart.Point {
				if l.Unusable() != "" {
					return nil
				}
				return shares(l.Distributions[of[0]])
			})
			c.Note = sentences("Of requests that ended well", s.inDoubt(), s.origin(), s.leftOut())
			c.Help = sentences(help(benchmarks, of[0]), "A step at each request; of more than 200 some are kept, so that no share is off by 0.5 % or more, the percentiles 95, 99 and 99.9 and the maximum exactly")
			all = append(all, c)
		}
	}
	return all
}

// leftOut names the levels whose figures should not stand beside others.
func (s sampled) leftOut() string {
	if text := s.say((*results.Level).Unusable); text != "" {
		return "Left out: " + text
	}
	return ""
}

// inDoubt says whose figures are, and why: lines over requests have no points that could be hollow.
func (s sampled) inDoubt() string {
	text := s.say(func(l *results.Level) string {
		if l.Unusable() != "" {
			return ""
		}
		return strings.Join(doubtsOf(l), ", ")
	})
	if text != "" {
		return "In doubt: " + text
	}
	return ""
}

// warmups says until when levels were warmed up: what they did in that time is not shown.
func (s sampled) warmups() string {
	text := byBenchmark(s.benchmarks, func(b *results.Benchmark) string {
		l := s.levels[slices.Index(s.benchmarks, b)]
		if l == nil || b.Run == nil || b.Run.Plan.WarmupRequests == 0 && b.Run.Plan.WarmupDuration == 0 || len(l.Sampled().Timeline.Bins) == 0 {
			return ""
		}
		return fmt.Sprintf("warm-up until %s s", chart.Number(seconds(l.Sampled().Timeline.FirstNS)))
	})
	return capital(text)
}

// shares are the steps in percent, from zero.
func shares(d results.Distribution) []chart.Point {
	var points []chart.Point
	for i, step := range d.Steps {
		if i == 0 {
			points = append(points, chart.Point{X: step.Value, N: d.Requests})
		}
		points = append(points, chart.Point{X: step.Value, Y: d.Share(step), N: d.Requests})
	}
	return points
}

// timelines are what went on in each level. Those that failed or were stopped have theirs, since there one looks for the reason.
func timelines(benchmarks []*results.Benchmark) []chart.Chart {
	var all []chart.Chart
	for _, s := range sampledLevels(benchmarks) {
		bins := func(file, title, y, how string, of func(*results.Timeline, results.Bin) (float64, int)) chart.Chart {
			c := s.timeline(file, title, y, how)
			c.Steps = true
			c.Series = s.series(func(l *results.Level) []chart.Point { return binned(&l.Timeline, of) })
			c.Note = sentences(s.bins(), c.Note)
			return c
		}
		perSecond := func(t *results.Timeline, n float64) float64 { return n / (float64(t.WidthNS) / 1e9) }
		all = append(all,
			bins("in_flight", "Requests in Flight", "Requests in Flight", "Mean over each bin of how many requests had started and not ended, whatever became of them.",
				func(t *results.Timeline, b results.Bin) (float64, int) {
					return b.InFlightNS / float64(t.WidthNS), b.InFlight
				}),
			bins("output_tokens", "Output Tokens", "Output Tokens (tok/s)",
				"Output tokens whose chunks came within a bin, a second, of requests that ended well or that the client cancelled. "+help(benchmarks),
				func(t *results.Timeline, b results.Bin) (float64, int) { return perSecond(t, b.Tokens), b.Chunks }),
			s.ttft(),
		)
		failed := bins("failed_requests", "Failed Requests", "Failed Requests (req/s)", "Requests that ended within a bin and failed, a second. What the client cancelled is no failure.",
			func(t *results.Timeline, b results.Bin) (float64, int) {
				return perSecond(t, float64(b.Failed)), b.Ended
			})
		if slices.ContainsFunc(failed.Series, func(s chart.Series) bool {
			return slices.ContainsFunc(s.Points, func(p chart.Point) bool { return p.Y > 0 })
		}) {
			all = append(all, failed)
		}
	}
	return all
}

// timeline is an empty chart over the time of the levels, with their windows marked.
func (s sampled) timeline(file, title, y, how string) chart.Chart {
	c := s.chart(timelineGroup, "time_line_"+file, title)
	c.XLabel, c.YLabel, c.Help = "Time Since the Level's Start (s)", y, how
	for i, l := range s.levels {
		if l == nil {
			continue
		}
		c.Until = max(c.Until, seconds(l.Sampled().Record.EndedNS))
		if w := l.Sampled().Window; w.Verdict == steady.Steady {
			c.Spans = append(c.Spans, chart.Span{Series: i, From: seconds(w.StartNS), To: seconds(w.EndNS), Label: "steady window"})
		}
	}
	c.Note = sentences(s.inDoubt(), s.warmups(), s.origin(), capital(s.say(func(l *results.Level) string {
		if why := l.Sampled().Unusable(); why != "" {
			return "its figures do not count: " + why
		}
		return ""
	})))
	if len(c.Spans) > 0 {
		c.Note = sentences("Marked: steady window", c.Note)
	}
	return c
}

func seconds(ns int64) float64 { return float64(ns) / 1e9 }

// bins says how wide they are.
func (s sampled) bins() string {
	var widths []int64
	for _, l := range s.levels {
		if l != nil && len(l.Sampled().Timeline.Bins) > 0 {
			widths = append(widths, l.Sampled().Timeline.WidthNS)
		}
	}
	if len(widths) == 0 {
		return ""
	}
	text := "Bins of " + chart.Number(seconds(slices.Min(widths)))
	if slices.Min(widths) < slices.Max(widths) {
		text += " to " + chart.Number(seconds(slices.Max(widths)))
	}
	return text + " s"
}

// binned are the values of bins, each from its begin, and zero after the last one.
func binned(t *results.Timeline, of func(*results.Timeline, results.Bin) (float64, int)) []chart.Point {
	if len(t.Bins) == 0 {
		return nil
	}
	points := []chart.Point{{X: seconds(t.From(0))}}
	for i, b := range t.Bins {
		y, n := of(t, b)
		points = append(points, chart.Point{X: seconds(t.From(i)), Y: y, N: n})
	}
	return append(points, chart.Point{X: seconds(t.From(len(t.Bins)))})
}

// ttft is the time to first token of each request at its start.
func (s sampled) ttft() chart.Chart {
	tag := axis{open: s.Open()}.timed("time_to_first_token")
	c := s.timeline("time_to_first_token", "Time to First Token by Start", "Time to First Token (ms)", help(s.benchmarks, tag))
	if s.Open() {
		c.YLabel = "Time to First Token, from schedule (ms)"
	}
	c.Kind = chart.Dots
	c.Series = s.series(func(l *results.Level) []chart.Point {
		points := make([]chart.Point, len(l.Timeline.Dots))
		for i, d := range l.Timeline.Dots {
			points[i] = chart.Point{X: seconds(d.StartNS), Y: d.TTFT, N: 1}
		}
		return points
	})
	thinned := s.say(func(l *results.Level) string {
		t := &l.Sampled().Timeline
		if len(t.Dots) == t.Requests {
			return ""
		}
		return fmt.Sprintf("%s of %s requests shown", chart.Number(float64(len(t.Dots))), chart.Number(float64(t.Requests)))
	})
	if thinned != "" {
		thinned = capital(thinned) + ": of each 150th part those with the lowest and the highest value, and others by chance"
	}
	c.Note = sentences(thinned, c.Note)
	return c
}
