package browsertest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// choose chooses a level.
func (x *tab) choose(level string) {
	x.t.Helper()
	x.said(fmt.Sprintf(`document.querySelector(".choices input[value=%s]").click()`, level))
}

// seriesOfAll names the series in all charts that are shown, which are drawn first.
func (x *tab) seriesOfAll() string {
	x.t.Helper()
	x.said("drawAll()")
	return strings.Join(asked[[]string](x, `[...new Set(figures.filter((f) => f.chart && !f.node.hidden).flatMap((f) => f.chart.getOption().series.map((s) => s.name)))].sort()`), " ")
}

func TestLegendActsOnAllCharts(t *testing.T) {
	x := opened(t, sample(3, 7), desk())
	assert.Equal(t, "front series-0 series-1 series-2", x.seriesOfAll())
	x.click(".legend li:nth-child(2) button")
	assert.Equal(t, "front series-0 series-2", x.seriesOfAll(), "a click hides it everywhere")
	x.choose("c1")
	assert.Equal(t, "front series-0 series-2", x.seriesOfAll(), "and at another level")
	assert.Equal(t, []string{"true", "false", "true"}, asked[[]string](x, `[...document.querySelectorAll(".legend button")].map((b) => b.getAttribute("aria-pressed"))`))
	x.said(`document.querySelector(".legend li:nth-child(2) button").focus()`)
	x.press(kb.Enter)
	assert.Equal(t, "front series-0 series-1 series-2", x.seriesOfAll(), "a key shows it again")
	x.click("[data-all=false]")
	assert.Equal(t, "front", x.seriesOfAll())
	x.click("[data-all=true]")
	assert.Equal(t, "front series-0 series-1 series-2", x.seriesOfAll())
}

func TestPointingAtTheLegendSinglesOut(t *testing.T) {
	x := opened(t, sample(3, 2), size{1440, 3000, false})
	x.said("drawAll()")
	faint := `[1, 3].map((n) => document.querySelectorAll("#chart-" + n + " .plot path[stroke='#1f77b4'][stroke-opacity='0.1']").length > 0)`
	assert.Equal(t, []bool{false, false}, asked[[]bool](x, faint))
	x.said(`document.querySelector(".legend li:nth-child(2) button").focus()`)
	x.do(chromedp.Sleep(100_000_000))
	assert.Equal(t, []bool{true, true}, asked[[]bool](x, faint), "the others are faint in all charts")
	x.said(`document.querySelector(".legend li:nth-child(2) button").blur()`)
	x.do(chromedp.Sleep(100_000_000))
	assert.Equal(t, []bool{false, false}, asked[[]bool](x, faint))
}

func TestLevelActsOnAllCharts(t *testing.T) {
	x := opened(t, sample(1, 7), desk())
	shown := func() string {
		return strings.Join(asked[[]string](x, `[...new Set([...document.querySelectorAll("figure[data-choice]:not([hidden])")].map((f) => f.dataset.choice))]`), " ")
	}
	assert.Equal(t, "c250", shown(), "the highest load is what is looked at first")
	x.choose("c10")
	assert.Equal(t, "c10", shown())
	assert.Equal(t, 5, asked[int](x, `document.querySelectorAll("figure[data-choice]:not([hidden])").length`))
	x.said(`document.querySelector(".choices input:checked").focus()`)
	x.press(kb.ArrowRight)
	assert.Equal(t, "c50", shown(), "the arrow keys move on")
	x.said(`document.querySelector("#group-3").scrollIntoView()`)
	x.do(chromedp.WaitReady(chromedp.CSS("figure[data-choice=c50][data-state=drawn]")))
}

// TestJumpsLandBelowTheBar that holds the legend.
func TestJumpsLandBelowTheBar(t *testing.T) {
	for _, s := range []size{desk(), {390, 844, false}} {
		x := opened(t, sample(12, 7), s)
		x.said(`document.querySelector("nav a[href='#group-4']").click()`)
		x.do(chromedp.Sleep(300_000_000))
		below := asked[float64](x, `document.querySelector("#group-4 h3").getBoundingClientRect().top - document.querySelector(".controls").getBoundingClientRect().bottom`)
		assert.Positive(t, below)
		assert.Less(t, below, 200.)
		assert.Zero(t, asked[float64](x, `document.querySelector(".controls").getBoundingClientRect().top`), "it stays")
		assert.Less(t, asked[float64](x, `document.querySelector(".controls").offsetHeight`), 170., "and leaves room")
	}
}

