package tokenizer

import (
	"math"
	"strings"
	"unicode/utf8"
)

// vocabulary is what pieces of text are made of: tokens, and the pairs that become one.
type vocabulary struct {
	whole   map[string]uint32 // the pieces that are one token as they stand
	longest int               // bytes of the longest of them
	pairs   func() *pairs     // those of the embedded vocabulary are made at the first call
	bytes   [256]uint32       // the token of each byte; noToken: it has none
	blank   uint32            // the token of blankMark, which is half of all characters outside ASCII; noToken: it has none
	// fallback: pieces begin as characters, and only those that are no token as bytes. Else all begin as bytes.
	fallback bool
	// blanksEnd: more tokens end in a blank than begin with one.
	blanksEnd bool
	// oneText: no id stands for two texts, so what is known of two ids holds wherever they meet.
	oneText bool
}

// noToken is no id: those of a file are below.
const noToken = math.MaxUint32

// symbol gives the token that the first character of text begins as, or that of its first byte, and how many bytes it covers.
func (v *vocabulary) symbol(text string) (id uint32, size int) {
	if !v.fallback || text[0] < utf8.RuneSelf {
		return v.bytes[text[0]], 1
	}
	if v.blank != noToken && strings.HasPrefix(text, blankMark) {
		return v.blank, len(blankMark)
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
	for text, id := range candidates {
		_, size := utf8.DecodeRuneInString(text)
		symbol := v.fallback && size == len(text)
		if text != "" && (all || symbol) {
			v.add(text, id)
		}
	}
	v.blanksEnd, v.blank = blanksEnd(candidates), noToken
	if id, ok := v.whole[blankMark]; ok {
		v.blank = id
	}
	if all {
		return
	}
	var h heap
	var parts []span
	for text, id := range candidates {
		if parts = h.plain(parts[:0], v, text); len(parts) == 1 && parts[0].id == id {
			v.add(text, id)
		}
	}
}

func blanksEnd(tokens map[string]uint32) bool {
	begin, end := 0, 0
	for text := range tokens {
		plain := strings.ReplaceAll(text, blankMark, " ")
		if strings.HasPrefix(plain, " ") {
			begin++
		}
		if strings.HasSuffix(plain, " ") {
			end++
		}
	}
	return end > begin
}

func (v *vocabulary) add(text string, id uint32) {
	v.whole[text] = id
	v.longest = max(v.longest, len(text))
}
