package bench

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/llmsweep/llmsweep/harness"
	"github.com/llmsweep/llmsweep/harness/compare"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/reporting"
)

// realTimeMargin is the default margin, in percent, of a comparison in real time, which is advisory. In virtual time it is zero.
const realTimeMargin = 5

// TestGate judges figures: against the limits of -gate, or a recorded candidate's against a recorded baseline's and those limits. Every
// rule is a sub-test for each level that it matches.
func TestGate(t *testing.T) {
	entryPoint(t, "Gate")
	plan := resolvedPlan(t)
	rules := loadRules(t, plan.Gate)
	switch gate := plan.Gate; {
	case gate.Baseline != "":
		show(t, compareRecorded(t, gate, rules))
		return
	case gate.File == "":
		t.Fatal("nothing to judge by: pass -gate FILE with limits, or -baseline DIR and -candidate DIR")
	case gate.DataDir != "":
		show(t, rules.Check(judgeable(t, filepath.Join(harness.Resolve(gate.DataDir), plan.BenchmarkName)).Levels))
	case plan.DryRun, plan.PreflightOnly:
		sweep(t, plan)
	default:
		measured := false
		if passed := t.Run("Sweep", func(t *testing.T) {
			sweep(t, plan)
			measured = true
		}); !passed || !measured {
			t.Fatal("nothing is judged: the sweep did not run to its end; -run must not choose among its levels")
		}
		show(t, rules.Check(judgeable(t, filepath.Join(plan.ResultsDir(), plan.BenchmarkName)).Levels))
	}
}

func loadRules(t *testing.T, gate harness.Gate) compare.Rules {
	t.Helper()
	if gate.File == "" {
		return compare.Rules{}
	}
	data, err := os.ReadFile(harness.Resolve(gate.File))
	if err != nil {
		t.Fatalf("gate %q cannot be read: %v", gate.File, err)
	}
	rules, err := compare.ParseRules(data)
	if err != nil {
		t.Fatalf("gate %q:\n%v", gate.File, err)
	}
	if err := rules.Lack(gate.Baseline != ""); err != nil {
		t.Fatalf("gate %q: %v", gate.File, err)
	}
	return rules
}

func judgeable(t *testing.T, dir string) compare.Run {
	t.Helper()
	run, err := reporting.Judgeable(dir)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

func compareRecorded(t *testing.T, gate harness.Gate, rules compare.Rules) []compare.Finding {
	t.Helper()
	if sameFolder(gate) {
		t.Fatalf("refused: baseline %q and candidate %q are the same folder: no figure can be worse", gate.Baseline, gate.Candidate)
	}
	baseline, candidate := judgeable(t, harness.Resolve(gate.Baseline)), judgeable(t, harness.Resolve(gate.Candidate))
	reasons, warnings := compare.Refusal(baseline, candidate)
	for _, reason := range reasons {
		t.Error("refused: " + record.Printable(reason))
	}
	if len(reasons) > 0 {
		t.FailNow()
	}
	for _, warning := range warnings {
		fmt.Println("warning:", record.Printable(warning))
	}
	if len(rules.Margins) == 0 {
		margin := 0.0
		if !candidate.Record.Plan.Virtual {
			margin = realTimeMargin
		}
		rules.Margins = compare.DefaultMargins(margin)
	}
	return slices.Concat(rules.Compare(baseline, candidate), rules.Check(candidate.Levels))
}

// sameFolder reports whether a run is to be compared with itself. What cannot be looked at is left to its reader.
func sameFolder(gate harness.Gate) bool {
	baseline, err1 := os.Stat(harness.Resolve(gate.Baseline))
	candidate, err2 := os.Stat(harness.Resolve(gate.Candidate))
	return err1 == nil && err2 == nil && os.SameFile(baseline, candidate)
}

// show makes each finding a sub-test. -run may choose among them, but not none.
func show(t *testing.T, findings []compare.Finding) {
	if len(findings) == 0 {
		t.Fatal("the gate matched nothing: no level and no rule met")
	}
	comparing := slices.ContainsFunc(findings, func(f compare.Finding) bool { return !f.Limit })
	var judged []compare.Finding
	for _, f := range findings {
		name := f.Metric + "/" + f.Statistic
		if comparing && f.Limit {
			name = "limit/" + name
		}
		t.Run(f.Level+"/"+name, func(t *testing.T) {
			judged = append(judged, f)
			judge(t, f)
		})
	}
	switch {
	case len(judged) == 0:
		t.Fatalf("nothing is judged: -run or -skip left out all of the %d verdicts", len(findings))
	case len(judged) < len(findings):
		fmt.Printf("warning: %d of %d verdicts were asked for: a gate that runs in part is no verdict on the run\n", len(judged), len(findings))
	}
	if err := reporting.AppendFindings(os.Getenv("GITHUB_STEP_SUMMARY"), judged); err != nil {
		t.Error(err)
	}
}

// judge shows a finding: its failure or skip message is one line, and its figures are attributes, which JUnit keeps.
func judge(t *testing.T, f compare.Finding) {
	t.Attr("verdict", string(f.Verdict))
	for _, figure := range []struct {
		name  string
		value float64
	}{{"value", f.Value}, {"baseline", f.Baseline}, {"bound", f.Bound}} {
		if !math.IsNaN(figure.value) {
			t.Attr(figure.name, fmt.Sprintf("%.6g %s", figure.value, f.Unit))
		}
	}
	t.Attr("samples", fmt.Sprint(f.Samples))
	if f.Client != "" {
		t.Attr("client", string(f.Client))
	}
	switch f.Verdict {
	case compare.Fail:
		t.Error(f.Text)
	case compare.Inconclusive:
		t.Skip(f.Text)
	default:
		t.Log(f.Text)
	}
}
