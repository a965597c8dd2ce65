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
	"github.com/llmsweep/llmsweep/mockserver/engine"
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
		{"POST", chat, "\n\t {\"model\":", 400, "invalid_json", "at byte 12"},
		{"POST", chat, `[]`, 400, "invalid_value", "must be a JSON object"},
		{"POST", chat, ` 7`, 400, "invalid_value", "must be a JSON object"},
		{"POST", chat, `null`, 400, "invalid_value", "must be a JSON object"},
		{"POST", "/v1/embeddings", `"x"`, 400, "invalid_value", "must be a JSON object"},
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
		{"POST", text, of(`"prompt":"x","logit_bias":{"5":101}`), 400, "invalid_value", `token "5" is 101`},
		{"POST", text, of(`"prompt":"x","min_tokens":-1`), 400, "invalid_value", "min_tokens is -1"},
		{"POST", text, of(`"prompt":"x","stop":[""]`), 400, "invalid_value", "empty string"},
		{"POST", text, of(`"prompt":"x","stop":[` + strings.Repeat(`"a",`, 32) + `"a"]`), 400, "invalid_value", "stop has 33 strings"},
		{"POST", text, of(`"prompt":"x","stop":["` + strings.Repeat("é", 1001) + `"]`), 400, "invalid_value", "stop has a string of 1001 characters"},
		{"POST", text, of(`"prompt":"x","stop":7`), 400, "invalid_value", "number"},
		{"POST", chat, of(`"messages":[{}],"tool_choice":"required"`), 400, "invalid_value",
			"tool_choice asks for a call of a tool, but the request has no tools"},
		{"POST", chat, of(`"messages":[{}],"tool_choice":{"function":{"name":"g"}},"tools":[]`), 400, "invalid_value", "the request has no tools"},
		{"POST", chat, of(`"messages":[{}],"tool_choice":"required","tools":[{"function":{"name":"f","parameters":{"required":["x"],"properties":{"x":false}}}}]`),
			400, "invalid_value", `The parameters of the function "f": false allows nothing.`},
		{"POST", chat, of(`"messages":[{}],"tool_choice":"required","tools":[{"function":{"name":"` + strings.Repeat("f", 1001) + `"}}]`),
			400, "invalid_value", "has 1001 bytes: at most 1000 are allowed"},
		{"POST", chat, of(`"messages":[{}],"tool_choice":"always"`), 400, "invalid_value", `"always"`},
		{"POST", chat, of(`"messages":[{}],"tool_choice":{"type":"function"}`), 400, "invalid_value", "must be {"},
		{"POST", chat, of(`"messages":[{}],"tool_choice":{"function":{"name":"g"}},"tools":[{"function":{"name":"f"}}]`), 400,
			"invalid_value", `"g", which is not among the 1`},
		{"POST", "/v1/embeddings", of(`"dimensions":4`), 400, "missing_input", "no input"},
		{"POST", "/v1/embeddings", of(`"input":"x","dimensions":0`), 400, "invalid_value", "dimensions is 0"},
		{"POST", "/v1/embeddings", of(`"dimensions":65536,"input":[[1]` + strings.Repeat(",[1]", 128) + `]`), 400, "invalid_value",
			"input has 129 texts of 65536 dimensions each: the vectors of a request may have at most 8388608 numbers together"},
		{"POST", "/v1/embeddings", of(`"input":"x","encoding_format":"hex"`), 400, "invalid_value", `"hex"`},
		{"POST", "/v1/embeddings", of(`"input":"a b c d e f g h i j"`), 400, "context_length_exceeded", "max-model-len"},
		{"POST", "/v1/embeddings", `{"model":"other","input":"x"}`, 404, "model_not_found", "other"},
		{"POST", "/tokenize", `{"model":"other","prompt":"x"}`, 404, "model_not_found", "other"},
		{"POST", "/tokenize", `{}`, 400, "missing_prompt", "neither"},
		{"POST", "/tokenize", `{"messages":7}`, 400, "invalid_value", "messages must not be a JSON number"},
		{"POST", "/tokenize", `{"response_format":7}`, 400, "invalid_value", "response_format must not be a JSON number"},
		{"POST", text, of(`"prompt":"x","max_tokens":0`), 400, "invalid_value", "at least 1"},
		{"POST", text, of(`"prompt":"x","max_tokens":9223372036854775807`), 400, "invalid_value", "at most 1048576 for an answer that is not streamed."},
		{"POST", text, of(`"prompt":"x","max_tokens":1048577`), 400, "invalid_value", "at most 1048576"},
		{"POST", text, of(`"prompt":"x","max_tokens":1048577,"stop":["z"],"stream":true`), 400, "invalid_value", "at most 1048576 for an answer with stop"},
		{"POST", text, of(`"prompt":["x","y"],"n":2,"max_tokens":262145`), 400, "invalid_value",
			"at most 262144 for an answer that is not streamed: the 4 answers together may have 1048576 tokens"},
		{"POST", text, of(`"prompt":"x","max_tokens":1073741825,"stream":true`), 400, "invalid_value", "at most 1073741824."},
		{"POST", chat, of(`"messages":[{}],"n":128,"max_tokens":8388609,"stream":true`), 400, "invalid_value",
			"at most 8388608: the 128 answers together may have 1073741824 tokens"},
		{"POST", text, of(`"prompt":"x","max_tokens":4,"min_tokens":5`), 400, "invalid_value", "min_tokens is 5, but the answer may have only 4 tokens"},
		{"POST", text, of(`"prompt":"x","min_tokens":10`), 400, "invalid_value", "min_tokens is 10, but"},
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
		assert.NotContains(t, envelope.Error.Message, "body.", name)
		assert.NotContains(t, envelope.Error.Message, "unserved.", name)
	}
}

