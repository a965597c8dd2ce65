package page

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"math"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/reporting/chart"
)

// hostile is what a name must not be able to do anything with: end a script or
// an attribute, start an entity, a template action or a line of JavaScript.
const hostile = `</script><script>document.title='owned'</script><img src=x onerror=document.title='owned'>` +
	"\"'`&lt;{{.Title}}${1}\u2028\u2029\x1b[31m\u202e"

func sample() Page {
	lines := chart.Chart{
		File: "p50_inter_token_latency_vs_concurrency.png", Title: "P50 Inter-Token Latency vs Concurrency",
		XLabel: "Concurrency Level", YLabel: "P50 Inter-Token Latency (ms)",
		Series: []chart.Series{
			{Name: "vllm-agg", Points: []chart.Point{{X: 1, Y: 5.8}, {X: 10, Y: 8.25}, {X: 250, Y: 27.125}}},
			{Name: "vllm-disagg", Points: []chart.Point{{X: 1, Y: 6.5}, {X: 50, Y: 1234.5}, {X: 0, Y: 3}}},
			{Name: "broken", Points: []chart.Point{{X: 1, Y: math.NaN()}}},
		},
	}
	dots := chart.Chart{
		Kind: chart.Scatter, File: "efficiency_tok_s_gpu_vs_user.png", Title: "GPU Efficiency vs User Experience",
		XLabel: "Tokens/sec per User", YLabel: "Tokens/sec per GPU", Note: "Note: Numbers on dots indicate concurrency level",
		Series: []chart.Series{
			{Name: "vllm-agg", Points: []chart.Point{{X: 170, Y: 150, Label: "c1"}, {X: 20, Y: 3800, Label: "c250"}}},
		},
	}
	return Page{
		Title: "Benchmark report", Subtitle: "seven levels",
		Facts:    []Fact{{"Model", "Qwen/Qwen3-0.6B"}, {"Seed", "42"}},
		Warnings: []string{"the client was busy"},
		Badges:   []Badge{{State: Good, Text: "VALID", Detail: "all 7 levels"}, {State: Doubt, Text: "client suspect"}},
		Headline: []Table{{
			Title: "Headline", Caption: "valid requests", Columns: []Column{{Name: "Benchmark", Text: true}, {Name: "TTFT", Unit: "ms"}},
			Rows: [][]Cell{
				{{Text: "vllm-agg", Series: 1}, {Text: "48.55", Detail: "[47.1, 49.9]", Mark: Best}},
				{{Text: "vllm-disagg", Series: 2}, {Text: "—"}},
			},
		}},
		Tables:      []Table{{Title: "More", Columns: []Column{{Name: "Level"}, {Name: "Verdict", Text: true}}, Rows: [][]Cell{{{Text: "1"}, {Badges: []Badge{{State: Bad, Text: "INVALID"}}}}}}},
		Charts:      []chart.Chart{lines, dots},
		Definitions: []Fact{{"ITL", "inter-token latency"}},
		Commands:    []Fact{{"vllm-agg", "go test ./bench -run Sweep"}},
	}
}

// hostilePage has the hostile text wherever a caller can put one.
func hostilePage() Page {
	p := sample()
	p.Title, p.Subtitle = hostile, hostile
	p.Facts, p.Definitions = []Fact{{hostile, hostile}}, []Fact{{hostile, hostile}}
	p.Warnings, p.Commands = []string{hostile}, []Fact{{hostile, hostile}}
	p.Tables = []Table{{Title: hostile, Caption: hostile, Columns: []Column{{Name: hostile, Unit: hostile}}, Rows: [][]Cell{{{Text: hostile, Detail: hostile, Badges: []Badge{{Text: hostile, State: hostile, Detail: hostile}}}}}}}
	p.Headline, p.Badges = p.Tables, p.Tables[0].Rows[0][0].Badges
	for i := range p.Charts {
		c := &p.Charts[i]
		c.Title, c.File, c.Note, c.XLabel, c.YLabel = hostile, hostile, hostile, hostile, hostile
		c.Group, c.Choice, c.Help = hostile, hostile, hostile
		for k := range c.Series {
			c.Series[k].Name = hostile
			for j := range c.Series[k].Points {
				c.Series[k].Points[j].Label = hostile
			}
		}
	}
	return p
}

