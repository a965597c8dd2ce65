package mockserver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/llmsweep/llmsweep/mockserver/engine"
)

// bodyLimit is Dynamo's: 45 MB.
const bodyLimit = 45 << 20

const (
	defaultTextLength = 16 // OpenAI's
	defaultChatLength = 256
)

// kind tells the two generating routes apart.
type kind int

const (
	chat kind = iota
	text
)

// call is a request that has been understood and found acceptable.
type call struct {
	kind   kind
	stream bool
	usage  bool // the stream ends with a usage chunk
	prompt int  // tokens
	length int  // of the answer, in tokens

	blocks []uint64 // the prompt's full blocks, as package engine names them
}

// body is what a request may say; all else is ignored.
type body struct {
	Model     string    `json:"model"`
	Messages  []message `json:"messages"`
	Prompt    *prompt   `json:"prompt"`
	MaxTokens *int      `json:"max_tokens"`
	// MaxCompletionTokens is the newer name and wins.
	MaxCompletionTokens *int `json:"max_completion_tokens"`
	N                   *int `json:"n"`
	Stream              bool `json:"stream"`
	StreamOptions       struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
}

type message struct {
	Content content `json:"content"`
}

// understand reads a request and judges it.
func (s *Server) understand(w http.ResponseWriter, r *http.Request, k kind) (call, *failure) {
	b, fail := readBody(w, r)
	if fail != nil {
		return call{}, fail
	}
	switch {
	case b.Model == "":
		return call{}, invalid(http.StatusBadRequest, "missing_model",
			"The request names no model: set \"model\" to %s.", s.model)
	case b.Model != s.options.Model:
		return call{}, invalid(http.StatusNotFound, "model_not_found",
			"The model `%s` does not exist. This server has `%s`.", b.Model, s.options.Model)
	case b.N != nil && *b.N != 1:
		return call{}, invalid(http.StatusBadRequest, "unsupported_value",
			"n is %d: this server gives one answer per request; leave n out or set it to 1.", *b.N)
	}
	c := call{kind: k, stream: b.Stream, usage: b.StreamOptions.IncludeUsage}
	if fail := b.hasPrompt(k); fail != nil {
		return call{}, fail
	}
	c.prompt, c.blocks = b.tokens(k, s.options.BlockSize)
	if c.length, fail = s.answerTokens(b, c); fail != nil {
		return call{}, fail
	}
	if err := s.options.fleet().Check(c.prompt, c.length); err != nil {
		return call{}, invalid(http.StatusBadRequest, "context_length_exceeded", "%v.", err)
	}
	return c, nil
}

func readBody(w http.ResponseWriter, r *http.Request) (body, *failure) {
	var buffer bytes.Buffer
	if 0 < r.ContentLength && r.ContentLength <= bodyLimit {
		// One more read than bytes tells the buffer that the body has ended.
		buffer.Grow(int(r.ContentLength) + bytes.MinRead)
	}
	var b body
	_, err := io.Copy(&buffer, http.MaxBytesReader(w, r.Body, bodyLimit))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return b, invalid(http.StatusRequestEntityTooLarge, "request_too_large",
			"The request body has more than %d bytes.", bodyLimit)
	}
	if err != nil {
		return b, invalid(http.StatusBadRequest, "incomplete_body", "Reading the request body: %v.", err)
	}
	return b, decodeFailure(json.Unmarshal(buffer.Bytes(), &b))
}

// decodeFailure puts an error of package json in a client's words.
func decodeFailure(err error) *failure {
	var syntax *json.SyntaxError
	var mistyped *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &syntax):
		return invalid(http.StatusBadRequest, "invalid_json",
			"The request body is not valid JSON at byte %d: %v.", syntax.Offset, err)
	case errors.As(err, &mistyped) && mistyped.Field != "":
		return invalid(http.StatusBadRequest, "invalid_value",
			"%s must not be a JSON %s.", mistyped.Field, mistyped.Value)
	default:
		return invalid(http.StatusBadRequest, "invalid_value", "The request body has a wrong value: %v.", err)
	}
}

