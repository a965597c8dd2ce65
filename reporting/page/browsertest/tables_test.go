package browsertest

import (
	"testing"

	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"

	"github.com/llmsweep/llmsweep/reporting/page"
)

func TestTablesAreSorted(t *testing.T) {
	x := opened(t, page.Page{Title: "t", Tables: []page.Table{{Title: "T", Columns: []page.Column{{Name: "Level"}, {Name: "Name", Text: true}, {Name: "TTFT", Unit: "ms"}}, Rows: [][]page.Cell{
		{{Text: "c10"}, {Text: "beta 10"}, {Text: "1,234", Detail: "[1, 2]"}},
		{{Text: "2~"}, {Text: "Beta 9"}, {Text: "n/a"}},
		{{Text: "10"}, {Text: ""}, {Text: "0.5", Mark: page.Best}},
		{{Text: "1"}, {Text: "alpha"}, {Text: "-3"}},
		{{Text: "100!"}, {Text: "zeta"}, {Text: "1e3"}},
	}}}}, desk())
	column := func(k string) []string {
		return asked[[]string](x, `[...document.querySelectorAll("tbody tr")].map((r) => textIn(r.cells[`+k+`]))`)
	}
	sorted := func() []string {
		return asked[[]string](x, `[...document.querySelectorAll("thead th")].map((h) => h.getAttribute("aria-sort") || "")`)
	}
	x.click("thead th:nth-child(3) button")
	assert.Equal(t, []string{"-3", "0.5", "1e3", "1,234", "n/a"}, column("2"))
	assert.Equal(t, []string{"", "", "ascending"}, sorted())
	x.click("thead th:nth-child(3) button")
	assert.Equal(t, []string{"1,234", "1e3", "0.5", "-3", "n/a"}, column("2"), "what is no number stays last")
	assert.Equal(t, []string{"", "", "descending"}, sorted())
	x.said(`document.querySelector("thead th:nth-child(1) button").focus()`)
	x.press(kb.Enter)
	assert.Equal(t, []string{"1", "2~", "10", "100!", "c10"}, column("0"), "by a key")
	x.press(kb.Tab)
	x.press(" ")
	assert.Equal(t, []string{"alpha", "Beta 9", "beta 10", "zeta", ""}, column("1"), "texts as people would")
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
