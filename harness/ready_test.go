package harness_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/mockserver/memnet"
)

// waiting is one call of Ready in virtual time.
type waiting struct {
	err   error
	took  time.Duration
	asked []string // method and path of each request
	log   string
	run   *record.Run // what was written, nil if nothing was
}

// answer is what a scripted server says to a path after some time of its life.
type answer func(path string, age time.Duration, w http.ResponseWriter)

// ready waits for a server that answers as scripted, for the model "m". A nil script is no server at all.
func ready(t *testing.T, script answer, args ...string) (got waiting) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		listener := memnet.Listen("server:80")
		var mu sync.Mutex
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			got.asked = append(got.asked, r.Method+" "+r.URL.Path)
			mu.Unlock()
			script(r.URL.Path, time.Since(start), w)
		})}
		var served sync.WaitGroup
		if script == nil {
			require.NoError(t, listener.Close())
		} else {
			served.Go(func() { assert.ErrorIs(t, server.Serve(listener), http.ErrServerClosed) })
		}
		var log strings.Builder
		sweep := open(t, dir, &log, listener.DialContext, args...)
		got.err = sweep.Ready(t.Context())
		got.took, got.log = time.Since(start), log.String()
		require.NoError(t, server.Shutdown(t.Context())) // waits for the handlers
		served.Wait()
		got.run = stored(t, sweep)
	})
	return got
}

// dial replaces the network.
type dial = func(ctx context.Context, network, address string) (net.Conn, error)

func open(t *testing.T, dir string, log io.Writer, network dial, args ...string) *harness.Sweep {
	t.Helper()
	args = append([]string{"-benchmark-name=x", "-server-metrics=off", "-model=m", "-endpoint=server", "-output-dir=" + dir, "-wait-ready=1m", "-concurrencies=1"}, args...)
	sweep, err := harness.Open(t.Context(), planOf(t, map[string]string{"OPENAI_API_KEY": "sk-secret"}, args...), harness.Output{Log: log})
	require.NoError(t, err)
	t.Cleanup(sweep.Close)
	sweep.Dial = network
	return sweep
}

func stored(t *testing.T, sweep *harness.Sweep) *record.Run {
	t.Helper()
	var run record.Run
	err := record.ReadJSON(filepath.Join(sweep.Dir(), record.RunFile), &run)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	require.NoError(t, err)
	return &run
}

func list(models ...string) string {
	var entries []string
	for _, m := range models {
		entries = append(entries, fmt.Sprintf(`{"id":%q,"object":"model","max_model_len":4096}`, m))
	}
	return `{"object":"list","data":[` + strings.Join(entries, ",") + `]}`
}

func fail(w http.ResponseWriter, status int, body string) {
	w.WriteHeader(status)
	fmt.Fprint(w, body)
}

// noTemplate is what is said of a server that answers to no prompt.
const noTemplate = "template: what the server adds to a prompt is not known: the request to find it failed: http 404 (1 request)\n"

func TestReadyAtOnce(t *testing.T) {
	got := ready(t, func(path string, _ time.Duration, w http.ResponseWriter) {
		w.Header().Set("Server", "uvicorn")
		switch path {
		case "/v1/models":
			fmt.Fprint(w, list("other", "m"))
		case "/version":
			fmt.Fprint(w, "{\"version\":\"0.9\"}\n")
		default:
			fail(w, 404, "")
		}
	})
	require.NoError(t, got.err)
	assert.Zero(t, got.took)
	assert.Equal(t, []string{"GET /v1/models", "GET /version", "POST /v1/chat/completions"}, got.asked)
	require.NotNil(t, got.run)
	assert.Equal(t, record.Target{
		Version: `{"version":"0.9"}`, Models: []string{"other", "m"},
		Model:   map[string]any{"id": "m", "object": "model", "max_model_len": json.Number("4096")},
		Headers: map[string]string{"Server": "uvicorn"},
	}, got.run.Target)
	assert.NotNil(t, got.run.Host)
	assert.Equal(t, "preflight: 2 checks ok\n"+noTemplate, got.log)
}

