package workload

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/tokenizer"
	"github.com/llmsweep/llmsweep/harness/workload/dataset"
)

// Source is a file that says what requests ask, in place of made-up prompts. Requests take its records by their numbers in the run, or by
// Spec.Places, so that levels do not ask the same again until the file is used up.
type Source struct {
	Name     string // for errors
	Records  Records
	Format   dataset.Format
	SHA256   string // of the file
	Sampling dataset.Sampling
	Seed     *uint64 // of what chance there is in it; nil: the Spec's
}

// Records are what a file holds; [dataset.Dataset] has them. Entry may be called concurrently.
type Records interface {
	Len() int
	Entry(i int) (*dataset.Entry, error)
}

var _ Records = (*dataset.Dataset)(nil)

// record is the number of the record of the request at a place.
func (s Spec) record(place int) int {
	seed := s.Seed
	if s.Source.Seed != nil {
		seed = *s.Source.Seed
	}
	seed = Stream(seed, "dataset", "", 0).Uint64()
	return dataset.Sampler{How: s.Source.Sampling, Seed: seed, Len: s.Source.Records.Len()}.Record(place)
}

// lengthsOf are the lengths of a record's prompt and answer. An answer of which the record says nothing is as long as Lengths has it.
func (s Spec) lengthsOf(place int, stream string, i int) (drawn, error) {
	e, err := s.Source.Records.Entry(s.record(place))
	if err != nil {
		return drawn{}, err
	}
	if reason := s.unfit(e); reason != "" {
		return drawn{}, fmt.Errorf("%s:%d: %s", s.Source.Name, e.Line, reason)
	}
	isl, osl := e.InputTokens, e.OutputTokens
	if isl == 0 {
		isl, err = s.count(said(e))
	}
	switch {
	case err != nil || osl > 0 || e.Body != nil:
	case e.Answer != "":
		osl, err = s.count(e.Answer)
		osl = max(1, osl)
	default:
		_, osl = s.Lengths.Draw(s.Seed, stream, i)
	}
	if err != nil {
		err = fmt.Errorf("%s:%d: counting its tokens: %w", s.Source.Name, e.Line, err)
	}
	return drawn{int32(isl), int32(osl)}, err
}

// unfit says why a record cannot be asked by requests of this form; "": it can.
func (s Spec) unfit(e *dataset.Entry) string {
	switch {
	case s.Completions && e.Messages != nil:
		return "it has messages, and a prompt of -endpoint-type completions is one text"
	case otherRoute(e, s.promptKey()):
		return "the body is for the other -endpoint-type: it has no " + strconv.Quote(s.promptKey())
	case !s.Unstreamed && !streams(e):
		return `the body does not ask for a stream: it must have "stream": true, or pass -streaming=false`
	case s.Unstreamed && e.Body != nil && streams(e):
		return `the body asks for a stream: it must not have "stream": true with -streaming=false`
	}
	return ""
}

// count counts tokens.
func (s Spec) count(text string) (int, error) {
	if s.Count != nil {
		return s.Count(text)
	}
	return tokenizer.Default().Count(text)
}

// streams reports whether a record's body asks for a stream, if it has one.
func streams(e *dataset.Entry) bool {
	var body struct{ Stream bool }
	return e.Body == nil || json.Unmarshal(e.Body, &body) == nil && body.Stream
}

// otherRoute reports whether a record's body lacks what a route takes for its prompt and has that of the other one. A body of neither is the
// server's to judge.
func otherRoute(e *dataset.Entry, key string) bool {
	var body map[string]json.RawMessage
	if e.Body == nil || json.Unmarshal(e.Body, &body) != nil {
		return false
	}
	_, chat := body["messages"]
	_, completion := body["prompt"]
	return body[key] == nil && (chat || completion)
}

// said is all that a record says to the model. Its parts are joined by blanks, as AIPerf counts them.
func said(e *dataset.Entry) string {
	if e.Texts != nil {
		return strings.Join(e.Texts, " ")
	}
	var body struct {
		Messages json.RawMessage
		Prompt   any
	}
	body.Messages = e.Messages
	if e.Body != nil {
		_ = json.Unmarshal(e.Body, &body) // it is an object
	}
	var messages []struct{ Content any }
	_ = json.Unmarshal(body.Messages, &messages) // what is none says nothing
	parts := texts(nil, body.Prompt)
	for _, m := range messages {
		parts = texts(parts, m.Content)
	}
	return strings.Join(parts, " ")
}

