package record

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Point is the load of a level: so many requests in flight all the time (closed loop), so many starts a second or those of a trace (open loop). All but
// one of them are zero.
type Point struct {
	Concurrency int     `json:"concurrency"`
	Rate        float64 `json:"request_rate,omitempty"` // requests a second
	Trace       bool    `json:"trace,omitempty"`
}

// Open reports whether requests start by a schedule, whatever became of the ones before.
func (p Point) Open() bool { return p.Rate > 0 || p.Trace }

const traceName = "trace"

// Name is the folder of a level with this load: c<concurrency>, r<rate>, without an exponent, or trace.
func (p Point) Name() string {
	if p.Trace {
		return traceName
	}
	if p.Open() {
		return "r" + p.Value()
	}
	return "c" + p.Value()
}

// Value is the load as a number without its unit; a trace has none.
func (p Point) Value() string {
	switch {
	case p.Trace:
		return traceName
	case p.Open():
		return strconv.FormatFloat(p.Rate, 'f', -1, 64)
	default:
		return strconv.Itoa(p.Concurrency)
	}
}

// X is the load on the axis of a chart, on which a trace has no place: 0.
func (p Point) X() float64 {
	if p.Open() {
		return p.Rate
	}
	return float64(p.Concurrency)
}

// Compare orders closed loops before open ones, and each by their load; a trace is the last.
func (p Point) Compare(q Point) int {
	if p.Trace != q.Trace {
		return map[bool]int{false: -1, true: 1}[p.Trace]
	}
	return cmp.Or(cmp.Compare(p.Rate, q.Rate), cmp.Compare(p.Concurrency, q.Concurrency))
}

// PointOf is the load of a level's folder by its name, a complete match; ok is false for all other names.
func PointOf(name string) (p Point, ok bool) {
	if name == traceName {
		return Point{Trace: true}, true
	}
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
	if p.FixedSchedule {
		points = append(points, Point{Trace: true})
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
	switch {
	case p.RequestCount > 0:
		return p.RequestCount
	case at.Trace:
		return p.Input.Records
	case p.Duration > 0:
		return at.within(p.Duration)
	case at.Open():
		return max(int(math.Ceil(openSeconds*at.Rate)), 10)
	default:
		return max(3*at.Concurrency, 10)
	}
}

// within is how many requests the load may start in a time.
func (p Point) within(d time.Duration) int {
	if p.Open() {
		return int(math.Ceil(d.Seconds() * p.Rate))
	}
	return min(int(math.Ceil(d.Seconds()*mostOfSlot))*p.Concurrency, mostOfLoop)
}

// WarmupPoint is the load of a level's warm-up: one of its own, or else the level's.
func (p *Plan) WarmupPoint(at Point) Point {
	switch {
	case p.WarmupRate > 0:
		return Point{Rate: p.WarmupRate}
	case p.WarmupConcurrency > 0:
		return Point{Concurrency: p.WarmupConcurrency}
	}
	return at
}

// Warmups returns how many requests the warm-up of a level has: as many as were asked for, or for a time alone about so many in an open loop, and at
// most so many in a closed one.
func (p *Plan) Warmups(at Point) int {
	if p.WarmupRequests > 0 || p.WarmupDuration <= 0 {
		return p.WarmupRequests
	}
	return p.WarmupPoint(at).within(p.WarmupDuration)
}

// Warmup says in words what is sent before each level; "" for nothing.
func (p *Plan) Warmup() string {
	var parts []string
	switch {
	case p.WarmupRequests == 1:
		parts = append(parts, "1 request")
	case p.WarmupRequests > 1:
		parts = append(parts, fmt.Sprintf("%d requests", p.WarmupRequests))
	}
	if p.WarmupDuration > 0 {
		parts = append(parts, p.WarmupDuration.String())
	}
	text := strings.Join(parts, " or ")
	if own := p.WarmupPoint(Point{}); text != "" && own != (Point{}) {
		text += " with " + own.String()
	}
	return text
}

// String is the load in words, as in "10 in flight" or "2.5 requests/s".
func (p Point) String() string {
	if p.Trace {
		return "the times of a trace"
	}
	if p.Open() {
		return fmt.Sprintf("%s requests/s", p.Value())
	}
	return p.Value() + " in flight"
}
