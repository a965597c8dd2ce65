package fault

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// field is a key of a rule: how its text gets into it.
type field struct {
	name string
	when bool // it says which requests are hit
	set  func(r *Rule, text string) error
}

// fields lists every key but kind.
func fields() []field {
	return []field{
		{"probability", true, func(r *Rule, text string) error { return chance(&r.Probability, text) }},
		{"requests", true, func(r *Rule, text string) error { return ranges(&r.Requests, text) }},
		{"every", true, func(r *Rule, text string) error { return counted(&r.Every, text) }},
		{"from", true, func(r *Rule, text string) error { return span(&r.From, text) }},
		{"until", true, func(r *Rule, text string) error { return positive(&r.Until, text) }},
		{"status", false, func(r *Rule, text string) error { return whole(&r.Status, text) }},
		{"retry_after", false, func(r *Rule, text string) error { return span(&r.RetryAfter, text) }},
		{"body", false, func(r *Rule, text string) error { r.Body = text; return nil }},
		{"tokens", false, func(r *Rule, text string) error { return whole(&r.Tokens, text) }},
		{"for", false, func(r *Rule, text string) error { return positive(&r.For, text) }},
		{"interval", false, func(r *Rule, text string) error { return span(&r.Interval, text) }},
		{"rate", false, func(r *Rule, text string) error { return number(&r.Rate, text) }},
		{"done", false, func(r *Rule, text string) error { return boolean(&r.Done, text) }},
		{"style", false, func(r *Rule, text string) error { r.Style = Style(text); return nil }},
		{"size", false, func(r *Rule, text string) error { return size(&r.Size, text) }},
		{"content_type", false, func(r *Rule, text string) error { r.ContentType = text; return nil }},
		{"delay", false, func(r *Rule, text string) error { return span(&r.Delay, text) }},
		{"slope", false, func(r *Rule, text string) error { return span(&r.Slope, text) }},
		{"share", false, func(r *Rule, text string) error { return number(&r.Share, text) }},
	}
}

// defaults are what a rule of a kind says if it says no more.
func defaults(k Kind) Rule {
	r := Rule{Fault: Fault{Kind: k}}
	switch k {
	case Reset, Stall, Truncate, MalformedJSON, BrokenFraming, Duplicate:
		r.Tokens = 1
	case StreamError:
		r.Tokens, r.Style = 1, OpenAI
	case EndlessLine:
		r.Tokens, r.Size = 1, 1e9
	case SlowHeaders:
		r.Interval = time.Second
	case SlowBody:
		r.Rate = 1
	case WrongContentType:
		r.ContentType = "text/html"
	case FewerTokens:
		r.Share = 0.5
	}
	return r
}

// entry is a key and its text, as a file or a header has them.
type entry struct{ key, text string }

// newRule makes a rule of its entries, or says all that is wrong with them.
func newRule(entries []entry) (Rule, []error) {
	at := slices.IndexFunc(entries, func(e entry) bool { return e.key == "kind" })
	if at < 0 {
		return Rule{}, []error{fmt.Errorf("kind: is missing: must be one of %s", listed(Kinds()))}
	}
	kind := Kind(entries[at].text)
	if !slices.Contains(Kinds(), kind) {
		return Rule{}, []error{fmt.Errorf("kind %q: must be one of %s", kind, listed(Kinds()))}
	}
	r := defaults(kind)
	var problems []error
	seen := map[string]bool{}
	for _, e := range entries {
		if seen[e.key] {
			problems = append(problems, fmt.Errorf("%s: is there twice", e.key))
		} else if err := r.set(e); err != nil {
			problems = append(problems, err)
		}
		seen[e.key] = true
	}
	names, needed := kind.keys()
	for _, name := range names[:needed] {
		if !seen[name] {
			problems = append(problems, fmt.Errorf("%s: is missing: kind %s needs it", name, kind))
		}
	}
	if len(problems) == 0 {
		problems = r.problems()
	}
	return r, problems
}

