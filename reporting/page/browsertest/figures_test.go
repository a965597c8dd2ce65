package browsertest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/reporting/chart"
	"github.com/llmsweep/llmsweep/reporting/page"
)

// states counts the figures that are shown by what became of them.
func (x *tab) states() map[string]int {
	x.t.Helper()
	return asked[map[string]int](x, `[...document.querySelectorAll("figure:not([hidden])")].reduce((n, f) => ({ ...n, [f.dataset.state || "not drawn"]: 1 + (n[f.dataset.state || "not drawn"] || 0) }), {})`)
}

// TestTheObserverSees: the tests' own eyes are open.
func TestTheObserverSees(t *testing.T) {
	x := opened(t, sample(1, 1), desk())
	x.said(`new Image().src = "http://example.org/x.png"; console.warn("hear, hear"); setTimeout(() => { throw new Error("thrown") })`)
	x.do(chromedp.Sleep(200_000_000))
	_, messages := x.noted()
	all := strings.Join(messages, "\n")
	assert.Contains(t, all, "hear, hear")
	assert.Contains(t, all, "thrown")
	assert.Contains(t, all, "Content Security Policy", "nothing may be loaded: the page is not even asked for")
	x.said(`document.querySelector("meta[http-equiv]").remove(); const frame = document.createElement("iframe"); frame.srcdoc = "<img src='http://example.org/y.png'>"; document.body.append(frame)`)
	x.do(chromedp.Sleep(300_000_000))
	requests, messages := x.noted()
	assert.NotEmpty(t, append(requests, messages...))
}

func TestEveryChartIsDrawn(t *testing.T) {
	for _, benchmarks := range []int{1, 12} {
		x := opened(t, sample(benchmarks, 7), desk())
		states := x.states()
		assert.Positive(t, states["not drawn"], "what is far away waits")
		x.said("drawAll()")
		assert.Equal(t, map[string]int{"drawn": 10}, x.states())
		for i, level := range []string{"c1", "c2", "c5", "c10", "c50", "c100", "c250"} {
			x.choose(level)
			x.said("drawAll()")
			assert.Equal(t, map[string]int{"drawn": 10}, x.states(), i)
		}
		assert.Equal(t, 40, asked[int](x, `document.querySelectorAll("figure[data-state=drawn]").length`), "of all levels")
	}
}

func TestScrollingDraws(t *testing.T) {
	x := opened(t, sample(2, 7), desk())
	x.said(`document.querySelector("#tables").scrollIntoView()`)
	x.do(chromedp.WaitReady(chromedp.CSS("#chart-40[data-state=drawn]")))
}

// options is what the charts were given to draw.
const seriesOf = `echarts.getInstanceByDom(document.querySelector("#chart-%d .plot")).getOption().series`

// shown are the kinds of series of a chart.
func (x *tab) series(number int) []string {
	x.t.Helper()
	return asked[[]string](x, fmt.Sprintf(seriesOf, number)+`.map((s) => s.type + " " + s.name)`)
}

func TestKindsOfCharts(t *testing.T) {
	x := opened(t, sample(2, 7), desk())
	x.said("drawAll()")
	assert.Equal(t, []string{"line series-0", "line series-1", "custom series-0", "custom series-1"}, x.series(1), "lines and their bands")
	assert.Equal(t, 18, asked[int](x, fmt.Sprintf(seriesOf, 1)+"[2].data.length"), "6 steps from level to level in 3 bands")
	assert.Equal(t, 7, asked[int](x, fmt.Sprintf(seriesOf, 3)+"[2].data.length"), "an interval each level")
	assert.Equal(t, []string{"scatter series-0", "scatter series-1", "line series-0", "line series-1", "line front"}, x.series(4))
	assert.Equal(t, []string{"bar series-0", "bar series-0", "bar series-0", "bar series-1", "bar series-1", "bar series-1"}, x.series(40))
	assert.Equal(t, []string{"series-0", "series-0", "series-0", "series-1", "series-1", "series-1"}, asked[[]string](x, fmt.Sprintf(seriesOf, 40)+".map((s) => s.stack)"))
	assert.Equal(t, "#1f77b4", asked[string](x, fmt.Sprintf(seriesOf, 40)+"[0].itemStyle.color"), "the first part has the colour of its series")
	assert.Equal(t, []float64{20, 80}, asked[[]float64](x, fmt.Sprintf(seriesOf, 38)+"[0].markArea.data[0].map((end) => end.xAxis)"))
	window := `[...document.querySelectorAll("#chart-38 .plot text")].some((n) => n.textContent === "window")`
	assert.True(t, asked[bool](x, window), "one span has its name beside it")
	assert.Equal(t, "canvas", asked[string](x, `document.querySelector("#chart-39 .plot canvas").localName`), "dots are pixels")
	assert.Equal(t, "svg", asked[string](x, `document.querySelector("#chart-38 .plot svg").localName`))
}