// What is not served is refused, since a client that asks for it relies on it.
func TestOptionsThatAreNotServed(t *testing.T) {
	t.Parallel()
	h := instant(t, nil)
	const (
		chat, text = "/v1/chat/completions", "/v1/completions"
		no         = "unsupported_parameter"
	)
	for _, c := range []struct{ path, rest, code, param, message string }{
		{chat, `"logprobs":true`, no, "logprobs", "there is no model"},
		{chat, `"logprobs":true,"top_logprobs":20`, no, "logprobs", "there is no model"},
		{chat, `"top_logprobs":3`, no, "top_logprobs", "there is no model"},
		{chat, `"logprobs":true,"top_logprobs":21`, "invalid_value", "top_logprobs", "must be from 0 to 20"},
		{chat, `"top_logprobs":-1`, "invalid_value", "top_logprobs", "must be from 0 to 20"},
		{chat, `"logprobs":5`, "invalid_value", "logprobs", "logprobs is 5: must be true or false"},
		{text, `"logprobs":0`, no, "logprobs", "there is no model"},
		{text, `"logprobs":5`, no, "logprobs", "there is no model"},
		{text, `"logprobs":6`, "invalid_value", "logprobs", "logprobs is 6: must be from 0 to 5"},
		{text, `"logprobs":-1`, "invalid_value", "logprobs", "must be from 0 to 5"},
		{text, `"logprobs":true`, "invalid_value", "logprobs", "logprobs is true: must be a number from 0 to 5"},
		{chat, `"prompt_logprobs":0`, no, "prompt_logprobs", "there is no model"},
		{chat, `"response_format":{"type":"json_object"}`, no, "response_format", "tool_choice"},
		{chat, `"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{}}}`, no, "response_format", "tool_choice"},
		{chat, `"response_format":{"type":"yaml"}`, "invalid_value", "response_format", `"yaml"`},
		{chat, `"response_format":"json_object"`, "invalid_value", "response_format", "response_format must not be a JSON string"},
		{chat, `"structured_outputs":{"choice":["a","b"]}`, no, "structured_outputs", "words"},
		{chat, `"guided_json":{"type":"object"}`, no, "guided_json", "words"},
		{chat, `"guided_regex":"a+"`, no, "guided_regex", "words"},
		{chat, `"guided_choice":["a"]`, no, "guided_choice", "words"},
		{chat, `"guided_grammar":"x"`, no, "guided_grammar", "words"},
		{chat, `"function_call":{"name":"f"}`, no, "function_call", "tool_choice"},
		{chat, `"audio":{"voice":"alloy"}`, no, "audio", "text"},
		{chat, `"web_search_options":{"search_context_size":"low"}`, no, "web_search_options", "searched"},
		{text, `"echo":true`, no, "echo", "does not repeat"},
		{text, `"suffix":"x"`, no, "suffix", "follow"},
		{text, `"best_of":3,"n":2`, no, "best_of", "with n"},
		{text, `"use_beam_search":true`, no, "use_beam_search", "better"},
		{text, `"truncate_prompt_tokens":10`, no, "truncate_prompt_tokens", "shorten"},
		{chat, `"logprobs":false,"top_logprobs":0,"response_format":{"type":"text"},"audio":null,"function_call":"auto","guided_choice":[],"structured_outputs":{}`, "", "", ""},
		{text, `"logprobs":null,"echo":false,"suffix":null,"best_of":2,"n":2,"use_beam_search":false,"response_format":null`, "", "", ""},
	} {
		w := ask(h, "POST", c.path, `{"model":"`+model+`","prompt":"x","messages":[{"content":"x"}],"max_tokens":1,`+c.rest+`}`)
		var envelope struct {
			Error struct{ Message, Type, Param, Code string }
		}
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &envelope), c.rest)
		assert.Equal(t, c.code == "", w.Code == 200, "%s: %s", c.rest, w.Body)
		assert.Equal(t, c.code != "", w.Code == 400, "%s: %s", c.rest, w.Body)
		assert.Equal(t, c.code, envelope.Error.Code, c.rest)
		assert.Equal(t, c.param, envelope.Error.Param, c.rest)
		assert.Contains(t, envelope.Error.Message, c.message, c.rest)
	}
}

