package mockserver

import (
	"net/http"
	"strconv"
	"strings"
)

// serveTokenize answers as vLLM does: how many tokens a prompt or a chat has, and which.
func (s *Server) serveTokenize(w http.ResponseWriter, r *http.Request) {
	var b struct {
		body
		Strings bool `json:"return_token_strs"`
	}
	if fail := readBody(w, r, &b); fail != nil {
		fail.write(w)
		return
	}
	// vLLM takes a request without a model to mean the one it has.
	if fail := s.hasModel(b.Model); b.Model != "" && fail != nil {
		fail.write(w)
		return
	}
	if b.Prompt == nil && len(b.Messages) == 0 {
		invalid(http.StatusBadRequest, "missing_prompt", "The request has neither prompt nor messages.").of("prompt").write(w)
		return
	}
	words, ids := b.tokenized(s.options.TemplateTokens)
	reply := struct {
		Count   int      `json:"count"`
		Longest *int     `json:"max_model_len"`
		Tokens  []uint32 `json:"tokens"`
		Strings []string `json:"token_strs"`
	}{Count: len(ids), Tokens: ids}
	if s.options.MaxModelLen > 0 {
		reply.Longest = &s.options.MaxModelLen
	}
	if b.Strings {
		reply.Strings = words
	}
	writeJSON(w, http.StatusOK, reply)
}

// tokenized are the tokens of what a request says and their identifiers. Of a token that was
// sent as an identifier nothing else is known. A chat begins with as many tokens of the template.
func (b *body) tokenized(template int) (words []string, ids []uint32) {
	words, ids = []string{}, []uint32{}
	add := func(said string) {
		for word := range strings.FieldsSeq(said) {
			words, ids = append(words, word), append(ids, tokenOf(word))
		}
	}
	if b.Prompt != nil {
		for _, in := range *b.Prompt {
			add(in.text)
			for _, id := range in.ids {
				words, ids = append(words, strconv.FormatUint(uint64(id), 10)), append(ids, id)
			}
		}
	}
	if len(b.Messages) == 0 {
		return words, ids
	}
	for i := range template {
		words, ids = append(words, templateWord(i)), append(ids, templateToken(i))
	}
	for _, m := range b.Messages {
		for _, part := range m.Content {
			add(part)
		}
	}
	return words, ids
}