// set puts an entry into a rule whose kind is known.
func (r *Rule) set(e entry) error {
	if e.key == "kind" {
		return nil
	}
	all := fields()
	i := slices.IndexFunc(all, func(f field) bool { return f.name == e.key })
	own, _ := r.Kind.keys()
	switch {
	case i < 0:
		return fmt.Errorf("%s: is unknown: kind %s has %s", e.key, r.Kind, r.Kind.described())
	case r.Kind == Refuse && e.key != "from" && e.key != "until":
		return fmt.Errorf("%s: is not for kind %s: it has from and until only, since a server cannot refuse single connections", e.key, r.Kind)
	case !all[i].when && !slices.Contains(own, e.key):
		return fmt.Errorf("%s: is not for kind %s, which has %s", e.key, r.Kind, r.Kind.described())
	}
	if err := all[i].set(r, e.text); err != nil {
		return fmt.Errorf("%s %q: %w", e.key, e.text, err)
	}
	return nil
}

// described is what a rule of the kind may say.
func (k Kind) described() string {
	names, _ := k.keys()
	var when []string
	for _, f := range fields() {
		if f.when && (k != Refuse || f.name == "from" || f.name == "until") {
			when = append(when, f.name)
		}
	}
	return listed(append(names, when...))
}

func listed[S ~string](words []S) string {
	var texts []string
	for _, w := range words {
		texts = append(texts, string(w))
	}
	last := len(texts) - 1
	return strings.Join(texts[:last], ", ") + " and " + texts[last]
}

func number(p *float64, text string) (err error) {
	x, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
		return errors.New("must be a number")
	}
	*p = x
	return nil
}

// chance is a number that is not 0, which stands for none.
func chance(p *float64, text string) error {
	if err := number(p, text); err != nil {
		return err
	}
	if *p == 0 {
		return errors.New("must be above 0: a rule that never strikes can be left out")
	}
	return nil
}

func whole(p *int, text string) error {
	x, err := strconv.Atoi(text)
	if err != nil {
		return errors.New("must be a whole number")
	}
	*p = x
	return nil
}

func counted(p *uint64, text string) error {
	x, err := strconv.ParseUint(text, 10, 64)
	if err != nil || x == 0 {
		return errors.New("must be a whole number, at least 1")
	}
	*p = x
	return nil
}

func span(p *time.Duration, text string) error {
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return errors.New("must be a time with its unit, such as 500ms")
	case d.Abs() > longest:
		return fmt.Errorf("must be at most %v", longest)
	}
	*p = d
	return nil
}

// longest bounds every time, so that sums of them are times.
const longest = 1000 * time.Hour

// positive is a time that is not 0, which stands for none.
func positive(p *time.Duration, text string) error {
	if err := span(p, text); err != nil {
		return err
	}
	if *p == 0 {
		return errors.New("must be above 0; leave it out for no end")
	}
	return nil
}

func boolean(p *bool, text string) error {
	switch text {
	case "true":
		*p = true
	case "false":
		*p = false
	default:
		return errors.New("must be true or false")
	}
	return nil
}

// ranges reads 3,10-19,50-: numbers, ranges, and one range that never ends.
func ranges(p *[]Range, text string) error {
	var all []Range
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(strings.TrimSpace(part), "-")
		r := Range{Last: math.MaxUint64}
		err := counted(&r.First, first)
		switch {
		case !isRange:
			r.Last = r.First
		case last != "":
			err = errors.Join(err, counted(&r.Last, last))
		}
		if err != nil || r.Last < r.First {
			return errors.New("must be numbers of requests from 1 on, and ranges of them such as 10-19 or 50-")
		}
		all = append(all, r)
	}
	*p = all
	return nil
}

// size reads 1000, 64KB or 1GB.
func size(p *int64, text string) error {
	digits := strings.TrimRight(text, "kKMGB")
	factor, known := map[string]int64{"": 1, "B": 1, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9}[text[len(digits):]]
	x, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || !known || x > math.MaxInt64/factor {
		return errors.New("must be a number of bytes, such as 1000000, 64KB or 1GB")
	}
	*p = x * factor
	return nil
}
