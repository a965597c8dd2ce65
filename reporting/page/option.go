package page

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/go-echarts/go-echarts/v2/charts"
	"github.com/go-echarts/go-echarts/v2/opts"

	"github.com/llmsweep/llmsweep/reporting/chart"
)

// newDrawing returns what the script draws c from. The ECharts option in it has
// the axes and, for each series, its looks and its data; the script completes
// it by what depends on the reader: colours of the scheme, kinds of axes, which
// series are shown, and what is drawn from the same data beside them, such as
// intervals, bands and the front. Title and legend are HTML, where long names
// wrap and nothing collides.
//
// Series are named by their index: ECharts ties series of one name together,
// and gives some names, such as the empty one, a meaning.
func newDrawing(fig figure, c chart.Chart) (drawing, error) {
	d := drawing{
		ID: fig.ID, Kind: kindName(c.Kind), Title: c.Title, File: strings.TrimSuffix(c.File, ".png"), Choice: c.Choice, XLabel: c.XLabel, YLabel: c.YLabel,
		BandNames: c.BandNames, Categories: c.Categories, Front: c.Front,
	}
	for _, s := range c.Series {
		d.Names = append(d.Names, s.Name)
	}
	if c.Kind == chart.Lines {
		d.Ticks = c.XAxis().Ticks
	}
	for _, s := range c.Spans {
		if s.Series >= 0 && s.Series < len(c.Series) && s.From < s.To {
			d.Spans = append(d.Spans, span(s))
		}
	}
	tree, err := optionOf(c)
	d.Option = tree
	return d, err
}

func kindName(k chart.Kind) string {
	return []string{chart.Lines: "lines", chart.Scatter: "scatter", chart.Curves: "curves", chart.Dots: "dots", chart.Stacks: "stacks"}[k]
}

// optionOf returns the ECharts option of c. go-echarts knows the looks; it has
// no fields for what a point says beside its place.
func optionOf(c chart.Chart) (map[string]any, error) {
	looks := map[chart.Kind]func(chart.Chart) map[string]any{
		chart.Lines: lineOption, chart.Curves: lineOption, chart.Scatter: dotOption, chart.Dots: dotOption, chart.Stacks: barOption,
	}[c.Kind]
	encoded, err := json.Marshal(looks(c))
	if err != nil {
		return nil, fmt.Errorf("encoding the chart options: %w", err)
	}
	var tree map[string]any
	if err := json.Unmarshal(encoded, &tree); err != nil {
		return nil, fmt.Errorf("decoding the chart options: %w", err)
	}
	all, _ := tree["series"].([]any) // absent without any series
	drawn, _ := c.Drawable()
	if c.Kind == chart.Stacks {
		setParts(all, drawn)
		return tree, nil
	}
	for i, s := range drawn {
		look := all[i].(map[string]any)
		n := sharedCount(s.Points)
		if n > 0 {
			look["n"] = n
		}
		hollow := (c.Kind == chart.Curves || c.Kind == chart.Dots) && allHollow(s.Points)
		if hollow { // many points, which need not each say so
			look["hollow"] = true
		}
		data := make([]any, len(s.Points))
		for k, p := range s.Points {
			p.Hollow = p.Hollow && !hollow
			data[k] = item(p, n)
		}
		look["data"] = data
	}
	return tree, nil
}

// datum is a point that has more to say than its place.
type datum struct {
	Value  [2]float64 `json:"value"`
	Name   string     `json:"name,omitempty"`
	N      int        `json:"n,omitempty"`
	Bar    []float64  `json:"bar,omitempty"` // low, high
	Bands  []float64  `json:"bands,omitempty"`
	Hollow bool       `json:"hollow,omitempty"`
}

// item is a point as the script reads it; n is the count that all of its series have.
func item(p chart.Point, n int) any {
	d := datum{Value: [2]float64{p.X, p.Y}, Name: p.Label, N: p.N, Bands: p.Bands, Hollow: p.Hollow}
	if p.N == n {
		d.N = 0
	}
	if p.HasBar() {
		d.Bar = []float64{p.Low, p.High}
	}
	if d.Name == "" && d.N == 0 && d.Bar == nil && len(d.Bands) == 0 && !d.Hollow {
		return d.Value
	}
	return d
}

// sharedCount is the N that all points have, or 0.
func sharedCount(points []chart.Point) int {
	if len(points) == 0 || slices.ContainsFunc(points, func(p chart.Point) bool { return p.N != points[0].N }) {
		return 0
	}
	return points[0].N
}

