package stat

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// MinRuns is how many runs an interval over runs takes. With fewer, Student's t is so wide that the interval says nothing.
const MinRuns = 5

// OverRuns describes figures of repeated runs, one value a run.
type OverRuns struct {
	// Mean is the geometric mean: runs differ by factors rather than by amounts, and the ratio of two such means is the mean of the ratios.
	Mean     float64
	Interval Interval
	// CV is the deviation of the runs, of a sample, as a share of their arithmetic mean.
	CV float64
}

// Runs computes the interval of a figure from one value of each run: the mean of the logarithms, plus and minus Student's t times
// their standard error, taken back. ok is false below MinRuns, and where a value is not above zero and has no logarithm.
func Runs(values []float64, confidence float64) (o OverRuns, need Need, ok bool) {
	need = Need{Needs: MinRuns, Have: len(values)}
	logs := make([]float64, len(values))
	for i, v := range values {
		if !(v > 0) {
			return OverRuns{}, need, false
		}
		logs[i] = math.Log(v)
	}
	if !need.Met() {
		return OverRuns{}, need, false
	}
	mean, variance := meanVariance(logs)
	n := float64(len(values))
	half := float64(studentT(1-(1-confidence)/2, n-1) * math.Sqrt(variance/n))
	o = OverRuns{Mean: math.Exp(mean), Interval: Interval{Low: math.Exp(mean - half), High: math.Exp(mean + half)}}
	mean, variance = meanVariance(values)
	o.CV = math.Sqrt(variance) / mean
	return o, need, true
}

// RunsPlainly describes one value a run by arithmetic means, as AIPerf does.
type RunsPlainly struct {
	Mean, Std, StdError float64 // Std is that of a sample; all but Mean are 0 of a single value
	T                   float64 // the factor of StdError that makes Interval
	Interval            Interval
}

// PlainRuns computes mean and Student's interval of one value or more. Figures that are not below zero have a truer one by Runs.
func PlainRuns(values []float64, confidence float64) RunsPlainly {
	if len(values) == 1 {
		return RunsPlainly{Mean: values[0], Interval: Interval{values[0], values[0]}}
	}
	mean, variance := meanVariance(values)
	n := float64(len(values))
	p := RunsPlainly{Mean: mean, Std: math.Sqrt(variance), StdError: math.Sqrt(variance / n), T: studentT(1-(1-confidence)/2, n-1)}
	half := float64(p.T * p.StdError)
	p.Interval = Interval{Low: mean - half, High: mean + half}
	return p
}

// DetectableChange returns the smallest change of a mean over k pairs (2 or more), as a multiple of the standard deviation of one pair's
// difference, that a one-sided test at the level finds with the power: the sum of the t quantiles of both, over the root of k.
func DetectableChange(k int, level, power float64) float64 {
	n := float64(k)
	return (studentT(1-level, n-1) + studentT(power, n-1)) / math.Sqrt(n)
}

// studentT is the p-quantile of Student's t.
func studentT(p, degrees float64) float64 {
	return distuv.StudentsT{Sigma: 1, Nu: degrees}.Quantile(p)
}

// meanVariance returns the mean and the variance of a sample of two values or more: the divisor is n-1, since the mean is the sample's own.
func meanVariance(values []float64) (mean, variance float64) {
	var m2 float64
	for i, v := range values { // Welford, as in Summarize
		delta := v - mean
		mean += delta / float64(i+1)
		m2 += float64(delta * (v - mean))
	}
	return mean, m2 / float64(len(values)-1)
}
