package compare

import (
	"fmt"
	"math"
	"slices"

	"github.com/llmsweep/llmsweep/harness/stat"
)

// SelfBlocks is how many blocks of a target against itself tell how much two runs differ by chance.
const SelfBlocks = 20

// power is how often a change of the detectable size is found.
const power = 0.9

// Sensitivity says how small a change of one figure a trial can find on this machine, from blocks in which both arms were the same.
type Sensitivity struct {
	Selector
	Unit   string `json:"unit"`
	Blocks int    `json:"blocks"` // that it stands on
	// SD is the standard deviation, of a sample, of the logarithm of candidate / base in one block: about the share by which two runs differ.
	SD float64 `json:"sd"`
	// Detectable is the smallest change, as a share, that one test of DefaultLooks' last number of blocks at the level of passing finds 9 times
	// in 10, and Failing that at the level at which a look fails. Holm's correction comes on top where there are several primaries.
	Detectable float64 `json:"detectable"`
	Failing    float64 `json:"failing"`
	// Lack is why nothing is known, with zeros above; "" if something is.
	Lack string `json:"lack,omitempty"`
}

// Sensitivity returns that of each figure of the trial, whose arms must be the same target.
func (t *Trial) Sensitivity() []Sensitivity {
	var all []Sensitivity
	for _, s := range t.all {
		of := Sensitivity{Selector: s.Selector, Unit: s.unit, Blocks: len(s.d), Lack: s.lack}
		if s.lack == "" && len(s.d) < 2 {
			of.Lack = fmt.Sprintf("a deviation takes 2 blocks, have %d", len(s.d))
		}
		if of.Lack == "" {
			looks := DefaultLooks()
			blocks := looks[len(looks)-1]
			of.SD = deviation(s.d)
			of.Detectable = change(stat.DetectableChange(blocks, passLevel, power) * of.SD)
			of.Failing = change(stat.DetectableChange(blocks, failLevel/float64(len(looks)), power) * of.SD)
		}
		all = append(all, of)
	}
	return all
}

// change is a logarithm of a ratio as a share. It is finite, since it is stored as JSON.
func change(log float64) float64 { return min(math.Expm1(log), math.MaxFloat64) }

// deviation is the standard deviation of a sample.
func deviation(values []float64) float64 {
	mean, squares := 0.0, 0.0
	for _, v := range values {
		mean += v / float64(len(values))
	}
	for _, v := range values {
		squares += (v - mean) * (v - mean)
	}
	return math.Sqrt(squares / float64(len(values)-1))
}

// Unarmed returns a reason for each primary that must not be judged: a change of its margin would too often be taken for chance, or nobody
// knows. It is for Design.
func Unarmed(primaries []Primary, known []Sensitivity) map[Selector]string {
	unarmed := map[Selector]string{}
	for _, p := range primaries {
		i := slices.IndexFunc(known, func(s Sensitivity) bool { return s.Selector == p.Selector })
		switch {
		case i < 0:
			unarmed[p.Selector] = "the target was not compared with itself by this figure"
		case known[i].Lack != "":
			unarmed[p.Selector] = known[i].Lack
		case known[i].Blocks < SelfBlocks:
			unarmed[p.Selector] = fmt.Sprintf("the target was compared with itself in %s, which takes %d", counted(known[i].Blocks, "block"), SelfBlocks)
		case known[i].Detectable > p.Percent/100:
			unarmed[p.Selector] = fmt.Sprintf("the smallest change that can be found is %.3g %%, more than the margin of %g %%", 100*known[i].Detectable, p.Percent)
		}
	}
	return unarmed
}
