package mockserver_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/mockserver"
	"github.com/llmsweep/llmsweep/mockserver/engine"
)

func TestAPIKey(t *testing.T) {
	t.Parallel()
	h := instant(t, func(o *mockserver.Options) { o.APIKey = "sesame" })
	with := func(method, path, authorization string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(method, path, strings.NewReader(chatBody(1, 1, false)))
		r.Header.Set("Authorization", authorization)
		h.ServeHTTP(w, r)
		return w
	}
	for _, wrong := range []string{"", "sesame", "Bearer", "Bearer ", "Bearer sesam", "Bearer sesame2", "Basic sesame"} {
		for path, method := range map[string]string{
			"/v1/chat/completions": "POST", "/v1/completions": "POST", "/v1/embeddings": "POST", "/tokenize": "POST", "/v1/models": "GET",
			"/v1/responses": "POST",
		} {
			w := with(method, path, wrong)
			assert.Equal(t, http.StatusUnauthorized, w.Code, "%s %q", path, wrong)
			assert.Equal(t, "Bearer", w.Header().Get("WWW-Authenticate"))
			assert.Contains(t, w.Body.String(), `"code":"invalid_api_key"`)
			assert.NotContains(t, w.Body.String(), "sesame")
		}
		for _, path := range []string{"/health", "/live", "/version", "/metrics"} {
			assert.Equal(t, http.StatusOK, with("GET", path, wrong).Code, "%s %q", path, wrong)
		}
	}
	for _, right := range []string{"Bearer sesame", "bearer  sesame "} {
		assert.Equal(t, http.StatusOK, with("POST", "/v1/chat/completions", right).Code, right)
	}
}

func TestStartupTime(t *testing.T) {
	t.Parallel()
	inBubble(t, func(o *mockserver.Options) { o.StartupTime = 2 * time.Second }, func(r *rig) {
		status := func(path string) int {
			response, err := r.client.Get(r.url + path)
			require.NoError(t, err)
			defer response.Body.Close()
			_, err = io.Copy(io.Discard, response.Body)
			require.NoError(t, err)
			return response.StatusCode
		}
		r.at(2*time.Second - 1)
		assert.Equal(t, 503, status("/health"))
		assert.Equal(t, 503, status("/v1/models"))
		assert.Equal(t, 200, status("/live"))
		code, body, err := r.post(r.t.Context(), "/v1/chat/completions", chatBody(1, 1, false))
		require.NoError(t, err)
		assert.Equal(t, 503, code)
		assert.Contains(t, readAll(t, body), `"code":"not_ready"`)
		r.at(2 * time.Second)
		assert.Equal(t, 200, status("/health"))
		assert.Len(t, tokens(t, r.stream(1, 2)), 2)
	})
}

// Two workers of two engines: the server is ready with the first, and the second is sent nothing before its time.
func TestStaggerDelay(t *testing.T) {
	t.Parallel()
	inBubble(t, func(o *mockserver.Options) {
		o.NumWorkers, o.DataParallelSize = 2, 2
		o.StartupTime, o.StaggerDelay, o.SpeedupRatio = 2*time.Second, 3*time.Second, 0
	}, func(r *rig) {
		served := func(answers int) []float64 {
			for range answers {
				assert.Len(t, tokens(t, r.stream(1, 2)), 2)
			}
			page := r.page("/metrics")
			counts := make([]float64, 4)
			for k := range counts {
				counts[k] = page.sum("vllm:request_success_total", fmt.Sprintf(`engine="%d"`, k))
			}
			return counts
		}
		r.at(2 * time.Second)
		assert.Equal(t, []float64{2, 2, 0, 0}, served(4))
		r.at(5*time.Second - time.Millisecond)
		assert.Equal(t, []float64{3, 3, 0, 0}, served(2))
		r.at(5 * time.Second)
		assert.Equal(t, []float64{4, 4, 1, 1}, served(4))
	})
}

// secure is a server on TLS, with a first token at once and the next one in an hour, and a client of one version of HTTP.
type secure struct {
	server *mockserver.Server
	served chan error
	config *tls.Config
	client *http.Client
	url    string
}

