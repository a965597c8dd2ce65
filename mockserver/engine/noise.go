package engine

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
)

// Noise makes times vary. Its factors are log-normal with mean 1, so that means
// stay what they are without it. The zero value is silence.
type Noise struct {
	// Pass is the coefficient of variation, standard deviation over mean, of a
	// factor drawn for each pass, and so for the token that it gives to each request; 0 to 10.
	Pass float64
	// Run is that of a factor drawn once; 0 to 10.
	Run float64
	// Seed decides both, in streams of their own: whether one is drawn does not
	// change the other.
	Seed uint64
}

func (n Noise) validate() error {
	return errors.Join(variation("noise-token", n.Pass), variation("noise-run", n.Run))
}

func variation(option string, value float64) error {
	if value >= 0 && value <= 10 {
		return nil
	}
	return fmt.Errorf(`%s "%v": must be a coefficient of variation from 0 to 10`, option, value)
}

// noise draws the factors of passes.
type noise struct {
	run    float64
	sigma  float64
	normal normal
}

// Streams of random numbers, by consumer. The rank of an engine counts in the upper half.
const (
	streamRun uint64 = iota + 1
	streamPass
	streamDrafts
)

func streamOf(consumer uint64, rank int) uint64 {
	return consumer | uint64(rank)<<32
}

func newNoise(n Noise, rank int) noise {
	once := newNormal(n.Seed, streamRun)
	return noise{
		run:    factor(deviation(n.Run), &once),
		sigma:  deviation(n.Pass),
		normal: newNormal(n.Seed, streamOf(streamPass, rank)),
	}
}

func (n *noise) draw() float64 {
	return n.run * factor(n.sigma, &n.normal)
}

// factor draws from the log-normal distribution of mean 1.
func factor(sigma float64, from *normal) float64 {
	if sigma == 0 {
		return 1
	}
	return exp(float64(sigma*from.draw()) - float64(sigma*sigma/2))
}

// deviation is the standard deviation of the logarithm that belongs to a
// coefficient of variation: sqrt(ln(1 + cv²)).
func deviation(cv float64) float64 {
	return math.Sqrt(ln(1 + float64(cv*cv)))
}

// normal draws standard normal numbers by Marsaglia's polar method. Package rand
// has a faster way, but one that rounds differently on processors with fused
// multiply-add.
type normal struct {
	random *rand.Rand
}

func newNormal(seed, stream uint64) normal {
	return normal{random: rand.New(rand.NewPCG(seed, stream))}
}

func (n *normal) draw() float64 {
	for {
		x := 2*n.random.Float64() - 1
		y := 2*n.random.Float64() - 1
		s := float64(x*x) + float64(y*y)
		if s > 0 && s < 1 {
			return x * math.Sqrt(-2*ln(s)/s)
		}
	}
}
