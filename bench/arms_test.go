package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/reporting"
)

// comparison reads comparison.json, without the judgement's figures, of which those that do not exist are null.
func comparison(t *testing.T, dir string) (c struct {
	Gate      bool
	Arms      []reporting.ComparisonArm
	Runs      []reporting.ComparisonRun
	Judgement struct {
		Verdict, Reason string
		Blocks, Repeats int
		Estimates       []struct {
			Level, Metric, Statistic, Verdict string
			Primary                           bool
			Base, Candidate, Change           *float64
		}
	}
},
) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, record.ComparisonFile))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &c))
	return c
}

// started is the command of an arm: a mock server on a free port, which is this binary under another name.
func started(t *testing.T, options string) (url, command string) {
	t.Helper()
	binary, err := os.Executable()
	require.NoError(t, err)
	link := filepath.Join(t.TempDir(), "mockserver")
	require.NoError(t, os.Symlink(binary, link))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	port := listener.Addr().(*net.TCPAddr).Port
	return fmt.Sprintf("http://127.0.0.1:%d", port), fmt.Sprintf("'%s' -port %d %s", link, port, options)
}

// nobodyListens is whether the server of an arm has ended.
func nobodyListens(url string) bool {
	conn, err := net.DialTimeout("tcp", strings.TrimPrefix(url, "http://"), time.Second)
	if err == nil {
		_ = conn.Close()
	}
	return err != nil
}

func armFlags(dir string, more ...string) []string {
	return append([]string{
		"-output-dir=" + dir, "-isl=32", "-std=0", "-osl=8", "-concurrencies=2", "-request-count=8", "-wait-ready=30s", "-blocks=10", "-benchmark-name=both",
	}, more...)
}

// TestArmsStartTheirServers: each run has a server of its own, which is gone after it; verdicts are left to the machine.
func TestArmsStartTheirServers(t *testing.T) {
	dir := t.TempDir()
	baseURL, base := started(t, "-ttft 5ms -itl 1ms")
	nextURL, next := started(t, "-ttft 5ms -itl 2ms")
	r := child{entry: "TestCompare", args: armFlags(dir, "-arm=base="+baseURL, "-arm-command=base="+base, "-arm=next="+nextURL, "-arm-command=next="+next)}.passes(t)
	assert.Contains(t, r.output, "next against base: ")
	c := comparison(t, filepath.Join(dir, "both"))
	assert.False(t, c.Gate, "it only reports")
	require.Len(t, c.Arms, 2)
	assert.Equal(t, reporting.ComparisonArm{Name: "next", Endpoint: nextURL + "/v1/chat/completions", Started: true}, c.Arms[1])
	assert.GreaterOrEqual(t, len(c.Runs), 2)
	for _, run := range c.Runs {
		requireFiles(t, filepath.Join(dir, "both", run.Dir), record.RunFile)
		log, err := os.ReadFile(filepath.Join(dir, "both", filepath.Dir(run.Dir), run.Arm+".log"))
		require.NoError(t, err)
		assert.Equal(t, 1, strings.Count(string(log), "mockserver: serving"), string(log))
	}
	assert.True(t, nobodyListens(baseURL))
	assert.True(t, nobodyListens(nextURL))
	text, err := os.ReadFile(filepath.Join(dir, "both", record.ComparisonSummary))
	require.NoError(t, err)
	assert.Contains(t, r.output, string(text))
	requireFiles(t, filepath.Join(dir, "both"), record.ComparisonChart)
	for line := range strings.Lines(string(text)) {
		assert.LessOrEqual(t, len(line), 101, line)
	}

	r = child{entry: "TestCompare", args: armFlags(dir, "-arm=base="+baseURL, "-arm=next="+nextURL)}.run(t)
	assert.NotZero(t, r.code)
	assert.Contains(t, r.output, `nothing was sent: benchmark-name "both": `+filepath.Join(dir, "both")+" holds a comparison already; choose another name or pass -overwrite")
}

// TestArmThatEndsByItself ends the comparison after three runs that stand for nothing, with what its command said last.
func TestArmThatEndsByItself(t *testing.T) {
	dir := t.TempDir()
	url, _ := countedMock(t)
	gone, _ := started(t, "")
	r := child{entry: "TestGate", args: armFlags(dir, "-arm=base="+url, "-arm=next="+gone, "-arm-command=next=echo no such model >&2; exit 3", "-inconclusive=fail")}.run(t)
	assert.NotZero(t, r.code)
	const why = "arm next: its command ended by itself: exit status 3, saying: no such model"
	c := comparison(t, filepath.Join(dir, "both"))
	assert.Equal(t, "inconclusive", c.Judgement.Verdict)
	assert.Contains(t, c.Judgement.Reason, "another run stands for nothing: ") // on a busy machine it may be one of the other arm
	assert.Contains(t, r.output, "stands for nothing: "+why)
	assert.Contains(t, r.output, "--- FAIL: TestGate/c2/inter_token_latency/avg")
}