// TestBandsOfManyAreNotFilled: they would be one grey cloud.
func TestBandsOfManyAreNotFilled(t *testing.T) {
	x := opened(t, sample(5, 3), desk())
	x.said("drawAll()")
	remark := `document.querySelector("#chart-1 > p.caption").hidden`
	assert.Len(t, x.series(1), 5)
	assert.False(t, asked[bool](x, remark))
	x.click(".legend li:nth-child(1) button")
	x.said("drawAll()")
	assert.Len(t, x.series(1), 8)
	assert.True(t, asked[bool](x, remark))
}

// TestFrontIsThatOfWhatIsShown: without the first benchmark, the second one is not beaten.
func TestFrontIsThatOfWhatIsShown(t *testing.T) {
	x := opened(t, sample(2, 7), desk())
	front := func() [][]float64 {
		x.said("drawAll()")
		return asked[[][]float64](x, fmt.Sprintf(seriesOf, 4)+`.find((s) => s.name === "front").data`)
	}
	points := func(i int) (all [][]float64) {
		for _, p := range sample(2, 7).Charts[3].Series[i].Points {
			all = append(all, []float64{p.X, p.Y})
		}
		slices.Reverse(all) // by ascending x
		return all
	}
	assert.Equal(t, points(0), front(), "the other benchmark is beaten everywhere")
	x.click(".legend li:nth-child(1) button")
	assert.Equal(t, points(1), front())
}

// TestFrontLeavesOutWhatIsInDoubt: a hollow point beats nobody.
func TestFrontLeavesOutWhatIsInDoubt(t *testing.T) {
	p := sample(1, 7)
	p.Charts[3].Series[0].Points[2].Hollow = true
	x := opened(t, p, desk())
	x.said("drawAll()")
	assert.Len(t, asked[[][]float64](x, fmt.Sprintf(seriesOf, 4)+`.find((s) => s.name === "front").data`), 6)
}

func TestAxesAreSwitched(t *testing.T) {
	x := opened(t, sample(2, 7), desk())
	x.said("drawAll()")
	axes := func() []string {
		return asked[[]string](x, `["xAxis", "yAxis"].map((a) => echarts.getInstanceByDom(document.querySelector("#chart-1 .plot")).getOption()[a][0].type)`)
	}
	texts := func() []string {
		return asked[[]string](x, `[...document.querySelectorAll("#chart-1 .plot text")].map((n) => n.textContent)`)
	}
	assert.Equal(t, []string{"log", "value"}, axes())
	assert.Subset(t, texts(), []string{"1", "2", "5", "10", "50", "100", "250", "Concurrency Level", "Time to First Token (ms)"})
	x.click(`#chart-1 [data-axis=y]`)
	assert.Equal(t, []string{"log", "log"}, axes())
	assert.Subset(t, texts(), []string{"50", "100", "200", "500"})
	assert.NotContains(t, texts(), "0")
	x.click(`#chart-1 [data-axis=x]`)
	assert.Equal(t, []string{"value", "log"}, axes())
	assert.Equal(t, []string{"true", "false"}, asked[[]string](x, `["y", "x"].map((a) => document.querySelector("#chart-1 [data-axis=" + a + "]").getAttribute("aria-pressed"))`))
	assert.Equal(t, "log", asked[string](x, `echarts.getInstanceByDom(document.querySelector("#chart-2 .plot")).getOption().xAxis[0].type`), "each chart has its own")
	assert.Zero(t, asked[int](x, `document.querySelectorAll("#chart-40 [data-axis], #chart-38 [data-axis]").length`), "not where a value is 0, nor of bars")
}

