package mockserver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// schema is the part of JSON Schema that descriptions of tools use. What else a schema may
// demand, a pattern for example, is not regarded.
type schema struct {
	never       bool // it is false, which nothing satisfies
	types       []string
	properties  map[string]*schema
	required    []string
	items       *schema   // nil for anything
	first       []*schema // of the first items
	minItems    float64
	maxItems    *float64
	unique      bool
	minLength   float64
	maxLength   *float64
	format      string
	minimum     *float64
	above       *float64 // exclusiveMinimum
	maximum     *float64
	below       *float64 // exclusiveMaximum
	multipleOf  float64
	values      [][]literal // of enum and of const: it is one of each
	anyOf       []*schema
	oneOf       []*schema
	allOf       []*schema
	ref         string
	referred    *schema // once it was looked for
	definitions map[string]*schema
}

// literal is a value that a schema spells out.
type literal struct {
	text  json.RawMessage
	value any
}

// The limits of a schema.
const (
	mostSchemaBytes = 1 << 20
	mostSchemas     = 10_000 // in one, and values of enum
	deepestSchema   = 100
	mostTypes       = 20 // there are 7
)

var errTooMany = fmt.Errorf("more than %d schemas and values are in one schema", mostSchemas)

// readSchema decodes a schema in a time that grows with its size alone: no part of it is read
// again for each level that it is under. The document must be valid JSON.
func readSchema(document []byte) (*schema, error) {
	if len(document) > mostSchemaBytes {
		return nil, fmt.Errorf("the schema has %d bytes: at most %d are allowed", len(document), mostSchemaBytes)
	}
	r := schemaReader{decoder: json.NewDecoder(bytes.NewReader(document))}
	return r.schema()
}

// schemaReader reads schemas from a stream of JSON.
type schemaReader struct {
	decoder *json.Decoder
	depth   int
	count   int
}

func (r *schemaReader) schema() (*schema, error) {
	token, err := r.decoder.Token()
	if err != nil {
		return nil, err
	}
	return r.schemaAt(token)
}

// schemaAt reads the schema that begins with a token.
func (r *schemaReader) schemaAt(token json.Token) (*schema, error) {
	if r.count++; r.count > mostSchemas {
		return nil, errTooMany
	}
	if r.depth++; r.depth > deepestSchema {
		return nil, fmt.Errorf("schemas are nested more than %d deep", deepestSchema)
	}
	defer func() { r.depth-- }()
	s := new(schema)
	switch token {
	case nil, true:
		return s, nil
	case false:
		s.never = true
		return s, nil
	case json.Delim('{'):
		return s, r.members(func(name string) error { return r.keyword(s, name) })
	default:
		return nil, errors.New("a schema must be an object or a bool")
	}
}

// members reads an object whose first token has been read.
func (r *schemaReader) members(read func(name string) error) error {
	for r.decoder.More() {
		token, err := r.decoder.Token()
		if err != nil {
			return err
		}
		name := token.(string) // in a document that is valid
		if err := read(name); err != nil {
			return within(name, err)
		}
	}
	_, err := r.decoder.Token()
	return err
}

// within says where in a schema an error is.
func within(name string, err error) error {
	var mistyped *json.UnmarshalTypeError
	if errors.As(err, &mistyped) {
		return fmt.Errorf("%s must not be a JSON %s", name, mistyped.Value)
	}
	return fmt.Errorf("%s: %w", name, err)
}

func (r *schemaReader) keyword(s *schema, name string) (err error) {
	switch name {
	case "properties":
		s.properties, err = r.named(s.properties)
	case "$defs", "definitions":
		s.definitions, err = r.named(s.definitions)
	case "items":
		err = r.items(s)
	case "prefixItems":
		s.first, err = r.list()
	case "anyOf":
		s.anyOf, err = r.list()
	case "oneOf":
		s.oneOf, err = r.list()
	case "allOf":
		s.allOf, err = r.list()
	case "type":
		s.types, err = r.types()
	case "const", "enum":
		err = r.literals(s, name == "const")
	default:
		err = r.decoder.Decode(s.member(name))
	}
	return err
}

