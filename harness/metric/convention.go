package metric

import (
	"slices"
	"time"
)

// Convention is whose formulas a table follows. Tools give one name to different figures, and some measure the same instants from
// elsewhere, so that one recording gives different numbers under each. The files of a run hold AIPerf's, whatever its tables show.
type Convention string

// The conventions.
const (
	AIPerf   Convention = "aiperf"
	VLLM     Convention = "vllm"     // vllm bench serve
	GuideLLM Convention = "guidellm" // guidellm benchmark
)

// Conventions lists every Convention, the default first.
func Conventions() []Convention { return []Convention{AIPerf, VLLM, GuideLLM} }

// ParseConvention reads a convention's name; "" is AIPerf's. ok is false for what is none.
func ParseConvention(name string) (c Convention, ok bool) {
	if name == "" {
		return AIPerf, true
	}
	return Convention(name), slices.Contains(Conventions(), Convention(name))
}

// Title is the tool's name as its makers write it.
func (c Convention) Title() string {
	switch c {
	case VLLM:
		return "vLLM"
	case GuideLLM:
		return "GuideLLM"
	default:
		return "AIPerf"
	}
}

// Percentiles says in words how the convention takes a percentile.
func (c Convention) Percentiles() string {
	if c == GuideLLM {
		return "the smallest value that q % of the weight do not exceed"
	}
	return "linear interpolation between order statistics"
}

// Accumulator starts a level, whose stamp 0 is at the given wall-clock time, under the convention.
func (c Convention) Accumulator(started time.Time) *Accumulator {
	return newAccumulator(started, c.rules(), c.levelRules())
}

// Definitions returns the convention's definitions, in the order of Results.
func (c Convention) Definitions() []Definition {
	var all []Definition
	for _, r := range c.rules() {
		all = append(all, r.Definition)
	}
	for _, r := range c.levelRules() {
		all = append(all, r.Definition)
	}
	return all
}

func (c Convention) rules() []rule {
	switch c {
	case VLLM:
		return vllmRules()
	case GuideLLM:
		return guidellmRules()
	default:
		return rules()
	}
}

func (c Convention) levelRules() []levelRule {
	switch c {
	case VLLM:
		return vllmLevelRules()
	case GuideLLM:
		return guidellmLevelRules()
	default:
		return levelRules()
	}
}

// foreign is the definition of a figure that another tool takes of each request.
func foreign(tool Convention, tag, name, unit, formula string) Definition {
	return Definition{Tag: tag, Name: name, Unit: unit, Formula: formula, Source: tool.Title(), PerRequest: true}
}

// throughput is the definition of one that it takes of a whole run, of which more is better.
func throughput(tool Convention, tag, name, unit, formula string) Definition {
	d := foreign(tool, tag, name, unit, formula)
	d.PerRequest, d.HigherBetter = false, true
	return d
}
