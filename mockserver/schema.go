package mockserver

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strings"
)

// schema is the part of JSON Schema that descriptions of tools use. Instances of it
// are as simple as it allows: what else a schema may demand, a pattern for example, is
// not regarded.
type schema struct {
	Type        json.RawMessage    `json:"type"` // a string or a list of them
	Properties  map[string]*schema `json:"properties"`
	Required    []string           `json:"required"`
	Items       *schema            `json:"items"`
	MinItems    int                `json:"minItems"`
	MinLength   int                `json:"minLength"`
	MaxLength   *int               `json:"maxLength"`
	Format      string             `json:"format"`
	Minimum     *float64           `json:"minimum"`
	Above       *float64           `json:"exclusiveMinimum"`
	Maximum     *float64           `json:"maximum"`
	Below       *float64           `json:"exclusiveMaximum"`
	MultipleOf  float64            `json:"multipleOf"`
	Const       json.RawMessage    `json:"const"`
	Enum        []json.RawMessage  `json:"enum"`
	AnyOf       []*schema          `json:"anyOf"`
	OneOf       []*schema          `json:"oneOf"`
	AllOf       []*schema          `json:"allOf"`
	Ref         string             `json:"$ref"`
	Defs        map[string]*schema `json:"$defs"`
	Definitions map[string]*schema `json:"definitions"`
}

// maker makes an instance of a schema. What contains itself ends somewhere.
type maker struct {
	root  *schema // references are to it
	depth int
	left  int // values that may be made
}

const (
	deepest    = 16
	mostValues = 1000
)

// instance is a JSON value that satisfies the schema.
func (s *schema) instance() []byte {
	m := maker{root: s, left: mostValues}
	return m.value(s)
}

// UnmarshalJSON takes true and false, which are schemas too, for one that says nothing.
func (s *schema) UnmarshalJSON(data []byte) error {
	if data[0] != '{' {
		var anything bool
		return json.Unmarshal(data, &anything)
	}
	type plain schema
	return json.Unmarshal(data, (*plain)(s))
}

func (m *maker) value(s *schema) []byte {
	m.depth++
	m.left--
	defer func() { m.depth-- }()
	switch {
	case s == nil || m.depth > deepest || m.left < 0:
		return []byte("null")
	case s.Const != nil:
		return s.Const
	case len(s.Enum) > 0:
		return s.Enum[0]
	case s.Ref != "":
		return m.value(m.root.referred(s.Ref))
	}
	if alternatives := slices.Concat(s.AnyOf, s.OneOf, s.AllOf); len(alternatives) > 0 && s.Properties == nil {
		return m.value(alternatives[0])
	}
	return m.typed(s)
}

// typed is a value of the schema's type.
func (m *maker) typed(s *schema) []byte {
	switch s.kind() {
	case "object":
		return m.object(s)
	case "array":
		return m.array(s)
	case "integer":
		return number(math.Ceil(s.least(1)))
	case "number":
		return number(s.least(0.5))
	case "boolean":
		return []byte("true")
	case "null":
		return []byte("null")
	default:
		return quoted(s.text())
	}
}

func (s *schema) referred(to string) *schema {
	name := to[strings.LastIndexByte(to, '/')+1:]
	if to == "#" {
		return s
	}
	if found := s.Defs[name]; found != nil {
		return found
	}
	return s.Definitions[name]
}

// kind is the type of the instance, of several the first.
func (s *schema) kind() string {
	var one string
	var several []string
	switch {
	case json.Unmarshal(s.Type, &one) == nil:
		return one
	case json.Unmarshal(s.Type, &several) == nil && len(several) > 0:
		return several[0]
	case s.Properties != nil:
		return "object"
	case s.Items != nil:
		return "array"
	default:
		return "string"
	}
}

// object has the properties that are required, or all if none is.
func (m *maker) object(s *schema) []byte {
	names := s.Required
	if len(names) == 0 {
		names = slices.Sorted(maps.Keys(s.Properties))
	}
	members := make([][]byte, 0, len(names))
	for _, name := range names {
		property := s.Properties[name]
		if property == nil {
			property = new(schema)
		}
		members = append(members, slices.Concat(quoted(name), []byte(":"), m.value(property)))
	}
	return slices.Concat([]byte("{"), bytes.Join(members, []byte(",")), []byte("}"))
}

// array has as few items as are allowed, but one.
func (m *maker) array(s *schema) []byte {
	item := s.Items
	if item == nil {
		item = new(schema)
	}
	var all [][]byte
	for range min(max(1, s.MinItems), 100) {
		all = append(all, m.value(item))
	}
	return slices.Concat([]byte("["), bytes.Join(all, []byte(",")), []byte("]"))
}

// least is a number that the schema allows, wanted if it is one. The step to what a
// number must differ from is that of integers.
func (s *schema) least(wanted float64) float64 {
	n := wanted
	if s.Maximum != nil {
		n = min(n, *s.Maximum)
	}
	if s.Below != nil && n >= *s.Below {
		n = *s.Below - 1
	}
	if s.Minimum != nil {
		n = max(n, *s.Minimum)
	}
	if s.Above != nil && n <= *s.Above {
		n = *s.Above + 1
	}
	if s.MultipleOf > 0 {
		n = math.Ceil(n/s.MultipleOf) * s.MultipleOf
	}
	return n
}

func number(x float64) []byte {
	text, err := json.Marshal(x)
	if err != nil {
		panic(err) // JSON, where all of these numbers come from, has only finite ones
	}
	return text
}

// text is a string of the length and the commoner formats that the schema asks for.
func (s *schema) text() string {
	switch s.Format {
	case "date-time":
		return "2000-01-01T00:00:00Z"
	case "date":
		return "2000-01-01"
	case "time":
		return "00:00:00Z"
	case "email":
		return "someone@example.com"
	case "uri", "url":
		return "https://example.com"
	case "uuid":
		return "00000000-0000-4000-8000-000000000000"
	}
	text := "sample"
	if missing := min(s.MinLength, 1000) - len(text); missing > 0 {
		text += strings.Repeat("x", missing)
	}
	if s.MaxLength != nil && *s.MaxLength >= 0 && *s.MaxLength < len(text) {
		text = text[:*s.MaxLength]
	}
	return text
}
