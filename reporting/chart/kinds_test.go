package chart

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"image/color"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/recorder"
)

// ofKind is a chart of a kind, with n series and everything that the kind can show.
func ofKind(kind Kind, n int) Chart {
	c := Chart{Kind: kind, Title: "T", XLabel: "x (s)", YLabel: "y (ms)", BandNames: []string{"p50", "p90", "p99"}, Front: true, Steps: true, Categories: []string{"c1", "c2"}}
	for i := range n {
		y := float64(i + 1)
		c.Series = append(c.Series, Series{Name: fmt.Sprintf("s%d", i), Points: []Point{
			{X: 1, Y: y, Bands: []float64{2 * y, 3 * y}, Parts: []Part{{"ok", y}, {"bad", 1}}},
			{X: 1.5 + y/10, Y: 2 * y, Bands: []float64{4 * y}, Parts: []Part{{"ok", y}}},
		}})
		c.Spans = append(c.Spans, Span{Series: i, From: 0.5, To: 1})
	}
	return c
}

func TestStepsKeepTheirValue(t *testing.T) {
	assert.Equal(t, []vg.Point{{X: 1, Y: 5}, {X: 3, Y: 5}, {X: 3, Y: 7}, {X: 4, Y: 7}, {X: 4, Y: 0}}, steps([]vg.Point{{X: 1, Y: 5}, {X: 3, Y: 7}, {X: 4, Y: 0}}))
	assert.Empty(t, steps(nil))
}

func TestRunsOfBands(t *testing.T) {
	p := func(x float64, bands ...float64) Point { return Point{X: x, Bands: bands} }
	points := []Point{p(1), p(2, 1), p(3, 1, 2), p(4), p(5, 1, 2)}
	assert.Equal(t, [][]Point{points[1:3], points[4:]}, runs(points, 1))
	assert.Equal(t, [][]Point{points[2:3], points[4:]}, runs(points, 2))
	assert.Empty(t, runs(points, 3))
}

// TestBandsHaveAPlace: bands are drawn up to the first that is not finite or falls, the axis covers them, and they share no memory with the chart.
func TestBandsHaveAPlace(t *testing.T) {
	for _, test := range []struct{ bands, drawn []float64 }{
		{[]float64{5, 6, 61}, []float64{5, 6, 61}}, {[]float64{5, math.NaN(), 7}, []float64{5}}, {[]float64{4, 9}, []float64{}}, {[]float64{7, 6}, []float64{7}}, {[]float64{math.Inf(1)}, []float64{}}, {nil, nil},
	} {
		c := Chart{Series: []Series{{Points: []Point{{X: 1, Y: 5, Bands: test.bands}}}}}
		drawn, leftOut := c.Drawable()
		assert.Equal(t, test.drawn, drawn[0].Points[0].Bands)
		assert.Zero(t, leftOut)
		if len(test.drawn) > 0 {
			assert.GreaterOrEqual(t, c.yAxis().Max, test.drawn[len(test.drawn)-1])
			drawn[0].Points[0].Bands[0] = 1e9
			assert.NotEqual(t, 1e9, test.bands[0])
		}
	}
	bad := Chart{Kind: Stacks, Series: []Series{{Points: []Point{{Parts: []Part{{"a", -1}}}, {Parts: []Part{{"a", math.NaN()}}}, {Parts: []Part{{"a", 1}}}}}}}
	_, leftOut := bad.Drawable()
	assert.Equal(t, 2, leftOut)
}

// TestFrontTwin holds the front against comparing each point with each.
func TestFrontTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		c := Chart{Kind: Scatter, Front: true}
		var all []Point
		for range 1 + r.IntN(3) {
			s := Series{}
			for range r.IntN(12) {
				s.Points = append(s.Points, Point{X: float64(r.IntN(9)), Y: float64(r.IntN(9)), Hollow: r.IntN(5) == 0})
			}
			c.Series = append(c.Series, s)
			all = append(all, s.Points...)
		}
		front := newPicture(c).front()
		for _, p := range all {
			beaten, there := p.Hollow, false
			for _, q := range all {
				beaten = beaten || !q.Hollow && q.X >= p.X && q.Y >= p.Y && (q.X > p.X || q.Y > p.Y)
			}
			for i, q := range front {
				there = there || q.X == p.X && q.Y == p.Y && !p.Hollow
				assert.True(t, i == 0 || front[i-1].X < q.X)
			}
			assert.Equal(t, !beaten, there)
		}
	}
	assert.Empty(t, newPicture(ofKind(Scatter, 0)).front())
	none := ofKind(Scatter, 2)
	none.Front = false
	assert.Empty(t, newPicture(none).front())
}

