package page

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html/template"
	"slices"
	"strings"

	"github.com/llmsweep/llmsweep/reporting/chart"
)

// view is what the template sees: the page, its charts prepared, and the
// embedded files.
type view struct {
	Page
	Groups  []group
	Legend  []entry
	Choices []string // levels that charts differ in
	Chosen  string
	Drawn   []drawing
	Sorted  bool // there is a table to sort
	Few     bool // further tables: all of them stand open
	trusted
}

// trusted are the embedded files, which alone are not escaped.
type trusted struct {
	Style           template.CSS
	Library, Script template.JS
	Hashes          string // of the two scripts, the only ones that the page may run
	Notice, License string
}

// group is the charts under one heading.
type group struct {
	ID, Name string
	Figures  []figure
}

// figure is the HTML around a chart.
type figure struct {
	ID     string
	Title  string
	Note   string
	File   string
	Help   string
	Choice string
	Hidden bool // another level is chosen
	Wide   bool // takes the whole row, and is higher
	Alone  bool // takes the whole row, since nothing stands beside it
	Empty  bool // no point to draw
	Parts  []part
}

// entry is a name in the legend.
type entry struct {
	Index int
	Name  string
	Empty bool // no chart has a point of it
	Marker
}

// part is a name in the legend of what bars are made of.
type part struct{ Name, Color string }

// drawing is what the script gets for a chart that has data.
type drawing struct {
	ID         string         `json:"id"`
	Kind       string         `json:"kind"`
	Title      string         `json:"title"`
	File       string         `json:"file"` // without its ending, for downloads
	Choice     string         `json:"choice,omitempty"`
	XLabel     string         `json:"xLabel"`
	YLabel     string         `json:"yLabel"`
	Names      []string       `json:"names"`
	Ticks      []float64      `json:"ticks,omitempty"` // of a logarithmic x axis: the levels
	BandNames  []string       `json:"bandNames,omitempty"`
	Categories []string       `json:"categories,omitempty"`
	Front      bool           `json:"front,omitempty"`
	Spans      []span         `json:"spans,omitempty"`
	Option     map[string]any `json:"option"`
}

// span is a marked part of the x axis.
type span struct {
	Series int     `json:"series"`
	From   float64 `json:"from"`
	To     float64 `json:"to"`
	Label  string  `json:"label"`
}

// mostOpen is how many further tables a reader may have to scroll past.
const mostOpen = 6

func newView(p Page) (view, error) {
	own, err := script()
	if err != nil {
		return view{}, fmt.Errorf("reading the page's script: %w", err)
	}
	v := view{Page: p, Sorted: len(p.Headline)+len(p.Tables) > 0, Few: len(p.Tables) <= mostOpen, trusted: trusted{
		Style: template.CSS(pageStyle), Library: template.JS(echartsScript), Script: template.JS(own), Hashes: hashOf(echartsScript) + " " + hashOf(own),
		Notice: echartsNotice, License: echartsLicense + "\n\nlicenses/LICENSE-d3:\n\n" + echartsLicenseD3,
	}}
	v.Choices = p.choices()
	if len(v.Choices) > 0 {
		v.Chosen = v.Choices[len(v.Choices)-1]
	}
	for i, c := range p.Charts {
		fig := newFigure(fmt.Sprintf("chart-%d", i+1), c)
		fig.Hidden = c.Choice != "" && c.Choice != v.Chosen
		v.place(fig, c)
		if fig.Empty {
			continue
		}
		d, err := newDrawing(fig, c)
		if err != nil {
			return view{}, fmt.Errorf("chart %q: %w", c.Title, err)
		}
		v.Drawn = append(v.Drawn, d)
	}
	for _, g := range v.Groups {
		for _, choice := range g.choices() {
			g.fill(choice)
		}
	}
	return v, nil
}

// choices are those that charts have, in the order of the levels: the first chart may lack one that a later chart has.
func (p Page) choices() []string {
	var choices []string
	for _, c := range p.Charts {
		if c.Choice != "" && !slices.Contains(choices, c.Choice) {
			choices = append(choices, c.Choice)
		}
	}
	slices.SortStableFunc(choices, func(a, b string) int { return cmp.Compare(p.rank(a), p.rank(b)) })
	return choices
}

func (p Page) rank(choice string) int {
	if i := slices.Index(p.Levels, choice); i >= 0 {
		return i
	}
	return len(p.Levels)
}

// hashOf names a script in a Content-Security-Policy.
func hashOf(script string) string {
	sum := sha256.Sum256([]byte(script))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// choices are the levels that figures of the group are of, or "" if none is of one.
func (g group) choices() []string {
	var all []string
	for _, fig := range g.Figures {
		if fig.Choice != "" && !slices.Contains(all, fig.Choice) {
			all = append(all, fig.Choice)
		}
	}
	if all == nil {
		return []string{""}
	}
	return all
}

// fill lets the figures that have nobody beside them, where a level is chosen, take their row alone.
func (g group) fill(choice string) {
	var left *figure // of a row that has a place at its right
	for i := range g.Figures {
		fig := &g.Figures[i]
		switch {
		case fig.Choice != "" && fig.Choice != choice:
		case fig.Wide && left != nil:
			left.Alone, left = true, nil
		case fig.Wide || fig.Alone:
		case left == nil:
			left = fig
		default:
			left = nil
		}
	}
	if left != nil {
		left.Alone = true
	}
}

// place puts a figure under its heading, and its series into the legend.
func (v *view) place(fig figure, c chart.Chart) {
	at := slices.IndexFunc(v.Groups, func(g group) bool { return g.Name == c.Group })
	if at < 0 {
		at = len(v.Groups)
		v.Groups = append(v.Groups, group{ID: fmt.Sprintf("group-%d", at+1), Name: c.Group})
	}
	v.Groups[at].Figures = append(v.Groups[at].Figures, fig)
	series, _ := c.Drawable()
	for i, s := range series {
		at := slices.IndexFunc(v.Legend, func(e entry) bool { return e.Index == i && e.Name == s.Name })
		if at < 0 {
			at = len(v.Legend)
			v.Legend = append(v.Legend, entry{Index: i, Name: s.Name, Empty: true, Marker: markerOf(i)})
		}
		v.Legend[at].Empty = v.Legend[at].Empty && len(s.Points) == 0
	}
}

// noteOf is the footnote, after what the eye needs to read the bands.
func noteOf(c chart.Chart) string {
	if c.Kind != chart.Lines {
		return c.Footnote()
	}
	return strings.TrimSpace(c.BandKey(true) + " " + c.Footnote())
}

func newFigure(id string, c chart.Chart) figure {
	series, _ := c.Drawable()
	fig := figure{
		ID: id, Title: c.Title, Note: noteOf(c), File: c.File, Help: c.Help, Choice: c.Choice, Wide: c.Kind == chart.Scatter,
		Empty: !slices.ContainsFunc(series, func(s chart.Series) bool { return len(s.Points) > 0 }),
	}
	for i, name := range chart.PartNames(series) {
		if i > 0 { // the first has the colours of the series
			fig.Parts = append(fig.Parts, part{Name: name, Color: chart.PartColor(i)})
		}
	}
	return fig
}
