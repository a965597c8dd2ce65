package chart

import (
	"fmt"
	"image/color"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/recorder"
)

func TestLegendHoldsTwelveLongNames(t *testing.T) {
	const width, wanted = 692, 130 // of a Lines picture
	for _, letters := range []string{"W", "vllm-disagg-", "i", "界"} {
		for _, length := range []int{1, 8, 60, 255} {
			for _, n := range []int{1, 2, 5, MaxSeries} {
				var names []string
				for i := range n {
					name := []rune(strings.Repeat(letters, length))[:length]
					names = append(names, fmt.Sprintf("%s%d", string(name[:max(1, length-2)]), i))
				}
				l := newLegend(newTypesetter(), names, width, wanted)
				context := fmt.Sprintf("%d names of %d %q", n, length, letters)
				assert.LessOrEqual(t, l.column*vg.Length(l.columns)-legendGap, vg.Length(width), context)
				assert.GreaterOrEqual(t, l.columns*l.rows, n, context)
				for i, lines := range l.names {
					assert.Equal(t, names[i], strings.Join(lines, ""), context)
				}
				if length <= 60 {
					assert.LessOrEqual(t, l.height, vg.Length(wanted), context)
				}
			}
		}
	}
}

func TestLegendIsDrawnBelowThePlotAndInsideThePage(t *testing.T) {
	c := levelled(MaxSeries)
	for i := range c.Series {
		c.Series[i].Name = strings.Repeat("W", 58) + fmt.Sprint(i)
	}
	var record recorder.Canvas
	area := draw.NewCanvas(&record, 692, 404)
	rest := newPicture(c).legend(area, 130)
	names := map[string]bool{}
	for _, action := range record.Actions {
		text, ok := action.(*recorder.FillString)
		if !ok {
			continue
		}
		names[text.String] = true
		end := text.Point.X + newTypesetter().regular(vg.Length(text.Size), ink()).Width(text.String)
		assert.GreaterOrEqual(t, text.Point.X, vg.Length(0))
		assert.LessOrEqual(t, end, vg.Length(692))
		assert.GreaterOrEqual(t, text.Point.Y, vg.Length(0))
		assert.Less(t, text.Point.Y+vg.Length(text.Size), rest.Min.Y)
	}
	for _, s := range c.Series {
		assert.True(t, names[s.Name], "%s is missing", s.Name)
	}
	assert.Greater(t, rest.Max.Y-rest.Min.Y, vg.Length(220), "the plot keeps more than half of the page")
}

func TestLegendTellsThatASeriesIsEmpty(t *testing.T) {
	c := levelled(2)
	c.Series[1].Points = nil
	var record recorder.Canvas
	newPicture(c).legend(draw.NewCanvas(&record, 692, 404), 130)
	var names []string
	for _, action := range record.Actions {
		if text, ok := action.(*recorder.FillString); ok {
			names = append(names, text.String)
		}
	}
	assert.Equal(t, []string{"benchmark-0", "benchmark-1 (no data)"}, names)
}

func TestWrap(t *testing.T) {
	style := newTypesetter().regular(10, ink())
	for _, test := range []struct {
		text  string
		width vg.Length
		want  []string
	}{
		{"", 50, []string{""}},
		{"short", 500, []string{"short"}},
		{"one two three", 45, []string{"one two", "three"}},
		{"vllm-disagg-tp4", 60, []string{"vllm-disagg-", "tp4"}},
		{"WWWWWW", 20, []string{"WW", "WW", "WW"}},
		{"WW", 1, []string{"W", "W"}},
		{"a\nb\tc\u2028d", 500, []string{"a b c d"}},
	} {
		assert.Equal(t, test.want, wrap(style, test.text, test.width), "%q in %v", test.text, test.width)
	}
}

func TestStylesAreDistinct(t *testing.T) {
	colours, paths := map[string]bool{}, map[string]bool{}
	for i := range MaxSeries {
		colours[Color(i)], paths[SymbolPath(i)] = true, true
		for _, v := range marker(i) {
			assert.LessOrEqual(t, math.Max(math.Abs(v.x), math.Abs(v.y)), 1.3, "marker %d", i)
		}
	}
	assert.Len(t, colours, MaxSeries)
	assert.Len(t, paths, MaxSeries)
	assert.Equal(t, "#1f77b4", Color(0))
	assert.Equal(t, "#ffbb78", Color(11))
	assert.Equal(t, "M0.849 -0.849L-0.849 -0.849L-0.849 0.849L0.849 0.849Z", SymbolPath(1))
	assert.True(t, strings.HasPrefix(SymbolPath(2), "M0.000 -1.250L"), "the tip of an upright triangle is on top: %s", SymbolPath(2))
	assert.Panics(t, func() { Color(MaxSeries) })
}

func TestLabelColoursAreReadableOnWhite(t *testing.T) {
	linear := func(v uint8) float64 { return math.Pow(float64(v)/255, 2.2) }
	luminance := func(c color.NRGBA) float64 {
		return 0.2126*linear(c.R) + 0.7152*linear(c.G) + 0.0722*linear(c.B)
	}
	for i, c := range palette() {
		require.NotZero(t, c.A)
		assert.Greater(t, 1.05/(luminance(darkened(c))+0.05), 4.5, "colour %d", i)
	}
	assert.Equal(t, rgb(0x102030), darkened(rgb(0x102030)), "dark colours stay")
}
