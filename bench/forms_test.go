package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/mockserver"
)

// forms are the ways to ask that are not the default.
func forms() map[string][]string {
	return map[string][]string{
		"completions":                {"-endpoint-type=completions"},
		"documents":                  {"-streaming=false"},
		"documents of completions":   {"-endpoint-type=completions", "-streaming=false"},
		"documents through net/http": {"-streaming=false", "-transport=nethttp"},
	}
}

// TestOtherForms runs a sweep in each form against the mock server: what is sent, what is recorded, and what is known of it.
func TestOtherForms(t *testing.T) {
	for name, args := range forms() {
		t.Run(name, func(t *testing.T) {
			options := mockserver.DefaultOptions()
			options.SpeedupRatio = 0
			mock, err := mockserver.New(options)
			require.NoError(t, err)
			t.Cleanup(func() { _ = mock.Close() })
			var mu sync.Mutex
			asked := map[string]int{}
			soFar := func() map[string]int {
				mu.Lock()
				defer mu.Unlock()
				return maps.Clone(asked)
			}
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPost {
					body, err := io.ReadAll(r.Body)
					assert.NoError(t, err)
					var fields struct {
						Prompt   string
						Messages []any
						Stream   bool
					}
					assert.NoError(t, json.Unmarshal(body, &fields))
					mu.Lock()
					asked[fmt.Sprintf("%s prompt %t messages %d stream %t accept %s", r.URL.Path, fields.Prompt != "", len(fields.Messages), fields.Stream, r.Header.Get("Accept"))]++
					mu.Unlock()
					r.Body = io.NopCloser(strings.NewReader(string(body)))
				}
				mock.ServeHTTP(w, r)
			}))
			t.Cleanup(server.Close)
			dir := t.TempDir()
			args := append([]string{"-endpoint=" + server.URL, "-benchmark-name=x", "-concurrencies=1,4", "-request-count=12", "-warmup-requests=2", "-isl=20", "-osl=8", "-output-dir=" + dir}, args...)
			assert.Contains(t, child{args: append(args, "-dry-run")}.passes(t).output, "dry run: nothing is sent and nothing is written")
			assert.Contains(t, child{args: append(args, "-preflight-only")}.passes(t).output, "preflight: ")
			assert.Empty(t, soFar(), "a question for the model list alone")

			completions, streamed := strings.Contains(name, "completions"), !strings.Contains(name, "documents")
			r := child{args: args}.passes(t)
			want := "/v1/chat/completions prompt false messages 1"
			if completions {
				want = "/v1/completions prompt true messages 0"
			}
			accept := map[bool]string{true: "text/event-stream", false: "application/json"}[streamed]
			assert.Equal(t, map[string]int{fmt.Sprintf("%s stream %t accept %s", want, streamed, accept): 1 + 2*(12+2)}, soFar(), "the first for what its template adds")
			for _, level := range []string{"c1", "c4"} {
				level := filepath.Join(dir, "x", level)
				requireFiles(t, level, levelFiles()...)
				requireForm(t, level, completions, streamed)
			}
			assert.Equal(t, !streamed, strings.Contains(r.output, "time_to_first_token_ms n/a(not streamed)"))
			summary := unbroken(t, dir)
			assert.Equal(t, completions, strings.Contains(summary, "to the completions route"))
			assert.Equal(t, !streamed, strings.Contains(summary, "x: its answers were not streamed: it has no TTFT and no ITL, and is left out of their charts"))
			requireFiles(t, filepath.Join(dir, "plots"), reportFiles()...)
		})
	}
}

// requireForm holds what a level recorded against the form of its requests.
func requireForm(t *testing.T, level string, completions, streamed bool) {
	t.Helper()
	for _, s := range readSamples(t, level) {
		assert.Equal(t, record.OK, s.Outcome, s.Error)
		assert.Equal(t, record.Counted{ISL: s.Counted.ISL, OSL: 8, Source: record.FromServer}, s.Counted)
		assert.Equal(t, !streamed, s.Unstreamed)
		assert.Len(t, s.ChunksNS, map[bool]int{true: 8, false: 1}[streamed])
	}
	figures := aggregate(t, level)
	for _, tag := range []string{"time_to_first_token", "inter_token_latency", "inter_chunk_latency", "prefill_throughput_per_user"} {
		_, there := figures[tag]
		assert.Equal(t, streamed, there, tag)
	}
	for _, tag := range []string{"request_latency", "request_throughput", "output_token_throughput", "output_sequence_length", "e2e_output_token_throughput"} {
		assert.Contains(t, figures, tag)
	}
	endpoint := figures["input_config"].(map[string]any)["endpoint"].(map[string]any)
	assert.Equal(t, map[bool]string{true: "completions", false: "chat"}[completions], endpoint["type"])
	assert.Equal(t, streamed, endpoint["streaming"])
	l := readLevel(t, level)
	require.NotNil(t, l.Instrument.Canary)
	assert.Empty(t, l.Instrument.Canary.Failure, "canaries stream whatever the requests do")
}

