package results

import (
	"fmt"
	"path/filepath"

	"github.com/llmsweep/llmsweep/harness/metric"
)

// Follow makes the benchmark's table follow a convention. Of a folder that another tool wrote there are aggregates only: its table keeps that tool's.
func (b *Benchmark) Follow(c metric.Convention) {
	if b.Run == nil {
		b.followSource()
		return
	}
	b.Convention = c
	for i := range b.Levels {
		l := &b.Levels[i]
		if l.Shown = l.Figures; c != metric.AIPerf {
			figures, err := l.figuresUnder(c)
			if err != nil {
				b.Warnings = append(b.Warnings, fmt.Sprintf("%s: no figures by the definitions of %s: %s", l.Name(), c.Title(), relative(err, filepath.Dir(l.Dir))))
			}
			l.Shown = figures
		}
	}
}

// followSource is Follow for aggregates. GenAI-Perf's formulas are AIPerf's, which succeeded it.
func (b *Benchmark) followSource() {
	b.Convention = metric.AIPerf
	const theirs = "recorded by vllm bench serve, by whose formulas its figures are"
	const differs = ": its TTFT ends with the first event, empty or not"
	if sources := b.sources(); len(sources) == 1 && sources[0] == OfVLLM {
		b.Convention = metric.VLLM
		b.Warnings = append(b.Warnings, theirs+", in charts and comparisons, too"+differs)
	}
	for i := range b.Levels {
		l := &b.Levels[i]
		if l.Shown = l.Figures; b.Convention == metric.VLLM {
			l.Shown = l.Native
		}
		if l.Source == OfVLLM && b.Convention != metric.VLLM {
			b.Warnings = append(b.Warnings, l.Name()+": "+theirs+differs)
		}
	}
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
