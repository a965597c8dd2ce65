package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// put writes files below a new folder. A name of nothing but "!" has no text.
func put(t *testing.T, names ...string) string {
	t.Helper()
	root := t.TempDir()
	for _, name := range names {
		name, empty := strings.CutSuffix(name, "!")
		path := filepath.Join(root, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		text := "text of " + name + "\r\n"
		if empty {
			text = " \n"
		}
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	return root
}

func TestLicenceFiles(t *testing.T) {
	wanted := []string{
		"COPYING", "COPYRIGHT.txt", "LICENCE", "LICENSE", "LICENSE-SIL", "LICENSE.md", "License_MIT", "NOTICE", "PATENTS", "THIRD_PARTY_LICENSES/Cephes-LICENSE",
		"echarts.LICENSE", "internal/spew/LICENSE", "licenses/ftl.txt", "notice.txt",
	}
	others := []string{
		"README.md", "license.go", "licensed.txt", "unlicensed", "testdata/COPYING", ".git/LICENSE", "_old/LICENSE", "nested/go.mod", "nested/LICENSE",
		"noticed/x", "licenses.go", "unlicenses/x",
	}
	files, err := licenceFiles(put(t, append(others, wanted...)...))
	require.NoError(t, err)
	assert.Equal(t, wanted, files)

	_, err = licenceFiles(filepath.Join(t.TempDir(), "none"))
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

func TestComponentIsWritten(t *testing.T) {
	c := component{name: "a v1", remark: "Said.", root: put(t, "LICENSE", "b/NOTICE"), files: []string{"LICENSE", "b/NOTICE"}}
	var text bytes.Buffer
	require.NoError(t, c.write(&text))
	line := strings.Repeat("=", 100)
	assert.Equal(t, "\n"+line+"\na v1\n"+line+"\n\nSaid.\n\n--- LICENSE\n\ntext of LICENSE\n\n--- b/NOTICE\n\ntext of b/NOTICE\n", text.String())
}

func TestWhatHasNoLicenceIsRefused(t *testing.T) {
	root := put(t, "README.md", "LICENSE!")
	m := module{Path: "example.com/a", Version: "v1.0.0", Dir: put(t, "README.md", "testdata/LICENSE")}
	c, err := m.component()
	require.NoError(t, err)
	assert.ErrorContains(t, c.write(&bytes.Buffer{}), "example.com/a v1.0.0: no licence found in ")
	assert.ErrorContains(t, component{name: "a", root: root, files: []string{"LICENSE"}}.write(&bytes.Buffer{}), "a: LICENSE is empty")
	assert.ErrorIs(t, component{name: "a", root: root, files: []string{"COPYING"}}.write(&bytes.Buffer{}), fs.ErrNotExist)
}

// TestEveryLinkedModuleHasItsLicence asks for the image's programs and the archives', on each of their platforms.
func TestEveryLinkedModuleHasItsLicence(t *testing.T) {
	// go test remembers a result with the files that the test has opened; those that go list reads it does not see.
	for _, name := range []string{"go.mod", "go.sum"} {
		_, err := os.ReadFile(filepath.Join("../../..", name))
		require.NoError(t, err)
	}
	for _, platform := range []string{"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64"} {
		t.Run(platform, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "licences")
			var stderr bytes.Buffer
			require.Zero(t, run(t.Context(), &stderr, []string{"-o", out, "-platform", platform, "../../../bench", "../entrypoint"}), stderr.String())
			text, err := os.ReadFile(out)
			require.NoError(t, err)
			for _, part := range []string{
				"\nGo, its standard library and runtime\n", "Copyright 2009 The Go Authors.", "\n--- harness/tokenizer/NOTICE\n", "\n--- reporting/page/echarts.NOTICE\n",
				"\n--- reporting/page/echarts.LICENSE-d3\n", "\ngithub.com/stretchr/testify v", "\ngonum.org/v1/plot v", "\n--- LICENSE-SIL\n", "FreeType Team.\n",
			} {
				assert.Contains(t, string(text), part)
			}
			assert.NotContains(t, string(text), "\n--- licenses/gpl.txt\n")
			assert.NotContains(t, string(text), "github.com/testcontainers/", "of tests that are not linked")
		})
	}
}

// TestLicencesBesideEmbeddedFiles are found in the packages that are linked, and nowhere else.
func TestLicencesBesideEmbeddedFiles(t *testing.T) {
	tree, _, err := folders(t.Context())
	require.NoError(t, err)
	c, err := embeddedFiles(tree, []string{filepath.Join(tree, "harness/tokenizer"), filepath.Join(tree, "harness"), filepath.Join(tree, "reporting/page")})
	require.NoError(t, err)
	assert.Equal(t, []string{
		"harness/tokenizer/NOTICE", "reporting/page/echarts.LICENSE", "reporting/page/echarts.LICENSE-d3", "reporting/page/echarts.NOTICE",
	}, c.files)
	_, err = embeddedFiles(tree, []string{filepath.Join(tree, "none")})
	assert.Error(t, err)
}

func TestRefusals(t *testing.T) {
	out := filepath.Join(t.TempDir(), "licences")
	for name, test := range map[string]struct {
		args []string
		code int
		want string
	}{
		"help":         {[]string{"-h"}, 0, "Usage: notices -o FILE"},
		"nothing":      {nil, 2, "Usage: notices -o FILE"},
		"no package":   {[]string{"-o", out}, 2, "Usage: notices -o FILE"},
		"no platform":  {[]string{"-o", out, "-platform", "linux", "."}, 2, "Usage: notices -o FILE"},
		"unknown flag": {[]string{"-x"}, 2, "not defined: -x"},
		"no such":      {[]string{"-o", out, "./none"}, 1, "notices: go list -deps -test"},
		"not writable": {[]string{"-o", filepath.Join(out, "x"), "."}, 1, "no such file or directory"},
	} {
		t.Run(name, func(t *testing.T) {
			var stderr bytes.Buffer
			assert.Equal(t, test.code, run(t.Context(), &stderr, test.args))
			assert.Contains(t, stderr.String(), test.want)
			assert.NoFileExists(t, out)
		})
	}
}
