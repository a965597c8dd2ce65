package harness

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// config is what the file of -config says: YAML with the names of flags as keys and, as values, what the flags would be given.
type config struct {
	path    string // as it was given; "": there is no file
	options map[string]configured
}

// configured is what the file says of one option.
type configured struct {
	values []string
	line   int
}

// mostConfig bounds a configuration file: what is larger is something else.
const mostConfig = 1 << 20

// readConfig reads a configuration file. Beside an error that is about single keys, each with its line, there is what the others say.
func readConfig(path string) (*config, error) {
	file, err := os.Open(Resolve(path))
	if err != nil {
		return nil, fmt.Errorf("config %q cannot be read: %w", path, missing(path, cause(err)))
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, mostConfig+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("config %q cannot be read: %w", path, err)
	case len(data) > mostConfig:
		return nil, fmt.Errorf("config %q: is larger than %d bytes: it is no file of flags", path, mostConfig)
	}
	return parseConfig(path, data)
}

// documentEnd is YAML's own mark. What go test prints after the configuration of -print-config is no part of it.
var documentEnd = regexp.MustCompile(`(?m)^\.\.\.[ \t\r]*$`)

func parseConfig(path string, data []byte) (*config, error) {
	if end := documentEnd.FindIndex(data); end != nil {
		data = data[:end[0]]
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document yaml.Node
	if err := decoder.Decode(&document); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("config %q is not YAML: %w", path, err)
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("config %q has a second YAML document: put all flags into one", path)
	}
	c := &config{path: path, options: map[string]configured{}}
	if len(document.Content) == 0 || document.Content[0].ShortTag() == "!!null" {
		return c, nil // all of it is comments
	}
	root := document.Content[0]
	if root.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s:%d: must be names of flags with their values, such as isl: 500", path, root.Line)
	}
	var problems []error
	for pair := range slices.Chunk(root.Content, 2) {
		if err := c.add(pair[0], pair[1]); err != nil {
			problems = append(problems, fmt.Errorf("%s:%d: %w", path, pair[0].Line, err))
		}
	}
	return c, errors.Join(problems...)
}

// add takes a key and its value. The error does not quote the value, which may be a secret.
func (c *config) add(key, value *yaml.Node) error {
	o, known := optionNamed(key.Value)
	earlier, twice := c.options[o.name]
	switch {
	case !known:
		return fmt.Errorf("key %q: is no flag of llmsweep%s", key.Value, suggest(key.Value, flagNames()))
	case o.commandLine:
		return fmt.Errorf("key %q: is for the command line and the environment only", key.Value)
	case twice:
		return fmt.Errorf("key %q: is there twice, first in line %d", key.Value, earlier.line)
	}
	values, err := o.texts(value)
	if err == nil && slices.ContainsFunc(values, func(v string) bool { return strings.Contains(v, redacted) }) {
		err = errors.New("has " + redacted + " in place of a secret: write it out; the value of a header may be env:NAME")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", key.Value, err)
	}
	c.options[o.name] = configured{values: values, line: key.Line}
	return nil
}

// lookup returns what the file says of an option, and where, as errors say it.
func (c *config) lookup(name string) (values []string, source string, told bool) {
	if c == nil {
		return nil, "", false
	}
	said, told := c.options[name]
	return said.values, fmt.Sprintf("%s:%d: %s", c.path, said.line, name), told
}

// texts returns what the flag would be given for a value of the file.
func (o option) texts(value *yaml.Node) ([]string, error) {
	switch {
	case value.Kind == yaml.SequenceNode && len(value.Content) == 0, value.Kind == yaml.MappingNode && len(value.Content) == 0:
		return nil, errors.New("is empty: leave the key out for the default")
	case value.Kind == yaml.SequenceNode && o.repeat != "":
		var all []string
		for _, item := range value.Content {
			texts, err := o.item(item)
			if err != nil {
				return nil, err
			}
			all = append(all, texts...)
		}
		return all, nil
	case value.Kind == yaml.SequenceNode && o.list != "":
		var items []string
		for _, item := range value.Content {
			text, err := scalarText(item)
			if err != nil {
				return nil, err
			}
			items = append(items, text)
		}
		return []string{strings.Join(items, o.list)}, nil
	}
	return o.item(value)
}

// item returns the texts of one value: several for a mapping that stands for pairs.
func (o option) item(value *yaml.Node) ([]string, error) {
	switch {
	case value.Kind == yaml.MappingNode && o.pairs == jsonPairs:
		object, err := jsonOf(value)
		return []string{object}, err
	case value.Kind == yaml.MappingNode && o.pairs != "":
		var all []string
		for pair := range slices.Chunk(value.Content, 2) {
			text, err := scalarText(pair[1])
			if err != nil {
				return nil, err
			}
			all = append(all, pair[0].Value+o.pairs+text)
		}
		return all, nil
	}
	text, err := scalarText(value)
	if err != nil {
		return nil, err
	}
	return []string{text}, nil
}

// scalarText is a single value as a flag would have it: the text of the file, so that no number is rounded.
func scalarText(value *yaml.Node) (string, error) {
	switch value.Kind {
	case yaml.ScalarNode:
	case yaml.AliasNode:
		return "", fmt.Errorf("*%s: write the value out: a file of flags has no aliases", value.Value)
	case yaml.SequenceNode:
		return "", errors.New("must be one value, not a list")
	default:
		return "", errors.New("must be a value, not keys with values")
	}
	switch tag := value.ShortTag(); tag {
	case "!!str", "!!int", "!!float", "!!bool", "!!timestamp", "!!merge":
		return value.Value, nil
	case "!!null":
		return "", errors.New("has no value: leave the key out for the default")
	default:
		return "", fmt.Errorf("has the tag %s: must be plain text, a number, true or false", tag)
	}
}

// jsonOf is a value of the file as JSON.
func jsonOf(value *yaml.Node) (string, error) {
	plain, err := plainValue(value)
	if err != nil {
		return "", err
	}
	data, err := json.Marshal(plain)
	if err != nil {
		return "", fmt.Errorf("cannot be written as JSON: %w", err)
	}
	return string(data), nil
}

// plainValue is a value of the file as encoding/json takes it. Numbers keep their digits: a float64 would round a large id or seed.
func plainValue(value *yaml.Node) (any, error) {
	switch value.Kind {
	case yaml.MappingNode:
		object := map[string]any{}
		for pair := range slices.Chunk(value.Content, 2) {
			name := pair[0].Value
			if _, twice := object[name]; twice {
				return nil, fmt.Errorf("field %q: is there twice", name)
			}
			member, err := plainValue(pair[1])
			if err != nil {
				return nil, err
			}
			object[name] = member
		}
		return object, nil
	case yaml.SequenceNode:
		array := []any{}
		for _, item := range value.Content {
			element, err := plainValue(item)
			if err != nil {
				return nil, err
			}
			array = append(array, element)
		}
		return array, nil
	}
	tag := value.ShortTag()
	if tag == "!!null" {
		return nil, nil
	}
	text, err := scalarText(value)
	switch {
	case err != nil || tag == "!!str" || tag == "!!timestamp":
		return text, err
	case tag != "!!bool" && json.Valid([]byte(text)):
		return json.Number(text), nil
	}
	var plain any
	err = value.Decode(&plain)
	return plain, err
}