func written(t *testing.T, p Page) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, p.Write(&b))
	return b.String()
}

// own is the page without the text of ECharts and its licences.
func own(t *testing.T, document string) string {
	t.Helper()
	require.Equal(t, 1, strings.Count(document, echartsScript))
	return strings.Replace(document, echartsScript, "", 1)
}

// drawingsOf reads the charts back out of the script.
func drawingsOf(t *testing.T, document string) []drawing {
	t.Helper()
	_, rest, found := strings.Cut(own(t, document), `id="drawings">`)
	require.True(t, found)
	var drawings []drawing
	require.NoError(t, json.NewDecoder(strings.NewReader(rest)).Decode(&drawings))
	return drawings
}

func TestPageHoldsAllTexts(t *testing.T) {
	document := own(t, written(t, sample()))
	for _, part := range []string{
		"<title>Benchmark report</title>", "<h1>Benchmark report</h1>", `<p class="subtitle">seven levels</p>`,
		"<dt>Model</dt><dd>Qwen/Qwen3-0.6B</dd>", "<summary>1 warning</summary>", "<li>the client was busy</li>",
		`<th scope="col" class="text">Benchmark</th>`, `<th scope="col">TTFT<span class="unit">ms</span></th>`,
		`vllm-agg</th><td class="best">48.55<span class="said"> best of the column</span><span class="detail">[47.1, 49.9]</span></td></tr>`, `<p class="caption">valid requests</p>`,
		`<li><span class="badge good">VALID</span> <span class="detail">all 7 levels</span></li>`, `<tr><th scope="row">1</th><td class="text"><span class="badge bad">INVALID</span></td></tr>`,
		"P50 Inter-Token Latency vs Concurrency</h4>", "GPU Efficiency vs User Experience</h4>",
		`<span class="name">vllm-disagg</span></button>`, `<span class="name">broken</span> <i>(no data)</i></button>`,
		"<figcaption>Note: Numbers on dots indicate concurrency level</figcaption>",
		"(2 points without a drawable value are left out.)",
		"<dt>ITL</dt><dd>inter-token latency</dd>", "<dt>vllm-agg</dt><dd><pre>go test ./bench -run Sweep</pre></dd>",
		"<noscript>", "p50_inter_token_latency_vs_concurrency.png",
		"Apache ECharts 6.1.0", "The Apache Software Foundation (https://www.apache.org/)", "Copyright 2010-2016 Mike Bostock",
	} {
		assert.Contains(t, document, part)
	}
}

func TestPageLoadsNothing(t *testing.T) {
	document := written(t, sample())
	lower := strings.ToLower(document)
	for _, load := range []string{`src="http`, `src='http`, `href="http`, `href='http`, `src="//`, "//cdn", "@import", "<link"} {
		assert.NotContains(t, lower, load)
	}
	assert.Contains(t, document, "default-src 'none'")
	assert.Contains(t, echartsScript, "Licensed to the Apache Software Foundation (ASF)", "the licence header is kept")
	assert.NotContains(t, strings.ToLower(echartsScript), "</script", "the library would end its own script element")
	assert.NotContains(t, echartsScript, "<!--")
}

func TestSamePageGivesSameBytes(t *testing.T) {
	want := written(t, sample())
	assert.Less(t, len(want), 1_500_000, "3 MB are allowed beside the data")
	for range 3 {
		assert.True(t, want == written(t, sample()), "the bytes differ")
	}
}

func TestHostileTextStaysText(t *testing.T) {
	document := own(t, written(t, hostilePage()))
	assert.NotContains(t, document, "<script>document")
	assert.NotContains(t, document, "<img")
	assert.NotContains(t, document, "onerror=document.title='owned'>", "an attribute or a tag was left open")

	tags := regexp.MustCompile(`</?script`).FindAllString(document, -1)
	assert.Equal(t, []string{"<script", "</script", "<script", "</script", "<script", "</script"}, tags, "only our own two scripts, and the data")

	_, script, _ := strings.Cut(document, `id="drawings">`)
	data, _, _ := strings.Cut(script, "</script>")
	for _, raw := range []string{"<", ">", "&", "\u2028", "\u2029"} {
		assert.NotContains(t, data, raw, "unescaped in the script")
	}
	for _, d := range drawingsOf(t, written(t, hostilePage())) {
		assert.Equal(t, hostile, d.YLabel, "the text itself is kept")
	}
	_, title, _ := strings.Cut(document, "<title>")
	title, _, _ = strings.Cut(title, "</title>")
	assert.Equal(t, hostile, html.UnescapeString(title))
}

