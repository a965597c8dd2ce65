package chart

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/recorder"
	"gonum.org/v1/plot/vg/vgimg"
)

// levelled returns a Lines chart of n series over the usual seven levels.
func levelled(n int) Chart {
	c := Chart{Title: "Latency vs Concurrency", XLabel: "Concurrency Level", YLabel: "Latency (ms)"}
	for i := range n {
		s := Series{Name: fmt.Sprintf("benchmark-%d", i)}
		for _, x := range []float64{1, 2, 5, 10, 50, 100, 250} {
			s.Points = append(s.Points, Point{X: x, Y: (6 + x/10) * (1 + 0.2*float64(i)), Label: fmt.Sprint(x)})
		}
		c.Series = append(c.Series, s)
	}
	return c
}

// dotted returns the efficiency plot of n series.
func dotted(n int) Chart {
	c := levelled(n)
	c.Kind = Scatter
	for i := range c.Series {
		for k, p := range c.Series[i].Points {
			c.Series[i].Points[k].X, c.Series[i].Points[k].Y = 4000/(p.Y+20), 15*p.X*(1-0.05*float64(i))
		}
	}
	return c
}

func encoded(t *testing.T, c Chart) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, c.WritePNG(&b))
	return b.Bytes()
}

func decoded(t *testing.T, c Chart) image.Image {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(encoded(t, c)))
	require.NoError(t, err)
	return img
}

func TestPictureSizeAndResolution(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		chart         Chart
		width, height int
	}{{levelled(1), 3000, 1800}, {dotted(1), 3600, 2400}} {
		data := encoded(t, test.chart)
		config, err := png.DecodeConfig(bytes.NewReader(data))
		require.NoError(t, err)
		assert.Equal(t, test.width, config.Width)
		assert.Equal(t, test.height, config.Height)
		// 11811 dots per metre are 300 per inch.
		assert.Contains(t, string(data[:64]), "pHYs\x00\x00\x2e\x23\x00\x00\x2e\x23\x01")
	}
}

func TestSameChartGivesSameBytesAlsoConcurrently(t *testing.T) {
	t.Parallel()
	want := encoded(t, dotted(3))
	font := plot.DefaultFont
	got := make([][]byte, 3)
	var group sync.WaitGroup
	for i := range got {
		group.Go(func() {
			var b bytes.Buffer
			if dotted(3).WritePNG(&b) == nil {
				got[i] = b.Bytes()
			}
		})
	}
	group.Wait()
	for _, data := range got {
		assert.True(t, bytes.Equal(want, data), "the bytes differ")
	}
	assert.Equal(t, font, plot.DefaultFont, "a package variable of gonum has changed")
}

// seen counts the pixels of about the colour c above the given part of the
// height, which is where the plot is and the legend is not.
func seen(img image.Image, part float64, c color.NRGBA) int {
	pixels := img.(*image.RGBA)
	end := int(part*float64(pixels.Rect.Dy())) * pixels.Stride
	like := func(a, b uint8) bool { return a-b+2 <= 4 } // wraps around if far
	count := 0
	for i := 0; i < end; i += 4 {
		if like(pixels.Pix[i], c.R) && like(pixels.Pix[i+1], c.G) && like(pixels.Pix[i+2], c.B) {
			count++
		}
	}
	return count
}

// onWhite is the colour that c has as a dot of a scatter.
func onWhite(c color.NRGBA) color.NRGBA {
	mix := func(v uint8) float64 { return float64(v)*dotOpacity + 255*(1-dotOpacity) }
	return color.NRGBA{uint8(mix(c.R)), uint8(mix(c.G)), uint8(mix(c.B)), 255}
}

func TestEverySeriesIsSeenInThePlotArea(t *testing.T) {
	t.Parallel()
	lines, dots := decoded(t, levelled(MaxSeries)), decoded(t, dotted(MaxSeries))
	for i, c := range palette() {
		assert.Greater(t, seen(lines, 0.6, c), 500, "lines: colour %d", i)
		assert.Greater(t, seen(dots, 0.75, onWhite(c)), 500, "scatter: colour %d", i)
	}
}