func overTLS(t *testing.T, version int) secure {
	t.Helper()
	certificate, err := mockserver.SelfSigned("mock.test")
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(certificate.Leaf)
	o := mockserver.DefaultOptions()
	o.Plain = &engine.Plain{ITL: time.Hour}
	s := secure{config: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}, served: make(chan error, 1)}
	s.server, err = mockserver.New(o)
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go func() { s.served <- s.server.ServeTLS(l, s.config) }()
	transport := &http.Transport{ForceAttemptHTTP2: version == 2, TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "mock.test"}}
	t.Cleanup(transport.CloseIdleConnections)
	s.client, s.url = &http.Client{Transport: transport, Timeout: 30 * time.Second}, "https://"+l.Addr().String()
	return s
}

// stream begins an answer of two tokens and reads the first.
func (s secure) stream(t *testing.T, ctx context.Context, version int) (*http.Response, *bufio.Reader) {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/v1/chat/completions", strings.NewReader(chatBody(3, 2, true)))
	require.NoError(t, err)
	response, err := s.client.Do(request)
	require.NoError(t, err)
	assert.Equal(t, version, response.ProtoMajor)
	events := bufio.NewReader(response.Body)
	for _, want := range []string{`"role":"assistant"`, "\n", `"content":"`, "\n"} {
		event, err := events.ReadString('\n')
		require.NoError(t, err)
		assert.Contains(t, event, want)
	}
	return response, events
}

// A client on TLS, of either version of HTTP, gets an event when it is written, not when a buffer is full, and the end of the server.
func TestTLS(t *testing.T) {
	t.Parallel()
	for _, version := range []int{1, 2} {
		s := overTLS(t, version)
		response, events := s.stream(t, t.Context(), version)
		require.NoError(t, s.server.Close())
		require.NoError(t, <-s.served)
		_, err := events.ReadString('\n')
		require.Error(t, err)
		assert.NotErrorIs(t, err, io.EOF, "a stream that is cut must not look complete")
		require.NoError(t, response.Body.Close())
		assert.Empty(t, s.config.NextProtos, "the caller's configuration is not changed")
	}
}

// Over HTTP/2 a client gives up a stream, not the connection: the server hears of it all the same.
func TestAClientThatLeavesOverTLS(t *testing.T) {
	t.Parallel()
	for _, version := range []int{1, 2} {
		s := overTLS(t, version)
		client, leave := context.WithCancel(t.Context())
		response, _ := s.stream(t, client, version)
		leave()
		_ = response.Body.Close()
		assert.EventuallyWithT(t, func(c *assert.CollectT) {
			page, err := s.client.Get(s.url + "/metrics")
			require.NoError(c, err)
			defer page.Body.Close()
			text, err := io.ReadAll(page.Body)
			require.NoError(c, err)
			assert.Contains(c, string(text), "\ndynamo_frontend_disconnected_clients 1\n")
			assert.Contains(c, string(text), `vllm:num_requests_running{engine="0",model_name="Qwen/Qwen3-0.6B"} 0.0`)
		}, 20*time.Second, 10*time.Millisecond)
		require.NoError(t, s.server.Close())
		require.NoError(t, <-s.served)
	}
}

// A client that begins with HTTP/2 is answered by it without TLS as well, and its events are not held back.
func TestHTTP2WithoutTLS(t *testing.T) {
	t.Parallel()
	o := mockserver.DefaultOptions()
	o.Plain = &engine.Plain{ITL: time.Hour}
	server, err := mockserver.New(o)
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &protocols}
	t.Cleanup(transport.CloseIdleConnections)
	s := secure{client: &http.Client{Transport: transport, Timeout: 30 * time.Second}, url: "http://" + l.Addr().String()}
	response, events := s.stream(t, t.Context(), 2)
	require.NoError(t, server.Close())
	require.NoError(t, <-served)
	_, err = events.ReadString('\n')
	require.Error(t, err)
	assert.NotErrorIs(t, err, io.EOF, "a stream that is cut must not look complete")
	require.NoError(t, response.Body.Close())
}

// A client that goes away takes all of its request along, streamed or not, of one choice or several.
func TestAClientThatLeavesFreesItsBlocks(t *testing.T) {
	t.Parallel()
	for _, stream := range []bool{true, false} {
		inBubble(t, nil, func(r *rig) {
			client, leave := r.leaving()
			body := strings.Replace(chatBody(1000, 100_000, stream), `"stream"`, `"n":3,"stream"`, 1)
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				_, answer, err := r.post(client, "/v1/chat/completions", body)
				if err == nil {
					_, err = io.Copy(io.Discard, answer)
					assert.NoError(t, answer.Close())
				}
				assert.Error(t, err)
			}()
			r.at(time.Second)
			assert.Equal(t, "3.0", r.metric("vllm:num_requests_running"))
			assert.NotEqual(t, "0.0", r.metric("vllm:kv_cache_usage_perc"))
			leave()
			<-ended
			r.at(1100 * time.Millisecond) // longer than the pass that has begun
			assert.Equal(t, "0.0", r.metric("vllm:num_requests_running"))
			assert.Equal(t, "0.0", r.metric("vllm:kv_cache_usage_perc"))
		})
	}
}

