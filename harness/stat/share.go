package stat

import (
	"math"
	"sort"
)

// ShareClaim is the statement that at least a share of all values, of which a sample is looked at, meets a demand. It holds where so few of
// the sample miss the demand that a smaller share would show as few with probability 1 - Confidence at most: with t misses among n,
// P(Bin(n, 1-Share) <= t) <= 1 - Confidence. The values have to be independent of each other.
//
// A sample that is extended until the claim holds makes any claim hold. Looks is the number of times it may be looked at, fixed beforehand;
// each look has its part of 1 - Confidence.
type ShareClaim struct {
	Share, Confidence float64 // both 0 to 1
	Looks             int     // 1 or more
}

// Holds reports whether one look at n values, of which some miss the demand, confirms the claim.
func (c ShareClaim) Holds(n, misses int) bool {
	return n > 0 && binomialCDF(n, 1-c.Share, misses) <= c.level()
}

// Needs returns the smallest sample in which the claim holds with so many misses. 0.99 at a confidence of 0.99, with one look: 459 without a
// miss, 662 with one. It is math.MaxInt for a share of 1, which no sample proves.
func (c ShareClaim) Needs(misses int) int {
	enough := misses + 1
	for !c.Holds(enough, misses) {
		if enough > math.MaxInt/4 {
			return math.MaxInt
		}
		enough *= 2
	}
	return sort.Search(enough, func(n int) bool { return c.Holds(n, misses) })
}

func (c ShareClaim) level() float64 { return (1 - c.Confidence) / float64(c.Looks) }
