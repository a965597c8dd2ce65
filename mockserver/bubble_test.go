package mockserver_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/mockserver"
	"github.com/llmsweep/llmsweep/mockserver/memnet"
)

const model = "Qwen/Qwen3-0.6B"

// rig is a mock server on an in-memory network and a client of it, both inside a
// bubble.
type rig struct {
	t        *testing.T
	server   *mockserver.Server
	listener *memnet.Listener
	client   *http.Client
	url      string
	start    time.Time
	served   chan error
}

// inBubble runs a test in virtual time. It ends only if every goroutine does, so
// each use is a test for leaks as well.
func inBubble(t *testing.T, change func(*mockserver.Options), test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o := mockserver.DefaultOptions()
		o.Virtual = true
		if change != nil {
			change(&o)
		}
		server, err := mockserver.New(o)
		require.NoError(t, err)
		l := memnet.Listen("mock:80")
		transport := &http.Transport{DialContext: l.DialContext}
		r := &rig{t: t, server: server, listener: l, url: "http://mock", start: time.Now(),
			client: &http.Client{Transport: transport}, served: make(chan error, 1)}
		go func() { r.served <- server.Serve(l) }()
		defer func() {
			transport.CloseIdleConnections()
			assert.NoError(t, server.Close())
			assert.NoError(t, <-r.served)
		}()
		test(r)
	})
}

func (r *rig) now() time.Duration {
	return time.Since(r.start)
}

// at sleeps until an instant of the test.
func (r *rig) at(d time.Duration) {
	time.Sleep(d - r.now())
}

// post sends a request and returns the status and the body, which the caller
// closes.
func (r *rig) post(ctx context.Context, path, body string) (int, io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	response, err := r.client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	return response.StatusCode, response.Body, nil
}

// leaving is the context of a client, and what makes it go away.
func (r *rig) leaving() (context.Context, func()) {
	return context.WithCancel(r.t.Context())
}

// open is post where nothing may go wrong.
func (r *rig) open(path, body string) io.ReadCloser {
	status, answer, err := r.post(r.t.Context(), path, body)
	check(r.t, err)
	assert.Equal(r.t, http.StatusOK, status)
	return answer
}

// check is require.NoError for goroutines, which must not end the test.
func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// event is one server-sent event and when it was read.
type event struct {
	at   time.Duration
	data string
}

// events reads a stream to its end.
func (r *rig) events(stream io.ReadCloser) ([]event, error) {
	defer stream.Close()
	var all []event
	lines := bufio.NewScanner(stream)
	for lines.Scan() {
		if data, found := strings.CutPrefix(lines.Text(), "data: "); found {
			all = append(all, event{r.now(), data})
		}
	}
	return all, lines.Err()
}

// stream sends a streamed chat and returns its events.
func (r *rig) stream(prompt, answer int) []event {
	all, err := r.events(r.open("/v1/chat/completions", chatBody(prompt, answer, true)))
	check(r.t, err)
	return all
}

// tokens are the instants of a stream's events with content.
func tokens(t *testing.T, all []event) []time.Duration {
	t.Helper()
	var instants []time.Duration
	for _, e := range all {
		if e.data != "[DONE]" && contentOf(t, e.data) != "" {
			instants = append(instants, e.at)
		}
	}
	return instants
}

// chunk is what a client may find in an answer, streamed or whole.
type chunk struct {
	ID      string
	Object  string
	Created int64
	Model   string
	Choices []struct {
		Index        int
		Delta        said
		Message      said
		Text         string
		FinishReason *string `json:"finish_reason"`
	}
	Usage *usage
}

// said is what a message has, or a delta a part of.
type said struct {
	Role, Content string
	Reasoning     string     `json:"reasoning_content"`
	ToolCalls     []toolCall `json:"tool_calls"`
}

type toolCall struct {
	ID, Type string
	Function struct{ Name, Arguments string }
}

type usage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
	TotalTokens      int `json:"total_tokens"`
	Details          struct {
		CachedTokens *int `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
}

func decode(t *testing.T, data string) chunk {
	t.Helper()
	var c chunk
	require.NoError(t, json.Unmarshal([]byte(data), &c), "%s", data)
	return c
}

func contentOf(t *testing.T, data string) string {
	t.Helper()
	c := decode(t, data)
	if len(c.Choices) == 0 {
		return ""
	}
	return c.Choices[0].Delta.Content + c.Choices[0].Text
}

// prompts makes every prompt of chatBody begin differently, so that none is found
// in the cache.
var prompts atomic.Int64

func chatBody(prompt, answer int, stream bool) string {
	body, err := json.Marshal(map[string]any{
		"model":      model,
		"messages":   []map[string]string{{"role": "user", "content": fmt.Sprint("prompt", prompts.Add(1), strings.Repeat(" word", prompt-1))}},
		"max_tokens": answer,
		"stream":     stream,
	})
	if err != nil {
		panic(err)
	}
	return string(body)
}

func readAll(t *testing.T, r io.ReadCloser) string {
	t.Helper()
	defer r.Close()
	all, err := io.ReadAll(r)
	require.NoError(t, err)
	return string(all)
}
