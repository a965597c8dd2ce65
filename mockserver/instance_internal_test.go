package mockserver

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// object is a schema or a value as package json decodes it.
type object = map[string]any

// validator is a naive one: it does what the specification says, keyword by keyword, in the order in which they come to mind. Of
// oneOf more than one may match, which is how instances are made.
type validator struct{ definitions object }

func (v validator) valid(s, value any) bool {
	if s, isBool := s.(bool); isBool {
		return s
	}
	schema := s.(object)
	if ref, found := schema["$ref"].(string); found && !v.valid(v.definitions[ref[len("#/$defs/"):]], value) {
		return false
	}
	for _, part := range list(schema["allOf"]) {
		if !v.valid(part, value) {
			return false
		}
	}
	for _, keyword := range []string{"anyOf", "oneOf"} {
		matches := func(part any) bool { return v.valid(part, value) }
		if parts := list(schema[keyword]); len(parts) > 0 && !slices.ContainsFunc(parts, matches) {
			return false
		}
	}
	if constant, found := schema["const"]; found && !reflect.DeepEqual(constant, value) {
		return false
	}
	equal := func(one any) bool { return reflect.DeepEqual(one, value) }
	if values := list(schema["enum"]); len(values) > 0 && !slices.ContainsFunc(values, equal) {
		return false
	}
	return validType(schema["type"], value) && v.validContent(schema, value)
}

func (v validator) validContent(schema object, value any) bool {
	switch value := value.(type) {
	case float64:
		return validNumber(schema, value)
	case string:
		n := float64(utf8.RuneCountInString(value))
		return n >= limit(schema, "minLength", 0) && n <= limit(schema, "maxLength", math.Inf(1))
	case []any:
		return v.validItems(schema, value)
	case object:
		return v.validMembers(schema, value)
	default:
		return true
	}
}

func (v validator) validItems(schema object, value []any) bool {
	n := float64(len(value))
	if n < limit(schema, "minItems", 0) || n > limit(schema, "maxItems", math.Inf(1)) {
		return false
	}
	for k, item := range value {
		if items, found := schema["items"]; found && !v.valid(items, item) {
			return false
		}
		for _, other := range value[:k] {
			if schema["uniqueItems"] == true && reflect.DeepEqual(item, other) {
				return false
			}
		}
	}
	return true
}

func (v validator) validMembers(schema object, value object) bool {
	for _, name := range list(schema["required"]) {
		if _, found := value[name.(string)]; !found {
			return false
		}
	}
	properties, _ := schema["properties"].(object)
	for name, member := range value {
		if property, found := properties[name]; found && !v.valid(property, member) {
			return false
		}
	}
	return true
}

func validNumber(schema object, x float64) bool {
	if step, found := schema["multipleOf"].(float64); found && math.Abs(math.Remainder(x, step)) > 1e-9 {
		return false
	}
	return x >= limit(schema, "minimum", math.Inf(-1)) && x > limit(schema, "exclusiveMinimum", math.Inf(-1)) &&
		x <= limit(schema, "maximum", math.Inf(1)) && x < limit(schema, "exclusiveMaximum", math.Inf(1))
}

func validType(kinds, value any) bool {
	if kind, single := kinds.(string); single {
		kinds = []any{kind}
	}
	all := list(kinds)
	name := map[bool]string{true: "null"}[value == nil]
	switch value := value.(type) {
	case bool:
		name = "boolean"
	case float64:
		name = "number"
		if value == math.Trunc(value) && slices.Contains(all, any("integer")) {
			return true
		}
	case string:
		name = "string"
	case []any:
		name = "array"
	case object:
		name = "object"
	}
	return len(all) == 0 || slices.Contains(all, any(name))
}

func list(value any) []any {
	all, _ := value.([]any)
	return all
}

func limit(schema object, name string, none float64) float64 {
	if x, found := schema[name].(float64); found {
		return x
	}
	return none
}

// gambler draws schemas.
type gambler struct{ *rand.Rand }

func (g gambler) chance(p float64) bool { return g.Float64() < p }

func (g gambler) schema(depth int) any {
	if g.chance(0.03) {
		return g.chance(0.7)
	}
	s := object{}
	kinds := []any{"integer", "number", "string", "boolean", "null", "array", "object"}
	switch kind := kinds[g.IntN(len(kinds))]; {
	case g.chance(0.7):
		s["type"] = kind
	case g.chance(0.5):
		s["type"] = []any{kind, kinds[g.IntN(len(kinds))]}
	}
	g.numbers(s)
	for name, p := range map[string]float64{"minLength": 0.2, "maxLength": 0.1, "minItems": 0.2, "maxItems": 0.1} {
		if g.chance(p) {
			s[name] = float64(g.IntN(5))
		}
	}
	if g.chance(0.2) {
		s["uniqueItems"] = true
	}
	if g.chance(0.1) {
		s["enum"] = g.literals()
	}
	if g.chance(0.03) {
		s["const"] = g.literals()[0]
	}
	if depth > 0 {
		g.composed(s, depth-1)
	}
	return s
}

