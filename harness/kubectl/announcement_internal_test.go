package kubectl

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestTheAnnouncementMayComeInPieces, and a piece of a port is another port.
func TestTheAnnouncementMayComeInPieces(t *testing.T) {
	a := &announcement{port: make(chan int, 1)}
	for _, b := range []byte("starting\nForwarding from 127.0.0.1:40123 ") {
		_, err := a.Write([]byte{b})
		require.NoError(t, err)
	}
	assert.Empty(t, a.port)
	_, err := a.Write([]byte("-> 8000\nForwarding from 127.0.0.1:40124 -> 8000\nHandling connection for 40123\n"))
	require.NoError(t, err)
	assert.Equal(t, 40123, <-a.port)
	_, err = a.Write([]byte("Forwarding from 127.0.0.1:40125 -> 8000\n"))
	require.NoError(t, err)
	assert.Empty(t, a.port, "nobody reads a second one")
}
