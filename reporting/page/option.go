package page

import (
	"encoding/json"
	"fmt"

	"github.com/go-echarts/go-echarts/v2/charts"
	"github.com/go-echarts/go-echarts/v2/opts"

	"github.com/llmsweep/llmsweep/reporting/chart"
)

// optionOf returns the ECharts option of c: axes, series and their looks. Title
// and legend are HTML around the chart, where long names wrap and nothing
// collides; the legend component is kept, hidden, because it holds which series
// are shown. Text colours, which depend on the reader's colour scheme, the
// tooltip, and the places of the labels come from page.js.
//
// Series are named by their index: ECharts ties series of one name together,
// and gives some names, such as the empty one, a meaning.
func optionOf(c chart.Chart) (map[string]any, error) {
	option := scatterOption
	if c.Kind == chart.Lines {
		option = lineOption
	}
	encoded, err := json.Marshal(option(c))
	if err != nil {
		return nil, fmt.Errorf("encoding the chart options: %w", err)
	}
	var tree map[string]any
	if err := json.Unmarshal(encoded, &tree); err != nil {
		return nil, fmt.Errorf("decoding the chart options: %w", err)
	}
	setTicks(tree, c)
	setHollow(tree, c)
	setBars(tree, c)
	return tree, nil
}

func lineOption(c chart.Chart) map[string]any {
	line := charts.NewLine()
	line.SetGlobalOptions(common(c)...)
	series, _ := c.Drawable()
	for i, s := range series {
		data := make([]opts.LineData, len(s.Points))
		for k, p := range s.Points {
			data[k].Value = [2]float64{p.X, p.Y}
		}
		line.AddSeries(seriesName(i), data,
			charts.WithLineChartOpts(opts.LineChart{
				Symbol: symbol(i), SymbolSize: 10, SymbolKeepAspect: opts.Bool(true), ShowSymbol: opts.Bool(true),
			}),
			charts.WithItemStyleOpts(opts.ItemStyle{Color: chart.Color(i), BorderWidth: 1}),
			charts.WithLineStyleOpts(opts.LineStyle{Color: chart.Color(i), Width: 2}),
			charts.WithEmphasisOpts(opts.Emphasis{Focus: "series"}),
		)
	}
	line.Validate()
	return line.JSON()
}

// scatterOption draws the dots, and below them, under the same name, the faint
// lines that guide from level to level.
func scatterOption(c chart.Chart) map[string]any {
	scatter, guide := charts.NewScatter(), charts.NewLine()
	scatter.SetGlobalOptions(common(c)...)
	series, _ := c.Drawable()
	for i, s := range series {
		dots, path := make([]opts.ScatterData, len(s.Points)), make([]opts.LineData, len(s.Points))
		for k, p := range s.Points {
			dots[k] = opts.ScatterData{Name: p.Label, Value: [2]float64{p.X, p.Y}}
			path[k].Value = dots[k].Value
		}
		scatter.AddSeries(seriesName(i), dots,
			charts.WithScatterChartOpts(opts.ScatterChart{
				Symbol: symbol(i), SymbolSize: 14, SymbolKeepAspect: opts.Bool(true),
			}),
			charts.WithItemStyleOpts(opts.ItemStyle{Color: chart.Color(i), BorderWidth: 1, Opacity: opts.Float(0.85)}),
			charts.WithLabelOpts(opts.Label{Show: opts.Bool(true), FontWeight: "bold", Formatter: "{b}"}),
			charts.WithEmphasisOpts(opts.Emphasis{Focus: "series"}),
		)
		guide.AddSeries(seriesName(i), path,
			charts.WithLineChartOpts(opts.LineChart{ShowSymbol: opts.Bool(false)}),
			charts.WithLineStyleOpts(opts.LineStyle{Color: chart.Color(i), Width: 1.5, Opacity: opts.Float(0.35)}),
		)
	}
	scatter.Overlap(guide)
	scatter.Validate()
	return scatter.JSON()
}

func seriesName(i int) string { return fmt.Sprintf("series-%d", i) }

// symbol is the marker of series i in ECharts' notation.
func symbol(i int) string { return "path://" + chart.SymbolPath(i) }

func common(c chart.Chart) []charts.GlobalOpts {
	x := opts.XAxis{Type: "value", Name: c.XLabel, NameLocation: "middle", NameGap: 30}
	if axis := c.XAxis(); c.Kind == chart.Lines {
		x.Type, x.Min, x.Max = "log", axis.Min, axis.Max
	}
	return []charts.GlobalOpts{
		charts.WithAnimation(false),
		charts.WithLegendOpts(opts.Legend{Show: opts.Bool(false)}),
		charts.WithGridOpts(opts.Grid{Left: "12", Right: "24", Top: "16", Bottom: "12"}),
		charts.WithXAxisOpts(x),
		charts.WithYAxisOpts(opts.YAxis{Type: "value", Name: c.YLabel, NameLocation: "middle", NameGap: 48}),
	}
}

// setTicks puts the ticks of a logarithmic axis at the x values of the data.
// go-echarts has no field for it.
func setTicks(tree map[string]any, c chart.Chart) {
	if c.Kind != chart.Lines {
		return
	}
	ticks := c.XAxis().Ticks
	for _, axis := range tree["xAxis"].([]any) {
		x := axis.(map[string]any)
		x["axisTick"] = map[string]any{"customValues": ticks}
		x["axisLabel"] = map[string]any{"customValues": ticks, "hideOverlap": true}
		x["splitLine"] = map[string]any{"show": true}
	}
}

// setHollow empties the markers of points in doubt. go-echarts has no field for it.
func setHollow(tree map[string]any, c chart.Chart) {
	drawn, _ := c.Drawable()
	all := tree["series"].([]any) // in the order of drawn; the guides of a scatter come behind
	for i, s := range drawn {
		data, _ := all[i].(map[string]any)["data"].([]any)
		for k, p := range s.Points {
			if p.Hollow {
				data[k].(map[string]any)["itemStyle"] = map[string]any{"color": "transparent", "borderColor": chart.Color(i), "borderWidth": 2}
			}
		}
	}
}

// setBars adds, under the name of its series, the bars through points: [x, low, high] each, which page.js draws. go-echarts has no field for the
// encoding.
func setBars(tree map[string]any, c chart.Chart) {
	drawn, _ := c.Drawable()
	all := tree["series"].([]any)
	for i, s := range drawn {
		var bars [][3]float64
		for _, p := range s.Points {
			if p.HasBar() {
				bars = append(bars, [3]float64{p.X, p.Low, p.High})
			}
		}
		if len(bars) > 0 {
			all = append(all, map[string]any{
				"type": "custom", "name": seriesName(i), "data": bars, "encode": map[string]any{"x": 0, "y": []int{1, 2}},
				"itemStyle": map[string]any{"color": chart.Color(i)}, "silent": true,
			})
		}
	}
	tree["series"] = all
}
