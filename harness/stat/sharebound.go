package stat

import "gonum.org/v1/gonum/mathext"

// ShareBound is the share that at least so many of all values meet a demand with, by one look at n independent ones of which some miss it: the largest
// share of which a ShareClaim with this confidence would hold (Clopper and Pearson's lower bound). 0 of no values.
func ShareBound(n, misses int, confidence float64) float64 {
	if n < 1 || misses >= n {
		return 0
	}
	return 1 - mathext.InvRegIncBeta(float64(misses+1), float64(n-misses), confidence)
}
