package bench

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness"
	"github.com/llmsweep/llmsweep/harness/ceiling"
	"github.com/llmsweep/llmsweep/harness/host"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/stat"
)

// measuring is a sweep in a process of its own, against a mock server in this one.
type measuring struct {
	command *exec.Cmd
	output  bytes.Buffer
	ended   chan struct{}
	dir     string // of the benchmark
}

// startMeasuring returns when the sweep is about to measure its first level.
func startMeasuring(t *testing.T, args ...string) *measuring {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	serveMock(t, &harness.Plan{Plan: record.Plan{Model: "Qwen/Qwen3-0.6B", MockArgs: []string{"-ttft=20ms", "-itl=10ms"}}}, 0, listener)
	out := t.TempDir()
	m := &measuring{ended: make(chan struct{}), dir: filepath.Join(out, "watched")}
	ctx, cancel := context.WithTimeout(context.Background(), childLimit)
	m.command = child{args: append([]string{
		"-endpoint=http://" + listener.Addr().String(), "-benchmark-name=watched", "-isl=8", "-std=0", "-plot=false", "-output-dir=" + out,
	}, args...)}.command(ctx, t, "TestSweep")
	m.command.Stdout, m.command.Stderr = &m.output, &m.output
	require.NoError(t, m.command.Start())
	go func() {
		defer close(m.ended)
		_ = m.command.Wait()
	}()
	t.Cleanup(func() { cancel(); <-m.ended })
	m.until(t, func() bool { return exists(filepath.Join(m.dir, record.RunFile)) })
	return m
}

func exists(path string) bool {
	matches, _ := filepath.Glob(path)
	return len(matches) > 0
}

func (m *measuring) until(t *testing.T, happened func() bool) {
	t.Helper()
	for limit := time.Now().Add(time.Minute); !happened(); time.Sleep(time.Millisecond) {
		require.True(t, time.Now().Before(limit) && !m.over(), "the sweep never came to that point:\n%s", &m.output)
	}
}

func (m *measuring) over() bool {
	select {
	case <-m.ended:
		return true
	default:
		return false
	}
}

func (m *measuring) signal(s syscall.Signal) { _ = m.command.Process.Signal(s) }

// duty lets the sweep run for on and stops it for off, in turns, until it ends.
func (m *measuring) duty(on, off time.Duration) {
	defer m.signal(syscall.SIGCONT)
	for !m.over() {
		m.signal(syscall.SIGSTOP)
		time.Sleep(off)
		m.signal(syscall.SIGCONT)
		time.Sleep(on)
	}
}

func (m *measuring) passes(t *testing.T) {
	t.Helper()
	<-m.ended
	require.Zero(t, m.command.ProcessState.ExitCode(), m.output.String())
}

// TestStarvedClientIsMarked holds a client to a tenth of a processor: each of its levels is marked, on every output of it.
func TestStarvedClientIsMarked(t *testing.T) {
	runs := 20
	if testing.Short() {
		runs = 5
	}
	var levels []string
	for k := range runs {
		levels = append(levels, fmt.Sprint(10+k))
	}
	m := startMeasuring(t, "-osl=16", "-request-count=30", "-concurrencies="+strings.Join(levels, ","))
	m.duty(10*time.Millisecond, 90*time.Millisecond)
	m.passes(t)
	for _, c := range levels {
		l := readLevel(t, filepath.Join(m.dir, "c"+c))
		assert.Contains(t, []record.ClientVerdict{record.ClientSuspect, record.ClientLimited}, l.Client(), "c%s: %v", c, l.Instrument)
		require.NotEmpty(t, l.Warnings)
		assert.True(t, slices.ContainsFunc(l.Instrument.Checks, func(k record.Check) bool {
			return strings.HasPrefix(k.Reading, "probe ") && k.Verdict != record.ClientOK
		}), "c%s: the canary's writer is stopped too: it takes the probe to see this: %v", c, l.Instrument.Checks)
		assert.Contains(t, l.Warnings[0], string(l.Client())+": ")
		assert.Contains(t, m.output.String(), "c"+c+": "+l.Warnings[0])
	}
}

