package record

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Count files a request that ended.
func (c *Counts) Count(s *Sample) {
	c.NotStarted--
	c.Outcomes[s.Outcome]++
	c.Retried.count(s)
	if s.ToCancel && !s.Interrupted() {
		c.Chosen++
	}
	if s.Outcome == OK {
		return
	}
	if c.Reasons == nil {
		c.Reasons = map[Outcome]map[Reason]int{}
	}
	if c.Reasons[s.Outcome] == nil {
		c.Reasons[s.Outcome] = map[Reason]int{}
	}
	c.Reasons[s.Outcome][s.Reason]++
}

func (r *Retried) count(s *Sample) {
	r.Resent += s.Conn.Resent
	if len(s.Retries) == 0 {
		return
	}
	r.Requests++
	r.Retries += len(s.Retries)
	for _, again := range s.Retries {
		r.WaitingNS += again.ResumedNS - again.RefusedNS
	}
}

// Explain says in words how many requests ended with some outcomes, and why: "3 rejected: 2 http 503, 1 http 429; 1 cut: after the first token".
func (c *Counts) Explain(outcomes ...Outcome) string {
	var parts []string
	for _, o := range outcomes {
		n := c.Outcomes[o]
		if n == 0 {
			continue
		}
		part := fmt.Sprintf("%d %s", n, strings.ReplaceAll(string(o), "_", " "))
		if why := c.Why(o); why != "" {
			part += ": " + why
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "; ")
}

// Why lists the reasons of an outcome but for some, with their numbers where there are several. It is empty for counts of before there were reasons.
func (c *Counts) Why(o Outcome, but ...Reason) string {
	reasons := slices.DeleteFunc(c.ReasonsOf(o), func(r Reason) bool { return slices.Contains(but, r) })
	if len(reasons) == 1 {
		return string(reasons[0])
	}
	words := make([]string, len(reasons))
	for i, r := range reasons {
		words[i] = fmt.Sprintf("%d %s", c.Reasons[o][r], r)
	}
	return strings.Join(words, ", ")
}

// ReasonsOf lists the reasons that an outcome had, the most frequent first.
func (c *Counts) ReasonsOf(o Outcome) []Reason {
	counts := c.Reasons[o]
	return slices.SortedFunc(maps.Keys(counts), func(a, b Reason) int { return cmp.Or(counts[b]-counts[a], cmp.Compare(a, b)) })
}
