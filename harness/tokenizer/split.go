package tokenizer

import (
	"unicode"
	"unicode/utf8"
)

// The classes of characters that the split pattern tells apart.
const (
	end     = 0   // behind the text
	letter  = 'L' // \p{L}
	number  = 'N' // \p{N}
	newline = 'R' // \r and \n
	blank   = 'S' // any other \s, which is Unicode's White_Space
	symbol  = '.' // the rest: punctuation, marks, controls, bytes that are not UTF-8
)

// asciiClass is indexed by the byte. A string, because Go has constant strings but no constant arrays.
const asciiClass = ".........SRSSR.................." +
	"S...............NNNNNNNNNN......" +
	".LLLLLLLLLLLLLLLLLLLLLLLLLL....." +
	".LLLLLLLLLLLLLLLLLLLLLLLLLL....."

// The split patterns that have a scanner of their own. Those of the cl100k family differ in the longest run of digits only.
const (
	qwenPattern   = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	cl100kPattern = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	gpt2Pattern   = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
)

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
	class, size := classAt(text, 0)
	second, _ := classAt(text, size)
	switch {
	case class == letter, class != newline && class != number && second == letter:
		return run(text, size, letter)
	case class == number:
		return digits(text, digitRun)
	case class == symbol, text[0] == ' ' && second == symbol:
		return run(text, run(text, size, symbol), newline)
	}
	return blanks(text)
}

// scanGPT2 scans by gpt2Pattern, in the order of its alternatives.
func scanGPT2(text string) int {
	if n := contraction(text, false); n > 0 {
		return n
	}
	class, size := classAt(text, 0)
	if text[0] == ' ' {
		if second, _ := classAt(text, size); second == letter || second == number || second == symbol {
			return run(text, size, second)
		}
	}
	if class == letter || class == number || class == symbol {
		return run(text, 0, class)
	}
	return anyBlanks(text)
}

// anyBlanks gives the length of the piece in text, which starts with white space, where newlines are as other white space: all of
// it but the last (\s+(?!\S)), unless nothing follows or there is no other (\s+).
func anyBlanks(text string) int {
	to, last := 0, 0
	for {
		c, size := classAt(text, to)
		if c != newline && c != blank {
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

// run gives the end of the run of one class that starts at from and may be empty.
func run(text string, from int, class byte) int {
	for {
		c, size := classAt(text, from)
		if c != class {
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
		if c != number {
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
		if c == newline {
			lastNewline = to + size
		} else if c != blank {
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
func classAt(text string, i int) (class byte, size int) {
	if i >= len(text) {
		return end, 0
	}
	if c := text[i]; c < utf8.RuneSelf {
		return asciiClass[c], 1
	}
	return wideClass(text[i:])
}

// wideClass is classAt for a character outside ASCII. A byte that is not UTF-8 decodes to U+FFFD, a symbol, and size 1.
func wideClass(text string) (class byte, size int) {
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