// hasPrompt fails on a request without one.
func (b body) hasPrompt(k kind) *failure {
	switch {
	case k == text && b.Prompt == nil:
		return invalid(http.StatusBadRequest, "missing_prompt", "The request has no prompt.")
	case k == chat && len(b.Messages) == 0:
		return invalid(http.StatusBadRequest, "missing_messages", "The request has no messages.")
	}
	return nil
}

// tokens returns the length of the prompt and its blocks. An empty prompt counts as
// one token, the one that every model puts before the text.
func (b body) tokens(k kind, blockSize int) (int, []uint64) {
	n := 0
	h := engine.NewHasher(blockSize)
	words := func(s string) {
		for word := range strings.FieldsSeq(s) {
			h.Add(tokenOf(word))
			n++
		}
	}
	if k == text {
		words(b.Prompt.text)
		for _, id := range b.Prompt.ids {
			h.Add(id)
			n++
		}
		return max(1, n), h.Blocks()
	}
	for _, m := range b.Messages {
		for _, part := range m.Content {
			words(part)
		}
	}
	return max(1, n), h.Blocks()
}

// answerTokens is the length of the answer: what was asked for, or the default
// as far as MaxModelLen has room for it.
func (s *Server) answerTokens(b body, c call) (int, *failure) {
	room := s.options.MaxModelLen - c.prompt
	bounded := s.options.MaxModelLen > 0
	asked := b.MaxCompletionTokens
	if asked == nil {
		asked = b.MaxTokens
	}
	length := defaultChatLength
	switch {
	case asked != nil && *asked < 1:
		return 0, invalid(http.StatusBadRequest, "invalid_value", "max_tokens is %d: must be at least 1.", *asked)
	case asked != nil:
		length = *asked
	case c.kind == text:
		length = defaultTextLength
	}
	if asked == nil && bounded {
		length = max(1, min(length, room))
	}
	if bounded && length > room {
		return 0, invalid(http.StatusBadRequest, "context_length_exceeded",
			"This model has a context of %d tokens: the prompt has %d and the answer would have %d. Shorten either.",
			s.options.MaxModelLen, c.prompt, length)
	}
	return length, nil
}

// content is the text of a message: of a string, of a list of text parts, or none
// of null, as in a message that only calls tools.
type content []string

// UnmarshalJSON fails on parts that are not text.
func (c *content) UnmarshalJSON(data []byte) error {
	*c = nil
	if data[0] != '[' {
		var s string
		err := json.Unmarshal(data, &s)
		*c = content{s}
		return err
	}
	var parts []struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	if err := json.Unmarshal(data, &parts); err != nil {
		return fmt.Errorf("content: %w", err)
	}
	for _, p := range parts {
		if p.Type != "text" {
			return fmt.Errorf("content part of type %q: this model reads text only", p.Type)
		}
		*c = append(*c, p.Text)
	}
	return nil
}

// prompt is a string, a list with one string, a list of token identifiers, or a
// list with one such list.
type prompt struct {
	text string
	ids  []uint32
}

// UnmarshalJSON fails on a batch of prompts.
func (p *prompt) UnmarshalJSON(data []byte) error {
	if data[0] != '[' {
		return json.Unmarshal(data, &p.text)
	}
	var items []json.RawMessage
	if err := json.Unmarshal(data, &items); err != nil {
		return fmt.Errorf("prompt: %w", err)
	}
	if len(items) == 0 {
		return errors.New("prompt: the list is empty")
	}
	if first := items[0][0]; first != '"' && first != '[' {
		if err := json.Unmarshal(data, &p.ids); err != nil {
			return fmt.Errorf("prompt: token identifiers are numbers from 0 to 4294967295: %w", err)
		}
		return nil
	}
	if len(items) > 1 {
		return fmt.Errorf("prompt: %d prompts in one request: send one request for each", len(items))
	}
	return p.UnmarshalJSON(items[0])
}
