package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// FuzzReceive: of a stream from a pod nothing lands beside the temporary place, and nothing at all where the stream is refused.
func FuzzReceive(f *testing.F) {
	archive := func(names ...string) []byte {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		add := func(name string, content []byte) {
			require.NoError(f, w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Size: int64(len(content)), Mode: 0o644}))
			_, err := w.Write(content)
			require.NoError(f, err)
		}
		m := manifest{Count: len(names)}
		for _, name := range names {
			add(name, []byte("x"))
			sum := sha256.Sum256([]byte("x"))
			m.Files = append(m.Files, fileProof{Name: name, Size: 1, SHA256: hex.EncodeToString(sum[:])})
		}
		text, err := json.Marshal(m)
		require.NoError(f, err)
		add(manifestName, text)
		require.NoError(f, w.Close())
		return b.Bytes()
	}
	for _, names := range [][]string{{"b/c1/level.json", "b/run.json"}, {"../outside"}, {"/outside"}, {"a/../../outside"}, {"a", "a/b"}, {"a\\..\\b"}, nil} {
		f.Add(archive(names...))
	}
	f.Add(archive("a")[:700])
	var link bytes.Buffer
	w := tar.NewWriter(&link)
	require.NoError(f, w.WriteHeader(&tar.Header{Name: "a", Typeflag: tar.TypeSymlink, Linkname: "../../outside"}))
	require.NoError(f, w.WriteHeader(&tar.Header{Name: manifestName, Typeflag: tar.TypeReg, Size: 12}))
	_, err := w.Write([]byte(`{"count": 0}`))
	require.NoError(f, err)
	require.NoError(f, w.Close())
	f.Add(link.Bytes())
	f.Fuzz(func(t *testing.T, stream []byte) {
		parent := t.TempDir()
		require.NoError(t, os.Mkdir(filepath.Join(parent, "in"), 0o755))
		root, err := os.OpenRoot(filepath.Join(parent, "in"))
		require.NoError(t, err)
		defer root.Close()
		r, err := receive(bytes.NewReader(stream), root, func(int, int64, string) {})
		files := 0
		require.NoError(t, filepath.WalkDir(parent, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && !entry.IsDir() {
				files++
				assert.True(t, entry.Type().IsRegular(), path)
			}
			return err
		}))
		if err != nil {
			assert.Zero(t, files)
			return
		}
		require.Len(t, r.files, files)
		for _, file := range r.files {
			assert.FileExists(t, filepath.Join(parent, "in", filepath.FromSlash(r.inStaging(file.Name))))
		}
		require.NoError(t, r.discard())
	})
}
