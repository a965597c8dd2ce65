package record

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestOnlyRegularFilesAreOpened: a pipe in a results folder would be waited for, past any signal; a link to a file is that file.
func TestOnlyRegularFilesAreOpened(t *testing.T) {
	dir := t.TempDir()
	pipe, file, link := filepath.Join(dir, "pipe"), filepath.Join(dir, "file"), filepath.Join(dir, "link")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	require.NoError(t, os.WriteFile(file, []byte("{}"), 0o600))
	require.NoError(t, os.Symlink(file, link))
	use := func(*Sample) error { return nil }
	for name, open := range map[string]func(path string) error{
		"Open": func(path string) error {
			f, err := Open(path)
			_ = f.Close()
			return err
		},
		"ReadJSON": func(path string) error { return ReadJSON(path, &struct{}{}) },
		"ReadLog": func(path string) error {
			_, err := ReadLog(path, use)
			return err
		},
		"AppendLog": func(path string) error {
			log, err := AppendLog(path, time.Now())
			if err == nil {
				err = log.Close()
			}
			return err
		},
	} {
		ended := make(chan error, 1)
		for path, want := range map[string]string{
			pipe: "pipe: is a named pipe where a regular file belongs: move or delete it", "/dev/null": "/dev/null: is a device where a regular file belongs",
			dir: "directory", file: "", link: "",
		} {
			go func() { ended <- open(path) }()
			select {
			case err := <-ended:
				if want == "" {
					assert.NoError(t, err, name)
				} else {
					assert.ErrorContains(t, err, want, name)
				}
			case <-time.After(20 * time.Second):
				require.Fail(t, "waits", "%s %s", name, path)
			}
		}
	}
}