func (g gambler) numbers(s object) {
	for name, p := range map[string]float64{"minimum": 0.15, "maximum": 0.1, "exclusiveMinimum": 0.15, "exclusiveMaximum": 0.1} {
		if g.chance(p) {
			s[name] = float64(g.IntN(41)-20) / 4
		}
	}
	if g.chance(0.1) {
		s["multipleOf"] = []float64{0.1, 0.25, 1, 2, 3, 1.5}[g.IntN(6)]
	}
}

func (g gambler) literals() []any {
	pool := []any{nil, true, false, 1.0, 2.5, -3.0, "a", "abcdef", []any{}, []any{1.0, 1.0}, object{"a": nil}}
	var some []any
	for range 1 + g.IntN(4) {
		some = append(some, pool[g.IntN(len(pool)-3)])
	}
	return some
}

func (g gambler) composed(s object, depth int) {
	if g.chance(0.5) {
		s["items"] = g.schema(depth)
	}
	properties := object{}
	var required []any
	for _, name := range []string{"a", "b", "c"} {
		if g.chance(0.3) {
			properties[name] = g.schema(depth)
		}
		if g.chance(0.15) {
			required = append(required, name)
		}
	}
	if len(properties) > 0 {
		s["properties"] = properties
	}
	if required != nil {
		s["required"] = required
	}
	for _, name := range []string{"allOf", "anyOf", "oneOf"} {
		if g.chance(0.1) {
			s[name] = []any{g.schema(depth), g.schema(depth)}
		}
	}
	if g.chance(0.1) {
		s["$ref"] = fmt.Sprintf("#/$defs/%d", g.IntN(3))
	}
}

// candidates are values of which one satisfies most schemas that anything satisfies.
func candidates() []any {
	all := []any{nil, true, false, "", "a", "ab", "abc", "abcd", "sample", []any{}, object{}}
	for x := -6.0; x <= 6; x += 0.125 {
		all = append(all, x)
	}
	for x := -6.0; x <= 6; x += 0.1 {
		all = append(all, math.Round(x*10)/10)
	}
	for _, item := range slices.Clone(all) {
		all = append(all, []any{item}, []any{item, item}, object{"a": item})
	}
	return all
}

// Whatever is asked for, the arguments satisfy it, or nothing that is tried does.
func TestArgumentsSatisfyRandomSchemas(t *testing.T) {
	t.Parallel()
	g := gambler{rand.New(rand.NewPCG(3, 4))}
	tried := candidates()
	made, missed := 0, 0
	for range 3000 {
		v := validator{object{"0": g.schema(2), "1": g.schema(2), "2": g.schema(2)}}
		property := g.schema(3)
		document := object{"properties": object{"x": property}, "required": []any{"x"}, "$defs": v.definitions}
		text, err := json.Marshal(document)
		require.NoError(t, err)
		if endless(v, property) {
			continue
		}
		arguments, err := argumentsOf(string(text))
		if err != nil {
			if k := slices.IndexFunc(tried, func(value any) bool { return v.valid(property, value) }); k >= 0 {
				missed++
				t.Logf("%v satisfies a schema, but: %v: %s", tried[k], err, text)
			}
			continue
		}
		made++
		var value any
		require.NoError(t, json.Unmarshal(arguments, &value), "%s", arguments)
		require.True(t, v.valid(document, value), "%s does not satisfy %s", arguments, text)
	}
	assert.Greater(t, made, 1500)
	assert.Zero(t, missed)
}

// endless reports whether a naive validator would not come to an end: definitions refer to each other without a value between.
func endless(v validator, _ any) bool {
	var reaches func(s any, from string, depth int) bool
	reaches = func(s any, from string, depth int) bool {
		schema, isObject := s.(object)
		if !isObject {
			return false
		}
		if depth > 10 {
			return true
		}
		if ref, found := schema["$ref"].(string); found && reaches(v.definitions[ref[len("#/$defs/"):]], from, depth+1) {
			return true
		}
		for _, keyword := range []string{"allOf", "anyOf", "oneOf"} {
			if slices.ContainsFunc(list(schema[keyword]), func(part any) bool { return reaches(part, from, depth+1) }) {
				return true
			}
		}
		return false
	}
	for name, s := range v.definitions {
		if reaches(s, name, 0) {
			return true
		}
	}
	return false
}
