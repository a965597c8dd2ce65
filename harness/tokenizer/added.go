package tokenizer

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// addedToken is a text that is one token wherever it stands, whatever the vocabulary makes of its surroundings: "<|im_end|>".
type addedToken struct {
	ID         uint32 `json:"-"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"` // only where no word goes on before or behind it
	LStrip     bool   `json:"lstrip"`      // it takes the white space before it along
	RStrip     bool   `json:"rstrip"`      // and that behind it
	Normalized bool   `json:"normalized"`  // it is looked for in normalised text
}

// addedTokens finds added tokens in a text: of all that begin first the longest.
type addedTokens struct {
	tokens  map[string]addedToken
	lengths [256][]int // first byte -> the lengths of the tokens that begin so, longest first
}

func newAddedTokens(tokens []addedToken) *addedTokens {
	a := &addedTokens{tokens: map[string]addedToken{}}
	for _, t := range tokens {
		if t.Content == "" {
			continue
		}
		a.tokens[t.Content] = t
		lengths := &a.lengths[t.Content[0]]
		if !slices.Contains(*lengths, len(t.Content)) {
			*lengths = append(*lengths, len(t.Content))
		}
	}
	for _, lengths := range a.lengths {
		slices.SortFunc(lengths, func(x, y int) int { return cmp.Compare(y, x) })
	}
	return a
}

// segment is a part of a text: an added token, or text between two.
type segment struct {
	from, to int
	token    uint32 // noToken: text
}

// cut appends the segments of text to dst. It follows Hugging Face's library in the corners too: a token that is refused because it
// is no single word hides those that overlap it. A nil a has no tokens.
func (a *addedTokens) cut(dst []segment, text string) []segment {
	if text == "" {
		return dst
	}
	if a == nil || len(a.tokens) == 0 {
		return append(dst, segment{0, len(text), noToken})
	}
	taken := 0
	for at := 0; at < len(text); {
		token, found := a.at(text, at)
		if !found {
			at++
			continue
		}
		from, to := at, at+len(token.Content)
		at = to
		if token.SingleWord && (endsInWord(text[:from]) || beginsWithWord(text[to:])) {
			continue
		}
		if token.LStrip {
			from = len(strings.TrimRightFunc(text[:from], unicode.IsSpace)) // which may be in what was taken already
		}
		if token.RStrip {
			to = len(text) - len(strings.TrimLeftFunc(text[to:], unicode.IsSpace))
		}
		if taken < from {
			dst = append(dst, segment{taken, from, noToken})
		}
		dst = append(dst, segment{from, to, token.ID})
		taken = to
	}
	if taken < len(text) {
		dst = append(dst, segment{taken, len(text), noToken})
	}
	return dst
}

// at is the longest token that begins at position i.
func (a *addedTokens) at(text string, i int) (addedToken, bool) {
	for _, n := range a.lengths[text[i]] {
		if i+n <= len(text) {
			if token, ok := a.tokens[text[i:i+n]]; ok {
				return token, true
			}
		}
	}
	return addedToken{}, false
}

func endsInWord(text string) bool {
	r, size := utf8.DecodeLastRuneInString(text)
	return size > 0 && inWord(r)
}

func beginsWithWord(text string) bool {
	r, size := utf8.DecodeRuneInString(text)
	return size > 0 && inWord(r)
}

// inWord is Unicode's \w: alphabetic, marks, decimal numbers, connectors and joiners (UTS #18, annex C).
func inWord(r rune) bool {
	return unicode.In(r, unicode.L, unicode.Nl, unicode.Other_Alphabetic, unicode.M, unicode.Nd, unicode.Pc, unicode.Join_Control)
}