// texts appends the texts of a message's content, which is a string or a list of parts.
func texts(all []string, content any) []string {
	switch c := content.(type) {
	case string:
		return append(all, c)
	case []any:
		for _, part := range c {
			all = texts(all, part)
		}
	case map[string]any:
		return texts(all, c["text"])
	}
	return all
}

// fromSource makes the body of a record.
func (s Spec) fromSource(place, serial, isl, osl int) ([]byte, error) {
	e, err := s.Source.Records.Entry(s.record(place))
	switch {
	case err != nil:
		return nil, err
	case e.Body != nil:
		return e.Body, nil
	}
	body := s.fields(s.Model, osl)
	if s.Completions {
		body[s.promptKey()] = s.prompt(e, serial, isl)
	} else {
		body[s.promptKey()] = s.messages(e, serial, isl)
	}
	if e.Tools != nil {
		body["tools"] = e.Tools
	}
	var further map[string]json.RawMessage
	_ = json.Unmarshal(e.Extra, &further) // an object, or nothing
	for key, value := range further {
		body[key] = value
	}
	return encoded(body)
}

// prompt is that of a record for the completions route; several texts are joined by blanks.
func (s Spec) prompt(e *dataset.Entry, serial, isl int) string {
	if e.Texts != nil {
		return strings.Join(e.Texts, " ")
	}
	return string(s.made(e, serial, isl))
}

// messages are the chat messages of a record.
func (s Spec) messages(e *dataset.Entry, serial, isl int) any {
	if e.Messages != nil {
		return e.Messages
	}
	message := map[string]any{"role": "user"}
	if e.Role != "" {
		message["role"] = e.Role
	}
	switch len(e.Texts) {
	case 0:
		message["content"] = string(s.made(e, serial, isl))
	case 1:
		message["content"] = e.Texts[0]
	default:
		parts := make([]map[string]string, len(e.Texts))
		for i, text := range e.Texts {
			parts[i] = map[string]string{"type": "text", "text": text}
		}
		message["content"] = parts
	}
	return []any{message}
}

// made is a prompt of a length that the record says. What hash ids it has in common with others are texts in common; without any it differs from all
// others from its first tokens on.
func (s Spec) made(e *dataset.Entry, serial, isl int) []byte {
	if e.HashIDs == nil {
		return s.appendText(nil, "text", serial, isl)
	}
	prompt := e.Prompt(make([]byte, 0, 8*isl), func(id uint64, tokens int) []byte {
		// The number of a text is positive. That ids beyond have the text of another is as good as impossible.
		return s.appendText([]byte{' '}, "block", int(id&(1<<62-1)), tokens)
	})
	return prompt[1:] // the first block begins without a blank, which makes no difference to its length
}

// Timestamps returns when the requests of a phase came in the trace, since its zero, for an open loop that follows it. It fails where the level has
// no Source, and where a record has no timestamp; the error names it.
func (l *Level) Timestamps(phase record.Phase) ([]time.Duration, error) {
	s := l.spec
	if s.Source == nil {
		return nil, errors.New("there are no timestamps without -input-file")
	}
	all := make([]time.Duration, l.Len(phase))
	for i := range all {
		e, err := s.Source.Records.Entry(s.record(l.place(phase, l.Len(record.Warmup)) + i))
		switch {
		case err != nil:
			return nil, err
		case e.Timestamp == dataset.Never:
			return nil, fmt.Errorf("%s:%d: it has no timestamp", s.Source.Name, e.Line)
		}
		all[i] = e.Timestamp
	}
	return all, nil
}

// encoded is a body as JSON, with its texts as they are.
func encoded(body map[string]any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(body); err != nil {
		return nil, fmt.Errorf("encoding the request body: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// meanBody is that of the first few requests.
func (l *Level) meanBody() int {
	n, sum := min(16, l.Len(record.Profiling)), 0
	for i := range n {
		sum += len(l.Render(record.Profiling, i).Body)
	}
	return sum / max(n, 1)
}

// writeSource adds what determines a source's requests to a fingerprint.
func (s Spec) writeSource(w io.Writer) {
	if s.Source != nil {
		fmt.Fprintf(w, "dataset %s %s\n", s.Source.Format, s.Source.SHA256)
	}
}

// validateSource refuses what a source leaves no place for.
func (s Spec) validateSource() error {
	if s.Source != nil && s.Prefixes.any() {
		return errors.New("input-file: its prompts cannot share prefixes that llmsweep makes")
	}
	return nil
}