func TestModelAppearsAfterAWhile(t *testing.T) {
	got := ready(t, func(path string, age time.Duration, w http.ResponseWriter) {
		switch {
		case path != "/v1/models":
			fail(w, 404, "")
		case age < 10*time.Second:
			fail(w, 503, "loading sk-secret")
		case age < 30*time.Second:
			fmt.Fprint(w, list())
		default:
			fmt.Fprint(w, list("m"))
		}
	})
	require.NoError(t, got.err)
	assert.Equal(t, 30*time.Second, got.took, "asked every 2 s")
	assert.Empty(t, got.run.Target.Version, "not every server has the route")
	assert.Nil(t, got.run.Target.Headers)
	assert.Equal(t, "waiting for server, 1m0s more at most (-wait-ready): /v1/models answered 503: loading [redacted]\n"+
		"waiting for server, 50s more at most (-wait-ready): model \"m\": the server lists no model yet\n"+
		"preflight: 2 checks ok\n"+noTemplate, got.log, "a new reason is said once")
}

func TestWrongModelIsRefusedAfterAGrace(t *testing.T) {
	others := func(_ string, _ time.Duration, w http.ResponseWriter) { fmt.Fprint(w, list("a", "b")) }
	got := ready(t, others)
	assert.EqualError(t, got.err, `endpoint "http://server/v1/chat/completions": model "m" is not served; the server has: a, b`)
	assert.Equal(t, 10*time.Second, got.took)
	assert.Nil(t, got.run)

	got = ready(t, others, "-wait-ready=3s")
	assert.ErrorContains(t, got.err, "the server has: a, b")
	assert.Equal(t, 3*time.Second, got.took)

	// Workers register one by one: the grace begins with the first other model, not with the start.
	got = ready(t, func(path string, age time.Duration, w http.ResponseWriter) {
		switch {
		case path != "/v1/models":
			fail(w, 404, "")
		case age < 30*time.Second:
			fmt.Fprint(w, list())
		case age < 38*time.Second:
			fmt.Fprint(w, list("a"))
		default:
			fmt.Fprint(w, list("a", "m"))
		}
	})
	require.NoError(t, got.err)
	assert.Equal(t, 38*time.Second, got.took)
}

// A server that speaks HTTP/1.1 alone is refused over HTTP/2 with what to do, and not waited for.
func TestHTTP1IsRefusedOverHTTP2(t *testing.T) {
	got := ready(t, func(_ string, _ time.Duration, w http.ResponseWriter) { fmt.Fprint(w, list("m")) }, "-transport=http2")
	assert.ErrorContains(t, got.err, `endpoint "http://server/v1/chat/completions": the server, or a proxy before it, speaks HTTP/1.1 and not HTTP/2: use -transport own or nethttp (`)
	assert.Equal(t, 10*time.Second, got.took, "something else may answer while it starts")
	got = ready(t, nil, "-transport=http2", "-wait-ready=15s")
	assert.ErrorContains(t, got.err, "not ready within 15s", "a server that is not there is waited for")
}

func TestEmptyListIsWaitedFor(t *testing.T) {
	got := ready(t, func(_ string, _ time.Duration, w http.ResponseWriter) { fmt.Fprint(w, list()) })
	assert.EqualError(t, got.err, `endpoint "http://server/v1/chat/completions": not ready within 1m0s (-wait-ready): model "m": the server lists no model yet`)
	assert.Equal(t, time.Minute, got.took)
}

