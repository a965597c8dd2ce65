package summary

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/llmsweep/llmsweep/harness/compare"
	"github.com/llmsweep/llmsweep/harness/record"
)

// TwoArms is a comparison of two arms.
type TwoArms struct {
	Base, Candidate string // names
	Plan            *record.Plan
	Judgement       compare.Judgement
}

// Trial writes a comparison of two arms: its verdict and why, what was asked, the figures with their intervals, and what they are. No line has
// more than 100 columns, as long as names are short.
func Trial(w io.Writer, c TwoArms) error {
	var b strings.Builder
	j := c.Judgement
	fmt.Fprintf(&b, "\n%s against %s: %s\n", c.Candidate, c.Base, strings.ToUpper(string(j.Verdict)))
	writeWrapped(&b, "  ", j.Reason)
	levels := make([]string, 0, len(c.Plan.Points()))
	for _, at := range c.Plan.Points() {
		levels = append(levels, fmt.Sprintf("%s with %d requests a run", at.Name(), c.Plan.Requests(at)))
	}
	fmt.Fprintf(&b, "\nworkload  %s, %s\n", loop(c.Plan), strings.Join(levels, ", "))
	fmt.Fprintf(&b, "          %s, seed %d: the same lengths in both arms of a block, another text\n", c.Plan.Lengths(), c.Plan.Seed)
	fmt.Fprintf(&b, "blocks    %d, in each of them both arms in an order by coin; 1 more discarded, %d measured again\n", j.Blocks, j.Repeats)
	fmt.Fprintf(&b, "          judged after %s\n\n", joined(j.Looks))
	var judged, reported []compare.Estimate
	for _, e := range j.Estimates {
		if e.Primary {
			judged = append(judged, e)
		} else {
			reported = append(reported, e)
		}
	}
	writeEstimates(&b, judged, true)
	if len(reported) > 0 {
		b.WriteString("\nreported, not judged\n")
		writeEstimates(&b, reported, false)
	}
	b.WriteString("\n")
	writeWrapped(&b, "", "Each arm's figure is the geometric mean over the blocks. The change is candidate / base - 1, in percent, with an interval of the signed "+
		"ranks of the blocks' differences. A primary passes where the worse end of its interval is within the margin. It fails where it does not pass "+
		"and is worse by more than chance. Otherwise nothing is proven.")
	_, err := io.WriteString(w, b.String())
	return err
}

// writeEstimates writes a line for each figure.
func writeEstimates(b *strings.Builder, estimates []compare.Estimate, primary bool) {
	heads := []string{"level", "figure", "unit", "base", "candidate", "change", "interval"}
	if primary {
		heads = append(heads, "margin", "verdict")
	}
	rows := [][]string{heads}
	var notes []string
	for _, e := range estimates {
		row := []string{e.Level, e.Metric + " " + e.Statistic, shortUnit(e.Unit), number(e.Base), number(e.Candidate), bare(percent(e.Change)), bare(span(e.Low, e.High))}
		if primary {
			verdict := string(e.Verdict)
			if e.Unarmed != "" {
				verdict = notJudged
			}
			row = append(row, bare(percent(e.Margin)), verdict)
		}
		if e.Text != "" && (primary || math.IsNaN(e.Change)) {
			notes = append(notes, e.Text)
		}
		rows = append(rows, row)
	}
	if averages := !slices.ContainsFunc(estimates, func(e compare.Estimate) bool { return e.Statistic != "avg" }); averages && tableWidth(rows)-1 > width {
		rows[0][1] = "average"
		for _, row := range rows[1:] {
			row[1] = strings.TrimSuffix(row[1], " avg")
		}
	}
	writeRows(b, rows)
	for _, note := range notes {
		writeWrapped(b, "  ", note)
	}
}

// writeRows aligns cells: texts, which are the first three and the ninth of a row, at the left, figures at the right.
func writeRows(b *strings.Builder, rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len(cell))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			if i < 3 || i == 8 {
				fmt.Fprintf(&line, "%-*s ", widths[i], cell)
			} else {
				fmt.Fprintf(&line, "%*s ", widths[i], cell)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}

