package export

import (
	"encoding/csv"
	"io"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/steady"
	"github.com/llmsweep/llmsweep/reporting/results"
)

// Tidy writes results.csv, one value a row, of all benchmarks: benchmark, level, metric, statistic, value, unit. A level that was repeated has the figures
// over its runs under its name, and those of each run under c10/run-1.
func Tidy(w io.Writer, benchmarks []*results.Benchmark) error {
	out := csv.NewWriter(w)
	_ = out.Write([]string{"benchmark", "level", "metric", "statistic", "value", "unit"}) // errors wait for out.Error
	for _, b := range benchmarks {
		for i := range b.Levels {
			l := &b.Levels[i]
			tidyLevel(out, b.Name, l.Name(), l)
			for k := range l.Runs {
				tidyLevel(out, b.Name, l.Name()+"/"+filepath.Base(l.Runs[k].Dir), &l.Runs[k])
			}
		}
	}
	out.Flush()
	return out.Error()
}

func tidyLevel(out *csv.Writer, benchmark, name string, l *results.Level) {
	row := func(metric, statistic string, value float64, unit string) {
		if !unprintable(value) {
			_ = out.Write([]string{cell(benchmark), cell(name), cell(metric), cell(statistic), strconv.FormatFloat(value, 'g', -1, 64), cell(unit)})
		}
	}
	if l.Record != nil {
		c := &l.Record.Counts
		row("requests", "planned", float64(c.Planned), "requests")
		row("requests", "not_started", float64(c.NotStarted), "requests")
		for _, o := range record.Outcomes() {
			row("requests", string(o), float64(c.Outcomes[o]), "requests")
		}
		row("valid", "verdict", map[bool]float64{true: 1}[l.Validity.Standing != steady.Invalid && l.Unusable() == ""], "")
	}
	units := unitsOf(l)
	for _, tag := range ordered(l.Figures) {
		for _, statistic := range known(l.Figures[tag]) {
			unit := units[tag]
			if statistic == "count" {
				unit = "values"
			}
			row(tag, statistic, l.Figures[tag][statistic], unit)
		}
	}
	for _, w := range l.Within {
		for _, e := range w.Estimates {
			if e.HasInterval {
				row(w.Tag, e.Statistic+"_ci95_low", e.Interval.Low, units[w.Tag])
				row(w.Tag, e.Statistic+"_ci95_high", e.Interval.High, units[w.Tag])
			}
		}
	}
	for _, o := range l.Over {
		if o.HasInterval {
			row(o.Tag, o.Statistic+"_ci95_low", o.Interval.Low, units[o.Tag])
			row(o.Tag, o.Statistic+"_ci95_high", o.Interval.High, units[o.Tag])
		}
	}
	if bound, ok := l.AtLeast(); ok {
		row("slo_attainment", "at_least", 100*bound, "%")
	}
}

// unitsOf are the units of a level's figures: of the definitions, a reader's own ones among them.
func unitsOf(l *results.Level) map[string]string {
	units := map[string]string{}
	for _, d := range metric.Definitions() {
		units[d.Tag] = d.Unit
	}
	for _, of := range append([]*results.Level{l}, l.Usable()...) {
		for _, r := range of.Results {
			units[r.Tag] = r.Unit
		}
	}
	return units
}

// ordered lists the tags of figures in the order of the definitions, and then those that have none.
func ordered(f results.Figures) []string {
	var tags []string
	for _, d := range metric.Definitions() {
		if f[d.Tag] != nil {
			tags = append(tags, d.Tag)
		}
	}
	for _, tag := range slices.Sorted(maps.Keys(f)) {
		if !slices.Contains(tags, tag) {
			tags = append(tags, tag)
		}
	}
	return tags
}

// known lists the statistics of a metric in AIPerf's order; others of a foreign file are left out.
func known(of map[string]float64) []string {
	return slices.DeleteFunc(statistics(), func(name string) bool { _, ok := of[name]; return !ok })
}

func unprintable(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }
