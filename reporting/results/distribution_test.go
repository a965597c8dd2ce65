package results

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestDistributionOfFewValues(t *testing.T) {
	assert.Equal(t, Distribution{4, []Step{{1, 1}, {2, 3}, {3, 4}}}, newDistribution([]float64{1, 2, 2, 3}))
	assert.Equal(t, Distribution{1, []Step{{7, 1}}}, newDistribution([]float64{7}))
	d := newDistribution([]float64{1, 2, 2, 3})
	assert.Equal(t, 75.0, d.Share(d.Steps[1]))
}

// atMost is the distribution function the slow way.
func atMost(values []float64, x float64) int {
	n := 0
	for _, v := range values {
		if v <= x {
			n++
		}
	}
	return n
}

// TestDistributionIsWithinHalfAPercent: whatever the size and however many values are equal, each step is exact, and between the steps nothing is off by 0.5 %.
func TestDistributionIsWithinHalfAPercent(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 2, 3, 10, 199, 200, 201, 333, 399, 400, 401, 1000, 1001, 3777} {
		for _, distinct := range []int{1, 5, 100, 1 << 30} {
			values := make([]float64, n)
			for i := range values {
				values[i] = float64(r.IntN(distinct)) / 8
			}
			slices.Sort(values)
			d := newDistribution(values)
			assert.LessOrEqual(t, len(d.Steps), maxSteps+2)
			for _, s := range d.Steps {
				assert.Equal(t, atMost(values, s.Value), s.AtMost)
			}
			worst := 0
			for _, v := range values {
				i, found := slices.BinarySearchFunc(d.Steps, v, func(s Step, v float64) int { return int(s.Value*8 - v*8) })
				if !found {
					i--
				}
				worst = max(worst, atMost(values, v)-d.Steps[i].AtMost)
			}
			assert.Less(t, 200*worst, n, "%d values, %d distinct", n, distinct)
			if n <= maxSteps {
				assert.Zero(t, worst)
			}
			for _, share := range []float64{0.95, 0.99, 0.999, 1} { // the smallest value that so many have at most
				i := 0
				for float64(atMost(values, values[i])) < share*float64(n)-1e-9 {
					i++
				}
				assert.Contains(t, d.Steps, Step{values[i], atMost(values, values[i])}, "%g of %d", share, n)
			}
			assert.Equal(t, Step{values[n-1], n}, d.Steps[len(d.Steps)-1])
		}
	}
}
