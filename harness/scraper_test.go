package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/preflight"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/scrape"
)

// counting answers as chat does and tells on /metrics how many requests it has answered and has in flight.
type counting struct {
	chat             http.HandlerFunc
	answered, flying atomic.Int64
	others           int64                // that it says it has answered besides
	page             func(k int64) string // replaces that of the k-th time, from 1; nil or "": none
	asked            atomic.Int64
}

func (c *counting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasSuffix(r.URL.Path, "/metrics") {
		c.flying.Add(1)
		c.chat(w, r)
		c.flying.Add(-1)
		c.answered.Add(1)
		return
	}
	k := c.asked.Add(1)
	if c.page != nil {
		if page := c.page(k); page != "" {
			fmt.Fprint(w, page)
			return
		}
	}
	n := c.answered.Load()
	if n > 0 {
		n += c.others
	}
	fmt.Fprintf(w, "vllm:request_success_total{finished_reason=\"stop\"} %d\nvllm:num_requests_running %d\nother_total 5\n", n, c.flying.Load())
}

// scrapesIn are the lines of a level's file of scrapes.
func scrapesIn(t *testing.T, path string) (stretches []record.Sources, all []record.Round) {
	t.Helper()
	bad, err := record.ReadScrapes(path, func(s *record.Sources) { stretches = append(stretches, *s) }, func(r *record.Round) { all = append(all, *r) })
	require.NoError(t, err)
	require.Empty(t, bad)
	return stretches, all
}

func (s stage) metricsFile(i int) string {
	return filepath.Join(s.sweep.LevelDir(s.sweep.Levels()[i]), record.ServerMetricsFile)
}

// TestRoundsOfALevel: one before anything is sent, one between warm-up and measurement, one each second and one after the last request; what changed is
// in each, and the samples are those of a level without them.
func TestRoundsOfALevel(t *testing.T) {
	args := []string{"-concurrencies=3", "-request-count=12", "-warmup-requests=3", "-nonce=3"}
	var without []*record.Sample
	perform(t, args, answerAfter(700*time.Millisecond), func(t *testing.T, s stage) {
		s.run(t, 0)
		without = s.samples(t, 0)
		assert.NoFileExists(t, s.metricsFile(0))
	})
	server := &counting{chat: answerAfter(700 * time.Millisecond)}
	perform(t, args, server.ServeHTTP, func(t *testing.T, s stage) {
		assert.Empty(t, s.sweep.findPages(s.ctx))
		l := s.run(t, 0)
		assert.Equal(t, int64(3_500_000_004), l.EndedNS)
		assert.Empty(t, l.Warnings)
		for i, x := range s.samples(t, 0) {
			want := *without[i]
			x.RequestID, x.Traceparent, want.RequestID, want.Traceparent = "", "", "", ""
			assert.Equal(t, want, *x)
		}
		stretches, all := scrapesIn(t, s.metricsFile(0))
		assert.Equal(t, []record.Sources{{SchemaVersion: "1", URLs: []string{"http://server:80/metrics"}}}, stretches)
		type told struct {
			atNS   int64
			edge   record.Edge
			values record.SeriesValues
		}
		var got []told
		for _, r := range all {
			got = append(got, told{r.AtNS, r.Edge, r.Pages[0].Values})
		}
		const off = 333_667
		assert.Equal(t, []told{
			{0, record.EdgeStart, record.SeriesValues{{Series: 0, Value: 0}, {Series: 1, Value: 0}, {Series: 2, Value: 5}}},
			{700e6 + 2, record.EdgeMeasure, record.SeriesValues{{Series: 0, Value: 3}}},
			{1e9 + off, "", record.SeriesValues{{Series: 1, Value: 3}}},
			{2e9 + off, "", record.SeriesValues{{Series: 0, Value: 6}}},
			{3e9 + off, "", record.SeriesValues{{Series: 0, Value: 12}}},
			{3.5e9 + 4 + 1e6, record.EdgeEnd, record.SeriesValues{{Series: 0, Value: 15}, {Series: 1, Value: 0}}},
		}, got)
		require.NotNil(t, l.ServerMetrics)
		asked := l.ServerMetrics.Sources[0]
		assert.Equal(t, [2]int{6, 0}, [2]int{asked.Pages, asked.Failed})
		assert.Equal(t, "http://server:80/metrics", asked.URL)
		info, err := os.Stat(s.metricsFile(0))
		require.NoError(t, err)
		assert.Equal(t, info.Size(), l.ServerMetrics.Bytes)
		assert.Nil(t, l.GPUTelemetry)
	})
}

