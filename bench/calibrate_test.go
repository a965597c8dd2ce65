package bench

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/llmsweep/llmsweep/harness"
	"github.com/llmsweep/llmsweep/harness/ceiling"
	"github.com/llmsweep/llmsweep/harness/host"
	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/record"
)

// TestCalibrate measures the ceiling of this machine against the built-in mock server, in a process of its own, prints it and keeps it
// for later runs. -concurrencies, or CONCURRENCIES in the environment, chooses other numbers of streams, -request-rate other rates of an open loop; the ceiling is that of the transport
// and the reuse of connections that the other flags ask for.
func TestCalibrate(t *testing.T) {
	entryPoint(t, "Calibrate")
	plan := resolvedPlan(t)
	if len(plan.Targets) > 0 || plan.Virtual {
		t.Fatal("nothing was sent: -run Calibrate measures this machine against the built-in mock server: leave out -endpoint and -virtual")
	}
	if plan.Unstreamed {
		t.Fatal("nothing was sent: -run Calibrate measures streams: leave out -streaming=false")
	}
	if plan.DryRun || plan.PreflightOnly {
		t.Fatal("nothing was sent: -dry-run and -preflight-only are for -run Sweep")
	}
	streams, rates := []int{1, 10, 100, 500, 1000, 5000}, []float64{1000, 5000}
	if flags.Chosen("concurrencies", os.Getenv) || flags.Chosen("request-rate", os.Getenv) {
		streams, rates = plan.Concurrencies, plan.RequestRates
	}
	ctx, release := harness.Owned(context.Background())
	defer release()
	table := &ceiling.Table{SchemaVersion: ceiling.SchemaVersion, Setup: ceiling.Setup{Host: *host.Read(), ConnectionReuse: plan.ConnectionReuse}}
	for _, n := range streams {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			row, err := calibration{ctx: ctx, dir: t.TempDir(), streams: n, of: &table.Setup}.row()
			if err != nil {
				row.Failure = err.Error()
				t.Error(err)
			}
			table.Rows = append(table.Rows, row)
		})
		if ctx.Err() != nil {
			t.Fatalf("stopped: %v", context.Cause(ctx))
		}
	}
	for _, rate := range rates {
		t.Run(fmt.Sprintf("r%g", rate), func(t *testing.T) {
			d, err := calibration{ctx: ctx, dir: t.TempDir(), of: &table.Setup}.dispatch(rate)
			if err != nil {
				d.Failure = err.Error()
				t.Error(err)
			}
			table.OpenLoop = append(table.OpenLoop, d)
		})
	}
	fmt.Println()
	if err := table.Print(os.Stdout); err != nil {
		t.Fatal(err)
	}
	file, err := table.Save()
	if err != nil {
		t.Fatalf("the ceiling is not kept: %v", err)
	}
	fmt.Printf("\nKept in %s: later runs quote their share of it.\n", file)
}

// calibration measures at one number of streams.
type calibration struct {
	ctx     context.Context
	dir     string
	streams int
	of      *ceiling.Setup // learns which transport the runs took
}

// row makes the three runs. Of what fails the figures are missing.
func (c calibration) row() (ceiling.Row, error) {
	row := ceiling.Row{Streams: c.streams, MeasuredAt: time.Now().UTC().Round(time.Second)}
	return row, errors.Join(c.paced(&row, max(c.streams, min(3*c.streams, 2000))), c.fast(&row))
}

// paced has the server keep known times and record what it did.
func (c calibration) paced(row *ceiling.Row, requests int) error {
	file := filepath.Join(c.dir, "server.jsonl")
	server, err := c.serve("-ttft="+ceiling.TTFT.String(), "-itl="+ceiling.ITL.String(), "-record="+file)
	if err != nil {
		return err
	}
	level, samples, err := c.load(server.url, "paced", requests, ceiling.Tokens)
	if err = errors.Join(err, server.stop()); err != nil {
		return err
	}
	recorded, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("reading the server's record: %w", err)
	}
	defer recorded.Close()
	truth, err := ceiling.ReadTruth(recorded)
	if err != nil {
		return err
	}
	row.Client = string(level.Client())
	if i := level.Instrument; i != nil && i.Lateness != nil {
		row.LatenessP99MS = i.Lateness.P99MS
	}
	return row.Paced(level.StartedAt, samples, truth)
}

// fast has the server answer without waiting: in many tokens, and in one.
func (c calibration) fast(row *ceiling.Row) error {
	const events, most, requests = 1_000_000, 4000, 20_000
	server, err := c.serve("-ttft=0s", "-speedup-ratio=0")
	if err != nil {
		return err
	}
	answers := max(c.streams, events/most)
	_, long, err := c.load(server.url, "events", answers, max(1, events/answers))
	if err == nil {
		row.MostEventsPerSecond = rate(long, "output_token_throughput")
		var short []*record.Sample
		if _, short, err = c.load(server.url, "requests", max(c.streams, requests), 1); err == nil {
			row.MostRequestsPerSecond = rate(short, "request_throughput")
		}
	}
	return errors.Join(err, server.stop())
}

