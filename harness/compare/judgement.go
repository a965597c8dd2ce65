package compare

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/stat"
)

// Judgement is what a trial knows.
type Judgement struct {
	Verdict   Verdict    `json:"verdict"` // Fail if a primary fails, Pass if all that are judged pass
	Reason    string     `json:"reason"`  // of the verdict, in one line
	Final     bool       `json:"final"`   // nothing more may be run
	Blocks    int        `json:"blocks"`  // that count
	Repeats   int        `json:"repeats"` // blocks that were begun again
	Looks     []int      `json:"looks"`   // numbers of blocks at which it was judged
	Estimates []Estimate `json:"estimates"`
}

// Estimate is one figure of both arms. A primary that has passed or failed keeps what it did so on, however many blocks follow.
type Estimate struct {
	Selector
	Unit         string
	Verdict      Verdict // of a primary that is judged; "" of all others
	Primary      bool
	Unarmed      string // why a primary is not judged
	HigherBetter bool
	Blocks       int

	// Base and Candidate are geometric means over the blocks; NaN without any.
	Base, Candidate float64
	// Change is the candidate's share of the base's figure, minus 1: 0.1 is 10 % more, which is worse of a time and better of a throughput. It is
	// the centre of its interval (Hodges and Lehmann's estimate), which one strange run does not move as it moves the means.
	// Low and High hold it with the confidence; they are infinite where there are too few blocks for a bound. All are NaN without a block.
	Change, Low, High, Confidence float64
	// Margin is the change that a primary must not reach, in the direction that is worse, as a share: -0.0476 for 5 % of a throughput.
	Margin float64
	// P is the p-value of the candidate being no worse; 1 without a block. Holm is the same, corrected for the number of primaries that are
	// judged; 1 of all others.
	P, Holm float64
	// Client is suspect where that has kept a primary from passing.
	Client record.ClientVerdict

	Requests int    // the fewest of a run
	Text     string // the evidence in one line
}

// Judge returns what is known so far. It is final when Next returns false.
func (t *Trial) Judge() Judgement {
	j := Judgement{Verdict: t.decision.verdict(), Final: t.over(), Blocks: t.counted, Repeats: t.repeats, Looks: append([]int{}, t.looks...)}
	d, _ := t.differences()
	p, holm := pValues(d)
	now := map[*series]settled{}
	for i, s := range t.armed {
		if now[s] = t.decision.settled[i]; now[s].verdict == "" {
			now[s] = settled{verdict: Inconclusive, blocks: len(s.d), p: p[i], holm: holm[i]}
		}
	}
	for i, s := range t.all {
		e := Estimate{
			Selector: s.Selector, Unit: s.unit, HigherBetter: s.worse < 0, Blocks: len(s.d), Requests: s.requests, P: 1, Holm: 1,
			Primary: i < len(t.design.Primaries),
		}
		if e.Primary {
			e.Unarmed = t.design.Unarmed[s.Selector]
			e.Margin = math.Expm1(s.worse * t.design.Primaries[i].margin())
		}
		if of, armed := now[s]; armed {
			e.Verdict, e.Blocks, e.P, e.Holm = of.verdict, of.blocks, of.p, of.holm
		}
		t.measure(&e, s)
		t.explain(&e, s)
		j.Estimates = append(j.Estimates, e)
	}
	j.Reason = t.reason(j)
	return j
}

// measure fills in the figures over the blocks of the estimate, of a series that has them all.
func (t *Trial) measure(e *Estimate, s *series) {
	e.Confidence = 1 - 2*t.decision.passAt()
	e.Base, e.Candidate, e.Change, e.Low, e.High = math.NaN(), math.NaN(), math.NaN(), math.NaN(), math.NaN()
	if s.lack != "" && (e.Verdict == Inconclusive || e.Verdict == "") {
		e.Blocks = 0
	}
	if e.Blocks == 0 {
		return
	}
	e.Base, e.Candidate = geometric(s.base[:e.Blocks]), geometric(s.candidate[:e.Blocks])
	ranks := stat.NewSignedRank(s.d[:e.Blocks])
	e.Change = math.Expm1(s.worse * ranks.Centre())
	if e.Verdict == "" {
		e.P = ranks.PAbove(0)
	}
	low, high := ranks.Lower(t.decision.passAt()), ranks.Upper(t.decision.passAt())
	if e.HigherBetter {
		low, high = -high, -low
	}
	e.Low, e.High = low, high
	if !math.IsInf(low, 0) {
		e.Low, e.High = math.Expm1(low), math.Expm1(high)
	}
	// A margin is above zero as a logarithm in either direction.
	if e.Verdict == Inconclusive && ranks.Upper(t.decision.passAt()) < math.Abs(math.Log1p(e.Margin)) && !slices.Equal(s.worst, s.d) {
		e.Client = record.ClientSuspect
	}
}

