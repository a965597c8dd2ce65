package mockserver_test

import (
	"flag"
	"fmt"
	"io"
	"net/http/httputil"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/mockserver"
)

var update = flag.Bool("update", false, "write what the server sends into testdata; review the diff")

// exchange is a request and the golden file of what comes back for it.
type exchange struct {
	name, route, body string
	change            func(*mockserver.Options)
}

const weather = `"tools":[{"type":"function","function":{"name":"get_\"weather\"","parameters":{"type":"object",` +
	`"properties":{"city":{"type":"string"},"days":{"type":"integer","minimum":3}},"required":["city","days"]}}}]`

func exchanges() []exchange {
	const post = "POST /v1/chat/completions"
	chat := func(rest string) string {
		return `{"model":"` + model + `","messages":[{"role":"user","content":"how are you"}],"max_tokens":3` + rest + `}`
	}
	text := func(rest string) string {
		return `{"model":"` + model + `","prompt":"once upon a time","max_tokens":2` + rest + `}`
	}
	call := func(rest string) string {
		return `{"model":"` + model + `","messages":[{"role":"user","content":"how are you"}],"tool_choice":"required",` + weather + rest + `}`
	}
	thinking := func(o *mockserver.Options) { o.ThinkingRatio = 0.5 }
	return []exchange{
		{"chat_stream", post, chat(`,"stream":true`), nil},
		{"chat_stream_usage", post, chat(`,"stream":true,"stream_options":{"include_usage":true}`), nil},
		{"chat_stream_continuous_usage", post,
			chat(`,"stream":true,"stream_options":{"include_usage":true,"continuous_usage_stats":true}`), nil},
		{"chat_stream_two", post, chat(`,"stream":true,"n":2,"stream_options":{"include_usage":true}`), nil},
		{"chat_stream_tool", post, call(`,"stream":true,"stream_options":{"include_usage":true}`), nil},
		{"chat_stream_reasoning", post, chat(`,"max_completion_tokens":8,"stream":true,"stream_options":{"include_usage":true}`), thinking},
		{"chat_whole", post, chat(``), nil},
		{"chat_whole_two", post, chat(`,"n":2`), nil},
		{"chat_whole_tool", post, call(``), nil},
		{"chat_whole_reasoning", post, chat(`,"max_completion_tokens":8`), thinking},
		{"text_stream_usage", "POST /v1/completions", text(`,"stream":true,"stream_options":{"include_usage":true}`), nil},
		{"text_whole", "POST /v1/completions", text(``), nil},
		{"text_whole_prompts", "POST /v1/completions", `{"model":"` + model + `","prompt":["a b","c"],"max_tokens":2,"n":2}`, nil},
		{"text_whole_reasoning", "POST /v1/completions", text(`,"max_completion_tokens":8`), thinking},
		{"embeddings", "POST /v1/embeddings", `{"model":"` + model + `","input":["a b","c","a b"],"dimensions":3}`, nil},
		{"embeddings_base64", "POST /v1/embeddings",
			`{"model":"` + model + `","input":"a b","dimensions":3,"encoding_format":"base64"}`, nil},
		{"tokenize", "POST /tokenize", `{"prompt":"a b a","return_token_strs":true}`, nil},
		{"error", post, chat(`,"n":0`), nil},
		{"models", "GET /v1/models", "", nil},
		{"model", "GET /v1/models/" + model, "", nil},
		{"model_unknown", "GET /v1/models/other", "", nil},
		{"health", "GET /health", "", nil},
		{"health_not_ready", "GET /health", "", func(o *mockserver.Options) { o.StartupTime = time.Nanosecond }},
		{"live", "GET /live", "", nil},
		{"version", "GET /version", "", nil},
	}
}

// TestWireBytes holds everything the server puts on a connection against a file,
// HTTP framing included: one HTTP chunk is one write and one flush. In virtual
// time the dates are fixed.
func TestWireBytes(t *testing.T) {
	t.Parallel()
	for _, x := range exchanges() {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, x.change, func(r *rig) {
				got := r.raw(fmt.Sprintf("%s HTTP/1.1\r\nHost: mock\r\nX-Request-Id: req-7\r\n"+
					"Connection: close\r\nContent-Length: %d\r\n\r\n%s", x.route, len(x.body), x.body))
				file := filepath.Join("testdata", x.name+".http")
				if *update {
					require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
				}
				want, err := os.ReadFile(file)
				require.NoError(t, err)
				assert.Equal(t, string(want), got)
			})
		})
	}
}

// A client of HTTP/1.0 knows no chunks: its stream is what stands in those of HTTP/1.1, up to the end of the connection.
func TestStreamsOfHTTP10AreNotChunked(t *testing.T) {
	t.Parallel()
	body := chatBody(3, 2, true)
	request := "POST /v1/chat/completions HTTP/1.%d\r\nHost: mock\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"
	var streams []string
	for minor := range 2 {
		inBubble(t, nil, func(r *rig) { // two servers, so that both requests are the first
			head, stream, found := strings.Cut(r.raw(fmt.Sprintf(request, minor, len(body), body)), "\r\n\r\n")
			require.True(t, found)
			assert.Equal(t, minor == 1, strings.Contains(head, "Transfer-Encoding: chunked"))
			if minor == 1 {
				whole, err := io.ReadAll(httputil.NewChunkedReader(strings.NewReader(stream)))
				require.NoError(t, err)
				stream = string(whole)
			}
			streams = append(streams, stream)
		})
	}
	assert.Contains(t, streams[0], "data: [DONE]\n\n")
	assert.Equal(t, streams[1], streams[0])
}