// TestArmOfAnotherPort: what listens already where a server is to be started would be measured in its place.
func TestArmOfAnotherPort(t *testing.T) {
	url, chats := countedMock(t)
	r := child{entry: "TestCompare", args: armFlags(t.TempDir(), "-arm=a="+url, "-arm=b="+url, "-arm-command=a=sleep 60", "-arm-command=b=sleep 60")}.run(t)
	assert.NotZero(t, r.code)
	assert.Regexp(t, `no load was sent: arm [ab]: something listens on 127.0.0.1:\d+ already`, r.output)
	assert.Zero(t, chats.Load())
}

// TestSignalEndsAComparison: its servers are gone, what was measured is kept and says why there is no more.
func TestSignalEndsAComparison(t *testing.T) {
	dir := t.TempDir()
	baseURL, base := started(t, "-ttft 5ms -itl 1ms")
	nextURL, next := started(t, "-ttft 5ms -itl 50ms")
	ctx, cancel := context.WithTimeout(t.Context(), childLimit)
	defer cancel()
	command := child{args: armFlags(dir, "-arm=base="+baseURL, "-arm-command=base="+base, "-arm=next="+nextURL, "-arm-command=next="+next, "-request-count=40")}.command(ctx, t, "TestCompare")
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	require.NoError(t, command.Start())
	log := filepath.Join(dir, "both", "block-00", "next", "c2", record.LogFile) // a later block may be measured again, on a busy machine
	require.Eventually(t, func() bool { info, err := os.Stat(log); return err == nil && info.Size() > 0 }, childLimit/2, 10*time.Millisecond)
	require.NoError(t, command.Process.Signal(syscall.SIGINT))
	require.Error(t, command.Wait())
	require.NoError(t, ctx.Err())
	assert.True(t, nobodyListens(baseURL))
	assert.True(t, nobodyListens(nextURL))
	c := comparison(t, filepath.Join(dir, "both"))
	assert.Equal(t, "inconclusive", c.Judgement.Verdict)
	assert.Equal(t, "stopped: received interrupt", c.Judgement.Reason)
	assert.Contains(t, output.String(), "INCONCLUSIVE\n  stopped: received interrupt")
}

// TestVerdictsOfTwoArms: verdicts of primaries are sub-tests whose figures reach JUnit, all else is an attribute; everything in virtual time.
func TestVerdictsOfTwoArms(t *testing.T) {
	dir := t.TempDir()
	summary := filepath.Join(dir, "summary.md")
	arms := []string{"-arm=base=mock:-ttft=20ms -itl=5ms", "-arm=next=mock:-ttft=20ms -itl=5.4ms", "-virtual", "-nonce=1"}
	r := child{entry: "TestGate", env: []string{"GITHUB_STEP_SUMMARY=" + summary}, args: armFlags(dir, append(arms, "-blocks=18")...)}.run(t)
	assert.NotZero(t, r.code)
	for _, want := range []string{
		"--- FAIL: TestGate/c2/inter_token_latency/avg", "TestGate/c2/inter_token_latency/avg change +8.00 %", "TestGate/c2/inter_token_latency/avg margin +5 %",
		"TestGate/c2/inter_token_latency/avg base 5 ms", "--- PASS: TestGate/c2/time_to_first_token/avg", "TestGate verdict fail",
		"ATTR  TestGate c2/request_latency/p50 request_latency p50 of c2 is ",
		"request_latency p99 of c2 needs 299 requests, have 8",
	} {
		assert.Contains(t, r.output, want)
	}
	text, err := os.ReadFile(summary)
	require.NoError(t, err)
	assert.Contains(t, string(text), "### Gate: fail after 12 blocks")
	assert.Contains(t, string(text), "| fail | c2 | inter_token_latency avg | 5 ms | 5.4 ms | +8.00 % |")

	assert.True(t, comparison(t, filepath.Join(dir, "both")).Gate)
	for _, block := range []string{"block-00", "block-12"} {
		plots := t.TempDir()
		report, err := reporting.Write(plots, reporting.Inputs{DataDir: filepath.Join(dir, "both", block)})
		require.NoError(t, err)
		assert.NotContains(t, strings.Join(report.AllWarnings(), "\n"), "not shown")
		text, err = os.ReadFile(filepath.Join(plots, reporting.SummaryFile))
		require.NoError(t, err)
		assert.Contains(t, strings.Join(strings.Fields(string(text)), " "),
			"Gate: FAIL: next against base, 12 blocks; 2 failed, 1 passed: inter_token_latency avg of c2 5.4 ms, +8.00 % (+8.00 to +8.00 %), margin +5.00 %;")
	}

	gate := filepath.Join(dir, "gate.yaml")
	require.NoError(t, os.WriteFile(gate, []byte("primaries:\n  - {metric: inter_token_latency, level: c2, margin: 10%}\n"), 0o600))
	r = child{entry: "TestGate", args: armFlags(dir, append(arms, "-overwrite", "-gate="+gate)...)}.passes(t)
	assert.Contains(t, r.output, "within the margin after 6 blocks: inter_token_latency avg of c2")

	for _, c := range []struct {
		name, want string
		args       []string
	}{
		{"one arm", "a comparison has two arms, of which 1 are given", []string{"-arm=a=mock:"}},
		{"no such level", "primary inter_token_latency avg is of level c2, which the plan does not have", []string{"-arm=a=mock:", "-arm=b=mock:", "-gate=" + gate, "-concurrencies=3"}},
		{"chosen runs", "-run must not choose among the runs", append(arms, "-overwrite", "-test.run=TestGate/c2")},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := child{entry: "TestGate", args: armFlags(t.TempDir(), c.args...)}.run(t)
			assert.NotZero(t, r.code)
			assert.Contains(t, r.output, c.want)
		})
	}
}

