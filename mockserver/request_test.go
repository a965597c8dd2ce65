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

// instant is a server that answers without waiting, used as a plain handler.
func instant(t *testing.T, change func(*mockserver.Options)) http.Handler {
	t.Helper()
	o := mockserver.DefaultOptions()
	o.SpeedupRatio = 0
	if change != nil {
		change(&o)
	}
	server, err := mockserver.New(o)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, server.Close()) })
	return server
}

func ask(h http.Handler, method, path, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	return w
}

func TestErrors(t *testing.T) {
	t.Parallel()
	h := instant(t, func(o *mockserver.Options) { o.MaxModelLen = 10 })
	const chat, text = "/v1/chat/completions", "/v1/completions"
	of := func(rest string) string { return `{"model":"` + model + `",` + rest + `}` }
	for _, c := range []struct {
		method, path, body string
		status             int
		code, message      string
	}{
		{"GET", "/v1/chat", "", 404, "unknown_url", "GET /v1/chat"},
		{"POST", "/v1/chat/completions/", "{}", 404, "unknown_url", "/v1/chat/completions/"},
		{"GET", chat, "", 405, "method_not_allowed", "use POST"},
		{"POST", "/v1/models", "{}", 405, "method_not_allowed", "use GET"},
		{"POST", chat, "", 400, "invalid_json", "unexpected end"},
		{"POST", chat, `{"model":`, 400, "invalid_json", "at byte 9"},
		{"POST", chat, `{"model":"x"} y`, 400, "invalid_json", "after top-level value"},
		{"POST", chat, `[]`, 400, "invalid_value", "array"},
		{"POST", chat, `{}`, 400, "missing_model", `set "model" to "Qwen/Qwen3-0.6B"`},
		{"POST", chat, `{"model":"other"}`, 404, "model_not_found",
			"The model `other` does not exist. This server has `Qwen/Qwen3-0.6B`."},
		{"POST", chat, of(`"messages":[]`), 400, "missing_messages", "no messages"},
		{"POST", chat, of(`"prompt":"x"`), 400, "missing_messages", "no messages"},
		{"POST", text, of(`"messages":[{"content":"x"}]`), 400, "missing_prompt", "no prompt"},
		{"POST", chat, of(`"messages":[{"content":7}]`), 400, "invalid_value", "must not be a JSON number"},
		{"POST", chat, of(`"messages":[{"content":[{"type":"image_url"}]}]`), 400, "invalid_value", `"image_url"`},
		{"POST", text, of(`"prompt":["a","b"],"n":65`), 400, "invalid_value", "2 prompts with 65 answers each"},
		{"POST", text, of(`"prompt":["a",7]`), 400, "invalid_value", "number"},
		{"POST", text, of(`"prompt":[7,"a"]`), 400, "invalid_value", "from 0 to 4294967295"},
		{"POST", text, of(`"prompt":[]`), 400, "invalid_value", "empty"},
		{"POST", text, of(`"prompt":{}`), 400, "invalid_value", "object"},
		{"POST", text, of(`"prompt":"x","n":129`), 400, "invalid_value", "n is 129: must be from 1 to 128"},
		{"POST", text, of(`"prompt":"x","n":0`), 400, "invalid_value", "n is 0"},
		{"POST", text, of(`"prompt":"x","n":2,"temperature":0`), 400, "invalid_value", "temperature is 0"},
		{"POST", text, of(`"prompt":"x","temperature":2.1`), 400, "invalid_value", "temperature is 2.1: must be from 0 to 2"},
		{"POST", text, of(`"prompt":"x","top_p":-0.5`), 400, "invalid_value", "top_p is -0.5: must be from 0 to 1"},
		{"POST", text, of(`"prompt":"x","frequency_penalty":3`), 400, "invalid_value", "must be from -2 to 2"},
		{"POST", text, of(`"prompt":"x","presence_penalty":-3`), 400, "invalid_value", "must be from -2 to 2"},
		{"POST", text, of(`"prompt":"x","repetition_penalty":0`), 400, "invalid_value", "must be above 0"},
		{"POST", text, of(`"prompt":"x","top_logprobs":21`), 400, "invalid_value", "must be from 0 to 20"},
		{"POST", text, of(`"prompt":"x","logit_bias":{"5":101}`), 400, "invalid_value", `token "5" is 101`},
		{"POST", text, of(`"prompt":"x","min_tokens":-1`), 400, "invalid_value", "min_tokens is -1"},
		{"POST", text, of(`"prompt":"x","stop":[""]`), 400, "invalid_value", "empty string"},
		{"POST", text, of(`"prompt":"x","stop":[` + strings.Repeat(`"a",`, 32) + `"a"]`), 400, "invalid_value", "stop has 33 strings"},
		{"POST", text, of(`"prompt":"x","stop":7`), 400, "invalid_value", "number"},
		{"POST", chat, of(`"messages":[{}],"tool_choice":"required"`), 400, "invalid_value", "not among the 0"},
		{"POST", chat, of(`"messages":[{}],"tool_choice":"always"`), 400, "invalid_value", `"always"`},
		{"POST", chat, of(`"messages":[{}],"tool_choice":{"type":"function"}`), 400, "invalid_value", "must be {"},
		{"POST", chat, of(`"messages":[{}],"tool_choice":{"function":{"name":"g"}},"tools":[{"function":{"name":"f"}}]`), 400,
			"invalid_value", `"g", which is not among the 1`},
		{"POST", "/v1/embeddings", of(`"dimensions":4`), 400, "missing_input", "no input"},
		{"POST", "/v1/embeddings", of(`"input":"x","dimensions":0`), 400, "invalid_value", "dimensions is 0"},
		{"POST", "/v1/embeddings", of(`"input":"x","encoding_format":"hex"`), 400, "invalid_value", `"hex"`},
		{"POST", "/v1/embeddings", of(`"input":"a b c d e f g h i j"`), 400, "context_length_exceeded", "max-model-len"},
		{"POST", "/v1/embeddings", `{"model":"other","input":"x"}`, 404, "model_not_found", "other"},
		{"POST", "/tokenize", `{"model":"other","prompt":"x"}`, 404, "model_not_found", "other"},
		{"POST", "/tokenize", `{}`, 400, "missing_prompt", "neither"},
		{"POST", text, of(`"prompt":"x","max_tokens":0`), 400, "invalid_value", "at least 1"},
		{"POST", text, of(`"prompt":"x","max_tokens":9223372036854775807`), 400, "invalid_value", "at most 1073741824"},
		{"POST", text, of(`"prompt":"x","max_tokens":1048577,"stop":["z"]`), 400, "invalid_value", "at most 1048576"},
		{"POST", text, of(`"prompt":"x","max_tokens":-4`), 400, "invalid_value", "is -4"},
		{"POST", text, of(`"prompt":"x","max_tokens":"4"`), 400, "invalid_value", "max_tokens must not be a JSON string"},
		{"POST", text, of(`"prompt":"x","max_tokens":1.5`), 400, "invalid_value", "max_tokens"},
		{"POST", text, of(`"prompt":"a b c","max_tokens":8`), 400, "context_length_exceeded",
			"10 tokens: the prompt has 3 and the answer would have 8"},
		{"POST", text, of(`"prompt":"a b c d e f g h i j"`), 400, "context_length_exceeded", "the prompt has 10"},
		{"POST", text, of(`"prompt":"` + strings.Repeat("x", 45<<20) + `"`), 413, "request_too_large", "47185920 bytes"},
	} {
		name := c.method + " " + c.path + " " + c.body[:min(len(c.body), 80)]
		w := ask(h, c.method, c.path, c.body)
		assert.Equal(t, c.status, w.Code, name)
		assert.Equal(t, "application/json", w.Header().Get("Content-Type"), name)
		var envelope struct {
			Error struct{ Message, Type, Code string }
		}
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &envelope), name)
		assert.Equal(t, "invalid_request_error", envelope.Error.Type, name)
		assert.Equal(t, c.code, envelope.Error.Code, name)
		assert.Contains(t, envelope.Error.Message, c.message, name)
	}
}

