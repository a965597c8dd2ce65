package mockserver_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/mockserver"
)

// A prompt has the tokens that it has in a completion, however it is sent.
func TestTokenizeTakesWhatCompletionsTake(t *testing.T) {
	t.Parallel()
	h := instant(t, nil)
	a, b := uint32(513166879), uint32(1155040319)
	for prompt, want := range map[string][]uint32{
		`"a b"`:             {a, b},
		`["a b","a"]`:       {a, b, a},
		`[1,2,4294967295]`:  {1, 2, 4294967295},
		`[[1,2,3],[4],[5]]`: {1, 2, 3, 4, 5},
		`["a",[7]]`:         {a, 7},
	} {
		var got struct {
			Count   int
			Tokens  []uint32
			Strings []string `json:"token_strs"`
		}
		w := ask(h, "POST", "/tokenize", `{"return_token_strs":true,"prompt":`+prompt+`}`)
		require.Equal(t, http.StatusOK, w.Code, prompt)
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &got), prompt)
		assert.Equal(t, want, got.Tokens, prompt)
		assert.Equal(t, len(want), got.Count, prompt)
		assert.Len(t, got.Strings, got.Count, prompt)
		w = ask(h, "POST", "/v1/completions", `{"model":"`+model+`","max_tokens":1,"prompt":`+prompt+`}`)
		require.Equal(t, http.StatusOK, w.Code, prompt)
		assert.Equal(t, got.Count, decode(t, w.Body.String()).Usage.PromptTokens, prompt)
	}
	w := ask(h, "POST", "/tokenize", `{"return_token_strs":true,"prompt":[1,20]}`)
	assert.Contains(t, w.Body.String(), `"token_strs":["1","20"]`)
}

// A template is before each chat, the same for all, and before no other prompt.
func TestTemplateIsBeforeEachChat(t *testing.T) {
	t.Parallel()
	h := instant(t, func(o *mockserver.Options) { o.TemplateTokens, o.BlockSize = 23, 4 })
	for _, c := range []struct {
		route, prompt  string
		tokens, cached int
	}{
		{"/v1/chat/completions", `"messages":[{"role":"user","content":"a b c"}]`, 26, 0},
		{"/v1/chat/completions", `"messages":[{"role":"user","content":"d e"},{"role":"user","content":"f"}]`, 26, 20},
		{"/v1/completions", `"prompt":"a b c"`, 3, 0},
	} {
		w := ask(h, "POST", c.route, `{"model":"`+model+`","max_tokens":1,`+c.prompt+`}`)
		require.Equal(t, http.StatusOK, w.Code, c.prompt)
		usage := decode(t, w.Body.String()).Usage
		assert.Equal(t, []int{c.tokens, c.cached}, []int{usage.PromptTokens, *usage.Details.CachedTokens}, c.prompt)
		w = ask(h, "POST", "/tokenize", `{`+c.prompt+`}`)
		assert.Contains(t, w.Body.String(), fmt.Sprintf(`"count":%d,`, c.tokens))
	}
	o := mockserver.DefaultOptions()
	o.TemplateTokens = -1
	assert.EqualError(t, o.Validate(), `template-tokens "-1": must be from 0 to 1000000`)
}
