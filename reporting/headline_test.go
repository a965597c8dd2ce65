package reporting

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/stat"
	"github.com/llmsweep/llmsweep/harness/steady"
	"github.com/llmsweep/llmsweep/reporting/page"
	"github.com/llmsweep/llmsweep/reporting/results"
)

// measuredLevel is a level with its TTFT in ms and its tokens per second, the figures that less and more are better of.
func measuredLevel(concurrency int, ttft, tokens float64) results.Level {
	figures := results.Figures{
		"time_to_first_token":     {"avg": ttft, "count": 1000, "p50": ttft, "p99": ttft},
		"output_token_throughput": {"avg": tokens},
	}
	return results.Level{
		Point: record.Point{Concurrency: concurrency}, Record: &record.Level{Status: record.Done, Instrument: &record.Instrument{Verdict: record.ClientOK}},
		Figures: figures, Shown: figures, Validity: steady.Validity{Standing: steady.Valid}, Window: steady.Window{Verdict: steady.TooShort},
	}
}

func benchmark(name string, levels ...results.Level) *results.Benchmark {
	return &results.Benchmark{Name: name, Convention: metric.AIPerf, Levels: levels}
}

// marksOf are the marks in a column of the headline table, by row.
func marksOf(t *testing.T, table page.Table, column string) (marks []page.Mark) {
	t.Helper()
	for i, c := range table.Columns {
		if c.Name == column {
			for _, row := range table.Rows {
				marks = append(marks, row[i].Mark)
			}
			return marks
		}
	}
	require.Fail(t, "no such column", column)
	return nil
}

// TestBestIsMarked: by the metric's direction, over all levels and, of several benchmarks, at each load; alike figures are equally good.
func TestBestIsMarked(t *testing.T) {
	const none, here, best = page.NoMark, page.BestHere, page.Best
	tables := headlines([]*results.Benchmark{
		benchmark("a", measuredLevel(1, 50, 100), measuredLevel(10, 80.01, 900)),
		benchmark("b", measuredLevel(1, 40, 110), measuredLevel(10, 80.02, 850)),
	})
	require.Len(t, tables, 1)
	require.NoError(t, page.Page{Headline: tables}.Validate())
	assert.Equal(t, []page.Mark{none, none, best, none}, marksOf(t, tables[0], "TTFT avg"), "both print 80.0 at 10: neither is better")
	assert.Equal(t, []page.Mark{none, best, here, none}, marksOf(t, tables[0], "Output"))
	assert.Equal(t, []page.Mark{none, none, none, none}, marksOf(t, tables[0], "Concurrency"), "no figure of a metric")
	assert.Equal(t, []page.Mark{none, none, none, none}, marksOf(t, tables[0], "ITL avg"), "n/a is not the best")
	assert.Equal(t, 1, tables[0].Rows[0][0].Series)
	assert.Equal(t, 2, tables[0].Rows[2][0].Series)

	alone := headlines([]*results.Benchmark{benchmark("a", measuredLevel(1, 50, 100), measuredLevel(10, 80, 900))})[0]
	assert.Equal(t, []page.Mark{best, none}, marksOf(t, alone, "TTFT avg"))
	assert.Equal(t, "Concurrency", alone.Columns[0].Name, "one benchmark has its name in the title of the page")
	single := headlines([]*results.Benchmark{benchmark("a", measuredLevel(1, 50, 100))})[0]
	assert.Equal(t, []page.Mark{none}, marksOf(t, single, "TTFT avg"), "there is nothing to be better than")
}

// TestFiguresInDoubtAreNotTheBest, whatever casts the doubt.
func TestFiguresInDoubtAreNotTheBest(t *testing.T) {
	for name, spoil := range map[string]func(*results.Level){
		"client limited": func(l *results.Level) { l.Record.Instrument.Verdict = record.ClientLimited },
		"client suspect": func(l *results.Level) { l.Record.Instrument.Verdict = record.ClientSuspect },
		"INVALID":        func(l *results.Level) { l.Validity.Standing = steady.Invalid },
		"OVERLOADED":     func(l *results.Level) { l.Window.Verdict = steady.Overloaded },
		"not finished":   func(l *results.Level) { l.Record.Status = record.Failed },
	} {
		b := benchmark("a", measuredLevel(1, 50, 100), measuredLevel(2, 60, 200), measuredLevel(5, 70, 300))
		spoil(&b.Levels[0])
		table := headlines([]*results.Benchmark{b})[0]
		assert.Equal(t, []page.Mark{page.NoMark, page.Best, page.NoMark}, marksOf(t, table, "TTFT avg"), name)
		badges := table.Rows[0][1].Badges
		assert.Equal(t, name, badges[len(badges)-1].Text)
		assert.NotEqual(t, page.Good, badges[len(badges)-1].State)
	}
}