func TestPictureOfUnusualData(t *testing.T) {
	t.Parallel()
	nan, inf := math.NaN(), math.Inf(1)
	for name, test := range map[string]struct {
		points [][]Point
		seen   int // series with a mark in the plot
	}{
		"single level":      {[][]Point{{{X: 8, Y: 3}}, {{X: 8, Y: 4}}}, 2},
		"all equal":         {[][]Point{{{X: 1, Y: 7}, {X: 2, Y: 7}}}, 1},
		"all zero":          {[][]Point{{{X: 1}, {X: 2}}}, 1},
		"same x":            {[][]Point{{{X: 3, Y: 3}, {X: 3, Y: 4}}}, 1},
		"negative":          {[][]Point{{{X: 1, Y: -5}, {X: 2, Y: 5}}}, 1},
		"no series":         {nil, 0},
		"empty series":      {[][]Point{{}}, 0},
		"one empty":         {[][]Point{{{X: 1, Y: 1}}, {}}, 1},
		"only not finite":   {[][]Point{{{X: 1, Y: nan}, {X: inf, Y: 1}, {X: nan, Y: -inf}}}, 0},
		"some not finite":   {[][]Point{{{X: 1, Y: nan}, {X: 2, Y: 5}, {X: 3, Y: inf}}}, 1},
		"huge":              {[][]Point{{{X: 1, Y: 1e300}, {X: 1e300, Y: -1e300}, {X: math.MaxFloat64, Y: 1}, {X: 1e307, Y: 1e307}}}, 1},
		"tiny":              {[][]Point{{{X: 5e-324, Y: 5e-324}, {X: 1e-300, Y: 1e-310}}}, 1},
		"nearly the same x": {[][]Point{{{X: 1, Y: 1}, {X: math.Nextafter(1, 2), Y: 2}}}, 1},
	} {
		for _, kind := range []Kind{Lines, Scatter} {
			t.Run(fmt.Sprintf("%s/kind %d", name, kind), func(t *testing.T) {
				t.Parallel()
				c := Chart{Title: "T", XLabel: "x", YLabel: "y", Kind: kind}
				for i, points := range test.points {
					c.Series = append(c.Series, Series{Name: fmt.Sprint("s", i), Points: points})
				}
				require.NoError(t, c.Validate())
				img := c.image()
				for i := range test.points {
					want := palette()[i]
					if kind == Scatter {
						want = onWhite(want)
					}
					assert.Equal(t, i < test.seen, seen(img, 0.88, want) > 100, "series %d", i)
				}
			})
		}
	}
}

func TestPictureWithoutDataSaysSo(t *testing.T) {
	for _, c := range []Chart{{}, {Kind: Scatter}, {Series: []Series{{Name: "a"}}}} {
		var record recorder.Canvas
		area := draw.NewCanvas(&record, 692, 404)
		newPicture(c).plot(area).Draw(area)
		said := false
		for _, action := range record.Actions {
			text, ok := action.(*recorder.FillString)
			said = said || (ok && text.String == "no data")
		}
		assert.True(t, said, "%+v", c)
	}
}

func TestPointsWithoutPlaceOnALogAxisAreLeftOut(t *testing.T) {
	c := Chart{Note: "Note.", Series: []Series{
		{Name: "a", Points: []Point{{X: 5, Y: 1}, {X: 0, Y: 1}, {X: -1, Y: 1}, {X: 2, Y: math.NaN()}, {X: 1, Y: 9}}},
		{Name: "b", Points: []Point{{X: 0, Y: 0}}},
	}}
	series, leftOut := c.Drawable()
	assert.Equal(t, 4, leftOut)
	assert.Equal(t, []Series{{Name: "a", Points: []Point{{X: 1, Y: 9}, {X: 5, Y: 1}}}, {Name: "b", Points: []Point{}}}, series)
	assert.Equal(t, "Note. (4 points without a drawable value are left out.)", c.Footnote())

	c.Kind = Scatter
	series, leftOut = c.Drawable()
	assert.Equal(t, 1, leftOut)
	assert.Equal(t, []Point{{X: 5, Y: 1}, {X: 0, Y: 1}, {X: -1, Y: 1}, {X: 1, Y: 9}}, series[0].Points, "a scatter keeps the order")
	series[0].Points[0].Y = 77
	assert.Equal(t, 1.0, c.Series[0].Points[0].Y, "the result shares memory with the chart")

	c.Note = ""
	assert.Equal(t, "(1 point without a drawable value is left out.)", c.Footnote())
}

func TestTooManySeriesIsAnErrorThatSaysSo(t *testing.T) {
	c := levelled(MaxSeries + 1)
	c.Kind = 7
	var b bytes.Buffer
	err := c.WritePNG(&b)
	assert.ErrorContains(t, err, `chart "Latency vs Concurrency": 13 series, but only 12 can be told apart`)
	assert.ErrorContains(t, err, "kind 7: must be one of Lines to Stacks")
	assert.Zero(t, b.Len())
}

