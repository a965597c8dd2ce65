package reporting

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/llmsweep/llmsweep/harness/compare"
	"github.com/llmsweep/llmsweep/reporting/page"
	"github.com/llmsweep/llmsweep/reporting/results"
	"github.com/llmsweep/llmsweep/reporting/summary"
)

// allGates are those of the report, the worst first, each with the benchmark that it is about, or the first of two arms.
func (r *Report) allGates() (gates []*summary.Gate, of []*results.Benchmark) {
	for _, verdict := range worstFirst() {
		for _, b := range r.Benchmarks {
			for _, g := range r.gates[b.Name] {
				if g.Verdict == verdict && !slices.Contains(gates, g) {
					gates, of = append(gates, g), append(of, b)
				}
			}
		}
	}
	return gates, of
}

// worstFirst are the verdicts of gates.
func worstFirst() []compare.Verdict {
	return []compare.Verdict{compare.Fail, compare.Inconclusive, compare.Pass}
}

// gateState is the colour of a verdict.
func gateState(v compare.Verdict) page.State {
	switch v {
	case compare.Pass:
		return page.Good
	case compare.Fail:
		return page.Bad
	case compare.Inconclusive:
		return page.Doubt
	default:
		return page.None
	}
}

// gateBadges are the verdicts of gates, the worst first, with what they are about where that is short.
func (r *Report) gateBadges() []page.Badge {
	var badges []page.Badge
	gates, of := r.allGates()
	for _, name := range []string{"gate", "comparison"} {
		for _, verdict := range worstFirst() {
			var details []string
			for i, g := range gates {
				if g.Name() == name && g.Verdict == verdict {
					details = append(details, r.subject(of[i], g)+": "+g.Counts())
				}
			}
			switch n := len(details); {
			case n == 0:
				continue
			case n > 2:
				details = []string{fmt.Sprintf("%d of %d", n, len(gates))}
			}
			badges = append(badges, page.Badge{State: gateState(verdict), Text: name + ": " + strings.ToUpper(string(verdict)), Detail: strings.Join(details, "; ")})
		}
	}
	return badges
}

// subject says what a gate judged.
func (r *Report) subject(b *results.Benchmark, g *summary.Gate) string {
	if len(r.Benchmarks) > 1 && !g.Paired {
		return b.Name + ", " + g.Of
	}
	return g.Of
}

// At the head of the page stand at most so many figures of a gate, and of so many gates.
const (
	mostDecisive = 6
	mostAhead    = 2
)

// gateTables show what gates judged: for the head of the page the figures that decided, of the gates that say most, and all of them with the evidence.
func (r *Report) gateTables() (head, all []page.Table) {
	gates, of := r.allGates()
	for i, g := range gates {
		title := strings.ToUpper(g.Name()[:1]) + g.Name()[1:] + ": " + r.subject(of[i], g)
		figures, deciding := g.Sorted(), g.Deciding()
		if len(figures) > 0 {
			all = append(all, withEvidence(gateTable(title, g, figures), figures))
		}
		if g.Paired {
			deciding = figures
		}
		deciding = deciding[:min(len(deciding), mostDecisive)]
		if len(deciding) == 0 || len(head) == mostAhead {
			continue
		}
		first := gateTable(title, g, deciding)
		first.Caption = fmt.Sprintf("%d of %d figures; the evidence stands under Tables. %s", len(deciding), len(figures), first.Caption)
		head = append(head, first)
	}
	return head, all
}

func gateTable(title string, g *summary.Gate, figures []summary.GateFigure) page.Table {
	based := g.Paired || slices.ContainsFunc(g.Figures, func(f summary.GateFigure) bool { return !math.IsNaN(f.Base) })
	t := page.Table{Title: title, Caption: "Judged " + g.Time() + ".", Columns: []page.Column{{Name: "Figure", Text: true}, {Name: "Level", Text: true}, {Name: "Verdict", Text: true}}}
	if g.Reason != "" {
		t.Caption = g.Reason + ". " + t.Caption
	}
	if based {
		t.Columns = append(t.Columns, page.Column{Name: "Base"}, page.Column{Name: "Candidate"}, page.Column{Name: "Unit", Text: true}, page.Column{Name: "Change"}, page.Column{Name: "Allowed"})
		if g.Paired {
			t.Caption += " Figures are geometric means over all blocks; those of the tables below are of the runs on this page alone."
		}
	} else {
		t.Columns = append(t.Columns, page.Column{Name: "Value"}, page.Column{Name: "Unit", Text: true}, page.Column{Name: "Against the limit"}, page.Column{Name: "Allowed"})
	}
	for _, f := range figures {
		value, base, change, interval := f.Cells()
		row := []page.Cell{{Text: f.Metric + " " + f.Statistic}, {Text: f.Level}, {Badges: []page.Badge{{State: gateState(f.Verdict), Text: f.Said(), Detail: f.Client}}}}
		if based {
			row = append(row, page.Cell{Text: base})
		}
		t.Rows = append(t.Rows, append(row, page.Cell{Text: value}, page.Cell{Text: f.ShortUnit()}, page.Cell{Text: change, Detail: interval}, page.Cell{Text: f.Allowed}))
	}
	return t
}

// withEvidence adds what each verdict stands on, in words.
func withEvidence(t page.Table, figures []summary.GateFigure) page.Table {
	t.Columns = append(t.Columns, page.Column{Name: "Evidence", Text: true})
	for i, f := range figures {
		t.Rows[i] = append(t.Rows[i], page.Cell{Text: f.Text})
	}
	return t
}
