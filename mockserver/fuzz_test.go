package mockserver_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/mockserver"
)

// FuzzRequest sends any body to any route: the answer is a document or a stream of the API, or an error that is one.
func FuzzRequest(f *testing.F) {
	const chat = "/v1/chat/completions"
	for _, seed := range [][2]string{
		{chat, `{"model":"m","messages":[{"role":"user","content":"a b"}],"max_tokens":2,"stream":true,"stream_options":{"include_usage":true}}`},
		{chat, `{"model":"m","messages":[{"content":[{"type":"text","text":"a"}]},{"content":null}],"n":2,"stop":["x"],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"a":{"type":["string","null"],"enum":["b"]}},"required":["a"]}}}],"tool_choice":"required","max_tokens":9}`},
		{chat, `{"model":"m","messages":[],"max_tokens":-1,"temperature":1e999}`}, {chat, `null`}, {chat, `{"model":1}`}, {chat, ``},
		{chat, `{"model":"m","messages":[{"content":"a"}],"max_tokens":4,"logprobs":true,"response_format":{"type":"json_schema"}}`},
		{"/v1/completions", `{"model":"m","prompt":["a",""],"max_tokens":1}`}, {"/v1/completions", `{"model":"m","prompt":[[1,2],[4294967296]],"max_tokens":3,"stop":"x","stream":true}`},
		{"/v1/embeddings", `{"model":"m","input":[1,2],"encoding_format":"base64","dimensions":3}`}, {"/v1/embeddings", `{"model":"m","input":""}`},
		{"/tokenize", `{"model":"m","prompt":"a b"}`}, {"/v1/models", `x`}, {"/metrics", ``},
	} {
		f.Add(seed[0], seed[1])
	}
	o := mockserver.DefaultOptions()
	o.Model, o.SpeedupRatio, o.MaxModelLen, o.ThinkingRatio = "m", 0, 64, 0.5
	server, err := mockserver.New(o)
	require.NoError(f, err)
	f.Cleanup(func() { assert.NoError(f, server.Close()) })
	f.Fuzz(func(t *testing.T, path, body string) {
		switch path {
		case chat, "/v1/completions", "/v1/embeddings", "/tokenize", "/v1/models", "/metrics":
		default:
			return
		}
		w := httptest.NewRecorder()
		server.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, strings.NewReader(body)))
		sent := w.Body.Bytes()
		switch {
		case w.Code != http.StatusOK:
			var refusal struct {
				Error struct{ Message, Code string }
			}
			require.NoError(t, json.Unmarshal(sent, &refusal), "%s", sent)
			assert.NotEmpty(t, refusal.Error.Message)
			assert.True(t, w.Code/100 == 4, "%d: %s", w.Code, sent)
		case strings.HasPrefix(w.Header().Get("Content-Type"), "text/event-stream"):
			require.True(t, strings.HasSuffix(string(sent), "data: [DONE]\n\n"), "%s", sent)
			for event := range strings.SplitSeq(strings.TrimSuffix(string(sent), "data: [DONE]\n\n"), "\n\n") {
				assert.True(t, event == "" || json.Valid([]byte(strings.TrimPrefix(event, "data: "))), "%s", event)
			}
		default:
			assert.True(t, json.Valid(sent), "%s", sent)
		}
		assert.Less(t, len(sent), 16<<20)
	})
}
