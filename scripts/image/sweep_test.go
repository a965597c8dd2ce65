package image_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/testcontainers/testcontainers-go"
)

// small are the flags of a sweep of two levels that takes about two seconds.
func small() []string {
	return []string{"--isl", "200", "--std", "0", "--osl", "32", "--concurrencies", "1,2", "--request-count", "6"}
}

func TestDockerImageIsSmallAndWithoutRights(t *testing.T) {
	api := daemon(t)
	inspected, err := api.ImageInspect(t.Context(), image)
	require.NoError(t, err)
	assert.LessOrEqual(t, inspected.Size, int64(40_000_000))
	assert.Equal(t, "1000:1000", inspected.Config.User)
	assert.Equal(t, []string{"/llmsweep"}, inspected.Config.Entrypoint)
}

// TestDockerTwoSweepsOnOneVolume is the way of a benchmark in a cluster: two servers, a job for each, and the results brought out by a third
// container that has the volume.
func TestDockerTwoSweepsOnOneVolume(t *testing.T) {
	l := newLab(t)
	l.mock(t, "fast")
	l.mock(t, "slow", "-decode-speedup-ratio=0.5")
	code, out := l.run(t, append([]string{"--model", "Qwen/Qwen3-0.6B", "--benchmark-name", "fast", "--endpoint-url", "fast:8000",
		"--output-dir", "/data/results"}, small()...))
	require.Equal(t, 0, code, out)
	assert.Contains(t, out, "--- PASS: TestSweep/c2")
	assert.NotContains(t, out, "\r")
	assert.NotContains(t, out, "\x1b")
	code, out = l.run(t, []string{"-m", "Qwen/Qwen3-0.6B", "--benchmark-name", "slow", "--endpoint-url", "http://slow:8000",
		"-d", "/data/results", "-i", "200", "-s", "0", "-o", "32", "--concurrencies", "1,2", "--request-count", "6"})
	require.Equal(t, 0, code, out)
	// In virtual time the embedded mock is exact: the truth about the two above.
	for name, ratio := range map[string]string{"fast-truth": "1", "slow-truth": "0.5"} {
		code, out = l.run(t, append([]string{"--virtual", "--plot=false", "--benchmark-name", name, "--output-dir", "/data/truth",
			"--mock-args=-decode-speedup-ratio=" + ratio}, small()...))
		require.Equal(t, 0, code, out)
	}

	pod := l.start(t, []string{"hold"})
	assert.Contains(t, string(in(t, pod, "/llmsweep", "report", "-data-dir", "/data/results")), "/data/results/plots/SUMMARY.txt")
	files := unpack(t, in(t, pod, "/llmsweep", "results", "tar"))
	truth := unpack(t, in(t, pod, "/llmsweep", "results", "tar", "-dir", "/data/truth"))
	assertWhole(t, files)
	for _, name := range []string{"fast", "slow"} {
		for _, level := range []string{"/c1", "/c2"} {
			for _, metric := range []string{"inter_token_latency", "time_to_first_token"} {
				want := average(t, truth, name+"-truth"+level, metric)
				got := average(t, files, name+level, metric)
				t.Logf("%s%s %s: %.2f ms, in virtual time %.2f ms", name, level, metric, got, want)
				assert.Greater(t, got, 0.9*want, "%s%s %s", name, level, metric)
				assert.Less(t, got, 1.5*want+5, "%s%s %s", name, level, metric)
			}
		}
	}
	assert.InEpsilon(t, 2, average(t, files, "slow/c1", "inter_token_latency")/average(t, files, "fast/c1", "inter_token_latency"), 0.2)
	assert.Contains(t, string(files["plots/SUMMARY.txt"]), "fast")
	assert.Contains(t, string(files["plots/SUMMARY.txt"]), "slow")
}

// assertWhole looks for every file of two benchmarks with two levels.
func assertWhole(t *testing.T, files map[string][]byte) {
	t.Helper()
	var want []string
	for _, name := range []string{"fast", "slow"} {
		want = append(want, name+"/run.json")
		for _, level := range []string{"c1", "c2"} {
			for _, file := range []string{
				"level.json", "inputs.json", "profile_export.jsonl", "profile_export.json", "profile_export_aiperf.json", "profile_export_aiperf.csv", "server_metrics.jsonl",
			} {
				want = append(want, name+"/"+level+"/"+file)
			}
		}
	}
	want = append(want, "plots/SUMMARY.txt", "plots/report.html", "plots/results.bench", "plots/results.csv", "plots/p50_inter_token_latency_vs_concurrency.png",
		"plots/avg_inter_token_latency_vs_concurrency.png", "plots/avg_time_to_first_token_vs_concurrency.png",
		"plots/request_throughput_vs_concurrency.png", "plots/efficiency_tok_s_gpu_vs_user.png")
	for _, name := range want {
		assert.NotEmpty(t, files[name], name)
	}
	assert.Len(t, files, len(want))
}