// tip is the text of a tooltip, its cells apart.
func (x *tab) tip(number, series, index int) string {
	x.t.Helper()
	x.said(fmt.Sprintf(`echarts.getInstanceByDom(document.querySelector("#chart-%d .plot")).dispatchAction({ type: "showTip", seriesIndex: %d, dataIndex: %d })`, number, series, index))
	return asked[string](x, fmt.Sprintf(`[...document.querySelectorAll("#chart-%d .tip b, #chart-%[1]d .tip div, #chart-%[1]d .tip td, #chart-%[1]d .tip th")].map((n) => n.textContent).filter((s) => s).join("|")`, number))
}

func TestTooltips(t *testing.T) {
	p := sample(2, 7)
	for _, points := range [][]chart.Point{p.Charts[22].Series[1].Points, p.Charts[38].Series[0].Points} {
		for k := range points {
			points[k].Hollow = true
		}
	}
	x := opened(t, p, desk())
	x.said("drawAll()")
	assert.Equal(t, "Concurrency Level 10|Time to First Token|p50|p90|p95|p99|vllm-agg|50 ms|65|75|105|n = 30|vllm-disagg|56 ms|72.8|84|117.6|n = 30", x.tip(1, 0, 3))
	assert.Equal(t, "Concurrency Level 250|Time to First Token|p50|p90|p95|p99|vllm-agg|290 ms (in doubt)|377|435|609|n = 750|vllm-disagg|296 ms (in doubt)|384.8|444|621.6|n = 750", x.tip(1, 0, 6))
	assert.Equal(t, "Concurrency Level 1|Request Throughput|vllm-agg|1.22 req/s|[1.098, 1.366]|n = 3|vllm-disagg|1.064 req/s|[0.9574, 1.191]|n = 3", x.tip(3, 0, 0))
	assert.Equal(t, "vllm-disagg · 50|Tokens/sec per User|62.5|Tokens/sec per GPU|3,125|Samples|150", x.tip(4, 1, 4))
	assert.Regexp(t, `\|vllm-agg\|[0-9]+ %\|n = 750\|vllm-disagg\|[0-9]+ % \(in doubt\)\|n = 750$`, x.tip(23, 1, 50), "of a distribution at c250")
	assert.Contains(t, x.tip(40, 4, 5), "vllm-disagg · 100|ok|300|94.937 %|rejected|11|3.481 %|cut|5|1.582 %|Samples|300")
	assert.Regexp(t, `^vllm-agg\|Time since the start\|.*\|In doubt\|yes$`, x.tip(39, 0, 3))
	assert.Regexp(t, `^Benchmark,.*,In doubt\r\nvllm-agg,.*,yes\r\n`, asked[string](x, `csvOf(dataOf(drawings[38], () => true))`))
	x.said(`document.querySelector("#chart-1 .data").open = true; document.querySelector("#chart-1").scrollIntoView()`)
	x.tip(1, 0, 3)
	x.picture("tips")
}

func TestPrintHasAllCharts(t *testing.T) {
	x := opened(t, sample(3, 7), size{1440, 900, true})
	x.choose("c10")
	x.click(".legend li:nth-child(2) button")
	data, err := chromedp.Run(x.ctx, chromedp.PrintToPDF())
	require.NoError(t, err)
	assert.Greater(t, len(data), 50_000)
	assert.Equal(t, map[string]int{"drawn": 10}, x.states())
	x.said("setPrinting(true)")
	assert.True(t, asked[bool](x, `document.querySelector("details.warnings").open`))
	assert.Equal(t, "#ffffff", asked[string](x, `echarts.getInstanceByDom(document.querySelector("#chart-1 .plot")).getOption().tooltip[0].backgroundColor`), "paper is white")
	assert.NotContains(t, x.series(1), "line series-1", "what is not shown is not printed")
	x.said("setPrinting(false)")
	assert.False(t, asked[bool](x, `document.querySelector("details.warnings").open`))
	assert.NotEqual(t, "#ffffff", asked[string](x, `echarts.getInstanceByDom(document.querySelector("#chart-1 .plot")).getOption().tooltip[0].backgroundColor`))
	x.keep("print.pdf", data)
}

