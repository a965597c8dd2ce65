package chart

import (
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

const (
	stripHeight vg.Length = 3 // of a span's strip above the plot
	stripGap    vg.Length = 1.5
	dotScale    vg.Length = 0.45 // of a dot beside a marker
	fewScale    vg.Length = 0.8  // of one of few
)

// drawCurves draws lines without markers.
func (pic picture) drawCurves(c draw.Canvas, p *plot.Plot) {
	pic.drawSpans(c, p)
	for i, points := range pic.positions(c, p) {
		if pic.Steps {
			points = steps(points)
		}
		c.StrokeLines(draw.LineStyle{Color: palette()[i], Width: 1.5}, points)
	}
}

// steps goes from each point on at its height, and up or down to the next one only at its x.
func steps(points []vg.Point) []vg.Point {
	var path []vg.Point
	for i, p := range points {
		if i > 0 {
			path = append(path, vg.Point{X: p.X, Y: points[i-1].Y})
		}
		path = append(path, p)
	}
	return path
}

// drawDots draws small markers, of which a later one lets an earlier one show through.
func (pic picture) drawDots(c draw.Canvas, p *plot.Plot) {
	pic.drawSpans(c, p)
	scale := dotScale
	if pic.Few() {
		scale = fewScale
	}
	for i, points := range pic.positions(c, p) {
		c.SetColor(faded(palette()[i], 0.65))
		for _, at := range points {
			c.Fill(pic.outline(i, at, scale))
		}
	}
}

// stripsHeight is the room that the spans take above the plot.
func (pic picture) stripsHeight() vg.Length {
	return vg.Length(len(pic.Spans)) * (stripHeight + stripGap)
}

// drawSpans draws a strip above the plot for each span, so that those of several series do not hide each other, and shades the plot below a single one.
func (pic picture) drawSpans(c draw.Canvas, p *plot.Plot) {
	toX, _ := p.Transforms(&c)
	rectangle := func(from, to, low, high vg.Length) []vg.Point {
		return []vg.Point{{X: from, Y: low}, {X: to, Y: low}, {X: to, Y: high}, {X: from, Y: high}}
	}
	for k, s := range pic.Spans {
		if s.Series < 0 || s.Series >= MaxSeries || !finite(s.From) || !finite(s.To) {
			continue
		}
		from, to := max(toX(s.From), c.Min.X), min(toX(s.To), c.Max.X)
		if from >= to {
			continue
		}
		low := c.Max.Y + stripGap + vg.Length(len(pic.Spans)-1-k)*(stripHeight+stripGap)
		c.FillPolygon(palette()[s.Series], rectangle(from, to, low, low+stripHeight))
		if len(pic.Spans) == 1 {
			c.FillPolygon(faded(palette()[s.Series], 0.1), rectangle(from, to, c.Min.Y, c.Max.Y))
		}
	}
}
