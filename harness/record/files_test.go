package record_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
)

// only asserts that a folder holds one file with the given content, and no temporary one beside it.
func only(t *testing.T, path, content string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, content, string(data))
}

func TestWriteFileReplaces(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for _, text := range []string{"old", "new"} {
		require.NoError(t, record.WriteFile(path, func(w io.Writer) error {
			_, err := io.WriteString(w, text)
			return err
		}))
		only(t, path, text)
	}
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o644), info.Mode(), "others may read results")
}

func TestWriteFileKeepsTheOldOneOnFailure(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, []byte("old"), 0o600))
	full := errors.New("no space")
	err := record.WriteFile(path, func(w io.Writer) error {
		_, _ = io.WriteString(w, "half of the new")
		return full
	})
	require.ErrorIs(t, err, full)
	assert.ErrorContains(t, err, "writing "+path)
	only(t, path, "old")

	err = record.WriteFile(filepath.Join(t.TempDir(), "none", "file"), func(io.Writer) error { return nil })
	assert.ErrorIs(t, err, os.ErrNotExist)

	folder := filepath.Join(t.TempDir(), "taken")
	require.NoError(t, os.MkdirAll(filepath.Join(folder, "sub"), 0o700))
	require.Error(t, record.WriteFile(folder, func(io.Writer) error { return nil }), "a folder of that name")
	entries, err := os.ReadDir(filepath.Dir(folder))
	require.NoError(t, err)
	assert.Len(t, entries, 1, "no temporary file is left after a failed renaming")
}

func TestJSONRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), record.RunFile)
	want := record.Run{
		SchemaVersion: "1", Tool: record.Tool{Name: "n", Version: "v", Go: "g"}, CreatedAt: time.Unix(1, 2).UTC(),
		Plan: record.Plan{
			BenchmarkName: "b", Endpoints: []string{"http://h/v1"}, Concurrencies: []int{1, 2}, Nonce: 1<<64 - 1, WaitReady: time.Minute,
			Headers: map[string]string{"A": "[redacted]"}, ExtraInputs: map[string]any{"a": map[string]any{"b": json.Number("1")}}, MaxErrorRate: 0.05,
		},
		Host: &record.Host{CPUs: 2}, Target: record.Target{Models: []string{"m"}, Model: map[string]any{"id": "m"}}, Warnings: []string{"w"},
	}
	require.NoError(t, record.WriteJSON(path, &want))
	var got record.Run
	require.NoError(t, record.ReadJSON(path, &got))
	assert.Equal(t, want, got)

	assert.ErrorContains(t, record.WriteJSON(path, func() {}), "encoding run.json")
	require.NoError(t, record.ReadJSON(path, &got), "still whole")
	require.NoError(t, os.WriteFile(path, []byte("{"), 0o600))
	assert.ErrorContains(t, record.ReadJSON(path, &got), path)
	assert.ErrorContains(t, record.ReadJSON(path+".none", &got), path+".none")
}

func TestLevelDirs(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"c10", "c2", "c1", "c100", "c10_old", "c0", "c010", "c-1", "c+1", "c", "C3", "xc4", "c5 ", "c99999999999999999999", "plots"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, name), 0o700))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "c7"), nil, 0o600))
	dirs, err := record.LevelDirs(dir)
	require.NoError(t, err)
	want := []record.LevelDir{}
	for _, c := range []int{1, 2, 10, 100} {
		want = append(want, record.LevelDir{Path: filepath.Join(dir, record.LevelName(c)), Point: record.Point{Concurrency: c}})
	}
	assert.Equal(t, want, dirs)
	_, err = record.LevelDirs(filepath.Join(dir, "none"))
	assert.ErrorIs(t, err, os.ErrNotExist)
}

func TestCounts(t *testing.T) {
	c := record.Counts{Planned: 12, NotStarted: 2, Outcomes: map[record.Outcome]int{record.OK: 5, record.Cut: 2, record.Cancelled: 3}}
	assert.Equal(t, 10, c.Ended())
	assert.Equal(t, 2, c.Failures(), "what the client cancelled did not fail")
	assert.Equal(t, c.Planned, c.NotStarted+c.Ended())
}

// TestAutomaticRequestCount is the table of the guide that this project implements.
func TestAutomaticRequestCount(t *testing.T) {
	for c, want := range map[int]int{1: 10, 2: 10, 3: 10, 4: 12, 5: 15, 10: 30, 50: 150, 100: 300, 250: 750} {
		assert.Equal(t, want, (&record.Plan{}).Requests(record.Point{Concurrency: c}))
		assert.Equal(t, 7, (&record.Plan{RequestCount: 7}).Requests(record.Point{Concurrency: c}))
	}
	for rate, want := range map[float64]int{0.01: 10, 0.5: 30, 2.51: 151, 1000: 60_000} {
		assert.Equal(t, want, (&record.Plan{}).Requests(record.Point{Rate: rate}), "a minute's")
	}
}

func TestStates(t *testing.T) {
	for status, cancelled := range map[record.Status]bool{
		record.Done: false, record.Failed: false, record.Capped: false, record.Interrupt: true, record.Running: true,
	} {
		assert.Equal(t, cancelled, (&record.Level{Status: status}).WasCancelled(), status)
	}
	assert.True(t, good().Valid())
	assert.False(t, bad().Valid())
	warm := good()
	warm.Phase = record.Warmup
	assert.False(t, warm.Valid())
	assert.Len(t, record.Outcomes(), 8)
}

func TestRunDirs(t *testing.T) {
	level := record.LevelDir{Path: t.TempDir(), Point: record.Point{Concurrency: 7}}
	runs, sentinel, err := record.RunDirs(level)
	require.NoError(t, err)
	assert.Empty(t, runs)
	assert.Empty(t, sentinel)
	for _, name := range []string{"run-10", "run-2", "run-1", "run-01", "run-0", "run-", "run-3x", "sentinel", "sentinel2"} {
		require.NoError(t, os.Mkdir(filepath.Join(level.Path, name), 0o700))
	}
	require.NoError(t, os.WriteFile(filepath.Join(level.Path, "run-3"), nil, 0o600))
	runs, sentinel, err = record.RunDirs(level)
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(level.Path, "sentinel"), sentinel)
	var names []string
	for _, r := range runs {
		assert.Equal(t, 7, r.Concurrency)
		names = append(names, filepath.Base(r.Path))
	}
	assert.Equal(t, []string{"run-1", "run-2", "run-10"}, names)
	_, _, err = record.RunDirs(record.LevelDir{Path: filepath.Join(level.Path, "none")})
	assert.ErrorIs(t, err, os.ErrNotExist)
}
