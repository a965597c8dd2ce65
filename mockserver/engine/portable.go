package engine

import "math"

// math.Exp and math.Log have implementations in assembly on some processors, with
// other last digits, and are compiled to fused multiply-adds on others. These two
// give the same bits everywhere, to some 1e-15.

// exp is e to the power x, for |x| up to 700.
func exp(x float64) float64 {
	// The high part of ln 2 has so few digits that its product with k is exact.
	const ln2High, ln2Low = 6.93147180369123816490e-01, 1.90821492927058770002e-10
	k := math.Round(float64(x / math.Ln2))
	r := x - float64(k*ln2High) - float64(k*ln2Low)
	sum := 1.0
	for n := 16.0; n >= 1; n-- {
		sum = 1 + float64(float64(sum*r)/n)
	}
	return math.Ldexp(sum, int(k))
}

// ln is the natural logarithm of a positive number.
func ln(x float64) float64 {
	fraction, exponent := math.Frexp(x)
	if fraction < math.Sqrt2/2 {
		fraction, exponent = 2*fraction, exponent-1
	}
	// ln f = 2 artanh z, where |z| is at most 0.172
	z := (fraction - 1) / (fraction + 1)
	square := float64(z * z)
	sum := 0.0
	for n := 23.0; n >= 1; n -= 2 {
		sum = 1/n + float64(sum*square)
	}
	return float64(float64(exponent)*math.Ln2) + float64(2*z*sum)
}
