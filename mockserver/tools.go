package mockserver

import (
	"encoding/json"
	"errors"
	"net/http"
	"unicode/utf8"
)

// tool is what a request offers to the model.
type tool struct {
	Type     string `json:"type"`
	Function struct {
		Name       string          `json:"name"`
		Parameters json.RawMessage `json:"parameters"` // a schema, which is read if the tool must be called
	} `json:"function"`
}

// toolChoice says whether a tool must be called: "none", "auto", "required" or, of one
// that must be, its name.
type toolChoice struct {
	mode string
	name string
}

// UnmarshalJSON reads a string or an object with the name of a function.
func (c *toolChoice) UnmarshalJSON(data []byte) error {
	if data[0] != '{' {
		return json.Unmarshal(data, &c.mode)
	}
	var object struct {
		Type     string `json:"type"`
		Function struct {
			Name string `json:"name"`
		} `json:"function"`
	}
	if err := json.Unmarshal(data, &object); err != nil {
		return err
	}
	if object.Function.Name == "" {
		return errors.New(`tool_choice: an object must be {"type":"function","function":{"name":…}}`)
	}
	c.name = object.Function.Name
	return nil
}

// function is a call that the answer makes.
type function struct {
	name   []byte   // as JSON
	pieces [][]byte // of the arguments, each as the inside of a JSON string
}

// pieceBytes is how much of a function's arguments is a token.
const pieceBytes = 4

// mostNameBytes is more than clients give functions: OpenAI allows 64.
const mostNameBytes = 1000

// forced is the call that tool_choice asks for, or nil.
func (b *body) forced() (*function, *failure) {
	name := b.ToolChoice.name
	switch mode := b.ToolChoice.mode; mode {
	case "none", "auto":
		return nil, nil
	case "":
		if name == "" {
			return nil, nil
		}
	case "required":
	default:
		return nil, invalid(http.StatusBadRequest, "invalid_value",
			"tool_choice is %q: must be none, auto, required or a function.", mode).of("tool_choice")
	}
	if len(b.Tools) == 0 {
		return nil, invalid(http.StatusBadRequest, "invalid_value",
			"tool_choice asks for a call of a tool, but the request has no tools: add tools or leave tool_choice out.").of("tools")
	}
	for _, t := range b.Tools {
		if name == "" || t.Function.Name == name {
			return newFunction(t)
		}
	}
	return nil, invalid(http.StatusBadRequest, "invalid_value",
		"tool_choice asks for the function %q, which is not among the %d of tools.", name, len(b.Tools)).of("tool_choice")
}

// newFunction fails where no arguments are found.
func newFunction(t tool) (*function, *failure) {
	name := t.Function.Name
	if len(name) > mostNameBytes {
		return nil, invalid(http.StatusBadRequest, "invalid_value",
			"The name of a function has %d bytes: at most %d are allowed.", len(name), mostNameBytes).of("tools")
	}
	arguments, err := t.arguments()
	if err != nil {
		return nil, invalid(http.StatusBadRequest, "invalid_value", "The parameters of the function %q: %v.", name, err).of("tools")
	}
	f := &function{name: quoted(name)}
	for len(arguments) > 0 {
		n := min(pieceBytes, len(arguments))
		for n < len(arguments) && !utf8.RuneStart(arguments[n]) {
			n++
		}
		escaped := quoted(string(arguments[:n]))
		f.pieces = append(f.pieces, escaped[1:len(escaped)-1])
		arguments = arguments[n:]
	}
	return f, nil
}

// arguments is a JSON object that satisfies the schema of a function's parameters.
func (t tool) arguments() ([]byte, error) {
	if len(t.Function.Parameters) == 0 {
		return []byte("{}"), nil
	}
	s, err := readSchema(t.Function.Parameters)
	if err != nil {
		return nil, err
	}
	// Parameters are an object, whatever else the schema allows.
	return s.instance(&schema{types: []string{"object"}})
}
