package bench

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/llmsweep/llmsweep/harness"
	"github.com/llmsweep/llmsweep/harness/compare"
	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/reporting"
)

// realTimeMargin is the default margin, in percent, of a comparison in real time, which is advisory. In virtual time it is zero.
const realTimeMargin = 5

// TestGate judges figures: against the limits of -gate; a recorded candidate's against a recorded baseline's and those limits; or those of
// two arms that it measures in turn. Every rule is a sub-test for each level that it matches.
func TestGate(t *testing.T) {
	entryPoint(t, "Gate")
	plan := resolvedPlan(t)
	failInconclusive = plan.FailInconclusive
	if len(plan.Arms) > 0 {
		gateArms(t, plan)
		return
	}
	rules := loadRules(t, plan.Gate)
	if err := rules.Lack(plan.Gate.Baseline != ""); err != nil && plan.Gate.File != "" {
		t.Fatalf("gate %q: %v", plan.Gate.File, err)
	}
	requireSLO(t, plan, rules)
	var judged *reporting.GateRecord
	switch gate := plan.Gate; {
	case gate.Baseline != "":
		judged = compareRecorded(t, plan, rules)
	case gate.File == "":
		t.Fatal("nothing to judge by: pass -gate FILE with limits, or -baseline DIR and -candidate DIR, or two arms (-arm base=URL -arm candidate=URL)")
	case gate.DataDir != "":
		dir := filepath.Join(harness.Resolve(gate.DataDir), plan.BenchmarkName)
		run := judgeable(t, dir, plan)
		judged = verdict(t, rules.Check(run.Levels))
		keep(plan, dir, run, judged)
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
		dir := filepath.Join(plan.ResultsDir(), plan.BenchmarkName)
		run := judgeable(t, dir, plan)
		judged = verdict(t, rules.Check(run.Levels))
		if keep(plan, dir, run, judged) && plan.Plot {
			writeReport(t, plan) // that of the sweep did not know of it
		}
	}
	conclude(t, judged)
}

// conclude keeps a gate that could judge nothing from being a pass.
func conclude(t *testing.T, judged *reporting.GateRecord) {
	t.Helper()
	if judged == nil || t.Failed() || slices.ContainsFunc(judged.Findings, func(f compare.Finding) bool { return f.Verdict != compare.Inconclusive }) {
		return
	}
	t.Skip("neither passed nor failed: every verdict is inconclusive (-inconclusive=fail makes that a failure)")
}

// requireSLO ends the test before anything is sent where a rule is about goodput and nobody said what is good.
func requireSLO(t *testing.T, plan *harness.Plan, rules compare.Rules) {
	t.Helper()
	recorded := plan.Gate.DataDir != "" || plan.Gate.Baseline != "" // which may have an SLO of its own
	if tags := rules.OfSLO(); len(tags) > 0 && plan.SLO == "" && !recorded {
		t.Fatalf("nothing was sent: gate %q judges %s, which a run has only with objectives: pass -slo, as -slo=\"time_to_first_token:500\"", plan.Gate.File, strings.Join(tags, ", "))
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
	return rules
}

// judgeable reads a benchmark to be judged, by the objectives of -slo if there are any.
func judgeable(t *testing.T, dir string, plan *harness.Plan) compare.Run {
	t.Helper()
	slo, err := metric.ParseSLO(plan.SLO)
	if err != nil {
		t.Fatal(err)
	}
	run, err := reporting.Judgeable(dir, slo)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

func compareRecorded(t *testing.T, plan *harness.Plan, rules compare.Rules) *reporting.GateRecord {
	t.Helper()
	gate := plan.Gate
	if sameFolder(gate) {
		t.Fatalf("refused: baseline %q and candidate %q are the same folder: no figure can be worse", gate.Baseline, gate.Candidate)
	}
	baseline, candidate := judgeable(t, harness.Resolve(gate.Baseline), plan), judgeable(t, harness.Resolve(gate.Candidate), plan)
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
		if slices.ContainsFunc(candidate.Record.Plan.Points(), record.Point.Open) {
			rules.Margins = compare.OfSchedules(rules.Margins)
		}
		if candidate.Record.Plan.Unstreamed {
			rules.Margins = compare.OfDocuments(rules.Margins)
		}
	}
	g := verdict(t, slices.Concat(rules.Compare(baseline, candidate), rules.Check(candidate.Levels)))
	g.Baseline = baseline.Name
	keep(plan, harness.Resolve(gate.Candidate), candidate, g)
	return g
}

// keep writes the verdict on a run into its folder, for reports. Where that cannot be, the verdict stands all the same.
func keep(plan *harness.Plan, dir string, run compare.Run, g *reporting.GateRecord) (kept bool) {
	g.Tool = record.Tool{Name: "llmsweep", Version: harness.Version, Go: runtime.Version()}
	if plan.Gate.File != "" {
		g.Rules = filepath.Base(plan.Gate.File)
	}
	if recorded := plan.Gate.DataDir != "" || plan.Gate.Baseline != ""; recorded {
		g.SLO = plan.SLO
	}
	if run.Record == nil || !run.Record.Plan.Virtual {
		g.CreatedAt = time.Now().UTC()
	}
	if err := reporting.WriteGate(dir, g); err != nil {
		fmt.Println("warning: reports will not show the gate's verdict:", record.Printable(plainly(plan, err)))
		return false
	}
	return true
}

// sameFolder reports whether a run is to be compared with itself. What cannot be looked at is left to its reader.
func sameFolder(gate harness.Gate) bool {
	baseline, err1 := os.Stat(harness.Resolve(gate.Baseline))
	candidate, err2 := os.Stat(harness.Resolve(gate.Candidate))
	return err1 == nil && err2 == nil && os.SameFile(baseline, candidate)
}

// verdict makes each finding a sub-test. -run may choose among them, but not none.
func verdict(t *testing.T, findings []compare.Finding) *reporting.GateRecord {
	t.Helper()
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
	return &reporting.GateRecord{Verdicts: len(findings), Findings: judged}
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
		inconclusive(t, f.Text)
	default:
		t.Log(f.Text)
	}
}

