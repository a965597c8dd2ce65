package mockserver

import (
	"net/http"
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
	words := b.textWords()
	reply := struct {
		Count   int      `json:"count"`
		Longest *int     `json:"max_model_len"`
		Tokens  []uint32 `json:"tokens"`
		Strings []string `json:"token_strs"`
	}{Count: len(words), Tokens: make([]uint32, 0, len(words))}
	for _, word := range words {
		reply.Tokens = append(reply.Tokens, tokenOf(word))
	}
	if s.options.MaxModelLen > 0 {
		reply.Longest = &s.options.MaxModelLen
	}
	if b.Strings {
		reply.Strings = words
	}
	writeJSON(w, http.StatusOK, reply)
}

// textWords are the words of what a request says.
func (b *body) textWords() []string {
	words := []string{}
	if b.Prompt != nil {
		for _, in := range *b.Prompt {
			words = append(words, strings.Fields(in.text)...)
		}
	}
	for _, m := range b.Messages {
		for _, part := range m.Content {
			words = append(words, strings.Fields(part)...)
		}
	}
	return words
}
