package chart

import (
	"bytes"
	"fmt"
	"html"
	"image/color"
	"io"
	"strings"

	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// WriteSVG writes the picture that [Chart.WritePNG] draws as lines and texts, 10 x 6 or 12 x 8 inches. Texts stay texts, in the pictures' font where it is
// installed and else in another one without serifs, set to the same width. It returns the problems of [Chart.Validate], or the error of w; in the first case
// nothing is written.
func (c Chart) WriteSVG(w io.Writer) error {
	if err := c.Validate(); err != nil {
		return err
	}
	width, height := c.size()
	canvas := &svgCanvas{Canvas: vgsvg.NewWith(vgsvg.UseWH(width, height))}
	canvas.SetColor(color.White)
	canvas.Fill(vg.Rectangle{Max: vg.Point{X: width, Y: height}}.Path())
	paint(c, canvas)
	var raw bytes.Buffer
	if _, err := canvas.WriteTo(&raw); err != nil {
		return fmt.Errorf("writing chart %q: %w", c.Title, err)
	}
	if _, err := io.WriteString(w, canvas.finish(raw.String(), c.Title)); err != nil {
		return fmt.Errorf("writing chart %q: %w", c.Title, err)
	}
	return nil
}

// svgCanvas remembers how wide the texts are. gonum's own names their font and nothing else, so that a viewer without it would take its font with serifs, which is
// wider; to embed the font would add a megabyte to each picture.
type svgCanvas struct {
	*vgsvg.Canvas
	widths []vg.Length
}

// FillString draws a text.
func (c *svgCanvas) FillString(face font.Face, at vg.Point, text string) {
	c.widths = append(c.widths, face.Width(text))
	c.Canvas.FillString(face, at, text)
}

// finish gives each text its width and other fonts to choose from, and the picture a title for who cannot see it. What it looks for cannot be in a text, where < and
// quotes are escaped.
func (c *svgCanvas) finish(svg, title string) string {
	const text, family = "<text ", `style="font-family:Liberation Sans;`
	svg = strings.ReplaceAll(svg, family, `style="font-family:'Liberation Sans',Arimo,Arial,Helvetica,sans-serif;`)
	parts := strings.Split(svg, text)
	var b strings.Builder
	head, rest, _ := strings.Cut(parts[0], `xlink">`)
	fmt.Fprintf(&b, `%sxlink" role="img"><title>%s</title>%s`, head, html.EscapeString(title), rest)
	for i, part := range parts[1:] {
		b.WriteString(text)
		if width := c.widths[i].Points(); width > 0 {
			fmt.Fprintf(&b, `textLength="%.5g" lengthAdjust="spacingAndGlyphs" `, width)
		}
		b.WriteString(part)
	}
	return b.String()
}
