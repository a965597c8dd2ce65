package compare

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/record"
)

// Rules is a gate: limits for one run, margins for a recorded candidate against a recorded baseline, primaries for a trial of two arms.
type Rules struct {
	Limits    []Limit   `yaml:"limits"`
	Margins   []Margin  `yaml:"margins"`
	Primaries []Primary `yaml:"primaries"`
}

// Selector names one figure at some levels.
type Selector struct {
	Metric    string `yaml:"metric" json:"metric"`       // tag, such as time_to_first_token
	Statistic string `yaml:"statistic" json:"statistic"` // avg (the default), min, max, std, p1 to p99
	Level     string `yaml:"level" json:"level"`         // c50, r2.5, trace, or all (the default); a rule for c50 stands in place of one for all
}

// Limit bounds a figure, in its metric's unit. At least one of Max and Min is set.
type Limit struct {
	Selector `yaml:",inline"`
	Max      *float64 `yaml:"max"`
	Min      *float64 `yaml:"min"`
}

// Margin says how much worse than the baseline's a figure may be, in percent of it.
type Margin struct {
	Selector `yaml:",inline"`
	Margin   string  `yaml:"margin"` // "5%"; "" is zero
	Percent  float64 `yaml:"-"`
}

// Lack returns why the rules cannot judge: one run needs limits; a candidate against a baseline has margins by default, and limits too
// if there are any.
func (r Rules) Lack(comparing bool) error {
	switch {
	case len(r.Limits)+len(r.Margins) == 0 && len(r.Primaries) > 0:
		return errors.New("has primaries alone; they are for two arms that are measured in turn (-arm)")
	case len(r.Limits)+len(r.Margins) == 0:
		return errors.New("has neither limits nor margins")
	case len(r.Limits) == 0 && !comparing:
		return errors.New("has no limits; its margins are for -baseline and -candidate")
	}
	return nil
}

// OfSLO names the metrics of the rules that a run has only with an SLO.
func (r Rules) OfSLO() []string {
	var tags []string
	for _, s := range slices.Concat(selectors(r.Limits), selectors(r.Margins), selectors(r.Primaries)) {
		if metric.OfSLO(s.Metric) && !slices.Contains(tags, s.Metric) {
			tags = append(tags, s.Metric)
		}
	}
	return tags
}

func selectors[R interface{ selector() Selector }](rules []R) []Selector {
	all := make([]Selector, len(rules))
	for i, r := range rules {
		all[i] = r.selector()
	}
	return all
}

// DefaultMargins compares the headline figures of a closed loop with one margin.
func DefaultMargins(percent float64) []Margin {
	var margins []Margin
	for _, tag := range []string{"time_to_first_token", "inter_token_latency", "request_latency", "output_token_throughput", "request_throughput"} {
		margins = append(margins, Margin{Selector: Selector{Metric: tag, Statistic: "avg", Level: allLevels}, Percent: percent})
	}
	return margins
}

// OfSchedules has the times from the schedule on in place of those from the sending on, for the levels of an open loop.
func OfSchedules(margins []Margin) []Margin {
	margins = slices.Clone(margins)
	for i := range margins {
		margins[i].Metric = asWaited(margins[i].Metric, record.Point{Trace: true}.Name())
	}
	return margins
}

// OfDocuments leaves out what answers that are not streamed do not have.
func OfDocuments(margins []Margin) []Margin {
	return slices.DeleteFunc(margins, func(m Margin) bool {
		d, known := metric.Lookup(m.Metric)
		return known && d.Streamed
	})
}

const allLevels = "all"

func (s Selector) matches(level string) bool { return s.Level == allLevels || s.Level == level }

func (s Selector) selector() Selector { return s }

// judging returns the rules that judge a level, one for each figure: a rule for the level itself stands in place of the one for all.
func judging[R interface{ selector() Selector }](rules []R, level string) []R {
	var kept []R
	for _, rule := range rules {
		own := rule.selector()
		own.Level = level
		replaced := rule.selector() != own && slices.ContainsFunc(rules, func(other R) bool { return other.selector() == own })
		if rule.selector().matches(level) && !replaced {
			kept = append(kept, rule)
		}
	}
	return kept
}

// repeated returns an error for each rule whose figure and level an earlier one has: two verdicts under one name would not be told apart.
func repeated[R interface{ selector() Selector }](what string, rules []R) []error {
	var problems []error
	first := map[Selector]int{}
	for i, rule := range rules {
		s := rule.selector()
		earlier, taken := first[s]
		switch {
		case s.Metric == "": // its own problem
		case taken:
			problems = append(problems, numbered(what, i, fmt.Errorf("%s %s of level %s is judged by %s %d already: make them one rule (a limit takes max and min)",
				s.Metric, s.Statistic, s.Level, what, earlier+1))...)
		default:
			first[s] = i
		}
	}
	return problems
}

