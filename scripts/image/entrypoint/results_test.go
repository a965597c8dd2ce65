package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
)

// entry is a file as a receiver of the tar sees it.
type entry struct{ name, text string }

func unpack(t *testing.T, data []byte) []entry {
	t.Helper()
	var entries []entry
	for reader := tar.NewReader(bytes.NewReader(data)); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return entries
		}
		require.NoError(t, err)
		assert.Equal(t, byte(tar.TypeReg), header.Typeflag, header.Name)
		text, err := io.ReadAll(reader)
		require.NoError(t, err)
		entries = append(entries, entry{header.Name, string(text)})
	}
}

func resultsFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a/run.json": "{}", "a/c1/profile_export.jsonl": "line\n", "a/vllm.yaml": "y", "a/x.YML": "z", "empty": "", "MANIFEST.json": "an earlier download's",
	} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	require.NoError(t, os.Symlink("/etc/passwd", filepath.Join(dir, "a", "link")))
	require.NoError(t, os.Symlink("/etc", filepath.Join(dir, "folder")))
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600))
	return dir
}

func TestTarOfResults(t *testing.T) {
	dir := resultsFolder(t)
	config := []entry{{"a/vllm.yaml", "y"}, {"a/x.YML", "z"}}
	data := []entry{{"a/c1/profile_export.jsonl", "line\n"}, {"a/run.json", "{}"}, {"empty", ""}}
	for name, test := range map[string]struct {
		args []string
		want []entry
	}{
		"all":       {nil, append(append([]entry{}, data[:2]...), config[0], config[1], data[2])},
		"no config": {[]string{"-no-config"}, data},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			require.Equal(t, exitOK, s.im.run(t.Context(), append([]string{"results", "tar", "-dir", dir}, test.args...)), s.stderr.String())
			entries := unpack(t, s.stdout.Bytes())
			require.NotEmpty(t, entries)
			last := len(entries) - 1
			assert.Equal(t, test.want, entries[:last])
			assert.Equal(t, manifestName, entries[last].name)
			requireManifest(t, entries[last].text, entries[:last])
		})
	}
}

// vanishing removes what begins with z once a tar has begun, as a running benchmark does that renames.
type vanishing struct {
	bytes.Buffer
	folder string
}

func (v *vanishing) Write(p []byte) (int, error) {
	for _, name := range []string{"a/z", "z"} {
		_ = os.RemoveAll(filepath.Join(v.folder, name))
	}
	return v.Buffer.Write(p)
}

func TestTarOfARunningBenchmark(t *testing.T) {
	for name, vanishes := range map[string]string{"a file goes": "a/z", "a folder goes": "z/late"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, file := range []string{"a/run.json", vanishes} {
				require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, file)), 0o700))
				require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte("{}"), 0o600))
			}
			out := &vanishing{folder: dir}
			require.NoError(t, writeTar(out, dir, false))
			entries := unpack(t, out.Bytes())
			require.Len(t, entries, 2)
			assert.Equal(t, entry{"a/run.json", "{}"}, entries[0])
			requireManifest(t, entries[1].text, entries[:1])
		})
	}
	t.Run("a file is being written", func(t *testing.T) {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, ".hidden"), nil, 0o600))
		running := t.TempDir()
		for _, name := range []string{record.LockFile, "." + record.LevelFile + ".reserve", "." + record.LogFile + ".kept"} {
			require.NoError(t, os.WriteFile(filepath.Join(running, name), nil, 0o600))
		}
		var none bytes.Buffer
		require.NoError(t, writeTar(&none, running, false))
		require.Len(t, unpack(t, none.Bytes()), 1, "the manifest alone")
		require.NoError(t, record.WriteFile(filepath.Join(dir, "run.json"), func(io.Writer) error {
			listed, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.Len(t, listed, 2, "the one and its temporary form")
			var out bytes.Buffer
			require.NoError(t, writeTar(&out, dir, false))
			entries := unpack(t, out.Bytes())
			require.Len(t, entries, 2)
			assert.Equal(t, ".hidden", entries[0].name)
			return nil
		}))
	})
}

func requireManifest(t *testing.T, text string, entries []entry) {
	t.Helper()
	var m struct {
		Count int
		Files []struct {
			Name   string
			Size   int
			SHA256 string
		}
	}
	require.NoError(t, json.Unmarshal([]byte(text), &m))
	assert.Equal(t, len(entries), m.Count)
	require.Len(t, m.Files, len(entries))
	for i, e := range entries {
		sum := sha256.Sum256([]byte(e.text))
		assert.Equal(t, e.name, m.Files[i].Name)
		assert.Equal(t, len(e.text), m.Files[i].Size)
		assert.Equal(t, hex.EncodeToString(sum[:]), m.Files[i].SHA256)
	}
}

func TestTarDefaultsToTheVolume(t *testing.T) {
	s := newStage(t)
	dir := filepath.Join(s.im.volume, "results")
	require.NoError(t, os.MkdirAll(dir, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "f"), []byte("x"), 0o600))
	assert.Equal(t, exitOK, s.im.run(t.Context(), []string{"results", "tar"}))
	assert.Equal(t, entry{"f", "x"}, unpack(t, s.stdout.Bytes())[0])
}

func TestTarFailuresEndWithoutManifest(t *testing.T) {
	s := newStage(t)
	assert.Equal(t, exitFailure, s.im.run(t.Context(), []string{"results", "tar", "-dir", "/nowhere"}))
	assert.Contains(t, s.stderr.String(), `packing "/nowhere"`)
	assert.Empty(t, s.stdout.Bytes())

	s = newStage(t)
	s.im.stdout = brokenOutput{}
	assert.Equal(t, exitFailure, s.im.run(t.Context(), []string{"results", "tar", "-dir", resultsFolder(t)}))
	assert.Contains(t, s.stderr.String(), "broken pipe")
}

func TestHealth(t *testing.T) {
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	defer server.Close()
	check := func(url string) (int, string) {
		s := newStage(t)
		return s.im.run(t.Context(), []string{"healthcheck", url}), s.stderr.String()
	}
	code, _ := check(server.URL + "/health")
	assert.Equal(t, exitOK, code)

	status = http.StatusServiceUnavailable
	code, text := check(server.URL)
	assert.Equal(t, exitFailure, code)
	assert.Contains(t, text, "503")

	server.Close()
	code, text = check(server.URL)
	assert.Equal(t, exitFailure, code)
	assert.Contains(t, text, "refused")

	code, text = check("://")
	assert.Equal(t, exitFailure, code)
	assert.Contains(t, text, "://")
}