// at walks down a decoded JSON tree: keys for objects, numbers for arrays.
func at(t *testing.T, tree any, path ...any) any {
	t.Helper()
	for _, step := range path {
		switch key := step.(type) {
		case string:
			tree = tree.(map[string]any)[key]
		case int:
			tree = tree.([]any)[key]
		}
	}
	return tree
}

func TestEveryChartHasItsData(t *testing.T) {
	p := sample()
	drawings := drawingsOf(t, written(t, p))
	require.Len(t, drawings, len(p.Charts))
	for i, c := range p.Charts {
		d := drawings[i]
		assert.Equal(t, c.XLabel, at(t, d.Option, "xAxis", 0, "name"))
		assert.Equal(t, c.YLabel, at(t, d.Option, "yAxis", 0, "name"))
		assert.Equal(t, map[chart.Kind]string{chart.Lines: "lines", chart.Scatter: "scatter"}[c.Kind], d.Kind)
		series, _ := c.Drawable()
		for k, s := range series {
			assert.Equal(t, chart.Color(k), at(t, d.Option, "series", k, "itemStyle", "color"))
			assert.Equal(t, "path://"+chart.SymbolPath(k), at(t, d.Option, "series", k, "symbol"))
			assert.Equal(t, true, at(t, d.Option, "series", k, "symbolKeepAspect"))
			for j, point := range s.Points {
				want := any([]any{point.X, point.Y})
				if c.Kind == chart.Scatter {
					want = map[string]any{"value": want, "name": point.Label}
				}
				assert.Equal(t, want, at(t, d.Option, "series", k, "data", j))
			}
		}
	}
}

func TestAxesAreThoseOfThePictures(t *testing.T) {
	drawings := drawingsOf(t, written(t, sample()))
	x := at(t, drawings[0].Option, "xAxis", 0)
	axis := sample().Charts[0].XAxis()
	assert.Equal(t, "log", at(t, x, "type"))
	assert.Equal(t, axis.Min, at(t, x, "min"))
	assert.Equal(t, axis.Max, at(t, x, "max"))
	assert.Equal(t, []float64{1, 10, 50, 250}, drawings[0].Ticks)
	assert.Equal(t, "value", at(t, drawings[1].Option, "xAxis", 0, "type"))
	assert.Empty(t, drawings[1].Ticks)
}