func TestHelpIsOneKeyAway(t *testing.T) {
	x := opened(t, sample(1, 2), desk())
	open := `document.querySelector("#chart-1-help").matches(":popover-open")`
	assert.False(t, asked[bool](x, open))
	x.said(`document.querySelector("#chart-1 .help").focus()`)
	x.press(kb.Enter)
	assert.True(t, asked[bool](x, open))
	assert.Contains(t, asked[string](x, `document.querySelector("#chart-1-help").innerText`), "From the start of the request")
	x.press(kb.Escape)
	assert.False(t, asked[bool](x, open))
	at := asked[[]float64](x, `(() => { const b = document.querySelector("#chart-1 .help"); b.scrollIntoView({ block: "center" }); const r = b.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()`)
	x.do(chromedp.MouseEvent("mouseMoved", at[0], at[1]))
	assert.True(t, asked[bool](x, open), "or one hover")
	inside := asked[bool](x, `(() => { const r = document.querySelector("#chart-1-help").getBoundingClientRect(); return r.left >= 0 && r.right <= innerWidth && r.top >= 0 && r.bottom <= innerHeight; })()`)
	assert.True(t, inside)
	x.picture("help")
	x.do(chromedp.MouseEvent("mouseMoved", 5, 5))
	assert.False(t, asked[bool](x, open))
}

func TestDataIsThatOfTheChart(t *testing.T) {
	x := opened(t, sample(2, 2), desk())
	x.said(`document.querySelector("#chart-1").scrollIntoView()`)
	x.click("#chart-1 .data summary")
	x.do(chromedp.WaitReady(chromedp.CSS("#chart-1 .data table")))
	assert.Equal(t, []string{"Benchmark", "Concurrency Level", "Time to First Token, p50 (ms)", "Time to First Token, p90 (ms)", "Time to First Token, p95 (ms)", "Time to First Token, p99 (ms)", "Samples"},
		asked[[]string](x, `[...document.querySelectorAll("#chart-1 .data th")].map((n) => n.textContent)`))
	rows := `[...document.querySelectorAll("#chart-1 .data tbody tr")].map((r) => [...r.cells].map((c) => c.textContent).join(" "))`
	assert.Equal(t, []string{"vllm-agg 1 41 53.3 61.5 86.1 10", "vllm-agg 2 42 54.6 63 88.2 10", "vllm-disagg 1 47 61.1 70.5 98.7 10", "vllm-disagg 2 48 62.4 72 100.8 10"},
		asked[[]string](x, rows))
	x.click(".legend li:nth-child(1) button")
	assert.Len(t, asked[[]string](x, rows), 2, "of what is shown")
}

// TestCSV saves one as a reader does.
func TestCSV(t *testing.T) {
	p := sample(2, 2)
	p.Charts[2].Series[1].Name = `=1+1,"x"`
	x := opened(t, p, desk())
	folder := t.TempDir()
	_, err := chromedp.CallBrowser(x.ctx, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{Behavior: browser.SetDownloadBehaviorBehaviorAllow, DownloadPath: folder, BrowserContextID: chromedp.FromContext(x.ctx).BrowserContextID})
	require.NoError(t, err)
	x.said(`document.querySelector("#chart-3 .data").open = true`)
	x.do(chromedp.WaitReady(chromedp.CSS("#chart-3 .data button")))
	x.click("#chart-3 .data button")
	var data []byte
	require.Eventually(t, func() bool {
		data, err = os.ReadFile(filepath.Join(folder, "request_throughput_vs_concurrency.csv"))
		return err == nil && len(data) > 0
	}, limit/4, 20_000_000)
	want := "\ufeffBenchmark,Concurrency Level,Request Throughput (req/s),Interval from,Interval to,Samples\r\n"
	for i, name := range []string{"vllm-agg", `"'=1+1,""x"""`} {
		for _, point := range p.Charts[2].Series[i].Points {
			want += fmt.Sprintf("%s,%v,%v,%v,%v,%d\r\n", name, point.X, point.Y, point.Low, point.High, point.N)
		}
	}
	assert.Equal(t, want, string(data), "with all digits")
	bars := asked[string](x, `csvOf(dataOf(drawings.at(-1), (i) => i === 1))`)
	assert.Equal(t, "Benchmark,Concurrency Level,ok,rejected,cut,Sum,Samples\r\nvllm-disagg,1,3,1,0,4,3\r\nvllm-disagg,2,6,1,0,7,6\r\n", bars)
	dots := asked[string](x, `csvOf(dataOf(drawings[3], (i) => i === 0)).split("\r\n").slice(0, 2).join("|")`)
	assert.True(t, strings.HasPrefix(dots, "Benchmark,Point,Tokens/sec per User,Tokens/sec per GPU,Samples|vllm-agg,1,146.3"), dots)
}