// metric is a value on the page of metrics.
func (r *rig) metric(name string) string {
	response, err := r.client.Get(r.url + "/metrics")
	require.NoError(r.t, err)
	for line := range strings.Lines(readAll(r.t, response.Body)) {
		if strings.HasPrefix(line, name+"{") {
			return strings.Fields(line)[1]
		}
	}
	r.t.Fatalf("no %s", name)
	return ""
}

// recorded is a line of the record.
type recorded struct {
	Start       int64 `json:"server_start_unix_ns"`
	ID          string
	RequestID   string `json:"x_request_id"`
	Path        string
	Status      int
	Error       string
	Stream      bool
	Arrival     int64    `json:"arrival_ns"`
	Admission   *int64   `json:"admission_ns"`
	Prompt      int      `json:"prompt_tokens"`
	Cached      int      `json:"cached_tokens"`
	Limit       int      `json:"max_tokens"`
	Completion  int      `json:"completion_tokens"`
	Finish      []string `json:"finish_reasons"`
	Canceled    bool
	Writes      []int64 `json:"writes_ns"`
	WriteTokens []int   `json:"write_tokens"`
	End         int64   `json:"end_ns"`
}

// In virtual time a client reads an event at the instant at which it was written.
// What never comes to the engines is on the record too: refusals with their status, and a client that breaks off its request.
func TestRecordOfRefusals(t *testing.T) {
	t.Parallel()
	var file strings.Builder
	inBubble(t, func(o *mockserver.Options) { o.Record, o.APIKey, o.StartupTime = &file, "sesame", time.Second }, func(r *rig) {
		r.at(time.Second - 1)
		key := "Authorization: Bearer sesame\r\n"
		r.raw("POST /v1/completions HTTP/1.1\r\nHost: mock\r\nConnection: close\r\n" + key + "\r\n")
		r.at(time.Second)
		for _, head := range []string{"POST /v1/completions", "GET /nowhere", "PUT /v1/models"} {
			r.raw(head + " HTTP/1.1\r\nHost: mock\r\nConnection: close\r\n\r\n")
		}
		c, err := r.listener.DialContext(r.t.Context(), "mem", "mock:80")
		require.NoError(t, err)
		_, err = c.Write([]byte("POST /v1/completions HTTP/1.1\r\nHost: mock\r\n" + key + "Content-Length: 100\r\n\r\n{"))
		require.NoError(t, err)
		r.at(2 * time.Second)
		require.NoError(t, c.Close())
		synctest.Wait()
		assert.Equal(t, 1.0, r.page("/metrics").sum("dynamo_frontend_disconnected_clients"))
	})
	var lines []string
	for line := range strings.Lines(file.String()) {
		var l recorded
		require.NoError(t, json.Unmarshal([]byte(line), &l))
		lines = append(lines, fmt.Sprint(l.Path, " ", l.Status, " ", l.Error, " ", l.Canceled, " ", time.Duration(l.End)))
	}
	assert.Equal(t, []string{
		"/v1/completions 503 not_ready false 999.999999ms", "/v1/completions 401 invalid_api_key false 1s", "/nowhere 404 unknown_url false 1s",
		"/v1/models 405 method_not_allowed false 1s", "/v1/completions 499 client_closed_request true 2s",
	}, lines)
}

