package compare

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
)

// The error rates of a trial, over all of its looks. Each look has an equal part.
const (
	failLevel = 0.01 // how often equal arms fail, at most, whatever the number of primaries
	passLevel = 0.05 // how often a primary that is worse by its margin passes, at most
)

// maxRepeats is how often a block may be measured again in a whole trial because one of its runs stood for nothing.
const maxRepeats = 2

// DefaultLooks are the numbers of counted blocks after which a trial is judged. With 6 it may pass; failing takes more.
func DefaultLooks() []int { return []int{6, 12, 18} }

// Design is what is decided before a trial begins.
type Design struct {
	Primaries []Primary
	Looks     []int // numbers of counted blocks at which it is judged, ascending; the last one is the cap
	Seed      int64 // of the order of the arms in each block
	// Unarmed has a reason for each primary that is reported without being judged.
	Unarmed map[Selector]string
}

// Validate returns everything that is wrong with the design.
func (d Design) Validate() error {
	var problems []error
	switch n := len(d.Primaries); {
	case n == 0:
		problems = append(problems, errors.New("there are no primaries: name 1 to 5 figures to judge"))
	case n > maxPrimaries:
		problems = append(problems, tooMany(n))
	}
	for i := range d.Primaries {
		p := d.Primaries[i]
		problems = append(problems, numbered("primary", i, p.normalize(), p.validate(nil))...)
	}
	problems = append(problems, repeated("primary", d.Primaries)...)
	return errors.Join(append(problems, d.validateLooks())...)
}

func (d Design) validateLooks() error {
	for i, n := range d.Looks {
		if n < 1 || i > 0 && n <= d.Looks[i-1] {
			return fmt.Errorf("looks %v: must be numbers of blocks that ascend, such as 6, 12, 18", d.Looks)
		}
	}
	if len(d.Looks) == 0 {
		return errors.New("there are no looks: name numbers of blocks, such as 6, 12, 18")
	}
	armed := len(d.Primaries) - len(d.unarmed())
	least, need := 0.5, 1 // the smallest p-value of so many blocks
	for least > failLevel/float64(len(d.Looks)*max(1, armed)) {
		least, need = least/2, need+1
	}
	if last := d.Looks[len(d.Looks)-1]; armed > 0 && last < need {
		return fmt.Errorf("looks %v: %d blocks cannot tell a regression of any size from chance, with %s and %s: end with %d blocks or more",
			d.Looks, last, primaries(armed), counted(len(d.Looks), "look"), need)
	}
	return nil
}

func primaries(n int) string {
	if n == 1 {
		return "1 primary"
	}
	return fmt.Sprintf("%d primaries", n)
}

// unarmed are the primaries that are not judged.
func (d Design) unarmed() []Primary {
	var all []Primary
	for _, p := range d.Primaries {
		if _, ok := d.Unarmed[p.Selector]; ok {
			all = append(all, p)
		}
	}
	return all
}

// Arm is one of the two that are compared.
type Arm int

// The arms.
const (
	Base Arm = iota
	Candidate
)

// String is the arm's name in files and messages.
func (a Arm) String() string {
	if a == Base {
		return "base"
	}
	return "candidate"
}

// Step is one run of a trial: which arm, in which block. Both arms of a block, and its repeats, have the same seeds.
type Step struct {
	Block   int // from 0
	Arm     Arm
	Attempt int // how often this block was begun before
}

// Discarded reports whether the run is of block 0, which warms both arms and counts for nothing.
func (s Step) Discarded() bool { return s.Block == 0 }

// order tosses the coin of a block, which decides the order of its arms. The coin's key is of its own, so that it depends neither on other
// blocks nor on anything else that is drawn by the same seed.
func (d Design) order(block int) [2]Arm {
	var key [32]byte
	copy(key[:], "order of arms")
	binary.LittleEndian.PutUint64(key[16:], uint64(d.Seed))
	binary.LittleEndian.PutUint64(key[24:], uint64(block))
	if rand.NewChaCha8(key).Uint64()&1 == 1 {
		return [2]Arm{Candidate, Base}
	}
	return [2]Arm{Base, Candidate}
}
