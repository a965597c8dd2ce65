package page

import (
	"context"
	"fmt"
	"html"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/reporting/chart"
)

// rendered opens the document in a headless browser, without any name
// resolution, and returns the resulting DOM. It skips where there is no
// browser, unless REQUIRE_BROWSER is 1.
func rendered(t *testing.T, document string) string {
	t.Helper()
	browser := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if path, err := exec.LookPath(name); err == nil && browser == "" {
			browser = path
		}
	}
	if browser == "" {
		if os.Getenv("REQUIRE_BROWSER") == "1" {
			t.Fatal("REQUIRE_BROWSER=1, but no chromium or chrome is in PATH")
		}
		t.Skip("no chromium or chrome in PATH: install one, or set REQUIRE_BROWSER=1 to make this a failure")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "report.html")
	require.NoError(t, os.WriteFile(file, []byte(document), 0o644))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	run := exec.CommandContext(ctx, browser, "--headless", "--no-sandbox", "--disable-gpu",
		"--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND", "--no-first-run",
		"--user-data-dir="+filepath.Join(dir, "profile"), "--window-size=1440,2600",
		"--virtual-time-budget=5000", "--dump-dom", "file://"+file)
	run.WaitDelay = 5 * time.Second // the browser leaves helpers that hold the pipe
	out, err := run.Output()
	require.NoError(t, err)
	return string(out)
}

// withScript appends a script that runs after the page's own.
func withScript(document, script string) string {
	end := strings.LastIndex(document, "</body>")
	return document[:end] + "<script>" + script + "</script>" + document[end:]
}

func TestBrowserDrawsEveryChart(t *testing.T) {
	dom := rendered(t, written(t, sample()))
	assert.Equal(t, 2, strings.Count(dom, `data-state="drawn"`))
	assert.NotContains(t, dom, `data-state="failed"`)
	_, first, _ := strings.Cut(dom, `id="chart-1"`)
	first, second, _ := strings.Cut(first, `id="chart-2"`)
	for _, label := range []string{">1<", ">10<", ">50<", ">250<", ">P50 Inter-Token Latency (ms)<", ">Concurrency Level<"} {
		assert.Contains(t, first, label)
	}
	for _, label := range []string{">c1<", ">c250<", ">Tokens/sec per GPU<"} {
		assert.Contains(t, second, label)
	}
	// Marks of the two series with data, in the chart and in the legend.
	assert.GreaterOrEqual(t, strings.Count(first, `fill="#1f77b4"`), 4)
	assert.GreaterOrEqual(t, strings.Count(first, `fill="#ff7f0e"`), 3)
}

const showTips = `
for (const d of drawings) {
  const chart = echarts.getInstanceByDom(document.querySelector("#" + d.id + " .plot"));
  chart.dispatchAction({ type: "showTip", seriesIndex: 0, dataIndex: 0 });
}`

func TestBrowserTooltipNamesValueAndUnit(t *testing.T) {
	dom := rendered(t, withScript(written(t, sample()), showTips))
	tips := strings.Split(dom, `<div class="tip">`)
	require.Len(t, tips, 3)
	assert.Contains(t, tips[1], "<b>Concurrency Level 1</b>")
	assert.Contains(t, tips[1], "vllm-agg</td><td>5.8 ms</td>")
	assert.Contains(t, tips[1], "vllm-disagg</td><td>6.5 ms</td>")
	assert.Contains(t, tips[2], "vllm-agg · c1</b>")
	assert.Contains(t, tips[2], "<td>Tokens/sec per User</td><td>170</td>")
	assert.Contains(t, tips[2], "<td>Tokens/sec per GPU</td><td>150</td>")
}

