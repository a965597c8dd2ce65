package export

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"

	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/stat"
	"github.com/llmsweep/llmsweep/reporting/results"
)

// Runs writes profile_export_aiperf_aggregate.json of a level that was repeated: each figure over its runs, in AIPerf's form and by its formulas,
// with our interval, that of the logarithms, beside it.
func Runs(w io.Writer, run *record.Run, l *results.Level) error {
	usable := l.Usable()
	labels := make([]string, len(usable))
	for i, r := range usable {
		labels[i] = filepath.Base(r.Dir)
	}
	metrics := object{}
	for _, r := range overRuns(l) {
		metrics = append(metrics, field{r.key, r.fields()})
	}
	data, err := json.MarshalIndent(object{
		{"schema_version", schemaVersion},
		{"metadata", object{
			{"aggregation_type", "confidence"}, {"num_profile_runs", run.Plan.Repeats}, {"num_successful_runs", len(usable)},
			{"failed_runs", max(0, run.Plan.Repeats-len(usable))}, {"confidence_level", results.Confidence}, {"cooldown_seconds", 0}, {"run_labels", labels},
		}},
		{"metrics", metrics},
		{"llmsweep", object{{"version", run.Tool.Version}, {"lost", l.Lost(run.Plan.Repeats)}, {"validity", l.Validity.Standing}, {"client", l.Record.Client()}}},
	}, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the aggregate over runs: %w", err)
	}
	_, err = w.Write(append(data, '\n'))
	return err
}

// RunsTable writes profile_export_aiperf_aggregate.csv, the same figures in rows.
func RunsTable(w io.Writer, l *results.Level) error {
	out := csv.NewWriter(w)
	header := []string{"metric"}
	for i, r := range overRuns(l) {
		row := []string{r.key}
		for _, f := range r.aiperf() {
			header = append(header, f.key)
			row = append(row, fmt.Sprint(f.value))
		}
		if i == 0 {
			_ = out.Write(header) // errors wait for out.Error
		}
		_ = out.Write(row)
	}
	out.Flush()
	return out.Error()
}

// overRun is one figure of all usable runs.
type overRun struct {
	key, unit string
	values    []float64
}

// overRuns lists the figures that all usable runs have, in the order of the single runs' export.
func overRuns(l *results.Level) []overRun {
	var figures []results.Figures
	var metrics []metric.Result
	for _, run := range l.Usable() {
		figures = append(figures, run.Figures)
		for _, r := range run.Results {
			if !slices.ContainsFunc(metrics, func(known metric.Result) bool { return known.Tag == r.Tag }) {
				metrics = append(metrics, r)
			}
		}
	}
	var all []overRun
	for _, r := range metrics {
		for _, name := range slices.DeleteFunc(statistics(), func(s string) bool { return s == "count" || s == "sum" }) {
			if name != "avg" && !r.PerRequest {
				continue
			}
			values, ok := results.ValuesOf(figures, r.Tag, name)
			if ok && !slices.ContainsFunc(values, unprintable) {
				all = append(all, overRun{key: r.Tag + "_" + name, unit: r.Unit, values: values})
			}
		}
	}
	return all
}

// aiperf are the members that AIPerf writes: arithmetic mean, deviation of a sample, Student's t.
func (o overRun) aiperf() object {
	s := stat.PlainRuns(o.values, results.Confidence)
	return object{
		{"mean", s.Mean}, {"std", s.Std}, {"min", slices.Min(o.values)}, {"max", slices.Max(o.values)}, {"cv", s.Std / max(math.Abs(s.Mean), math.SmallestNonzeroFloat64)},
		{"se", s.StdError}, {"ci_low", s.Interval.Low}, {"ci_high", s.Interval.High}, {"t_critical", s.T}, {"unit", o.unit},
	}
}

// fields adds ours, where there are runs enough.
func (o overRun) fields() object {
	all := o.aiperf()
	if ours, _, ok := stat.Runs(o.values, results.Confidence); ok {
		all = append(all, field{"llmsweep", object{{"geometric_mean", ours.Mean}, {"low", ours.Interval.Low}, {"high", ours.Interval.High}}})
	}
	return all
}
