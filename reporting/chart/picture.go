package chart

import (
	"image"
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

const (
	pageMargin vg.Length = 14
	noteSize   vg.Length = 9
	blockGap   vg.Length = 8 // between plot, legend and footnote
	barCap     vg.Length = 6 // half the width of a bar's ends
)

// paint lays the page out from below: footnote, legend, and the plot in what is left.
func paint(c Chart) image.Image {
	width, height := 10*vg.Inch, 6*vg.Inch
	if c.Kind == Scatter {
		width, height = 12*vg.Inch, 8*vg.Inch
	}
	canvas := vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(dotsPerInch), vgimg.UseBackgroundColor(color.White))
	area := draw.Crop(draw.New(canvas), pageMargin, -pageMargin, pageMargin, -pageMargin)
	pic := newPicture(c)
	area = pic.footnote(area)
	area = pic.legend(area, height*3/10)
	pic.plot(area).Draw(area)
	return canvas.Image()
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
	note := pic.Footnote()
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
	l := newLegend(pic.set, names, area.Max.X-area.Min.X, wanted)
	l.draw(area, func(i int, at vg.Point) {
		scale := l.style.Font.Size / legendTop
		if pic.Kind == Lines {
			area.StrokeLine2(lineStyle(i), at.X-10*scale, at.Y, at.X+10*scale, at.Y)
		}
		pic.mark(area, i, at, scale, false)
	})
	return draw.Crop(area, 0, 0, l.height+blockGap, 0)
}

// plot returns title, axes, grid and data, ready to be drawn into area.
func (pic picture) plot(area draw.Canvas) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.Title.TextStyle, p.Title.Padding = pic.Title, pic.set.bold(14, ink()), 10
	p.Title.TextStyle.XAlign, p.Title.TextStyle.YAlign = draw.XCenter, draw.YTop
	pic.axis(&p.X, pic.XLabel, pic.x)
	pic.axis(&p.Y, pic.YLabel, pic.y)
	p.Y.Tick.Label.YAlign -= 0.12 // gonum centres the line with its descent, digits have none
	if pic.Kind == Lines {
		p.X.Scale = plot.LogScale{}
		p.X.Tick.Marker = pic.thinned(p.X, p.DataCanvas(area))
	}
	p.Add(plotterFunc(pic.drawGrid))
	if pic.empty() {
		p.Add(plotterFunc(pic.drawNoData))
	}
	if pic.Kind == Scatter {
		p.Add(plotterFunc(pic.drawScatter))
	} else {
		p.Add(plotterFunc(pic.drawLines))
	}
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
		c.StrokeLine2(style, toX(v), c.Min.Y, toX(v), c.Max.Y)
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

// drawLines draws all lines before all markers: a later line must not hide an
// earlier marker, which is what tells coinciding series apart.
func (pic picture) drawLines(c draw.Canvas, p *plot.Plot) {
	all := pic.positions(c, p)
	for i, points := range all {
		c.StrokeLines(lineStyle(i), points)
	}
	pic.drawBars(c, p)
	pic.drawMarks(c, all)
}

// drawBars draws the bars, with a cap at each end that is a little wider than the marker.
func (pic picture) drawBars(c draw.Canvas, p *plot.Plot) {
	toX, toY := p.Transforms(&c)
	for i, s := range pic.series {
		style := draw.LineStyle{Color: palette()[i], Width: 1.4}
		for _, point := range s.Points {
			if !point.HasBar() {
				continue
			}
			x, low, high := toX(point.X), toY(point.Low), toY(point.High)
			c.StrokeLine2(style, x, low, x, high)
			for _, y := range []vg.Length{low, high} {
				c.StrokeLine2(style, x-barCap, y, x+barCap, y)
			}
		}
	}
}

func (pic picture) drawMarks(c draw.Canvas, all [][]vg.Point) {
	for i, points := range all {
		for k, at := range points {
			pic.mark(c, i, at, 1, pic.series[i].Points[k].Hollow)
		}
	}
}

// drawScatter joins the dots of a series faintly, as a guide from level to
// level, and writes their labels in the series' colour.
func (pic picture) drawScatter(c draw.Canvas, p *plot.Plot) {
	all := pic.positions(c, p)
	for i, points := range all {
		c.StrokeLines(draw.LineStyle{Color: faded(palette()[i], 0.3), Width: 1.2}, points)
	}
	pic.drawMarks(c, all)
	pic.drawLabels(c, all)
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
	c.SetColor(fill)
	c.Fill(path)
	c.SetLineStyle(rim)
	c.Stroke(path)
}

// dotOpacity is the opacity of the dots of a scatter.
const dotOpacity = 0.85
