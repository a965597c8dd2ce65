package stat

import (
	"math"
	"slices"
	"sort"
)

// SignedRank is Wilcoxon's signed-rank test of independent differences, each symmetric about one unknown centre. Symmetry is all that it
// assumes; where a coin decides what is subtracted from what, it is true whatever the noise looks like.
//
// The test is exact. Under symmetry about the centre the number W of averages (d_i+d_j)/2, i <= j, above the centre has the distribution
// of a sum of those ranks 1 to k that a fair coin picks. An average equal to the centre, as ties and zeros make them, counts against
// rejection: any way to break the ties would give a W as extreme at least, and that has the distribution above. So the level holds with
// ties too, and a bound excludes a centre just where the test at its level rejects it.
type SignedRank struct {
	averages []float64 // ascending, of every two differences and of each with itself
	atMost   []float64 // atMost[w] is P(W <= w)
}

// NewSignedRank prepares the test. Its cost grows with the cube of the number of differences: 24 take microseconds, a thousand a second.
func NewSignedRank(differences []float64) *SignedRank {
	k := len(differences)
	averages := make([]float64, 0, k*(k+1)/2)
	for i, d := range differences {
		for _, e := range differences[i:] {
			averages = append(averages, (d+e)/2)
		}
	}
	slices.Sort(averages)
	return &SignedRank{averages: averages, atMost: signedRankCDF(k)}
}

// signedRankCDF returns P(W <= w) for each w from 0 to k(k+1)/2. Halving loses nothing, so that it is exact to the last bit up to k = 53.
func signedRankCDF(k int) []float64 {
	p := make([]float64, k*(k+1)/2+1)
	p[0] = 1
	for rank, top := 1, 0; rank <= k; rank++ {
		top += rank
		for w := top; w >= 0; w-- {
			if p[w] /= 2; w >= rank {
				p[w] += p[w-rank] / 2
			}
		}
	}
	for w := 1; w < len(p); w++ {
		p[w] += p[w-1]
	}
	return p
}

// Centre is the estimate that belongs to the test, Hodges and Lehmann's: the median of the averages. It is NaN without differences.
func (s *SignedRank) Centre() float64 { return Percentile(s.averages, 50) }

// Lower is the lower bound of the centre with confidence 1 - level, minus infinity where there are too few differences for one.
func (s *SignedRank) Lower(level float64) float64 {
	if c := s.critical(level); c > 0 {
		return s.averages[c-1]
	}
	return math.Inf(-1)
}

// Upper is the upper bound of the centre with confidence 1 - level, infinity where there are too few differences for one.
func (s *SignedRank) Upper(level float64) float64 {
	if c := s.critical(level); c > 0 {
		return s.averages[len(s.averages)-c]
	}
	return math.Inf(1)
}

// PAbove is the p-value of the centre being at most the given one, against its being above.
func (s *SignedRank) PAbove(centre float64) float64 {
	notAbove := sort.Search(len(s.averages), func(i int) bool { return s.averages[i] > centre })
	return s.atMost[notAbove]
}

// PBelow is the p-value of the centre being at least the given one, against its being below.
func (s *SignedRank) PBelow(centre float64) float64 {
	below := sort.SearchFloat64s(s.averages, centre)
	return s.atMost[len(s.averages)-below]
}

// critical is how many values of W, from 0, have together at most the probability level.
func (s *SignedRank) critical(level float64) int {
	return sort.Search(len(s.averages), func(w int) bool { return s.atMost[w] > level })
}
