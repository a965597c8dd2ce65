package mockserver

import (
	"encoding/json"
	"math"
	"strconv"
)

// interval is where a number may be.
type interval struct {
	low, high         float64
	openLow, openHigh bool      // without the bound itself
	steps             []float64 // it is a multiple of each
}

// interval is where all schemas allow a number.
func (c conjunction) interval() interval {
	in := interval{low: math.Inf(-1), high: math.Inf(1)}
	for _, s := range c {
		if s.minimum != nil && *s.minimum > in.low {
			in.low, in.openLow = *s.minimum, false
		}
		if s.above != nil && *s.above >= in.low {
			in.low, in.openLow = *s.above, true
		}
		if s.maximum != nil && *s.maximum < in.high {
			in.high, in.openHigh = *s.maximum, false
		}
		if s.below != nil && *s.below <= in.high {
			in.high, in.openHigh = *s.below, true
		}
		if s.multipleOf > 0 {
			in.steps = append(in.steps, s.multipleOf)
		}
	}
	return in
}

// holds reports whether a number is in the interval and a multiple of what it should be.
func (in interval) holds(x float64) bool {
	for _, step := range in.steps {
		if q := x / step; math.Abs(q-math.Round(q)) > 1e-9*max(1, math.Abs(q)) {
			return false
		}
	}
	return in.contains(x)
}

func (in interval) contains(x float64) bool {
	return (x > in.low || x == in.low && !in.openLow) && (x < in.high || x == in.high && !in.openHigh) && !math.IsInf(x, 0)
}

// number is one that the schemas allow, near 1 or, where it need not be an integer, 0.5.
func (c conjunction) number(integer bool, variant int) (float64, error) {
	in := c.interval()
	wanted := 0.5
	if integer {
		wanted = 1
		in.steps = append(in.steps, 1)
	}
	if len(in.steps) == 0 {
		return in.between(wanted, variant)
	}
	step, err := commonMultiple(in.steps)
	if err != nil {
		return 0, err
	}
	return in.multiple(step, wanted, variant)
}

// between is any number of the interval. Variants come nearer to its end.
func (in interval) between(wanted float64, variant int) (float64, error) {
	x := wanted
	if !in.contains(x) {
		x = in.simplest()
	}
	room := interval{low: x, high: in.high}
	switch {
	case !in.contains(x):
		return 0, conflicting(0, "no number is above the minimum and below the maximum")
	case variant == 0:
		return x, nil
	case in.low == in.high:
		return 0, conflicting(1, "the minimum is the maximum")
	case in.high <= x: // variants are below it
		room = interval{low: in.low, high: x}
	}
	switch {
	case math.IsInf(room.high, 0):
		x += float64(variant)
	case math.IsInf(room.low, 0):
		x -= float64(variant)
	case x == room.low:
		x += (room.high - room.low) * float64(variant) / float64(variant+1)
	default:
		x -= (room.high - room.low) * float64(variant) / float64(variant+1)
	}
	if !in.contains(x) {
		return 0, conflicting(variant, "too few numbers are between the minimum and the maximum")
	}
	return x, nil
}

// simplest is a bound, or something between bounds that are not in the interval.
func (in interval) simplest() float64 {
	switch {
	case !math.IsInf(in.low, 0) && !in.openLow:
		return in.low
	case !math.IsInf(in.high, 0) && !in.openHigh:
		return in.high
	case math.IsInf(in.high, 0):
		return following(in.low)
	case math.IsInf(in.low, 0):
		return -following(-in.high)
	default:
		return in.low + (in.high-in.low)/2
	}
}

// following is the number that is one larger or, where numbers are farther apart, the next.
func following(x float64) float64 { return max(x+1, math.Nextafter(x, math.Inf(1))) }

// multiple is a multiple of the step: the first from what is wanted on, else the last before. Variants are the
// ones after it and then those before it.
func (in interval) multiple(step, wanted float64, variant int) (float64, error) {
	first, last := in.low/step, in.high/step
	const rounding = 4e-16 // of a quotient
	least, most := math.Ceil(first-rounding*math.Abs(first)), math.Floor(last+rounding*math.Abs(last))
	for range 8 {
		if !in.contains(times(least, step)) {
			least = following(least)
		}
		if !in.contains(times(most, step)) {
			most = -following(-most)
		}
	}
	start := min(max(math.Ceil(wanted/step), least), most)
	k := start + float64(variant)
	if k > most {
		k = start - (k - most)
	}
	x := times(k, step)
	if k < least || !in.contains(x) {
		return 0, conflicting(int(max(0, min(most-least+1, float64(variant)))), "too few multiples of %v are between the minimum and the maximum", step)
	}
	return x, nil
}

// times is a product without the last digits that no decimal fraction has.
func times(k, step float64) float64 {
	x := k * step
	if size := math.Abs(x); step == math.Trunc(step) || size < 1e-15 || size > 1e15 {
		return x
	}
	if short, err := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 15, 64), 64); err == nil {
		return short
	}
	return x
}

// commonMultiple is one of all steps. It tries a thousand, which is enough for what people write.
func commonMultiple(steps []float64) (float64, error) {
	all := steps[0]
	for _, step := range steps[1:] {
		one := interval{low: math.Inf(-1), high: math.Inf(1), steps: []float64{step}}
		k := 1.0
		for k <= 1000 && !one.holds(times(k, all)) {
			k++
		}
		before := all
		if all = times(k, all); k > 1000 || all > 1e15 {
			return 0, conflicting(0, "no multiple of both %v and %v was found", before, step)
		}
	}
	return all, nil
}

func number(x float64) []byte {
	text, err := json.Marshal(x)
	if err != nil {
		panic(err) // it is finite
	}
	return text
}
