package record_test

import (
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
)

func TestAppendLogGoesOn(t *testing.T) {
	path := write(t, good())
	log, err := record.AppendLog(path, started)
	require.NoError(t, err)
	require.NoError(t, log.Append(bad(), nil))
	require.NoError(t, log.Close())
	samples, warnings := read(t, path)
	assert.Empty(t, warnings)
	assert.Equal(t, []*record.Sample{good(), bad()}, samples)
	_, err = record.AppendLog(path+".none", started)
	assert.ErrorIs(t, err, os.ErrNotExist)
}

// TestLogEndsWithAWholeLine where the file cannot grow, as on a full volume: here a limit of the process stands in for it, in a child, since it
// cannot be raised again for all.
func TestLogEndsWithAWholeLine(t *testing.T) {
	path := os.Getenv(limitedLog)
	if path == "" {
		path = filepath.Join(t.TempDir(), record.LogFile)
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
		child.Env = append(os.Environ(), limitedLog+"="+path)
		out, err := child.CombinedOutput()
		require.NoError(t, err, string(out))
		samples, warnings := read(t, path)
		assert.Empty(t, warnings)
		assert.NotEmpty(t, samples)
		assert.Less(t, len(samples), 200)
		return
	}
	signal.Ignore(syscall.SIGXFSZ)
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 100_000, Max: 100_000}))
	log, err := record.CreateLog(path, started)
	require.NoError(t, err)
	for range 200 {
		require.NoError(t, log.Append(good(), nil))
	}
	require.ErrorIs(t, log.Close(), syscall.EFBIG)
}

const limitedLog = "LLMSWEEP_LIMITED_LOG"

func TestNamesOfFiles(t *testing.T) {
	for name, want := range map[string]bool{".level.json.1": true, ".run.json.12": true, ".profile_export.jsonl.kept": true, "level.json": false, ".level.json": false, ".x.1": false} {
		assert.Equal(t, want, record.IsUnfinished(name), name)
		assert.Equal(t, want || name == "level.json", record.IsLevelFile(name), name)
	}
	for name, want := range map[string]bool{"c1": true, "c10": true, "c0": false, "c01": false, "c": false, "1": false, "c1.before": false} {
		assert.Equal(t, want, record.IsLevelName(name), name)
	}
}

func TestTook(t *testing.T) {
	l := record.Level{EndedNS: 100, Breaks: []record.Break{{FromNS: 10, ToNS: 30}, {FromNS: 90, ToNS: 95}}, Earlier: &record.Earlier{Took: 7}}
	assert.Equal(t, time.Duration(100-20-5+7), l.Took())
	l.EndedNS = 20 // killed before a request ended after the first break
	assert.Equal(t, time.Duration(20+7), l.Took())
}
