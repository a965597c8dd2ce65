package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/llmsweep/llmsweep/harness"
	"github.com/llmsweep/llmsweep/harness/compare"
	"github.com/llmsweep/llmsweep/harness/host"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/reporting"
)

// TestCompare measures two arms in blocks and shows how the candidate's figures stand to the base's. It judges nothing: that is TestGate's.
func TestCompare(t *testing.T) {
	entryPoint(t, "Compare")
	plan := resolvedPlan(t)
	requireArms(t, plan)
	trial(t, plan, design(t, plan), os.Stdout)
}

func requireArms(t *testing.T, plan *harness.Plan) {
	t.Helper()
	if len(plan.Arms) != 2 {
		t.Fatalf("nothing was sent: a comparison has two arms, of which %d are given: pass -arm base=URL and -arm candidate=URL", len(plan.Arms))
	}
}

// design is what a trial of the plan is to judge: the primaries of -gate, or those that llmsweep takes where it names none.
func design(t *testing.T, plan *harness.Plan) compare.Design {
	t.Helper()
	rules := loadRules(t, plan.Gate)
	requireSLO(t, plan, rules)
	d := compare.Design{Looks: looks(plan.Blocks), Seed: int64(plan.Seed), Primaries: rules.Primaries}
	if len(d.Primaries) == 0 {
		defaults := compare.DefaultPrimaries
		if plan.Unstreamed {
			defaults = compare.DocumentPrimaries
		}
		d.Primaries = defaults(slices.MaxFunc(plan.Points(), record.Point.Compare).Name())
	}
	for _, p := range d.Primaries {
		if !slices.ContainsFunc(plan.Points(), func(at record.Point) bool { return at.Name() == p.Level }) {
			t.Fatalf("nothing was sent: gate %q: primary %s %s is of level %s, which the plan does not have", plan.Gate.File, p.Metric, p.Statistic, p.Level)
		}
	}
	if err := d.Validate(); err != nil {
		t.Fatalf("nothing was sent: the comparison: %v", err)
	}
	return d
}

// looks are those of a comparison of at most so many blocks, 0: of the default.
func looks(blocks int) []int {
	all := compare.DefaultLooks()
	if blocks == 0 {
		return all
	}
	all = slices.DeleteFunc(all, func(n int) bool { return n >= blocks })
	return append(all, blocks)
}

// trial runs a comparison to its end, writes it, and prints it to out. Where it was stopped before its end, t fails.
func trial(t *testing.T, plan *harness.Plan, d compare.Design, out io.Writer) (*compare.Trial, compare.Judgement) {
	t.Helper()
	if plan.DryRun {
		fmt.Fprintf(out, "dry run: %d runs at most, two in each of %d blocks and the one that is discarded; each of them:\n", 2*(d.Looks[len(d.Looks)-1]+1), d.Looks[len(d.Looks)-1])
		if err := plan.Run(plan.Arms[0], filepath.Join(plan.ResultsDir(), plan.BenchmarkName, "block-00"), 0, 0).WriteDryRun(out); err != nil {
			t.Fatal("nothing was sent: " + err.Error())
		}
		t.SkipNow()
	}
	ctx, release := harness.Owned(context.Background())
	defer release()
	ctx, cancel := limited(ctx, t, plan, out)
	defer cancel()
	blocks, err := harness.OpenBlocks(plan)
	if err != nil {
		t.Fatal("nothing was sent: " + plainly(plan, err))
	}
	defer func() {
		if err := blocks.Close(); err != nil {
			t.Error(err)
		}
	}()
	r := &runner{plan: plan, blocks: blocks, out: out, log: &onceEach{to: out}, began: time.Now()}
	machine := compare.NewTrial(d)
	for step, more := machine.Next(); more && ctx.Err() == nil; step, more = machine.Next() {
		ran := false
		var result compare.Result
		t.Run(fmt.Sprintf("%s/%s", filepath.Base(blocks.Block(step.Block, step.Attempt)), plan.Arms[step.Arm].Name), func(t *testing.T) {
			ran = true
			result = r.run(ctx, t, step)
		})
		if !ran {
			t.Fatal("nothing is judged: -run must not choose among the runs of a comparison")
		}
		if ctx.Err() != nil {
			break
		}
		if r.refusal != "" {
			t.Fatal("refused: " + r.refusal)
		}
		machine.Add(result)
		r.note(step, result, machine, d.Looks[len(d.Looks)-1])
	}
	judgement := machine.Judge()
	if err := context.Cause(ctx); err != nil {
		judgement.Verdict, judgement.Reason = compare.Inconclusive, "stopped: "+err.Error()
	}
	r.report(t, d, judgement)
	if err := context.Cause(ctx); err != nil {
		t.Errorf("stopped: %v", err)
	}
	return machine, judgement
}