func TestRecord(t *testing.T) {
	t.Parallel()
	var file strings.Builder
	var seen []event
	inBubble(t, func(o *mockserver.Options) { o.Record = &file }, func(r *rig) {
		r.at(time.Second)
		seen = r.stream(100, 4)
		r.at(2 * time.Second)
		decode(t, readAll(t, r.open("/v1/completions", `{"model":"`+model+`","prompt":"a b","n":2,"max_tokens":3}`)))
		r.at(3 * time.Second)
		_, refused, err := r.post(r.t.Context(), "/v1/completions", `{"model":"`+model+`","n":0,"prompt":"a"}`)
		require.NoError(t, err)
		readAll(t, refused)
		r.at(4 * time.Second)
		client, leave := r.leaving()
		_, body, err := r.post(client, "/v1/chat/completions", chatBody(1, 1000, true))
		require.NoError(t, err)
		r.at(5 * time.Second)
		leave()
		_ = body.Close()
		gone, cancel := context.WithDeadline(r.t.Context(), r.start.Add(5500*time.Millisecond))
		defer cancel()
		_, _, err = r.post(gone, "/v1/completions", `{"model":"`+model+`","prompt":"a","max_tokens":1000}`)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		r.at(6 * time.Second)
		readAll(t, r.open("/v1/embeddings", `{"model":"`+model+`","input":["a b","c"]}`))
	})
	var lines []recorded
	for line := range strings.Lines(file.String()) {
		var l recorded
		require.NoError(t, json.Unmarshal([]byte(line), &l))
		lines = append(lines, l)
	}
	require.Len(t, lines, 6)
	stream, whole, refused, left, gaveUp, embedded := lines[0], lines[1], lines[2], lines[3], lines[4], lines[5]

	second := int64(time.Second)
	at := tokens(t, seen)
	assert.Equal(t, []int64{int64(at[0]), int64(at[1]), int64(at[2]), int64(at[3])}, stream.Writes)
	assert.Equal(t, []int{1, 1, 1, 1}, stream.WriteTokens)
	assert.Equal(t, decode(t, seen[0].data).ID, stream.ID)
	assert.Equal(t, time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano(), stream.Start)
	assert.Equal(t, second, *stream.Admission)
	assert.Equal(t, stream.Writes[3], stream.End)
	stream.ID, stream.Writes, stream.WriteTokens, stream.Admission, stream.Start, stream.End = "", nil, nil, nil, 0, 0
	assert.Equal(t, recorded{Path: "/v1/chat/completions", Status: 200, Stream: true, Arrival: second, Prompt: 100, Limit: 4, Completion: 4,
		Finish: []string{"length"}}, stream)

	assert.Equal(t, []int{6}, whole.WriteTokens)
	assert.Equal(t, []string{"length", "length"}, whole.Finish)
	assert.Equal(t, 2*second, whole.Arrival)
	assert.Equal(t, recorded{Start: refused.Start, Path: "/v1/completions", Status: 400, Error: "invalid_value", Arrival: 3 * second, End: 3 * second}, refused)
	assert.True(t, left.Canceled)
	assert.Equal(t, 499, left.Status, "the client has seen 200 and then gone")
	assert.True(t, gaveUp.Canceled)
	assert.Equal(t, 499, gaveUp.Status)
	assert.Equal(t, 5500*time.Millisecond, time.Duration(gaveUp.End))
	assert.Empty(t, gaveUp.Writes)
	assert.Equal(t, len(left.Writes), left.Completion)
	assert.Less(t, left.Completion, 1000)
	assert.Equal(t, 5*second, left.End)
	assert.Equal(t, 3, embedded.Prompt)
	assert.Len(t, embedded.Writes, 1)
}

// A disk that is full stops the record, not the server.
func TestRecordThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	full := errors.New("no space left")
	o := mockserver.DefaultOptions()
	o.SpeedupRatio, o.Record = 0, writerFunc(func([]byte) (int, error) { return 0, full })
	server, err := mockserver.New(o)
	require.NoError(t, err)
	for range 3 {
		assert.Equal(t, 200, ask(server, "POST", "/v1/chat/completions", chatBody(1, 1, false)).Code)
	}
	assert.ErrorIs(t, server.Close(), full)
}

// Nor does one that never answers hold up a client.
func TestRecordThatBlocks(t *testing.T) {
	t.Parallel()
	inside, release := make(chan struct{}, 1000), make(chan struct{})
	o := mockserver.DefaultOptions()
	o.SpeedupRatio, o.Record = 0, writerFunc(func(p []byte) (int, error) {
		inside <- struct{}{}
		<-release
		return len(p), nil
	})
	server, err := mockserver.New(o)
	require.NoError(t, err)
	for range 100 {
		assert.Equal(t, 200, ask(server, "POST", "/v1/chat/completions", chatBody(1, 1, false)).Code)
	}
	<-inside
	close(release)
	assert.NoError(t, server.Close())
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
