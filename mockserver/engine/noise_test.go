package engine

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestExpAndLnAreAccurate(t *testing.T) {
	t.Parallel()
	for x := -700.0; x <= 700; x += 0.37 {
		assert.InEpsilon(t, math.Exp(x), exp(x), 1e-13, "exp %v", x)
	}
	assert.Equal(t, 1.0, exp(0))
	assert.Equal(t, 0.0, ln(1))
	for x := 1e-9; x < 1e12; x *= 1.37 {
		assert.InDelta(t, math.Log(x), ln(x), 1e-14*max(1, math.Abs(math.Log(x))), "ln %v", x)
	}
}

// Mean 1 and the asked coefficient of variation, within four standard errors of
// 200,000 draws; and the logarithm is normal, by its skewness and kurtosis.
func TestNoiseIsLogNormal(t *testing.T) {
	t.Parallel()
	const n = 200_000
	for _, cv := range []float64{0.05, 0.3, 1} {
		source := newNoise(Noise{Pass: cv, Seed: 5}, 0)
		var sum, squares, logs, cubes, fourths float64
		sigma := deviation(cv)
		for range n {
			x := source.draw()
			sum += x
			squares += (x - 1) * (x - 1)
			z := (math.Log(x) + sigma*sigma/2) / sigma
			logs += z
			cubes += z * z * z
			fourths += z * z * z * z
		}
		assert.InDelta(t, 1, sum/n, 4*cv/math.Sqrt(n), "mean at %v", cv)
		assert.InEpsilon(t, cv, math.Sqrt(squares/n), 0.05, "variation at %v", cv)
		assert.InDelta(t, 0, logs/n, 4/math.Sqrt(n))
		assert.InDelta(t, 0, cubes/n, 4*math.Sqrt(15.0/n))
		assert.InDelta(t, 3, fourths/n, 4*math.Sqrt(96.0/n))
	}
}

// Drawn here once: the bits must be the same on every machine.
func TestNoiseIsTheSameEverywhere(t *testing.T) {
	t.Parallel()
	source := newNoise(Noise{Pass: 0.3, Run: 0.1, Seed: 42}, 0)
	var bits []uint64
	for range 3 {
		bits = append(bits, math.Float64bits(source.draw()))
	}
	assert.Equal(t, []uint64{0x3feb69e872b003cb, 0x3fe6b0f9f2c5e9d4, 0x3ff5b3ee1a537bf9}, bits)
}

func TestStreamsOfNoiseAreSeparate(t *testing.T) {
	t.Parallel()
	end := func(n Noise) time.Duration {
		config := DefaultConfig()
		config.Noise = n
		e := newEngine(t, config)
		require.NoError(t, e.Submit(Request{ID: 1, PromptTokens: 2000, MaxTokens: 1}))
		pass, _ := e.Step(0)
		return pass.End
	}
	assert.Equal(t, 48_552_296*time.Nanosecond, end(Noise{Seed: 1}), "silence")
	run, pass, both := end(Noise{Run: 0.2, Seed: 1}), end(Noise{Pass: 0.2, Seed: 1}), end(Noise{Run: 0.2, Pass: 0.2, Seed: 1})
	assert.NotEqual(t, run, pass)
	const silent = 48_552_295.6
	assert.InDelta(t, float64(run)*float64(pass)/silent, float64(both), 2, "each draws what it drew alone")
	assert.NotEqual(t, run, end(Noise{Run: 0.2, Seed: 2}))
	assert.Equal(t, run, end(Noise{Run: 0.2, Seed: 1}))
}

// With rates 1 every guess is right, with 0 none; in between as often as said.
func TestGuessesAreAcceptedAtTheirRates(t *testing.T) {
	t.Parallel()
	all := newDrafter(Speculation{Drafts: 3, AcceptRates: []float64{1, 1, 1, 1, 1}}, 0)
	assert.Equal(t, 3, all.accepted())
	none := newDrafter(Speculation{Drafts: 3, AcceptRates: []float64{0, 1, 1}}, 0)
	assert.Zero(t, none.accepted())
	nobody := newDrafter(Speculation{}, 0)
	assert.Zero(t, nobody.accepted(), "no guesses, none right")
	defaults := newDrafter(Speculation{Drafts: 5, Seed: 42}, 0)
	const n = 100_000
	var count [6]float64
	for range n {
		count[defaults.accepted()]++
	}
	assert.InDelta(t, 0.15, count[0]/n, 0.005)
	assert.InDelta(t, 0.85*0.7, count[1]/n, 0.007)
	assert.InDelta(t, 0.85*0.3, count[2]/n, 0.006)
	assert.Zero(t, count[3]+count[4]+count[5])
}
