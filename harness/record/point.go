package record

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Point is the load of a level: so many requests in flight all the time (closed loop) or so many starts a second (open loop). One of the
// two is zero.
type Point struct {
	Concurrency int     `json:"concurrency"`
	Rate        float64 `json:"request_rate,omitempty"` // requests a second
}

// Open reports whether requests start by a schedule, whatever became of the ones before.
func (p Point) Open() bool { return p.Rate > 0 }

// Name is the folder of a level with this load: c<concurrency> or r<rate>, without an exponent.
func (p Point) Name() string {
	if p.Open() {
		return "r" + p.Value()
	}
	return "c" + p.Value()
}

// Value is the load as a number without its unit.
func (p Point) Value() string {
	if p.Open() {
		return strconv.FormatFloat(p.Rate, 'f', -1, 64)
	}
	return strconv.Itoa(p.Concurrency)
}

// X is the load on the axis of a chart.
func (p Point) X() float64 {
	if p.Open() {
		return p.Rate
	}
	return float64(p.Concurrency)
}

// Compare orders closed loops before open ones, and each by their load.
func (p Point) Compare(q Point) int {
	return cmp.Or(cmp.Compare(p.Rate, q.Rate), cmp.Compare(p.Concurrency, q.Concurrency))
}

// PointOf is the load of a level's folder by its name, a complete match; ok is false for all other names.
func PointOf(name string) (p Point, ok bool) {
	if c, err := strconv.Atoi(strings.TrimPrefix(name, "c")); err == nil {
		p.Concurrency = max(c, 0)
	} else if r, err := strconv.ParseFloat(strings.TrimPrefix(name, "r"), 64); err == nil && r > 0 && !math.IsInf(r, 0) {
		p.Rate = r
	}
	return p, p != Point{} && p.Name() == name
}

// LevelName is the folder of a closed-loop level: c<concurrency>.
func LevelName(concurrency int) string { return Point{Concurrency: concurrency}.Name() }

// Points lists the levels of a plan in their order.
func (p *Plan) Points() []Point {
	points := make([]Point, 0, len(p.Concurrencies)+len(p.RequestRates))
	for _, c := range p.Concurrencies {
		points = append(points, Point{Concurrency: c})
	}
	for _, r := range p.RequestRates {
		points = append(points, Point{Rate: r})
	}
	return points
}

// openSeconds is how long an open-loop level sends where nobody said so.
const openSeconds = 60

// Of a closed loop that runs for a time nobody knows how many requests it sends: so many a second of each slot, and so many in all, are prepared.
const (
	mostOfSlot = 20
	mostOfLoop = 1_000_000
)

// Requests returns how many requests a level sends: as many as were asked for, or else three waves of a closed loop, a minute of an open one, and
// at least ten. With a Duration an open loop sends about so many, and a closed one at most.
func (p *Plan) Requests(at Point) int {
	switch seconds := p.Duration.Seconds(); {
	case p.RequestCount > 0:
		return p.RequestCount
	case seconds > 0 && at.Open():
		return int(math.Ceil(seconds * at.Rate))
	case seconds > 0:
		return min(int(math.Ceil(seconds*mostOfSlot))*at.Concurrency, mostOfLoop)
	case at.Open():
		return max(int(math.Ceil(openSeconds*at.Rate)), 10)
	default:
		return max(3*at.Concurrency, 10)
	}
}

// String is the load in words, as in "10 in flight" or "2.5 requests/s".
func (p Point) String() string {
	if p.Open() {
		return fmt.Sprintf("%s requests/s", p.Value())
	}
	return p.Value() + " in flight"
}
