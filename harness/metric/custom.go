package metric

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"

	"github.com/llmsweep/llmsweep/harness/record"
)

// Metric is a figure of one's own, computed from each request that ended well. It is given to whoever reads recordings (reporting.Inputs), and known nowhere
// else.
type Metric struct {
	Definition // PerRequest is true whatever it says
	// Of returns the value in the definition's unit; false: this request has none. A value that is not finite is none either.
	Of func(*record.Sample) (float64, bool)
}

var tagPattern = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// Validate reports all that is wrong with metrics of one's own, taken together.
func Validate(metrics []Metric) error {
	taken := map[string]string{}
	for _, d := range Definitions() {
		taken[d.Tag] = "is a metric of llmsweep's own"
	}
	var problems []error
	for _, m := range metrics {
		reason := taken[m.Tag]
		switch {
		case !tagPattern.MatchString(m.Tag):
			reason = "a tag may have small letters, digits and _ only"
		case m.Of == nil:
			reason = "has no function"
		case m.Name == "":
			reason = "has no name"
		}
		if reason != "" {
			problems = append(problems, fmt.Errorf("metric %q: %s", m.Tag, reason))
		}
		taken[m.Tag] = "is there twice"
	}
	return errors.Join(problems...)
}

// With adds metrics of one's own to a level. Call it before the first Add.
func (a *Accumulator) With(metrics []Metric) {
	a.rules = slices.Clip(a.rules)
	for _, m := range metrics {
		m.PerRequest = true
		a.rules = append(a.rules, rule{Definition: m.Definition, of: func(s *record.Sample) (float64, bool) {
			v, ok := m.Of(s)
			return v, ok && !math.IsNaN(v) && !math.IsInf(v, 0)
		}})
	}
}