// limited ends ctx before go test would end the process, and at -max-duration, which is of the whole comparison.
func limited(ctx context.Context, t *testing.T, plan *harness.Plan, out io.Writer) (context.Context, context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	if plan.MaxDuration > 0 && !plan.Virtual {
		ctx, cancel = context.WithTimeoutCause(ctx, plan.MaxDuration, fmt.Errorf("-max-duration %v is over", plan.MaxDuration))
	}
	if at, limited := t.Deadline(); limited {
		fmt.Fprintf(out, "note: go test ends this run at %s; add -timeout 0 to the go test command to lift that limit\n", at.Format(time.TimeOnly))
		ctx, cancel = context.WithDeadlineCause(ctx, at.Add(-30*time.Second), errors.New("go test's time is up; add -timeout 0 to the go test command to lift that limit"))
	}
	return ctx, cancel
}

// runner makes the runs of a comparison.
type runner struct {
	plan    *harness.Plan
	blocks  *harness.Blocks
	out     io.Writer
	log     *onceEach
	began   time.Time
	runs    []reporting.ComparisonRun
	first   [2]*compare.Run // of each arm
	refusal string          // why the arms must not be compared
}

// run makes one run of an arm.
func (r *runner) run(ctx context.Context, t *testing.T, step compare.Step) (result compare.Result) {
	arm := r.plan.Arms[step.Arm]
	dir := r.blocks.Block(step.Block, step.Attempt)
	plan := r.plan.Run(arm, dir, step.Block, step.Attempt)
	defer func() {
		relative, _ := filepath.Rel(r.blocks.Dir, filepath.Join(dir, arm.Name))
		made := reporting.ComparisonRun{Block: step.Block, Arm: arm.Name, Attempt: step.Attempt, Dir: filepath.ToSlash(relative), Invalid: result.Invalid}
		if made.Invalid == "" {
			var err error
			if made.Recording, err = reporting.Recording(filepath.Join(dir, arm.Name)); err != nil {
				t.Error(plainly(plan, err))
			}
		}
		r.runs = append(r.runs, made)
	}()
	if arm.Target == nil {
		embed(t, plan)
	}
	output, err := armOutput(arm, dir)
	if err != nil {
		t.Fatal(plainly(plan, err))
	}
	defer output.Close()
	serving, stop, err := arm.Serve(ctx, output, step.Block)
	if err != nil {
		t.Fatal("no load was sent: " + plainly(plan, err))
	}
	defer stop()
	if why := r.levels(serving, t, plan); why != "" {
		return compare.Result{Invalid: why}
	}
	run, err := reporting.Judgeable(filepath.Join(dir, arm.Name), nil)
	if err != nil {
		t.Error(plainly(plan, err))
		return compare.Result{Invalid: err.Error()}
	}
	r.check(step, &run)
	return compare.Result{Levels: run.Levels}
}

