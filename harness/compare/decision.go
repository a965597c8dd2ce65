package compare

import (
	"slices"

	"github.com/llmsweep/llmsweep/harness/stat"
)

// decision is the part of a trial that decides, on plain numbers: differences of logarithms, above zero where the candidate is worse, one
// a block, of each primary that is judged.
//
// At each look a primary passes if the upper bound of its differences is below its margin, and fails if it does not pass and is worse by
// more than chance, after Holm's correction for all primaries: those that are settled already are counted too, each with its p-value of now,
// so that the chance of any false failure at one look is that look's part of the whole, however the primaries depend on each other. A primary
// that is settled stays as it is.
type decision struct {
	looks   int       // how many there may be
	margins []float64 // logarithm of 1 + margin, of each primary
	settled []settled // of each primary
}

// settled is what became of a primary, and on what.
type settled struct {
	verdict Verdict // "" while it is open
	blocks  int
	p, holm float64 // p-value of the candidate being no worse, alone and corrected
}

func newDecision(looks int, margins []float64) *decision {
	return &decision{looks: looks, margins: margins, settled: make([]settled, len(margins))}
}

// failAt and passAt are the levels of one look.
func (c *decision) failAt() float64 { return failLevel / float64(c.looks) }
func (c *decision) passAt() float64 { return passLevel / float64(c.looks) }

// look judges what is open. What passes does so by worst, the differences as large as doubts about the client could make them; what fails
// does so by d. A primary without differences cannot be judged, and counts all the same.
func (c *decision) look(d, worst [][]float64) {
	p, holm := pValues(d)
	for j := range c.settled {
		if c.settled[j].verdict != "" || len(d[j]) == 0 {
			continue
		}
		verdict := Verdict("")
		switch {
		case allZero(worst[j]), stat.NewSignedRank(worst[j]).Upper(c.passAt()) < c.margins[j]:
			verdict = Pass
		case holm[j] <= c.failAt():
			verdict = Fail
		}
		if verdict != "" {
			c.settled[j] = settled{verdict: verdict, blocks: len(d[j]), p: p[j], holm: holm[j]}
		}
	}
}

// drop settles a primary that is open and cannot be judged.
func (c *decision) drop(j int) {
	if c.settled[j].verdict == "" {
		c.settled[j] = settled{verdict: Inconclusive, p: 1, holm: 1}
	}
}

// over reports whether more blocks cannot change the verdict of all: one primary failed, or none is open. Without primaries there is none.
func (c *decision) over() bool {
	open := func(s settled) bool { return s.verdict == "" }
	return len(c.settled) > 0 && (c.verdict() == Fail || !slices.ContainsFunc(c.settled, open))
}

// verdict is that of all primaries together.
func (c *decision) verdict() Verdict {
	passed := 0
	for _, s := range c.settled {
		switch s.verdict {
		case Fail:
			return Fail
		case Pass:
			passed++
		}
	}
	if passed > 0 && passed == len(c.settled) {
		return Pass
	}
	return Inconclusive
}

// pValues returns the p-value of each candidate being no worse, and the same after Holm's correction.
func pValues(d [][]float64) (p, holm []float64) {
	p = make([]float64, len(d))
	for j := range d {
		p[j] = stat.NewSignedRank(d[j]).PAbove(0)
	}
	return p, stat.Holm(p)
}

func allZero(d []float64) bool {
	return !slices.ContainsFunc(d, func(v float64) bool { return v != 0 })
}
