package dataset

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// ParseFormat reads the name of a format; "" has it detected. The error quotes the name and says which there are.
func ParseFormat(name string) (Format, error) {
	f := Format(name)
	if f == "" || slices.Contains(Formats(), f) {
		return f, nil
	}
	if name == "multi_turn" {
		return "", fmt.Errorf("%q: %s", name, notFollowed)
	}
	names := make([]string, 0, len(Formats()))
	for _, f := range Formats() {
		names = append(names, string(f))
	}
	last := len(names) - 1
	return "", fmt.Errorf("%q: must be %s or %s", name, strings.Join(names[:last], ", "), names[last])
}

// Detect says in which format a file is, and by what it shows, from its beginning.
func Detect(file io.Reader) (format Format, why string, err error) {
	in := bufio.NewReaderSize(io.LimitReader(file, maxRecord), 64<<10)
	head, err := in.Peek(in.Size())
	if err != nil && !errors.Is(err, io.EOF) {
		return "", "", err
	}
	head = bytes.TrimLeft(bytes.TrimPrefix(head, []byte(mark)), blanks)
	if packed := compression(head); packed != "" {
		return "", "", fmt.Errorf("is compressed (%s): unpack it first", packed)
	}
	switch {
	case len(head) == 0:
		return "", "", errors.New("is empty")
	case head[0] == '[':
		return ShareGPT, "it is a JSON array", nil
	case head[0] == '{':
		for c, _ := in.Peek(1); c[0] != '{'; c, _ = in.Peek(1) {
			_, _ = in.Discard(1) // it was there when peeked at
		}
		return ofObject(json.NewDecoder(in))
	}
	line, _, _ := bytes.Cut(head, []byte("\n"))
	if names, err := csv.NewReader(bytes.NewReader(line)).Read(); err == nil {
		if _, err := header(names); err == nil {
			return BurstGPT, "of its columns", nil
		}
	}
	return "", "", fmt.Errorf("%s: is neither JSON nor a table with the columns of %s: %s", excerpt(line), BurstGPT, nameForm)
}

// compression is how a file is packed; "": it is not.
func compression(head []byte) string {
	for magic, name := range map[string]string{"\x1f\x8b": "gzip", "\x28\xb5\x2f\xfd": "zstd", "PK\x03\x04": "zip", "PAR1": "parquet", "BZh": "bzip2", "\xfd7zXZ": "xz"} {
		if strings.HasPrefix(string(head), magic) {
			return name
		}
	}
	return ""
}

// ofObject goes by the keys of the first object.
func ofObject(decoder *json.Decoder) (Format, string, error) {
	keys := map[string]string{}
	_, err := decoder.Token()
	for err == nil && decoder.More() {
		var key json.Token
		if key, err = decoder.Token(); err != nil {
			break
		}
		if key == "data" {
			if token, _ := decoder.Token(); token == json.Delim('[') {
				return Inputs, `its "data" is a list`, nil
			}
			break
		}
		var value json.RawMessage
		err = decoder.Decode(&value)
		keys[fmt.Sprint(key)] = string(value)
	}
	format, by := ofKeys(keys)
	if _, turns := keys["turns"]; turns && format == "" {
		return "", "", fmt.Errorf("its first record has turns: %s", notFollowed)
	}
	if format == "" {
		names := make([]string, 0, len(keys))
		for key := range keys {
			names = append(names, key)
		}
		slices.Sort(names)
		return "", "", fmt.Errorf("%w of its first record (%s): %s", errKeys, excerpt([]byte(strings.Join(names, ", "))), nameForm)
	}
	return format, by, nil
}

// notFollowed is said of AIPerf's multi_turn.
const notFollowed = "conversations are not followed, each record is a request of its own: write the turns as records of single_turn"

// nameForm is what to do about a file that looks like none.
const nameForm = `write a prompt a line as {"text": "..."}, or name its form with -custom-dataset-type`

var errKeys = errors.New("no form of a dataset is known by the keys")

// ofKeys goes by the keys of a record and their values, as JSON.
func ofKeys(keys map[string]string) (format Format, why string) {
	if kind := Format(strings.Trim(keys["type"], `"`)); slices.Contains(Formats(), kind) {
		return kind, `the first record's "type" says so`
	}
	some := func(names ...string) string {
		for _, name := range names {
			if _, there := keys[name]; there {
				return name
			}
		}
		return ""
	}
	by := func(key string) string { return fmt.Sprintf("the first record has the key %q", key) }
	if key := some("conversations"); key != "" {
		return ShareGPT, by(key)
	}
	if key := some("messages", "prompt"); key != "" && some("model") != "" {
		return RawPayload, by(key) + ` beside "model"`
	}
	if key := some("input_length", "hash_ids", "text_input", "messages", "payload"); key != "" {
		return Mooncake, by(key)
	}
	if key := some("text", "texts"); key != "" {
		return SingleTurn, by(key)
	}
	return "", ""
}

// keysOf are the keys of a record and their values.
func keysOf(raw []byte) map[string]string {
	keys := map[string]string{}
	_ = object(raw, func(key, value []byte) error {
		keys[string(key)] = string(value)
		return nil
	})
	return keys
}
