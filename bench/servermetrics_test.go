package bench

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/scrape"
	"github.com/llmsweep/llmsweep/reporting/results"
)

// TestServerMetricsAreTheMocksTruth: what the mock tells of itself in virtual time is what the client's own log says, to the token and, for times, to the
// nanoseconds by which the mock writes its tokens one after another.
func TestServerMetricsAreTheMocksTruth(t *testing.T) {
	for _, mock := range []string{"", "-engine-type=sglang", "-engine-type=trtllm", "-num-workers=2", "-disaggregation-mode=disagg -num-prefill-workers=2"} {
		t.Run(mock, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			r := child{args: []string{"-virtual", "-nonce=7", "-prefix-ratio=0.5", "-std=100", "-concurrencies=6", "-request-count=90", "-warmup-requests=4", "-osl=40", "-mock-args=" + mock,
				"-output-dir=" + dir}}.passes(t)
			assert.NotContains(t, r.output, "warning")
			b, err := results.Read(dir, "mock")
			require.NoError(t, err)
			l := &b.Levels[0]
			require.NotNil(t, l.Server)
			cached, prompts, answers := 0, 0, 0
			var began, ended int64
			for _, s := range inOrder(t, l.Dir) {
				if s.Phase == record.Warmup {
					ended = max(ended, s.EndNS)
					continue
				}
				if s.Index == 0 {
					began = s.StartNS
				}
				cached, prompts, answers = cached+*s.Usage.CachedTokens, prompts+s.Usage.PromptTokens, answers+s.Usage.CompletionTokens
			}
			f := l.Server.Figures
			assert.Equal(t, began, f.FromNS, "the warm-up is left out")
			assert.Equal(t, l.Record.EndedNS+1e6, f.UntilNS)
			percent, counted, ok := f.HitRate()
			assert.True(t, ok && counted)
			assert.InDelta(t, 100*float64(cached)/float64(prompts), percent, 1e-9)
			assert.Positive(t, cached)
			for q, want := range map[scrape.Quantity]int{scrape.Completed: 90, scrape.Prompted: prompts, scrape.Generated: answers, scrape.FirstTokenCount: 90, scrape.WholeCount: 90} {
				assert.EqualValues(t, want, f.Counters[q], q)
			}
			ours, _ := l.Figures.Get("time_to_first_token", "avg")
			ttft, _ := f.MeanOf(scrape.FirstTokenSum, scrape.FirstTokenCount)
			assert.InDelta(t, ours, ttft, 20e-6, "ms")
			ours, _ = l.Figures.Get("request_latency", "avg")
			whole, _ := f.MeanOf(scrape.WholeSum, scrape.WholeCount)
			assert.InDelta(t, ours, whole, 20e-6, "ms")
			assert.LessOrEqual(t, f.Gauges[scrape.Running].Max, 6.0)
			assert.Positive(t, f.Gauges[scrape.Running].Mean)
			summary := unbroken(t, dir)
			assert.Regexp(t, fmt.Sprintf(`; from server metrics %.3g %%; shared on purpose`, percent), summary)
			for _, track := range l.Server.Tracks {
				if track.Quantity == scrape.Generated {
					assert.Equal(t, "tokens", track.Unit)
					assert.True(t, track.Counter)
					assert.Greater(t, len(track.Points), f.Rounds, "with those of the warm-up")
					assert.Equal(t, int64(0), track.Points[0].AtNS)
				}
			}
		})
	}
}

// TestHistogramOfFirstTokens: each bucket of the server's histogram has as many requests as the client's log has in it.
func TestHistogramOfFirstTokens(t *testing.T) {
	dir := t.TempDir()
	child{args: []string{"-virtual", "-nonce=7", "-std=400", "-concurrencies=6", "-request-count=90", "-osl=8", "-plot=false", "-output-dir=" + dir}}.passes(t)
	b, err := results.Read(dir, "mock")
	require.NoError(t, err)
	l := &b.Levels[0]
	var ttft []float64
	for _, s := range readSamples(t, l.Dir) {
		ttft = append(ttft, float64(s.ChunksNS[0]-s.StartNS)/1e9)
	}
	series, err := l.TheirSeries(record.ServerMetricsFile, func(name string) bool { return name == "vllm:time_to_first_token_seconds_bucket" })
	require.NoError(t, err)
	require.Len(t, series, 23)
	filled := 0
	for _, s := range series {
		upTo, err := strconv.ParseFloat(s.Labels["le"], 64)
		require.NoError(t, err)
		want := 0
		for _, seconds := range ttft {
			if seconds <= upTo {
				want++
			}
		}
		assert.EqualValues(t, want, s.Points[len(s.Points)-1].Value-s.Points[0].Value, "up to %v s", upTo)
		if want > 0 && want < len(ttft) {
			filled++
		}
	}
	assert.GreaterOrEqual(t, filled, 2)
	series, err = l.TheirSeries(record.ServerMetricsFile, func(name string) bool { return strings.HasPrefix(name, "dynamo_frontend_model_") })
	require.NoError(t, err)
	assert.NotEmpty(t, series, "what no figure is made of is kept")
	series, err = l.TheirSeries(record.GPUTelemetryFile, func(string) bool { return true })
	assert.NoError(t, err)
	assert.Empty(t, series)
}

