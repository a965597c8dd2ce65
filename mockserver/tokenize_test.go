package mockserver_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