func TestRoutesThatAreNotImplemented(t *testing.T) {
	t.Parallel()
	h := instant(t, nil)
	for _, path := range []string{"/v1/responses", "/v1/messages"} {
		w := ask(h, "POST", path, `{"model":"`+model+`","input":"x"}`)
		assert.Equal(t, http.StatusNotImplemented, w.Code)
		assert.Contains(t, w.Body.String(), `"message":"`+path+` is not implemented. This server has /v1/chat/completions,`)
		assert.Contains(t, w.Body.String(), `"code":"not_implemented"`)
		assert.Equal(t, http.StatusMethodNotAllowed, ask(h, "GET", path, "").Code)
	}
	assert.Contains(t, ask(h, "GET", "/metrics", "").Body.String(), `endpoint="responses",request_type="unary",status="error",error_type="not_implemented"} 1`)
}

func TestWrongMethodNamesTheRightOne(t *testing.T) {
	t.Parallel()
	h := instant(t, nil)
	assert.Equal(t, "POST", ask(h, "GET", "/v1/completions", "").Header().Get("Allow"))
	assert.Equal(t, 200, ask(h, "HEAD", "/health", "").Code)
}

// As vLLM tells it, for clients that look before they ask.
func TestModelsTellTheirLongestRequest(t *testing.T) {
	t.Parallel()
	narrow := instant(t, func(o *mockserver.Options) { o.MaxModelLen = 100 })
	for _, path := range []string{"/v1/models", "/v1/models/" + model} {
		assert.Contains(t, ask(narrow, "GET", path, "").Body.String(), `"max_model_len":100`)
		assert.NotContains(t, ask(instant(t, nil), "GET", path, "").Body.String(), "max_model_len")
	}
}

// Prompts and lengths, as usage reports them.
func TestTokenCounts(t *testing.T) {
	t.Parallel()
	free := instant(t, nil)
	narrow := instant(t, func(o *mockserver.Options) { o.MaxModelLen = 100 })
	cramped := instant(t, func(o *mockserver.Options) { o.MaxModelLen, o.NumGPUBlocks, o.BlockSize = 1000, 2, 64 })
	boundless := instant(t, func(o *mockserver.Options) { o.MaxModelLen, o.Plain = 1<<40, new(engine.Plain) })
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
		{free, chat, `"messages":[{"content":"a"}],"max_tokens":5,"min_tokens":5,"ignore_eos":true,"n":1,"nvext":{"x":1}`, 1, 5},
		{free, text, `"prompt":"a b c"`, 3, 16},
		{free, text, `"prompt":["a b c"]`, 3, 16},
		{free, text, `"prompt":"a","stop":null,"temperature":2,"top_p":1,"logprobs":null,"logit_bias":{"1":-100}`, 1, 16},
		{free, text, `"prompt":[11,12,13,14]`, 4, 16},
		{free, text, `"prompt":[[11,12,13,14,15]]`, 5, 16},
		{free, text, `"prompt":""`, 1, 16},
		{free, text, `"prompt":"a","max_tokens":1`, 1, 1},
		{narrow, chat, `"messages":[{"content":"a b c"}]`, 3, 97},
		{narrow, text, `"prompt":"a b c"`, 3, 97},
		{narrow, text, `"prompt":["a b c","a"]`, 4, 2 * 97},
		{cramped, chat, `"messages":[{"content":"a b c"}]`, 3, 125},
		{cramped, text, `"prompt":"a b c","max_tokens":5`, 3, 5},
		{boundless, text, `"prompt":"a b c"`, 3, 1 << 20},
		{boundless, text, `"prompt":"a b c","n":64`, 3, 1 << 20},
		{narrow, text, `"prompt":"` + strings.Repeat("a ", 92) + `"`, 92, 8},
		{narrow, text, `"prompt":"a b c","max_tokens":97`, 3, 97},
	} {
		w := ask(c.server, "POST", c.path, `{"model":"`+model+`",`+c.rest+`}`)
		require.Equal(t, 200, w.Code, "%s: %s", c.rest, w.Body)
		got := decode(t, w.Body.String())
		assert.Equal(t, c.prompt, got.Usage.PromptTokens, c.rest)
		assert.Equal(t, c.answer, got.Usage.CompletionTokens, c.rest)
		content := got.Choices[0].Message.Content + got.Choices[0].Text
		assert.Len(t, strings.Fields(content), c.answer/len(got.Choices), c.rest)
		assert.Equal(t, c.path == text, strings.HasPrefix(content, " "), "%s: %q", c.rest, content)
	}
}

// A plain server has no cache that could be too small, but a context.
func TestPlainServerHasAContext(t *testing.T) {
	t.Parallel()
	h := instant(t, func(o *mockserver.Options) { o.Plain, o.MaxModelLen = new(engine.Plain), 10 })
	for path, rest := range map[string]string{
		"/v1/completions":      `"prompt":"a b c","max_tokens":8`,
		"/v1/chat/completions": `"messages":[{"content":"a b c d e f g h i j"}]`,
		"/v1/embeddings":       `"input":"a b c d e f g h i j"`,
	} {
		w := ask(h, "POST", path, `{"model":"`+model+`",`+rest+`}`)
		assert.Equal(t, http.StatusBadRequest, w.Code, path)
		assert.Contains(t, w.Body.String(), `"code":"context_length_exceeded"`, path)
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