func TestServerWithoutModelList(t *testing.T) {
	var tried string
	got := ready(t, func(path string, age time.Duration, w http.ResponseWriter) {
		w.Header().Set("Server", "tiny")
		switch {
		case path == "/v1/models":
			fail(w, 404, "")
		case path == "/health" && age < 4*time.Second:
			fail(w, 503, "starting")
		case path == "/v1/chat/completions" && age < 6*time.Second:
			fail(w, 429, "busy")
		default:
			tried = path
		}
	})
	require.NoError(t, got.err)
	assert.Equal(t, 6*time.Second, got.took)
	assert.Equal(t, []string{
		"GET /v1/models", "GET /health", "GET /v1/models", "GET /health", "GET /v1/models", "GET /health", "POST /v1/chat/completions",
		"GET /v1/models", "GET /health", "POST /v1/chat/completions", "GET /version", "POST /v1/chat/completions",
	}, got.asked)
	assert.Equal(t, "/v1/chat/completions", tried, "for what its template adds")
	assert.Equal(t, record.Target{Headers: map[string]string{"Server": "tiny"}}, got.run.Target)

	got = ready(t, func(path string, _ time.Duration, w http.ResponseWriter) {
		if path == "/v1/chat/completions" {
			fail(w, 404, "no model m")
			return
		}
		fail(w, 404, "not found")
	})
	assert.EqualError(t, got.err, `endpoint "http://server/v1/chat/completions": /v1/chat/completions answered 404: no model m`)
	assert.Equal(t, 10*time.Second, got.took, "a gateway may say so while its server starts")

	got = ready(t, func(path string, _ time.Duration, w http.ResponseWriter) {
		if path == "/v1/chat/completions" {
			fail(w, 400, "bad")
			return
		}
		fail(w, 404, "not found")
	})
	assert.ErrorContains(t, got.err, "answered 400: bad")
	assert.Zero(t, got.took, "the request itself was refused: waiting does not mend it")
}

func TestTryAsksForOneToken(t *testing.T) {
	for compat, want := range map[string]string{"llm": `"max_tokens":1`, "openai": `"max_completion_tokens":1`} {
		synctest.Test(t, func(t *testing.T) {
			listener := memnet.Listen("server:80")
			var body atomic.Value
			server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPost {
					data, _ := io.ReadAll(r.Body)
					body.Store(string(data))
					assert.Equal(t, "Bearer sk-secret", r.Header.Get("Authorization"))
				} else {
					fail(w, 404, "")
				}
			})}
			var served sync.WaitGroup
			served.Go(func() { _ = server.Serve(listener) })
			require.NoError(t, open(t, t.TempDir(), io.Discard, listener.DialContext, "-compat="+compat).Ready(t.Context()))
			assert.Contains(t, body.Load(), want)
			assert.Contains(t, body.Load(), `"model":"m"`)
			require.NoError(t, server.Close())
			served.Wait()
		})
	}
}

func TestWrongKeyIsRefusedAtOnce(t *testing.T) {
	for _, status := range []int{401, 403} {
		for _, route := range []string{"/v1/models", "/health", "/v1/chat/completions"} {
			got := ready(t, func(path string, _ time.Duration, w http.ResponseWriter) {
				switch path {
				case route:
					fail(w, status, "bad key sk-secret")
				case "/v1/models":
					fail(w, 404, "")
				}
			})
			assert.EqualError(t, got.err, fmt.Sprintf(`endpoint "http://server/v1/chat/completions": %s answered %d: bad key [redacted] (the API key is read from OPENAI_API_KEY)`, route, status))
			assert.Zero(t, got.took)
		}
	}
}

func TestNothingListens(t *testing.T) {
	got := ready(t, nil)
	assert.ErrorContains(t, got.err, `endpoint "http://server/v1/chat/completions": not ready within 1m0s (-wait-ready): `)
	assert.ErrorContains(t, got.err, syscall.ECONNREFUSED.Error())
	assert.Equal(t, time.Minute, got.took)
	assert.Nil(t, got.run)

	got = ready(t, nil, "-wait-ready=0")
	assert.ErrorContains(t, got.err, "not ready within 0s")
	assert.Zero(t, got.took, "0: one look")
}

