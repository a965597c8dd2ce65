package stat

import "math"

// MinDrift is how many values of a series DriftLimit takes.
const MinDrift = MinRuns

// DeviationAboutLine returns the standard deviation of three values or more about the straight line that fits them best (least squares): what they
// differ by beside a steady drift of their mean, which the plain deviation would take for noise. The line takes two degrees of freedom.
func DeviationAboutLine(series []float64) float64 {
	n := float64(len(series))
	middle := (n - 1) / 2
	mean, slope, spread := 0.0, 0.0, 0.0
	for i, v := range series {
		mean += v / n
		slope += float64((float64(i) - middle) * v)
		spread += float64((float64(i) - middle) * (float64(i) - middle))
	}
	slope /= spread
	squares := 0.0
	for i, v := range series {
		off := v - mean - float64(slope*(float64(i)-middle))
		squares += float64(off * off)
	}
	return math.Sqrt(squares / (n - 2))
}

// DriftLimit returns by how much a value that is measured behind the end of a series differs from the first one of it by chance at most, in all but
// the share level of series whose mean does not move. ok is false below MinDrift values.
func DriftLimit(series []float64, level float64) (limit float64, need Need, ok bool) {
	need = Need{Needs: MinDrift, Have: len(series)}
	if !need.Met() {
		return 0, need, false
	}
	return studentT(1-level/2, float64(len(series)-2)) * math.Sqrt2 * DeviationAboutLine(series), need, true
}