// filled are the fills of a chart's plot by their colour, drawn into 600 x 400 points.
func filled(c Chart) map[color.Color]int {
	var canvas recorder.Canvas
	area := draw.NewCanvas(&canvas, 600, 400)
	newPicture(c).plot(area).Draw(area)
	fills := map[color.Color]int{}
	var now color.Color
	for _, action := range canvas.Actions {
		switch a := action.(type) {
		case *recorder.SetColor:
			now = a.Color
		case *recorder.Fill:
			fills[now]++
		}
	}
	return fills
}

// TestEveryKindDrawsItsSeries: bands are filled for few series, spans are shaded for one alone, and each dot and part is there.
func TestEveryKindDrawsItsSeries(t *testing.T) {
	first, second := palette()[0], palette()[1]
	few := filled(ofKind(Lines, 2))
	for k, want := range []int{1, 1} { // up to p90 a band over both points, up to p99 a bar at one
		assert.Equal(t, want, few[faded(first, 0.34/float64(k+1))], k)
	}
	many := filled(ofKind(Lines, mostFilled+1))
	assert.Zero(t, many[faded(first, 0.34)])
	assert.Equal(t, 1, filled(ofKind(Curves, 1))[faded(first, 0.1)], "shaded")
	two := filled(ofKind(Curves, 2))
	assert.Zero(t, two[faded(first, 0.1)])
	assert.Equal(t, [2]int{1, 1}, [2]int{two[first], two[second]}, "strips")
	assert.Equal(t, 2, filled(ofKind(Dots, 2))[faded(second, 0.65)])
	stacks := ofKind(Stacks, 2)
	assert.Equal(t, []string{"ok", "bad"}, PartNames(stacks.Series))
	bars := filled(stacks)
	assert.Equal(t, [3]int{2, 2, 2}, [3]int{bars[first], bars[second], bars[partColor(1)]})

	tops := func(steps bool) (corners int) {
		c := ofKind(Curves, 1)
		c.Steps = steps
		for _, path := range strokes(c) {
			corners = max(corners, len(path))
		}
		return corners
	}
	assert.Equal(t, [2]int{3, 2}, [2]int{tops(true), tops(false)})

	outside := ofKind(Curves, 1)
	outside.Spans = []Span{{0, math.NaN(), 1, ""}, {0, 5, 9, ""}, {MaxSeries, 0, 1, ""}, {-1, 0, 1, ""}, {0, 1, 0.5, ""}, {0, -1, math.Inf(1), ""}}
	assert.Zero(t, filled(outside)[first])
}

// strokes are the lines of a chart's plot.
func strokes(c Chart) []vg.Path {
	var canvas recorder.Canvas
	area := draw.NewCanvas(&canvas, 600, 400)
	newPicture(c).plot(area).Draw(area)
	var paths []vg.Path
	for _, action := range canvas.Actions {
		if a, ok := action.(*recorder.Stroke); ok {
			paths = append(paths, a.Path)
		}
	}
	return paths
}