// TestOtherTraffic: a server that completed more than we sent is told of, and one that is late to count is given its time.
func TestOtherTraffic(t *testing.T) {
	args := []string{"-concurrencies=2", "-request-count=6"}
	run := func(server *counting) (l *record.Level) {
		perform(t, args, server.ServeHTTP, func(t *testing.T, s stage) {
			s.sweep.findPages(s.ctx)
			l = s.run(t, 0)
		})
		return l
	}
	assert.Equal(t, []string{"the server completed 9 requests in this level, this client 6: other traffic: the figures are not of this load alone"},
		run(&counting{chat: answerAfter(100 * time.Millisecond), others: 3}).Warnings)
	assert.Equal(t, []string{"the server completed 5 requests in this level, this client 6: its pages do not tell of all that answered, or it started anew"},
		run(&counting{chat: answerAfter(100 * time.Millisecond), others: -1}).Warnings)
	late := &counting{chat: answerAfter(100 * time.Millisecond)}
	late.page = func(k int64) string {
		if k == 3 { // found, first, last
			return "vllm:request_success_total{finished_reason=\"stop\"} 4\n"
		}
		return ""
	}
	l := run(late)
	assert.Empty(t, l.Warnings)
	assert.Equal(t, int64(4), late.asked.Load())
	failing := &counting{chat: func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(50 * time.Millisecond)
		w.WriteHeader(http.StatusInternalServerError)
	}, page: func(int64) string { return "vllm:request_success_total 0\n" }}
	for _, w := range run(failing).Warnings {
		assert.NotContains(t, w, "completed")
	}
}

// TestGPUsAreNotWaitedWith: their energy is that of the level, however late its server counts.
func TestGPUsAreNotWaitedWith(t *testing.T) {
	late := &counting{chat: answerAfter(100 * time.Millisecond), page: func(k int64) string {
		if k == 3 { // found, first, last
			return "vllm:request_success_total{finished_reason=\"stop\"} 4\n"
		}
		return ""
	}}
	handler := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/gpu/metrics" {
			fmt.Fprintln(w, "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION 5000")
			return
		}
		late.ServeHTTP(w, r)
	}
	perform(t, []string{"-concurrencies=2", "-request-count=6", "-gpu-telemetry=http://server:80/gpu/metrics"}, handler, func(t *testing.T, s stage) {
		s.sweep.findPages(s.ctx)
		l := s.run(t, 0)
		lastOf := func(name string) record.Round {
			_, all := scrapesIn(t, filepath.Join(filepath.Dir(s.metricsFile(0)), name))
			return all[len(all)-1]
		}
		assert.Equal(t, [2]any{l.EndedNS + 1e6, record.EdgeEnd}, [2]any{lastOf(record.GPUTelemetryFile).AtNS, lastOf(record.GPUTelemetryFile).Edge})
		assert.Equal(t, l.EndedNS+2e6+1e9, lastOf(record.ServerMetricsFile).AtNS)
	})
}

// hostile are pages that are none.
func hostile() map[string]struct {
	serve func(w http.ResponseWriter, r *http.Request)
	says  string
} {
	endless := func(w http.ResponseWriter, r *http.Request) {
		line := []byte(strings.Repeat("a_metric_with_a_long_name 1\n", 1000))
		for r.Context().Err() == nil {
			if _, err := w.Write(line); err != nil {
				return
			}
		}
	}
	return map[string]struct {
		serve func(w http.ResponseWriter, r *http.Request)
		says  string
	}{
		"endless": {endless, "/metrics is larger than 8 MiB"},
		"binary":  {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("\x1f\x8b\x00\xff\n\n\x00")) }, "line 1 is not Prometheus text"},
		"empty":   {func(http.ResponseWriter, *http.Request) {}, "it has no metrics"},
		"slow": {func(w http.ResponseWriter, r *http.Request) {
			for range 1000 {
				fmt.Fprint(w, "a")
				_ = http.NewResponseController(w).Flush()
				select {
				case <-time.After(time.Second):
				case <-r.Context().Done():
					return
				}
			}
		}, "no whole page within 800ms"},
		"silent": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "no whole page within 800ms"},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://elsewhere:80/metrics?key=1", http.StatusFound)
		}, "it leads to http://elsewhere:80/metrics, and redirections are not followed"},
		"refusing": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }, "/metrics answered 401"},
		"cut off":  {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "a 1\nb 2") }, "the page ends within the line"},
		"gone":     {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
	}
}