// TestEnergyIsTheMocks: joules by the exporter's counter, and the tokens that came of them, over the runs of a level too.
func TestEnergyIsTheMocks(t *testing.T) {
	dir := t.TempDir()
	child{args: []string{"-virtual", "-nonce=7", "-concurrencies=4", "-request-count=40", "-osl=40", "-repeats=2", "-gpu-telemetry=http://mock/dcgm/metrics", "-output-dir=" + dir}}.passes(t)
	b, err := results.Read(dir, "mock")
	require.NoError(t, err)
	l := &b.Levels[0]
	require.Len(t, l.Runs, 2)
	sum := 0.0
	for i := range l.Runs {
		run := &l.Runs[i]
		joules, counted, ok := run.GPU.Figures.Joules()
		require.True(t, ok && counted)
		seconds := float64(run.Record.EndedNS+1e6) / 1e9
		assert.Greater(t, joules, 70*seconds)
		assert.Less(t, joules, 700*seconds)
		// The mock's power is that of the last whole second, so that the integral is late by one.
		assert.InDelta(t, joules, run.GPU.Figures.Gauges[scrape.Power].Integral, 1.5*700)
		perJoule, ok := run.TokensPerJoule()
		require.True(t, ok)
		assert.InDelta(t, 40*40/joules, perJoule, 1e-9)
		sum += joules
		assert.FileExists(t, filepath.Join(run.Dir, record.GPUTelemetryFile))
	}
	joules, _, _ := l.GPU.Figures.Joules()
	assert.InDelta(t, sum, joules, 1e-6)
	perJoule, _ := l.TokensPerJoule()
	assert.InDelta(t, 2*40*40/sum, perJoule, 1e-9)
	assert.Regexp(t, `\nGPUs \(DCGM\)\n`, summaryIn(t, dir))
	page, err := os.ReadFile(filepath.Join(dir, "plots", "report.html"))
	require.NoError(t, err)
	assert.Contains(t, string(page), "mock: GPUs (DCGM)")
}

// TestCacheOfSilentAnswers: where answers do not tell of cached tokens, the server's counters say that a level met a warm cache.
func TestCacheOfSilentAnswers(t *testing.T) {
	silent := silentMock(t)
	dir := t.TempDir()
	run := func(name string, flags ...string) (verdict string, readings map[string]float64) {
		child{args: append([]string{"-endpoint=" + silent, "-nonce=7", "-benchmark-name=" + name, "-concurrencies=1", "-request-count=20", "-isl=200", "-std=0", "-osl=8", "-output-dir=" + dir}, flags...)}.passes(t)
		for _, s := range readSamples(t, filepath.Join(dir, name, "c1")) {
			assert.Nil(t, s.Usage.CachedTokens)
		}
		return validityOf(t, filepath.Join(dir, name, "c1"))
	}
	_, readings := run("cold")
	assert.Equal(t, 0., readings["unplanned cache hits"])
	verdict, readings := run("warm")
	assert.Equal(t, "INVALID", verdict)
	assert.InDelta(t, 96, readings["unplanned cache hits"], 1e-9)
	assert.Contains(t, summaryIn(t, dir), "Cache:     hits from server metrics 96 %; the usage of answers does not tell\n")
	_, readings = run("unasked", "-server-metrics=off")
	assert.NotContains(t, readings, "unplanned cache hits")
	assert.NoFileExists(t, filepath.Join(dir, "unasked", "c1", record.ServerMetricsFile))
}

// silentMock is a mock server whose answers do not tell what was cached. Its metrics do.
func silentMock(t *testing.T) string {
	t.Helper()
	target, _ := countedMock(t)
	to, err := url.Parse(target)
	require.NoError(t, err)
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.ModifyResponse = func(r *http.Response) error {
		body, err := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(strings.ReplaceAll(string(body), "prompt_tokens_details", "completion_tokens_detail")))
		r.ContentLength = -1
		r.Header.Del("Content-Length")
		return err
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	return server.URL
}
