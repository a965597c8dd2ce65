package cmd

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// override sets flags from a file of -extra-engine-args: an object whose keys are the flags' names with underscores.
func (s *settings) override(path string) error {
	data, err := s.readFile(path)
	if err != nil {
		return fmt.Errorf("extra-engine-args: %w", err)
	}
	fail := func(err error) error { return fmt.Errorf("extra-engine-args %q: %w", s.resolve(path), err) }
	object, err := parseObject(data)
	if err != nil {
		return fail(err)
	}
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(object)) {
		errs = append(errs, s.overrideKey(key, object[key], fail)...)
	}
	return errors.Join(errs...)
}

// overrideKey sets the flag of a key, or the flags of a nested object.
func (s *settings) overrideKey(key string, value json.RawMessage, fail func(error) error) []error {
	if key != "sglang" && key != "trtllm" {
		if err := s.overrideFlag(key, value); err != nil {
			return []error{fail(fmt.Errorf("key %q: %w", key, err))}
		}
		return nil
	}
	nested, err := parseObject(value)
	if err != nil {
		return []error{fail(fmt.Errorf("key %q: %w", key, err))}
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(nested)) {
		if err := s.overrideFlag(key+"_"+name, nested[name]); err != nil {
			errs = append(errs, fail(fmt.Errorf("key %q in %q: %w", name, key, err)))
		}
	}
	return errs
}

func (s *settings) overrideFlag(key string, value json.RawMessage) error {
	if err := refusedKey(key); err != nil {
		return err
	}
	name := strings.ReplaceAll(key, "_", "-")
	// The names of Dynamo's engine where they differ from those of its command line.
	switch name {
	case "num-gpu-blocks":
		name = "num-gpu-blocks-override"
	case "dp-size":
		name = "data-parallel-size"
	}
	if slices.Contains(s.foreign, name) {
		return errors.New("is for the command line only: this file is about engines")
	}
	known := s.flags.Lookup(name) != nil && !strings.HasPrefix(name, off) && name != "extra-engine-args"
	if !known || strings.Contains(key, "-") {
		return errors.New("is unknown" + strings.ReplaceAll(s.flags.nearest(name), "-", "_"))
	}
	text, err := flagText(value)
	if err != nil || text == "" {
		return err
	}
	if err := s.flags.Set(name, text); err != nil {
		return fmt.Errorf("value %s: %w", value, err)
	}
	return nil
}

// flagText is a JSON value as one would write it on the command line; null is nothing.
func flagText(value json.RawMessage) (string, error) {
	switch {
	case bytes.Equal(value, []byte("null")):
		return "", nil
	case value[0] == '"':
		var text string
		err := json.Unmarshal(value, &text)
		return text, err
	case value[0] == '[':
		var list []json.Number
		if err := json.Unmarshal(value, &list); err != nil {
			return "", fmt.Errorf("value %s: must be a list of numbers", value)
		}
		texts := make([]string, len(list))
		for k, x := range list {
			texts[k] = x.String()
		}
		return strings.Join(texts, ","), nil
	}
	return string(value), nil
}

// parseObject reads one JSON object and nothing behind it. A key that is there twice is an error, since one of both would be ignored.
func parseObject(data []byte) (map[string]json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	if token, err := d.Token(); err != nil || token != json.Delim('{') {
		return nil, errors.New("must be a JSON object")
	}
	object := map[string]json.RawMessage{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("must be a JSON object: %w", err)
		}
		key := token.(string) // a decoder lets no other kind of key pass
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, fmt.Errorf("must be a JSON object: key %q: %w", key, err)
		}
		if _, twice := object[key]; twice {
			return nil, fmt.Errorf("key %q is there twice", key)
		}
		object[key] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, fmt.Errorf("must be a JSON object: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("must be one JSON object, with nothing behind it")
	}
	return object, nil
}
