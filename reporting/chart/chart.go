// Package chart turns plain series into pictures.
//
// It knows nothing of recordings, metrics or benchmarks: a [Chart] holds names
// and numbers, [Chart.WritePNG] and [Chart.WriteSVG] draw them. [Lines] has a
// logarithmic x axis whose ticks stand exactly at the x values of the data, as
// load levels do, and may have bands above its lines; [Scatter] has two linear
// axes and writes a short text beside each dot; [Curves] and [Dots] are for what
// has many points; [Stacks] is bars of parts over categories. What makes a series recognisable, its colour and marker, depends on
// its index alone ([Color], [SymbolPath]), so a benchmark looks the same in all
// pictures of a report, and the HTML report can look like the pictures.
//
// What it refuses to do: more than [MaxSeries] series, because a thirteenth
// would repeat a colour, and guessing: a point without a finite value, or at
// x <= 0 on a logarithmic axis, is left out and counted in the footnote. All
// value axes contain zero; a difference of two percent shall look like one.
//
// Fonts come from the embedded Liberation family and are set on each text
// style, never on gonum's package variables, so two charts may be drawn at the
// same time. The same chart gives the same bytes.
//
// Files: style.go (colours, markers, fonts), axis.go (ranges, ticks, numbers),
// legend.go and labels.go (the two placement problems), picture.go (the page,
// with gonum/plot), lines.go, scatter.go, curves.go and stacks.go (the kinds),
// png.go and svg.go (encoding).
package chart

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
)

// MaxSeries is the number of series that one chart can tell apart.
const MaxSeries = 12

// Kind selects the form of a chart.
type Kind int

const (
	// Lines joins the points of a series over a logarithmic x axis: 10 x 6 in.
	Lines Kind = iota
	// Scatter puts labelled dots on two linear axes: 12 x 8 in.
	Scatter
	// Curves joins points without markers over two linear axes, such as shares of requests or figures over time: 10 x 6 in.
	Curves
	// Dots puts small dots without labels on two linear axes, as many as there are: 10 x 6 in.
	Dots
	// Stacks puts a bar of Parts, for each series beside the others, at each of the chart's Categories: 10 x 6 in.
	Stacks
)

// Point is one value of a series, in the units of the axis labels.
type Point struct {
	X, Y  float64
	Label string // text beside the dot in a Scatter, such as the concurrency; unused in Lines
	// Low and High are the ends of a bar through the point of a Lines chart, such as those of an interval; equal ones are none.
	Low, High float64
	// Hollow draws the marker without its filling: the value is in doubt. The note of the chart should say why. Curves and Dots show no difference.
	Hollow bool
	// N is of how many samples the value is; 0 is not said.
	N int
	// Bands are values above Y, ascending, up to which a Lines chart fills in steps that grow fainter: higher percentiles. The chart's BandNames name them.
	Bands []float64
	// Parts are what a bar of a Stacks chart is made of, from below. X is the index of its category, Y the sum.
	Parts []Part
}

// Part is a piece of a bar, in the unit of the y axis. The first part of a bar has the colour of its series, each other one a colour of its name.
type Part struct {
	Name  string
	Value float64
}

// Span marks values of x, such as the part of a level that counts.
type Span struct {
	Series   int // whose colour it has
	From, To float64
	Label    string
}

// Series is one benchmark: its points under its name, which is shown verbatim.
type Series struct {
	Name   string
	Points []Point
}

