package compare

import (
	"errors"
	"fmt"
	"math"

	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/record"
)

// maxPrimaries keeps a gate to what its maker cares about: each further figure makes all of them harder to fail (Holm) and to pass.
const maxPrimaries = 5

// Primary is a figure that a trial judges: 3 to 5 of them say what matters, and 1 is enough. The direction is its metric's.
//
// Its level is named: "all" is refused, since each level is a figure of its own, which takes its own part of the chance to fail.
type Primary struct {
	Selector `yaml:",inline"`
	// Margin is the share of the base's figure that a change must not reach, such as "5%"; more than zero. Where less is better it is how much
	// more the candidate may have; where more is better, how much more the base may have: 5 % of throughput are from 105 to 100.
	Margin  string  `yaml:"margin" json:"margin"`
	Percent float64 `yaml:"-" json:"-"` // Margin as a number
}

// DefaultPrimaries judges what a server does with the time of each token, at one level, and what comes of it: the two change with its speed
// alone, while waiting makes much of little, so that the time to the first token has a margin of its own. In an open loop that time is from the schedule on.
func DefaultPrimaries(level string) []Primary {
	return []Primary{averageOf("inter_token_latency", level, 5), averageOf("output_token_throughput", level, 5), averageOf(asWaited("time_to_first_token", level), level, 25)}
}

// DocumentPrimaries judges answers that are not streamed, of whose tokens nobody knows when they came: how long each took, and what came of it.
func DocumentPrimaries(level string) []Primary {
	return []Primary{averageOf(asWaited("request_latency", level), level, 5), averageOf("output_token_throughput", level, 5)}
}

// asWaited is the metric itself in a closed loop. In an open one it is the same time from the schedule on, where there is one: what a user waits begins
// when he asks, and of a server that stalls the time from the sending on says nothing, while requests wait for a place in flight.
func asWaited(tag, level string) string {
	at, _ := record.PointOf(level)
	if d, known := metric.Lookup("scheduled_" + tag); at.Open() && known && d.Scheduled {
		return d.Tag
	}
	return tag
}

func averageOf(tag, level string, percent float64) Primary {
	return Primary{Selector: Selector{Metric: tag, Statistic: "avg", Level: level}, Margin: fmt.Sprintf("%g%%", percent), Percent: percent}
}

// parse reads the margin, if there is one.
func (p *Primary) parse() (err error) {
	if p.Margin != "" {
		p.Percent, err = parsePercent(p.Margin)
	}
	return err
}

// validate takes what is wrong with the text of the margin, if it was read.
func (p *Primary) validate(margin error) error {
	problems := []error{margin}
	if p.Level == allLevels {
		problems = append(problems, errors.New("level is missing: name one, such as "+levelExamples+"; a primary is one figure of one level"))
	}
	if margin == nil && p.Margin == "" && p.Percent == 0 {
		problems = append(problems, errors.New("margin is missing: name one, such as 5%"))
	} else if margin == nil && !(p.Percent > 0 && p.Percent <= mostPercent) {
		problems = append(problems, fmt.Errorf("margin %q: must be more than 0%% and at most %d%%: that two servers are just as fast cannot be shown", fmt.Sprintf("%g%%", p.Percent), mostPercent))
	}
	return errors.Join(append(problems, p.directed())...)
}

func tooMany(n int) error {
	return fmt.Errorf("there are %d primaries: choose %d at most; the headline figures of all levels are reported anyway", n, maxPrimaries)
}

// margin is the logarithm of the ratio that a change must not reach.
func (p Primary) margin() float64 { return math.Log1p(p.Percent / 100) }
