package mockserver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// bodyLimit is Dynamo's: 45 MB.
const bodyLimit = 45 << 20

// body is what a request may say; all else is ignored.
type body struct {
	Model     string    `json:"model"`
	Messages  []message `json:"messages"`
	Prompt    *inputs   `json:"prompt"`
	MaxTokens *int      `json:"max_tokens"`
	// MaxCompletionTokens is the newer name and wins.
	MaxCompletionTokens *int       `json:"max_completion_tokens"`
	MinTokens           int        `json:"min_tokens"`
	IgnoreEOS           *bool      `json:"ignore_eos"`
	Stop                stopList   `json:"stop"`
	N                   *int       `json:"n"`
	Stream              bool       `json:"stream"`
	Tools               []tool     `json:"tools"`
	ToolChoice          toolChoice `json:"tool_choice"`
	StreamOptions       struct {
		IncludeUsage         bool `json:"include_usage"`
		ContinuousUsageStats bool `json:"continuous_usage_stats"`
	} `json:"stream_options"`
	// NVExt is Dynamo's; of what it may hold this is all that changes an answer.
	NVExt struct {
		IgnoreEOS bool `json:"ignore_eos"`
	} `json:"nvext"`

	// What follows is checked and has no effect.
	Temperature       *float64           `json:"temperature"`
	TopP              *float64           `json:"top_p"`
	FrequencyPenalty  *float64           `json:"frequency_penalty"`
	PresencePenalty   *float64           `json:"presence_penalty"`
	RepetitionPenalty *float64           `json:"repetition_penalty"`
	LogitBias         map[string]float64 `json:"logit_bias"`

	unserved
}

// ignoresEOS says that only MaxTokens ends the answer. The newer place of the field is
// the top level.
func (b *body) ignoresEOS() bool {
	if b.IgnoreEOS != nil {
		return *b.IgnoreEOS
	}
	return b.NVExt.IgnoreEOS
}

// choices is how many answers each prompt gets.
func (b *body) choices() int {
	if b.N == nil {
		return 1
	}
	return *b.N
}

type message struct {
	Content content `json:"content"`
}

// readBody reads a request's JSON into a document.
func readBody(w http.ResponseWriter, r *http.Request, document any) *failure {
	var buffer bytes.Buffer
	if 0 < r.ContentLength && r.ContentLength <= bodyLimit {
		// One more read than bytes tells the buffer that the body has ended.
		buffer.Grow(int(r.ContentLength) + bytes.MinRead)
	}
	_, err := io.Copy(&buffer, http.MaxBytesReader(w, r.Body, bodyLimit))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return invalid(http.StatusRequestEntityTooLarge, "request_too_large",
			"The request body has more than %d bytes.", bodyLimit)
	}
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF) || err != nil && r.Context().Err() != nil:
		return &failure{status: statusClientClosed, Message: "The client has gone.", Code: "client_closed_request"}
	case err != nil:
		return invalid(http.StatusBadRequest, "incomplete_body", "Reading the request body: %v.", err)
	}
	sent := bytes.TrimLeft(buffer.Bytes(), " \t\r\n")
	if err := json.Unmarshal(sent, document); err != nil {
		return decodeFailure(err, buffer.Len()-len(sent), sent)
	}
	if sent[0] != '{' { // it was null
		return notAnObject()
	}
	return nil
}

func notAnObject() *failure {
	return invalid(http.StatusBadRequest, "invalid_value", "The request body must be a JSON object.")
}

// decodeFailure puts an error of package json in a client's words. Blanks were skipped before what was sent.
func decodeFailure(err error, skipped int, sent []byte) *failure {
	var syntax *json.SyntaxError
	var mistyped *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return invalid(http.StatusBadRequest, "invalid_json",
			"The request body is not valid JSON at byte %d: %v.", int64(skipped)+syntax.Offset, err)
	case sent[0] != '{':
		return notAnObject()
	case errors.As(err, &mistyped) && mistyped.Field != "":
		field := nameOf(mistyped)
		return invalid(http.StatusBadRequest, "invalid_value", "%s must not be a JSON %s.", field, mistyped.Value).of(field)
	default:
		return invalid(http.StatusBadRequest, "invalid_value", "The request body has a wrong value: %v.", err)
	}
}

// nameOf is the field as a client knows it. Package json puts the names of embedded structs before it.
func nameOf(mistyped *json.UnmarshalTypeError) string {
	return strings.TrimPrefix(strings.TrimPrefix(mistyped.Field, "body."), "unserved.")
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

// inputs are texts: one or a list of them, each a string or a list of token
// identifiers.
type inputs []input

type input struct {
	text string
	ids  []uint32
}

// UnmarshalJSON fails on an empty list.
func (p *inputs) UnmarshalJSON(data []byte) error {
	if data[0] != '[' {
		return p.one(data)
	}
	var items []json.RawMessage
	if err := json.Unmarshal(data, &items); err != nil {
		return fmt.Errorf("prompt: %w", err)
	}
	if len(items) == 0 {
		return errors.New("prompt: the list is empty")
	}
	if first := items[0][0]; first != '"' && first != '[' {
		return p.one(data)
	}
	for _, item := range items {
		if err := p.one(item); err != nil {
			return err
		}
	}
	return nil
}

// one reads a single text.
func (p *inputs) one(data []byte) error {
	var in input
	if data[0] != '[' {
		err := json.Unmarshal(data, &in.text)
		*p = append(*p, in)
		return err
	}
	if err := json.Unmarshal(data, &in.ids); err != nil {
		return fmt.Errorf("prompt: token identifiers are numbers from 0 to 4294967295: %w", err)
	}
	*p = append(*p, in)
	return nil
}

// stopList is a string or a list of strings.
type stopList []string

// UnmarshalJSON takes null for none.
func (l *stopList) UnmarshalJSON(data []byte) error {
	if data[0] != '"' {
		return json.Unmarshal(data, (*[]string)(l))
	}
	*l = make(stopList, 1)
	return json.Unmarshal(data, &(*l)[0])
}
