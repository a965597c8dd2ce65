package mockserver

import (
	"bytes"
	"encoding/json"
	"net/http"
)

// unserved are options that clients rely on and that have no counterpart here. An answer that ignored one would be
// wrong, so a request that sets one is refused.
type unserved struct {
	Logprobs       json.RawMessage `json:"logprobs"` // a bool for a chat, else a number
	TopLogprobs    *float64        `json:"top_logprobs"`
	PromptLogprobs wish            `json:"prompt_logprobs"`
	ResponseFormat struct {
		Type string `json:"type"`
	} `json:"response_format"`
	StructuredOutputs wish `json:"structured_outputs"`
	GuidedJSON        wish `json:"guided_json"`
	GuidedRegex       wish `json:"guided_regex"`
	GuidedChoice      wish `json:"guided_choice"`
	GuidedGrammar     wish `json:"guided_grammar"`
	FunctionCall      wish `json:"function_call"`
	Audio             wish `json:"audio"`
	WebSearchOptions  wish `json:"web_search_options"`
	Echo              wish `json:"echo"`
	Suffix            wish `json:"suffix"`
	UseBeamSearch     wish `json:"use_beam_search"`
	TruncatePrompt    wish `json:"truncate_prompt_tokens"`
	BestOf            *int `json:"best_of"`
}

// wish says that an option asks for something.
type wish bool

// UnmarshalJSON takes any value. One that other servers take for the absence of the option asks for nothing.
func (w *wish) UnmarshalJSON(data []byte) error {
	switch string(data) {
	case "null", "false", `""`, "[]", "{}", `"none"`, `"auto"`:
		*w = false
	default:
		*w = true
	}
	return nil
}

// mostTextLogprobs is OpenAI's, for completions.
const mostTextLogprobs = 5

// checkServed fails where a request sets an option that is not served.
func (b *body) checkServed(k kind) *failure {
	if fail := b.checkLogprobs(k); fail != nil {
		return fail
	}
	switch b.ResponseFormat.Type {
	case "", "text":
	case "json_object", "json_schema":
		return unsupported("response_format", "answers are words; leave it out, or have a tool called with tool_choice")
	default:
		return invalid(http.StatusBadRequest, "invalid_value",
			"response_format has the type %q: must be text, as json_object and json_schema are not supported.",
			b.ResponseFormat.Type).of("response_format")
	}
	if b.BestOf != nil && *b.BestOf > b.choices() {
		return unsupported("best_of", "no answer is better than another; leave it out, or ask for several with n")
	}
	return b.unserved.check()
}

// check judges the options that nothing needs to be known of.
func (u *unserved) check() *failure {
	const structured = "answers are words; leave it out, or have a tool called with tool_choice"
	for _, o := range []struct {
		name   string
		asked  wish
		reason string
	}{
		{"prompt_logprobs", u.PromptLogprobs, improbable},
		{"structured_outputs", u.StructuredOutputs, structured},
		{"guided_json", u.GuidedJSON, structured},
		{"guided_regex", u.GuidedRegex, structured},
		{"guided_choice", u.GuidedChoice, structured},
		{"guided_grammar", u.GuidedGrammar, structured},
		{"function_call", u.FunctionCall, "use tools and tool_choice"},
		{"audio", u.Audio, "answers are text; leave it out"},
		{"web_search_options", u.WebSearchOptions, "nothing is searched; leave it out"},
		{"echo", u.Echo, "the answer does not repeat the prompt; leave it out"},
		{"suffix", u.Suffix, "answers follow the prompt; leave it out"},
		{"use_beam_search", u.UseBeamSearch, "no answer is better than another; leave it out"},
		{"truncate_prompt_tokens", u.TruncatePrompt, "prompts are taken as they are; leave it out and shorten the prompt"},
	} {
		if o.asked {
			return unsupported(o.name, o.reason)
		}
	}
	return nil
}

// improbable says why there are no log probabilities.
const improbable = "there is no model whose probabilities could be told; leave it out"

// checkLogprobs judges the ranges first, as servers that have log probabilities do.
func (b *body) checkLogprobs(k kind) *failure {
	if p := b.TopLogprobs; p != nil && (*p < 0 || *p > mostTopLogprobs) {
		return outOfRange("top_logprobs", *p, 0, mostTopLogprobs)
	}
	asked, fail := b.asksLogprobs(k)
	switch {
	case fail != nil:
		return fail
	case asked:
		return unsupported("logprobs", improbable)
	case b.TopLogprobs != nil && *b.TopLogprobs > 0:
		return unsupported("top_logprobs", improbable)
	}
	return nil
}

func (b *body) asksLogprobs(k kind) (bool, *failure) {
	if len(b.Logprobs) == 0 || bytes.Equal(b.Logprobs, []byte("null")) {
		return false, nil
	}
	if k == chat {
		var asked bool
		if json.Unmarshal(b.Logprobs, &asked) != nil {
			return false, invalid(http.StatusBadRequest, "invalid_value", "logprobs is %s: must be true or false.", b.Logprobs).of("logprobs")
		}
		return asked, nil
	}
	var n float64
	if json.Unmarshal(b.Logprobs, &n) != nil {
		return false, invalid(http.StatusBadRequest, "invalid_value", "logprobs is %s: must be a number from 0 to %d.", b.Logprobs,
			mostTextLogprobs).of("logprobs")
	}
	if n < 0 || n > mostTextLogprobs {
		return false, outOfRange("logprobs", n, 0, mostTextLogprobs)
	}
	return true, nil // 0 asks for the token's own
}

// unsupported is the failure of an option that is not served.
func unsupported(name, reason string) *failure {
	return invalid(http.StatusBadRequest, "unsupported_parameter", "%s is not supported: %s.", name, reason).of(name)
}
