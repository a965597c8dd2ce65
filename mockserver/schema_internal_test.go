package mockserver

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestArgumentsSatisfyTheirSchema(t *testing.T) {
	t.Parallel()
	for schemaText, want := range map[string]string{
		``:     `{}`,
		`null`: `{}`,
		`{}`:   `{}`,
		`true`: `{}`,
		`{"type":"object","properties":{"b":{"type":"string"},"a":{"type":"boolean"}}}`:                                                                `{"a":true,"b":"sample"}`,
		`{"type":"object","properties":{"b":{},"a":{}},"required":["b"]}`:                                                                              `{"b":"sample"}`,
		`{"properties":{"x":{"type":"integer"},"y":{"type":"number"},"z":{"type":"null"}}}`:                                                            `{"x":1,"y":0.5,"z":null}`,
		`{"properties":{"x":{"type":"integer","minimum":6.5,"multipleOf":4}}}`:                                                                         `{"x":8}`,
		`{"properties":{"x":{"type":"integer","exclusiveMinimum":9},"y":{"type":"number","maximum":-2}}}`:                                              `{"x":10,"y":-2}`,
		`{"properties":{"x":{"type":"integer","exclusiveMaximum":1}}}`:                                                                                 `{"x":0}`,
		`{"properties":{"x":{"enum":["c","d"]},"y":{"const":7}}}`:                                                                                      `{"x":"c","y":7}`,
		`{"properties":{"x":{"type":["null","string"]},"y":{"anyOf":[{"type":"integer"},{}]}}}`:                                                        `{"x":null,"y":1}`,
		`{"properties":{"x":{"type":"array","items":{"type":"integer"},"minItems":2},"y":{"items":true}}}`:                                             `{"x":[1,1],"y":["sample"]}`,
		`{"properties":{"x":{"type":"string","minLength":8},"y":{"type":"string","maxLength":2}}}`:                                                     `{"x":"samplexx","y":"sa"}`,
		`{"properties":{"x":{"type":"string","format":"date"}}}`:                                                                                       `{"x":"2000-01-01"}`,
		`{"properties":{"x":{"$ref":"#/$defs/p"}},"$defs":{"p":{"properties":{"é\"":{"type":"integer"}}}}}`:                                            `{"x":{"é\"":1}}`,
		`{"$ref":"#/definitions/p","definitions":{"p":{"properties":{"q":{"type":"boolean"}}}}}`:                                                       `{"q":true}`,
		`{"properties":{"x":{"allOf":[{"type":"integer"},{"minimum":7},{"$ref":"#/$defs/p"}]}},"$defs":{"p":{"multipleOf":5}}}`:                        `{"x":10}`,
		`{"allOf":[{"properties":{"a":{"type":"boolean"}},"required":["a"]},{"properties":{"b":{"type":"null"}},"required":["b"]}]}`:                   `{"a":true,"b":null}`,
		`{"properties":{"x":{"type":"number","exclusiveMinimum":0,"exclusiveMaximum":0.4}}}`:                                                           `{"x":0.2}`,
		`{"properties":{"x":{"type":"number","minimum":0.25,"exclusiveMaximum":1,"multipleOf":0.1}}}`:                                                  `{"x":0.5}`,
		`{"properties":{"x":{"type":"integer","maximum":-3,"multipleOf":2}}}`:                                                                          `{"x":-4}`,
		`{"properties":{"x":{"type":"integer","exclusiveMinimum":9007199254740992}}}`:                                                                  `{"x":9007199254740994}`,
		`{"properties":{"x":{"type":"array","uniqueItems":true,"minItems":3,"items":{"type":"integer"}}}}`:                                             `{"x":[1,2,3]}`,
		`{"properties":{"x":{"type":"array","uniqueItems":true,"minItems":3,"items":{"type":"integer","maximum":2}}}}`:                                 `{"x":[1,2,0]}`,
		`{"properties":{"x":{"type":"array","uniqueItems":true,"minItems":3,"items":{"type":["boolean","null"]}}}}`:                                    `{"x":[true,false,null]}`,
		`{"properties":{"x":{"type":"array","uniqueItems":true,"minItems":3,"items":{"anyOf":[{"const":2},{"type":"integer"}]}}}}`:                     `{"x":[2,1,3]}`,
		`{"properties":{"x":{"type":"array","uniqueItems":true,"minItems":3,"items":{"properties":{"a":{"type":"boolean"},"b":{"type":"boolean"}}}}}}`: `{"x":[{"a":true,"b":true},{"a":false,"b":true},{"a":true,"b":false}]}`,
		`{"properties":{"x":{"type":"array","uniqueItems":true,"minItems":2,"items":{"type":"string","maxLength":1}}}}`:                                `{"x":["s","1"]}`,
		`{"properties":{"x":{"type":"array","items":[{"type":"null"},{"type":"boolean"}],"minItems":3,"maxItems":3}}}`:                                 `{"x":[null,true,"sample"]}`,
		`{"properties":{"x":{"type":"array","maxItems":0},"y":{"type":"array","items":false}}}`:                                                        `{"x":[],"y":[]}`,
		`{"properties":{"x":{"enum":[1,"a",2.5],"type":"number","minimum":2},"y":{"enum":[1,2],"const":2}}}`:                                           `{"x":2.5,"y":2}`,
		`{"properties":{"x":{"const":null},"y":{"enum":[ {"a": [1, 2]} ]}}}`:                                                                           `{"x":null,"y":{"a":[1,2]}}`,
		`{"properties":{"x":{"type":"string","format":"date","maxLength":4}}}`:                                                                         `{"x":"samp"}`,
		`{"properties":{"x":{"type":"integer","minimum":3,"maximum":2},"y":false,"z":{"type":"null"}}}`:                                                `{"z":null}`,
		`{"properties":{"a":{"items":{"type":"integer"}},"b":{"$ref":"#/properties/a/items"},"c/d":{"type":"null"},"e":{"$ref":"#/properties/c~1d"}}}`: `{"a":[1],"b":1,"c/d":null,"e":null}`,
		`{"properties":{"x":{"type":"integer","anyOf":[{"type":"string"},{"minimum":5}],"oneOf":[{"maximum":4},{"maximum":6}]}}}`:                      `{"x":5}`,
	} {
		got, err := argumentsOf(schemaText)
		require.NoError(t, err, schemaText)
		assert.Equal(t, want, string(got), schemaText)
	}
}