// TestPointsSayWhatTheyCan: what the script reads of a point is in the data once, and nothing is where there is nothing.
func TestPointsSayWhatTheyCan(t *testing.T) {
	full := chart.Chart{
		Kind: chart.Lines, BandNames: []string{"p50", "p99"}, Series: []chart.Series{
			{Name: "a", Points: []chart.Point{{X: 1, Y: 2, N: 30, Low: 1, High: 3, Bands: []float64{4}, Hollow: true}, {X: 2, Y: 3, N: 31}}},
			{Name: "b", Points: []chart.Point{{X: 1, Y: 2, N: 9}, {X: 2, Y: 3, N: 9, Low: 2, High: math.Inf(1)}}},
		},
	}
	steps := chart.Chart{Kind: chart.Curves, Steps: true, Choice: "c1", Spans: []chart.Span{{Series: 0, From: 1, To: 2, Label: "window"}, {Series: 7, From: 1, To: 2}}, Series: full.Series[1:]}
	doubtful := chart.Chart{Kind: chart.Curves, Series: []chart.Series{
		{Name: "a", Points: []chart.Point{{X: 1, Y: 2, N: 9, Hollow: true}, {X: 2, Y: 3, N: 9, Hollow: true}}},
		{Name: "b", Points: []chart.Point{{X: 1, Y: 2, N: 9, Hollow: true}, {X: 2, Y: 3, N: 9}}},
	}}
	stacks := chart.Chart{Kind: chart.Stacks, Categories: []string{"1", "2"}, Series: []chart.Series{
		{Name: "a", Points: []chart.Point{{X: 0, Y: 5, N: 5, Parts: []chart.Part{{Name: "ok", Value: 3}, {Name: "cut", Value: 2}}}}},
		{Name: "b", Points: []chart.Point{{X: 1, Y: 4, Parts: []chart.Part{{Name: "ok", Value: 4}}}}},
	}}
	drawings := drawingsOf(t, written(t, Page{Charts: []chart.Chart{full, steps, stacks, doubtful}}))
	encoded := func(tree any) string {
		text, err := json.Marshal(tree)
		require.NoError(t, err)
		return string(text)
	}
	assert.JSONEq(t, `[{"value":[1,2],"n":30,"bar":[1,3],"bands":[4],"hollow":true},{"value":[2,3],"n":31}]`, encoded(at(t, drawings[0].Option, "series", 0, "data")))
	assert.JSONEq(t, `[[1,2],[2,3]]`, encoded(at(t, drawings[0].Option, "series", 1, "data")))
	assert.Equal(t, 9., at(t, drawings[0].Option, "series", 1, "n"), "said once where it is the same")
	assert.Equal(t, []string{"p50", "p99"}, drawings[0].BandNames)
	assert.Equal(t, "end", at(t, drawings[1].Option, "series", 0, "step"))
	assert.Equal(t, []span{{Series: 0, From: 1, To: 2, Label: "window"}}, drawings[1].Spans)
	assert.Equal(t, "c1", drawings[1].Choice)
	assert.JSONEq(t, `[[1,2],[2,3]]`, encoded(at(t, drawings[3].Option, "series", 0, "data")))
	assert.Equal(t, true, at(t, drawings[3].Option, "series", 0, "hollow"), "said once where all are in doubt")
	assert.JSONEq(t, `[{"value":[1,2],"hollow":true},[2,3]]`, encoded(at(t, drawings[3].Option, "series", 1, "data")))
	var parts []any
	for _, s := range at(t, drawings[2].Option, "series").([]any) {
		parts = append(parts, at(t, s, "name"), at(t, s, "stack"), at(t, s, "part"), encoded(at(t, s, "data")), at(t, s, "itemStyle", "color"))
	}
	assert.Equal(t, []any{
		"series-0", "series-0", "ok", `[{"n":5,"value":[0,3]}]`, chart.Color(0), "series-0", "series-0", "cut", `[{"n":5,"value":[0,2]}]`, chart.PartColor(1),
		"series-1", "series-1", "ok", `[[1,4]]`, chart.Color(1), "series-1", "series-1", "cut", `[]`, chart.PartColor(1),
	}, parts)
}

// TestFiguresHaveTheirPlace: groups in the order in which they first come, one legend, one choice, and no row with a hole.
func TestFiguresHaveTheirPlace(t *testing.T) {
	of := func(group, choice string, kind chart.Kind, names ...string) chart.Chart {
		c := chart.Chart{Group: group, Choice: choice, Kind: kind}
		for _, name := range names {
			c.Series = append(c.Series, chart.Series{Name: name, Points: []chart.Point{{X: 1, Y: 1}}})
		}
		return c
	}
	v, err := newView(Page{Levels: []string{"c1", "c2", "c4", "c9"}, Charts: []chart.Chart{
		of("one", "", chart.Lines, "a", "b"), of("one", "", chart.Scatter, "a", "b"), of("two", "c1", chart.Curves, "a"), of("two", "c9", chart.Curves, "a"),
		of("one", "", chart.Lines, "a", "c"), of("one", "", chart.Lines, "a"), of("two", "c9", chart.Curves, "a"),
		of("three", "", chart.Lines, "a"), of("three", "c9", chart.Curves, "a"), of("three", "c9", chart.Curves, "a"), of("two", "c4", chart.Curves, "a"),
	}})
	require.NoError(t, err)
	assert.Equal(t, []string{"c1", "c4", "c9"}, v.Choices, "though only the last chart has c4")
	assert.Equal(t, "c9", v.Chosen)
	var legend []string
	for _, e := range v.Legend {
		legend = append(legend, e.Name+" "+e.Color)
	}
	assert.Equal(t, []string{"a " + chart.Color(0), "b " + chart.Color(1), "c " + chart.Color(1)}, legend)
	var places []string
	for _, g := range v.Groups {
		for _, f := range g.Figures {
			places = append(places, fmt.Sprintln(g.Name, f.ID, "hidden", f.Hidden, "wide", f.Wide, "alone", f.Alone))
		}
	}
	assert.Equal(t, `one chart-1 hidden false wide false alone true
one chart-2 hidden false wide true alone false
one chart-5 hidden false wide false alone false
one chart-6 hidden false wide false alone false
two chart-3 hidden true wide false alone true
two chart-4 hidden false wide false alone false
two chart-7 hidden false wide false alone false
two chart-11 hidden true wide false alone true
three chart-8 hidden false wide false alone false
three chart-9 hidden false wide false alone false
three chart-10 hidden false wide false alone true
`, strings.Join(places, ""))
}