// TestHostilePages: whatever a page becomes once the level runs, the requests are those of a level without it, from the end of the first round on, and
// the reader is told.
func TestHostilePages(t *testing.T) {
	args := []string{"-concurrencies=2", "-request-count=12"}
	var without []*record.Sample
	perform(t, args, answerAfter(time.Second), func(t *testing.T, s stage) {
		s.run(t, 0)
		without = s.samples(t, 0)
	})
	for name, c := range hostile() {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int64
			chat := answerAfter(time.Second)
			handler := func(w http.ResponseWriter, r *http.Request) {
				switch {
				case !strings.HasSuffix(r.URL.Path, "/metrics"):
					chat(w, r)
				case asked.Add(1) <= 2: // it is found, and is well at the beginning
					fmt.Fprint(w, "vllm:num_requests_running 1\n")
				default:
					c.serve(w, r)
				}
			}
			perform(t, args, handler, func(t *testing.T, s stage) {
				s.sweep.findPages(s.ctx)
				l := s.run(t, 0)
				assert.Equal(t, record.Done, l.Status)
				samples := s.samples(t, 0)
				require.Len(t, samples, len(without))
				for i, x := range samples {
					assert.Equal(t, []int64{without[i].StartNS, without[i].EndNS}, []int64{x.StartNS, x.EndNS})
				}
				// At 1 s, 2 s, 4 s, and at the end.
				want := int64(2 + 4)
				if name == "gone" {
					want++ // net/http asks once more where an open connection ends without an answer
				}
				assert.Equal(t, want, asked.Load(), "a page that cannot be read is left alone")
				require.Len(t, l.Warnings, 1)
				assert.Contains(t, l.Warnings[0], "server_metrics.jsonl: 4 of 5 times http://server:80/metrics told nothing; the first: ")
				assert.Contains(t, l.Warnings[0], c.says)
				assert.Less(t, len(l.Warnings[0]), 500)
				_, all := scrapesIn(t, s.metricsFile(0))
				assert.Len(t, all, 1+5+1)
			})
		})
	}
}

// TestPagesThatAreNotFound leave all as it is, with one line; one that was named is refused.
func TestPagesThatAreNotFound(t *testing.T) {
	for name, c := range hostile() {
		chat := answerAfter(time.Second)
		handler := func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/metrics") {
				c.serve(w, r)
				return
			}
			chat(w, r)
		}
		perform(t, []string{"-concurrencies=1", "-request-count=1"}, handler, func(t *testing.T, s stage) {
			start := time.Now()
			assert.Empty(t, s.sweep.findPages(s.ctx), name)
			assert.LessOrEqual(t, time.Since(start), 2*lookLimit, name)
			l := s.run(t, 0)
			assert.Empty(t, l.Warnings, name)
			assert.NoFileExists(t, s.metricsFile(0))
			assert.Nil(t, l.ServerMetrics)
		})
		perform(t, []string{"-concurrencies=1", "-request-count=1", "-server-metrics=http://server:80/metrics"}, handler, func(t *testing.T, s stage) {
			err := s.sweep.preflight(s.ctx, make([]preflight.Server, 1))
			assert.ErrorContains(t, err, "preflight: server-metrics: http://server:80/metrics cannot be read: ", name)
			assert.ErrorContains(t, err, "give -server-metrics a page of Prometheus text, or leave it out", name)
		})
	}
}