// TestOneTruthInBothForms: in virtual time a document comes when the last token of a stream would.
func TestOneTruthInBothForms(t *testing.T) {
	dir := t.TempDir()
	for name, args := range map[string][]string{"streamed": nil, "whole": {"-streaming=false"}} {
		child{args: append([]string{"-virtual", "-nonce=7", "-benchmark-name=" + name, "-concurrencies=1,20", "-isl=100", "-osl=32", "-plot=false", "-output-dir=" + dir}, args...)}.passes(t)
	}
	for _, level := range []string{"c1", "c20"} {
		streamed, whole := aggregate(t, filepath.Join(dir, "streamed", level)), aggregate(t, filepath.Join(dir, "whole", level))
		for _, of := range [][2]string{{"request_latency", "avg"}, {"request_latency", "p50"}, {"request_throughput", "avg"}, {"output_token_throughput", "avg"}, {"total_osl", "avg"}} {
			want := streamed[of[0]].(map[string]any)[of[1]].(float64)
			assert.InEpsilon(t, want, whole[of[0]].(map[string]any)[of[1]], 1e-3, "%s %v", level, of)
		}
	}
}

// TestCompletionsWithoutAModelList: readiness asks the route that is measured.
func TestCompletionsWithoutAModelList(t *testing.T) {
	var bodies []string
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/completions", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		bodies = append(bodies, string(body))
		fmt.Fprint(w, `{"choices":[{"index":0,"text":"a","finish_reason":"length"}],"usage":{"prompt_tokens":3,"completion_tokens":4}}`)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	dir := t.TempDir()
	args := []string{
		"-endpoint=" + server.URL, "-benchmark-name=x", "-concurrencies=1", "-request-count=1", "-isl=4", "-std=0", "-osl=4", "-compat=openai", "-plot=false",
		"-endpoint-type=completions", "-streaming=false", "-output-dir=" + dir,
	}
	child{args: args}.passes(t)
	require.Len(t, bodies, 3, "whether it is ready, what its template adds, and the load")
	assert.JSONEq(t, `{"model":"Qwen/Qwen3-0.6B","prompt":"hi","max_tokens":1}`, bodies[0])
	r := child{args: append(args, "-endpoint-type=chat", "-overwrite", "-wait-ready=1s")}.run(t)
	assert.NotZero(t, r.code)
	assert.Contains(t, r.output, "/v1/chat/completions answered 404")
}

// TestFormsAreNotMixed: a run of documents is not judged by one of streams, and by itself in what it has.
func TestFormsAreNotMixed(t *testing.T) {
	dir := t.TempDir()
	for name, args := range map[string][]string{"streams": nil, "whole": {"-streaming=false"}, "again": {"-streaming=false"}} {
		child{args: append([]string{"-virtual", "-nonce=7", "-benchmark-name=" + name, "-concurrencies=2", "-isl=20", "-osl=8", "-plot=false", "-output-dir=" + dir}, args...)}.passes(t)
	}
	compare := func(baseline string) result {
		return child{entry: "TestGate", args: []string{"-baseline=" + filepath.Join(dir, baseline), "-candidate=" + filepath.Join(dir, "again")}}.run(t)
	}
	assert.Contains(t, compare("streams").output, "refused: streaming differ: true in streams, false in again")
	r := compare("whole")
	assert.Zero(t, r.code, r.output)
	assert.Contains(t, r.output, "--- PASS: TestGate/c2/request_latency/avg")
	assert.NotContains(t, r.output, "time_to_first_token/avg")

	r = child{entry: "TestCalibrate", args: []string{"-streaming=false"}}.run(t)
	assert.Contains(t, r.output, "-run Calibrate measures streams: leave out -streaming=false")
}