// TestLongNamesAreCutInTheMiddle: what tells names apart, often their ends, stays where there is no room for all of them.
func TestLongNamesAreCutInTheMiddle(t *testing.T) {
	const long = "dynamo-disaggregated-router-kv-aware-llama-70b-fp8-h100-n01"
	p := sample()
	p.Headline[0].Rows[0][0] = Cell{Text: long, Series: 1, Cut: true}
	p.Headline[0].Rows[1][0] = Cell{Text: long, Series: 1}
	p.Charts[0].Series[0].Name = long
	document := written(t, p)
	const name = `<span class="name" title="` + long + `"><span class="begin">dynamo-disaggregated-router-kv-aware-llama-70</span><span class="end">b-fp8-h100-n01</span></span>`
	assert.Contains(t, document, name+"</th>")
	assert.Contains(t, document, "</svg>"+long+"</th>")
	assert.Contains(t, document, name+"</button>")
}

// TestBandsHaveAKey: what the shades are stands below the chart.
func TestBandsHaveAKey(t *testing.T) {
	c := chart.Chart{Kind: chart.Lines, Note: "Why.", BandNames: []string{"p50", "p99"}, Series: []chart.Series{{Name: "a", Points: []chart.Point{{X: 1, Y: 1, Bands: []float64{2}}}}}}
	assert.Equal(t, "Line: p50; shaded, fainter each: up to p99. Why.", newFigure("", c).Note)
	c.Series[0].Points[0].Bands = nil
	assert.Equal(t, "Why.", newFigure("", c).Note)
}

func TestPageWithoutDataSaysSoAndNeedsNoScript(t *testing.T) {
	p := Page{Title: "Empty", Charts: []chart.Chart{
		{Title: "A", Series: []chart.Series{{Name: "none"}}}, {Title: "B", Kind: chart.Scatter},
	}}
	document := written(t, p)
	assert.Equal(t, 2, strings.Count(document, `<p class="nodata">no data</p>`))
	assert.NotContains(t, document, "<script")
	assert.Less(t, len(document), 40_000)
	assert.NotContains(t, written(t, Page{}), "<section", "empty parts are left out")
}

func TestManyTablesStandClosed(t *testing.T) {
	p := sample()
	for range mostOpen - 1 {
		p.Tables = append(p.Tables, p.Tables[0])
	}
	assert.Equal(t, mostOpen, strings.Count(written(t, p), `<details class="further" open>`))
	p.Tables = append(p.Tables, p.Tables[0])
	assert.Equal(t, mostOpen+1, strings.Count(written(t, p), `<details class="further">`))
}

func TestPageProblemsAreReportedTogether(t *testing.T) {
	p := sample()
	p.Tables[0].Rows = append(p.Tables[0].Rows, Texts("x"))
	p.Headline[0].Rows[0][0].Series = 13
	p.Charts[0].Series = make([]chart.Series, 13)
	var b bytes.Buffer
	err := p.Write(&b)
	assert.ErrorContains(t, err, `table "More", row 2: 1 cells for 2 columns: must be equal`)
	assert.ErrorContains(t, err, `table "Headline", row 1: series 13: must be 0 to 12`)
	assert.ErrorContains(t, err, "13 series")
	assert.Zero(t, b.Len())
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestPageWriteErrorIsReturned(t *testing.T) {
	assert.ErrorContains(t, sample().Write(brokenWriter{}), `writing page "Benchmark report": disk full`)
}
