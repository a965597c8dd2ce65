package stat

import "math"

// MinDrift is how many values of a series DriftLimit takes.
const MinDrift = MinRuns

// SuccessiveDeviation returns the standard deviation of a series of two or more independent values, from the differences of neighbours: a mean that
// moves slowly widens it little, where it widens the plain one by as much as it moved. degrees is how many degrees of freedom it is worth
// (J. von Neumann et al., The Mean Square Successive Difference, Annals of Mathematical Statistics 12, 1941: the variance of the square).
func SuccessiveDeviation(series []float64) (deviation, degrees float64) {
	sum := 0.0
	for i, v := range series[1:] {
		sum += (v - series[i]) * (v - series[i])
	}
	n := float64(len(series))
	return math.Sqrt(sum / (2 * (n - 1))), 2 * (n - 1) * (n - 1) / (3*n - 4)
}

// DriftLimit returns by how much a value that is measured behind the end of a series differs from the first one of it by chance at most, in all but
// the share level of series whose mean does not move. ok is false below MinDrift values.
func DriftLimit(series []float64, level float64) (limit float64, need Need, ok bool) {
	need = Need{Needs: MinDrift, Have: len(series)}
	if !need.Met() {
		return 0, need, false
	}
	deviation, degrees := SuccessiveDeviation(series)
	return studentT(1-level/2, degrees) * math.Sqrt2 * deviation, need, true
}
