package browsertest

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/llmsweep/llmsweep/reporting/chart"
	"github.com/llmsweep/llmsweep/reporting/page"
)

// TestNamesOfAxesFit: on a phone a long name is in two lines that do not lie over each other, and no text is outside its chart.
func TestNamesOfAxesFit(t *testing.T) {
	points := []chart.Point{{X: 1, Y: 1}, {X: 29000, Y: 35}}
	p := page.Page{Title: "Axes", Charts: []chart.Chart{
		{Title: "A", Kind: chart.Lines, XLabel: "Concurrency Level", YLabel: "Average Time to First Token, from schedule (ms)", Series: []chart.Series{{Name: "a", Points: points}}},
		{Title: "B", Kind: chart.Scatter, XLabel: "Output Token Throughput per User (tok/s/user)", YLabel: "Output Token Throughput per GPU (tok/s/GPU)", Series: []chart.Series{{Name: "a", Points: points}}},
	}}
	x := opened(t, p, size{390, 844, false})
	x.said("drawAll()")
	outside := `[...document.querySelectorAll(".plot svg")].flatMap((svg) => {
		const frame = svg.getBoundingClientRect();
		return [...svg.querySelectorAll("text")].filter((text) => {
			const at = text.getBoundingClientRect();
			return at.left < frame.left - 1 || at.right > frame.right + 1 || at.top < frame.top - 1 || at.bottom > frame.bottom + 1;
		}).map((text) => text.textContent);
	})`
	assert.Empty(t, asked[[]string](x, outside))
	gap := asked[float64](x, `(() => {
		const lines = [...document.querySelectorAll("#chart-1 svg text")].filter((text) => /Average|schedule/.test(text.textContent)).map((text) => text.getBoundingClientRect().left);
		return lines[1] - lines[0];
	})()`)
	assert.InDelta(t, 14, gap, 1)
	assert.Equal(t, []string{"10,000", "20,000", "30,000"}, asked[[]string](x, `[...document.querySelectorAll("#chart-2 svg text")].map((text) => text.textContent).filter((text) => text.endsWith(",000"))`),
		"none is left out between others for want of room")
}

// TestTimeLinesEndAlike: charts of one level have the same axis of time, whatever came last in each.
func TestTimeLinesEndAlike(t *testing.T) {
	line := func(kind chart.Kind, last float64) chart.Chart {
		return chart.Chart{Title: "T", Kind: kind, XLabel: "Time (s)", YLabel: "y", Until: 52, Series: []chart.Series{{Name: "a", Points: []chart.Point{{X: 0, Y: 1}, {X: last, Y: 2}}}}}
	}
	p := page.Page{Title: "Time", Charts: []chart.Chart{line(chart.Curves, 52), line(chart.Dots, 31), line(chart.Curves, 45)}}
	for _, s := range []size{desk(), {390, 844, false}} {
		x := opened(t, p, s)
		x.said("drawAll()")
		assert.Equal(t, []float64{60, 60, 60}, asked[[]float64](x, `figures.map((f) => f.chart.getModel().getComponent("xAxis").axis.scale.getExtent()[1])`))
	}
}
