package chart

import (
	"cmp"
	"image/color"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// drawScatter joins the dots of a series faintly, as a guide from level to
// level, and writes their labels in the series' colour.
func (pic picture) drawScatter(c draw.Canvas, p *plot.Plot) {
	all := pic.positions(c, p)
	for i, points := range all {
		c.StrokeLines(draw.LineStyle{Color: faded(palette()[i], 0.3), Width: 1.2}, points)
	}
	pic.drawFront(c, p)
	pic.drawMarks(c, all)
	pic.drawLabels(c, all)
}

// drawFront joins the points of the front.
func (pic picture) drawFront(c draw.Canvas, p *plot.Plot) {
	toX, toY := p.Transforms(&c)
	var line []vg.Point
	for _, pt := range pic.front() {
		line = append(line, vg.Point{X: toX(pt.X), Y: toY(pt.Y)})
	}
	c.StrokeLines(draw.LineStyle{Color: faint(), Width: 1.3, Dashes: []vg.Length{6, 3}}, line)
}

// front are the points, by ascending x, that no other one beats in both directions, where more is better. What is in doubt beats nobody.
func (pic picture) front() []Point {
	if !pic.Front {
		return nil
	}
	var all []Point
	for _, s := range pic.series {
		all = append(all, s.Points...)
	}
	all = slices.DeleteFunc(all, func(p Point) bool { return p.Hollow })
	slices.SortFunc(all, func(a, b Point) int { return cmp.Or(cmp.Compare(b.X, a.X), cmp.Compare(b.Y, a.Y)) })
	var front []Point
	for _, p := range all {
		if len(front) == 0 || p.Y > front[len(front)-1].Y {
			front = append(front, p)
		}
	}
	slices.Reverse(front)
	return front
}

// drawLabels draws all leader lines before all labels, which have a white
// backing, so that a leader that has to pass a label runs below it.
func (pic picture) drawLabels(c draw.Canvas, all [][]vg.Point) {
	style := pic.set.bold(pic.labelSize(), ink())
	labels := pic.labels(style, all)
	dots, lines := obstacles(labels, all)
	bounds := box{c.Min.X.Points() + 2, c.Min.Y.Points() + 2, c.Max.X.Points(), c.Max.Y.Points()}
	placements := placeLabels(dots, lines, bounds)
	for i, place := range placements {
		if l := place.leader; place.far {
			line := draw.LineStyle{Color: labels[i].color, Width: 0.5}
			c.StrokeLine2(line, vg.Length(l.x0), vg.Length(l.y0), vg.Length(l.x1), vg.Length(l.y1))
		}
	}
	for i, place := range placements {
		if place.placed {
			style.Color = labels[i].color
			drawLabel(c, style, place.box, labels[i].text)
		}
	}
}

// label is the text beside a dot.
type label struct {
	text  string
	color color.NRGBA
	dot   dot
}

// labels lists the labels of all series, one after another.
func (pic picture) labels(style text.Style, all [][]vg.Point) []label {
	var labels []label
	for i, points := range all {
		for k, at := range points {
			line := wrap(style, pic.series[i].Points[k].Label, vg.Inch)[0]
			labels = append(labels, label{text: line, color: darkened(palette()[i]), dot: dot{
				x: at.X.Points(), y: at.Y.Points(), r: 1.1 * pic.radius().Points(),
				w: style.Width(line).Points(), h: 0.75 * style.Font.Size.Points(),
			}})
		}
	}
	return labels
}

// obstacles lists what a label has to avoid: the dots, and the lines that join
// those of a series.
func obstacles(labels []label, all [][]vg.Point) (dots []dot, lines []segment) {
	for _, l := range labels {
		dots = append(dots, l.dot)
	}
	first := 0
	for _, points := range all {
		for k := first + 1; k < first+len(points); k++ {
			lines = append(lines, segment{dots[k-1].x, dots[k-1].y, dots[k].x, dots[k].y})
		}
		first += len(points)
	}
	return dots, lines
}

func drawLabel(c draw.Canvas, style text.Style, b box, txt string) {
	back := b.grown(0.8)
	c.FillPolygon(faded(rgb(0xffffff), 0.7), []vg.Point{
		{X: vg.Length(back.minX), Y: vg.Length(back.minY)}, {X: vg.Length(back.maxX), Y: vg.Length(back.minY)},
		{X: vg.Length(back.maxX), Y: vg.Length(back.maxY)}, {X: vg.Length(back.minX), Y: vg.Length(back.maxY)},
	})
	drawText(c, style, vg.Point{X: vg.Length(b.minX), Y: vg.Length((b.minY + b.maxY) / 2)}, txt)
}

// labelSize shrinks the labels of a crowded scatter.
func (pic picture) labelSize() vg.Length {
	points := 0
	for _, s := range pic.series {
		points += len(s.Points)
	}
	if points > 30 {
		return 8
	}
	return 10
}
