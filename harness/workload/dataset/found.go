package dataset

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// found is what a record holds. The values are JSON as it stands in the record, nil where there is none: nothing is copied until an entry is made.
type found struct {
	kind, session, mode                  []byte
	text, texts, role                    []byte
	messages, tools, body, extra, answer []byte
	hashIDs, inputLength, outputLength   []byte
	timestamp, delay, conversations      []byte

	rest                              []byte // where values go that are of no interest; it stays nil
	n, maxTokens, maxCompletionTokens []byte // of a body

	input, output int
	at            time.Duration

	// ignored is told each key that the format does not know, or that means nothing here; nil: nobody asks.
	ignored func(key []byte)
}

// read puts the values of an object where slot wants them. Null is no value, and no key may stand twice.
func (f *found) read(raw []byte, slot func(f *found, key string) *[]byte) error {
	if !isObject(raw) {
		return fmt.Errorf("%s: must be an object", excerpt(raw))
	}
	var nulls []*[]byte
	err := object(raw, func(key, value []byte) error {
		at := slot(f, string(key))
		switch {
		case at == nil && f.ignored != nil:
			f.ignored(key)
		case at == nil || at == &f.rest:
		case *at != nil:
			return fmt.Errorf("key %q: stands twice", key)
		default:
			if *at = value; isNull(value) {
				nulls = append(nulls, at)
			}
		}
		return nil
	})
	for _, at := range nulls {
		*at = nil
	}
	return err
}

// of checks the key by which a record may name its format.
func (f *found) of(format Format) error {
	if f.kind != nil && unquotedOr(f.kind) != string(format) {
		return fmt.Errorf("type %s: must be %s, as that of the file", excerpt(f.kind), format)
	}
	return nil
}

func unquotedOr(raw []byte) string {
	if isString(raw) {
		return unquoted(raw)
	}
	return ""
}

// count reads a whole number of tokens, least to maxTokens. 40.0 is one too: tables are often written so.
func count[T string | []byte](key string, raw T, least int) (int, error) {
	n, err := strconv.Atoi(string(raw))
	if x, failed := strconv.ParseFloat(string(raw), 64); err != nil && failed == nil && x == math.Trunc(x) && math.Abs(x) < 1e15 {
		n, err = int(x), nil
	}
	switch {
	case err != nil:
		return 0, fmt.Errorf("%s %s: must be a whole number", key, excerpt([]byte(raw)))
	case n < least:
		return 0, fmt.Errorf("%s %s: must be at least %d", key, excerpt([]byte(raw)), least)
	case n > maxTokens:
		return 0, fmt.Errorf("%s %s: must be at most %d", key, excerpt([]byte(raw)), maxTokens)
	}
	return n, nil
}

// instant reads a time since the trace's zero, in units of unit.
func instant[T string | []byte](key string, raw T, unit time.Duration) (time.Duration, error) {
	if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil && n >= 0 && n <= math.MaxInt64/int64(unit) {
		return time.Duration(n) * unit, nil
	}
	x, err := strconv.ParseFloat(string(raw), 64)
	switch ns := math.Round(x * float64(unit)); {
	case err != nil && !errors.Is(err, strconv.ErrRange) || math.IsNaN(x):
		return 0, fmt.Errorf("%s %s: must be a number", key, excerpt([]byte(raw)))
	case x < 0:
		return 0, fmt.Errorf("%s %s: must not be negative", key, excerpt([]byte(raw)))
	case ns >= math.MaxInt64:
		return 0, fmt.Errorf("%s %s: is too large: it would be centuries", key, excerpt([]byte(raw)))
	default:
		return time.Duration(ns), nil
	}
}

// lengths reads what most formats share: the output's length, the timestamp and further fields.
func (f *found) lengths() (err error) {
	f.at = Never
	if f.outputLength != nil {
		if f.output, err = count("output_length", f.outputLength, 1); err != nil {
			return err
		}
	}
	if f.timestamp != nil {
		if f.at, err = instant("timestamp", f.timestamp, time.Millisecond); err != nil {
			return err
		}
	}
	if f.delay != nil {
		delay, err := instant("delay", f.delay, time.Millisecond)
		if err != nil {
			return err
		}
		if delay > 0 && f.at > 0 {
			return errors.New("timestamp and delay cannot stand together")
		}
	}
	return f.further()
}

