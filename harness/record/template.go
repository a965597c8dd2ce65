package record

import "fmt"

// Template is what a server adds to a prompt, such as the marks of a chat's messages: found by requests for one token before the first level, which are in
// no level. Tokens are those of its usage beyond the prompt's own.
type Template struct {
	Tokens  int    `json:"tokens"`            // 0 too where Unknown says why it is not known
	Unknown string `json:"unknown,omitempty"` // redacted
	// Approximate: found by two requests, since the client's tokenizer is not the model's: a token or so less or more.
	Approximate bool  `json:"approximate,omitempty"`
	Requests    int   `json:"requests"` // that were sent to find it, over all resumes
	Spent       int64 `json:"spent"`    // their tokens, prompts and outputs
}

// Known reports whether it was found.
func (t *Template) Known() bool { return t != nil && t.Unknown == "" }

// String says it in words, with how many requests it took.
func (t *Template) String() string {
	if t.Requests == 1 {
		return t.Found() + " (1 request)"
	}
	return fmt.Sprintf("%s (%d requests)", t.Found(), t.Requests)
}

// Found says it in words.
func (t *Template) Found() string {
	tokens := "tokens"
	if t.Tokens == 1 {
		tokens = "token"
	}
	switch {
	case t.Unknown != "":
		return "what the server adds to a prompt is not known: " + t.Unknown
	case t.Approximate:
		return fmt.Sprintf("the server adds about %d %s to a prompt", t.Tokens, tokens)
	}
	return fmt.Sprintf("the server adds %d %s to a prompt", t.Tokens, tokens)
}