// What contains itself ends: what is optional is left out, and of alternatives one is taken that ends.
func TestSchemasThatContainThemselves(t *testing.T) {
	t.Parallel()
	for schemaText, want := range map[string]string{
		`{"properties":{"x":{"$ref":"#"},"y":{"$ref":"#"}}}`:                                                                   `{"x":{},"y":{}}`,
		`{"properties":{"x":{"$ref":"#/$defs/a"}},"$defs":{"a":{"type":"array","minItems":100,"items":{"$ref":"#/$defs/a"}}}}`: `{}`,
		`{"$ref":"#"}`: `{}`,
		`{"properties":{"x":{"type":"array","items":{"$ref":"#"}}}}`:                                                                               `{"x":[{"x":[]}]}`,
		`{"$ref":"#/$defs/list","$defs":{"list":{"properties":{"next":{"anyOf":[{"$ref":"#/$defs/list"},{"type":"null"}]}},"required":["next"]}}}`: `{"next":null}`,
		`{"$ref":"#/$defs/tree","required":["child"],"$defs":{"tree":{"properties":{"child":{"$ref":"#/$defs/tree"}}}}}`:                           `{"child":{"child":{"child":{}}}}`,
	} {
		got, err := argumentsOf(schemaText)
		require.NoError(t, err, schemaText)
		assert.Equal(t, want, string(got), schemaText)
	}
}

func argumentsOf(schemaText string) ([]byte, error) {
	var f tool
	f.Function.Parameters = json.RawMessage(schemaText)
	return f.arguments()
}

