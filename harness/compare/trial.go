package compare

import (
	"fmt"
	"slices"

	"github.com/llmsweep/llmsweep/harness/record"
)

// Trial compares a candidate with a base by runs in blocks: one of each arm with the same seeds, in an order that a coin decides. Next says
// what to run, Add takes what came of it, Judge says what is known. It has neither clock nor chance of its own: the same design and the same
// results give the same judgement.
//
// Block 0 warms both arms. It counts for nothing, so that it does not matter either whether its runs were valid. A later block of which a run
// stands for nothing is measured again, both arms of it, at most twice in all; another such run ends the trial. A run stands for nothing if its
// Result says so, or if a level that has a primary is unfinished, invalid or had a limited client.
//
// A figure that has no ratio in some block, since it is missing, zero, or a percentile of too few requests, has no verdict: repeating would
// not bring it about.
//
// A suspect client does not keep a primary from failing: the coin makes its lateness as likely in one arm as in the other. It may keep one from
// passing, since lateness in both arms hides a part of their ratio: what passes must do so with the candidate of each such block worse by
// as much as its stamps may be off.
type Trial struct {
	design   Design
	armed    []*series // primaries that are judged, in the order of decision's
	all      []*series // primaries in the order of the design, then what is reported
	decision *decision

	block, attempt int
	first          []Level // of the block's first arm; nil before it
	counted        int     // blocks
	repeats        int
	looks          []int
	stopped        string // why nothing more may be run, other than by the decision
}

// NewTrial begins a trial of a design that is valid.
func NewTrial(d Design) *Trial {
	t := &Trial{design: d}
	var margins []float64
	for _, p := range d.Primaries {
		s := newSeries(p.Selector)
		t.all = append(t.all, s)
		if _, unarmed := d.Unarmed[p.Selector]; !unarmed {
			t.armed = append(t.armed, s)
			margins = append(margins, p.margin())
		}
	}
	t.decision = newDecision(len(d.Looks), margins)
	return t
}

// Next returns the run to make, the same one until Add is called; false: the trial is over.
func (t *Trial) Next() (Step, bool) {
	if t.over() {
		return Step{}, false
	}
	place := 0
	if t.first != nil {
		place = 1
	}
	return Step{Block: t.block, Arm: t.design.order(t.block)[place], Attempt: t.attempt}, true
}

func (t *Trial) over() bool {
	return t.stopped != "" || t.decision.over() || t.counted >= t.cap()
}

func (t *Trial) cap() int { return t.design.Looks[len(t.design.Looks)-1] }

// Result is what came of one run.
type Result struct {
	Levels  []Level
	Invalid string // why the run stands for nothing as a whole; "" if it does not
}

// Add takes the result of the run that Next returns. After the end it changes nothing.
func (t *Trial) Add(r Result) {
	step, more := t.Next()
	if !more {
		return
	}
	if why := t.invalid(r); why != "" && !step.Discarded() {
		t.repeat(step, why)
		return
	}
	if t.first == nil {
		t.first = append([]Level{}, r.Levels...)
		return
	}
	base, candidate := t.first, r.Levels
	if step.Arm == Base {
		base, candidate = candidate, base
	}
	t.block, t.attempt, t.first = t.block+1, 0, nil
	if !step.Discarded() {
		t.count(step.Block, base, candidate)
	}
}

// invalid returns why the run stands for nothing.
func (t *Trial) invalid(r Result) string {
	if r.Invalid != "" {
		return r.Invalid
	}
	for _, p := range t.design.Primaries {
		level, _ := named(r.Levels, p.Level)
		switch {
		case level.Client == record.ClientLimited:
			return fmt.Sprintf("%s at %s", level.Client, level.Name)
		case level.Unfinished != "":
			return fmt.Sprintf("%s: %s", level.Name, level.Unfinished)
		case level.Invalid != "":
			return fmt.Sprintf("%s is INVALID: %s", level.Name, level.Invalid)
		}
	}
	return ""
}

// repeat begins the block again, or ends the trial.
func (t *Trial) repeat(step Step, why string) {
	t.first = nil
	if t.repeats == maxRepeats {
		t.stopped = fmt.Sprintf("%d blocks were measured again and another run stands for nothing: %s (block %d, %s)", t.repeats, why, step.Block, step.Arm)
		return
	}
	t.repeats++
	t.attempt++
}

func (t *Trial) count(block int, base, candidate []Level) {
	if t.counted == 0 {
		t.report(base)
	}
	for _, s := range t.all {
		s.add(block, base, candidate)
	}
	t.counted++
	for j, s := range t.armed {
		if s.lack != "" {
			t.decision.drop(j)
		}
	}
	if slices.Contains(t.design.Looks, t.counted) {
		t.looks = append(t.looks, t.counted)
		t.decision.look(t.differences())
	}
}

// report adds the headline figures that the levels of the first block have.
func (t *Trial) report(levels []Level) {
	for _, level := range levels {
		for _, s := range headline(level.Name) {
			_, has := level.Figures[s.Metric][s.Statistic]
			if has && !slices.ContainsFunc(t.all, func(known *series) bool { return known.Selector == s }) {
				t.all = append(t.all, newSeries(s))
			}
		}
	}
}

// differences are those of the armed primaries, none of one that lacks a figure.
func (t *Trial) differences() (d, worst [][]float64) {
	for _, s := range t.armed {
		if s.lack != "" {
			d, worst = append(d, nil), append(worst, nil)
			continue
		}
		d, worst = append(d, s.d), append(worst, s.worst)
	}
	return d, worst
}