func TestWrongMethodNamesTheRightOne(t *testing.T) {
	t.Parallel()
	h := instant(t, nil)
	assert.Equal(t, "POST", ask(h, "GET", "/v1/completions", "").Header().Get("Allow"))
	assert.Equal(t, 200, ask(h, "HEAD", "/health", "").Code)
}

// Prompts and lengths, as usage reports them.
func TestTokenCounts(t *testing.T) {
	t.Parallel()
	free := instant(t, nil)
	narrow := instant(t, func(o *mockserver.Options) { o.MaxModelLen = 100 })
	const chat, text = "/v1/chat/completions", "/v1/completions"
	for _, c := range []struct {
		server         http.Handler
		path, rest     string
		prompt, answer int
	}{
		{free, chat, `"messages":[{"content":"a b"}]`, 2, 256},
		{free, chat, `"messages":[{"role":"system","content":" a\n\tb  c "},{"content":"d"}]`, 4, 256},
		{free, chat, `"messages":[{"content":[{"type":"text","text":"a b"},{"type":"text","text":"c"}]}]`, 3, 256},
		{free, chat, `"messages":[{"content":"a","content_type":1},{"content":null,"tool_calls":[]},{}]`, 1, 256},
		{free, chat, `"messages":[{"content":""}]`, 1, 256},
		{free, chat, `"messages":[{"content":"a"}],"max_tokens":5`, 1, 5},
		{free, chat, `"messages":[{"content":"a"}],"max_completion_tokens":6`, 1, 6},
		{free, chat, `"messages":[{"content":"a"}],"max_tokens":5,"max_completion_tokens":6`, 1, 6},
		{free, chat, `"messages":[{"content":"a"}],"max_tokens":5,"min_tokens":9,"ignore_eos":true,"n":1,"nvext":{"x":1}`, 1, 5},
		{free, text, `"prompt":"a b c"`, 3, 16},
		{free, text, `"prompt":["a b c"]`, 3, 16},
		{free, text, `"prompt":"a","stop":null,"temperature":2,"top_p":1,"logprobs":5,"logit_bias":{"1":-100}`, 1, 16},
		{free, text, `"prompt":[11,12,13,14]`, 4, 16},
		{free, text, `"prompt":[[11,12,13,14,15]]`, 5, 16},
		{free, text, `"prompt":""`, 1, 16},
		{free, text, `"prompt":"a","max_tokens":1`, 1, 1},
		{narrow, chat, `"messages":[{"content":"a b c"}]`, 3, 97},
		{narrow, text, `"prompt":"a b c"`, 3, 16},
		{narrow, text, `"prompt":"` + strings.Repeat("a ", 92) + `"`, 92, 8},
		{narrow, text, `"prompt":"a b c","max_tokens":97`, 3, 97},
	} {
		w := ask(c.server, "POST", c.path, `{"model":"`+model+`",`+c.rest+`}`)
		require.Equal(t, 200, w.Code, "%s: %s", c.rest, w.Body)
		got := decode(t, w.Body.String())
		assert.Equal(t, c.prompt, got.Usage.PromptTokens, c.rest)
		assert.Equal(t, c.answer, got.Usage.CompletionTokens, c.rest)
		content := got.Choices[0].Message.Content + got.Choices[0].Text
		assert.Len(t, strings.Fields(content), c.answer, c.rest)
		assert.Equal(t, c.path == text, strings.HasPrefix(content, " "), "%s: %q", c.rest, content)
	}
}

func TestModelNamesAreEscaped(t *testing.T) {
	t.Parallel()
	const odd = "it's a \"model\" <é>\\"
	h := instant(t, func(o *mockserver.Options) { o.Model = odd })
	quoted, err := json.Marshal(odd)
	require.NoError(t, err)
	for _, stream := range []string{"false", "true"} {
		w := ask(h, "POST", "/v1/completions", `{"prompt":"x","max_tokens":1,"stream":`+stream+`,"model":`+string(quoted)+`}`)
		data, _, _ := strings.Cut(strings.TrimPrefix(w.Body.String(), "data: "), "\n")
		assert.Equal(t, odd, decode(t, data).Model)
	}
}
