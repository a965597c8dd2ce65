package tokenizer

import (
	"unicode"
	"unicode/utf8"
)

// class is a set of kinds of characters. A character has one kind; classAt, which does not look so closely, gives all of letters and all of symbols.
type class uint16

const (
	upper     class = 1 << iota // \p{Lu} and \p{Lt}
	lower                       // \p{Ll}
	caseless                    // \p{Lm} and \p{Lo}
	number                      // \p{N}
	newline                     // \r and \n
	blank                       // any other \s, which is Unicode's White_Space
	combining                   // \p{M}
	point                       // \p{P} and \p{S}
	other                       // controls, formats, what is unassigned, bytes that are not UTF-8

	end    class = 0 // behind the text
	letter       = upper | lower | caseless
	symbol       = combining | point | other
)

// asciiKinds has of each byte the place of its kind in the list above. A string, because Go has constant strings but no constant arrays.
const asciiKinds = "88888888854554888888888888888888" +
	"57777777777777773333333333777777" +
	"70000000000000000000000000077777" +
	"71111111111111111111111111177778"

func asciiClass(c byte) class { return 1 << (asciiKinds[c] - '0') }

// scanner gives the length in bytes of the first piece of a text, which must not be empty. What comes before a piece never matters to it, so
// a caller cuts the piece off and goes on.
type scanner func(text string) int

// scanCL100K scans by the pattern of the cl100k family. The cases below are its alternatives in order.
func scanCL100K(digitRun int) scanner {
	return func(text string) int { return pieceLen(text, digitRun) }
}

func pieceLen(text string, digitRun int) int {
	if n := contraction(text, true); n > 0 {
		return n
	}
	first, size := classAt(text, 0)
	second, _ := classAt(text, size)
	switch {
	case first&letter != 0, first&(newline|number) == 0 && second&letter != 0:
		return run(text, size, letter)
	case first&number != 0:
		return digits(text, digitRun)
	case first&symbol != 0, text[0] == ' ' && second&symbol != 0:
		return run(text, run(text, size, symbol), newline)
	}
	return blanks(text)
}

// scanGPT2 scans by gpt2Pattern, in the order of its alternatives.
func scanGPT2(text string) int {
	if n := contraction(text, false); n > 0 {
		return n
	}
	first, size := classAt(text, 0)
	if text[0] == ' ' {
		first, _ = classAt(text, size)
	}
	for _, kind := range [...]class{letter, number, symbol} {
		if first&kind != 0 {
			return run(text, size, kind)
		}
	}
	return anyBlanks(text)
}

// anyBlanks gives the length of the piece in text, which starts with white space, where newlines are as other white space: all of
// it but the last (\s+(?!\S)), unless nothing follows or there is no other (\s+).
func anyBlanks(text string) int {
	to, last := 0, 0
	for {
		c, size := classAt(text, to)
		if c&(newline|blank) == 0 {
			break
		}
		last = to
		to += size
	}
	if to == len(text) || last == 0 {
		return to
	}
	return last
}

// contraction gives the length of the contraction that text starts with, or 0. Ignoring case brings in U+017F, the long s.
func contraction(text string, anyCase bool) int {
	if len(text) < 2 || text[0] != '\'' {
		return 0
	}
	fold := byte(0)
	if anyCase {
		fold = 0x20
	}
	switch text[1] | fold {
	case 's', 't', 'm', 'd':
		return 2
	case 'r', 'v':
		if len(text) > 2 && text[2]|fold == 'e' {
			return 3
		}
	case 'l':
		if len(text) > 2 && text[2]|fold == 'l' {
			return 3
		}
	}
	if anyCase && len(text) > 2 && text[1:3] == "\u017f" {
		return 3
	}
	return 0
}

// run gives the end of the run of characters of a class that starts at from and may be empty.
func run(text string, from int, of class) int {
	for {
		c, size := classAt(text, from)
		if c&of == 0 {
			return from
		}
		from += size
	}
}

// digits gives the end of the run of at most limit numbers that text starts with.
func digits(text string, limit int) int {
	to := 0
	for range limit {
		c, size := classAt(text, to)
		if c&number == 0 {
			break
		}
		to += size
	}
	return to
}

// blanks gives the length of the piece in text, which starts with white space that is no part of a word or of symbols.
// The piece goes to the last newline of the white space, if it has one (\s*[\r\n]+ is greedy). Otherwise
// it leaves the last blank to the word behind it (\s+(?!\S)), unless there is no word, or no other blank (\s+).
func blanks(text string) int {
	to, last, lastNewline := 0, 0, 0
	for {
		c, size := classAt(text, to)
		if c&newline != 0 {
			lastNewline = to + size
		} else if c&blank == 0 {
			break
		}
		last = to
		to += size
	}
	switch {
	case lastNewline > 0:
		return lastNewline
	case to == len(text) || last == 0:
		return to
	}
	return last
}

// classAt gives the class and the size in bytes of the character at i, or (end, 0) behind the text.
func classAt(text string, i int) (c class, size int) {
	if i >= len(text) {
		return end, 0
	}
	if c := text[i]; c < utf8.RuneSelf {
		return asciiClass(c), 1
	}
	return wideClass(text[i:])
}

// wideClass is classAt for a character outside ASCII. A byte that is not UTF-8 decodes to U+FFFD, a symbol, and size 1.
func wideClass(text string) (c class, size int) {
	r, size := utf8.DecodeRuneInString(text)
	switch {
	case unicode.IsLetter(r):
		return letter, size
	case unicode.IsNumber(r):
		return number, size
	case unicode.IsSpace(r):
		return blank, size
	}
	return symbol, size
}

// fineAt is classAt that tells letters and symbols apart.
func fineAt(text string, i int) (kind class, size int) {
	if i >= len(text) {
		return end, 0
	}
	if c := text[i]; c < utf8.RuneSelf {
		return asciiClass(c), 1
	}
	r, size := utf8.DecodeRuneInString(text[i:])
	kind, _ = wideClass(text[i:])
	switch kind {
	case letter:
		kind = letterKind(r)
	case symbol:
		kind = symbolKind(r)
	}
	return kind, size
}

func letterKind(r rune) class {
	switch {
	case unicode.IsLower(r):
		return lower
	case unicode.IsUpper(r), unicode.IsTitle(r):
		return upper
	}
	return caseless
}

func symbolKind(r rune) class {
	switch {
	case unicode.IsMark(r):
		return combining
	case unicode.IsPunct(r), unicode.IsSymbol(r):
		return point
	}
	return other
}
