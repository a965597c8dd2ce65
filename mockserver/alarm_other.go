//go:build !linux

package mockserver

import "errors"

func newFine() (alarm, error) {
	return nil, errors.New("no finer timer is known here than Go's")
}
