package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/llmsweep/llmsweep/harness"
	"github.com/llmsweep/llmsweep/harness/compare"
	"github.com/llmsweep/llmsweep/reporting"
)

// realTimeMargin is the default margin, in percent, of a comparison in real time, which is advisory. In virtual time it is zero.
const realTimeMargin = 5

// TestGate judges figures: against the limits of -gate, or a recorded candidate's against a recorded baseline's. Every rule is a sub-test
// for each level that it matches.
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
	case len(rules.Limits) == 0:
		t.Fatalf("gate %q: has no limits; its margins are for -baseline and -candidate", gate.File)
	case gate.DataDir != "":
		show(t, rules.Check(judgeable(t, filepath.Join(harness.Resolve(gate.DataDir), plan.BenchmarkName)).Levels))
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
		t.Fatalf("gate: %v", err)
	}
	rules, err := compare.ParseRules(data)
	if err != nil {
		t.Fatalf("gate %q:\n%v", gate.File, err)
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
	baseline, candidate := judgeable(t, harness.Resolve(gate.Baseline)), judgeable(t, harness.Resolve(gate.Candidate))
	reasons, warnings := compare.Refusal(baseline, candidate)
	for _, reason := range reasons {
		t.Error("refused: " + reason)
	}
	if len(reasons) > 0 {
		t.FailNow()
	}
	for _, warning := range warnings {
		fmt.Println("warning:", warning)
	}
	if gate.File != "" && len(rules.Margins) == 0 {
		t.Fatalf("gate %q: has no margins; its limits are for one run, without -baseline", gate.File)
	}
	if len(rules.Margins) == 0 {
		margin := 0.0
		if !candidate.Record.Plan.Virtual {
			margin = realTimeMargin
		}
		rules.Margins = compare.DefaultMargins(margin)
	}
	return rules.Compare(baseline, candidate)
}

// show makes each finding a sub-test: its failure or skip message is one line, and its figures are attributes, which JUnit keeps.
func show(t *testing.T, findings []compare.Finding) {
	if len(findings) == 0 {
		t.Fatal("the gate matched nothing: no level and no rule met")
	}
	if err := reporting.AppendFindings(os.Getenv("GITHUB_STEP_SUMMARY"), findings); err != nil {
		t.Error(err)
	}
	for _, f := range findings {
		t.Run(f.Level+"/"+f.Metric+"/"+f.Statistic, func(t *testing.T) {
			t.Attr("verdict", string(f.Verdict))
			t.Attr("value", fmt.Sprintf("%.6g %s", f.Value, f.Unit))
			t.Attr("bound", fmt.Sprintf("%.6g %s", f.Bound, f.Unit))
			t.Attr("samples", fmt.Sprint(f.Samples))
			switch f.Verdict {
			case compare.Fail:
				t.Error(f.Text)
			case compare.Inconclusive:
				t.Skip(f.Text)
			default:
				t.Log(f.Text)
			}
		})
	}
}
