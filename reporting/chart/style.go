package chart

import (
	"fmt"
	"image/color"
	"math"
	"strings"

	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/font/liberation"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
)

// palette returns the twelve colours in the order of the series.
func palette() [MaxSeries]color.NRGBA {
	return [MaxSeries]color.NRGBA{
		rgb(0x1f77b4), rgb(0xff7f0e), rgb(0x2ca02c), rgb(0xd62728), rgb(0x9467bd), rgb(0x8c564b),
		rgb(0xe377c2), rgb(0x7f7f7f), rgb(0xbcbd22), rgb(0x17becf), rgb(0xaec7e8), rgb(0xffbb78),
	}
}

func rgb(v uint32) color.NRGBA {
	return color.NRGBA{R: uint8(v >> 16), G: uint8(v >> 8), B: uint8(v), A: 0xff}
}

// Color returns the colour of series i as "#rrggbb". Valid for
// 0 <= i < [MaxSeries]; it panics outside.
func Color(i int) string {
	c := palette()[i]
	return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B)
}

// SymbolPath returns the marker of series i as SVG path data: a closed polygon
// around the origin that fits into the square from -1.3 to 1.3. Valid for
// 0 <= i < [MaxSeries]; it panics outside.
func SymbolPath(i int) string {
	var b strings.Builder
	for k, v := range marker(i) {
		command := "L"
		if k == 0 {
			command = "M"
		}
		fmt.Fprintf(&b, "%s%.3f %.3f", command, v.x, -v.y) // SVG's y axis points down
	}
	b.WriteString("Z")
	return b.String()
}

// vertex is a corner of a marker; y points up, the unit is the marker's radius.
type vertex struct{ x, y float64 }

// marker returns the outline of marker i. The radii differ so that all twelve
// look about equally large; a common radius makes triangles look small.
func marker(i int) []vertex {
	const up, down, left, right = 90, 270, 180, 0
	return [MaxSeries]func() []vertex{
		func() []vertex { return regular(48, 0.95, up) },
		func() []vertex { return regular(4, 1.2, 45) },
		func() []vertex { return regular(3, 1.25, up) },
		func() []vertex { return regular(4, 1.2, up) },
		func() []vertex { return regular(3, 1.25, down) },
		func() []vertex { return regular(3, 1.25, left) },
		func() []vertex { return regular(3, 1.25, right) },
		func() []vertex { return regular(5, 1.1, up) },
		func() []vertex { return star(1.3, 0.55) },
		func() []vertex { return regular(6, 1.1, up) },
		func() []vertex { return regular(6, 1.1, right) },
		func() []vertex { return cross(1.1, 0.4) },
	}[i]()
}

// regular returns a polygon of n corners, the first at the angle given in degrees.
func regular(n int, radius, degrees float64) []vertex {
	corners := make([]vertex, n)
	for k := range corners {
		corners[k] = polar(radius, degrees+float64(k)*360/float64(n))
	}
	return corners
}

func star(outer, inner float64) []vertex {
	corners := make([]vertex, 10)
	for k := range corners {
		radius := outer
		if k%2 == 1 {
			radius = inner
		}
		corners[k] = polar(radius, 90+float64(k)*36)
	}
	return corners
}

// cross returns a plus sign with arms of the given length and half width.
func cross(arm, half float64) []vertex {
	return []vertex{
		{half, arm}, {half, half}, {arm, half}, {arm, -half}, {half, -half}, {half, -arm},
		{-half, -arm}, {-half, -half}, {-arm, -half}, {-arm, half}, {-half, half}, {-half, arm},
	}
}

func polar(radius, degrees float64) vertex {
	sin, cos := math.Sincos(degrees * math.Pi / 180)
	return vertex{radius * cos, radius * sin}
}

// faded returns c with the opacity given, 0 to 1.
func faded(c color.NRGBA, opacity float64) color.NRGBA {
	c.A = uint8(math.Round(255 * opacity))
	return c
}

// darkened returns c, darkened until text in it is readable on white.
func darkened(c color.NRGBA) color.NRGBA {
	const readable = 92 // of 255; gives the contrast of 4.5 : 1 that WCAG asks for
	luma := 0.299*float64(c.R) + 0.587*float64(c.G) + 0.114*float64(c.B)
	if luma <= readable {
		return c
	}
	scale := func(v uint8) uint8 { return uint8(float64(v) * readable / luma) }
	return color.NRGBA{R: scale(c.R), G: scale(c.G), B: scale(c.B), A: c.A}
}

// Colours of everything that is not a series.
func ink() color.NRGBA   { return rgb(0x222222) }
func faint() color.NRGBA { return rgb(0x666666) }
func grid() color.NRGBA  { return rgb(0xe4e4e4) }

// typesetter makes text styles over one font cache.
type typesetter struct{ handler text.Handler }

func newTypesetter() typesetter {
	return typesetter{text.Plain{Fonts: font.NewCache(liberation.Collection())}}
}

func (t typesetter) regular(size vg.Length, c color.Color) text.Style {
	return text.Style{
		Color:   c,
		Font:    font.Font{Typeface: "Liberation", Variant: "Sans", Size: size},
		Handler: t.handler,
	}
}

func (t typesetter) bold(size vg.Length, c color.Color) text.Style {
	style := t.regular(size, c)
	style.Font.Weight = xfont.WeightBold
	return style
}

func (t typesetter) italic(size vg.Length, c color.Color) text.Style {
	style := t.regular(size, c)
	style.Font.Style = xfont.StyleItalic
	return style
}
