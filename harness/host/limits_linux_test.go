package host

import (
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLimitsOfThisMachine(t *testing.T) {
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

	naive := 0
	for fd := range 1 << 16 { // some may have been inherited with high numbers
		if syscall.Fstat(fd, new(syscall.Stat_t)) == nil {
			naive++
		}
	}
	assert.Equal(t, naive, openFiles())
}

// TestLimitIsRaised: to the hard limit, even where something lowered it after the start, when Go had raised it.
func TestLimitIsRaised(t *testing.T) {
	var before, after syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before))
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: min(100, before.Max), Max: before.Max}))
	assert.EqualValues(t, min(before.Max, 1<<31-1), ReadLimits(t.TempDir()).Files)
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &after))
	assert.Equal(t, before.Max, after.Cur)
}
