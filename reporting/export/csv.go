package export

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/steady"
	"github.com/llmsweep/llmsweep/reporting/results"
)

// csvStatistics are the columns of AIPerf's table, in its order.
func csvStatistics() []string {
	return []string{"avg", "min", "max", "sum", "p1", "p5", "p10", "p25", "p50", "p75", "p90", "p95", "p99", "std"}
}

// Table writes profile_export_aiperf.csv: distributions, a blank line, single values; two decimals, rows by tag. That a level is INVALID, or did not
// run to its planned end, follows behind another blank line and, where the client was measured, its verdict behind one more.
func Table(w io.Writer, l *results.Level) error {
	rows := slices.Clone(l.Results)
	slices.SortFunc(rows, func(a, b metric.Result) int { return cmp.Compare(a.Tag, b.Tag) })
	out := csv.NewWriter(w)
	_ = out.Write(append([]string{"Metric"}, csvStatistics()...)) // errors wait for out.Error
	for _, r := range rows {
		if !r.PerRequest {
			continue
		}
		row := []string{header(r)}
		for _, name := range csvStatistics() {
			value, _ := l.Figures.Get(r.Tag, name)
			row = append(row, number(value))
		}
		_ = out.Write(row)
	}
	out.Flush()
	fmt.Fprintln(w)
	_ = out.Write([]string{"Metric", "Value"})
	for _, r := range rows {
		if !r.PerRequest {
			_ = out.Write([]string{header(r), number(r.Value)})
		}
	}
	out.Flush()
	if l.Validity.Standing == steady.Invalid || l.Record.Status != record.Done {
		fmt.Fprintln(w)
		_ = out.Write([]string{"Validity", "Status", "Beyond Its Limit"})
		_ = out.Write([]string{string(l.Validity.Standing), cell(string(l.Record.Status)), cell(l.Validity.Broken(true))})
		out.Flush()
	}
	if i := l.Instrument(); i != nil {
		fmt.Fprintln(w)
		_ = out.Write([]string{"Client", "Stamps Late At Most (ms)"})
		_ = out.Write([]string{cell(string(i.Verdict)), number(i.ErrorMS)})
		out.Flush()
	}
	return out.Error()
}

// header is the name with its unit; counts have none.
func header(r metric.Result) string {
	if r.Unit == "requests" {
		return r.Name
	}
	if strings.HasSuffix(r.Name, r.Unit) {
		return r.Name
	}
	return fmt.Sprintf("%s (%s)", r.Name, r.Unit)
}

func number(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return ""
	}
	return fmt.Sprintf("%.2f", v)
}

// cell is a text of a file that may be anyone's: no spreadsheet takes it for a formula.
func cell(text string) string {
	text = record.Printable(text)
	if text != "" && strings.ContainsAny(text[:1], "=+-@") {
		return "'" + text
	}
	return text
}