func shortUnit(unit string) string {
	return strings.NewReplacer("tokens/sec/user", "tok/s/user", "tokens/sec", "tok/s", "requests/sec", "req/s").Replace(unit)
}

func number(v float64) string {
	if math.IsNaN(v) {
		return missing
	}
	return fmt.Sprintf("%.4g", v)
}

func percent(share float64) string {
	if math.IsNaN(share) {
		return missing
	}
	return places(100*share) + " %"
}

// bare leaves out the unit, which is that of all columns of its kind.
func bare(text string) string { return strings.TrimSuffix(text, " %") }

// places writes a percentage with three digits or so: more of them than its noise has would only make tables wide.
func places(v float64) string {
	switch size := math.Abs(v); {
	case size < 9.995:
		return fmt.Sprintf("%+.2f", v)
	case size < 99.95:
		return fmt.Sprintf("%+.1f", v)
	default:
		return fmt.Sprintf("%+.0f", v)
	}
}

// span is an interval of shares in percent. One end may be open: so few blocks say nothing of it.
func span(low, high float64) string {
	end := func(v float64) string {
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return "?"
		}
		return places(100 * v)
	}
	if l, h := end(low), end(high); l != "?" || h != "?" {
		return l + " to " + h + " %"
	}
	return missing
}

func joined(numbers []int) string {
	if len(numbers) == 0 {
		return "none of them"
	}
	var texts []string
	for _, n := range numbers {
		texts = append(texts, fmt.Sprint(n))
	}
	return strings.Join(texts, ", ")
}

// Estimates writes the verdicts of a gate of two arms as a Markdown table, for a pull request.
func Estimates(w io.Writer, j compare.Judgement) error {
	var b strings.Builder
	fmt.Fprintf(&b, "### Gate: %s after %d blocks\n\n%s\n\n", j.Verdict, j.Blocks, j.Reason)
	b.WriteString("| verdict | level | metric | base | candidate | change | interval | margin |\n|---|---|---|---:|---:|---:|---:|---:|\n")
	for _, e := range j.Estimates {
		verdict, margin := string(e.Verdict), fmt.Sprintf("%g %%", 100*e.Margin)
		switch {
		case !e.Primary:
			verdict, margin = "reported", missing
		case e.Unarmed != "":
			verdict = notJudged
		}
		fmt.Fprintf(&b, "| %s | %s | %s %s | %s | %s | %s | %s | %s |\n", verdict, e.Level, e.Metric, e.Statistic, withUnit(e.Base, e.Unit), withUnit(e.Candidate, e.Unit),
			percent(e.Change), span(e.Low, e.High), margin)
	}
	_, err := io.WriteString(w, b.String()+"\n")
	return err
}

// Sensitivities writes how large a change of each figure must be to be seen, and which primaries cannot be judged for that reason.
func Sensitivities(w io.Writer, figures []compare.Sensitivity, unarmed map[compare.Selector]string) error {
	var b strings.Builder
	b.WriteString("\nsmallest change that 18 blocks will see, nine times of ten\n")
	fmt.Fprintf(&b, "%-6s %-36s %6s  %10s  %12s  %12s\n", "level", "figure", "blocks", "sd", "to pass", "to fail")
	for _, s := range figures {
		if s.Lack != "" {
			fmt.Fprintf(&b, "%-6s %-36s %6s  %s\n", s.Level, s.Metric+" "+s.Statistic, missing, s.Lack)
			continue
		}
		fmt.Fprintf(&b, "%-6s %-36s %6d  %10s  %12s  %12s\n", s.Level, s.Metric+" "+s.Statistic, s.Blocks, percent(s.SD), percent(s.Detectable), percent(s.Failing))
	}
	for _, why := range unarmed {
		writeWrapped(&b, "  ", "not judged: "+why)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
