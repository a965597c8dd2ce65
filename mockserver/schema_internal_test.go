package mockserver

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestArgumentsSatisfyTheirSchema(t *testing.T) {
	t.Parallel()
	for schemaText, want := range map[string]string{
		`null`:              `{}`,
		`{}`:                `{}`,
		`true`:              `{}`,
		`{"type":"string"}`: `{}`,
		`{"type":"object","properties":{"b":{"type":"string"},"a":{"type":"boolean"}}}`:                     `{"a":true,"b":"sample"}`,
		`{"type":"object","properties":{"b":{},"a":{}},"required":["b"]}`:                                   `{"b":"sample"}`,
		`{"properties":{"x":{"type":"integer"},"y":{"type":"number"},"z":{"type":"null"}}}`:                 `{"x":1,"y":0.5,"z":null}`,
		`{"properties":{"x":{"type":"integer","minimum":6.5,"multipleOf":4}}}`:                              `{"x":8}`,
		`{"properties":{"x":{"type":"integer","exclusiveMinimum":9},"y":{"type":"number","maximum":-2}}}`:   `{"x":10,"y":-2}`,
		`{"properties":{"x":{"type":"integer","exclusiveMaximum":1}}}`:                                      `{"x":0}`,
		`{"properties":{"x":{"enum":["c","d"]},"y":{"const":7}}}`:                                           `{"x":"c","y":7}`,
		`{"properties":{"x":{"type":["null","string"]},"y":{"anyOf":[{"type":"integer"},{}]}}}`:             `{"x":null,"y":1}`,
		`{"properties":{"x":{"type":"array","items":{"type":"integer"},"minItems":2},"y":{"items":true}}}`:  `{"x":[1,1],"y":["sample"]}`,
		`{"properties":{"x":{"type":"string","minLength":8},"y":{"type":"string","maxLength":2}}}`:          `{"x":"samplexx","y":"sa"}`,
		`{"properties":{"x":{"type":"string","format":"date"}}}`:                                            `{"x":"2000-01-01"}`,
		`{"properties":{"x":{"$ref":"#/$defs/p"}},"$defs":{"p":{"properties":{"é\"":{"type":"integer"}}}}}`: `{"x":{"é\"":1}}`,
		`{"$ref":"#/definitions/p","definitions":{"p":{"properties":{"q":{"type":"boolean"}}}}}`:            `{"q":true}`,
	} {
		var s *schema
		require.NoError(t, json.Unmarshal([]byte(schemaText), &s), schemaText)
		assert.Equal(t, want, string(s.arguments()), schemaText)
	}
}

// What contains itself ends, however wide it is.
func TestSchemasThatContainThemselves(t *testing.T) {
	t.Parallel()
	for _, schemaText := range []string{
		`{"properties":{"x":{"$ref":"#"},"y":{"$ref":"#"}}}`,
		`{"properties":{"x":{"$ref":"#/$defs/a"}},"$defs":{"a":{"type":"array","minItems":100,"items":{"$ref":"#/$defs/a"}}}}`,
		`{"$ref":"#"}`,
	} {
		var s *schema
		require.NoError(t, json.Unmarshal([]byte(schemaText), &s))
		arguments := s.arguments()
		assert.True(t, json.Valid(arguments))
		assert.Less(t, len(arguments), 1<<20)
	}
}

// Arguments are cut between characters, and the pieces are the whole.
func TestPiecesOfArguments(t *testing.T) {
	t.Parallel()
	var f tool
	require.NoError(t, json.Unmarshal([]byte(`{"function":{"name":"f","parameters":{"properties":{"ÄÖÜ€𝄞\\\"":{}}}}}`), &f))
	var all strings.Builder
	for _, piece := range newFunction(f).pieces {
		var part string
		require.NoError(t, json.Unmarshal([]byte(`"`+string(piece)+`"`), &part))
		assert.NotContains(t, part, "\ufffd")
		all.WriteString(part)
	}
	assert.Equal(t, string(f.Function.Parameters.arguments()), all.String())
}
