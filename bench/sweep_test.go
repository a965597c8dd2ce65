package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llmsweep/llmsweep/harness"
	"github.com/llmsweep/llmsweep/harness/instrument"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/mockserver"
	mockcmd "github.com/llmsweep/llmsweep/mockserver/cmd"
	"github.com/llmsweep/llmsweep/mockserver/memnet"
	"github.com/llmsweep/llmsweep/reporting"
	"github.com/llmsweep/llmsweep/reporting/results"
)

// TestSweep measures an endpoint at each concurrency; every level is a sub-test.
func TestSweep(t *testing.T) {
	entryPoint(t, "Sweep")
	sweep(t, resolvedPlan(t))
}

// resolvedPlan is the plan of command line and environment; a bad one ends the test before anything is sent.
func resolvedPlan(t *testing.T) *harness.Plan {
	t.Helper()
	plan, err := flags.Plan(os.Getenv)
	if err != nil {
		t.Fatalf("nothing was sent:\n%v\n\n%s", err, helpHint())
	}
	for _, warning := range harness.UnknownEnvironment(os.Environ()) {
		fmt.Println("warning:", warning)
	}
	if plan.DryRun || plan.Gate.DataDir != "" || plan.Gate.Baseline != "" {
		return plan // nothing will be sent
	}
	ctx, release := harness.Owned(context.Background())
	defer release()
	if err := plan.FindTokenizer(ctx, os.Getenv, func(line string) { fmt.Println(line) }); err != nil {
		t.Fatal("nothing was sent: " + plainly(plan, err))
	}
	return plan
}

// sweep runs all levels of a plan as sub-tests of t, and reports.
func sweep(t *testing.T, plan *harness.Plan) {
	if plan.DryRun {
		if err := plan.WriteDryRun(os.Stdout); err != nil {
			t.Fatal("nothing was sent: " + err.Error())
		}
		return
	}
	ctx, release := harness.Owned(context.Background())
	defer release()
	if len(plan.Targets) == 0 {
		embed(t, plan)
	}
	sweep, err := harness.Open(ctx, plan, output(plan))
	if err != nil {
		t.Fatal("nothing was sent: " + plainly(plan, err))
	}
	defer sweep.Close()
	context.AfterFunc(ctx, func() {
		if !errors.Is(context.Cause(ctx), context.Canceled) {
			sweep.Print(fmt.Sprintf("%v: stopping; what was measured is kept", context.Cause(ctx)))
		}
	})
	if nothing := sweep.NothingLeft(); nothing != "" {
		fmt.Println(nothing)
	} else {
		ctx = deadline(t, ctx, sweep)
		measured(ctx, t, sweep, func(ctx context.Context, t *testing.T) { err = sweep.Ready(ctx) })
	}
	if err != nil {
		t.Fatal("no load was sent: " + plainly(plan, err))
	}
	if plan.PreflightOnly {
		return
	}
	if runLevels(ctx, t, sweep) {
		report(t, plan)
	}
}

// runLevels runs one level after another until one of them is reason to stop. It reports whether there is anything to show.
func runLevels(ctx context.Context, t *testing.T, sweep *harness.Sweep) (measured bool) {
	stopped := sweep.NothingLeft()
	for _, level := range sweep.Levels() {
		t.Run(level.Name, func(t *testing.T) {
			if sweep.Finished(level) {
				measured = true
				t.Log("kept: finished before the resume")
				showLevel(t, sweep, level, reporting.CompleteLevel)
				return
			}
			if stopped != "" {
				t.Skip("not run: " + stopped)
			}
			var ran bool
			ran, stopped = runLevel(ctx, t, sweep, level)
			measured = measured || ran
		})
	}
	return measured
}

// runLevel runs one level as a sub-test. It reports whether the level has results, and why the sweep should stop, or "".
func runLevel(ctx context.Context, t *testing.T, sweep *harness.Sweep, level harness.Level) (hasResults bool, stop string) {
	var ended *record.Level
	var err error
	measuredAgain(ctx, t, sweep, level.Again, func(ctx context.Context, t *testing.T) { ended, err = sweep.RunLevel(ctx, level) })
	if err != nil {
		reason := plainly(sweep.Plan, err)
		t.Error(reason)
		return ended != nil, reason
	}
	if reason := showLevel(t, sweep, level, reporting.WriteLevel); reason != "" {
		return true, reason
	}
	switch {
	case ended.Status == record.Capped:
		return true, ended.Reason
	case ended.Status == record.Interrupt:
		instead := ""
		if sweep.Plan.Overwrite {
			instead = " in place of -overwrite"
		}
		t.Errorf("stopped: %s; the same command with -resume%s goes on", ended.Reason, instead)
		return true, ended.Reason
	case ended.Status != record.Done:
		t.Error(ended.Reason)
		if !sweep.Plan.ContinueOnError {
			return true, fmt.Sprintf("%s failed (-continue-on-error goes on)", level.Name)
		}
	}
	return true, ""
}

// showLevel has the exports of a level written and shows its figures. It returns why that did not work, or "".
func showLevel(t *testing.T, sweep *harness.Sweep, level harness.Level, write func(dir string) (*results.Level, error)) (failure string) {
	figures, err := write(sweep.LevelDir(level))
	if err != nil {
		failure = plainly(sweep.Plan, err)
		t.Error(failure)
		return failure
	}
	for _, a := range reporting.Attributes(figures) {
		t.Attr(a.Key, a.Value)
	}
	return ""
}

// plainly puts an error into words. On a full volume one file after another fails in a line of its own, of which the first will do.
func plainly(plan *harness.Plan, err error) string {
	if !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EDQUOT) {
		return err.Error()
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	return fmt.Sprintf("no space is left for results in %q: free some, or choose another -output-dir (%s)", plan.ResultsDir(), first)
}

