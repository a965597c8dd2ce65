package profile

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// tables are the arrays of one file by key.
type tables map[string]array

// parseTables reads NPZ or JSON, told apart by their first bytes.
func parseTables(data []byte) (tables, error) {
	if bytes.HasPrefix(data, []byte("PK")) {
		return parseNPZ(data)
	}
	return parseJSON(data)
}

func parseNPZ(data []byte) (tables, error) {
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("reading the NPZ archive: %w", err)
	}
	t := tables{}
	for _, member := range archive.File {
		content, err := unpack(member)
		if err == nil {
			t[strings.TrimSuffix(member.Name, ".npy")], err = parseNPY(content)
		}
		if err != nil {
			return nil, fmt.Errorf("reading member %q: %w", member.Name, err)
		}
	}
	return t, nil
}

func unpack(member *zip.File) ([]byte, error) {
	r, err := member.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	const most = 8*mostElements + 1<<16
	content, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && len(content) > most {
		err = fmt.Errorf("more than %d bytes", most)
	}
	return content, err
}

// parseJSON reads an object of numbers, lists of numbers and lists of such lists.
// Keys with other values are passed over: they do no harm unless they are needed.
func parseJSON(data []byte) (tables, error) {
	var values map[string]json.RawMessage
	if err := json.Unmarshal(data, &values); err != nil {
		return nil, fmt.Errorf("neither an NPZ archive nor a JSON object: %w", err)
	}
	t := tables{}
	for key, value := range values {
		switch a, err := parseValue(value); {
		case err == nil:
			t[key] = a
		case !errors.Is(err, errNoNumbers):
			return nil, fmt.Errorf("reading %q: %w", key, err)
		}
	}
	return t, nil
}

// errNoNumbers says that a value is something else.
var errNoNumbers = errors.New("neither a number nor a list of numbers")

func parseValue(value json.RawMessage) (array, error) {
	var number float64
	var list []float64
	var rows [][]float64
	switch {
	case json.Unmarshal(value, &number) == nil:
		return array{[]int{1}, []float64{number}}, nil
	case json.Unmarshal(value, &list) == nil:
		return array{[]int{len(list)}, list}, nil
	case json.Unmarshal(value, &rows) != nil:
		return array{}, errNoNumbers
	}
	a := array{shape: []int{len(rows), len(rows[0])}}
	for k, row := range rows {
		if len(row) != len(rows[0]) {
			return array{}, fmt.Errorf("row %d has %d numbers, the first one %d", k, len(row), len(rows[0]))
		}
		a.data = append(a.data, row...)
	}
	return a, nil
}

// vector returns a 1-D array.
func (t tables) vector(key string) ([]float64, error) {
	a, found := t[key]
	switch {
	case !found:
		return nil, fmt.Errorf("key %q is missing", key)
	case len(a.shape) != 1:
		return nil, fmt.Errorf("key %q has %d dimensions: must have 1", key, len(a.shape))
	}
	return a.data, nil
}

// matrix returns the rows of a 2-D array.
func (t tables) matrix(key string) ([][]float64, error) {
	a, found := t[key]
	switch {
	case !found:
		return nil, fmt.Errorf("key %q is missing", key)
	case len(a.shape) != 2:
		return nil, fmt.Errorf("key %q has %d dimensions: must have 2", key, len(a.shape))
	}
	rows := make([][]float64, a.shape[0])
	for k := range rows {
		rows[k] = a.data[k*a.shape[1] : (k+1)*a.shape[1]]
	}
	return rows, nil
}

// vectors returns several 1-D arrays of equal length, or all that is wrong with them.
func (t tables) vectors(keys ...string) ([][]float64, error) {
	var found [][]float64
	var errs []error
	for _, key := range keys {
		v, err := t.vector(key)
		if err == nil && len(found) > 0 && len(v) != len(found[0]) {
			err = fmt.Errorf("key %q has %d values, %q has %d: must be as many", key, len(v), keys[0], len(found[0]))
		}
		found = append(found, v)
		errs = append(errs, err)
	}
	return found, errors.Join(errs...)
}
