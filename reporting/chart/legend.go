package chart

import (
	"strings"
	"unicode"

	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// legend is the block of names below a plot. It stands there, and not inside
// the axes or at the right, because only there have twelve names of sixty
// characters room without covering data or squeezing the plot.
type legend struct {
	style   text.Style
	names   [][]string // the lines of each name; more than one only if it is wider than the page
	columns int
	column  vg.Length // width of a column, swatch and gap included
	rows    int
	height  vg.Length
}

const (
	swatch      vg.Length = 26 // room for line and marker before a name
	legendGap   vg.Length = 16 // between two columns
	legendTop   vg.Length = 10 // largest and smallest size of the names, in points
	legendLeast vg.Length = 5
)

// newLegend lays the names out in at most the given width, in the largest type
// with which they stay below the height wanted. With the smallest type it takes
// the height it needs.
func newLegend(set typesetter, names []string, width, wanted vg.Length) legend {
	if len(names) == 0 {
		return legend{}
	}
	for size := legendTop; ; size -= 0.5 {
		l := columnsOf(set.regular(size, ink()), names, width)
		if l.height <= wanted || size <= legendLeast {
			return l
		}
	}
}

// columnsOf fits as many equally wide columns as the widest name allows.
func columnsOf(style text.Style, names []string, width vg.Length) legend {
	l := legend{style: style}
	var widest vg.Length
	for _, name := range names {
		lines := wrap(style, name, width-swatch)
		l.names = append(l.names, lines)
		for _, line := range lines {
			widest = max(widest, style.Width(line))
		}
	}
	l.column = swatch + widest + legendGap
	fit := max(1, int((width+legendGap)/l.column))
	l.rows = (len(names) + fit - 1) / fit
	l.columns = (len(names) + l.rows - 1) / l.rows
	for row := range l.rows {
		l.height += l.rowHeight(row)
	}
	return l
}

func (l legend) lineHeight() vg.Length { return l.style.Font.Size * 1.35 }

func (l legend) rowHeight(row int) vg.Length {
	lines := 1
	for i := row; i < len(l.names); i += l.rows {
		lines = max(lines, len(l.names[i]))
	}
	return vg.Length(lines) * l.lineHeight()
}

// draw writes the names, column by column, centred at the lower edge of c, and
// calls mark with the middle of each swatch.
func (l legend) draw(c draw.Canvas, mark func(i int, center vg.Point)) {
	left := c.Center().X - (vg.Length(l.columns)*l.column-legendGap)/2
	top := c.Min.Y + l.height
	for row := range l.rows {
		for i := row; i < len(l.names); i += l.rows {
			x := left + vg.Length(i/l.rows)*l.column
			mark(i, vg.Point{X: x + swatch/2 - 2, Y: top - l.lineHeight()/2})
			for k, line := range l.names[i] {
				y := top - (vg.Length(k)+0.5)*l.lineHeight()
				drawText(c, l.style, vg.Point{X: x + swatch, Y: y}, line)
			}
		}
		top -= l.rowHeight(row)
	}
}

// drawText writes one line of text that starts at pt.X and whose digits and
// capitals are centred on pt.Y. gonum's own vertical alignment centres the box
// with ascent and descent, which looks too high beside a marker.
func drawText(c draw.Canvas, style text.Style, pt vg.Point, line string) {
	const capHeight = 0.716 // of the type size, in Liberation Sans
	style.XAlign, style.YAlign = draw.XLeft, draw.YBottom
	baseline := pt.Y - capHeight/2*style.Font.Size
	face := style.Handler.Cache().Lookup(style.Font, style.Font.Size)
	c.SetColor(style.Color)
	c.FillString(face, vg.Point{X: pt.X + vg.Length(style.XAlign)*style.Width(line), Y: baseline}, line)
}

// wrap breaks a text into lines of at most the given width, after a space or a
// punctuation mark where there is one, else inside the word. Control
// characters, which no font can show, become spaces.
func wrap(style text.Style, txt string, width vg.Length) []string {
	rest := []rune(strings.Map(visible, txt))
	var lines []string
	for len(rest) > 0 {
		n := fitting(style, rest, width)
		lines = append(lines, strings.TrimRight(string(rest[:n]), " "))
		rest = rest[n:]
	}
	if lines == nil {
		return []string{""}
	}
	return lines
}

func visible(r rune) rune {
	if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == '\ufffe' || r == '\uffff' { // the last two cannot be in an SVG
		return ' '
	}
	return r
}

// fitting returns how many runes belong on the next line, at least one.
func fitting(style text.Style, runes []rune, width vg.Length) int {
	if style.Width(string(runes)) <= width {
		return len(runes)
	}
	n, end := 0, 1
	for ; end < len(runes) && style.Width(string(runes[:end+1])) <= width; end++ {
		if strings.ContainsRune(" -_/.,;", runes[end]) {
			n = end + 1
		}
	}
	if 2*n < end { // none, or so early that it would waste more than it gains
		return end
	}
	return n
}
