package host

import (
	"net"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLimitsOfThisMachine(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("other systems tell less")
	}
	l := ReadLimits(t.TempDir())
	assert.Greater(t, l.Files, l.FilesOpen)
	assert.Greater(t, l.FilesOpen, 3)
	assert.Positive(t, l.DiskFree)
	assert.Equal(t, os.Geteuid() == 0, l.Root)
	if data, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range"); err == nil && strings.TrimSpace(string(data)) == "32768\t60999" {
		assert.Equal(t, 28232, l.Ports)
	}
	assert.EqualValues(t, -1, ReadLimits("/no/such/folder").DiskFree, "not known")
}

// TestOpenFilesAreCounted: the descriptors of a process are those that it opened, and not the one that they are counted with.
func TestOpenFilesAreCounted(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("other systems tell less")
	}
	before := openFiles()
	var held []net.Listener
	for range 5 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		held = append(held, l)
	}
	between := openFiles()
	for _, l := range held {
		require.NoError(t, l.Close())
	}
	assert.GreaterOrEqual(t, between-before, 5, "and what the runtime needs to watch them")
	assert.LessOrEqual(t, between-before, 8)
	assert.Equal(t, 5, between-openFiles())
}
