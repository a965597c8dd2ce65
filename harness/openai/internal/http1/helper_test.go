package http1_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/openai/internal/http1"
)

func transportTo(wires ...*wire) *http1.Transport {
	return &http1.Transport{Dial: dialTo(wires...), Epoch: time.Now()}
}

func get(t *testing.T, transport *http1.Transport) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://server/", nil)
	require.NoError(t, err)
	response, err := transport.RoundTrip(request)
	require.NoError(t, err)
	return response
}

// dialEach takes the connections in turn.
func dialEach(connections *[]net.Conn) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		if len(*connections) == 0 {
			return nil, errors.New("no more connections")
		}
		c := (*connections)[0]
		*connections = (*connections)[1:]
		return c, nil
	}
}