// TestBrowserDrawsBars: a bar through a point has three lines, says its ends in the tooltip, and goes when its series is hidden.
func TestBrowserDrawsBars(t *testing.T) {
	p := sample()
	first := &p.Charts[0].Series[0].Points[1]
	first.Low, first.High = 7.5, 9.125
	const bars = `document.querySelectorAll('#chart-1 .plot path[stroke="#1f77b4"][stroke-width="1.5"]').length`
	script := `
document.body.dataset.bars = ` + bars + `;
echarts.getInstanceByDom(document.querySelector("#chart-1 .plot")).dispatchAction({ type: "showTip", seriesIndex: 0, dataIndex: 1 });
const tip = document.querySelector("#chart-1 .tip").textContent;
document.querySelectorAll("#chart-1 button")[0].click();
document.body.dataset.tip = tip;`
	dom := rendered(t, withScript(written(t, p), script))
	assert.NotContains(t, dom, `data-state="failed"`)
	assert.Contains(t, dom, `data-bars="3"`)
	assert.Contains(t, dom, `vllm-agg8.25 ms [7.5, 9.125]`)
	_, shown, _ := strings.Cut(dom, `id="chart-1"`)
	shown, _, _ = strings.Cut(shown, `id="chart-2"`)
	assert.NotContains(t, shown, `stroke="#1f77b4" stroke-width="1.5"`)
}

func TestBrowserKeepsHostileNamesAsText(t *testing.T) {
	count := `document.body.dataset.images = document.images.length;`
	dom := rendered(t, withScript(written(t, hostilePage()), showTips+count))
	assert.Equal(t, 2, strings.Count(dom, `data-state="drawn"`))
	_, title, _ := strings.Cut(dom, "<title>")
	title, _, _ = strings.Cut(title, "</title>")
	assert.Equal(t, hostile, html.UnescapeString(title), "the name ran as a script")
	assert.Len(t, strings.Split(dom, `<div class="tip">`), 3)
	assert.Contains(t, dom, `data-images="0"`, "the name became an element")
}

func TestBrowserLegendHidesTheSeriesThatIsClicked(t *testing.T) {
	p := sample()
	p.Charts[1].Series = append(p.Charts[1].Series, chart.Series{
		Name: "other", Points: []chart.Point{{X: 90, Y: 1000, Label: "c33"}},
	})
	click := `document.querySelectorAll("#chart-2 button")[1].click();`
	dom := rendered(t, withScript(written(t, p), click))
	_, second, _ := strings.Cut(dom, `id="chart-2"`)
	assert.Equal(t, 1, strings.Count(second, `aria-pressed="false"`))
	assert.NotContains(t, second, ">c33<", "labels and dots of the hidden series are gone")
	assert.Contains(t, second, ">c250<", "the other series stays")
}

// countLabels counts the labels of the first chart that stand inside its plot,
// and how many pairs of them overlap by more than the air around the digits.
const countLabels = `
const plot = document.querySelector("#chart-1 .plot");
const frame = plot.getBoundingClientRect();
const boxes = [...plot.querySelectorAll("text")].filter((n) => /^c\d+$/.test(n.textContent))
  .map((n) => n.getBoundingClientRect()).filter((b) => b.left >= frame.left && b.top >= frame.top);
let pairs = 0;
for (const a of boxes) for (const b of boxes) {
  const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  if (a !== b && wide > 1 && high > 5) pairs++;
}
document.body.dataset.labels = boxes.length;
document.body.dataset.pairs = pairs;`

func TestBrowserSpreadsLabels(t *testing.T) {
	var series []chart.Series
	for i := range chart.MaxSeries {
		s := chart.Series{Name: fmt.Sprint("b", i)}
		for k, level := range []int{1, 2, 5, 10, 50, 100, 250} {
			y := 150 * math.Pow(1.7, float64(k)) * (1 - 0.03*float64(i))
			s.Points = append(s.Points, chart.Point{X: 170 - 20*float64(k) - 2*float64(i), Y: y, Label: fmt.Sprint("c", level)})
		}
		series = append(series, s)
	}
	dom := rendered(t, withScript(written(t, Page{Charts: []chart.Chart{{Kind: chart.Scatter, Series: series}}}), countLabels))
	assert.True(t, strings.Contains(dom, `data-pairs="0"`), "labels overlap")
	_, count, _ := strings.Cut(dom, `data-labels="`)
	count, _, _ = strings.Cut(count, `"`)
	labels, err := strconv.Atoi(count)
	require.NoError(t, err)
	assert.Greater(t, labels, 60, "most of the 84 labels find a place")
}
