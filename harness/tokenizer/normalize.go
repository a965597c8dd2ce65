package tokenizer

import (
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// normalizer rewrites a text before it is cut.
type normalizer func(text string) string

// prepend puts a prefix before any text.
func prepend(prefix string) normalizer {
	return func(text string) string {
		if text == "" {
			return ""
		}
		return prefix + text
	}
}

func replace(old, new string) normalizer {
	return func(text string) string { return strings.ReplaceAll(text, old, new) }
}

// nfc brings text into Unicode's form C. Package norm does that for all texts but those with dozens of marks on one character, among which it
// puts joiners of its own (the stream-safe format of UAX #15), and Hugging Face's library does not.
func nfc(text string) string {
	span := norm.NFC.QuickSpanString(text)
	switch {
	case span == len(text):
		return text
	case crowded(text[span:]):
		return composed(text)
	}
	return norm.NFC.String(text)
}

// crowded reports whether so many marks follow each other in text that norm might separate them. It does after the thirtieth of the
// decomposed form, in which a character has at most three.
func crowded(text string) bool {
	marks := 0
	for len(text) > 0 {
		p := norm.NFC.PropertiesString(text)
		if p.BoundaryBefore() && p.TrailCCC() == 0 {
			marks = 0
		} else if marks++; 3*marks >= 30 {
			return true
		}
		text = text[max(1, p.Size()):]
	}
	return false
}

// mark is a character of a decomposed text with its canonical combining class.
type mark struct {
	char  rune
	class uint8
}

// composed is form C by its definition (Unicode 15, 3.11, D117): decompose, order the marks, compose.
func composed(text string) string {
	chars := decomposed(text)
	out := chars[:0]
	starter := -1      // where in out the last starter stands
	before := uint8(0) // class of what was kept last behind it
	for _, c := range chars {
		if starter >= 0 && (starter == len(out)-1 || before < c.class) {
			if joined, ok := compose(out[starter].char, c.char); ok {
				out[starter].char = joined
				continue
			}
		}
		if c.class == 0 {
			starter = len(out)
		}
		before = c.class
		out = append(out, c)
	}
	var b strings.Builder
	for _, c := range out {
		b.WriteRune(c.char)
	}
	return b.String()
}

// decomposed gives the characters of the canonical decomposition in canonical order.
func decomposed(text string) []mark {
	var chars []mark
	for _, r := range text {
		for _, part := range norm.NFD.String(string(r)) {
			chars = append(chars, mark{part, norm.NFD.PropertiesString(string(part)).CCC()})
		}
	}
	for from := 0; from < len(chars); from++ {
		to := from
		for to < len(chars) && chars[to].class != 0 {
			to++
		}
		slices.SortStableFunc(chars[from:to], func(a, b mark) int { return int(a.class) - int(b.class) })
		from = to
	}
	return chars
}

// compose gives the character that two others are the decomposition of.
func compose(first, second rune) (rune, bool) {
	joined := []rune(norm.NFC.String(string(first) + string(second)))
	return joined[0], len(joined) == 1
}
