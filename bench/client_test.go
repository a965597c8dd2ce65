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
	"github.com/llmsweep/llmsweep/harness/record"
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
	serveMock(t, &harness.Plan{Plan: record.Plan{Model: "Qwen/Qwen3-0.6B", MockArgs: []string{"-ttft=20ms", "-itl=10ms"}}}, listener)
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

// pauses notes when a loop that sleeps a millisecond at a time was late, until stop is closed. It shares nothing with the client.
func pauses(stop <-chan struct{}) func() (at []time.Time, late []time.Duration) {
	ended := make(chan struct{})
	var at []time.Time
	var late []time.Duration
	go func() {
		defer close(ended)
		for {
			select {
			case <-stop:
				return
			default:
			}
			due := time.Now().Add(time.Millisecond)
			time.Sleep(time.Millisecond)
			if l := time.Since(due); l > 2*time.Millisecond {
				at, late = append(at, due), append(late, l)
			}
		}
	}()
	return func() ([]time.Time, []time.Duration) { <-ended; return at, late }
}

// TestMarksCoincideWithPauses runs at a quarter of what was calibrated on two cores, some 16,000 requests of one token a second: 80 streams that wait
// 20 ms for each. Elsewhere it is another share. On a quiet machine no level is marked; where one is, a sleep loop in another process was late at that time too.
func TestMarksCoincideWithPauses(t *testing.T) {
	stop := make(chan struct{})
	seen := pauses(stop)
	m := startMeasuring(t, "-osl=1", "-request-count=10000", "-concurrencies=80,81")
	m.passes(t)
	close(stop)
	at, late := seen()
	for c := 80; c <= 81; c++ {
		l := readLevel(t, filepath.Join(m.dir, fmt.Sprintf("c%d", c)))
		require.NotNil(t, l.Instrument.Probe)
		pause := time.Duration(0)
		for i := range at {
			if at[i].After(l.StartedAt) && at[i].Before(l.StartedAt.Add(time.Duration(l.EndedNS))) {
				pause = max(pause, late[i])
			}
		}
		t.Logf("c%d: %s, stamps %.3f ms late at p99, the loop %v at most; %v; share of the ceiling %.2f", c, l.Client(), l.Instrument.ErrorMS, pause,
			*l.Instrument.Probe, l.Instrument.CeilingShare)
		if l.Client() != record.ClientOK {
			assert.NotZero(t, pause, "marked, and nothing else on the machine was late: %v", l.Warnings)
		}
	}
}