// further checks the object of further fields of the body.
func (f *found) further() error {
	if f.extra == nil {
		return nil
	}
	if !isObject(f.extra) {
		return fmt.Errorf("extra %s: must be an object", excerpt(f.extra))
	}
	return object(f.extra, func(key, _ []byte) error {
		switch string(key) {
		case "messages", "prompt", "model", "stream", "n":
			return fmt.Errorf("extra %q: cannot be set this way", key)
		case "max_tokens", "max_completion_tokens":
			return fmt.Errorf("extra %q: cannot be set this way: use output_length", key)
		}
		return nil
	})
}

// aside tells who asks of keys that mean something in AIPerf but nothing here.
func (f *found) aside() {
	if f.ignored == nil {
		return
	}
	if f.session != nil {
		f.ignored([]byte("session_id"))
	}
	if f.delay != nil {
		f.ignored([]byte("delay"))
	}
}

// eachText calls yield with the string literals of texts, which is a list of strings or of objects with contents.
func (f *found) eachText(yield func(literal []byte)) error {
	if !isArray(f.texts) {
		return fmt.Errorf("texts %s: must be a list", excerpt(f.texts))
	}
	return array(f.texts, func(element []byte) error {
		if isString(element) {
			yield(element)
			return nil
		}
		contents := []byte(nil)
		if isObject(element) {
			_ = object(element, func(key, value []byte) error {
				if string(key) == "contents" {
					contents = value
				}
				return nil
			})
		}
		if !isArray(contents) {
			return fmt.Errorf("texts: %s: must be a string, or an object with a list of contents", excerpt(element))
		}
		return array(contents, func(content []byte) error {
			if !isString(content) {
				return fmt.Errorf("texts: contents: %s: must be a string", excerpt(content))
			}
			yield(content)
			return nil
		})
	})
}

// chat checks a list of chat messages.
func chat(messages []byte) error {
	if !isArray(messages) {
		return fmt.Errorf("messages %s: must be a list", excerpt(messages))
	}
	n := 0
	err := array(messages, func(message []byte) error {
		n++
		role := false
		if isObject(message) {
			_ = object(message, func(key, value []byte) error {
				role = role || string(key) == "role" && isString(value)
				return nil
			})
		}
		if !role {
			return fmt.Errorf("messages: number %d: must be an object with a role", n)
		}
		return nil
	})
	if err == nil && n == 0 {
		return errors.New("messages: must not be empty")
	}
	return err
}

// text checks that a value is a string.
func text(key string, raw []byte) error {
	if raw != nil && !isString(raw) {
		return fmt.Errorf("%s %s: must be a string", key, excerpt(raw))
	}
	return nil
}

// blocks checks the ids of a prompt's blocks, by AIPerf's rule: all but the last are full.
func (f *found) blocks() error {
	if !isArray(f.hashIDs) {
		return fmt.Errorf("hash_ids %s: must be a list", excerpt(f.hashIDs))
	}
	n := 0
	err := array(f.hashIDs, func(id []byte) error {
		n++
		if _, err := strconv.ParseUint(string(id), 10, 64); err != nil {
			return fmt.Errorf("hash_ids: %s: must be a whole number from 0 to %d", excerpt(id), uint64(math.MaxUint64))
		}
		return nil
	})
	if last := f.input - (n-1)*BlockTokens; err == nil && n > 0 && (last < 1 || last > BlockTokens) {
		return fmt.Errorf("input_length %d and %d hash_ids do not fit: each id stands for %d tokens, the last for 1 to %d", f.input, n, BlockTokens, BlockTokens)
	}
	return err
}

// entry copies what was found.
func (f *found) entry() *Entry {
	e := &Entry{
		Messages: bytes.Clone(f.messages), Tools: bytes.Clone(f.tools), Body: bytes.Clone(f.body), Extra: bytes.Clone(f.extra),
		InputTokens: f.input, OutputTokens: f.output, Timestamp: f.at,
	}
	if f.role != nil {
		e.Role = unquoted(f.role)
	}
	if f.answer != nil {
		e.Answer = unquoted(f.answer)
	}
	if f.text != nil {
		e.Texts = []string{unquoted(f.text)}
	}
	if f.texts != nil {
		_ = f.eachText(func(literal []byte) { // it was checked
			if len(literal) > len(`""`) {
				e.Texts = append(e.Texts, unquoted(literal))
			}
		})
	}
	if f.hashIDs != nil {
		e.HashIDs = slices.Grow(e.HashIDs, bytes.Count(f.hashIDs, []byte(","))+1)
		_ = array(f.hashIDs, func(id []byte) error {
			n, _ := strconv.ParseUint(string(id), 10, 64)
			e.HashIDs = append(e.HashIDs, n)
			return nil
		})
	}
	return e
}
