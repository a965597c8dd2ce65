// Package page writes the HTML report: one file that opens without a network.
//
// It knows nothing of recordings: a [Page] holds texts, tables of finished
// strings and the series of package chart, and [Page.Write] lays them out. The
// charts are interactive, drawn by Apache ECharts, which is embedded with its
// licence. Colours, markers and the ticks at the load levels are those of the
// pictures; the linear axes are ECharts' own, since they follow the legend.
//
// The option tree of a chart comes from go-echarts, the page does not: that
// library writes names into a script element unescaped, so that a benchmark
// called "</script>" ends the script, and it loads ECharts from a server. Here
// the options pass through html/template as a value, which encodes them for the
// place they stand in, a block of JSON, and what the script shows from them it
// sets as text, never as markup. A Content-Security-Policy in the head forbids
// any load, and any script but the two that it has the hashes of.
//
// The page has one state: which series are shown, which level, which axes are
// logarithmic. The script keeps it, and draws a chart from it when the reader
// comes near; printing draws all. What a reader does without the script, or
// without eyes, stands in the tables.
//
// There are no time stamps and no random ids: the same page gives the same
// bytes.
//
// Files: page.tmpl, page.css and script/*.js, in the order of their names, are
// the page; table.go and view.go prepare what the template shows; option.go
// makes the options of one chart; echarts.* are the library and its licences.
// What a browser makes of it is tested in the module browsertest.
package page

import (
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"strings"

	"github.com/llmsweep/llmsweep/reporting/chart"
)

// Fact is a name with a value: "Model", "Qwen/Qwen3-0.6B".
type Fact struct{ Name, Value string }

// Long reports whether the value would make a high column of its place.
func (f Fact) Long() bool { return len(f.Value) > 100 }

// Badge is a verdict at the head of the page: "VALID", "all 7 levels".
type Badge struct {
	State  State
	Text   string // one or two words, which say it without the colour
	Detail string // may be empty
}

// Page is the content of a report, in the order of its fields. Empty parts are
// left out. All texts are plain text.
type Page struct {
	Title       string
	Subtitle    string
	Badges      []Badge
	Facts       []Fact   // what was measured: target, model, lengths, seed, host
	Warnings    []string // what the reader must know before believing a number
	Headline    []Table  // the figures that are looked at first
	Charts      []chart.Chart
	Levels      []string // an order of the charts' choices; those that are not among them come behind, in the order of the charts
	Tables      []Table  // all others
	Definitions []Fact   // terms used above, with their meaning
	Commands    []Fact   // how each benchmark is run again
}

// Validate reports all reasons why p cannot be written: a chart that cannot be
// drawn, or a table row that does not fit the columns.
func (p Page) Validate() error {
	var problems []error
	for _, c := range p.Charts {
		problems = append(problems, c.Validate())
	}
	for _, tables := range [][]Table{p.Headline, p.Tables} {
		for _, t := range tables {
			problems = append(problems, t.validate())
		}
	}
	return errors.Join(problems...)
}

// Write writes p as one HTML document of about 1.3 MB, most of it ECharts, and
// the data. It returns the problems of [Page.Validate], in which case nothing is
// written, or the error of w.
func (p Page) Write(w io.Writer) error {
	if err := p.Validate(); err != nil {
		return err
	}
	document, err := template.New("page").Funcs(template.FuncMap{"halves": halves}).Parse(pageTemplate)
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

//go:embed script/*.js
var pageScripts embed.FS

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

// script is the script of the page: its files one after the other, which share their names.
func script() (string, error) {
	var b strings.Builder
	b.WriteString("\"use strict\";\n")
	names, err := fs.Glob(pageScripts, "script/*.js") // sorted
	for _, name := range names {
		text, readErr := pageScripts.ReadFile(name)
		err = errors.Join(err, readErr)
		b.Write(text)
	}
	return b.String(), err
}
