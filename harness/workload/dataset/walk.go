package dataset

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// The walk over JSON takes valid JSON only, so that it need not look for mistakes: encoding/json does that before. It copies nothing, which a
// decoder would, and so takes the first pass through a file at the pace of that check.

// readable says what is wrong with the bytes of a record.
func readable(raw []byte, decoded bool) error {
	switch {
	case !utf8.Valid(raw):
		return errors.New("is not UTF-8")
	case !decoded && !json.Valid(raw):
		var v json.RawMessage
		return fmt.Errorf("is not JSON: %w", json.Unmarshal(raw, &v))
	}
	return nil
}

// object calls field with each key of an object and its value, and stops at the first error.
func object(data []byte, field func(key, value []byte) error) error {
	i := space(data, 1)
	for data[i] != '}' {
		end := valueEnd(data, i)
		key := data[i+1 : end-1]
		if bytes.IndexByte(key, '\\') >= 0 {
			key = []byte(unquoted(data[i:end]))
		}
		i = space(data, space(data, end)+1) // past the colon
		end = valueEnd(data, i)
		if err := field(key, data[i:end]); err != nil {
			return err
		}
		if i = space(data, end); data[i] == ',' {
			i = space(data, i+1)
		}
	}
	return nil
}

// array calls element with each element of an array, and stops at the first error.
func array(data []byte, element func(value []byte) error) error {
	i := space(data, 1)
	for data[i] != ']' {
		end := valueEnd(data, i)
		if err := element(data[i:end]); err != nil {
			return err
		}
		if i = space(data, end); data[i] == ',' {
			i = space(data, i+1)
		}
	}
	return nil
}

// space returns where the white space at i ends.
func space(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\n' || data[i] == '\r' || data[i] == '\t') {
		i++
	}
	return i
}

// valueEnd returns where the value that begins at i ends.
func valueEnd(data []byte, i int) int {
	switch data[i] {
	case '"':
		return stringEnd(data, i)
	case '{', '[':
		return nestEnd(data, i)
	}
	for i < len(data) && !bytes.ContainsRune([]byte(",]} \n\r\t"), rune(data[i])) {
		i++
	}
	return i
}

func nestEnd(data []byte, i int) int {
	for depth := 0; ; {
		switch data[i] {
		case '"':
			i = stringEnd(data, i)
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
		i++
	}
}

func stringEnd(data []byte, i int) int {
	for i++; ; i++ {
		i += bytes.IndexByte(data[i:], '"')
		slashes := 0
		for data[i-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return i + 1
		}
	}
}

// unquoted is the text of a string literal.
func unquoted(literal []byte) string {
	if bytes.IndexByte(literal, '\\') < 0 {
		return string(literal[1 : len(literal)-1])
	}
	var text string
	_ = json.Unmarshal(literal, &text) // it is valid
	return text
}

// The kinds of a value, by its first byte. No value is of none.

func isString(raw []byte) bool { return begins(raw, '"') }
func isObject(raw []byte) bool { return begins(raw, '{') }
func isArray(raw []byte) bool  { return begins(raw, '[') }
func isNull(raw []byte) bool   { return begins(raw, 'n') }

func begins(raw []byte, with byte) bool { return len(raw) > 0 && raw[0] == with }