// report writes the report over all benchmarks of the output directory, and prints the table of this one.
func report(t *testing.T, plan *harness.Plan) {
	dir := plan.ResultsDir()
	if err := reporting.PrintTable(os.Stdout, dir, plan.BenchmarkName); err != nil {
		t.Error(plainly(plan, err))
		return
	}
	if plan.Plot {
		writeReport(t, plan)
	}
}

// writeReport writes the report over all benchmarks of the output directory.
func writeReport(t *testing.T, plan *harness.Plan) {
	t.Helper()
	dir := plan.ResultsDir()
	plots := filepath.Join(dir, "plots")
	in := reporting.Inputs{DataDir: dir, Markdown: plan.Markdown, Formats: plan.Formats}
	_, err := reporting.Write(plots, in)
	var tooMany *reporting.TooManyError
	if errors.As(err, &tooMany) {
		fmt.Printf("warning: %v\nwarning: the report shows %s alone\n", err, plan.BenchmarkName)
		in.Names = []string{plan.BenchmarkName}
		_, err = reporting.Write(plots, in)
	}
	if err != nil {
		t.Error(plainly(plan, err))
		return
	}
	fmt.Printf("\nReport:  %s\nSummary: %s\n", filepath.Join(plots, reporting.PageFile), filepath.Join(plots, reporting.SummaryFile))
}

// output chooses where progress is shown: the terminal that go test itself does not hand through, else plain lines.
func output(plan *harness.Plan) harness.Output {
	o := harness.Output{Log: os.Stdout, Live: !plan.Virtual}
	if o.Live {
		o.Terminal = terminal("/dev/tty")
	}
	return o
}

// terminal opens a terminal to redraw a line on. Of none and of a dumb one it is nil.
func terminal(path string) *os.File {
	if os.Getenv("TERM") == "dumb" {
		return nil
	}
	tty, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return nil
	}
	return tty
}

// deadline ends the run in good time before go test would kill it.
func deadline(t *testing.T, ctx context.Context, sweep *harness.Sweep) context.Context {
	at, limited := t.Deadline()
	if !limited {
		return ctx
	}
	ctx, err := sweep.StopBefore(ctx, at)
	if err != nil {
		t.Fatalf("no load was sent: %v", err)
	}
	return ctx
}

// embed makes the built-in mock server the target. In virtual time each level has one of its own, made inside its bubble.
func embed(t *testing.T, plan *harness.Plan) {
	plan.EmbeddedMock = true
	_, aside := mockOptions(t, plan)
	plan.MockFiles = aside.Files
	for _, note := range aside.Notes {
		t.Logf("mock-args: %s", note)
	}
	host := virtualHost
	if !plan.Virtual {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatalf("starting the mock server: %v", err)
		}
		serveMock(t, plan, 0, listener)
		host = listener.Addr().String()
	}
	u, err := harness.ParseEndpoint(host, "http")
	if err != nil {
		t.Fatal(err)
	}
	plan.AddTarget(u)
}

const virtualHost = "mock.virtual:80"

// mockOptions returns what the plan says of the built-in mock server, and what else came to light.
func mockOptions(t *testing.T, plan *harness.Plan) (mockserver.Options, mockcmd.Aside) {
	options := mockserver.DefaultOptions()
	options.Model, options.Virtual, options.FineTimer = plan.Model, plan.Virtual, !plan.Virtual
	options, aside, err := mockcmd.Options(options, harness.Resolve, plan.MockArgs)
	if err != nil {
		t.Fatalf("nothing was sent: mock-args %q: %v (go run ./mockserver/cmd/mockserver -h lists its flags)", strings.Join(plan.MockArgs, " "), err)
	}
	return options, aside
}

// serveMock starts the mock server. Its noise is of its own each time that a level is measured again, as that of a server which is started anew.
func serveMock(t *testing.T, plan *harness.Plan, again int, listener net.Listener) {
	options, _ := mockOptions(t, plan)
	options.Noise.Seed += uint64(again)
	mock, err := mockserver.New(options)
	if err != nil {
		t.Fatalf("starting the mock server: %v", err)
	}
	served := make(chan error, 1)
	go func() { served <- mock.Serve(listener) }()
	t.Cleanup(func() {
		_ = mock.Close()
		if err := <-served; err != nil {
			t.Errorf("the mock server failed: %v", err)
		}
	})
}

// measured calls f, in virtual time inside a bubble with a mock server of its own. A cancelled ctx reaches into the bubble as a flag
// that is looked at each virtual second: a channel from outside would keep the clock from advancing.
func measured(ctx context.Context, t *testing.T, sweep *harness.Sweep, f func(context.Context, *testing.T)) {
	measuredAgain(ctx, t, sweep, 0, f)
}

// measuredAgain is measured for a level that was measured so often before.
func measuredAgain(ctx context.Context, t *testing.T, sweep *harness.Sweep, again int, f func(context.Context, *testing.T)) {
	if !sweep.Plan.Virtual {
		f(ctx, t)
		return
	}
	synctest.Test(t, func(t *testing.T) {
		listener := memnet.Listen(virtualHost)
		serveMock(t, sweep.Plan, again, listener)
		sweep.Dial = listener.DialContext
		sweep.Loopback = func() (net.Listener, instrument.Dial, error) {
			own := memnet.Listen("canary.virtual:80")
			return own, own.DialContext, nil
		}
		inside, cancel := context.WithCancelCause(context.Background())
		defer cancel(nil)
		go func() {
			for inside.Err() == nil {
				if ctx.Err() != nil {
					cancel(context.Cause(ctx))
				}
				select {
				case <-time.After(time.Second):
				case <-inside.Done():
				}
			}
		}()
		f(inside, t)
	})
}