// armOutput is where the output of the arm's command goes.
func armOutput(arm harness.Arm, dir string) (io.WriteCloser, error) {
	if arm.Command == "" {
		return nopCloser{io.Discard}, nil
	}
	return arm.Log(dir)
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// levels measures all levels of a run. It returns why the run stands for nothing, or "".
func (r *runner) levels(ctx context.Context, t *testing.T, plan *harness.Plan) (invalid string) {
	out := output(plan)
	out.Log = r.log
	sweep, err := harness.Open(ctx, plan, out)
	if err != nil {
		return plainly(plan, err)
	}
	defer sweep.Close()
	measured(ctx, t, sweep, func(ctx context.Context, t *testing.T) { err = sweep.Ready(ctx) })
	if err != nil {
		return cmpCause(ctx, "no load was sent: "+plainly(plan, err))
	}
	for _, level := range sweep.Levels() {
		var ended *record.Level
		measured(ctx, t, sweep, func(ctx context.Context, t *testing.T) { ended, err = sweep.RunLevel(ctx, level) })
		switch {
		case err != nil:
			return cmpCause(ctx, plainly(plan, err))
		case ended.Status != record.Done:
			return cmpCause(ctx, fmt.Sprintf("%s: %s", level.Name, ended.Reason))
		}
	}
	return ""
}

// cmpCause prefers the cause of ctx, such as the end of the arm's command, to what followed from it.
func cmpCause(ctx context.Context, reason string) string {
	if err := context.Cause(ctx); err != nil {
		return err.Error()
	}
	return reason
}

// check holds the first runs of both arms beside each other: what was not asked alike cannot be compared.
func (r *runner) check(step compare.Step, run *compare.Run) {
	if r.first[step.Arm] != nil {
		return
	}
	run.Name = r.plan.Arms[step.Arm].Name
	r.first[step.Arm] = run
	if r.first[compare.Base] == nil || r.first[compare.Candidate] == nil {
		return
	}
	reasons, warnings := compare.Refusal(*r.first[compare.Base], *r.first[compare.Candidate])
	r.refusal = strings.Join(reasons, "; ")
	for _, warning := range warnings {
		fmt.Fprintln(r.log, "warning: "+warning)
	}
}

// note says how far the comparison is.
func (r *runner) note(step compare.Step, result compare.Result, machine *compare.Trial, most int) {
	name := r.plan.Arms[step.Arm].Name
	if result.Invalid != "" {
		fmt.Fprintf(r.out, "block %d %s stands for nothing: %s\n", step.Block, name, result.Invalid)
		return
	}
	next, more := machine.Next()
	if more && next.Block == step.Block {
		return // its other arm is to come
	}
	line := fmt.Sprintf("block %d of at most %d", step.Block, most)
	if step.Discarded() {
		fmt.Fprintln(r.out, line+": both arms are warm; its figures count for nothing")
		return
	}
	var parts []string
	for _, e := range machine.Judge().Estimates {
		if e.Primary && !math.IsNaN(e.Change) {
			parts = append(parts, fmt.Sprintf("%s %s %+.1f %%", e.Level, e.Metric, 100*e.Change))
		}
	}
	fmt.Fprintln(r.out, line+": so far "+strings.Join(parts, ", "))
}

// report writes the comparison into its folder and prints it.
func (r *runner) report(t *testing.T, d compare.Design, j compare.Judgement) {
	t.Helper()
	c := reporting.Comparison{Tool: record.Tool{Name: "llmsweep", Version: harness.Version}, Virtual: r.plan.Virtual, Gate: t.Name() == "TestGate", Design: reporting.ComparisonDesign{Primaries: d.Primaries, Looks: d.Looks, CoinSeed: d.Seed}, Judgement: j, Runs: r.runs, Plan: r.plan.Plan}
	if !r.plan.Virtual {
		c.CreatedAt = r.began.UTC()
	}
	for _, arm := range r.plan.Arms {
		run := r.plan.Run(arm, "", 0, 0)
		c.Arms = append(c.Arms, reporting.ComparisonArm{Name: arm.Name, Endpoint: strings.Join(run.Endpoints, ", "), MockArgs: arm.MockArgs, Started: arm.Command != ""})
	}
	if err := reporting.WriteComparison(r.blocks.Dir, &c); err != nil {
		t.Error(plainly(r.plan, err))
		return
	}
	if err := c.WriteSummary(r.out); err != nil {
		t.Error(err)
	}
	fmt.Fprintf(r.out, "\nComparison: %s\n", filepath.Join(r.blocks.Dir, record.ComparisonSummary))
}

// onceEach hands on warnings, each once: dozens of runs have the same ones, and what else a run says is of no use here.
type onceEach struct {
	to   io.Writer
	mu   sync.Mutex
	seen map[string]bool
}

// Write takes whole lines.
func (o *onceEach) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for line := range strings.Lines(string(p)) {
		if !strings.HasPrefix(line, "warning: ") || o.seen[line] {
			continue
		}
		if o.seen == nil {
			o.seen = map[string]bool{}
		}
		o.seen[line] = true
		if _, err := io.WriteString(o.to, line); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// TestSelfCompare measures one target as both arms, and keeps how large a change of each figure must be to be seen on this machine.
func TestSelfCompare(t *testing.T) {
	entryPoint(t, "SelfCompare")
	plan := resolvedPlan(t)
	switch len(plan.Arms) {
	case 0:
		t.Fatal("nothing to compare: pass -arm NAME=URL, once, or -arm NAME=mock: for the embedded mock server")
	case 1:
		again := plan.Arms[0]
		again.Name += "-again"
		plan.Arms = append(plan.Arms, again)
	}
	plan.Blocks = cmp.Or(plan.Blocks, compare.SelfBlocks)
	d := design(t, plan)
	d.Looks = []int{plan.Blocks}
	machine, _ := trial(t, plan, d, os.Stdout)
	if t.Failed() {
		return
	}
	kept := reporting.Sensitivities{Figures: machine.Sensitivity()}
	if !plan.Virtual {
		kept.Host = host.Read()
	}
	path := filepath.Join(plan.ResultsDir(), plan.BenchmarkName, record.SensitivityFile)
	if err := record.WriteJSON(path, &kept); err != nil {
		t.Fatal(plainly(plan, err))
	}
	if err := kept.Write(os.Stdout, compare.Unarmed(d.Primaries, kept.Figures)); err != nil {
		t.Error(err)
	}
	fmt.Printf("\nKept for -sensitivity: %s\n", path)
}

// unarmed are the primaries that the file of -sensitivity says cannot be judged on this machine, with the reasons.
func unarmed(t *testing.T, plan *harness.Plan, d compare.Design) map[compare.Selector]string {
	t.Helper()
	if plan.Gate.Sensitivity == "" {
		return nil
	}
	var kept reporting.Sensitivities
	if err := record.ReadJSON(harness.Resolve(plan.Gate.Sensitivity), &kept); err != nil {
		t.Fatalf("sensitivity %q: %v: make it anew with -run SelfCompare", plan.Gate.Sensitivity, err)
	}
	if here := host.Read(); !plan.Virtual && (kept.Host == nil || kept.Host.Fingerprint != here.Fingerprint) {
		t.Fatalf("sensitivity %q is of another machine, or of this one before it changed: make it anew with -run SelfCompare", plan.Gate.Sensitivity)
	}
	return compare.Unarmed(d.Primaries, kept.Figures)
}
