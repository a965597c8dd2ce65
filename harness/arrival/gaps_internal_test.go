package arrival

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestEndOfRamp: the last request within a ramp has a start within it, however near the rate comes to 0 there.
func TestEndOfRamp(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		o := Open{Rate: math.Exp(-40 * r.Float64()), RampFrom: 1e6 * r.Float64(), Ramp: time.Duration(1 + r.Int64N(1e12))}
		end := (o.RampFrom + o.Rate) / 2 * o.Ramp.Seconds()
		at := o.when(math.Nextafter(end, 0))
		require.True(t, at >= 0 && at <= float64(o.Ramp)*(1+1e-6), "%+v: %v", o, at)
	}
}

// TestLogarithmAndPower hold both against package math, whose bits differ from machine to machine.
func TestLogarithmAndPower(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	numbers := []float64{1, 2, 0.5, math.Sqrt2, math.Sqrt2 / 2, math.Nextafter(1, 0), math.Nextafter(1, 2), 1.0 / (1 << 53), 0x1p-1022, math.MaxFloat64}
	for range 100_000 {
		numbers = append(numbers, r.Float64(), math.Exp(100*r.Float64()-50))
	}
	for _, x := range numbers {
		want := math.Log(x)
		require.InDelta(t, want, logarithm(x), 5e-16*math.Abs(want), "logarithm of %v", x)
	}
	for range 100_000 {
		x := -700 * r.Float64() * r.Float64()
		require.InEpsilon(t, math.Exp(x), power(x), 2e-13, "power of %v", x)
	}
	assert.Equal(t, 1.0, power(0))
	assert.Zero(t, power(-800))
	assert.Zero(t, power(math.Inf(-1)))
	assert.InDelta(t, math.SmallestNonzeroFloat64, power(-745), math.SmallestNonzeroFloat64)
}