func TestServerThatHangs(t *testing.T) {
	hang := func(string, time.Duration, http.ResponseWriter) { time.Sleep(time.Hour) }
	got := ready(t, hang, "-wait-ready=5s")
	assert.ErrorContains(t, got.err, "not ready within 5s")
	assert.LessOrEqual(t, got.took, 6*time.Second, "one look may not take longer than all of them")
}

func TestReplicasShareTheWait(t *testing.T) {
	got := ready(t, func(_ string, age time.Duration, w http.ResponseWriter) {
		if age < 40*time.Second {
			fail(w, 503, "")
			return
		}
		fmt.Fprint(w, list("m"))
	}, "-endpoint=second")
	require.NoError(t, got.err)
	assert.Equal(t, 40*time.Second, got.took)

	got = ready(t, nil, "-endpoint=second")
	assert.Equal(t, time.Minute, got.took)
}

func TestCancelledWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener := memnet.Listen("server:80")
		require.NoError(t, listener.Close())
		ctx, cancel := context.WithCancelCause(t.Context())
		interrupt := errors.New("interrupt")
		time.AfterFunc(3*time.Second, func() { cancel(interrupt) })
		start := time.Now()
		err := open(t, t.TempDir(), io.Discard, listener.DialContext).Ready(ctx)
		assert.ErrorIs(t, err, interrupt)
		assert.ErrorContains(t, err, "stopped while waiting for the server")
		assert.Equal(t, 3*time.Second, time.Since(start))
	})
}

// TestEarlierResultsStayUntilReady: a server that never comes must not cost the results of the last run.
func TestEarlierResultsStayUntilReady(t *testing.T) {
	dir := t.TempDir()
	old := filepath.Join(dir, "x", "c7", record.LogFile)
	require.NoError(t, os.MkdirAll(filepath.Dir(old), 0o700))
	require.NoError(t, os.WriteFile(old, []byte("old\n"), 0o600))
	attempt := func(handler http.HandlerFunc) (err error) {
		synctest.Test(t, func(t *testing.T) {
			listener := memnet.Listen("server:80")
			server := &http.Server{Handler: handler}
			var served sync.WaitGroup
			served.Go(func() { _ = server.Serve(listener) })
			err = open(t, dir, io.Discard, listener.DialContext, "-overwrite").Ready(t.Context())
			require.NoError(t, server.Close())
			served.Wait()
		})
		return err
	}
	require.Error(t, attempt(func(w http.ResponseWriter, _ *http.Request) { fail(w, 500, "") }))
	assert.FileExists(t, old)
	require.NoError(t, attempt(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, list("m")) }))
	assert.NoDirExists(t, filepath.Dir(old))
}

// A redirection is not followed, with the credentials of another server: the user is told where it leads, and not after minutes.
func TestRedirectionIsRefused(t *testing.T) {
	for _, route := range []string{"/v1/models", "/health", "/v1/chat/completions"} {
		got := ready(t, func(path string, _ time.Duration, w http.ResponseWriter) {
			switch path {
			case route:
				w.Header().Set("Location", "https://other.example/login/sk-secret?state=1")
				w.WriteHeader(http.StatusTemporaryRedirect)
			case "/v1/models":
				fail(w, 404, "")
			}
		})
		assert.EqualError(t, got.err, `endpoint "http://server/v1/chat/completions": `+route+" answered 307: it leads to "+
			"https://other.example/login/[redacted], and redirections are not followed: give -endpoint the address that answers")
		assert.Equal(t, 10*time.Second, got.took, "workers register one by one, and so may routes")
	}
}

// What a refusal quotes ends in the middle of it: secrets are taken out before it is cut.
func TestSecretCutOffInARefusal(t *testing.T) {
	for _, dots := range []int{180, 190, 192, 195, 485, 492} {
		got := ready(t, func(_ string, _ time.Duration, w http.ResponseWriter) {
			fail(w, 401, strings.Repeat(".", dots)+"Bearer sk-secret")
		})
		assert.NotContains(t, got.err.Error(), "Bearer", "%d", dots)
	}
}
