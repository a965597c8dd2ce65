package stat

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestShareBoundAgainstClaims: a claim of a bit less than the bound holds, one of a bit more does not.
func TestShareBoundAgainstClaims(t *testing.T) {
	for _, n := range []int{1, 5, 40, 459, 3304} {
		for _, misses := range []int{0, 1, 3, 20, n - 1, n, n + 1} {
			for _, confidence := range []float64{0.5, 0.95, 0.99} {
				bound := ShareBound(n, misses, confidence)
				if misses >= n {
					assert.Zero(t, bound)
					continue
				}
				claim := func(share float64) bool {
					return ShareClaim{Share: share, Confidence: confidence, Looks: 1}.Holds(n, misses)
				}
				assert.True(t, claim(bound-1e-9), "%d of %d at %g: %g", misses, n, confidence, bound)
				assert.False(t, claim(bound+1e-9), "%d of %d at %g: %g", misses, n, confidence, bound)
			}
		}
	}
	assert.InDelta(t, 0.99, ShareBound(459, 0, 0.99), 1e-4, "MLPerf's floor")
	assert.InDelta(t, math.Pow(0.05, 1.0/59), ShareBound(59, 0, 0.95), 1e-9, "by hand: share^n = 1 - confidence")
	assert.Zero(t, ShareBound(0, 0, 0.95))
}

// TestShareBoundCovers: the true share is above the bound in 95 of 100 cases or more.
func TestShareBoundCovers(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const n, looks = 200, 4000
	for _, share := range []float64{0.8, 0.95, 0.99} {
		above := 0
		for range looks {
			misses := 0
			for range n {
				if r.Float64() >= share {
					misses++
				}
			}
			if ShareBound(n, misses, 0.95) <= share {
				above++
			}
		}
		assert.Greater(t, float64(above)/looks, 0.94, share)
	}
}
