package summary

import (
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/llmsweep/llmsweep/harness/compare"
)

// Findings writes the verdicts of a gate as a Markdown table, failures first, for a pull request.
func Findings(w io.Writer, findings []compare.Finding) error {
	var b strings.Builder
	counts := map[compare.Verdict]int{}
	for _, f := range findings {
		counts[f.Verdict]++
	}
	fmt.Fprintf(&b, "### Gate: %d failed, %d passed, %d inconclusive\n\n", counts[compare.Fail], counts[compare.Pass], counts[compare.Inconclusive])
	b.WriteString("| verdict | level | metric | value | bound | change | samples |\n|---|---|---|---:|---:|---:|---:|\n")
	for _, verdict := range []compare.Verdict{compare.Fail, compare.Inconclusive, compare.Pass} {
		for _, f := range findings {
			if f.Verdict == verdict {
				fmt.Fprintf(&b, "| %s | %s | %s %s | %s | %s | %s | %d |\n", strings.TrimSuffix(string(verdict)+", "+string(f.Client), ", "), f.Level, f.Metric, f.Statistic,
					withUnit(f.Value, f.Unit), withUnit(f.Bound, f.Unit), change(f), f.Samples)
			}
		}
	}
	_, err := io.WriteString(w, b.String()+"\n")
	return err
}

func withUnit(v float64, unit string) string {
	if math.IsNaN(v) {
		return missing
	}
	return fmt.Sprintf("%.6g %s", v, unit)
}

// change is the distance from the baseline, or from the limit.
func change(f compare.Finding) string {
	share := distance(f)
	if math.IsNaN(share) {
		return missing
	}
	return fmt.Sprintf("%+.2f %%", 100*share)
}

// distance is how far a figure is from the baseline, or from the limit, as a share of that; NaN where there is none.
func distance(f compare.Finding) float64 {
	from := f.Baseline
	if f.Limit {
		from = f.Bound
	}
	if from == 0 {
		return math.NaN()
	}
	return (f.Value - from) / math.Abs(from)
}
