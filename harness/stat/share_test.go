package stat_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/stat"
)

func TestShareClaimAgainstTwin(t *testing.T) {
	for _, share := range []float64{0.5, 0.9, 0.99} {
		for _, looks := range []int{1, 3} {
			claim := stat.ShareClaim{Share: share, Confidence: 0.95, Looks: looks}
			for n := 1; n < 600; n += 1 + n/7 {
				atMost := 0.0
				for misses, p := range binomial(n, 1-share) {
					atMost += p
					if misses > 12 {
						break
					}
					require.Equal(t, atMost <= 0.05/float64(looks), claim.Holds(n, misses), "%+v: %d of %d", claim, misses, n)
				}
			}
		}
	}
	assert.False(t, stat.ShareClaim{Share: 0.5, Confidence: 0.9, Looks: 1}.Holds(0, 0), "nothing was seen")
}

// TestShareClaimNeeds are the sizes of MLPerf's early stopping.
func TestShareClaimNeeds(t *testing.T) {
	p99 := stat.ShareClaim{Share: 0.99, Confidence: 0.99, Looks: 1}
	for misses, want := range map[int]int{0: 459, 1: 662, 2: 838, 5: 1307, 10: 2010, 20: 3304} {
		assert.Equal(t, want, p99.Needs(misses), "%d misses", misses)
	}
	for share, want := range map[float64]int{0.5: 11, 0.9: 64, 0.95: 130, 0.99: 662, 0.999: 6636} {
		assert.Equal(t, want, stat.ShareClaim{Share: share, Confidence: 0.99, Looks: 1}.Needs(1), "%v", share)
	}
	assert.Equal(t, math.MaxInt, stat.ShareClaim{Share: 1, Confidence: 0.99, Looks: 1}.Needs(0))
}

// misses counts the misses among n values of which a share of 0.01 does, by the gaps between them.
func misses(r *rand.Rand, n int) (count int) {
	for at := 0; ; count++ {
		if at += 1 + int(math.Log(1-r.Float64())/math.Log1p(-0.01)); at > n {
			return count
		}
	}
}

// TestSimulatedShareClaim puts the system just where the claim is wrong. Looks that were counted beforehand confirm it once in a hundred
// times at most, extending the sample until it holds does not.
func TestSimulatedShareClaim(t *testing.T) {
	n := repetitions(20000)
	look := func(claim stat.ShareClaim, sizes ...int) float64 {
		return shareOf(n, 51, func(r *rand.Rand) bool {
			seen, missed := 0, 0
			for _, size := range sizes {
				missed += misses(r, size-seen)
				if seen = size; claim.Holds(seen, missed) {
					return true
				}
			}
			return false
		})
	}
	extended := []int{500, 1000, 1500, 2000, 2500, 3000, 3500, 4000, 4500, 5000, 5500}
	once, counted := stat.ShareClaim{Share: 0.99, Confidence: 0.99, Looks: 1}, stat.ShareClaim{Share: 0.99, Confidence: 0.99, Looks: len(extended)}
	atMost(t, 0.01, look(once, 2010), n, "one look")
	atMost(t, 0.01, look(counted, extended...), n, "eleven looks, counted")
	atLeast(t, 0.025, look(once, extended...), n, "eleven looks as if each were the only one")
}