// TestPartsStandOnEachOther: a part begins where the one below it ends, and the rim is around all.
func TestPartsStandOnEachOther(t *testing.T) {
	c := Chart{Kind: Stacks, Categories: []string{"a"}, Series: []Series{{Points: []Point{{Y: 4, Parts: []Part{{"x", 3}, {"y", 1}}}}}}}
	var canvas recorder.Canvas
	area := draw.NewCanvas(&canvas, 600, 400)
	newPicture(c).plot(area).Draw(area)
	var bars [][2]vg.Length
	for _, action := range canvas.Actions {
		if a, ok := action.(*recorder.Fill); ok {
			bars = append(bars, [2]vg.Length{a.Path[0].Pos.Y, a.Path[2].Pos.Y})
		}
	}
	require.Len(t, bars, 3, "the background and two parts")
	bars = bars[1:]
	assert.Equal(t, bars[0][1], bars[1][0])
	assert.InDelta(t, 3*float64(bars[1][1]-bars[1][0]), float64(bars[0][1]-bars[0][0]), 1e-6)
	paths := strokes(c)
	rim := paths[len(paths)-1]
	assert.Equal(t, [2]vg.Length{bars[0][0], bars[1][1]}, [2]vg.Length{rim[0].Pos.Y, rim[2].Pos.Y})
}

// TestBarsAreNoWalls: where there are few, they do not fill their room, and stand around the middle of their category.
func TestBarsAreNoWalls(t *testing.T) {
	bar := func(x float64) Point { return Point{X: x, Y: 1, Parts: []Part{{"ok", 1}}} }
	c := Chart{Kind: Stacks, Categories: []string{"c1", "c10"}, Series: []Series{{Name: "a", Points: []Point{bar(0), bar(1)}}, {Name: "b", Points: []Point{bar(0), bar(1)}}}}
	paths := strokes(c)
	left, right := paths[len(paths)-4], paths[len(paths)-2] // the rims at c1
	assert.InDelta(t, float64(widestBar), float64(left[1].Pos.X-left[0].Pos.X), 1e-6)
	assert.Greater(t, right[0].Pos.X, left[1].Pos.X)
	for range 5 {
		c.Series = append(c.Series, c.Series...)
	}
	c.Series = c.Series[:MaxSeries]
	paths = strokes(c)
	width := paths[len(paths)-1][1].Pos.X - paths[len(paths)-1][0].Pos.X
	assert.Less(t, width, widestBar)
	assert.Greater(t, width, vg.Length(10))
}

// TestFewDotsAreLarge: a trace of four requests is seen from the back of the room.
func TestFewDotsAreLarge(t *testing.T) {
	size := func(n int) vg.Length {
		c := Chart{Kind: Dots, Series: []Series{{Points: make([]Point, n)}}}
		var canvas recorder.Canvas
		newPicture(c).plot(draw.NewCanvas(&canvas, 600, 400)).Draw(draw.NewCanvas(&canvas, 600, 400))
		var last vg.Path
		for _, action := range canvas.Actions {
			if a, ok := action.(*recorder.Fill); ok {
				last = a.Path
			}
		}
		low, high := last[0].Pos.X, last[0].Pos.X
		for _, p := range last[:len(last)-1] { // which closes it
			low, high = min(low, p.Pos.X), max(high, p.Pos.X)
		}
		return high - low
	}
	assert.Greater(t, size(4), 1.5*size(61))
	assert.Equal(t, size(61), size(1000))
}

func TestPartsHaveColoursOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for i := range MaxSeries {
		seen[Color(i)] = true
	}
	for k := range 8 {
		assert.False(t, seen[PartColor(k+1)], k)
		seen[PartColor(k+1)] = true
	}
	assert.Equal(t, PartColor(1), PartColor(9))
}

func TestCategoriesThatCollideAreDropped(t *testing.T) {
	c := ofKind(Stacks, 1)
	assert.Equal(t, []string{"c1", "c2"}, xTicks(c))
	for i := range 40 {
		c.Categories = append(c.Categories, fmt.Sprintf("r%d.125", 100+i))
	}
	labels := xTicks(c)
	require.Len(t, labels, 42)
	assert.Equal(t, "c1", labels[0])
	assert.Empty(t, labels[1])
	assert.Equal(t, Axis{-0.5, 41.5, c.XAxis().Ticks}, c.XAxis())
}