// geometric is the mean of figures, given their logarithms.
func geometric(logs []float64) float64 {
	sum := 0.0
	for _, v := range logs {
		sum += v / float64(len(logs))
	}
	return math.Exp(sum)
}

// explain puts the evidence into words.
func (t *Trial) explain(e *Estimate, s *series) {
	if e.Blocks == 0 {
		e.Text = s.lack
		if s.lack == "" {
			e.Text = fmt.Sprintf("%s %s of %s: no block yet", e.Metric, e.Statistic, e.Level)
		}
		return
	}
	e.Text = fmt.Sprintf("%s %s of %s is %s %s, the base's %s (%s; %s), %s", e.Metric, e.Statistic, e.Level, short(e.Candidate), e.Unit, short(e.Base),
		percent(e.Change), e.interval(), counted(e.Blocks, "block"))
	if !e.Primary {
		return
	}
	e.Text += fmt.Sprintf(", margin %s", percent(e.Margin))
	switch {
	case e.Unarmed != "":
		e.Text += "; not judged: " + e.Unarmed
	case e.Verdict == Pass && allZero(s.worst[:e.Blocks]):
		e.Text += ": the same in every block"
	case e.Verdict == Pass:
		e.Text += ": not worse by the margin"
	case e.Verdict == Fail:
		e.Text += fmt.Sprintf(": worse, p %s, corrected %s, fails at %s", probability(e.P), probability(e.Holm), probability(t.decision.failAt()))
	case e.Client != "":
		e.Text += fmt.Sprintf("; %s: its stamps may be so late that they hide the margin", e.Client)
	default:
		e.Text += fmt.Sprintf(": undecided, p %s, corrected %s, fails at %s", probability(e.P), probability(e.Holm), probability(t.decision.failAt()))
	}
}

// interval is that of the change in words.
func (e *Estimate) interval() string {
	if math.IsInf(e.Low, 0) || math.IsInf(e.High, 0) {
		return "too few blocks for an interval"
	}
	return fmt.Sprintf("%s to %s with %.3g %% confidence", percent(e.Low), percent(e.High), 100*e.Confidence)
}

func percent(share float64) string { return fmt.Sprintf("%+.2f %%", 100*share) }

func probability(p float64) string { return fmt.Sprintf("%.2g", p) }

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// reason says in one line why the verdict is what it is.
func (t *Trial) reason(j Judgement) string {
	names := map[Verdict][]string{}
	for _, e := range j.Estimates {
		if e.Verdict != "" {
			names[e.Verdict] = append(names[e.Verdict], fmt.Sprintf("%s %s of %s", e.Metric, e.Statistic, e.Level))
		}
	}
	after := "after " + counted(j.Blocks, "block")
	switch {
	case j.Verdict == Fail:
		return fmt.Sprintf("worse by more than chance %s: %s", after, strings.Join(names[Fail], ", "))
	case j.Verdict == Pass:
		return fmt.Sprintf("within the margin %s: %s", after, strings.Join(names[Pass], ", "))
	case t.stopped != "":
		return t.stopped
	case len(t.armed) == 0:
		return "no primary is armed: all are reported and none judged, " + after
	case !j.Final:
		return "not over yet, " + after
	}
	var lacks []string
	for _, s := range t.armed {
		if s.lack != "" {
			lacks = append(lacks, s.lack)
		}
	}
	if len(lacks) > 0 {
		return strings.Join(lacks, "; ")
	}
	return fmt.Sprintf("neither shown to be worse nor to be within the margin, %s: %s", after, strings.Join(names[Inconclusive], ", "))
}

// Findings are the estimates of the primaries that are judged, as findings of a gate.
func (j Judgement) Findings() []Finding {
	var findings []Finding
	for _, e := range j.Estimates {
		if e.Verdict != "" {
			findings = append(findings, Finding{
				Level: e.Level, Metric: e.Metric, Statistic: e.Statistic, Unit: e.Unit, Verdict: e.Verdict, Client: e.Client,
				Value: e.Candidate, Baseline: e.Base, Bound: e.Base * (1 + e.Margin), Samples: e.Requests, Text: e.Text,
			})
		}
	}
	return findings
}
