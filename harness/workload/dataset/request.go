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
	if f.body[space(f.body, 1)] == '}' {
		return errors.New("a request body must not be empty")
	}
	err := f.read(f.body, func(f *found, key string) *[]byte {
		switch key {
		case "n":
			return &f.n
		case "max_tokens":
			return &f.maxTokens
		case "max_completion_tokens":
			return &f.maxCompletionTokens
		}
		return &f.rest
	})
	switch {
	case err != nil:
		return err
	case f.n != nil && string(f.n) != "1":
		return fmt.Errorf("n %s: must be 1: llmsweep measures one answer a request", excerpt(f.n))
	}
	if f.maxTokens != nil {
		if f.output, err = count("max_tokens", f.maxTokens, 1); err != nil {
			return err
		}
	}
	if f.maxCompletionTokens != nil {
		f.output, err = count("max_completion_tokens", f.maxCompletionTokens, 1)
	}
	return err
}
