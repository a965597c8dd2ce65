package results

import (
	"fmt"
	"slices"

	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/steady"
)

// settle finds the level's plateau and window, and computes their figures and the time line in a second reading of the log.
func (l *Level) settle(intervals *spread) error {
	line := newTimeline(l.spans)
	if !l.Broken() {
		filled := l.Record.FilledNS
		l.Load = steady.Measure(l.spans, l.Concurrency, filled)
		l.busy = l.Load.Reached
		if len(l.waits) > 0 {
			if busy, ok := steady.Reached(slices.Concat(l.spans, l.waits), l.Concurrency, filled); ok {
				l.busy = busy
			}
		}
		l.Window = steady.FindWindow(slices.DeleteFunc(l.spans, func(s steady.Span) bool { return s.StartNS < filled }), l.Concurrency)
	}
	l.spans, l.waits = nil, nil
	windowed := l.Window.Verdict == steady.Steady
	intervals.choose()
	if len(line.Bins) == 0 {
		return nil
	}
	flow := steady.Flow{Window: l.Window}
	accumulator := l.accumulator(metric.AIPerf)
	accumulator.Only(withinTags()[:perRequest]...) // a million requests have 31 million gaps
	if _, err := l.eachSample(func(s *record.Sample) {
		l.Load.Count(s)
		intervals.addGaps(s)
		flow.Add(s)
		line.add(s)
		if windowed && l.Window.Holds(s) {
			accumulator.Add(s)
		}
	}); err != nil {
		return err
	}
	line.finish()
	l.Timeline = line
	l.Timeline.Dots, l.Timeline.Requests = dots(intervals.requests, slices.Index(withinTags(), l.tags()[0]))
	if windowed {
		l.Settled = windowFigures(accumulator.Results(), &flow)
	}
	return nil
}

// windowFigures are the headline figures of a window: latencies of the requests that were issued in it, and its throughputs.
func windowFigures(all []metric.Result, flow *steady.Flow) Figures {
	figures := Figures{}
	for tag, statistics := range figuresOf(all) {
		if slices.Contains(withinTags()[:perRequest], tag) {
			figures[tag] = statistics
		}
	}
	if requests, tokens, ok := flow.PerSecond(); ok {
		figures["request_throughput"] = map[string]float64{"avg": requests}
		figures["output_token_throughput"] = map[string]float64{"avg": tokens}
	}
	return figures
}

// judge computes the level's validity.
func (l *Level) judge() {
	c := &l.Record.Counts
	facts := steady.Facts{Instrument: l.Record.Instrument, Ended: c.Ended(), Failed: c.Failures(), Reached: l.busy, Waits: l.busy != l.Load.Reached, Target: l.Concurrency, Arrivals: l.arrivals}
	facts.Asked, _ = l.Figures.Get("requested_osl", "avg")
	facts.Delivered, _ = l.Figures.Get("output_sequence_length", "avg")
	facts.CountedByTheServer = len(l.TokenSources) == 1 && l.TokenSources[record.FromServer] > 0
	if !l.Record.FromFile {
		facts.Cache = l.cache()
	}
	l.Validity = steady.Judge(facts)
}

// standingWarnings are about levels whose figures are no answer, or one that depends on how long the level was.
func (l *Level) standingWarnings() []string {
	var warnings []string
	if broken := l.Validity.Broken(false); broken != "" {
		warnings = append(warnings, fmt.Sprintf("%s: %s", steady.Invalid, broken))
	}
	if r, _ := l.Validity.Reading(steady.CacheReading); r.Verdict == steady.HeldInvalid {
		c := l.cache()
		why := "as after a run with the same -nonce; leave -nonce out or start the server anew"
		if l.Record.Earlier != nil || l.Broken() {
			why = "as those of its attempt before the resume; restart the server before a -resume, or measure anew with -overwrite"
		}
		warnings = append(warnings, fmt.Sprintf("the server had %.3g %% of the prompts' tokens in its cache, where %.3g %% are shared on purpose: it knew prompts of this level, %s", c.Percent(c.Hits), c.Percent(c.Shared), why))
	}
	switch l.Window.Verdict {
	case steady.NotSteady, steady.Overloaded:
		warnings = append(warnings, fmt.Sprintf("%s: %s; its figures depend on how long it was", l.Window.Verdict, l.Window.Reason))
	case steady.Steady:
		if l.Window.Warning != "" {
			warnings = append(warnings, "perhaps not steady: "+l.Window.Warning)
		}
	}
	return warnings
}
