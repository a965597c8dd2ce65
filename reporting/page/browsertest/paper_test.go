package browsertest

import (
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/stretchr/testify/assert"

	"github.com/llmsweep/llmsweep/reporting/page"
)

// TestPaperCanOpenNothing: what a pointer would show on a screen is there on paper, and what nobody can open is not.
func TestPaperCanOpenNothing(t *testing.T) {
	p := sample(12, 2)
	for range 7 { // so many that they stand closed
		p.Tables = append(p.Tables, page.Table{Title: "Closed", Columns: []page.Column{{Name: "Level"}}, Rows: page.TextRows([][]string{{"1"}})})
	}
	x := opened(t, p, desk())
	const cut = `[...document.querySelectorAll(".legend .begin")].filter((name) => name.scrollWidth > name.clientWidth + 1).length`
	const tables = `document.querySelector("#tables").offsetHeight > 0`
	assert.Positive(t, asked[int](x, cut), "a screen has less room")
	assert.True(t, asked[bool](x, tables))
	called(x, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"})
	assert.Zero(t, asked[int](x, cut))
	assert.False(t, asked[bool](x, tables))
	assert.Equal(t, "contents", asked[string](x, `getComputedStyle(document.querySelector("thead button")).display`), "browsers repeat the heads of tables on each page, but no buttons in them")
}
