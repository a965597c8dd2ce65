package bench

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/steady"
	"github.com/llmsweep/llmsweep/mockserver"
	"github.com/llmsweep/llmsweep/mockserver/memnet"
)

// settledRun runs a level of four slots against the mock, in virtual time, with a fault or without, and returns its folder.
func settledRun(t *testing.T, requests int, fault string) (folder string, r result) {
	t.Helper()
	dir := t.TempDir()
	args := []string{"-virtual", "-nonce=7", "-concurrencies=4", "-isl=100", "-osl=100", fmt.Sprint("-request-count=", requests), "-output-dir=" + dir}
	if fault != "" {
		path := filepath.Join(dir, "fault.yaml")
		require.NoError(t, os.WriteFile(path, []byte("rules: ["+fault+"]"), 0o600))
		args = append(args, "-mock-args=-fault "+path)
	}
	r = child{args: args}.passes(t)
	return dir, r
}

// windowIn reads what the aggregate of the level says of it.
func windowIn(t *testing.T, dir string) (window, validity, whole map[string]any) {
	t.Helper()
	whole = aggregate(t, filepath.Join(dir, "mock", "c4"))
	ours := whole["llmsweep"].(map[string]any)
	return ours["window"].(map[string]any), ours["validity"].(map[string]any), whole
}

func averageOf(figures map[string]any, tag string) float64 {
	return figures[tag].(map[string]any)["avg"].(float64)
}

// TestColdPenaltyIsNotInTheWindow: a server that is cold for thirty seconds. Over the window each figure is within 2 % of the warm server's, over
// the whole level it is not.
func TestColdPenaltyIsNotInTheWindow(t *testing.T) {
	warmDir, _ := settledRun(t, 800, "")
	dir, r := settledRun(t, 800, "{kind: cold_start, until: 30s, delay: 2s}")
	warm, _, _ := windowIn(t, warmDir)
	cold, validity, whole := windowIn(t, dir)
	assert.Equal(t, "steady", warm["verdict"])
	require.Equal(t, "steady", cold["verdict"], cold["reason"])
	assert.Equal(t, "VALID", validity["verdict"])
	assert.GreaterOrEqual(t, cold["start_ns"].(float64), 28e9)
	for _, tag := range []string{"time_to_first_token", "inter_token_latency", "request_latency", "output_token_throughput", "request_throughput"} {
		truth := averageOf(warm, tag)
		t.Logf("%s: warm %.4g, window %.4g, whole level %.4g", tag, truth, averageOf(cold, tag), averageOf(whole, tag))
		assert.InEpsilon(t, truth, averageOf(cold, tag), 0.02, tag)
	}
	assert.Greater(t, averageOf(whole, "request_latency"), 1.04*averageOf(warm, "request_latency"), "or there was nothing to leave out")
	assert.Contains(t, r.output, "TestSweep/c4 window from_s=")
	text, err := os.ReadFile(filepath.Join(dir, "plots", "SUMMARY.txt"))
	require.NoError(t, err)
	assert.Contains(t, string(text), "Steady window")
}

// TestEndlessDriftIsNoSteadyState: tokens come later and later, as long as the level lasts.
func TestEndlessDriftIsNoSteadyState(t *testing.T) {
	dir, r := settledRun(t, 400, "{kind: drift, slope: 10ms}")
	window, validity, _ := windowIn(t, dir)
	assert.Equal(t, "no steady state", window["verdict"], window["reason"])
	assert.NotContains(t, window, "request_latency")
	assert.Equal(t, "VALID", validity["verdict"], "it is an answer")
	assert.Contains(t, r.output, "TestSweep/c4 window no steady state: latency ")
	text, err := os.ReadFile(filepath.Join(dir, "plots", "SUMMARY.txt"))
	require.NoError(t, err)
	assert.Contains(t, string(text), "mock: c4: no steady state: latency ")
}

// TestMoreThanItCanServeIsOverloaded sends the mock requests by chance at two rates, in virtual time: half of what it can serve, and a quarter more.
func TestMoreThanItCanServeIsOverloaded(t *testing.T) {
	capacity := 16 / serving(t, 16, 16) // requests a second
	below, above := arriving(t, 0.5*capacity), arriving(t, 1.25*capacity)
	t.Logf("capacity %.3g/s: at half %+v; at 1.25 %+v", capacity, below, above)
	assert.Equal(t, steady.Steady, below.Verdict, below.Reason)
	assert.Equal(t, steady.Overloaded, above.Verdict, above.Reason)
}

// serving is how long the mock takes for requests that come at once, in seconds.
func serving(t *testing.T, n, slots int) float64 {
	t.Helper()
	spans := againstMock(t, slots, make([]time.Duration, n))
	last := int64(0)
	for _, s := range spans {
		last = max(last, s.EndNS)
	}
	return float64(last) / 1e9
}

// arriving judges an open loop of a thousand requests that come by chance, so many a second.
func arriving(t *testing.T, rate float64) steady.Window {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	at := make([]time.Duration, 1000)
	for i := 1; i < len(at); i++ {
		at[i] = at[i-1] + time.Duration(r.ExpFloat64()/rate*1e9)
	}
	return steady.FindWindow(againstMock(t, 16, at), 0)
}