func allHollow(points []chart.Point) bool {
	return len(points) > 0 && !slices.ContainsFunc(points, func(p chart.Point) bool { return !p.Hollow })
}

func lineOption(c chart.Chart) map[string]any {
	line := charts.NewLine()
	line.SetGlobalOptions(common(c)...)
	looks := opts.LineChart{SymbolSize: 9, SymbolKeepAspect: opts.Bool(true), ShowSymbol: opts.Bool(c.Kind == chart.Lines)}
	if c.Steps {
		looks.Step = "end"
	}
	for i := range c.Series {
		looks.Symbol = symbol(i)
		line.AddSeries(seriesName(i), nil,
			charts.WithLineChartOpts(looks),
			charts.WithItemStyleOpts(opts.ItemStyle{Color: chart.Color(i), BorderWidth: 1}),
			charts.WithLineStyleOpts(opts.LineStyle{Color: chart.Color(i), Width: 2}),
			charts.WithEmphasisOpts(opts.Emphasis{Focus: "series"}),
		)
	}
	line.Validate()
	return line.JSON()
}

func dotOption(c chart.Chart) map[string]any {
	scatter := charts.NewScatter()
	scatter.SetGlobalOptions(common(c)...)
	dotSize := 4
	if c.Few() {
		dotSize = 7
	}
	for i := range c.Series {
		looks := opts.ScatterChart{Symbol: symbol(i), SymbolSize: 13, SymbolKeepAspect: opts.Bool(true)}
		style := opts.ItemStyle{Color: chart.Color(i), BorderWidth: 1, Opacity: opts.Float(0.9)}
		if c.Kind == chart.Dots {
			looks = opts.ScatterChart{Symbol: "circle", SymbolSize: dotSize}
			style = opts.ItemStyle{Color: chart.Color(i), Opacity: opts.Float(0.55)}
		}
		scatter.AddSeries(seriesName(i), nil,
			charts.WithScatterChartOpts(looks), charts.WithItemStyleOpts(style), charts.WithEmphasisOpts(opts.Emphasis{Focus: "series"}),
		)
	}
	scatter.Validate()
	return scatter.JSON()
}

// barOption has a series for each part of each series, those of one stacked.
func barOption(c chart.Chart) map[string]any {
	bar := charts.NewBar()
	bar.SetGlobalOptions(common(c)...)
	series, _ := c.Drawable()
	for i := range series {
		for k := range chart.PartNames(series) {
			color := chart.Color(i)
			if k > 0 {
				color = chart.PartColor(k)
			}
			bar.AddSeries(seriesName(i), nil,
				charts.WithBarChartOpts(opts.BarChart{Stack: seriesName(i)}),
				charts.WithItemStyleOpts(opts.ItemStyle{Color: color}),
				charts.WithEmphasisOpts(opts.Emphasis{Focus: "series"}),
			)
		}
	}
	bar.Validate()
	return bar.JSON()
}

// setParts fills the series of barOption: [category, value] of each bar that has the part.
func setParts(all []any, drawn []chart.Series) {
	names := chart.PartNames(drawn)
	for i, s := range drawn {
		for k, name := range names {
			data := []any{}
			for _, p := range s.Points {
				for _, part := range p.Parts {
					if part.Name == name {
						data = append(data, item(chart.Point{X: p.X, Y: part.Value, N: p.N}, 0))
					}
				}
			}
			look := all[i*len(names)+k].(map[string]any)
			look["part"], look["data"] = name, data
		}
	}
}

func seriesName(i int) string { return fmt.Sprintf("series-%d", i) }

// symbol is the marker of series i in ECharts' notation.
func symbol(i int) string { return "path://" + chart.SymbolPath(i) }

func common(c chart.Chart) []charts.GlobalOpts {
	x := opts.XAxis{Type: "value", Name: c.XLabel, NameLocation: "middle", NameGap: 30}
	switch axis := c.XAxis(); c.Kind {
	case chart.Lines:
		x.Type, x.Min, x.Max = "log", axis.Min, axis.Max
	case chart.Stacks:
		x.Type = "category"
	default:
		if c.Until > 0 {
			x.Max = axis.Max
		}
	}
	return []charts.GlobalOpts{
		charts.WithAnimation(false),
		charts.WithLegendOpts(opts.Legend{Show: opts.Bool(false)}),
		charts.WithGridOpts(opts.Grid{Left: "12", Right: "24", Top: "20", Bottom: "12"}),
		charts.WithXAxisOpts(x),
		charts.WithYAxisOpts(opts.YAxis{Type: "value", Name: c.YLabel, NameLocation: "middle", NameGap: 48}),
	}
}
