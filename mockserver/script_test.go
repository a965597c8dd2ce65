package mockserver_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/mockserver"
	"github.com/llmsweep/llmsweep/mockserver/engine"
)

// first is the answer of a new server, for which seed and number of the request are always the same.
func first(t *testing.T, path, rest string, change func(*mockserver.Options)) chunk {
	t.Helper()
	w := ask(instant(t, change), "POST", path, `{"model":"`+model+`","prompt":"a","messages":[{"content":"a"}]`+rest+`}`)
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	return decode(t, w.Body.String())
}

// Every stop string that occurs in an answer ends it where it occurs first, and costs the tokens up to the one that completes it.
func TestStopStrings(t *testing.T) {
	t.Parallel()
	full := first(t, "/v1/completions", `,"max_tokens":60`, nil).Choices[0].Text
	for from := 0; from < len(full)-9; from += 3 {
		for _, length := range []int{1, 3, 9} {
			stop := full[from : from+length]
			at := strings.Index(full, stop)
			tokens := len(strings.Fields(full[:at+len(stop)]))
			if strings.HasSuffix(stop, " ") {
				tokens++ // the blank belongs to the token behind it
			}
			for _, rest := range []string{fmt.Sprintf(`,"stop":%q`, stop), fmt.Sprintf(`,"stop":["nowhere",%q]`, stop)} {
				got := first(t, "/v1/completions", `,"max_tokens":60`+rest, nil)
				assert.Equal(t, full[:at], got.Choices[0].Text, "%q", stop)
				assert.Equal(t, "stop", *got.Choices[0].FinishReason, "%q", stop)
				assert.Equal(t, tokens, got.Usage.CompletionTokens, "%q", stop)
			}
		}
	}
}

// A stop string is found at the end of an answer that is longer than what is kept of it while it is searched, too.
func TestStopFarFromTheBeginning(t *testing.T) {
	t.Parallel()
	full := first(t, "/v1/completions", `,"max_tokens":9000`, nil).Choices[0].Text
	stop := full[len(full)-40:]
	require.Equal(t, len(full)-40, strings.Index(full, stop))
	got := first(t, "/v1/completions", fmt.Sprintf(`,"max_tokens":10000,"stop":%q`, stop), nil)
	assert.Equal(t, full[:len(full)-40], got.Choices[0].Text)
	assert.Equal(t, 9000, got.Usage.CompletionTokens)
}

func TestMinTokensPutsOffTheEnd(t *testing.T) {
	t.Parallel()
	full := strings.Fields(first(t, "/v1/completions", `,"max_tokens":60`, nil).Choices[0].Text)
	got := first(t, "/v1/completions", fmt.Sprintf(`,"max_tokens":60,"min_tokens":9,"stop":["%s","%s"]`, full[0], full[20]), nil)
	again := 1
	for again < len(full) && (again+1 < 9 || full[again] != full[0] && full[again] != full[20]) {
		again++
	}
	assert.Len(t, strings.Fields(got.Choices[0].Text), again)
	assert.Equal(t, again+1, got.Usage.CompletionTokens)

	eager := func(o *mockserver.Options) { o.EOSProbability = 0.999999 }
	assert.Equal(t, 1, first(t, "/v1/completions", `,"max_tokens":60`, eager).Usage.CompletionTokens)
	assert.Equal(t, 7, first(t, "/v1/completions", `,"max_tokens":60,"min_tokens":7`, eager).Usage.CompletionTokens)
	assert.Equal(t, 7, first(t, "/v1/completions", `,"max_tokens":7,"min_tokens":7`, eager).Usage.CompletionTokens)
}

// Lengths are geometrically distributed: 500 of them with a mean of 1 / 0.1 and a standard deviation of 9.49, so their mean is within
// 4 standard errors of 0.42.
func TestEndOfSequence(t *testing.T) {
	t.Parallel()
	change := func(o *mockserver.Options) { o.EOSProbability, o.Seed = 0.1, 2 }
	lengths := func() (all []int, sum float64) {
		h := instant(t, change)
		for range 500 {
			c := decode(t, ask(h, "POST", "/v1/completions", `{"model":"`+model+`","prompt":"a","max_tokens":1000}`).Body.String())
			assert.Equal(t, "stop", *c.Choices[0].FinishReason)
			assert.Len(t, strings.Fields(c.Choices[0].Text), c.Usage.CompletionTokens)
			all, sum = append(all, c.Usage.CompletionTokens), sum+float64(c.Usage.CompletionTokens)
		}
		return all, sum
	}
	all, sum := lengths()
	assert.InDelta(t, 10, sum/500, 4*0.42)
	again, _ := lengths()
	assert.Equal(t, all, again)
	for rest, want := range map[string]int{
		`,"max_tokens":500`:                                                all[0],
		fmt.Sprintf(`,"max_tokens":%d`, all[0]):                            all[0],
		fmt.Sprintf(`,"max_tokens":%d`, all[0]-1):                          all[0] - 1,
		`,"max_tokens":500,"ignore_eos":true`:                              500,
		`,"max_tokens":500,"nvext":{"ignore_eos":true}`:                    500,
		`,"max_tokens":500,"ignore_eos":false,"nvext":{"ignore_eos":true}`: all[0],
	} {
		got := first(t, "/v1/completions", rest, change)
		assert.Equal(t, want, got.Usage.CompletionTokens, rest)
		assert.Equal(t, want == all[0], *got.Choices[0].FinishReason == "stop", rest)
	}
}

