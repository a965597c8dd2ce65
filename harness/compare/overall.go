package compare

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Overall is the verdict of findings together: Fail if one of them fails, Pass if all of them pass, and there are some.
func Overall(findings []Finding) Verdict {
	has := func(v Verdict) bool {
		return slices.ContainsFunc(findings, func(f Finding) bool { return f.Verdict == v })
	}
	switch {
	case has(Fail):
		return Fail
	case has(Inconclusive), len(findings) == 0:
		return Inconclusive
	}
	return Pass
}

// ContradictsFindings returns an error where a finding that was read from a file is none that Check or Compare could have made, as far as that shows.
func ContradictsFindings(findings []Finding) error {
	for _, f := range findings {
		if !isVerdict(f.Verdict) {
			return fmt.Errorf("%q is no verdict", f.Verdict)
		}
		if f.Verdict == Pass && (math.IsNaN(f.Value) || math.IsNaN(f.Bound)) {
			return fmt.Errorf("%s of %s passes without a figure", f.Metric, f.Level)
		}
	}
	return nil
}

// rounding is how far a share that was written and read may be off.
const rounding = 1e-9

// Contradiction returns an error where a judgement that was read from a file is none that a Trial could have come to, as far as that shows.
func (j Judgement) Contradiction() error {
	judged := map[Verdict]int{}
	for _, e := range j.Estimates {
		if e.Verdict == "" {
			continue
		}
		if err := e.contradiction(); err != nil {
			return err
		}
		judged[e.Verdict]++
	}
	switch {
	case !isVerdict(j.Verdict):
		return fmt.Errorf("%q is no verdict", j.Verdict)
	case j.Verdict == Pass && (judged[Pass] == 0 || judged[Fail]+judged[Inconclusive] > 0):
		return errors.New("it passes, and not all of its primaries do")
	case j.Verdict == Fail && judged[Fail] == 0:
		return errors.New("it fails, and none of its primaries does")
	}
	return nil
}

// contradiction is that of a figure with a verdict.
func (e Estimate) contradiction() error {
	name := fmt.Sprintf("%s %s of %s", e.Metric, e.Statistic, e.Level)
	worse, worst, margin := e.Change, e.High, e.Margin
	if e.HigherBetter {
		worse, worst, margin = -e.Change, -e.Low, -e.Margin
	}
	switch {
	case !isVerdict(e.Verdict):
		return fmt.Errorf("%q is no verdict", e.Verdict)
	case !e.Primary:
		return fmt.Errorf("%s is no primary and has a verdict", name)
	case e.Verdict == Pass && (!(worse <= margin+rounding) || worst > margin+rounding):
		return fmt.Errorf("%s passes beyond its margin", name)
	case e.Verdict == Fail && !(worse > 0):
		return fmt.Errorf("%s fails and is no worse", name)
	}
	return nil
}

func isVerdict(v Verdict) bool { return v == Pass || v == Fail || v == Inconclusive }