// TestStoppedClientIsNamed stops a client for a second in the middle of a level: the result says when, and for how long.
func TestStoppedClientIsNamed(t *testing.T) {
	m := startMeasuring(t, "-osl=128", "-concurrencies=4", "-request-count=20")
	level := filepath.Join(m.dir, "c4")
	m.until(t, func() bool { return exists(filepath.Join(level, record.LogFile)) })
	time.Sleep(2 * time.Second) // of six or more
	m.signal(syscall.SIGSTOP)
	stopped := time.Now()
	time.Sleep(time.Second)
	length := time.Since(stopped)
	m.signal(syscall.SIGCONT)
	m.passes(t)
	l := readLevel(t, level)
	assert.Contains(t, []record.ClientVerdict{record.ClientSuspect, record.ClientLimited}, l.Client())
	require.NotEmpty(t, l.Instrument.Gaps)
	longest := l.Instrument.Gaps[0]
	for _, gap := range l.Instrument.Gaps {
		if gap.LengthNS > longest.LengthNS {
			longest = gap
		}
	}
	assert.InDelta(t, length.Seconds(), float64(longest.LengthNS)/1e9, 0.5)
	assert.WithinDuration(t, stopped, l.StartedAt.Add(time.Duration(longest.AtNS)), 500*time.Millisecond)
	assert.Contains(t, l.Warnings, longest.String())
	assert.Contains(t, m.output.String(), "c4: "+longest.String())
}

// nap is one turn of a loop that sleeps a millisecond at a time.
type nap struct {
	due  time.Time
	late float64 // ms
}

// napping turns the loop until stop is closed. It shares nothing with the client, nor with what Go waits in, which is late by a millisecond itself.
func napping(stop <-chan struct{}) func() []nap {
	ended := make(chan struct{})
	var naps []nap
	go func() {
		defer close(ended)
		for {
			select {
			case <-stop:
				return
			default:
			}
			due := time.Now().Add(time.Millisecond)
			sleepExactly(time.Millisecond)
			naps = append(naps, nap{due, time.Since(due).Seconds() * 1e3})
		}
	}()
	return func() []nap { <-ended; return naps }
}

// quarter is how many streams that wait 20 ms for each request of one token make a quarter of this machine's ceiling. Where it was never
// calibrated at 100 streams or more it is now: that takes seconds.
func quarter(t *testing.T) (streams int, table *ceiling.Table) {
	t.Helper()
	const enough = 100
	setup := ceiling.Setup{Host: *host.Read(), Transport: "own", ConnectionReuse: "pooled"}
	table, err := ceiling.Load(&setup)
	require.NoError(t, err)
	if _, known := table.Share(enough, 0, 0); !known {
		row := ceiling.Row{Streams: enough}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.NoError(t, calibration{ctx: ctx, dir: t.TempDir(), streams: enough, of: &ceiling.Setup{}}.fast(&row))
		table = &ceiling.Table{Setup: setup, Rows: []ceiling.Row{row}}
	}
	each, _ := table.Share(enough, 1, 1) // of one request a second
	return max(1, int(0.25/each*0.020)), table
}

// TestMarksCoincideWithPauses runs at a quarter of what this machine can do. On a quiet machine no level is marked. Where a percentile marks one, the same
// percentile of a sleep loop in another process was above half the limit then, for the machine delays the two as it happens to; that of
// the loop is a tenth of a millisecond otherwise. Where a share marks one, the loop was late by twice a wake-up at least once.
func TestMarksCoincideWithPauses(t *testing.T) {
	streams, table := quarter(t)
	levels := []int{streams, streams + 1}
	stop := make(chan struct{})
	seen := napping(stop)
	m := startMeasuring(t, "-osl=1", fmt.Sprint("-request-count=", 125*streams), fmt.Sprintf("-concurrencies=%d,%d", levels[0], levels[1]))
	m.passes(t)
	close(stop)
	naps := seen()
	for _, c := range levels {
		l := readLevel(t, filepath.Join(m.dir, fmt.Sprintf("c%d", c)))
		require.NotNil(t, l.Instrument.Probe)
		var late []float64
		for _, n := range naps {
			if n.due.After(l.StartedAt) && n.due.Before(l.StartedAt.Add(time.Duration(l.EndedNS))) {
				late = append(late, n.late)
			}
		}
		require.Greater(t, len(late), 300)
		slices.Sort(late)
		p99, most := stat.Percentile(late, 99), late[len(late)-1]
		perSecond := float64(l.Counts.Ended()) / (float64(l.EndedNS) / 1e9)
		share, _ := table.Share(min(c, 100), perSecond, perSecond)
		t.Logf("c%d: %s, stamps %.3f ms late at p99; the loop %.3f ms at p99, %.3f at most; %.0f requests/s, %.2f of the ceiling", c, l.Client(), l.Instrument.ErrorMS,
			p99, most, perSecond, share)
		assert.Less(t, share, 0.3, "more than was meant")
		for _, check := range l.Instrument.Checks {
			switch {
			case check.Verdict == record.ClientOK:
			case strings.HasSuffix(check.Reading, " p99"):
				q := 99.0
				if check.Count < 1000 {
					q = 99.8 // three values decide, which may have met each of as few pauses
				}
				assert.Greater(t, stat.Percentile(late, q), check.Limit/2, "%s, and nothing else on the machine was late", check)
			default:
				assert.Greater(t, most, 2.0, "%s, and nothing else on the machine was late", check)
			}
		}
	}
}
