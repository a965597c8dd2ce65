package arrival

import (
	"math"
	"math/rand/v2"
)

// above0 draws uniformly from (0, 1], of which every number has a logarithm.
func above0(r *rand.Rand) float64 { return 1 - r.Float64() }

// exponential draws from the exponential distribution of mean 1, by inversion.
func exponential(r *rand.Rand) float64 { return -logarithm(above0(r)) }

// gamma draws from the gamma distribution of the given shape and scale 1, as in Marsaglia and Tsang, "A simple method for generating gamma
// variables" (2000), section 6 for shapes below 1. They take few more normal numbers than they return.
func gamma(r *rand.Rand, shape float64) float64 {
	if shape < 1 {
		return gamma(r, shape+1) * power(logarithm(above0(r))/shape)
	}
	d := shape - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for {
		x := normal(r)
		v := 1 + float64(c*x)
		if v <= 0 {
			continue
		}
		v = v * v * v
		if logarithm(above0(r)) < float64(x*x/2)+d-float64(d*v)+float64(d*logarithm(v)) {
			return d * v
		}
	}
}

// normal draws from the standard normal distribution, by Marsaglia's polar method.
func normal(r *rand.Rand) float64 {
	for {
		u, v := float64(2*r.Float64())-1, float64(2*r.Float64())-1
		if square := float64(u*u) + float64(v*v); square > 0 && square < 1 {
			return u * math.Sqrt(-2*logarithm(square)/square)
		}
	}
}

// logarithm is the natural logarithm of a number above 0. Only additions, products and divisions are in it, each rounded, so that it has the same
// bits everywhere: with s = (x-1)/(x+1), ln x = 2 (s + s^3/3 + s^5/5 + ...), for x between the root of 1/2 and that of 2.
func logarithm(x float64) float64 {
	fraction, exponent := math.Frexp(x)
	if fraction < math.Sqrt2/2 {
		fraction, exponent = 2*fraction, exponent-1
	}
	s := (fraction - 1) / (fraction + 1)
	square := s * s // at most 0.03: the term left out is below 1e-18
	series := [...]float64{1.0 / 21, 1.0 / 19, 1.0 / 17, 1.0 / 15, 1.0 / 13, 1.0 / 11, 1.0 / 9, 1.0 / 7, 1.0 / 5, 1.0 / 3, 1}
	sum := 0.0
	for _, term := range series {
		sum = float64(sum*square) + term
	}
	return float64(float64(exponent)*math.Ln2) + float64(2*s*sum)
}

// power is e to the x, for x of at most 0: the same bits everywhere, as with logarithm.
func power(x float64) float64 {
	if x < -746 {
		return 0
	}
	twos := math.Floor(x/math.Ln2 + 0.5)
	rest := x - float64(twos*math.Ln2) // within 0.35 of 0
	sum := 1.0
	for n := 15.0; n >= 1; n-- {
		sum = 1 + float64(rest*sum)/n
	}
	return math.Ldexp(sum, int(twos))
}
