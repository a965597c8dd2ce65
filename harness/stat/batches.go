package stat

import "math"

// EffectiveBatches is the number of batches that EffectiveSize looks at.
const EffectiveBatches = 20

// BatchMeans cuts a series in time order into batches of equal length, give or take one value, and returns their means. There have to be
// at least as many values as batches.
func BatchMeans(series []float64, batches int) []float64 {
	means := make([]float64, batches)
	for i := range means {
		batch := series[i*len(series)/batches : (i+1)*len(series)/batches]
		for j, v := range batch { // Welford's mean: equal values have exactly their value as mean
			means[i] += (v - means[i]) / float64(j+1)
		}
	}
	return means
}

// EffectiveSize returns how many independent values would say as much of the mean as a series of dependent ones, in time order: n/tau with
// tau = L var(means of batches of length L) / var(values). It is at most n: what seems to be more is mostly chance. Dependence over
// more than a batch, a twentieth of the series, does not show. Batches of one value say nothing, hence the need.
func EffectiveSize(series []float64) (size float64, need Need) {
	need = Need{Needs: 2 * EffectiveBatches, Have: len(series)}
	if !need.Met() {
		return 0, need
	}
	n := float64(len(series))
	_, between := meanVariance(BatchMeans(series, EffectiveBatches))
	_, all := meanVariance(series)
	if between == 0 { // equal values depend on nothing
		return n, need
	}
	return min(n, EffectiveBatches*all/between), need
}

// meanBatches is the number of batches whose means MeanInterval looks at: long ones are less dependent on each other.
const meanBatches = 10

// MeanInterval is the interval of the mean of a series of dependent values in time order: plus and minus Student's t times the standard error
// that the means of ten batches show. Dependence over more than a batch makes it too narrow. It needs as many values as EffectiveSize.
func MeanInterval(series []float64, confidence float64) (Interval, Need) {
	need := Need{Needs: 2 * EffectiveBatches, Have: len(series)}
	if !need.Met() {
		return Interval{}, need
	}
	_, between := meanVariance(BatchMeans(series, meanBatches))
	mean, _ := meanVariance(series)
	half := float64(studentT(1-(1-confidence)/2, meanBatches-1) * math.Sqrt(between/meanBatches))
	return Interval{Low: mean - half, High: mean + half}, need
}
