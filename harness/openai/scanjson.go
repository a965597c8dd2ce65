package openai

import (
	"encoding/binary"
	"math/bits"
)

// The parts of the scanner take the index of a byte and return that of the byte behind what they took, or this.
const unknown = -1

// maxNesting is more than an event has.
const maxNesting = 32

// value takes a value of no interest.
func (s *scanner) value(i int) int {
	switch s.at(i) {
	case '"':
		end, _ := s.text(i + 1)
		if end < 0 {
			return unknown
		}
		return end + 1
	case '{':
		return s.object(i, elsewhere)
	case '[':
		return s.array(i)
	case 't':
		return s.word(i, "true")
	case 'f':
		return s.word(i, "false")
	case 'n':
		return s.word(i, "null")
	}
	return s.number(i)
}

// object takes an object, whose brace is at i.
func (s *scanner) object(i int, in place) int {
	s.depth++
	if s.depth > maxNesting {
		return unknown
	}
	i = s.space(i + 1)
	if s.at(i) == '}' {
		s.depth--
		return i + 1
	}
	for s.at(i) == '"' {
		end, escaped := s.text(i + 1)
		if end < 0 || escaped {
			return unknown
		}
		name := s.data[i+1 : end]
		if i = s.space(end + 1); s.at(i) != ':' {
			return unknown
		}
		if i = s.member(in, name, s.space(i+1)); i < 0 {
			return unknown
		}
		switch i = s.space(i); s.at(i) {
		case ',':
			i = s.space(i + 1)
		case '}':
			s.depth--
			return i + 1
		default:
			return unknown
		}
	}
	return unknown
}

// array takes an array of no interest, whose bracket is at i.
func (s *scanner) array(i int) int {
	s.depth++
	if s.depth > maxNesting {
		return unknown
	}
	i = s.space(i + 1)
	if s.at(i) == ']' {
		s.depth--
		return i + 1
	}
	for {
		if i = s.value(i); i < 0 {
			return unknown
		}
		switch i = s.space(i); s.at(i) {
		case ',':
			i = s.space(i + 1)
		case ']':
			s.depth--
			return i + 1
		default:
			return unknown
		}
	}
}

// at is the byte at i; behind the end it is 0, which begins nothing in JSON.
func (s *scanner) at(i int) byte {
	if uint(i) < uint(len(s.data)) {
		return s.data[i]
	}
	return 0
}

// space is the index of what follows white space.
func (s *scanner) space(i int) int {
	for {
		switch s.at(i) {
		case ' ', '\n', '\t', '\r':
			i++
		default:
			return i
		}
	}
}

func (s *scanner) word(i int, word string) int {
	end := i + len(word)
	if end > len(s.data) || string(s.data[i:end]) != word {
		return unknown
	}
	return end
}

// number takes what a number can consist of, as the parser does: it knows no form, but a sign alone is no number.
func (s *scanner) number(i int) int {
	first := s.at(i)
	end := i
	for isNumeric(s.at(end)) {
		end++
	}
	switch {
	case '0' <= first && first <= '9', first == '-' && end > i+1:
		return end
	default:
		return unknown
	}
}

func isNumeric(c byte) bool {
	return '0' <= c && c <= '9' || c == '.' || c == '-' || c == 'e' || c == 'E' || c == '+'
}

// text returns the index of the quote that ends the string whose first byte is at i, or -1, and whether there is an escape in it. It
// looks at eight bytes at a time: in x^quotes a quote is a zero byte, and the lowest top bit of (x-ones)&^x is that of a zero byte.
func (s *scanner) text(i int) (end int, escaped bool) {
	const (
		ones    = 0x0101010101010101
		tops    = 0x80 * ones
		quotes  = '"' * ones
		slashes = '\\' * ones
	)
	data := s.data
	for len(data)-i >= 8 {
		x := binary.LittleEndian.Uint64(data[i:])
		q, b := x^quotes, x^slashes
		found := ((q-ones)&^q | (b-ones)&^b) & tops
		if found == 0 {
			i += 8
			continue
		}
		i += bits.TrailingZeros64(found) / 8
		if data[i] == '"' {
			return i, escaped
		}
		escaped = true
		i += 2 // an escaped quote ends nothing
	}
	for ; i < len(data); i++ {
		switch data[i] {
		case '"':
			return i, escaped
		case '\\':
			escaped = true
			i++
		}
	}
	return unknown, escaped
}
