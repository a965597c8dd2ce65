package cmd

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// flags is a set of flags that knows under which heading and in which order they were defined, for the help text.
type flags struct {
	*flag.FlagSet
	groups []group
}

// group is a heading of the help text and the flags under it.
type group struct {
	title string
	names []string
}

func newFlags() *flags {
	fs := flag.NewFlagSet("mockserver", flag.ContinueOnError)
	// Errors and help are printed by run, once and in one form.
	fs.SetOutput(io.Discard)
	return &flags{FlagSet: fs}
}

// names are those of all flags that are defined so far.
func (f *flags) names() []string {
	var names []string
	f.VisitAll(func(defined *flag.Flag) { names = append(names, defined.Name) })
	return names
}

func (f *flags) heading(title string) {
	f.groups = append(f.groups, group{title: title})
}

func (f *flags) listed(name string) {
	last := &f.groups[len(f.groups)-1]
	last.names = append(last.names, name)
}

func (f *flags) text(p *string, name, usage string) {
	f.StringVar(p, name, *p, usage)
	f.listed(name)
}

func (f *flags) count(p *int, name, usage string) {
	f.IntVar(p, name, *p, usage)
	f.listed(name)
}

func (f *flags) number(p *float64, name, usage string) {
	f.Float64Var(p, name, *p, usage)
	f.listed(name)
}

// boolean defines a flag that is either on or off.
func (f *flags) boolean(p *bool, name, usage string) {
	f.BoolVar(p, name, *p, usage)
	f.listed(name)
}

// onOff defines a flag that is on by default, and beside it the one that switches it off, as Python's argparse does.
func (f *flags) onOff(p *bool, name, usage string) {
	f.boolean(p, name, usage)
	f.BoolFunc(off+name, "", func(value string) error {
		isOff, err := strconv.ParseBool(value)
		*p = !isOff
		return err
	})
}

// off begins the names of flags that switch another one off.
const off = "no-"

func (f *flags) value(v flag.Value, name, usage string) {
	f.Var(v, name, usage)
	f.listed(name)
}

// nearest is the end of a message about a name that nobody knows: the name that was probably meant, or nothing.
func (f *flags) nearest(name string) string {
	best, most := "", 0
	f.VisitAll(func(candidate *flag.Flag) {
		if common := alike(name, candidate.Name); common > most {
			best, most = candidate.Name, common
		}
	})
	if 3*most < 2*max(len(name), len(best)) { // a third may be wrong, all in one place
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// alike is how many letters two names have in common at their beginnings and at their ends.
func alike(a, b string) int {
	shorter := min(len(a), len(b))
	front := 0
	for front < shorter && a[front] == b[front] {
		front++
	}
	back := 0
	for front+back < shorter && a[len(a)-1-back] == b[len(b)-1-back] {
		back++
	}
	return front + back
}

// span is a time. With plain numbers allowed they are seconds.
type span struct {
	*time.Duration
	seconds bool
}

// String is the time with its unit.
func (s span) String() string {
	if s.Duration == nil || *s.Duration == 0 {
		return "0s"
	}
	return s.Duration.String()
}

// Set reads 20ms, or 30 where these are seconds.
func (s span) Set(text string) error {
	d, err := time.ParseDuration(text)
	switch seconds, failed := strconv.ParseFloat(text, 64); {
	case err == nil:
	case !s.seconds:
		return errors.New("must be a time with its unit, such as 20ms")
	case failed != nil || math.Abs(seconds) > 1e9 || math.IsNaN(seconds):
		return errors.New("must be a number of seconds, or a time with its unit, such as 90s")
	default:
		d = time.Duration(seconds * float64(time.Second))
	}
	*s.Duration = d
	return nil
}

// numbers is a list of numbers with commas between them.
type numbers struct {
	list  *[]float64
	exact int // how many there must be; 0 for any
}

// String is the list as Set reads it.
func (n numbers) String() string {
	if n.list == nil {
		return ""
	}
	var texts []string
	for _, x := range *n.list {
		texts = append(texts, strconv.FormatFloat(x, 'g', -1, 64))
	}
	return strings.Join(texts, ",")
}

// Set reads 1,2.5,3e-7.
func (n numbers) Set(text string) error {
	var list []float64
	for part := range strings.SplitSeq(text, ",") {
		x, err := strconv.ParseFloat(strings.TrimSpace(part), 64)
		if err != nil {
			return errors.New("must be numbers with commas between them")
		}
		list = append(list, x)
	}
	if n.exact > 0 && len(list) != n.exact {
		return fmt.Errorf("must be %d numbers with commas between them", n.exact)
	}
	*n.list = slices.Clip(list)
	return nil
}

// choice is one of several words. What the words are is for its user to check.
type choice[S ~string] struct{ word *S }

// String is the word.
func (c choice[S]) String() string {
	if c.word == nil {
		return ""
	}
	return string(*c.word)
}

// Set takes any word.
func (c choice[S]) Set(text string) error {
	*c.word = S(text)
	return nil
}

// thinking is how much of an answer is thought.
type thinking struct {
	text  string
	ratio float64
}

// String is the text that Set read.
func (t *thinking) String() string { return t.text }

// Set reads Dynamo's form, {"start_thinking_token_id", "end_thinking_token_id", "thinking_ratio"}. The tokens have no meaning here.
func (t *thinking) Set(text string) error {
	var v struct {
		Start int64    `json:"start_thinking_token_id"`
		End   int64    `json:"end_thinking_token_id"`
		Ratio *float64 `json:"thinking_ratio"`
	}
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.DisallowUnknownFields()
	switch err := d.Decode(&v); {
	case err != nil:
		return fmt.Errorf(`must be JSON such as {"thinking_ratio":0.3}: %w`, err)
	case v.Ratio == nil:
		return errors.New("must have a thinking_ratio")
	case !(*v.Ratio >= 0 && *v.Ratio <= 1):
		return errors.New("thinking_ratio must be from 0 to 1")
	}
	t.text, t.ratio = text, *v.Ratio
	return nil
}
