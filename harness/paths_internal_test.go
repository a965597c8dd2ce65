package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestFilesThatAreNotThere: the error says where a relative path led and what it is relative to, inside the module and outside it. What is there, and what
// was given as an absolute path, needs no such words.
func TestFilesThatAreNotThere(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	bench, outside := filepath.Join(root, "ours", "bench"), filepath.Join(root, "outside")
	require.NoError(t, os.MkdirAll(bench, 0o700))
	require.NoError(t, os.MkdirAll(outside, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(root, "ours", "go.mod"), []byte("module "+modulePath+"\n"), 0o600))
	for dir, want := range map[string]string{
		bench:   "no such file or directory: looked for at " + filepath.Join(root, "ours", "x", "nowhere.json") + ": a relative path is from the root of llmsweep's module",
		outside: "no such file or directory: looked for at " + filepath.Join(outside, "x", "nowhere.json") + ": a relative path is from the working directory, which in go test is the package's folder",
	} {
		t.Chdir(dir)
		const name = "x/nowhere.json"
		_, err := openRegular(name)
		require.EqualError(t, err, fmt.Sprintf("input-file %q: %s", name, want))
		assert.ErrorIs(t, err, os.ErrNotExist)
		_, err = readConfig(name)
		require.EqualError(t, err, fmt.Sprintf("config %q cannot be read: %s", name, want))
		_, err = readPEM("ca-cert", name)
		require.EqualError(t, err, fmt.Sprintf("ca-cert %q: %s", name, want))
		_, err = readTokenizer(t.Context(), name, nil)
		require.EqualError(t, err, want)
		_, err = openRegular(filepath.Join(dir, name))
		require.EqualError(t, err, fmt.Sprintf("input-file %q: no such file or directory", filepath.Join(dir, name)))
	}
	t.Chdir(root)
	_, err = openRegular("ours")
	require.EqualError(t, err, `input-file "ours": is a folder: name one file`)
}
