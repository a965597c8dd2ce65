package chart

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// Axis is the range of an axis and its ticks, ascending, in the unit of the data.
type Axis struct {
	Min, Max float64
	Ticks    []float64
}

// XAxis returns the x axis. For [Lines] it is logarithmic, 0 < Min < Max, with
// one tick at each distinct x of the drawable points; for [Stacks] it has one
// at each category, by its index; else it is linear, contains 0 and has round ticks. Without any drawable point it has no
// ticks.
func (c Chart) XAxis() Axis {
	series, _ := c.Drawable()
	values := collect(series, func(p Point) []float64 { return []float64{p.X} })
	switch {
	case c.Kind == Stacks:
		axis := Axis{Min: -0.5, Max: float64(max(len(c.Categories), 1)) - 0.5}
		for i := range c.Categories {
			axis.Ticks = append(axis.Ticks, float64(i))
		}
		return axis
	case len(values) == 0 && c.Kind == Lines:
		return Axis{Min: 1, Max: 10}
	case c.Kind == Lines:
		return logAxis(values)
	default:
		if c.Until > 0 && finite(c.Until) {
			values = append(values, c.Until)
			slices.Sort(values)
		}
		return linearAxis(values, 8)
	}
}

func (c Chart) yAxis() Axis {
	series, _ := c.Drawable()
	return linearAxis(collect(series, func(p Point) []float64 {
		values := append([]float64{p.Y}, p.Bands...)
		if p.HasBar() {
			values = append(values, p.Low, p.High)
		}
		return values
	}), 6)
}

// collect returns the distinct values of all points, ascending.
func collect(series []Series, of func(Point) []float64) []float64 {
	var values []float64
	for _, s := range series {
		for _, p := range s.Points {
			values = append(values, of(p)...)
		}
	}
	slices.Sort(values)
	return slices.Compact(values)
}

// logAxis leaves 4 % of its length free at both ends, so that no marker sits on
// the y axis; a single value stands in the middle.
func logAxis(values []float64) Axis {
	low, high := values[0], values[len(values)-1]
	margin := math.Exp(0.04 * (math.Log(high) - math.Log(low))) // high/low may overflow
	if margin < 1.01 {
		margin = 2
	}
	return Axis{
		Min:   math.Max(low/margin, math.SmallestNonzeroFloat64),
		Max:   math.Min(high*margin, math.MaxFloat64/4),
		Ticks: values,
	}
}

// linearAxis covers zero and all values with about n intervals of a round step.
func linearAxis(values []float64, n int) Axis {
	if len(values) == 0 {
		return Axis{Min: 0, Max: 1}
	}
	low, high := math.Min(0, values[0]), math.Max(0, values[len(values)-1])
	if high-low < 1e-300 { // all zero; below, the step would underflow
		high = 1
	}
	step := roundStep((high - low) / float64(n))
	first, last := math.Floor(low/step), math.Ceil(high/step)
	axis := Axis{Min: first * step, Max: last * step}
	for k := first; k <= last; k++ {
		axis.Ticks = append(axis.Ticks, k*step)
	}
	return axis
}

// roundStep returns the smallest of 1, 2, 2.5 and 5 times a power of ten that
// is not below v.
func roundStep(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, factor := range []float64{1, 2, 2.5, 5} {
		if factor*power >= v*(1-1e-9) {
			return factor * power
		}
	}
	return 10 * power
}

// Number writes v the short way, thousands grouped by commas: 0.5, 12, 1,500.
// Only magnitudes outside 1e-6 to 1e15 get an exponent.
func Number(v float64) string {
	size := math.Abs(v)
	if v != 0 && (size < 1e-6 || size >= 1e15) {
		return strconv.FormatFloat(v, 'g', 4, 64)
	}
	// Six digits hide that a tick is a rounded product (0.30000000000000004);
	// whole numbers keep all of theirs.
	digits := max(0, 5-int(math.Floor(math.Log10(math.Max(size, 1e-6)))))
	whole, fraction, _ := strings.Cut(strconv.FormatFloat(v, 'f', digits, 64), ".")
	if fraction = strings.TrimRight(fraction, "0"); fraction != "" {
		fraction = "." + fraction
	}
	return grouped(whole) + fraction
}

func grouped(whole string) string {
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	var b strings.Builder
	for i, digit := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(digit)
	}
	return sign + b.String()
}

// span is a stretch of a line, from its low to its high end.
type span struct{ low, high float64 }

// readable chooses the tick labels that are written: spans[i] is the room that
// the label of ticks[i] takes. Two chosen labels are at least gap apart. The
// ends win over round numbers, those over the rest; a tick whose label is not
// chosen keeps its mark.
func readable(ticks []float64, spans []span, gap float64) []bool {
	order := make([]int, len(ticks))
	for i := range order {
		order[i] = i
	}
	rank := func(i int) int {
		if i == 0 || i == len(ticks)-1 {
			return 0
		}
		return roundness(ticks[i])
	}
	slices.SortStableFunc(order, func(a, b int) int { return rank(a) - rank(b) })
	chosen := make([]bool, len(ticks))
	for _, i := range order {
		chosen[i] = !slices.ContainsFunc(order, func(k int) bool {
			return chosen[k] && spans[i].low < spans[k].high+gap && spans[k].low < spans[i].high+gap
		})
	}
	return chosen
}

// roundness ranks a number for a decimal reader: 1 for powers of ten, 2 for
// five of them, 3 for two, 4 for the rest.
func roundness(v float64) int {
	mantissa := v / math.Pow(10, math.Floor(math.Log10(math.Abs(v))))
	switch math.Round(mantissa*1e6) / 1e6 {
	case 1, 10:
		return 1
	case 5:
		return 2
	case 2:
		return 3
	default:
		return 4
	}
}
