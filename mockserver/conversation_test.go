package mockserver_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/llmsweep/llmsweep/mockserver"
	"github.com/llmsweep/llmsweep/mockserver/engine"
)

// In a conversation each turn sends all messages before it, the server's own answers among them. Turns have 200, 350 and 500 words here:
// the second begins with the prompt of the first, the third with that of the second, and then the third comes once more. What is found is the
// full blocks of the prompt before; of a prompt that is there as a whole a token is computed again. The words of an answer are never
// found: the blocks that generated tokens fill belong to their request alone, as those of Dynamo's mocker do, whose tokens are random.
func TestConversationWithAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		kind         engine.Type
		block        int
		hits         string
		finds        []int
		transferring bool
	}{
		"vllm":          {engine.VLLM, 64, "vllm:prefix_cache_hits_total", []int{0, 3 * 64, 5 * 64, 7 * 64}, false},
		"small blocks":  {engine.VLLM, 16, "vllm:prefix_cache_hits_total", []int{0, 12 * 16, 21 * 16, 31 * 16}, false},
		"trtllm":        {engine.TRTLLM, 32, "vllm:prefix_cache_hits_total", []int{0, 6 * 32, 10 * 32, 15 * 32}, false},
		"sglang":        {engine.SGLang, 1, "sglang:cached_tokens_total", []int{0, 200, 350, 499}, false},
		"disaggregated": {engine.VLLM, 64, "vllm:prefix_cache_hits_total", []int{0, 3 * 64, 5 * 64, 7 * 64}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(o *mockserver.Options) {
				o.EngineType, o.BlockSize = c.kind, c.block
				if c.transferring {
					o.NumPrefillWorkers = 1
				}
			}, func(r *rig) {
				talk := []message{{"system", words("rule", 10)}, {"user", words("first", 190)}}
				said := r.says(talk)
				found, total := []int{said.cached}, said.cached
				for _, next := range []string{words("second", 50), words("third", 50), ""} {
					if next != "" {
						talk = append(talk, message{"assistant", said.text}, message{"user", next})
					}
					said = r.says(talk)
					found, total = append(found, said.cached), total+said.cached
					assert.EqualValues(t, total, r.page("/metrics").sum(c.hits), "after turn %d", len(found))
				}
				assert.Equal(t, c.finds, found)
				assert.Equal(t, 500, said.prompt)
			})
		})
	}
}

// message is one of a conversation.
type message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// words are n different ones.
func words(name string, n int) string {
	var b strings.Builder
	for k := range n {
		fmt.Fprintf(&b, " %s%d", name, k)
	}
	return b.String()
}

// turn is what came back for a conversation.
type turn struct {
	text           string
	prompt, cached int
}

// says has the server answer a conversation with 100 words.
func (r *rig) says(talk []message) turn {
	body, err := json.Marshal(map[string]any{"model": model, "messages": talk, "max_tokens": 100})
	check(r.t, err)
	answer := decode(r.t, readAll(r.t, r.open("/v1/chat/completions", string(body))))
	assert.Len(r.t, strings.Fields(answer.Choices[0].Message.Content), 100)
	return turn{answer.Choices[0].Message.Content, answer.Usage.PromptTokens, *answer.Usage.Details.CachedTokens}
}
