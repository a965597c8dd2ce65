package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/lock"
	"github.com/llmsweep/llmsweep/harness/record"
)

const chunk = `data: {"choices":[{"index":0,"delta":{"content":"word"}}]}` + "\n\n"

// misbehaving is a server whose model list is right and whose chat route is the given one.
func misbehaving(t *testing.T, chat http.HandlerFunc, more ...func(*http.ServeMux)) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"data":[{"id":"Qwen/Qwen3-0.6B"}]}`)
	})
	mux.HandleFunc("POST /v1/chat/completions", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		chat(w, r)
	})
	for _, routes := range more {
		routes(mux)
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

func stream(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprint(w, text)
	w.(http.Flusher).Flush()
}

// TestServersThatFail runs a sweep against servers that never answer well: it ends, counts exactly what happened, says so, and
// leaves every file.
func TestServersThatFail(t *testing.T) {
	for name, fault := range map[string]struct {
		chat    http.HandlerFunc
		args    []string
		outcome record.Outcome
		reason  record.Reason
		want    string
	}{
		"500 to everything": {
			chat: func(w http.ResponseWriter, _ *http.Request) {
				http.Error(w, "out of memory", http.StatusInternalServerError)
			},
			outcome: record.Rejected, reason: "http 500", want: "requests failed (18 rejected: http 500); the limit is 50 %; the first: http 500, out of memory",
		},
		"stall after the first token": {
			chat: func(w http.ResponseWriter, r *http.Request) {
				stream(w, chunk)
				<-r.Context().Done()
			},
			args: []string{"-idle-timeout=1s"}, outcome: record.TimedOut, reason: record.IdleTimeout, want: "requests failed (18 timed out: idle timeout); the limit is 50 %",
		},
		"cut stream": {
			chat:    func(w http.ResponseWriter, _ *http.Request) { stream(w, chunk) },
			outcome: record.Cut, reason: record.CutAfterToken, want: "requests failed (18 cut: after the first token); the limit is 50 %",
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			args := []string{
				// 18 requests: with 20 ended the level would give up before its end, at 5 % instead of half.
				"-endpoint=" + misbehaving(t, fault.chat), "-benchmark-name=bad", "-concurrencies=15,50", "-request-count=18", "-max-error-rate=0.05",
				"-isl=8", "-std=0", "-osl=8", "-output-dir=" + dir,
			}
			start := time.Now()
			r := child{args: append(args, fault.args...)}.run(t)
			assert.Less(t, time.Since(start), time.Minute)
			assert.Equal(t, 1, r.code, r.output)
			assert.Contains(t, r.output, fault.want)
			assert.Contains(t, r.output, "not run: c15 failed (-continue-on-error goes on)")

			level := filepath.Join(dir, "bad", "c15")
			requireFiles(t, level, levelFiles()...)
			requireFiles(t, filepath.Join(dir, "plots"), reportFiles()...)
			l := readLevel(t, level)
			assert.Equal(t, record.Failed, l.Status)
			assert.Equal(t, map[record.Outcome]int{fault.outcome: 18}, l.Counts.Outcomes)
			assert.Equal(t, map[record.Outcome]map[record.Reason]int{fault.outcome: {fault.reason: 18}}, l.Counts.Reasons)
			assert.Zero(t, l.Counts.NotStarted)
			for _, s := range readSamples(t, level) {
				assert.Equal(t, fault.outcome, s.Outcome)
			}
			document := aggregate(t, level)
			assert.Equal(t, 18.0, document["error_request_count"].(map[string]any)["avg"])
			assert.NotContains(t, document, "request_count")
			assert.Equal(t, false, document["was_cancelled"])
			assert.Equal(t, 18.0, document["error_summary"].([]any)[0].(map[string]any)["count"])
		})
	}
}

// TestServersDoNotWriteToTheTerminal: what they answer is shown, as text of one line.
func TestServersDoNotWriteToTheTerminal(t *testing.T) {
	const answer = "bad \x1b[31mred\x1b[0m\r\nc1    done: 5 of 5 requests ok\x07 \u202e txt"
	url := misbehaving(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, answer, http.StatusInternalServerError) },
		func(mux *http.ServeMux) {
			mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, answer) })
		})
	dir := t.TempDir()
	r := child{args: []string{
		"-endpoint=" + url, "-benchmark-name=bad", "-concurrencies=1", "-request-count=5", "-verbose", "-isl=8", "-std=0", "-osl=8", "-output-dir=" + dir,
	}}.run(t)
	assert.Equal(t, 1, r.code, r.output)
	assert.Contains(t, r.output, `profiling 0: rejected, bad \x1b[31mred\x1b[0m c1 done: 5 of 5 requests ok\a \u202e txt`)
	assert.Contains(t, r.output, `the first: http 500, bad \x1b[31mred`)
	summary, err := os.ReadFile(filepath.Join(dir, "plots", "SUMMARY.txt"))
	require.NoError(t, err)
	for _, text := range []string{r.output, string(summary)} {
		assert.NotRegexp(t, `[\x00-\x08\x0b-\x1f\x7f\x{202e}]`, text)
	}
	body := readLevel(t, filepath.Join(dir, "bad", "c1")).ErrorBodies
	require.Len(t, body, 1)
	assert.Equal(t, answer+"\n", body[0].Body, "the files keep what came")
}

// TestFilesDoNotWriteToTheTerminal: what a folder of results says, which may come from anybody, is shown as text of one line.
func TestFilesDoNotWriteToTheTerminal(t *testing.T) {
	const text, shown = "bad \x1b[31mred\x1b[0m\r\nc1    done: 5 of 5 requests ok\x07 \u202e", `bad \x1b[31mred\x1b[0m c1 done: 5 of 5 requests ok\a \u202e`
	dir := t.TempDir()
	x := filepath.Join(dir, "x")
	args := []string{"-virtual", "-benchmark-name=x", "-concurrencies=1", "-request-count=2", "-isl=20", "-osl=4", "-plot=false", "-output-dir=" + dir}
	child{args: args}.passes(t)
	spoil := func(name string, v any, change func()) {
		require.NoError(t, record.ReadJSON(filepath.Join(x, name), v))
		change()
		require.NoError(t, record.WriteJSON(filepath.Join(x, name), v))
	}
	var level record.Level
	spoil("c1/"+record.LevelFile, &level, func() { level.Status, level.Reason, level.Transport = record.Interrupt, text, text })
	var run record.Run
	spoil(record.RunFile, &run, func() { run.Tool.Version = text })
	holder, err := json.Marshal(lock.Holder{PID: 7, Host: text})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(x, record.LockFile), holder, 0o600))

	gate := child{entry: "TestGate", args: []string{"-baseline=" + x, "-candidate=" + filepath.Join(dir, "y")}}
	virtualRun(t, dir, "y", "-concurrencies=1", "-request-count=2", "-isl=20", "-osl=4")
	judged := gate.run(t)
	assert.Contains(t, judged.output, "it was stopped: "+shown)

	resumed := child{args: append(args, "-resume")}.run(t)
	assert.Contains(t, resumed.output, "note: process 7 on host "+shown+", since")
	assert.Contains(t, resumed.output, "c1 (stopped: "+shown+", with 2 of 2 requests in its log) repeated")
	assert.Contains(t, resumed.output, ": "+shown+" began the run")

	run = record.Run{}
	spoil(record.RunFile, &run, func() { run.WorkloadSHA256 = "" })
	refused := child{args: append(args, "-resume")}.run(t)
	assert.Contains(t, refused.output, "than "+shown+", which began the run")
	for _, r := range []result{judged, resumed, refused} {
		assert.NotRegexp(t, `[\x00-\x08\x0b-\x1f\x7f\x{202e}]`, r.output)
	}
}

// TestManyErrorsStopALevel: with 20 requests ended the level gives up instead of sending its thousand.
func TestManyErrorsStopALevel(t *testing.T) {
	dir := t.TempDir()
	url := misbehaving(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusServiceUnavailable) })
	r := child{args: []string{
		"-endpoint=" + url, "-benchmark-name=bad", "-concurrencies=2,3", "-request-count=100000", "-continue-on-error",
		"-isl=8", "-std=0", "-osl=8", "-plot=false", "-output-dir=" + dir,
	}}.run(t)
	assert.Equal(t, 1, r.code, r.output)
	for _, name := range []string{"c2", "c3"} { // the second runs because of -continue-on-error
		l := readLevel(t, filepath.Join(dir, "bad", name))
		assert.Less(t, l.Counts.Ended(), 2000)
		assert.Equal(t, 100000, l.Counts.Ended()+l.Counts.NotStarted)
		assert.NotEmpty(t, l.Warnings)
		require.Len(t, l.ErrorBodies, 1)
		assert.Equal(t, record.ErrorBody{Status: 503, Body: "no\n"}, l.ErrorBodies[0])
	}
}

// TestCapsKeepWhatIsMeasured: a cap stops issuing, is no failure, and is said.
func TestCapsKeepWhatIsMeasured(t *testing.T) {
	url, _ := countedMock(t)
	dir := t.TempDir()
	common := []string{"-endpoint=" + url, "-concurrencies=4,5", "-request-count=200", "-isl=10", "-std=0", "-osl=10", "-output-dir=" + dir, "-plot=false"}
	r := child{args: append(common, "-benchmark-name=tokens", "-max-tokens-total=1000")}.passes(t)
	assert.Contains(t, r.output, "-max-tokens-total 1000 reached")
	assert.Contains(t, r.output, "not run: -max-tokens-total 1000 reached")
	l := readLevel(t, filepath.Join(dir, "tokens", "c4"))
	assert.Equal(t, record.Capped, l.Status)
	assert.GreaterOrEqual(t, l.Counts.Outcomes[record.OK], 50)
	assert.LessOrEqual(t, l.Counts.Outcomes[record.OK], 50+4, "no more than what was in flight")
	assert.Equal(t, 200, l.Counts.Ended()+l.Counts.NotStarted)

	slow := misbehaving(t, func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(50 * time.Millisecond)
		stream(w, chunk+"data: [DONE]\n\n")
	})
	r = child{args: append([]string{"-endpoint=" + slow}, append(common[1:], "-benchmark-name=time", "-max-duration=1s")...)}.passes(t)
	assert.Contains(t, r.output, "-max-duration 1s reached")
	l = readLevel(t, filepath.Join(dir, "time", "c4"))
	assert.Equal(t, record.Capped, l.Status)
	assert.Equal(t, l.Counts.Ended(), l.Counts.Outcomes[record.OK])
	assert.Positive(t, l.Counts.NotStarted)
}
