package workload

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
)

// mark stands in a body for what differs between requests.
type mark string

const (
	promptMark mark = "\x00prompt\x00"
	oslMark    mark = "\x00osl\x00"
)

// encoded is a mark as it stands in JSON: a prompt goes between the quotes, a number replaces them.
func (m mark) encoded() []byte {
	data, _ := json.Marshal(m)
	if m == promptMark {
		return data[1 : len(data)-1]
	}
	return data
}

// template is a body cut at its marks: texts[0] marks[0] texts[1] ... texts[len(marks)].
type template struct {
	texts [][]byte
	marks []mark
}

// template makes the bodies of all requests. system is the text of the system message, if there is one. Where all answers have one length the
// template holds it.
func (s Spec) template(model, system string) (template, error) {
	var asked any = string(promptMark)
	if !s.Completions {
		messages := []map[string]string{{"role": "user", "content": string(promptMark)}}
		if s.Prefixes.System > 0 {
			messages = append([]map[string]string{{"role": "system", "content": system}}, messages...)
		}
		asked = messages
	}
	var osl any = oslMark
	if n, fixed := s.Lengths.fixedOSL(); fixed {
		osl = n
	}
	body := s.fields(model, osl)
	prompt := s.promptKey()
	if _, replaced := body[prompt]; !replaced {
		body[prompt] = asked
	}
	data, err := json.Marshal(body)
	if err != nil {
		return template{}, fmt.Errorf("encoding the request body: %w", err)
	}
	switch bytes.Count(data, promptMark.encoded()) {
	case 0:
		return template{}, fmt.Errorf("the request body has no prompt: extra input %q replaced it", prompt)
	case 1:
		return cut(data), nil
	}
	return template{}, errors.New("the request body has two prompts: the model or an extra input holds the mark of llmsweep's")
}

// promptKey is the field that has the prompt.
func (s Spec) promptKey() string {
	if s.Completions {
		return "prompt"
	}
	return "messages"
}

// LengthKey is the name of the field that limits the length of an answer. OpenAI's chats have one of their own.
func LengthKey(compat string, completions bool) string {
	if compat == CompatOpenAI && !completions {
		return "max_completion_tokens"
	}
	return "max_tokens"
}

// fields are what a body has besides its prompt, extra inputs included.
func (s Spec) fields(model string, osl any) map[string]any {
	body := map[string]any{"model": model, "stream": !s.Unstreamed, LengthKey(s.Compat, s.Completions): osl}
	if !s.Unstreamed {
		body["stream_options"] = map[string]any{"include_usage": true}
	}
	if s.Compat != CompatOpenAI {
		body["min_tokens"], body["ignore_eos"] = osl, true
	}
	maps.Copy(body, s.Extra)
	return body
}

// cut makes a template of a body.
func cut(data []byte) template {
	var t template
	for {
		at, found := len(data), mark("")
		for _, m := range []mark{promptMark, oslMark} {
			if i := bytes.Index(data, m.encoded()); i >= 0 && i < at {
				at, found = i, m
			}
		}
		t.texts = append(t.texts, data[:at])
		if found == "" {
			return t
		}
		t.marks = append(t.marks, found)
		data = data[at+len(found.encoded()):]
	}
}

// size is the length of a body without its prompt, about.
func (t template) size() int {
	n := 0
	for _, text := range t.texts {
		n += len(text)
	}
	return n + len(strconv.Itoa(MaxTokens))*len(t.marks)
}

// render makes a body: prompt appends the one of the request.
func (t template) render(body []byte, osl int, prompt func([]byte) []byte) []byte {
	for i, text := range t.texts {
		body = append(body, text...)
		switch {
		case i == len(t.marks):
		case t.marks[i] == promptMark:
			body = prompt(body)
		default:
			body = strconv.AppendInt(body, int64(osl), 10)
		}
	}
	return body
}