// TestWhoGetsCredentials: the endpoint's own host and port, by its scheme, and what stands in a URL its host alone.
func TestWhoGetsCredentials(t *testing.T) {
	plan, err := planFrom(t, map[string]string{"OPENAI_API_KEY": "sk-secret"}, "-endpoint=https://server:80/v1", "-benchmark-name=b", "-header=X-Token: tok-secret")
	require.NoError(t, err)
	tls, err := plan.TLSConfig()
	require.NoError(t, err)
	s := &Sweep{Plan: plan, tls: tls}
	for text, c := range map[string]struct {
		authorization string
		header, trust bool
	}{
		"https://server:80/metrics":            {"Bearer sk-secret", true, true},
		"https://server:90/metrics":            {"", false, true},
		"http://server:80/metrics":             {"", false, true},
		"https://other:80/metrics":             {"", false, false},
		"https://user:pw@other:80/metrics":     {"Basic dXNlcjpwdw==", false, false},
		"https://server.other:80/metrics":      {"", false, false},
		"https://user:pw@server:80/v1/metrics": {"Bearer sk-secret", true, true},
	} {
		u, ok := parsePage(text)
		require.True(t, ok)
		a := s.asker(pageOf(u))
		assert.Equal(t, c.authorization, a.header.Get("Authorization"), text)
		assert.Equal(t, c.header, a.header.Get("X-Token") != "", text)
		assert.Equal(t, c.trust, a.transport.TLSClientConfig != nil, text)
	}
}

// TestPagesBesideEndpoints: at the root of the server, above the version of its API.
func TestPagesBesideEndpoints(t *testing.T) {
	for endpoint, want := range map[string]string{
		"http://h:1":                          "http://h:1/metrics",
		"http://h:1/v1":                       "http://h:1/metrics",
		"http://h:1/team/v1/chat/completions": "http://h:1/team/metrics",
		"http://h:1/openai/chat/completions":  "http://h:1/openai/metrics",
		"http://u:p@h:1/v1?api-key=x":         "http://u:p@h:1/metrics?api-key=x",
		"http://h:1/v1/completions":           "http://h:1/metrics",
	} {
		plan, err := planFrom(t, nil, "-endpoint="+endpoint, "-benchmark-name=b", "-endpoint-type=completions")
		require.NoError(t, err)
		assert.Equal(t, want, beside(plan.Targets[0], metricsPath).String())
	}
}

// TestPagesAreAskedOnce, however often they are named: a counter that is told twice is not twice as large.
func TestPagesAreAskedOnce(t *testing.T) {
	server := &counting{chat: answerAfter(100 * time.Millisecond)}
	args := []string{"-concurrencies=1", "-server-metrics=auto,http://server:80", "-gpu-telemetry=http://server:80/metrics,http://server:80,http://server:80/other/metrics"}
	perform(t, args, server.ServeHTTP, func(t *testing.T, s stage) {
		assert.Len(t, s.sweep.findPages(s.ctx), 4, "each is looked at")
		assert.Len(t, s.sweep.serverPages, 1)
		assert.Len(t, s.sweep.gpuPages, 2)
	})
}

// TestFileOfScrapesIsBounded: once it is full, only the end of the level is added.
func TestFileOfScrapesIsBounded(t *testing.T) {
	server := &counting{chat: answerAfter(time.Second)}
	perform(t, []string{"-concurrencies=1", "-request-count=20"}, server.ServeHTTP, func(t *testing.T, s stage) {
		s.sweep.findPages(s.ctx)
		s.sweep.scrapesLimit = 500
		l := s.run(t, 0)
		_, all := scrapesIn(t, s.metricsFile(0))
		assert.Less(t, len(all), 10)
		assert.Greater(t, len(all), 3)
		last := all[len(all)-1]
		assert.Equal(t, record.EdgeEnd, last.Edge)
		assert.Equal(t, []record.SeriesValue{{Series: 0, Value: 20}, {Series: 1, Value: 0}}, []record.SeriesValue(last.Pages[0].Values))
		assert.True(t, l.ServerMetrics.Thinned)
		assert.Equal(t, []string{"server_metrics.jsonl: has reached 0.000477 MiB: after that there is only the end of the level"}, l.Warnings)
	})
}