// dispatch sends an open loop for five seconds.
func (c calibration) dispatch(rate float64) (d ceiling.Dispatch, err error) {
	d.RequestsPerSecond = rate
	server, err := c.serve("-ttft=0s", "-speedup-ratio=0")
	if err != nil {
		return d, err
	}
	level, _, err := c.load(server.url, "open", int(5*rate), 1, fmt.Sprintf("-request-rate=%g", rate))
	if err = errors.Join(err, server.stop()); err != nil {
		return d, err
	}
	d.Planned, d.Ended, d.Client = level.Counts.Planned, level.Counts.Outcomes[record.OK], string(level.Client())
	if i := level.Instrument; i != nil && i.Lateness != nil {
		d.LateP50MS, d.LateP99MS = i.Lateness.P50MS, i.Lateness.P99MS
		if i.TimerFloor != nil {
			d.FloorP99MS = i.TimerFloor.LateP99MS
		}
	}
	return d, nil
}

// rate is a figure of the whole level.
func rate(samples []*record.Sample, tag string) float64 {
	a := metric.NewAccumulator(time.Time{})
	for _, s := range samples {
		a.Add(s)
	}
	for _, r := range a.Results() {
		if r.Tag == tag {
			return r.Value
		}
	}
	return 0
}

// calibrationLimit bounds a run of calibration: nothing hangs.
const calibrationLimit = 40 * time.Second

// load runs one level and returns it with its measured samples.
func (c calibration) load(url, name string, requests, tokens int, more ...string) (*record.Level, []*record.Sample, error) {
	set := flag.NewFlagSet("calibrate", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	own := harness.RegisterFlags(set)
	args := append(flags.Args(), "-endpoint="+url, "-benchmark-name="+name, "-output-dir="+c.dir, "-isl=16", "-std=0", "-tokenizer=embedded", fmt.Sprint("-osl=", tokens),
		fmt.Sprint("-request-count=", requests), "-max-error-rate=0", "-wait-ready=30s", "-warmup-requests=0",
		fmt.Sprint("-max-duration=", calibrationLimit))
	if args = append(args, more...); c.streams > 0 {
		args = append(args, fmt.Sprint("-concurrencies=", c.streams))
	}
	if err := set.Parse(args); err != nil {
		return nil, nil, err
	}
	plan, err := own.Plan(os.Getenv)
	if err != nil {
		return nil, nil, err
	}
	sweep, err := harness.Open(c.ctx, plan, harness.Output{Log: io.Discard})
	if err != nil {
		return nil, nil, err
	}
	defer sweep.Close()
	if err := sweep.Ready(c.ctx); err != nil {
		return nil, nil, err
	}
	only := sweep.Levels()[0]
	level, err := sweep.RunLevel(c.ctx, only)
	switch {
	case err != nil:
		return nil, nil, err
	case level.Status != record.Done:
		return nil, nil, fmt.Errorf("%s run: %s", name, level.Reason)
	}
	c.of.Transport = level.Transport
	var samples []*record.Sample
	_, err = record.ReadLog(filepath.Join(sweep.LevelDir(only), record.LogFile), func(s *record.Sample) error {
		samples = append(samples, s)
		return nil
	})
	return level, samples, err
}

// mockProcess is a mock server in a process of its own, so that what it costs is not the client's.
type mockProcess struct {
	command *exec.Cmd
	url     string
	stderr  *strings.Builder
}

// serve starts one.
func (c calibration) serve(args ...string) (*mockProcess, error) {
	binary, err := os.Executable()
	if err != nil {
		return nil, err
	}
	m := &mockProcess{command: exec.Command(binary), stderr: new(strings.Builder)}
	m.command.Args = append([]string{"mockserver", "-port=0", "-max-num-seqs=1000000"}, args...)
	owned(m.command)
	m.command.Stderr = m.stderr
	out, err := m.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := m.command.Start(); err != nil {
		return nil, fmt.Errorf("starting the mock server: %w", err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if m.url = regexp.MustCompile(`http://\S+:\d+`).FindString(line); m.url == "" {
		return nil, errors.Join(fmt.Errorf("the mock server says %q instead of where it is", line), err, m.stop())
	}
	return m, nil
}

// stop ends it and waits for its end, for which it needs no longer than a moment.
func (m *mockProcess) stop() error {
	kill := time.AfterFunc(10*time.Second, func() { _ = m.command.Process.Kill() })
	defer kill.Stop()
	if err := m.command.Process.Signal(syscall.SIGTERM); err != nil {
		return errors.Join(fmt.Errorf("stopping the mock server: %w", err), m.command.Wait())
	}
	if err := m.command.Wait(); err != nil {
		return fmt.Errorf("the mock server failed: %w: %s", err, strings.TrimSpace(m.stderr.String()))
	}
	return nil
}