type failingWriter struct{ after int }

func (w *failingWriter) Write(p []byte) (int, error) {
	if w.after--; w.after < 0 {
		return 0, errors.New("disk full")
	}
	return len(p), nil
}

func TestWriteErrorIsReturned(t *testing.T) {
	for after := range 3 {
		err := levelled(1).WritePNG(&failingWriter{after: after})
		assert.ErrorContains(t, err, `writing chart "Latency vs Concurrency": disk full`)
	}
}

// xTicks returns the labels of the x axis as they are drawn; "" for a bare mark.
func xTicks(c Chart) []string {
	area := draw.NewCanvas(&recorder.Canvas{}, 10*vg.Inch, 6*vg.Inch)
	var labels []string
	p := newPicture(c).plot(area)
	for _, tick := range p.X.Tick.Marker.Ticks(p.X.Min, p.X.Max) {
		labels = append(labels, tick.Label)
	}
	return labels
}

func TestTicksStandAtTheLevels(t *testing.T) {
	assert.Equal(t, []string{"1", "2", "5", "10", "50", "100", "250"}, xTicks(levelled(2)))

	var dense []Point
	for x := range 40 {
		dense = append(dense, Point{X: float64(x + 1), Y: 1})
	}
	labels := xTicks(Chart{Series: []Series{{Points: dense}}})
	require.Len(t, labels, 40, "every level keeps its mark")
	assert.Equal(t, []string{"1", "2", "3", "4", "5"}, labels[:5])
	assert.Equal(t, "10", labels[9])
	assert.Equal(t, "20", labels[19])
	assert.Equal(t, "40", labels[39])
	assert.Contains(t, labels, "", "labels that collide are dropped")
}

// TestBarsAreDrawn: a bar reaches from its low to its high end, which the axis covers; one without two finite ends is none, and a Scatter has none.
func TestBarsAreDrawn(t *testing.T) {
	t.Parallel()
	barred := Chart{Series: []Series{{Points: []Point{{X: 1, Y: 5}, {X: 10, Y: 5, Low: 2, High: 23}}}}}
	plain := Chart{Series: []Series{{Points: []Point{{X: 1, Y: 5}, {X: 10, Y: 5}}}}}
	assert.InDelta(t, 25, barred.yAxis().Max, 1e-9)
	assert.InDelta(t, 5, plain.yAxis().Max, 1e-9)
	blue := func(c Chart) (rows int) {
		picture := c.image()
		bounds := picture.Bounds()
		for y := bounds.Min.Y; y < bounds.Max.Y*3/4; y++ { // the legend has a line too
			for x := bounds.Min.X; x < bounds.Max.X; x++ {
				if p := color.NRGBAModel.Convert(picture.At(x, y)).(color.NRGBA); int(p.B) > int(p.R)+100 {
					rows++
					break
				}
			}
		}
		return rows
	}
	same := barred
	same.Series = []Series{{Points: []Point{{X: 1, Y: 5, Low: math.NaN(), High: 23}, {X: 10, Y: 5, Low: 9, High: 9}}}}
	assert.Equal(t, blue(plain), blue(same))
	assert.Greater(t, blue(barred), blue(plain)+500, "of 1,800 rows")
	scatter := barred
	scatter.Kind = Scatter
	assert.InDelta(t, 5, scatter.yAxis().Max, 1e-9)
}

// TestHollowMarkersAreEmpty: a hollow marker is white inside and has a rim in the colour of its series, in both kinds of chart.
func TestHollowMarkersAreEmpty(t *testing.T) {
	t.Parallel()
	for _, kind := range []Kind{Lines, Scatter} {
		for _, hollow := range []bool{false, true} {
			canvas := vgimg.NewWith(vgimg.UseWH(40, 40), vgimg.UseDPI(72), vgimg.UseBackgroundColor(color.White))
			newPicture(Chart{Kind: kind}).mark(draw.New(canvas), 0, vg.Point{X: 20, Y: 20}, 2, hollow)
			middle := color.NRGBAModel.Convert(canvas.Image().At(20, 20)).(color.NRGBA)
			assert.Equal(t, hollow, middle == rgb(0xffffff), "kind %d: %v", kind, middle)
			coloured := 0
			for i := range 40 {
				if c := color.NRGBAModel.Convert(canvas.Image().At(i, 20)).(color.NRGBA); int(c.B) > int(c.R)+50 {
					coloured++
				}
			}
			assert.Positive(t, coloured)
		}
	}
}
