package chart

import (
	"image/color"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

const (
	pageMargin vg.Length = 14
	noteSize   vg.Length = 9
	blockGap   vg.Length = 8 // between plot, legend and footnote
)

// paint draws c on a canvas of its size, laid out from below: footnote, legend, and the plot in what is left.
func paint(c Chart, canvas vg.CanvasSizer) {
	area := draw.Crop(draw.New(canvas), pageMargin, -pageMargin, pageMargin, -pageMargin)
	pic := newPicture(c)
	_, height := c.size()
	area = pic.footnote(area)
	area = pic.legend(area, height*3/10)
	pic.plot(area).Draw(area)
}

// size is that of the picture.
func (c Chart) size() (width, height vg.Length) {
	if c.Kind == Scatter {
		return 12 * vg.Inch, 8 * vg.Inch
	}
	return 10 * vg.Inch, 6 * vg.Inch
}

// picture is a chart with everything that drawing needs several times.
type picture struct {
	Chart
	series []Series
	x, y   Axis
	set    typesetter
}

func newPicture(c Chart) picture {
	series, _ := c.Drawable()
	return picture{Chart: c, series: series, x: c.XAxis(), y: c.yAxis(), set: newTypesetter()}
}

func (pic picture) empty() bool { return len(pic.y.Ticks) == 0 }

// footnote writes the note at the lower left of area and returns the rest of it.
func (pic picture) footnote(area draw.Canvas) draw.Canvas {
	note := pic.footnoteText()
	if note == "" {
		return area
	}
	style := pic.set.italic(noteSize, faint())
	lines := wrap(style, note, area.Max.X-area.Min.X)
	height := vg.Length(len(lines)) * noteSize * 1.3
	for i, line := range lines {
		y := area.Min.Y + height - (vg.Length(i)+0.5)*noteSize*1.3
		drawText(area, style, vg.Point{X: area.Min.X, Y: y}, line)
	}
	return draw.Crop(area, 0, 0, height+blockGap, 0)
}

// footnoteText is the footnote with what the eye needs to read the bands.
func (pic picture) footnoteText() string {
	return strings.TrimSpace(pic.BandKey(len(pic.series) <= mostFilled) + " " + pic.Footnote())
}

// legend writes the names at the bottom of area and returns the rest of it.
func (pic picture) legend(area draw.Canvas, wanted vg.Length) draw.Canvas {
	if len(pic.series) == 0 {
		return area
	}
	names := make([]string, len(pic.series))
	for i, s := range pic.series {
		names[i] = s.Name
		if len(s.Points) == 0 {
			names[i] += " (no data)"
		}
	}
	if parts := PartNames(pic.series); pic.Kind == Stacks && len(parts) > 0 {
		names = append(names, parts[1:]...) // the first has the colours of the series
	}
	l := newLegend(pic.set, names, area.Max.X-area.Min.X, wanted)
	l.draw(area, func(i int, at vg.Point) { pic.swatch(area, i, at, l.style.Font.Size/legendTop) })
	return draw.Crop(area, 0, 0, l.height+blockGap, 0)
}

// swatch is what stands before a name in the legend.
func (pic picture) swatch(area draw.Canvas, i int, at vg.Point, scale vg.Length) {
	switch pic.Kind {
	case Stacks:
		pic.partSwatch(area, i, at, scale)
		return
	case Lines, Curves:
		area.StrokeLine2(lineStyle(i), at.X-10*scale, at.Y, at.X+10*scale, at.Y)
	}
	if pic.Kind != Curves {
		pic.mark(area, i, at, scale, false)
	}
}

// plot returns title, axes, grid and data, ready to be drawn into area.
func (pic picture) plot(area draw.Canvas) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.Title.TextStyle, p.Title.Padding = pic.Title, pic.set.bold(14, ink()), 10+pic.stripsHeight()
	p.Title.TextStyle.XAlign, p.Title.TextStyle.YAlign = draw.XCenter, draw.YTop
	pic.axis(&p.X, pic.XLabel, pic.x)
	pic.axis(&p.Y, pic.YLabel, pic.y)
	p.Y.Tick.Label.YAlign -= 0.12 // gonum centres the line with its descent, digits have none
	switch pic.Kind {
	case Lines:
		p.X.Scale = plot.LogScale{}
		p.X.Tick.Marker = pic.thinned(p.X, p.DataCanvas(area))
	case Stacks:
		p.X.Tick.Marker = pic.categories(p.X, p.DataCanvas(area))
	}
	p.Add(plotterFunc(pic.drawGrid))
	if pic.empty() {
		p.Add(plotterFunc(pic.drawNoData))
	}
	p.Add(plotterFunc([...]func(draw.Canvas, *plot.Plot){
		Lines: pic.drawLines, Scatter: pic.drawScatter, Curves: pic.drawCurves, Dots: pic.drawDots, Stacks: pic.drawStacks,
	}[pic.Kind]))
	return p
}

