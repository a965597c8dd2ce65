package instrument

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestProcFiles(t *testing.T) {
	stolen, all := steal("cpu  100 2 30 4000 5 6 7 80 9 1\ncpu0 1 2 3 4 5 6 7 8 9 10\n")
	assert.Equal(t, 80.0, stolen)
	assert.Equal(t, 4230.0, all, "guest time is in user already")
	for _, bad := range []string{"", "cpu 1 2 3", "cpux 1 2 3 4 5 6 7 8 9", "cpu 1 2 3 4 5 6 7 x 9"} {
		stolen, _ = steal(bad)
		assert.Equal(t, -1.0, stolen, bad)
	}
	assert.Equal(t, 4711*time.Microsecond, pressure("some avg10=0.00 avg60=0.12 avg300=0.00 total=4711\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=9\n"))
	for _, bad := range []string{"", "some total=", "full avg10=0.00 total=9\n"} {
		assert.Equal(t, time.Duration(-1), pressure(bad), bad)
	}
	dir := t.TempDir()
	assert.Equal(t, time.Duration(-1), runQueueDelay(dir))
	for thread, text := range map[string]string{"1": "5 700 2\n", "2": "6 30 1\n", "3": "gone"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, thread), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, thread, "schedstat"), []byte(text), 0o600))
	}
	assert.Equal(t, time.Duration(730), runQueueDelay(dir))
}

// TestProcessTimeIsCounted: a process that does nothing but compute keeps about one processor busy, whatever else runs.
func TestProcessTimeIsCounted(t *testing.T) {
	before := readMachine()
	for processorTime() < before.system.cpu+50*time.Millisecond {
		_ = make([]byte, 1<<10)
	}
	after := readMachine()
	p := after.processSince(before)
	require.NotNil(t, p.CPUCores)
	elapsed := after.at.Sub(before.at).Seconds()
	assert.GreaterOrEqual(t, *p.CPUCores*elapsed, 0.05)
	assert.Less(t, *p.CPUCores*elapsed, 1.0)
	if p.StealShare != nil {
		assert.InDelta(t, 0.5, *p.StealShare, 0.5)
	}
}
