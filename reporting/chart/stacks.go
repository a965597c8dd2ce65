package chart

import (
	"fmt"
	"image/color"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

const (
	groupWidth           = 0.8 // the part of a category's room that its bars take at most
	widestBar  vg.Length = 54
)

// PartNames lists the names of the parts of all bars, in the order in which they first come.
func PartNames(series []Series) []string {
	var names []string
	for _, s := range series {
		for _, p := range s.Points {
			for _, part := range p.Parts {
				if !slices.Contains(names, part.Name) {
					names = append(names, part.Name)
				}
			}
		}
	}
	return names
}

// PartColor returns the colour, none of a series, of the k-th part name as "#rrggbb", for k > 0: the first part has the colour of its series. It repeats itself after eight.
func PartColor(k int) string {
	c := partColor(k)
	return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B)
}

func partColor(k int) color.NRGBA {
	colors := []color.NRGBA{
		rgb(0x7b1e3a), rgb(0xf2c200), rgb(0x4b2e83), rgb(0x00736b), rgb(0x0b3c6f), rgb(0xa34a00), rgb(0xb5007a), rgb(0xc9ced6),
	}
	return colors[(k-1)%len(colors)]
}

// drawStacks draws the bars of each category beside each other, a place for each series. The rim of a bar has the colour of its series, whatever its parts are.
func (pic picture) drawStacks(c draw.Canvas, p *plot.Plot) {
	toX, toY := p.Transforms(&c)
	names := PartNames(pic.series)
	bars := float64(max(len(pic.series), 1))
	room := min(groupWidth/bars, float64(widestBar/(toX(1)-toX(0)))/0.88)
	for i, s := range pic.series {
		for _, pt := range s.Points {
			left := pt.X + (float64(i)-bars/2)*room
			x0, x1 := toX(left+0.06*room), toX(left+0.94*room)
			bar := func(from, to float64) []vg.Point {
				return []vg.Point{{X: x0, Y: toY(from)}, {X: x1, Y: toY(from)}, {X: x1, Y: toY(to)}, {X: x0, Y: toY(to)}}
			}
			sum := 0.0
			for _, part := range pt.Parts {
				fill := palette()[i]
				if k := slices.Index(names, part.Name); k > 0 {
					fill = partColor(k)
				}
				c.FillPolygon(fill, bar(sum, sum+part.Value))
				sum += part.Value
			}
			rim := bar(0, sum)
			c.StrokeLines(draw.LineStyle{Color: palette()[i], Width: 1}, append(rim, rim[0]))
		}
	}
}

// partSwatch is a square in the colour of a series or, after these, of a part.
func (pic picture) partSwatch(area draw.Canvas, i int, at vg.Point, scale vg.Length) {
	var fill color.Color
	if k := i - len(pic.series); k < 0 {
		fill = palette()[i]
	} else {
		fill = partColor(k + 1)
	}
	half := 4.5 * scale
	area.FillPolygon(fill, []vg.Point{
		{X: at.X - half, Y: at.Y - half}, {X: at.X + half, Y: at.Y - half}, {X: at.X + half, Y: at.Y + half}, {X: at.X - half, Y: at.Y + half},
	})
}

// categories are the names along the x axis, of which every second, third and so on stays away where all would collide.
func (pic picture) categories(a plot.Axis, data draw.Canvas) plot.ConstantTicks {
	var widest vg.Length
	for _, name := range pic.Categories {
		widest = max(widest, a.Tick.Label.Width(name))
	}
	room := (data.Max.X - data.Min.X) / vg.Length(max(len(pic.Categories), 1))
	each := int((widest+6)/room) + 1
	ticks := make(plot.ConstantTicks, len(pic.Categories))
	for i, name := range pic.Categories {
		ticks[i].Value = float64(i)
		if i%each == 0 {
			ticks[i].Label = name
		}
	}
	return ticks
}