// TestContinuedLevelHasTwoStretches, of which the second goes on in the same file; a level that is repeated has a new one.
func TestContinuedLevelHasTwoStretches(t *testing.T) {
	for mode, stretches := range map[string]int{"request": 2, "level": 1} {
		server := &counting{chat: answerAfter(time.Second)}
		dir, args := t.TempDir(), []string{"-concurrencies=1", "-request-count=6", "-nonce=3"}
		performIn(t, dir, args, server.ServeHTTP, func(t *testing.T, s stage) {
			s.sweep.findPages(s.ctx)
			ctx, cancel := context.WithCancelCause(s.ctx)
			time.AfterFunc(3500*time.Millisecond, func() { cancel(errors.New("enough")) })
			s.ctx = ctx
			assert.Equal(t, record.Interrupt, s.run(t, 0).Status)
		})
		server.answered.Add(100) // while nobody looked
		performIn(t, dir, append(args, "-resume="+mode), server.ServeHTTP, func(t *testing.T, s stage) {
			file, err := os.OpenFile(s.metricsFile(0), os.O_APPEND|os.O_WRONLY, 0)
			require.NoError(t, err)
			_, err = io.WriteString(file, `{"at_ns":12,"pag`) // as a killed process leaves it
			require.NoError(t, errors.Join(err, file.Close()))
			s.sweep.findPages(s.ctx)
			l := s.run(t, 0)
			assert.Equal(t, record.Done, l.Status)
			for _, w := range l.Warnings {
				assert.NotContains(t, w, "completed")
			}
			begun, _ := scrapesIn(t, s.metricsFile(0))
			assert.Len(t, begun, stretches)
			h := scrape.NewHistory(nil)
			_, err = record.ReadScrapes(s.metricsFile(0), h.Begin, h.Add)
			require.NoError(t, err)
			total, ok := h.Whole(scrape.Completed)
			assert.True(t, ok)
			assert.EqualValues(t, 6+map[string]int{"request": 1, "level": 0}[mode], total, "with the one that was cancelled, which it answered in vain")
		})
	}
}

// TestMetricsFlags: what they may be, and what is said of the rest.
func TestMetricsFlags(t *testing.T) {
	with := func(flags ...string) (*Plan, error) {
		return planFrom(t, nil, append(flags, "-endpoint=http://server:80", "-benchmark-name=b")...)
	}
	plan, err := with("-server-metrics=auto, http://u:pw@w:9100,https://x/custom?k=secret-q", "-gpu-telemetry=http://gpu:9400")
	require.NoError(t, err)
	assert.Equal(t, []string{"auto", "http://w:9100/metrics", "https://x/custom?[redacted]"}, plan.ServerMetrics)
	assert.Equal(t, []string{"http://gpu:9400/metrics"}, plan.GPUTelemetry)
	assert.Contains(t, plan.secrets(), "pw")
	assert.Contains(t, plan.secrets(), "secret-q")
	plan, err = with()
	require.NoError(t, err)
	assert.Equal(t, []string{"auto"}, plan.ServerMetrics)
	for flags, reason := range map[string]string{
		"-server-metrics=http://a,off":                                    `server-metrics "http://a/metrics,off": off goes with nothing else`,
		"-server-metrics=a:1":                                             `server-metrics "a:1": must be http(s)://host:port/metrics`,
		"-server-metrics=ftp://u:pw@a:1":                                  `server-metrics "[redacted]": must be http(s)://host:port/metrics`,
		"-server-metrics=http://a:99999":                                  `must be http(s)://host:port/metrics`,
		"-gpu-telemetry=auto":                                             `gpu-telemetry "auto": must be URLs of DCGM exporters`,
		"-server-metrics=" + strings.Repeat("http://a,", 64) + "http://b": "there may be 64 pages",
	} {
		_, err := with(flags)
		assert.ErrorContains(t, err, reason, flags)
	}
	_, err = planFrom(t, nil, "-arm=a=http://a:1", "-arm=b=http://b:1", "-server-metrics=http://a:1")
	assert.ErrorContains(t, err, "cannot be URLs with -arm")
}

// TestEndlessPageIsLeft: of a page without an end no more is read than its bound.
func TestEndlessPageIsLeft(t *testing.T) {
	var written atomic.Int64
	handler := func(w http.ResponseWriter, _ *http.Request) {
		line := []byte(strings.Repeat("a_metric_with_a_long_name 1\n", 1000))
		for {
			n, err := w.Write(line)
			if written.Add(int64(n)); err != nil {
				return
			}
		}
	}
	perform(t, []string{"-concurrencies=1"}, handler, func(t *testing.T, s stage) {
		u, _ := parsePage("http://server:80")
		a := s.sweep.asker(pageOf(u))
		defer a.close()
		assert.Equal(t, "/metrics is larger than 8 MiB", a.ask(true).Error)
		time.Sleep(time.Second)
		assert.Less(t, written.Load(), int64(maxPage+2<<20), "and what was under way")
	})
}