func TestDockerFailuresHaveTheirExitCodeAndOneLine(t *testing.T) {
	l := newLab(t)
	l.mock(t, "short", "-max-model-len=100")
	sweep := func(more ...string) []string {
		return append(append([]string{"--benchmark-name", "refused", "--endpoint-url", "short:8000"}, small()...), more...)
	}
	for _, c := range []struct {
		name    string
		args    []string
		opts    []testcontainers.ContainerCustomizer
		code    int
		message string // part of the termination message
	}{
		{"a level fails", sweep("--isl=50", "--extra-inputs=temperature:9"), nil, 1, "TestSweep/c1: 6 of 6 requests failed (6 rejected: http 400)"},
		{"the context is too small", sweep("--benchmark-name=long"), nil, 1, "TestSweep: no load was sent: preflight: context length: the model takes 100 tokens"},
		{"nobody answers", sweep("--benchmark-name=nobody", "--endpoint-url=nobody:8000", "--wait-ready=1s"), nil, 1, `endpoint "http://nobody:8000`},
		{"bad input", sweep("--isl=x"), nil, 2, `-isl "x": must be a whole number`},
		{"unknown flag", sweep("--speed=x"), nil, 2, "speed"},
		{"unknown sub-command", []string{"sweeep"}, nil, 2, `sub-command "sweeep"`},
		{
			"the volume is full", []string{"--virtual", "--benchmark-name", "full"},
			[]testcontainers.ContainerCustomizer{testcontainers.WithHostConfigModifier(func(host *container.HostConfig) {
				host.Binds, host.Tmpfs = nil, map[string]string{"/data": "size=256k,uid=1000"}
			})},
			1, "no space left on device",
		},
		{
			"the volume is another user's", []string{"--virtual", "--benchmark-name", "foreign"},
			[]testcontainers.ContainerCustomizer{testcontainers.WithHostConfigModifier(func(host *container.HostConfig) {
				host.Binds, host.Tmpfs = nil, map[string]string{"/data": "mode=0755"}
			})},
			1, `output-dir "/data/results" cannot be written`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			// As the kubelet does it: an empty file of the node, mounted where the message is expected.
			file := filepath.Join(t.TempDir(), "termination-log")
			require.NoError(t, os.WriteFile(file, nil, 0o600))
			require.NoError(t, os.Chmod(file, 0o666))
			opts := append(slices.Clone(c.opts), testcontainers.WithHostConfigModifier(func(host *container.HostConfig) {
				host.Binds = append(host.Binds, file+":/dev/termination-log")
			}))
			code, out := l.run(t, c.args, opts...)
			message, err := os.ReadFile(file)
			require.NoError(t, err)
			assert.Equal(t, c.code, code, out)
			assert.Contains(t, string(message), c.message)
			assert.NotContains(t, string(message), "\n")
		})
	}
}

func TestDockerSIGTERMKeepsWhatWasMeasured(t *testing.T) {
	l := newLab(t)
	l.mock(t, "mock")
	// Ten requests of 0.7 s one after the other, then pairs of them: time to notice the second level before it ends.
	run := l.start(t, []string{"--benchmark-name", "cut", "--endpoint-url", "mock:8000",
		"--isl", "200", "--osl", "120", "--concurrencies", "1,2", "--request-count", "8"})
	require.Eventually(t, func() bool { return strings.Contains(logs(t, run), "TestSweep/c2") }, containerLimit, 50*time.Millisecond)
	start, grace := time.Now(), 30*time.Second
	require.NoError(t, run.Stop(t.Context(), &grace))
	took := time.Since(start)
	code, out := ended(t, run)
	assert.Equal(t, 1, code, out)
	assert.Less(t, took, 10*time.Second)
	assert.Contains(t, out, "received terminated: stopping; what was measured is kept")

	files := unpack(t, in(t, l.start(t, []string{"hold"}), "/llmsweep", "results", "tar"))
	assert.Equal(t, 8, bytes.Count(files["cut/c1/profile_export.jsonl"], []byte("\n")))
	assert.InDelta(t, 700, average(t, files, "cut/c1", "request_latency"), 300)
	assert.NotEmpty(t, files["cut/c2/profile_export.jsonl"], "the log of the level that was cut off")
	var level struct{ Status string }
	require.NoError(t, json.Unmarshal(files["cut/c2/level.json"], &level))
	assert.Equal(t, "cancelled", level.Status)
	assert.NotEmpty(t, files["plots/SUMMARY.txt"])
}

func TestDockerHealthcheck(t *testing.T) {
	l := newLab(t)
	mock := l.mock(t, "mock")
	in(t, mock, "/llmsweep", "healthcheck")
	in(t, mock, "/llmsweep", "healthcheck", "http://mock:8000/health")
	out, err := tryIn(t, mock, "/llmsweep", "healthcheck", "http://mock:8001/health")
	assert.ErrorContains(t, err, "exit code 1")
	assert.Equal(t, 1, bytes.Count(out, []byte("\n")), "%s", out)
	assert.Contains(t, string(out), "connection refused")
}
