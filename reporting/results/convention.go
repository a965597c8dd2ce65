package results

import (
	"fmt"

	"github.com/llmsweep/llmsweep/harness/metric"
)

// Follow makes the benchmark's table follow a convention. Of a folder that AIPerf wrote there are aggregates only: its table keeps AIPerf's.
func (b *Benchmark) Follow(c metric.Convention) {
	if b.Run == nil {
		c = metric.AIPerf
	}
	b.Convention = c
	for i := range b.Levels {
		l := &b.Levels[i]
		if l.Shown = l.Figures; c != metric.AIPerf {
			l.Shown = figuresUnder(c, l)
		}
	}
}

func figuresUnder(c metric.Convention, l *Level) Figures {
	accumulator := l.accumulator(c)
	for _, s := range l.Samples {
		accumulator.Add(s)
	}
	return figuresOf(accumulator.Results())
}

func figuresOf(all []metric.Result) Figures {
	figures := Figures{}
	for _, r := range all {
		if r.PerRequest {
			figures[r.Tag] = Statistics(r.Summary)
		} else {
			figures[r.Tag] = map[string]float64{"avg": r.Value}
		}
	}
	return figures
}

// planned is the convention that the run asked for. One that this version does not know is AIPerf's, with a warning.
func (b *Benchmark) planned() metric.Convention {
	if b.Run == nil {
		return metric.AIPerf
	}
	c, known := metric.ParseConvention(b.Run.Plan.Definitions)
	if !known {
		b.Warnings = append(b.Warnings, fmt.Sprintf("definitions %q of its run.json are unknown: the table follows AIPerf's", b.Run.Plan.Definitions))
		return metric.AIPerf
	}
	return c
}
