package tokenizer

import (
	"math"
	"unicode/utf8"
)

// vocabulary is what pieces of text are made of: tokens, and the pairs that become one.
type vocabulary struct {
	whole   map[string]uint32 // the pieces that are one token as they stand
	longest int               // bytes of the longest of them
	pairs   func() *pairs     // those of the embedded vocabulary are made at the first call
	bytes   [256]uint32       // the token of each byte; noToken: it has none
	// fallback: pieces begin as characters, and only those that are no token as bytes. Else all begin as bytes.
	fallback bool
}

// noToken is no id: those of a file are below.
const noToken = math.MaxUint32

// symbol gives the token that the first character of text begins as, or that of its first byte, and how many bytes it covers.
func (v *vocabulary) symbol(text string) (id uint32, size int) {
	if !v.fallback || text[0] < utf8.RuneSelf {
		return v.bytes[text[0]], 1
	}
	_, size = utf8.DecodeRuneInString(text)
	if id, ok := v.whole[text[:size]]; ok {
		return id, size
	}
	return v.bytes[text[0]], 1
}

// token looks a piece up. The length is compared first because hashing a long piece to no avail costs more than the answer.
func (v *vocabulary) token(piece string) (id uint32, ok bool) {
	if len(piece) > v.longest {
		return 0, false
	}
	id, ok = v.whole[piece]
	return id, ok
}

// settle finds the pieces that are one token: those of the candidates that merging makes so, or all of them.
func (v *vocabulary) settle(candidates map[string]uint32, all bool) {
	v.whole = make(map[string]uint32, len(candidates))
	for text, id := range candidates { // symbol asks for these
		if _, size := utf8.DecodeRuneInString(text); text != "" && (all || size == len(text)) {
			v.add(text, id)
		}
	}
	if all {
		return
	}
	var m merger
	for text, id := range candidates {
		if m.merge(v, text) == 1 && m.id[0] == id {
			v.add(text, id)
		}
	}
}

func (v *vocabulary) add(text string, id uint32) {
	v.whole[text] = id
	v.longest = max(v.longest, len(text))
}