// axis sets range, ticks and looks, keeping the alignment that gonum gives to
// the texts of a horizontal or vertical axis.
func (pic picture) axis(a *plot.Axis, label string, limits Axis) {
	a.Min, a.Max = limits.Min, limits.Max
	a.Padding = 0
	a.LineStyle.Color, a.LineStyle.Width = faint(), 0.8
	a.Label.Text, a.Label.Padding = label, 6
	labelStyle := pic.set.regular(12, ink())
	labelStyle.XAlign, labelStyle.YAlign = a.Label.TextStyle.XAlign, a.Label.TextStyle.YAlign
	a.Label.TextStyle = labelStyle
	tickStyle := pic.set.regular(10, ink())
	tickStyle.XAlign, tickStyle.YAlign = a.Tick.Label.XAlign, a.Tick.Label.YAlign
	a.Tick.Label = tickStyle
	a.Tick.LineStyle.Color, a.Tick.LineStyle.Width, a.Tick.Length = faint(), 0.8, 4
	ticks := make(plot.ConstantTicks, len(limits.Ticks))
	for i, v := range limits.Ticks {
		ticks[i] = plot.Tick{Value: v, Label: Number(v)}
	}
	a.Tick.Marker = ticks
}

// thinned returns the x ticks without the labels that would collide. The data
// canvas is measured with all labels, which the final one equals but for the
// overhang of an end label.
func (pic picture) thinned(a plot.Axis, data draw.Canvas) plot.ConstantTicks {
	spans := make([]span, len(pic.x.Ticks))
	for i, v := range pic.x.Ticks {
		center, half := data.X(a.Norm(v)).Points(), a.Tick.Label.Width(Number(v)).Points()/2
		spans[i] = span{center - half, center + half}
	}
	ticks := make(plot.ConstantTicks, len(spans))
	for i, keep := range readable(pic.x.Ticks, spans, 5) {
		ticks[i].Value = pic.x.Ticks[i]
		if keep {
			ticks[i].Label = Number(pic.x.Ticks[i])
		}
	}
	return ticks
}

// plotterFunc makes a function a plot.Plotter.
type plotterFunc func(c draw.Canvas, p *plot.Plot)

// Plot calls f: it is plot.Plotter.
func (f plotterFunc) Plot(c draw.Canvas, p *plot.Plot) { f(c, p) }

func (pic picture) drawGrid(c draw.Canvas, p *plot.Plot) {
	style := draw.LineStyle{Color: grid(), Width: 0.7}
	toX, toY := p.Transforms(&c)
	for _, v := range pic.x.Ticks {
		if pic.Kind != Stacks { // whose ticks are in the middle of bars
			c.StrokeLine2(style, toX(v), c.Min.Y, toX(v), c.Max.Y)
		}
	}
	for _, v := range pic.y.Ticks {
		if v != pic.y.Min { // the axis itself
			c.StrokeLine2(style, c.Min.X, toY(v), c.Max.X, toY(v))
		}
	}
}

func (pic picture) drawNoData(c draw.Canvas, _ *plot.Plot) {
	const message = "no data"
	style := pic.set.regular(20, faint())
	drawText(c, style, vg.Point{X: c.Center().X - style.Width(message)/2, Y: c.Center().Y}, message)
}

// positions returns the places of all points on the canvas, series by series.
func (pic picture) positions(c draw.Canvas, p *plot.Plot) [][]vg.Point {
	toX, toY := p.Transforms(&c)
	all := make([][]vg.Point, len(pic.series))
	for i, s := range pic.series {
		for _, pt := range s.Points {
			all[i] = append(all[i], vg.Point{X: toX(pt.X), Y: toY(pt.Y)})
		}
	}
	return all
}

func (pic picture) radius() vg.Length {
	if pic.Kind == Scatter {
		return 5
	}
	return 3.6
}

func lineStyle(i int) draw.LineStyle {
	return draw.LineStyle{Color: palette()[i], Width: 2}
}

// mark draws the marker of series i: with a white rim on lines, to part it from
// the line of another series; with a dark one in a scatter, and slightly
// transparent, so that a dot below another shows. A hollow one is white with a
// rim in the colour of the series.
func (pic picture) mark(c draw.Canvas, i int, at vg.Point, scale vg.Length, hollow bool) {
	fill, rim := palette()[i], draw.LineStyle{Color: color.White, Width: 0.6}
	if pic.Kind == Scatter {
		fill, rim = faded(fill, dotOpacity), draw.LineStyle{Color: faded(ink(), 0.85), Width: 0.9}
	}
	if hollow {
		fill, rim = rgb(0xffffff), draw.LineStyle{Color: palette()[i], Width: 1.6}
	}
	path := pic.outline(i, at, scale)
	c.SetColor(fill)
	c.Fill(path)
	c.SetLineStyle(rim)
	c.Stroke(path)
}

// outline is the path around the marker of series i.
func (pic picture) outline(i int, at vg.Point, scale vg.Length) vg.Path {
	var path vg.Path
	for k, v := range marker(i) {
		corner := at.Add(vg.Point{X: vg.Length(v.x), Y: vg.Length(v.y)}.Scale(pic.radius() * scale))
		if k == 0 {
			path.Move(corner)
		} else {
			path.Line(corner)
		}
	}
	path.Close()
	return path
}

// dotOpacity is the opacity of the dots of a scatter.
const dotOpacity = 0.85