// ParseRules reads a gate from YAML. Unknown keys and everything else that is wrong are errors that name the rule, a line each.
func ParseRules(data []byte) (Rules, error) {
	var r Rules
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(&r); err != nil && !errors.Is(err, io.EOF) {
		return Rules{}, fmt.Errorf("the gate is not YAML as it should be: %w", err)
	}
	if err := decoder.Decode(new(Rules)); !errors.Is(err, io.EOF) {
		return Rules{}, errors.New("the gate has a second YAML document: put all rules into one")
	}
	var problems []error
	for i := range r.Limits {
		l := &r.Limits[i]
		problems = append(problems, numbered("limit", i, l.normalize(), l.validate())...)
	}
	for i := range r.Margins {
		m := &r.Margins[i]
		problems = append(problems, numbered("margin", i, m.normalize(), m.validate())...)
	}
	for i := range r.Primaries {
		p := &r.Primaries[i]
		problems = append(problems, numbered("primary", i, p.normalize(), p.validate(p.parse()))...)
	}
	if n := len(r.Primaries); n > maxPrimaries {
		problems = append(problems, tooMany(n))
	}
	problems = slices.Concat(problems, repeated("limit", r.Limits), repeated("margin", r.Margins), repeated("primary", r.Primaries))
	return r, errors.Join(problems...)
}

// numbered puts the name of a rule, its place from 0, before each of its problems.
func numbered(what string, place int, problems ...error) []error {
	var named []error
	for _, problem := range problems {
		if problem != nil {
			named = append(named, fmt.Errorf("%s %d: %w", what, place+1, problem))
		}
	}
	return named
}

// levelExamples are names of levels of each kind.
const levelExamples = "c50, r2.5 or trace"

// normalize fills the defaults and checks that the figure can exist.
func (s *Selector) normalize() error {
	if s.Statistic == "" {
		s.Statistic = "avg"
	}
	if s.Level == "" {
		s.Level = allLevels
	}
	d, known := metric.Lookup(s.Metric)
	switch {
	case s.Metric == "":
		return errors.New("metric is missing")
	case !known:
		return fmt.Errorf("metric %q: no such tag: name one as in the exports, such as time_to_first_token, inter_token_latency, request_latency or output_token_throughput", s.Metric)
	case !d.PerRequest && s.Statistic != "avg":
		return fmt.Errorf("statistic %q: %s is one number a level: leave it out", s.Statistic, s.Metric)
	case !slices.Contains([]string{"avg", "min", "max", "std", "p1", "p5", "p10", "p25", "p50", "p75", "p90", "p95", "p99"}, s.Statistic):
		return fmt.Errorf("statistic %q: must be avg, min, max, std or one of p1 p5 p10 p25 p50 p75 p90 p95 p99", s.Statistic)
	case s.Level != allLevels && !record.IsLevelName(s.Level):
		return fmt.Errorf("level %q: must be all, or a level such as %s", s.Level, levelExamples)
	}
	return nil
}

func (l *Limit) validate() error {
	for _, bound := range []*float64{l.Max, l.Min} {
		if bound != nil && (math.IsNaN(*bound) || math.IsInf(*bound, 0)) {
			return fmt.Errorf("%g is no limit", *bound)
		}
	}
	switch {
	case l.Max == nil && l.Min == nil:
		return errors.New("has neither max nor min")
	case l.Max != nil && l.Min != nil && *l.Max < *l.Min:
		return fmt.Errorf("max %g is below min %g", *l.Max, *l.Min)
	}
	return nil
}

func (m *Margin) validate() error {
	if err := m.directed(); err != nil {
		return err
	}
	if m.Margin == "" {
		return nil
	}
	percent, err := parsePercent(m.Margin)
	if err != nil {
		return err
	}
	m.Percent = percent
	return nil
}

// directed returns an error if neither more nor less of a known metric is better.
func (s Selector) directed() error {
	d, known := metric.Lookup(s.Metric)
	if known && !d.HigherBetter && d.Unit != "ms" && d.Unit != "sec" {
		return fmt.Errorf("metric %q: neither more nor less of it is better: use a limit", s.Metric)
	}
	return nil
}

// mostPercent is the largest margin.
const mostPercent = 1000

func parsePercent(margin string) (float64, error) {
	text, isPercent := strings.CutSuffix(strings.TrimSpace(margin), "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if !isPercent || err != nil || !(v >= 0 && v <= mostPercent) {
		return 0, fmt.Errorf("margin %q: must be a share such as 5%%", margin)
	}
	return v, nil
}