func TestHeadlineHasIntervals(t *testing.T) {
	l := measuredLevel(1, 50, 100)
	l.Within = []results.Within{{Tag: "time_to_first_token", Estimates: []results.Estimate{
		{Statistic: "avg", Value: 50, HasInterval: true, Interval: stat.Interval{Low: 45, High: 55.5}},
		{Statistic: "p99", Value: 50, HasInterval: true, Interval: stat.Interval{Low: 1, High: 2}, Need: stat.Need{Needs: 299, Have: 10}},
	}}, {Tag: "request_latency", Estimates: []results.Estimate{{Statistic: "avg", HasInterval: true, Interval: stat.Interval{Low: 1500, High: 2500}}}}}
	b := benchmark("a", l, l)
	b.Levels[1].Over = []results.Over{{Tag: "time_to_first_token", Statistic: "avg", HasInterval: true, Interval: stat.Interval{Low: 40, High: 60}}}
	table := headlines([]*results.Benchmark{b})[0]
	details := func(row int) (all []string) {
		for _, cell := range table.Rows[row] {
			if cell.Detail != "" {
				all = append(all, cell.Detail)
			}
		}
		return all
	}
	assert.Equal(t, []string{"[45.0, 55.5]", "[1.50, 2.50]"}, details(0), "in the unit of the column, and not of too few requests")
	assert.Equal(t, []string{"[40.0, 60.0]", "[1.50, 2.50]"}, details(1), "over runs, where there is one")
	b.Convention = metric.VLLM
	table = headlines([]*results.Benchmark{b})[0]
	assert.Empty(t, details(0), "intervals are of AIPerf's figures alone")
}

// TestHeadlinesOfOtherColumnsStandApart, each benchmark with the marker of its charts.
func TestHeadlinesOfOtherColumnsStandApart(t *testing.T) {
	other := benchmark("vllm", measuredLevel(1, 50, 100))
	other.Convention = metric.VLLM
	tables := headlines([]*results.Benchmark{benchmark("a", measuredLevel(1, 50, 100)), other, benchmark("c", measuredLevel(1, 50, 100))})
	require.Len(t, tables, 2)
	assert.Equal(t, "Results (AIPerf formulas)", tables[0].Title)
	assert.Equal(t, "Results (vLLM formulas)", tables[1].Title)
	assert.Equal(t, []int{1, 3, 2}, []int{tables[0].Rows[0][0].Series, tables[0].Rows[1][0].Series, tables[1].Rows[0][0].Series})
}

func TestVerdictsAreOverAllLevels(t *testing.T) {
	good := benchmark("good", measuredLevel(1, 1, 1), measuredLevel(2, 1, 1))
	assert.Equal(t, []page.Badge{
		{State: page.Good, Text: "VALID", Detail: "all 2 levels"}, {State: page.Good, Text: "client ok", Detail: "all 2 levels"},
		{State: page.None, Text: "too short for a steady window", Detail: "all 2 levels"},
	}, verdicts([]*results.Benchmark{good}))
	bad := benchmark("bad", measuredLevel(1, 1, 1), measuredLevel(2, 1, 1), measuredLevel(5, 1, 1))
	bad.Levels[0].Validity.Standing = steady.Invalid
	bad.Levels[1].Record.Instrument = nil
	bad.Levels[1].Window.Verdict = steady.Steady
	bad.Levels[2].Record.Status = record.Interrupt
	bad.Levels[2].Window.Verdict = steady.NotSteady
	assert.Equal(t, []page.Badge{
		{State: page.Bad, Text: "NOT FINISHED", Detail: "1 of 5 levels: bad at 5"}, {State: page.Bad, Text: "INVALID", Detail: "1 of 5 levels: bad at 1"},
		{State: page.Good, Text: "VALID", Detail: "3 of 5 levels: good at 1, 2; bad at 2"}, {State: page.Good, Text: "client ok", Detail: "4 of 5 levels: good at 1, 2; bad at 1, 5"},
		{State: page.None, Text: "client not measured", Detail: "1 of 5 levels: bad at 2"}, {State: page.Doubt, Text: "no steady state", Detail: "1 of 5 levels: bad at 5"},
		{State: page.Good, Text: "steady", Detail: "1 of 5 levels: bad at 2"}, {State: page.None, Text: "too short for a steady window", Detail: "3 of 5 levels: good at 1, 2; bad at 1"},
	}, verdicts([]*results.Benchmark{good, bad}))
	foreign := &results.Benchmark{Name: "aiperf", Levels: []results.Level{{Point: record.Point{Concurrency: 10}}}}
	assert.Equal(t, []page.Badge{
		{State: page.None, Text: "not judged", Detail: "the only level"}, {State: page.None, Text: "client not measured", Detail: "the only level"},
	}, verdicts([]*results.Benchmark{foreign}))
}

// TestFactsInCommonAreSaidOnce, and what benchmarks differ in has a row each.
func TestFactsInCommonAreSaidOnce(t *testing.T) {
	of := func(name, model string, nonce int64) *results.Benchmark {
		b := benchmark(name, measuredLevel(1, 1, 1))
		b.Run = &record.Run{Plan: record.Plan{Model: model, Endpoints: []string{"http://a"}, Seed: 42, Nonce: uint64(nonce), GPUs: 8}}
		return b
	}
	common, differing := measured([]*results.Benchmark{of("a", "m", 1), of("b", "m", 2)})
	assert.Empty(t, differing.Rows, "the nonce always differs")
	assert.Contains(t, common, page.Fact{Name: "Load", Value: "closed loop, seed 42"})
	assert.NotContains(t, common, page.Fact{Name: "Nonce", Value: "1"})
	common, differing = measured([]*results.Benchmark{of("a", "m", 1), of("b", "n", 2)})
	assert.Contains(t, common, page.Fact{Name: "GPUs", Value: "8"})
	assert.Equal(t, []page.Column{{Name: "Benchmark", Text: true}, {Name: "Model", Text: true}}, differing.Columns)
	assert.Equal(t, [][]page.Cell{{{Text: "a", Series: 1}, {Text: "m"}}, {{Text: "b", Series: 2}, {Text: "n"}}}, differing.Rows)
	common, _ = measured([]*results.Benchmark{of("a", "m", 1)})
	assert.Contains(t, common, page.Fact{Name: "Nonce", Value: "1"})
}
