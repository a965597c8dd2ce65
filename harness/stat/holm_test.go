package stat_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/stat"
)

// naiveHolm rejects the smallest value that is left while it is small enough for the number of those that are.
func naiveHolm(p []float64, alpha float64) []bool {
	rejected := make([]bool, len(p))
	for left := len(p); left > 0; left-- {
		least := -1
		for i := range p {
			if !rejected[i] && (least < 0 || p[i] < p[least]) {
				least = i
			}
		}
		if p[least]*float64(left) > alpha {
			break
		}
		rejected[least] = true
	}
	return rejected
}

func TestHolmAgainstTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(41, 42))
	for range 2000 {
		p := make([]float64, r.IntN(8))
		for i := range p {
			p[i] = float64(r.IntN(20)) / 150
		}
		alpha := r.Float64() / 4
		corrected := stat.Holm(p)
		for i, want := range naiveHolm(p, alpha) {
			require.Equal(t, want, corrected[i] <= alpha, "%d of %v at %v: %v", i, p, alpha, corrected)
		}
	}
}

func TestHolmByHand(t *testing.T) {
	p := []float64{0.01, 0.04, 0.03, 0.005}
	assert.InDeltaSlice(t, []float64{0.03, 0.06, 0.06, 0.02}, stat.Holm(p), 1e-12)
	assert.Equal(t, []float64{0.01, 0.04, 0.03, 0.005}, p, "the argument stays")
	assert.Equal(t, []float64{1, 1}, stat.Holm([]float64{0.9, 0.6}))
	assert.Empty(t, stat.Holm(nil))
}

// TestSimulatedFamilyError: among tests of which none has anything to find, one or more finds something.
func TestSimulatedFamilyError(t *testing.T) {
	n := repetitions(20000)
	for _, common := range []float64{0, 0.7} { // correlation of the tests
		for m, uncorrected := range map[int]float64{5: 0.12, 12: 0.18, 30: 0.25} {
			alone := 0
			family := shareOf(n, uint64(m), func(r *rand.Rand) bool {
				p := correlatedTests(r, m, common)
				if slices.Min(p) <= 0.05 {
					alone++
				}
				return slices.Min(stat.Holm(p)) <= 0.05
			})
			name := fmt.Sprintf("%d tests, correlation %v", m, common)
			atMost(t, 0.05, family, n, name)
			atLeast(t, uncorrected, float64(alone)/float64(n), n, name+", uncorrected")
			if common == 0 {
				atLeast(t, 0.044, family, n, name+", no more cautious than it has to be")
			}
		}
	}
}

// correlatedTests are one-sided p-values of standard normals that have a part in common.
func correlatedTests(r *rand.Rand, m int, common float64) []float64 {
	p := make([]float64, m)
	shared := math.Sqrt(common) * r.NormFloat64()
	for i := range p {
		p[i] = math.Erfc((shared+math.Sqrt(1-common)*r.NormFloat64())/math.Sqrt2) / 2
	}
	return p
}
