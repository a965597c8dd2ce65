package dataset

import (
	"errors"
	"fmt"
)

// parseRequest reads a request body that is sent as it stands.
func parseRequest(raw []byte, f *found) (string, error) {
	f.body, f.at = raw, Never
	return "", f.request()
}

// request checks a whole request body. What it asks for is its own affair, but for what would make its figures those of something else.
func (f *found) request() error {
	if !isObject(f.body) {
		return fmt.Errorf("%s: a request body must be an object", excerpt(f.body))
	}
	empty := true
	err := object(f.body, func(key, value []byte) (err error) {
		empty = false
		switch string(key) {
		case "n":
			if string(value) != "1" && !isNull(value) {
				return fmt.Errorf("n %s: must be 1: llmsweep measures one answer a request", excerpt(value))
			}
		case "max_tokens", "max_completion_tokens":
			if !isNull(value) {
				f.output, err = count(string(key), value, 1)
			}
		}
		return err
	})
	if err == nil && empty {
		return errors.New("a request body must not be empty")
	}
	return err
}