// Chart is one picture.
type Chart struct {
	File   string // name of the PNG file, such as request_throughput_vs_concurrency.png
	Title  string
	XLabel string // with its unit, one word, in parentheses at the end if it has one
	YLabel string // likewise
	Kind   Kind
	Note   string   // footnote, in italics at the lower left; may be empty
	Series []Series // at most MaxSeries; series i has colour i and marker i

	Group      string   // heading under which a page shows the chart
	Choice     string   // of charts that differ in the level alone a page shows one: that of the level which the reader chose; "" is always shown
	Help       string   // how the values come about: formula, source of tokens, rule of percentiles
	BandNames  []string // of the values of Y and of each of the Bands of its points: p50, p90, p95, p99
	Categories []string // of Stacks, along the x axis
	Front      bool     // a Scatter draws the line of the points that no other one beats in both directions, where more is better; hollow ones take no part
	Spans      []Span   // of Curves and Dots
	Until      float64  // how far the x axis of Curves and Dots goes at least, so that those of one time line end alike
	Steps      bool     // Curves keep the value of a point until the x of the next one
}

// Validate reports all reasons why c cannot be drawn. Empty series, and no
// series at all, are not among them: they give a picture that says "no data".
func (c Chart) Validate() error {
	var problems []error
	if n := len(c.Series); n > MaxSeries {
		problems = append(problems, fmt.Errorf(
			"chart %q: %d series, but only %d can be told apart: name the benchmarks to plot", c.Title, n, MaxSeries))
	}
	if c.Kind < Lines || c.Kind > Stacks {
		problems = append(problems, fmt.Errorf("chart %q: kind %d: must be one of Lines to Stacks", c.Title, int(c.Kind)))
	}
	return errors.Join(problems...)
}

// Drawable returns the series with those points that have a place on the axes,
// and the number of points left out: not finite, or x <= 0 on the logarithmic
// axis of [Lines]. Index and name of each series are kept, also when no point
// is left, because the index carries the colour. Points of Lines are sorted by
// x. The result shares no memory with c.
func (c Chart) Drawable() (series []Series, leftOut int) {
	series = make([]Series, len(c.Series))
	for i, s := range c.Series {
		kept := make([]Point, 0, len(s.Points))
		for _, p := range s.Points {
			if c.canDraw(p) {
				if !p.HasBar() || c.Kind != Lines {
					p.Low, p.High = 0, 0
				}
				p.Bands = p.bands()
				kept = append(kept, p)
			}
		}
		leftOut += len(s.Points) - len(kept)
		if c.Kind == Lines {
			slices.SortStableFunc(kept, func(a, b Point) int { return cmp.Compare(a.X, b.X) })
		}
		series[i] = Series{Name: s.Name, Points: kept}
	}
	return series, leftOut
}

// HasBar reports whether a bar goes through the point.
func (p Point) HasBar() bool { return finite(p.Low) && finite(p.High) && p.Low < p.High }

// bands are those that have a place above the value: all up to the first one that is not finite, or is below the one before.
func (p Point) bands() []float64 {
	below := p.Y
	for i, v := range p.Bands {
		if !finite(v) || v < below {
			return slices.Clone(p.Bands[:i])
		}
		below = v
	}
	return slices.Clone(p.Bands)
}

// Few reports whether there are so few points that small dots would be lost on the page.
func (c Chart) Few() bool {
	const most = 60
	n := 0
	for _, s := range c.Series {
		n += len(s.Points)
	}
	return n <= most
}

func (c Chart) canDraw(p Point) bool {
	return finite(p.X) && finite(p.Y) && (c.Kind != Lines || p.X > 0) &&
		!slices.ContainsFunc(p.Parts, func(part Part) bool { return !finite(part.Value) || part.Value < 0 })
}

// finite also refuses magnitudes so large that the span of an axis over them
// would overflow.
func finite(v float64) bool {
	return math.Abs(v) < math.MaxFloat64/16 // false for NaN
}

// Footnote returns the note of c, followed by a sentence on the points left
// out, if there are any.
func (c Chart) Footnote() string {
	_, leftOut := c.Drawable()
	switch {
	case leftOut == 0:
		return c.Note
	case c.Note == "":
		return leftOutText(leftOut)
	default:
		return c.Note + " " + leftOutText(leftOut)
	}
}

func leftOutText(n int) string {
	if n == 1 {
		return "(1 point without a drawable value is left out.)"
	}
	return fmt.Sprintf("(%d points without a drawable value are left out.)", n)
}
