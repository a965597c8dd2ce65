package chart

import (
	"image"
	"image/color"
	"io"
	"math"
	"slices"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// State is what a row of Intervals came to. It is a colour; the row's remark should say it in words.
type State int

// The states.
const (
	Reported State = iota // not judged
	Good
	Bad
	Open // not decided
)

// IntervalRow is one estimate: a dot in its interval. NaN is a value that does not exist, an infinite end is open.
type IntervalRow struct {
	Label, Remark    string // left and right of the row
	Value, Low, High float64
	Limit            float64 // a mark that the value should not pass; NaN: none
	State            State
}

// Intervals is a picture of estimates below each other on one axis, around zero: what a statistician calls a forest plot.
type Intervals struct {
	Title, Subtitle string
	XLabel          string
	Note            string
	Rows            []IntervalRow
}

// Places of the columns in the picture of 10 inches; its height follows from the rows.
const (
	intervalsWidth              = 10 * vg.Inch
	rowHeight         vg.Length = 22
	labelWidth        vg.Length = 210
	remarkWidth       vg.Length = 190
	titleBlock        vg.Length = 50
	axisBlock         vg.Length = 48
	intervalNoteBlock vg.Length = 40
)

// WritePNG draws the picture at 300 dots per inch.
func (c Intervals) WritePNG(w io.Writer) error { return encodePNG(w, c.paint()) }

func (c Intervals) paint() image.Image {
	height := titleBlock + vg.Length(max(len(c.Rows), 1))*rowHeight + axisBlock + intervalNoteBlock + 2*pageMargin
	canvas := vgimg.NewWith(vgimg.UseWH(intervalsWidth, height), vgimg.UseDPI(dotsPerInch), vgimg.UseBackgroundColor(color.White))
	area := draw.Crop(draw.New(canvas), pageMargin, -pageMargin, pageMargin, -pageMargin)
	set := newTypesetter()
	title, subtitle := set.bold(14, ink()), set.regular(10, faint())
	drawText(area, title, vg.Point{X: area.Min.X, Y: area.Max.Y - 10}, c.Title)
	drawText(area, subtitle, vg.Point{X: area.Min.X, Y: area.Max.Y - 28}, fit(subtitle, c.Subtitle, area.Max.X-area.Min.X))
	note := set.italic(noteSize, faint())
	for i, line := range wrap(note, c.Note, area.Max.X-area.Min.X) {
		drawText(area, note, vg.Point{X: area.Min.X, Y: area.Min.Y + intervalNoteBlock - 16 - vg.Length(i)*noteSize*1.3}, line)
	}
	band := draw.Crop(area, labelWidth, -remarkWidth, intervalNoteBlock+axisBlock, -titleBlock)
	axis := c.axis()
	at := func(v float64) vg.Length {
		return band.Min.X + vg.Length((v-axis.Min)/(axis.Max-axis.Min))*(band.Max.X-band.Min.X)
	}
	c.drawAxis(band, set, axis, at)
	for i, row := range c.Rows {
		y := band.Max.Y - (vg.Length(i)+0.5)*rowHeight
		label := set.regular(10, ink())
		drawText(area, label, vg.Point{X: area.Min.X, Y: y}, fit(label, row.Label, labelWidth-8))
		remark := set.regular(10, darkened(row.State.color()))
		drawText(area, remark, vg.Point{X: band.Max.X + 10, Y: y}, fit(remark, row.Remark, remarkWidth-10))
		row.draw(band, y, at)
	}
	return canvas.Image()
}

// axis covers zero, all values, intervals and limits; an open end reaches its border.
func (c Intervals) axis() Axis {
	var values []float64
	for _, r := range c.Rows {
		for _, v := range []float64{r.Value, r.Low, r.High, r.Limit} {
			if finite(v) {
				values = append(values, v)
			}
		}
	}
	if len(values) == 0 {
		values = []float64{-1, 1}
	}
	slices.Sort(values)
	return linearAxis(values, 6)
}

func (c Intervals) drawAxis(band draw.Canvas, set typesetter, axis Axis, at func(float64) vg.Length) {
	style := set.regular(10, ink())
	style.XAlign, style.YAlign = draw.XCenter, draw.YTop
	for _, v := range axis.Ticks {
		line := draw.LineStyle{Color: grid(), Width: 0.8}
		if v == 0 {
			line = draw.LineStyle{Color: faint(), Width: 1.2}
		}
		band.StrokeLine2(line, at(v), band.Min.Y, at(v), band.Max.Y)
		text := Number(v)
		if v > 0 {
			text = "+" + text
		}
		band.FillText(style, vg.Point{X: at(v), Y: band.Min.Y - 5}, text)
	}
	band.StrokeLine2(draw.LineStyle{Color: faint(), Width: 0.8}, band.Min.X, band.Min.Y, band.Max.X, band.Min.Y)
	label := set.regular(11, ink())
	label.XAlign, label.YAlign = draw.XCenter, draw.YTop
	band.FillText(label, vg.Point{X: (band.Min.X + band.Max.X) / 2, Y: band.Min.Y - 22}, c.XLabel)
}

// draw draws interval, limit and dot of a row.
func (r IntervalRow) draw(band draw.Canvas, y vg.Length, at func(float64) vg.Length) {
	c := r.State.color()
	if finite(r.Limit) {
		x := at(r.Limit)
		band.StrokeLine2(draw.LineStyle{Color: ink(), Width: 1.6, Dashes: []vg.Length{3, 2}}, x, y-rowHeight*0.42, x, y+rowHeight*0.42)
	}
	if math.IsNaN(r.Value) {
		return
	}
	if !math.IsNaN(r.Low) && !math.IsNaN(r.High) {
		low, high := band.Min.X, band.Max.X // of open ends
		for _, end := range []struct {
			v float64
			x *vg.Length
		}{{r.Low, &low}, {r.High, &high}} {
			if finite(end.v) {
				*end.x = at(end.v)
				band.StrokeLine2(draw.LineStyle{Color: c, Width: 2}, *end.x, y-4, *end.x, y+4)
			}
		}
		band.StrokeLine2(draw.LineStyle{Color: c, Width: 2}, low, y, high, y)
	}
	band.DrawGlyph(draw.GlyphStyle{Color: c, Radius: 4.5, Shape: draw.CircleGlyph{}}, vg.Point{X: at(r.Value), Y: y})
}

func (s State) color() color.NRGBA {
	switch s {
	case Good:
		return rgb(0x2ca02c)
	case Bad:
		return rgb(0xd62728)
	case Open:
		return rgb(0xe08214)
	default:
		return rgb(0x6b7280)
	}
}

// fit cuts a text to a width, with an ellipsis.
func fit(style draw.TextStyle, s string, width vg.Length) string {
	if style.Width(s) <= width {
		return s
	}
	runes := []rune(s)
	for len(runes) > 0 && style.Width(string(runes)+"…") > width {
		runes = runes[:len(runes)-1]
	}
	return string(runes) + "…"
}
