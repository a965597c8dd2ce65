//go:build !linux

package clock

import "errors"

func newFine() (*coarse, error) { return nil, errors.New("no finer timer is known here than Go's") }
