package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// buildLimit is for a cold build cache on a busy machine.
const buildLimit = 10 * time.Minute

// TestProgramsOfALayoutRun lets build.sh make the real image and starts its programs from the unpacked layer.
func TestProgramsOfALayoutRun(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the image's programs are for linux: there is no way to start them here, and nothing to install for it")
	}
	file, root, certificates := t.TempDir()+"/image.tar", t.TempDir(), t.TempDir()+"/any"
	put(t, certificates, "certificates", 0o600)
	ctx, cancel := context.WithTimeout(t.Context(), buildLimit)
	defer cancel()
	command := exec.CommandContext(ctx, "../build.sh", "oci", file)
	command.Env = append(os.Environ(), "PLATFORMS=linux/"+runtime.GOARCH, "CA_CERTIFICATES="+certificates, "VERSION=v1")
	out, err := command.CombinedOutput()
	require.NoError(t, err, string(out))
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	image := open(t, data).images()["linux/"+runtime.GOARCH]
	assert.Equal(t, "v1", image.config["Labels"].(map[string]any)["org.opencontainers.image.version"])
	unpack(t, image.layer, root)
	for name, want := range map[string]string{"LICENSE": "Apache License", "THIRD_PARTY_LICENSES": "\ngonum.org/v1/plot v"} {
		text, err := os.ReadFile(filepath.Join(root, name))
		require.NoError(t, err)
		assert.Contains(t, string(text), want)
	}
	for name, test := range map[string]struct {
		args []string
		code int
		want string
	}{
		"entry point":                {[]string{"/llmsweep", "--help"}, 0, "llmsweep --benchmark-name NAME --endpoint-url URL [flags]"},
		"report":                     {[]string{"/report", "-h"}, 0, "Usage: report -data-dir DIR"},
		"mockserver":                 {[]string{"/mockserver", "-h"}, 0, "Usage: mockserver [flags]"},
		"report by the entry point":  {[]string{"/llmsweep", "report", "-output-dir=x"}, 2, "report: -data-dir is missing"},
		"a sweep by the entry point": {[]string{"/llmsweep", "--virtual", "--concurrencies=1", "-d", t.TempDir()}, 0, "--- PASS: TestSweep/c1"},
	} {
		t.Run(name, func(t *testing.T) {
			command := exec.CommandContext(ctx, root+test.args[0], test.args[1:]...)
			out, _ := command.CombinedOutput() // the exit code is what counts
			assert.Equal(t, test.code, command.ProcessState.ExitCode(), string(out))
			assert.Contains(t, string(out), test.want)
		})
	}
}

func unpack(t *testing.T, layer []member, root string) {
	t.Helper()
	for _, m := range layer {
		path := root + "/" + m.header.Name
		switch mode := m.header.FileInfo().Mode(); {
		case mode.IsDir():
			require.NoError(t, os.Mkdir(path, 0o755))
		case mode.IsRegular():
			require.NoError(t, os.WriteFile(path, []byte(m.text), mode))
		default:
			require.NoError(t, os.Symlink(m.header.Linkname, path))
		}
	}
}