// What no small value satisfies, or this server does not find one for, is said.
func TestSchemasWithoutArguments(t *testing.T) {
	t.Parallel()
	deep := func(depth int) string {
		return strings.Repeat(`{"properties":{"a":`, depth) + `{}` + strings.Repeat(`}}`, depth)
	}
	x := func(schemaText string) string { return `{"required":["x"],"properties":{"x":` + schemaText + `}}` }
	twice := x(`{"$ref":"#/$defs/0"}`)
	twice = twice[:len(twice)-1] + `,"$defs":{`
	for k := range 40 {
		twice += fmt.Sprintf(`"%d":{"properties":{"x":{"$ref":"#/$defs/%d"},"y":{"$ref":"#/$defs/%d"}}},`, k, k+1, k+1)
	}
	twice += `"40":{}}}`
	for schemaText, message := range map[string]string{
		`7`:                                "a schema must be an object or a bool",
		`[]`:                               "a schema must be an object or a bool",
		`{"properties":{"a":{"items":7}}}`: "properties: a: items: a schema must be an object or a bool",
		`{"properties":[]}`:                "properties: must begin with {",
		`{"anyOf":[{},{"minimum":"1"}]}`:   "anyOf: 1: minimum must not be a JSON string",
		`{"type":"string"}`:                "it cannot be object and string",
		`{"type":7}`:                       "type must not be a JSON number",
		`{"$ref":"https://x/y"}`:           `$ref is "https://x/y", which is not in the schema`,
		x(`{"$ref":"#/$defs/none"}`):       `$ref is "#/$defs/none"`,
		x(`{"type":"object","$ref":"#"}`):  "# contains itself without end",
		x(`false`):                         "false allows nothing",
		x(`{"type":"integer","exclusiveMinimum":1,"exclusiveMaximum":2}`):                                        "too few multiples of 1",
		x(`{"type":"number","minimum":3,"exclusiveMaximum":3}`):                                                  "no number is above",
		x(`{"type":"number","multipleOf":3.14159,"allOf":[{"multipleOf":2.71828}]}`):                             "no multiple of both",
		x(`{"type":"string","minLength":3,"maxLength":2}`):                                                       "minLength is above maxLength",
		x(`{"type":"string","minLength":65536}`):                                                                 "more than 65536 bytes",
		x(`{"type":"string","minLength":1e18}`):                                                                  "more than 65536 bytes",
		x(`{"type":"array","minItems":1e18}`):                                                                    "more than 65536 bytes",
		x(`{"type":"array","minItems":2,"maxItems":1}`):                                                          "minItems is above maxItems",
		x(`{"type":"array","minItems":3,"uniqueItems":true,"items":{"type":"boolean"}}`):                         "two bools",
		x(`{"type":"array","minItems":3,"uniqueItems":true,"items":{"enum":[1,2]}}`):                             "too few values",
		x(`{"type":"array","minItems":3,"uniqueItems":true,"items":{"type":"integer","minimum":1,"maximum":2}}`): "too few multiples",
		x(`{"enum":[1,2],"const":3}`):                                                                            "too few values",
		x(`{"anyOf":[false,{"type":"null","enum":[1]}]}`):                                                        "false allows nothing",
		deep(99):  "",
		deep(100): "schemas are nested more than 100 deep",
		twice:     "more than 65536 bytes",
		`{"description":"` + strings.Repeat("x", 1<<20) + `"`:                                       "at most 1048576 are allowed",
		`{"anyOf":[{}` + strings.Repeat(`,{}`, 10_000) + `]}`:                                       "more than 10000 schemas",
		`{"enum":[0` + strings.Repeat(`,0`, 10_000) + `]}`:                                          "more than 10000 schemas",
		x(`{"type":"array","minItems":100,"items":{"const":"` + strings.Repeat("x", 1<<19) + `"}}`): "more than 65536 bytes",
	} {
		_, err := argumentsOf(schemaText)
		if message == "" {
			assert.NoError(t, err, schemaText[:min(100, len(schemaText))])
		} else {
			assert.ErrorContains(t, err, message, schemaText[:min(100, len(schemaText))])
		}
	}
}