// TestVerdictsOfOpenLoops: where requests come by a schedule, two arms are judged by the rates' levels, and by the time from the schedule on.
func TestVerdictsOfOpenLoops(t *testing.T) {
	r := child{entry: "TestGate", args: []string{
		"-benchmark-name=open", "-output-dir=" + t.TempDir(), "-isl=20", "-osl=5", "-request-rate=2,8.5", "-request-count=8", "-virtual", "-nonce=1", "-plot=false",
		"-arm=base=mock:-ttft=20ms -itl=5ms", "-arm=next=mock:-ttft=20ms -itl=5.4ms",
	}}.run(t)
	assert.NotZero(t, r.code)
	assert.Contains(t, r.output, "--- FAIL: TestGate/r8.5/inter_token_latency/avg")
	assert.Contains(t, r.output, "--- PASS: TestGate/r8.5/scheduled_time_to_first_token/avg")
	assert.NotContains(t, r.output, "TestGate/r8.5/time_to_first_token/avg", "it is reported")
	assert.Contains(t, r.output, "ATTR  TestGate r8.5/time_to_first_token/avg")
}

// TestSensitivityDisarms: what SelfCompare has found on this machine decides what a gate judges.
func TestSensitivityDisarms(t *testing.T) {
	dir := t.TempDir()
	noisy := []string{"-arm=mock=mock:-ttft=20ms -itl=5ms -noise-run=0.1", "-virtual", "-nonce=1", "-blocks=20", "-benchmark-name=self"}
	r := child{entry: "TestSelfCompare", args: armFlags(dir, noisy...)}.passes(t)
	assert.Contains(t, r.output, "mock-again against mock: ")
	assert.Contains(t, r.output, "smallest change that 18 blocks will see")
	assert.Regexp(t, `not judged: .*the smallest change that can be found is [0-9.]+ %, more than the margin of 5 %`, strings.Join(strings.Fields(r.output), " "))
	file := filepath.Join(dir, "self", record.SensitivityFile)
	arms := []string{"-arm=base=mock:-ttft=20ms -itl=5ms", "-arm=next=mock:-ttft=20ms -itl=9ms", "-virtual", "-nonce=1", "-sensitivity=" + file, "-blocks=18"}
	r = child{entry: "TestGate", args: armFlags(dir, arms...)}.run(t)
	assert.Contains(t, r.output, "--- SKIP: TestGate/c2/inter_token_latency/avg")
	assert.Contains(t, r.output, "reported, not judged: the smallest change that can be found is")

	r = child{entry: "TestGate", args: armFlags(t.TempDir(), "-arm=base=mock:", "-arm=next=mock:", "-sensitivity="+file)}.run(t)
	assert.NotZero(t, r.code)
	assert.Contains(t, r.output, "is of another machine, or of this one before it changed")
}