func TestBandsAreExplained(t *testing.T) {
	c := ofKind(Lines, 1)
	c.Note = "Why."
	assert.Equal(t, "Line: p50; shaded, fainter each: up to p90, p99. Why.", newPicture(c).footnoteText())
	assert.Equal(t, "Line: p50; dashed: p99.", newPicture(ofKind(Lines, mostFilled+1)).footnoteText())
	c.Series[0].Points[0].Bands = []float64{9}
	assert.Equal(t, "Line: p50; shaded, fainter each: up to p90. Why.", newPicture(c).footnoteText())
	assert.Empty(t, newPicture(levelled(2)).footnoteText())
}

// texts parses an SVG and returns its title and texts.
func texts(t *testing.T, svg []byte) (title string, all []string) {
	t.Helper()
	decoder := xml.NewDecoder(bytes.NewReader(svg))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return title, all
		}
		require.NoError(t, err, string(svg))
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Local != "text" && start.Name.Local != "title" {
			continue
		}
		var content string
		require.NoError(t, decoder.DecodeElement(&content, &start))
		if start.Name.Local == "title" {
			title = content
			continue
		}
		all = append(all, content)
		attributes := map[string]string{}
		for _, a := range start.Attr {
			attributes[a.Name.Local] = a.Value
		}
		assert.Contains(t, attributes["style"], "Arial,Helvetica,sans-serif;")
		if content != "" {
			assert.NotEmpty(t, attributes["textLength"], content)
		}
	}
}

// TestSVG: each kind is well-formed, has its texts as texts, and is the same each time; whatever stands in a name.
func TestSVG(t *testing.T) {
	t.Parallel()
	nasty := "</text><script>alert(1)</script>\x00\uffff & \" style=\"font-family:Liberation Sans; <text "
	for kind := Lines; kind <= Stacks; kind++ {
		c := ofKind(kind, 2)
		c.Title, c.Series[1].Name, c.Note = "a < b", nasty, "note"
		var first, again bytes.Buffer
		require.NoError(t, c.WriteSVG(&first))
		require.NoError(t, c.WriteSVG(&again))
		assert.True(t, bytes.Equal(first.Bytes(), again.Bytes()))
		title, all := texts(t, first.Bytes())
		assert.Equal(t, "a < b", title)
		for _, want := range []string{"a < b", "s0", "x (s)", "y (ms)"} {
			assert.Contains(t, all, want, kind)
		}
		assert.Equal(t, kind == Stacks, slices.Contains(all, "bad"), "the legend has the parts")
		assert.Contains(t, strings.Join(all, ""), "</text><script>alert(1)</script>")
		assert.NotContains(t, first.String(), "<script")
		assert.NotContains(t, first.String(), "NaN")
		assert.Less(t, first.Len(), 100_000)
	}
	var b bytes.Buffer
	assert.ErrorContains(t, levelled(MaxSeries+1).WriteSVG(&b), "13 series")
	assert.Zero(t, b.Len())
	assert.ErrorContains(t, levelled(1).WriteSVG(&failingWriter{}), `writing chart "Latency vs Concurrency": disk full`)
}

// TestUnusualDataOfEveryKind: nothing that a chart can hold breaks a picture.
func TestUnusualDataOfEveryKind(t *testing.T) {
	t.Parallel()
	values := []float64{math.NaN(), math.Inf(1), math.Inf(-1), -1e300, -1, 0, 1e-6, 1, 1e300, math.MaxFloat64}
	r := rand.New(rand.NewPCG(2, 2))
	value := func() float64 { return values[r.IntN(len(values))] }
	for kind := Lines; kind <= Stacks; kind++ {
		for range 40 {
			c := ofKind(kind, r.IntN(4))
			for i := range c.Series {
				for k := range c.Series[i].Points {
					p := &c.Series[i].Points[k]
					p.X, p.Y, p.Low, p.High, p.Bands = value(), value(), value(), value(), []float64{value(), value()}
					p.Parts = []Part{{"a", value()}, {"b", value()}}
				}
			}
			c.Spans = []Span{{r.IntN(14) - 1, value(), value(), ""}}
			var b bytes.Buffer
			require.NoError(t, c.WriteSVG(&b))
			texts(t, b.Bytes())
			for line := range strings.Lines(b.String()) {
				require.NotContains(t, line, "NaN", "%+v", c)
			}
		}
	}
}