// againstMock sends a request at each instant to a mock that serves so many at once, in virtual time.
func againstMock(t *testing.T, slots int, at []time.Duration) []steady.Span {
	t.Helper()
	spans := make([]steady.Span, len(at))
	synctest.Test(t, func(t *testing.T) {
		options := mockserver.DefaultOptions()
		options.Virtual, options.MaxNumSeqs = true, slots
		mock, err := mockserver.New(options)
		require.NoError(t, err)
		listener := memnet.Listen(virtualHost)
		served := make(chan error, 1)
		go func(l net.Listener) { served <- mock.Serve(l) }(listener)
		transport := &http.Transport{DialContext: listener.DialContext}
		begin := time.Now()
		var all sync.WaitGroup
		for i, due := range at {
			all.Go(func() {
				time.Sleep(due + time.Duration(i))
				spans[i].StartNS = int64(time.Since(begin))
				body := fmt.Sprintf(`{"model":%q,"stream":true,"max_tokens":100,"ignore_eos":true,"messages":[{"role":"user","content":"a b c %d"}]}`, options.Model, i)
				response, err := (&http.Client{Transport: transport}).Post("http://"+virtualHost+"/v1/chat/completions", "application/json", strings.NewReader(body))
				if assert.NoError(t, err) {
					_, err = io.Copy(io.Discard, response.Body)
					assert.NoError(t, err)
					assert.NoError(t, response.Body.Close())
					assert.Equal(t, http.StatusOK, response.StatusCode)
					spans[i].OK = true
				}
				spans[i].EndNS = int64(time.Since(begin))
			})
		}
		all.Wait()
		transport.CloseIdleConnections()
		require.NoError(t, mock.Close())
		require.NoError(t, <-served)
	})
	return spans
}

// TestNoVerdictOnAnInvalidLevel: a server that answers with half of what was asked for is quick, and no gate says so. Its lengths are judged.
func TestNoVerdictOnAnInvalidLevel(t *testing.T) {
	dir := t.TempDir()
	fault, gate := filepath.Join(dir, "fault.yaml"), filepath.Join(dir, "gate.yaml")
	require.NoError(t, os.WriteFile(fault, []byte("rules: [{kind: fewer_tokens, every: 1, share: 0.5}]"), 0o600))
	require.NoError(t, os.WriteFile(gate, []byte(`limits:
  - {metric: request_latency, max: 1e9}
  - {metric: inter_token_latency, max: 0.001}
  - {metric: output_sequence_length, min: 15}
`), 0o600))
	virtualRun(t, dir, "half", "-mock-args=-fault "+fault)
	virtualRun(t, dir, "whole")
	r := child{entry: "TestGate", args: []string{"-gate=" + gate, "-data-dir=" + dir, "-benchmark-name=half"}}.run(t)
	assert.Equal(t, 1, r.code)
	for _, level := range []string{"c1", "c8"} {
		assert.Contains(t, r.output, "--- SKIP: TestGate/"+level+"/request_latency/avg")
		assert.Contains(t, r.output, "--- SKIP: TestGate/"+level+"/inter_token_latency/avg")
		assert.Contains(t, r.output, "--- FAIL: TestGate/"+level+"/output_sequence_length/avg")
		assert.Contains(t, r.output, level+" is INVALID: output length shift 50 %, limit at most 1 %")
	}
	for _, name := range []string{"half", "whole"} {
		for _, level := range []string{"c1", "c8"} {
			validity := aggregate(t, filepath.Join(dir, name, level))["llmsweep"].(map[string]any)["validity"].(map[string]any)
			assert.Equal(t, map[string]string{"half": "INVALID", "whole": "VALID"}[name], validity["verdict"], "%s %s", name, level)
		}
	}
}

// TestOpenLoopInVirtualTime: from the flag to every output, in virtual time, byte for byte the same each time; more than the server serves is OVERLOADED.
func TestOpenLoopInVirtualTime(t *testing.T) {
	dirs := []string{t.TempDir(), t.TempDir()}
	var r result
	for _, dir := range dirs {
		r = child{args: []string{
			"-virtual", "-nonce=7", "-request-rate=12,4", "-request-count=400", "-mock-args=-max-num-seqs=4", "-isl=500", "-osl=64", "-output-dir=" + dir, "-benchmark-name=open",
		}}.run(t)
		require.Zero(t, r.code, r.output)
	}
	for _, level := range []string{"r4", "r12"} {
		requireFiles(t, filepath.Join(dirs[0], "open", level), levelFiles()...)
		for _, name := range levelFiles() {
			first, err := os.ReadFile(filepath.Join(dirs[0], "open", level, name))
			require.NoError(t, err)
			second, err := os.ReadFile(filepath.Join(dirs[1], "open", level, name))
			require.NoError(t, err)
			assert.True(t, string(first) == string(second), "%s/%s", level, name)
		}
	}
	figures := aggregate(t, filepath.Join(dirs[0], "open", "r12"))
	window := figures["llmsweep"].(map[string]any)["window"].(map[string]any)
	assert.Equal(t, "OVERLOADED", window["verdict"])
	assert.Contains(t, figures, "scheduled_time_to_first_token")
	assert.InDelta(t, 12, figures["input_config"].(map[string]any)["loadgen"].(map[string]any)["request_rate"], 0)
	assert.Contains(t, r.output, "warning: r12: OVERLOADED: ")
	assert.Contains(t, r.output, "TestSweep/r4 scheduled_time_to_first_token_ms avg=")
	assert.FileExists(t, filepath.Join(dirs[0], "plots", "avg_time_to_first_token_vs_request_rate.png"))
	assert.NoFileExists(t, filepath.Join(dirs[0], "plots", "avg_time_to_first_token_vs_concurrency.png"))
	text, err := os.ReadFile(filepath.Join(dirs[0], "plots", "SUMMARY.txt"))
	require.NoError(t, err)
	assert.Contains(t, string(text), "  open: 2 request rates (4-12)\n")
	assert.Contains(t, string(text), "open loop, poisson arrivals")
	before := digestTree(t, dirs[0])
	runReport(t, 0, "-data-dir", dirs[0])
	assert.Empty(t, changed(before, digestTree(t, dirs[0])))
}
