package fault

import (
	"cmp"
	"errors"
	"fmt"
	"mime"
	"slices"
	"time"
)

// Validate returns everything that is wrong with a plan that was not parsed, with the rule and the key, or nil.
func (p Plan) Validate() error {
	var all []error
	for k := range p.Rules {
		for _, problem := range p.Rules[k].problems() {
			all = append(all, fmt.Errorf("rule %d: %w", k+1, problem))
		}
	}
	return errors.Join(append(all, p.overlaps()...)...)
}

// overlaps are times in which connections are refused by two rules: as one window they have one count.
func (p Plan) overlaps() []error {
	var all []error
	windows := p.Windows()
	for k := 1; k < len(windows); k++ {
		if before, w := windows[k-1], windows[k]; before.Until > 0 && w.From <= before.Until {
			all = append(all, fmt.Errorf("rule %d: from %q: is within the window of rule %d, which ends at %v: make them one rule", w.Rule,
				w.From.String(), before.Rule, before.Until))
		}
	}
	return all
}

// problems are what is wrong with the values of a rule.
func (r *Rule) problems() []error {
	if !slices.Contains(Kinds(), r.Kind) {
		return []error{fmt.Errorf("kind %q: must be one of %s", r.Kind, listed(Kinds()))}
	}
	return slices.Concat(r.When.problems(), r.window(), r.Fault.problems())
}

// problems are about when.
func (w *When) problems() []error {
	var all check
	all.must(w.Probability >= 0 && w.Probability <= 1, "probability", w.Probability, "must be from 0 to 1; leave it out for every request")
	all.must(w.From >= 0, "from", w.From, "must not be negative")
	all.must(w.Until == 0 || w.Until > w.From, "until", w.Until, fmt.Sprintf("must be later than from, %v", w.From))
	return all.problems
}

// window is about the kinds that need one.
func (r *Rule) window() []error {
	var all check
	switch r.Kind {
	case Refuse:
		all.must(r.Until > 0, "until", r.Until, "must be given: the listening socket is closed until then")
	case ColdStart:
		all.must(r.Until > 0 || len(r.Requests) > 0, "requests", "", "must say which requests are the first, such as 1-10, unless until does")
	}
	return all.problems
}

// problems are about what the kind says; fields of other kinds are not looked at.
func (f *Fault) problems() []error {
	keys, _ := f.Kind.keys()
	var all check
	for _, b := range f.bounds() {
		all.must(b.holds || !slices.Contains(keys, b.key), b.key, b.value, b.what)
	}
	return all.problems
}

// mostTokens is far beyond any answer.
const mostTokens = 1 << 40

// bound is what must hold of the value of a key.
type bound struct {
	key   string
	holds bool
	value any
	what  string
}

func (f *Fault) bounds() []bound {
	_, _, notMedia := mime.ParseMediaType(f.ContentType)
	return []bound{
		{"status", within(200, f.Status, 599) && f.Status != 499, f.Status,
			"must be from 200 to 599, and not 499, which the record has of clients that went away"},
		{"retry_after", f.RetryAfter >= 0 && f.RetryAfter%time.Second == 0, f.RetryAfter, "must be whole seconds"},
		{"tokens", within(f.leastTokens(), f.Tokens, mostTokens), f.Tokens, fmt.Sprintf("must be at least %d", f.leastTokens())},
		{"for", f.For >= 0, f.For, "must not be negative; leave it out for a stall without end"},
		{"interval", f.Interval > 0, f.Interval, "must be above 0"},
		{"rate", within(1e-3, f.Rate, 1e6), f.Rate, "must be from 0.001 to 1000000 bytes a second"},
		{"style", slices.Contains(styles(), f.Style), string(f.Style), "must be one of " + listed(styles())},
		{"size", f.Size >= 1, f.Size, "must be at least 1"},
		{"content_type", notMedia == nil, f.ContentType, "must be a media type, such as text/html"},
		{"delay", f.Delay > 0, f.Delay, "must be above 0"},
		{"slope", f.Slope > 0, f.Slope, "must be above 0: by how much tokens are later for each second since the start"},
		{"share", f.Share > 0 && f.Share < 1, f.Share, "must be above 0 and below 1"},
	}
}

func within[N cmp.Ordered](least, x, most N) bool { return least <= x && x <= most }

// leastTokens is 1 where a token is needed to do it.
func (f *Fault) leastTokens() int {
	if f.Kind == Duplicate {
		return 1
	}
	return 0
}

// check collects what is wrong.
type check struct{ problems []error }

func (c *check) must(holds bool, key string, value any, what string) {
	if !holds {
		c.problems = append(c.problems, fmt.Errorf("%s %q: %s", key, fmt.Sprint(value), what))
	}
}