// Arguments are cut between characters, and the pieces are the whole.
func TestPiecesOfArguments(t *testing.T) {
	t.Parallel()
	var f tool
	require.NoError(t, json.Unmarshal([]byte(`{"function":{"name":"f","parameters":{"properties":{"ÄÖÜ€𝄞\\\"":{}}}}}`), &f))
	var all strings.Builder
	call, fail := newFunction(f)
	require.Nil(t, fail)
	for _, piece := range call.pieces {
		var part string
		require.NoError(t, json.Unmarshal([]byte(`"`+string(piece)+`"`), &part))
		assert.NotContains(t, part, "\ufffd")
		all.WriteString(part)
	}
	whole, err := f.arguments()
	require.NoError(t, err)
	assert.Equal(t, string(whole), all.String())
}

// Nobody reads a schema of which no instance is wanted.
func TestSchemasOfToolsThatAreNotCalled(t *testing.T) {
	t.Parallel()
	s, err := New(DefaultOptions())
	require.NoError(t, err)
	defer s.Close()
	deep := strings.Repeat(`{"properties":{"a":`, 4000) + `{"description":"` + strings.Repeat("x", 4<<20) + `"}` + strings.Repeat(`}}`, 4000)
	for rest, status := range map[string]int{
		`,"tools":[{"type":"function","function":{"name":"f","parameters":` + deep + `}}]`:                              200,
		`,"tool_choice":"auto","tools":[{"type":"function","function":{"name":"f","parameters":7}}]`:                    200,
		`,"tool_choice":"none","tools":[{"type":"function","function":{"name":"f","parameters":` + deep + `}}]`:         200,
		`,"tool_choice":"required","tools":[{"type":"function","function":{"name":"f","parameters":` + deep + `}}]`:     400,
		`,"tool_choice":"required","tools":[{"function":{"name":"e"}},{"function":{"name":"f","parameters":7}}]`:        200,
		`,"tool_choice":{"type":"function","function":{"name":"f"}},"tools":[{"function":{"name":"f","parameters":7}}]`: 400,
	} {
		w := httptest.NewRecorder()
		began := time.Now()
		s.ServeHTTP(w, httptest.NewRequest("POST", "/v1/chat/completions", strings.NewReader(
			`{"model":"`+s.options.Model+`","messages":[{"content":"a"}],"max_tokens":1`+rest+`}`)))
		assert.Equal(t, status, w.Code, "%.100s", rest)
		assert.Less(t, time.Since(began), 10*time.Second, "%.100s", rest)
	}
}

// Schemas that would take exponential or quadratic time are given up.
func TestIntricateSchemas(t *testing.T) {
	t.Parallel()
	several := func(schemaText string, n int) string {
		return "[" + strings.Repeat(schemaText+",", n-1) + schemaText + "]"
	}
	for name, x := range map[string]string{
		"choices of choices": `{"allOf":` + several(`{"anyOf":[{"type":"string"},{"type":"null"}]}`, 30) + `,"type":"boolean"}`,
		"alternatives":       `{"type":"null","anyOf":` + several(`{"allOf":`+several(`{"type":"string"}`, 90)+`}`, 90) + `}`,
		"equal values":       `{"type":"array","uniqueItems":true,"minItems":10000,"items":{"enum":` + several("1", 9000) + `}}`,
		"long strings":       `{"anyOf":` + several(`{"type":"array","items":[{"type":"string","minLength":60000},false],"minItems":2}`, 3000) + `}`,
		"multiples":          `{"type":"array","minItems":30000,"items":{"type":"number","multipleOf":0.999,"allOf":[{"multipleOf":0.001}]}}`,
	} {
		began := time.Now()
		_, err := argumentsOf(`{"type":"object","required":["x"],"properties":{"x":` + x + `}}`)
		assert.Error(t, err, name)
		assert.Less(t, time.Since(began), 5*time.Second, name)
	}
	numbers, err := argumentsOf(`{"properties":{"x":{"type":"array","uniqueItems":true,"minItems":10000,"items":{"type":"integer"}}}}`)
	require.NoError(t, err)
	assert.Equal(t, 9999, strings.Count(string(numbers), ","), "what is simple is made, however long")
}
