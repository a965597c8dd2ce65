package leaktest

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { os.Exit(Run(m)) }

// TestLeft: a goroutine that ends late is none, one that does not end is named.
func TestLeft(t *testing.T) {
	require.NoError(t, left(0))
	end := make(chan struct{})
	go func() { <-end }()
	assert.ErrorContains(t, left(0), "leaktest.TestLeft")
	time.AfterFunc(time.Second, func() { close(end) }) // later than goleak waits
	assert.NoError(t, left(patience))
}
