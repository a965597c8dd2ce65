// Package page writes the HTML report: one file that opens without a network.
//
// It knows nothing of recordings: a [Page] holds texts, tables of finished
// strings and the series of package chart, and [Page.Write] lays them out. The
// charts are interactive, drawn by Apache ECharts, which is embedded with its
// licence. Colours, markers and the ticks at the load levels are those of the PNG
// pictures; the linear axes are ECharts' own, since they follow the legend.
//
// The option tree of a chart comes from go-echarts, the page does not: that
// library writes names into a script element unescaped, so that a benchmark
// called "</script>" ends the script, and it loads ECharts from a server. Here
// the options pass through html/template as a value, which encodes them for the
// place they stand in, and what the script shows from them it sets as text,
// never as markup. A Content-Security-Policy in the head forbids any load.
//
// There are no time stamps and no random ids: the same page gives the same
// bytes.
//
// Files: page.tmpl, page.css and page.js are the page; option.go makes the
// options of one chart; echarts.* are the library and its licences.
package page

import (
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"io"

	"github.com/llmsweep/llmsweep/reporting/chart"
)

// Fact is a name with a value: "Model", "Qwen/Qwen3-0.6B".
type Fact struct{ Name, Value string }

// Column is the head of a table column.
type Column struct {
	Name string
	Unit string // shown below the name; may be empty
	Text bool   // left aligned; numbers stand right
}

// Table is a table of strings that are already formatted.
type Table struct {
	Title   string
	Caption string // a sentence below the table; may be empty
	Columns []Column
	Rows    [][]string // each as long as Columns
}

// Page is the content of a report, in the order of its fields. Empty parts are
// left out. All texts are plain text.
type Page struct {
	Title       string
	Subtitle    string
	Facts       []Fact   // what was measured: target, model, lengths, seed, host
	Warnings    []string // what the reader must know before believing a number
	Tables      []Table
	Charts      []chart.Chart
	Definitions []Fact   // terms used above, with their meaning
	Notes       []string // paragraphs at the end
}

// Validate reports all reasons why p cannot be written: a chart that cannot be
// drawn, or a table row that does not fit the columns.
func (p Page) Validate() error {
	var problems []error
	for _, c := range p.Charts {
		problems = append(problems, c.Validate())
	}
	for _, t := range p.Tables {
		for i, row := range t.Rows {
			if len(row) != len(t.Columns) {
				problems = append(problems, fmt.Errorf("table %q, row %d: %d cells for %d columns: must be equal",
					t.Title, i+1, len(row), len(t.Columns)))
			}
		}
	}
	return errors.Join(problems...)
}

// Write writes p as one HTML document of about 1.2 MB, most of it ECharts. It
// returns the problems of [Page.Validate], in which case nothing is written, or
// the error of w.
func (p Page) Write(w io.Writer) error {
	if err := p.Validate(); err != nil {
		return err
	}
	document, err := template.New("page").Parse(pageTemplate)
	if err != nil {
		return fmt.Errorf("parsing the page template: %w", err)
	}
	v, err := newView(p)
	if err != nil {
		return err
	}
	if err := document.Execute(w, v); err != nil {
		return fmt.Errorf("writing page %q: %w", p.Title, err)
	}
	return nil
}

//go:embed page.tmpl
var pageTemplate string

//go:embed page.css
var pageStyle string

//go:embed page.js
var pageScript string

// ECharts 6.1.0 as published on npm: dist/echarts.min.js, LICENSE, NOTICE and
// licenses/LICENSE-d3, unchanged.
var (
	//go:embed echarts.min.js
	echartsScript string
	//go:embed echarts.LICENSE
	echartsLicense string
	//go:embed echarts.LICENSE-d3
	echartsLicenseD3 string
	//go:embed echarts.NOTICE
	echartsNotice string
)

// view is what the template sees: the page, its charts prepared, and the
// embedded files. Only the latter are typed as trusted.
type view struct {
	Page
	Figures []figure
	Drawn   []drawing

	Style           template.CSS
	Library, Script template.JS
	Notice, License string
}

// figure is the HTML around a chart.
type figure struct {
	ID      string
	Title   string
	Note    string
	File    string
	Wide    bool // takes the whole row
	Empty   bool // no point to draw
	Entries []entry
}

// entry is a name in the legend.
type entry struct {
	Index               int
	Name, Color, Symbol string
	Empty               bool
}

// drawing is what the script gets for a chart that has data.
type drawing struct {
	ID     string         `json:"id"`
	XLabel string         `json:"xLabel"`
	YLabel string         `json:"yLabel"`
	Lines  bool           `json:"lines"`
	Option map[string]any `json:"option"`
}

func newView(p Page) (view, error) {
	v := view{
		Page:    p,
		Style:   template.CSS(pageStyle),
		Library: template.JS(echartsScript),
		Script:  template.JS(pageScript),
		Notice:  echartsNotice,
		License: echartsLicense + "\n\nlicenses/LICENSE-d3:\n\n" + echartsLicenseD3,
	}
	for i, c := range p.Charts {
		fig := newFigure(fmt.Sprintf("chart-%d", i+1), c)
		v.Figures = append(v.Figures, fig)
		if fig.Empty {
			continue
		}
		option, err := optionOf(c)
		if err != nil {
			return view{}, fmt.Errorf("chart %q: %w", c.Title, err)
		}
		v.Drawn = append(v.Drawn, drawing{
			ID: fig.ID, XLabel: c.XLabel, YLabel: c.YLabel, Lines: c.Kind == chart.Lines, Option: option,
		})
	}
	return v, nil
}

func newFigure(id string, c chart.Chart) figure {
	fig := figure{ID: id, Title: c.Title, Note: c.Footnote(), File: c.File, Wide: c.Kind == chart.Scatter, Empty: true}
	series, _ := c.Drawable()
	for i, s := range series {
		empty := len(s.Points) == 0
		fig.Empty = fig.Empty && empty
		fig.Entries = append(fig.Entries, entry{
			Index: i, Name: s.Name, Color: chart.Color(i), Symbol: chart.SymbolPath(i), Empty: empty,
		})
	}
	return fig
}
