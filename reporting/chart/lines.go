package chart

import (
	"fmt"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

const (
	barCap     vg.Length = 6 // half the width of a bar's ends
	bandStub   vg.Length = 6 // half the width of a band of a single point
	mostFilled           = 3 // series whose bands are filled; more would hide each other
)

// drawLines draws all lines before all markers: a later line must not hide an
// earlier marker, which is what tells coinciding series apart.
func (pic picture) drawLines(c draw.Canvas, p *plot.Plot) {
	all := pic.positions(c, p)
	pic.drawBands(c, p)
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

// drawBands fills what is between the values of Y and the bands above it. Where there are too many series for that, the highest band is a dashed line.
func (pic picture) drawBands(c draw.Canvas, p *plot.Plot) {
	toX, toY := p.Transforms(&c)
	for i, s := range pic.series {
		if len(pic.series) > mostFilled {
			highest := bandCount(pic.series)
			for _, run := range runs(s.Points, max(highest, 1)) {
				var top []vg.Point
				for _, pt := range run {
					top = append(top, vg.Point{X: toX(pt.X), Y: toY(pt.Bands[highest-1])})
				}
				style := draw.LineStyle{Color: faded(palette()[i], 0.8), Width: 1.1, Dashes: []vg.Length{4, 2.5}}
				if len(top) == 1 {
					c.StrokeLine2(style, top[0].X-bandStub, top[0].Y, top[0].X+bandStub, top[0].Y)
				}
				c.StrokeLines(style, top)
			}
			continue
		}
		for k := range bandCount(pic.series) {
			color := faded(palette()[i], 0.34/float64(k+1))
			for _, run := range runs(s.Points, k+1) {
				var low, high []vg.Point
				for _, pt := range run {
					from := pt.Y
					if k > 0 {
						from = pt.Bands[k-1]
					}
					low = append(low, vg.Point{X: toX(pt.X), Y: toY(from)})
					high = append(high, vg.Point{X: toX(pt.X), Y: toY(pt.Bands[k])})
				}
				if len(run) == 1 { // a band needs two points: of one it is a bar
					low = []vg.Point{{X: low[0].X - bandStub, Y: low[0].Y}, {X: low[0].X + bandStub, Y: low[0].Y}}
					high = []vg.Point{{X: low[0].X, Y: high[0].Y}, {X: low[1].X, Y: high[0].Y}}
				}
				for j := len(high) - 1; j >= 0; j-- {
					low = append(low, high[j])
				}
				c.FillPolygon(color, low)
			}
		}
	}
}

// runs are the stretches of successive points that have at least so many bands.
func runs(points []Point, bands int) (all [][]Point) {
	open := false
	for _, p := range points {
		if len(p.Bands) < bands {
			open = false
			continue
		}
		if !open {
			all, open = append(all, nil), true
		}
		all[len(all)-1] = append(all[len(all)-1], p)
	}
	return all
}

// bandCount is how many bands the points have at most.
func bandCount(series []Series) int {
	n := 0
	for _, s := range series {
		for _, p := range s.Points {
			n = max(n, len(p.Bands))
		}
	}
	return n
}

// BandKey says what lines and bands are, where the bands are filled or, of many series, a dashed line; "" without any.
func (c Chart) BandKey(filled bool) string {
	series, _ := c.Drawable()
	n := bandCount(series)
	if n == 0 || n >= len(c.BandNames) {
		return ""
	}
	above := c.BandNames[1 : n+1]
	if !filled {
		return fmt.Sprintf("Line: %s; dashed: %s.", c.BandNames[0], above[n-1])
	}
	return fmt.Sprintf("Line: %s; shaded, fainter each: up to %s.", c.BandNames[0], strings.Join(above, ", "))
}