// hostile is what a name must not be able to do anything with.
const hostile = `</script><script>document.title='owned'</script><img src=x onerror=document.title='owned'>` + "\"'`&lt;{{.Title}}${1}\u2028\u2029"

func TestHostileNamesStayText(t *testing.T) {
	p := sample(2, 2)
	p.Title = hostile
	p.Headline[0].Rows[0][0].Text = hostile
	for i := range p.Charts {
		c := &p.Charts[i]
		c.Title, c.File, c.XLabel, c.YLabel, c.Group, c.Help, c.Note = hostile, hostile, hostile, hostile, hostile, hostile, hostile
		if c.Choice != "" {
			c.Choice = hostile
		}
		for k := range c.Categories {
			c.Categories[k] = hostile
		}
		for k := range c.BandNames {
			c.BandNames[k] = hostile
		}
		for k := range c.Spans {
			c.Spans[k].Label = hostile
		}
		for k := range c.Series {
			c.Series[k].Name = hostile
			for j := range c.Series[k].Points {
				point := &c.Series[k].Points[j]
				point.Label = hostile
				for m := range point.Parts {
					point.Parts[m].Name += hostile
				}
			}
		}
	}
	x := opened(t, p, desk())
	x.said("drawAll()")
	assert.Equal(t, map[string]int{"drawn": len(p.Charts)}, x.states())
	for i := range p.Charts {
		x.tip(i+1, 0, 0)
		x.said(fmt.Sprintf(`document.querySelector("#chart-%d .data").open = true`, i+1))
	}
	x.do(chromedp.Sleep(100_000_000))
	assert.Equal(t, hostile, asked[string](x, "document.title"), "a name ran as a script")
	assert.Zero(t, asked[int](x, "document.images.length"), "a name became an element")
	assert.Contains(t, asked[string](x, `document.querySelector("#chart-1 .tip").textContent`), hostile)
}

// TestOnlyItsOwnScriptsRun, were a name ever to become markup.
func TestOnlyItsOwnScriptsRun(t *testing.T) {
	x := opened(t, sample(1, 1), desk())
	x.said(`const s = document.createElement("script"); s.textContent = "document.title = 'owned'"; document.body.append(s)`)
	x.said(`document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='document.title = 1'><a id=link href='javascript:document.title = 2'>x</a>"); document.querySelector("#link").click()`)
	x.do(chromedp.Sleep(200_000_000))
	assert.Equal(t, sample(1, 1).Title, asked[string](x, "document.title"))
	_, messages := x.noted()
	assert.Contains(t, strings.Join(messages, "\n"), "Content Security Policy")
}

// TestLabelsAreSpread: of 84 most find a place, and none lies on another.
func TestLabelsAreSpread(t *testing.T) {
	crowd := shape{names(), []int{1, 2, 5, 10, 50, 100, 250}}.efficiency()
	for _, s := range crowd.Series {
		for i := range s.Points {
			s.Points[i].X -= 16 // up to the axis
		}
	}
	x := opened(t, page.Page{Title: "t", Charts: []chart.Chart{crowd}}, size{1000, 900, false})
	x.said("drawAll()")
	found := asked[map[string]int](x, `(() => {
		const plot = document.querySelector("#chart-1 .plot"), frame = plot.getBoundingClientRect();
		const boxes = [...plot.querySelectorAll("text")].filter((n) => n.getAttribute("font-weight") === "600" || n.style.fontWeight === "600" || /600/.test(n.getAttribute("style")))
			.map((n) => n.getBoundingClientRect()).filter((b) => b.left >= frame.left && b.top >= frame.top);
		let pairs = 0;
		for (const a of boxes) for (const b of boxes) {
			const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left), high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
			if (a !== b && wide > 1 && high > 5) pairs++;
		}
		const axes = echarts.getInstanceByDom(plot).getModel().getComponent("grid").coordinateSystem.getRect();
		const outside = boxes.filter((b) => b.left - frame.left < axes.x || b.bottom - frame.top > axes.y + axes.height + 8).length;
		return { labels: boxes.length, pairs, outside };
	})()`)
	assert.Zero(t, found["pairs"])
	assert.Zero(t, found["outside"], "on the numbers of the axes")
	assert.Greater(t, found["labels"], 60)
}