// failInconclusive is -inconclusive=fail.
var failInconclusive bool

// inconclusive ends a verdict's sub-test as -inconclusive says.
func inconclusive(t *testing.T, text string) {
	if failInconclusive {
		t.Error("inconclusive: " + text)
		return
	}
	t.Skip(text)
}

// gateArms measures two arms until each primary has passed, one failed, or the blocks are used up, and shows the verdicts.
func gateArms(t *testing.T, plan *harness.Plan) {
	requireArms(t, plan)
	design := design(t, plan)
	design.Unarmed = unarmed(t, plan, design)
	_, judgement := trial(t, plan, design, os.Stdout)
	if t.Failed() {
		return // it was stopped
	}
	var judged []compare.Estimate
	for _, e := range judgement.Estimates {
		if !e.Primary {
			t.Attr(e.Level+"/"+e.Metric+"/"+e.Statistic, e.Text)
			continue
		}
		t.Run(e.Level+"/"+e.Metric+"/"+e.Statistic, func(t *testing.T) {
			judged = append(judged, e)
			judgeEstimate(t, e)
		})
	}
	if len(judged) == 0 {
		t.Fatal("nothing is judged: -run or -skip left out all of the verdicts")
	}
	t.Attr("verdict", string(judgement.Verdict))
	if err := reporting.AppendEstimates(os.Getenv("GITHUB_STEP_SUMMARY"), judgement); err != nil {
		t.Error(err)
	}
}

// judgeEstimate shows the verdict of a primary: one line, and figures as attributes, which JUnit keeps.
func judgeEstimate(t *testing.T, e compare.Estimate) {
	t.Attr("verdict", string(e.Verdict))
	for _, figure := range []struct {
		name   string
		value  float64
		format string
	}{
		{"base", e.Base, "%.6g " + e.Unit}, {"candidate", e.Candidate, "%.6g " + e.Unit}, {"change", 100 * e.Change, "%+.2f %%"}, {"low", 100 * e.Low, "%+.2f %%"},
		{"high", 100 * e.High, "%+.2f %%"}, {"margin", 100 * e.Margin, "%+.3g %%"}, {"p", e.P, "%.4g"}, {"holm", e.Holm, "%.4g"},
	} {
		if !math.IsNaN(figure.value) {
			t.Attr(figure.name, fmt.Sprintf(figure.format, figure.value))
		}
	}
	t.Attr("blocks", fmt.Sprint(e.Blocks))
	switch {
	case e.Unarmed != "":
		t.Skip("reported, not judged: " + e.Unarmed)
	case e.Verdict == compare.Fail:
		t.Error(e.Text)
	case e.Verdict == compare.Inconclusive:
		inconclusive(t, e.Text)
	default:
		t.Log(e.Text)
	}
}
