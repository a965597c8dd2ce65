package summary

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/llmsweep/llmsweep/harness/compare"
)

// Gate is what a gate said of a benchmark, as it was recorded then.
type Gate struct {
	// Reported: nobody judged by it (-run Compare); its verdict is what a gate would have said.
	Reported bool
	Paired   bool // it is about two benchmarks
	Verdict  compare.Verdict
	Of       string    // what was judged by what: "candidate against base, 12 blocks"
	Reason   string    // why there is no verdict; "" where the figures say it
	When     time.Time // zero: in virtual time
	Figures  []GateFigure
}

// GateFigure is a figure that was judged, in the unit of its metric.
type GateFigure struct {
	Level, Metric, Statistic, Unit string
	Verdict                        compare.Verdict // "" of one that was to be judged and was not
	Base, Value                    float64         // NaN: none
	Change, Low, High              float64         // shares of the base or the limit, with an interval; NaN: none
	Allowed                        string          // the limit, or the margin
	Client                         string          // where it was suspect or limited
	Text                           string          // the evidence
}

// Name is what gave the verdict.
func (g *Gate) Name() string {
	if g.Reported {
		return "comparison"
	}
	return "gate"
}

// Time says when it was judged.
func (g *Gate) Time() string {
	if g.When.IsZero() {
		return "in virtual time"
	}
	return g.When.UTC().Format("2006-01-02 15:04:05 UTC")
}

// Counts says how many figures passed, and so on.
func (g *Gate) Counts() string {
	var parts []string
	for _, of := range []struct {
		verdict compare.Verdict
		words   string
	}{{compare.Fail, "failed"}, {compare.Inconclusive, "inconclusive"}, {compare.Pass, "passed"}, {"", notJudged}} {
		if n := len(g.with(of.verdict)); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, of.words))
		}
	}
	return strings.Join(parts, ", ")
}

func (g *Gate) with(v compare.Verdict) []GateFigure {
	return slices.DeleteFunc(slices.Clone(g.Figures), func(f GateFigure) bool { return f.Verdict != v })
}

// Sorted are the figures, those that decided first.
func (g *Gate) Sorted() []GateFigure {
	return slices.Concat(g.with(compare.Fail), g.with(compare.Inconclusive), g.with(compare.Pass), g.with(""))
}

// mostDeciding is how many figures a line about a gate names.
const mostDeciding = 5

// Fact says the verdict in a line: what was judged, the figures that decided, when.
func (g *Gate) Fact() string {
	text := strings.ToUpper(string(g.Verdict)) + ": " + g.Of
	if g.Reported {
		text = "a comparison without a gate: " + text
	}
	if g.Reason != "" {
		text += ": " + g.Reason
	}
	text += "; " + g.Counts()
	separator := ": "
	for i, f := range g.Deciding() {
		if i == mostDeciding {
			text += "; and others"
			break
		}
		text += separator + f.String()
		separator = "; "
	}
	return text + "; judged " + g.Time()
}

// Deciding are the figures that decided the verdict. Of limits that hold none did more than others.
func (g *Gate) Deciding() []GateFigure {
	if g.Verdict == compare.Pass && !g.Paired {
		return nil
	}
	return g.with(g.Verdict)
}

// String is the figure in a few words.
func (f GateFigure) String() string {
	text := fmt.Sprintf("%s %s of %s %s", f.Metric, f.Statistic, f.Level, number(f.Value))
	if f.Unit != "" && !math.IsNaN(f.Value) {
		text += " " + shortUnit(f.Unit)
	}
	if !math.IsNaN(f.Change) {
		text += ", " + f.ChangeText()
		if interval := span(f.Low, f.High); interval != missing {
			text += " (" + interval + ")"
		}
	}
	return text + ", " + f.Allowed
}

// Cells are the figure, its base and its change for a table, with the interval of the change, "" where there is none.
func (f GateFigure) Cells() (value, base, change, interval string) {
	if interval = span(f.Low, f.High); interval == missing {
		interval = ""
	}
	return number(f.Value), number(f.Base), f.ChangeText(), interval
}

// Said is the verdict in words.
func (f GateFigure) Said() string { return cmp.Or(string(f.Verdict), notJudged) }

const notJudged = "not judged"

// ChangeText is the change in percent.
func (f GateFigure) ChangeText() string { return percent(f.Change) }

// ShortUnit is the unit as tables have it.
func (f GateFigure) ShortUnit() string { return shortUnit(f.Unit) }

// TrialGate is a comparison of two arms as a gate.
func TrialGate(c TwoArms, when time.Time, reported bool) *Gate {
	j := c.Judgement
	g := &Gate{Reported: reported, Paired: true, Verdict: j.Verdict, Of: fmt.Sprintf("%s against %s, %d blocks", c.Candidate, c.Base, j.Blocks), When: when}
	if j.Verdict == compare.Inconclusive {
		g.Reason = j.Reason
	}
	for _, e := range j.Estimates {
		if !e.Primary {
			continue
		}
		g.Figures = append(g.Figures, GateFigure{
			Level: e.Level, Metric: e.Metric, Statistic: e.Statistic, Unit: e.Unit, Verdict: e.Verdict, Base: e.Base, Value: e.Candidate, Change: e.Change, Low: e.Low, High: e.High,
			Allowed: "margin " + percent(e.Margin), Client: string(e.Client), Text: e.Text,
		})
	}
	return g
}

// RulesGate is what the rules of a gate made of one benchmark, which it had so many verdicts on: of is what was judged by what.
func RulesGate(of string, findings []compare.Finding, verdicts int, when time.Time) *Gate {
	g := &Gate{Verdict: compare.Overall(findings), Of: of, When: when}
	if len(findings) < verdicts {
		g.Reason = fmt.Sprintf("only %d of its %d verdicts were asked for", len(findings), verdicts)
		if g.Verdict == compare.Pass { // of a part is no verdict on the whole
			g.Verdict = compare.Inconclusive
		}
	}
	for _, f := range findings {
		figure := GateFigure{
			Level: f.Level, Metric: f.Metric, Statistic: f.Statistic, Unit: f.Unit, Verdict: f.Verdict, Base: f.Baseline, Value: f.Value,
			Change: distance(f), Low: math.NaN(), High: math.NaN(), Allowed: "bound " + number(f.Bound), Client: string(f.Client), Text: f.Text,
		}
		if f.Limit {
			figure.Allowed, figure.Base = "limit "+number(f.Bound), math.NaN()
		}
		g.Figures = append(g.Figures, figure)
	}
	return g
}