// raw writes bytes on a new connection and returns all that comes back.
func (r *rig) raw(request string) string {
	c, err := r.listener.DialContext(r.t.Context(), "mem", "mock:80")
	require.NoError(r.t, err)
	_, err = c.Write([]byte(request))
	require.NoError(r.t, err)
	answer, err := io.ReadAll(c)
	require.NoError(r.t, err)
	require.NoError(r.t, c.Close())
	return string(answer)
}

func TestStreamFoldsIntoTheWholeAnswer(t *testing.T) {
	t.Parallel()
	for _, route := range []string{"/v1/chat/completions", "/v1/completions"} {
		t.Run(route, func(t *testing.T) {
			t.Parallel()
			body := `{"model":"` + model + `","prompt":"a b","messages":[{"content":"a b"}],"max_tokens":50,` +
				`"stream_options":{"include_usage":true},"stream":`
			var whole chunk
			var pieces []chunk
			// Two servers, so that both requests are the first.
			inBubble(t, nil, func(r *rig) {
				whole = decode(r.t, readAll(r.t, r.open(route, body+"false}")))
				assert.Greater(t, r.now().Milliseconds(), int64(16+49*5), "an answer takes its time, streamed or not")
			})
			inBubble(t, nil, func(r *rig) {
				all, err := r.events(r.open(route, body+"true}"))
				require.NoError(t, err)
				require.Equal(t, "[DONE]", all[len(all)-1].data)
				for _, e := range all[:len(all)-1] {
					pieces = append(pieces, decode(r.t, e.data))
				}
			})
			assertFolds(t, whole, pieces)
		})
	}
}

func assertFolds(t *testing.T, whole chunk, pieces []chunk) {
	t.Helper()
	var content strings.Builder
	words, role, finished := 0, "", 0
	for i, p := range pieces {
		assert.Equal(t, whole.ID, p.ID)
		assert.Equal(t, whole.Created, p.Created)
		assert.Equal(t, whole.Model, p.Model)
		if i == len(pieces)-1 {
			assert.Empty(t, p.Choices, "the usage chunk is the last")
			assert.Equal(t, whole.Usage, p.Usage)
			break
		}
		assert.Nil(t, p.Usage)
		require.Len(t, p.Choices, 1)
		choice := p.Choices[0]
		if text := choice.Delta.Content + choice.Text; text != "" {
			assert.Zero(t, finished, "no content after finish_reason")
			assert.Len(t, strings.Fields(text), 1, "one word a chunk")
			content.WriteString(text)
			words++
		}
		role += choice.Delta.Role
		if choice.FinishReason != nil {
			assert.Equal(t, "length", *choice.FinishReason)
			finished++
		}
	}
	assert.Equal(t, 1, finished)
	assert.Equal(t, whole.Choices[0].Message.Role, role)
	assert.Equal(t, whole.Choices[0].Message.Content+whole.Choices[0].Text, content.String())
	assert.Equal(t, "length", *whole.Choices[0].FinishReason)
	assert.Equal(t, 50, words)
	zero := 0
	assert.Equal(t, &usage{2, 50, 52, struct {
		CachedTokens *int `json:"cached_tokens"`
	}{&zero}}, whole.Usage)
}

func TestUsageComesOnlyWhenAskedFor(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(r *rig) {
		for _, e := range r.stream(3, 3) {
			assert.NotContains(t, e.data, "usage")
		}
		body := strings.Replace(chatBody(3, 3, true), `"stream":`, `"stream_options":{"continuous_usage_stats":true},"stream":`, 1)
		all, err := r.events(r.open("/v1/chat/completions", body))
		require.NoError(t, err)
		for _, e := range all {
			assert.NotContains(t, e.data, "usage", "it belongs to include_usage")
		}
		for _, route := range []string{"/v1/chat/completions", "/v1/completions"} {
			body := `{"model":"` + model + `","prompt":"a","messages":[{"content":"a"}],"max_tokens":3,"stream":true,"stream_options":{"include_usage":true}}`
			all, err := r.events(r.open(route, body))
			require.NoError(t, err)
			last := len(all) - 2 // [DONE] follows
			for _, e := range all[:last] {
				assert.Contains(t, e.data, `"usage":null`, route)
			}
			assert.Equal(t, 3, decode(t, all[last].data).Usage.CompletionTokens)
		}
	})
}

// Of several choices the first says what was cached: the others find its blocks.
func TestCachedTokensAreThoseOfTheFirstChoice(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(r *rig) {
		body := strings.Replace(chatBody(200, 3, false), `"stream"`, `"n":2,"stream"`, 1)
		for _, want := range []int{0, 192} {
			got := decode(t, readAll(r.t, r.open("/v1/chat/completions", body)))
			assert.Equal(t, want, *got.Usage.Details.CachedTokens)
			assert.Equal(t, 200, got.Usage.PromptTokens)
		}
	})
}

func TestAnswersFollowFromSeedAndRequestNumber(t *testing.T) {
	t.Parallel()
	answers := func(seed int64) (first, second string) {
		inBubble(t, func(o *mockserver.Options) { o.Seed = seed }, func(r *rig) {
			read := func() string {
				return readAll(r.t, r.open("/v1/chat/completions", chatBody(5, 30, false)))
			}
			first, second = read(), read()
		})
		return first, second
	}
	first, second := answers(1)
	again, _ := answers(1)
	other, _ := answers(2)
	assert.Equal(t, first, again)
	for _, different := range []string{second, other} {
		a, b := decode(t, first), decode(t, different)
		assert.NotEqual(t, a.ID, b.ID)
		assert.NotEqual(t, a.Choices[0].Message.Content, b.Choices[0].Message.Content)
	}
}
