package host

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReadDescribesThisMachine(t *testing.T) {
	h := Read()
	assert.Equal(t, runtime.GOOS, h.OS)
	assert.Equal(t, runtime.GOARCH, h.Arch)
	assert.Equal(t, runtime.NumCPU(), h.CPUs)
	assert.Equal(t, runtime.GOMAXPROCS(0), h.GOMAXPROCS)
	assert.Equal(t, runtime.Version(), h.GoVersion)
	if runtime.GOOS == "linux" {
		assert.NotEmpty(t, h.Kernel)
		assert.NotContains(t, h.Kernel, "\n")
		text, err := os.ReadFile("/proc/meminfo")
		require.NoError(t, err)
		assert.Regexp(t, fmt.Sprintf(`(?m)^MemTotal: +%d kB$`, h.MemoryBytes/1024), string(text))
	}
	assert.Equal(t, h, Read(), "reading twice gives the same")
}

func TestFingerprintTellsMachinesApart(t *testing.T) {
	here := Read()
	assert.Len(t, here.Fingerprint, 16)
	other := *here
	other.Hostname, other.MemoryBytes, other.Fingerprint = "elsewhere", 1, ""
	assert.Equal(t, here.Fingerprint, fingerprint(&other), "a machine of the same make")
	other.GOMAXPROCS++
	assert.NotEqual(t, here.Fingerprint, fingerprint(&other))
	other = *here
	other.CPU += " v2"
	assert.NotEqual(t, here.Fingerprint, fingerprint(&other))
	other = *here
	other.GoVersion, other.Kernel = other.GoVersion+"x", "y"
	assert.NotEqual(t, here.Fingerprint, fingerprint(&other))
}

func TestField(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cpuinfo")
	require.NoError(t, os.WriteFile(path, []byte("processor\t: 0\nmodel name\t: Fast: 9000\nmodel name\t: Slow\nMemTotal:       8052376 kB\n"), 0o600))
	assert.Equal(t, "Fast: 9000", field(path, "model name"))
	assert.Equal(t, "8052376 kB", field(path, "MemTotal"))
	assert.Empty(t, field(path, "model"))
	assert.Empty(t, field(path+".none", "model name"))
	assert.Equal(t, "processor\t: 0", firstLine(path))
	assert.Empty(t, firstLine(path+".none"))
}
