package metric

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/llmsweep/llmsweep/harness/record"
)

// Objective is what one metric of a request has to keep to: at most Limit or, where more of it is better, at least. Limit is in the metric's unit.
type Objective struct {
	Tag   string
	Limit float64
}

// SLO are service level objectives: a request is good if it ended well and meets all of them. None at all is no SLO.
type SLO []Objective

// maxObjectives is more than there are metrics that somebody would promise.
const maxObjectives = 16

// ParseSLO reads objectives as AIPerf's --goodput has them: tags with limits, "time_to_first_token:500 inter_token_latency:50". All that is
// wrong is one error. "" is no SLO.
func ParseSLO(text string) (SLO, error) {
	var slo SLO
	var problems []error
	for item := range strings.FieldsSeq(text) {
		o, err := parseObjective(item)
		switch {
		case err != nil:
			problems = append(problems, fmt.Errorf("%q: %w", item, err))
		case slices.ContainsFunc(slo, func(other Objective) bool { return other.Tag == o.Tag }):
			problems = append(problems, fmt.Errorf("%q: %s has a limit already", item, o.Tag))
		default:
			slo = append(slo, o)
		}
	}
	if len(slo) > maxObjectives {
		problems = append(problems, fmt.Errorf("%d objectives: name %d at most", len(slo), maxObjectives))
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return slo, nil
}

func parseObjective(text string) (Objective, error) {
	tag, number, found := strings.Cut(text, ":")
	if !found || tag == "" {
		return Objective{}, errors.New("must be a metric and its limit, as time_to_first_token:500")
	}
	if reason := promisable(tag); reason != "" {
		return Objective{}, errors.New(reason)
	}
	limit, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsNaN(limit) || math.IsInf(limit, 0) || limit < 0 {
		d, _ := Lookup(tag)
		return Objective{}, fmt.Errorf("the limit must be a number of at least 0, in %s", d.Unit)
	}
	return Objective{Tag: tag, Limit: limit}, nil
}

// promisable returns why a metric cannot be an objective, or "".
func promisable(tag string) string {
	i := slices.IndexFunc(rules(), func(r rule) bool { return r.Tag == tag })
	_, known := Lookup(tag)
	switch {
	case i < 0 && known:
		return "is one number a level: an objective is for each request"
	case i < 0:
		return "no such metric: name one of each request, such as time_to_first_token, inter_token_latency or request_latency"
	case rules()[i].list != nil:
		return "has many values a request: name one with a single value"
	case rules()[i].failed:
		return "is of requests that failed, which are never good"
	}
	return ""
}

// String is the SLO as ParseSLO reads it.
func (s SLO) String() string {
	items := make([]string, len(s))
	for i, o := range s {
		items[i] = o.Tag + ":" + strconv.FormatFloat(o.Limit, 'g', -1, 64)
	}
	return strings.Join(items, " ")
}

// Words says the objectives in words: "time_to_first_token <= 500 ms and inter_token_latency <= 50 ms".
func (s SLO) Words() string {
	items := make([]string, len(s))
	for i, o := range s {
		d, _ := Lookup(o.Tag)
		sign := "<="
		if d.HigherBetter {
			sign = ">="
		}
		items[i] = strings.TrimSpace(fmt.Sprintf("%s %s %g %s", o.Tag, sign, o.Limit, d.Unit))
	}
	return strings.Join(items, " and ")
}

// goal is an objective with the rule that computes its metric.
type goal struct {
	rule
	limit float64
}

// goals are the objectives with their rules, those of custom metrics among them. A metric that nobody knows is met by no request.
func (s SLO) goals(all []rule) []goal {
	goals := make([]goal, len(s))
	for i, o := range s {
		goals[i] = goal{limit: o.Limit, rule: rule{of: func(*record.Sample) (float64, bool) { return 0, false }}}
		if k := slices.IndexFunc(all, func(r rule) bool { return r.Tag == o.Tag && r.list == nil }); k >= 0 {
			goals[i].rule = all[k]
		}
	}
	return goals
}

// met reports whether a request has the metric, as those alone have that ended well, and within its limit.
func (g *goal) met(s *record.Sample) bool {
	v, ok := g.value(s)
	if g.HigherBetter {
		return ok && v.Value >= g.limit
	}
	return ok && v.Value <= g.limit
}

// Attained counts the requests of a level that its SLO is about.
type Attained struct {
	Good int `json:"good"` // that ended well and meet every objective
	// Of is how many there are to meet it: all that were sent or planned, but those that the plan itself ended.
	Of int `json:"of"`
	// ByPlan are those that it ended before they could be good or not: cancelled by -cancel-rate, when -grace-period was over or a cap reached, and never
	// started because of that cap.
	ByPlan int `json:"by_plan,omitempty"`
}

// Share is the part of the requests that are good, 0 to 1. ok is false where there are none.
func (a Attained) Share() (share float64, ok bool) {
	return float64(a.Good) / float64(a.Of), a.Of > 0
}

// Plus adds up two levels.
func (a Attained) Plus(b Attained) Attained {
	return Attained{Good: a.Good + b.Good, Of: a.Of + b.Of, ByPlan: a.ByPlan + b.ByPlan}
}

// EndedByPlan reports whether a request was cancelled because the plan said so: it is no miss of the server's.
func EndedByPlan(s *record.Sample) bool {
	return s.Outcome == record.Cancelled && (s.Reason == record.ByPlan || s.Reason == record.ByGrace || s.Reason == record.ByCap)
}

// OfSLO reports whether a level has the metric only with an SLO.
func OfSLO(tag string) bool {
	return slices.ContainsFunc(goodputRules(), func(r levelRule) bool { return r.Tag == tag })
}

// goodputRules are those of a level with an SLO; without one they have no value. A goodput of zero is one.
func goodputRules() []levelRule {
	of := func(tag, name, unit, formula string, value func(*Accumulator) (float64, bool)) levelRule {
		r := level(tag, name, unit, formula, func(a *Accumulator) (float64, bool) {
			v, ok := value(a)
			return v, ok && a.goals != nil && a.attained.Of > 0
		})
		r.HigherBetter = true
		return r
	}
	attainment := of("slo_attainment", "SLO Attainment", "%", "good_request_count / requests x 100; failed, wrongly cancelled and never started ones are misses, those that the plan ended are left out",
		func(a *Accumulator) (float64, bool) {
			share, ok := a.attained.Share()
			return 100 * share, ok
		})
	attainment.Source = llmsweep
	return []levelRule{
		of("good_request_count", "Good Request Count", unitRequests, "valid requests that meet every objective of the SLO", func(a *Accumulator) (float64, bool) {
			return float64(a.attained.Good), true
		}),
		of("goodput", "Goodput", unitPerSec, "good_request_count / benchmark_duration", func(a *Accumulator) (float64, bool) {
			if a.attained.Good == 0 {
				return 0, !a.content.broken
			}
			return a.content.rate(float64(a.attained.Good))
		}),
		attainment,
	}
}