// member is where a keyword that holds no schema is kept.
func (s *schema) member(name string) any {
	switch name {
	case "required":
		return &s.required
	case "minItems":
		return &s.minItems
	case "maxItems":
		return &s.maxItems
	case "uniqueItems":
		return &s.unique
	case "minLength":
		return &s.minLength
	case "maxLength":
		return &s.maxLength
	case "format":
		return &s.format
	case "minimum":
		return &s.minimum
	case "exclusiveMinimum":
		return &s.above
	case "maximum":
		return &s.maximum
	case "exclusiveMaximum":
		return &s.below
	case "multipleOf":
		return &s.multipleOf
	case "$ref":
		return &s.ref
	default:
		return new(json.RawMessage) // not regarded
	}
}

// open reads the token that begins an object or a list. It reports false for null.
func (r *schemaReader) open(want json.Delim) (bool, error) {
	token, err := r.decoder.Token()
	switch {
	case err != nil || token == nil:
		return false, err
	case token != want:
		return false, fmt.Errorf("must begin with %v", want)
	}
	return true, nil
}

// named reads schemas with names and adds them to those that there are.
func (r *schemaReader) named(all map[string]*schema) (map[string]*schema, error) {
	if opened, err := r.open('{'); !opened {
		return all, err
	}
	if all == nil {
		all = make(map[string]*schema)
	}
	return all, r.members(func(name string) (err error) {
		all[name], err = r.schema()
		return err
	})
}

func (r *schemaReader) list() ([]*schema, error) {
	if opened, err := r.open('['); !opened {
		return nil, err
	}
	return r.rest()
}

// rest reads a list whose first token has been read.
func (r *schemaReader) rest() (all []*schema, err error) {
	for r.decoder.More() {
		s, err := r.schema()
		if err != nil {
			return nil, within(strconv.Itoa(len(all)), err)
		}
		all = append(all, s)
	}
	_, err = r.decoder.Token()
	return all, err
}

// items reads one schema for all items or, as older versions of JSON Schema have it, a list for
// the first.
func (r *schemaReader) items(s *schema) error {
	token, err := r.decoder.Token()
	if err != nil {
		return err
	}
	if token == json.Delim('[') {
		s.first, err = r.rest()
		return err
	}
	s.items, err = r.schemaAt(token)
	return err
}

// types reads a name or a list of names.
func (r *schemaReader) types() ([]string, error) {
	var sent json.RawMessage
	if err := r.decoder.Decode(&sent); err != nil {
		return nil, err
	}
	if sent[0] == '[' {
		var several []string
		err := json.Unmarshal(sent, &several)
		if len(several) > mostTypes {
			return nil, fmt.Errorf("at most %d types are allowed", mostTypes)
		}
		return several, err
	}
	var one string
	if err := json.Unmarshal(sent, &one); err != nil || one == "" {
		return nil, err
	}
	return []string{one}, nil
}

// literals reads the value of const or the list of them of enum.
func (r *schemaReader) literals(s *schema, single bool) error {
	sent := make([]json.RawMessage, 1)
	var err error
	if single {
		err = r.decoder.Decode(&sent[0])
	} else {
		err = r.decoder.Decode(&sent)
	}
	if err != nil || len(sent) == 0 {
		return err
	}
	if r.count += len(sent); r.count > mostSchemas {
		return errTooMany
	}
	all := make([]literal, len(sent))
	for k, text := range sent {
		if err := json.Unmarshal(text, &all[k].value); err != nil {
			return err
		}
		all[k].text = text
	}
	s.values = append(s.values, all)
	return nil
}

// pointed is the schema that a reference into s names, or nil.
func (s *schema) pointed(to string) *schema {
	steps := strings.Split(to, "/")
	if steps[0] != "#" {
		return nil
	}
	for k := 1; k < len(steps) && s != nil; k++ {
		step, name := steps[k], ""
		if step != "items" {
			if k++; k == len(steps) {
				return nil
			}
			name = strings.NewReplacer("~1", "/", "~0", "~").Replace(steps[k])
		}
		s = s.child(step, name)
	}
	return s
}

func (s *schema) child(step, name string) *schema {
	at := func(all []*schema) *schema {
		if k, err := strconv.Atoi(name); err == nil && k >= 0 && k < len(all) {
			return all[k]
		}
		return nil
	}
	switch step {
	case "$defs", "definitions":
		return s.definitions[name]
	case "properties":
		return s.properties[name]
	case "items":
		return s.items
	case "prefixItems":
		return at(s.first)
	case "anyOf":
		return at(s.anyOf)
	case "oneOf":
		return at(s.oneOf)
	case "allOf":
		return at(s.allOf)
	default:
		return nil
	}
}
