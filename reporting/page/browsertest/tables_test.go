package browsertest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"

	"github.com/llmsweep/llmsweep/reporting/page"
)

func TestTablesAreSorted(t *testing.T) {
	x := opened(t, page.Page{Title: "t", Tables: []page.Table{{Title: "T", Columns: []page.Column{{Name: "Level"}, {Name: "Name", Text: true}, {Name: "TTFT", Unit: "ms"}, {Name: "p99", Text: true}}, Rows: [][]page.Cell{
		{{Text: "c10"}, {Text: "beta 10"}, {Text: "1,234", Detail: "[1, 2]"}, {Text: "60.3 [1, 2]"}},
		{{Text: "2~"}, {Text: "Beta 9"}, {Text: "n/a"}, {Text: "n/a (needs 299)"}},
		{{Text: "10"}, {Text: ""}, {Text: "0.5", Mark: page.Best}, {Text: "60.25 [1, 2]"}},
		{{Text: "1"}, {Text: "alpha"}, {Text: "-3"}, {Text: "7"}},
		{{Text: "100!"}, {Text: "zeta"}, {Text: "1e3"}, {Text: "100 [1, 2]"}},
	}}}}, desk())
	column := func(k string) []string {
		return asked[[]string](x, `[...document.querySelectorAll("tbody tr")].map((r) => textIn(r.cells[`+k+`]))`)
	}
	sorted := func() []string {
		return asked[[]string](x, `[...document.querySelectorAll("thead th")].map((h) => h.getAttribute("aria-sort") || "")`)
	}
	x.click("thead th:nth-child(3) button")
	assert.Equal(t, []string{"-3", "0.5", "1e3", "1,234", "n/a"}, column("2"))
	assert.Equal(t, []string{"", "", "ascending", ""}, sorted())
	x.click("thead th:nth-child(3) button")
	assert.Equal(t, []string{"1,234", "1e3", "0.5", "-3", "n/a"}, column("2"), "what is no number stays last")
	assert.Equal(t, []string{"", "", "descending", ""}, sorted())
	x.said(`document.querySelector("thead th:nth-child(1) button").focus()`)
	x.press(kb.Enter)
	assert.Equal(t, []string{"1", "2~", "10", "100!", "c10"}, column("0"), "by a key")
	x.press(kb.Tab)
	x.press(" ")
	assert.Equal(t, []string{"alpha", "Beta 9", "beta 10", "zeta", ""}, column("1"), "texts as people would")
	x.click("thead th:nth-child(4) button")
	assert.Equal(t, []string{"7", "60.25 [1, 2]", "60.3 [1, 2]", "100 [1, 2]", "n/a (needs 299)"}, column("3"), "estimates by their value")
}

// TestWhatTheColourSays is there for those who do not see it, and everything can be reached.
func TestWhatIsSaid(t *testing.T) {
	x := opened(t, sample(2, 7), desk())
	assert.Regexp(t, `^41\.0 best of the column\[`, asked[string](x, `document.querySelector(".best").textContent`))
	assert.Empty(t, asked[[]string](x, `[...document.querySelectorAll("button, a, input, summary, [tabindex]")].filter((n) => !(n.innerText || n.getAttribute("aria-label") || n.closest("label")?.innerText || "").trim() && n.offsetParent).map((n) => n.outerHTML)`), "each control has a name")
	assert.Empty(t, asked[[]string](x, `[...document.querySelectorAll("figure")].filter((f) => !document.getElementById(f.getAttribute("aria-labelledby"))?.textContent || !f.querySelector("details")).map((f) => f.id)`), "each figure has a name and its data")
	assert.Empty(t, asked[[]string](x, `[...document.querySelectorAll("*")].filter((n) => [...n.attributes].some((a) => a.name.startsWith("on"))).map((n) => n.outerHTML)`), "no handler in an attribute")
	x.press(kb.Tab)
	assert.Equal(t, "Skip to the figures", asked[string](x, "document.activeElement.textContent"))
}

// TestWideTablesStandOnADesk: the results of an open loop with objectives, which have the most columns, stand in the width of a desk's screen, whatever
// their figures are; on a phone intervals are in one line, and the table is scrolled.
func TestWideTablesStandOnADesk(t *testing.T) {
	figure := func(v float64) page.Cell {
		return page.Cell{Text: fmt.Sprintf("%.0f", v), Detail: fmt.Sprintf("[%.0f, %.0f]", 0.9*v, 1.1*v), Mark: page.Best}
	}
	wide := func(name string, v float64) page.Page {
		p := sample(1, 1)
		results := page.Table{Title: "Results", Columns: []page.Column{
			{Name: "Benchmark", Text: true}, {Name: "Request rate", Unit: "1/s"}, {Name: "Verdict", Text: true}, {Name: "In flight", Unit: "mean"},
			{Name: "OK / failed / cancelled by plan", Unit: "requests"}, {Name: "Attained", Unit: "%"}, {Name: "Goodput", Unit: "1/s"}, {Name: "TTFT avg", Unit: "ms from schedule"},
			{Name: "TTFT p50", Unit: "ms from schedule"}, {Name: "TTFT p99", Unit: "ms from schedule"}, {Name: "ITL avg", Unit: "ms"}, {Name: "ITL p99", Unit: "ms"},
			{Name: "Latency avg", Unit: "s from schedule"}, {Name: "Output", Unit: "tokens/s"}, {Name: "Requests", Unit: "1/s"}, {Name: "TTFT avg", Unit: "ms from sending"}, {Name: "TTFT p99", Unit: "ms from sending"},
		}}
		results.Rows = [][]page.Cell{{
			{Text: name, Series: 1}, {Text: "12.5"}, {Badges: []page.Badge{{State: page.Good, Text: "VALID"}, {State: page.Bad, Text: "OVERLOADED"}}}, {Text: "385.2"}, {Text: "1197/0/3"},
			{Text: "95.40"}, {Text: "7.45"}, figure(v), figure(v), figure(v), figure(10), figure(10), figure(10), {Text: "12345", Mark: page.Best}, {Text: "10.3", Mark: page.Best}, figure(v), figure(v),
		}}
		p.Headline = []page.Table{results}
		return p
	}
	const (
		inside = "document.querySelector('.headline .scroll').scrollWidth - document.querySelector('.headline .scroll').clientWidth"
		lines  = "Math.max(...[...document.querySelectorAll('.headline td > .detail')].map(e => e.getBoundingClientRect().height))"
	)
	short := opened(t, wide("short", 12), desk())
	assert.LessOrEqual(t, asked[int](short, inside), 0)
	assert.Less(t, asked[float64](short, lines), 20.0, "there is room for intervals in one line")
	long := opened(t, wide(strings.Repeat("long-name-", 6), 40_000), desk())
	assert.LessOrEqual(t, asked[int](long, inside), 0)
	phone := opened(t, wide("short", 40_000), size{width: 390, height: 844})
	assert.Positive(t, asked[int](phone, inside))
	assert.Less(t, asked[float64](phone, lines), 20.0)
}
