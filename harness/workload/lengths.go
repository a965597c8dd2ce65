package workload

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
)

// MaxTokens is the most that one prompt or answer may have, far beyond what servers take: above it a typing error would end as an exhausted memory.
const MaxTokens = 10_000_000

// Lengths says how long prompts and answers are, in tokens: a mixture of pairs of distributions, of which each request takes one. [Normal] and
// [ParseLengths] make them. They are the same for the same seed, whatever else is drawn.
type Lengths struct{ pairs []pair }

// pair is a part of a mixture.
type pair struct {
	isl, osl length
	percent  float64
}

// length is the distribution of one length. Its values are whole and from 1 to MaxTokens: what falls outside is drawn again, as AIPerf does below 1.
type length interface {
	draw(r *rand.Rand) int
	mean() float64 // before anything is drawn again
	fixed() bool   // all values are equal, and no random number is needed
	fault() string // what is wrong with it
	fmt.Stringer
}

// Normal makes the lengths of one kind of request: prompts of a normal distribution, rounded, and answers of osl tokens.
func Normal(isl, std, osl int) Lengths {
	return Lengths{[]pair{{normal{isl, std}, normal{osl, 0}, 100}}}
}

// ParseLengths reads a mixture in the syntax of AIPerf's --seq-dist, "ISL,OSL:percent;ISL,OSL:percent", for example
// "256|10,128|5:40;512|20,256|10:60". One pair alone needs no percent. Either length is one of
//
//	256               always
//	256|10            normal: mean and standard deviation, rounded
//	100-300           uniform: least and most
//	lognormal(256|90) log-normal: mean and standard deviation of the lengths themselves, not of their logarithms; rounded
//
// AIPerf's other two spellings do as well: [(256|10,128|5):40,(512|20,256|10):60], and JSON. The error names every part that is wrong.
func ParseLengths(text string) (Lengths, error) {
	var l Lengths
	var faults []error
	spelled, err := plain(text)
	if err != nil {
		return Lengths{}, err
	}
	parts := strings.Split(spelled, ";")
	for _, part := range parts {
		p, reason := parsePair(part, len(parts) == 1)
		if reason != "" {
			faults = append(faults, fmt.Errorf("seq-dist %q: %s", part, reason))
		}
		l.pairs = append(l.pairs, p)
	}
	if len(faults) > 0 {
		return Lengths{}, errors.Join(faults...)
	}
	if sum := l.percent(); math.Abs(sum-100) > 0.1+1e-9 { // three times 33.3 is meant to be all
		return Lengths{}, fmt.Errorf("seq-dist %q: percentages sum to %.6g: must be 100", text, sum)
	}
	return l, nil
}

// parsePair returns a part of a mixture, or what is wrong with it.
func parsePair(text string, alone bool) (p pair, reason string) {
	lengths, percent, found := strings.Cut(text, ":")
	isl, osl, two := strings.Cut(lengths, ",")
	if !two || !found && !alone {
		return p, "must be ISL,OSL:percent, for example 256|10,128|5:40"
	}
	p.percent = 100
	if found {
		var err error
		if p.percent, err = strconv.ParseFloat(strings.TrimSpace(percent), 64); err != nil || !(p.percent > 0 && p.percent <= 100) {
			return p, fmt.Sprintf("percentage %q: must be above 0 and at most 100", percent)
		}
	}
	if p.isl, reason = parseLength(isl); reason != "" {
		return p, fmt.Sprintf("ISL %q: %s", isl, reason)
	}
	if p.osl, reason = parseLength(osl); reason != "" {
		return p, fmt.Sprintf("OSL %q: %s", osl, reason)
	}
	return p, ""
}

var lengthForm = regexp.MustCompile(`^\s*(?:(\d+)|(\d+)\s*\|\s*(\d+)|(\d+)\s*-\s*(\d+)|lognormal\(\s*(\d+)\s*\|\s*(\d+)\s*\))\s*$`)

// parseLength returns a distribution, or what is wrong with the text.
func parseLength(text string) (l length, reason string) {
	found := lengthForm.FindStringSubmatch(text)
	if found == nil {
		return nil, "must be a number of tokens, mean|deviation, least-most or lognormal(mean|deviation)"
	}
	number := func(i int) int {
		n, err := strconv.Atoi(found[i])
		if err != nil { // more digits than a number has
			return math.MaxInt
		}
		return n
	}
	switch {
	case found[1] != "":
		l = normal{number(1), 0}
	case found[2] != "":
		l = normal{number(2), number(3)}
	case found[4] != "":
		l = uniform{number(4), number(5)}
	default:
		l = logNormal{number(6), number(7)}
	}
	return l, l.fault()
}

// Validate reports what is wrong with lengths that Normal made: those of ParseLengths are right.
func (l Lengths) Validate() error {
	if len(l.pairs) == 0 {
		return errors.New(`lengths "": must have a pair`)
	}
	var faults []error
	for _, p := range l.pairs {
		if reason := p.isl.fault(); reason != "" {
			faults = append(faults, fmt.Errorf("isl %q: %s", p.isl, reason))
		}
		if reason := p.osl.fault(); reason != "" {
			faults = append(faults, fmt.Errorf("osl %q: %s", p.osl, reason))
		}
	}
	return errors.Join(faults...)
}

// String is the text that ParseLengths reads.
func (l Lengths) String() string {
	if len(l.pairs) == 1 {
		return l.pairs[0].isl.String() + "," + l.pairs[0].osl.String()
	}
	parts := make([]string, len(l.pairs))
	for i, p := range l.pairs {
		parts[i] = fmt.Sprintf("%v,%v:%v", p.isl, p.osl, p.percent)
	}
	return strings.Join(parts, ";")
}

// Mean returns the mean lengths of prompt and answer, as the distributions have them before what is below one token is drawn again.
func (l Lengths) Mean() (isl, osl float64) {
	for _, p := range l.pairs {
		share := p.percent / l.percent()
		isl += float64(share * p.isl.mean())
		osl += float64(share * p.osl.mean())
	}
	return isl, osl
}

func (l Lengths) percent() float64 {
	sum := 0.0
	for _, p := range l.pairs {
		sum += p.percent
	}
	return sum
}

// fixedOSL returns the length that all answers have, if there is one.
func (l Lengths) fixedOSL() (osl int, ok bool) {
	for i, p := range l.pairs {
		n := int(p.osl.mean())
		if !p.osl.fixed() || i > 0 && n != osl {
			return 0, false
		}
		osl = n
	}
	return osl, true
}

// Draw returns the lengths of one request of a level and phase, each from a stream of its own.
func (l Lengths) Draw(seed uint64, level string, request int) (isl, osl int) {
	p := l.pairs[0]
	if len(l.pairs) > 1 {
		p = l.pick(Stream(seed, "pair", level, request).Float64())
	}
	one := func(l length, purpose string) int {
		if l.fixed() {
			return int(l.mean())
		}
		return l.draw(Stream(seed, purpose, level, request))
	}
	return one(p.isl, "length"), one(p.osl, "answer length")
}

// pick returns the pair at a share of the whole mixture, from 0 to 1.
func (l Lengths) pick(share float64) pair {
	at := share * l.percent()
	for _, p := range l.pairs {
		if at < p.percent {
			return p
		}
		at -= p.percent
	}
	return l.pairs[len(l.pairs)-1]
}