// The tokens of a pass are one event.
func TestDraftsThatAreRightShareAnEvent(t *testing.T) {
	t.Parallel()
	inBubble(t, func(o *mockserver.Options) {
		o.Speculation = engine.Speculation{Drafts: 2, AcceptRates: []float64{1, 1}, Seed: 1}
	}, func(r *rig) {
		body := strings.Replace(chatBody(5, 12, true), `"stream":true`, `"stream":true,"stream_options":{"include_usage":true}`, 1)
		all, err := r.events(r.open("/v1/chat/completions", body))
		require.NoError(t, err)
		var words []int
		for _, e := range all[:len(all)-1] {
			if said := contentOf(t, e.data); said != "" {
				words = append(words, len(strings.Fields(said)))
			}
		}
		assert.Equal(t, []int{1, 3, 3, 3, 2}, words)
		assert.Equal(t, 12, decode(t, all[len(all)-2].data).Usage.CompletionTokens)
	})
}

// A stream says what the whole answer does, whatever is asked for.
func TestStreamsFold(t *testing.T) {
	t.Parallel()
	for name, rest := range map[string]string{
		"choices":        `,"n":3,"max_tokens":20`,
		"stop":           `,"n":2,"max_tokens":200,"stop":["er"," a"]`,
		"tool":           `,"n":2,"tool_choice":"required",` + weather,
		"tool cut":       `,"max_tokens":4,"tool_choice":{"type":"function","function":{"name":"get_\"weather\""}},` + weather,
		"tool prolonged": `,"max_tokens":30,"ignore_eos":true,"tool_choice":"required",` + weather,
		"tools unused":   `,"max_tokens":30,"tool_choice":"auto",` + weather,
	} {
		for _, thinking := range []float64{0, 0.3, 1} {
			t.Run(fmt.Sprint(name, thinking), func(t *testing.T) {
				t.Parallel()
				change := func(o *mockserver.Options) { o.ThinkingRatio = thinking }
				whole := first(t, "/v1/chat/completions", rest, change)
				w := ask(instant(t, change), "POST", "/v1/chat/completions",
					`{"model":"`+model+`","messages":[{"content":"a"}],"stream":true,"stream_options":{"include_usage":true}`+rest+`}`)
				got := folded(t, w.Body.String())
				got.Created = whole.Created // a second may begin between the two
				assert.Equal(t, whole, got)
			})
		}
	}
}

// folded is the whole answer that a stream says.
func folded(t *testing.T, stream string) chunk {
	t.Helper()
	events := strings.Split(strings.TrimSpace(stream), "\n\n")
	require.Equal(t, "data: [DONE]", events[len(events)-1])
	var all chunk
	for _, e := range events[:len(events)-1] {
		c := decode(t, strings.TrimPrefix(e, "data: "))
		all.ID, all.Created, all.Model, all.Usage, all.Object = c.ID, c.Created, c.Model, c.Usage, "chat.completion"
		for _, choice := range c.Choices {
			for len(all.Choices) <= choice.Index {
				all.Choices = append(all.Choices, c.Choices[0])
				last := &all.Choices[len(all.Choices)-1]
				last.Index, last.Delta, last.Message = len(all.Choices)-1, said{}, said{}
			}
			into := &all.Choices[choice.Index]
			assert.Nil(t, into.FinishReason, "nothing follows finish_reason")
			into.FinishReason = choice.FinishReason
			into.Message.add(choice.Delta)
		}
	}
	return all
}

// add appends what a delta says.
func (s *said) add(delta said) {
	s.Role += delta.Role
	s.Content += delta.Content
	s.Reasoning += delta.Reasoning
	for _, call := range delta.ToolCalls {
		if len(s.ToolCalls) == 0 {
			s.ToolCalls = append(s.ToolCalls, call)
			continue
		}
		s.ToolCalls[0].Function.Arguments += call.Function.Arguments
	}
}
