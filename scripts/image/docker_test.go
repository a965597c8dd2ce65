// Package image_test runs the container image that build.sh makes, with real
// containers, networks and volumes. Without Docker its tests are skipped, or fail
// where REQUIRE_DOCKER is 1.
package image_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/testcontainers/testcontainers-go"
)

const (
	root           = "../.."
	buildLimit     = 5 * time.Minute // from a cold build cache, on a busy machine
	containerLimit = time.Minute
	dockerLimit    = 10 * time.Second
)

// image is the name of the image under test: not llmsweep:dev, which belongs to the user of this machine.
var image = fmt.Sprintf("llmsweep:test-%d", os.Getpid())

// TestMain removes the image that the tests have built. Everything else is removed by the test that made it, so the helper container of
// testcontainers, whose image would be pulled, is not needed.
func TestMain(m *testing.M) {
	if os.Getenv("TESTCONTAINERS_RYUK_DISABLED") == "" {
		if err := os.Setenv("TESTCONTAINERS_RYUK_DISABLED", "true"); err != nil {
			panic(err)
		}
	}
	code := m.Run()
	if err := removeImage(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// removeImage removes the image under test, if there is one.
func removeImage() error {
	ctx, cancel := context.WithTimeout(context.Background(), dockerLimit)
	defer cancel()
	if exec.CommandContext(ctx, "docker", "image", "inspect", image).Run() != nil {
		return nil
	}
	if out, err := exec.CommandContext(ctx, "docker", "image", "rm", image).CombinedOutput(); err != nil {
		return fmt.Errorf("removing %s: %w: %s", image, err, out)
	}
	return nil
}

// daemon returns a client of the Docker daemon and sees to it that the image is there. Without Docker the test is skipped, or fails if
// REQUIRE_DOCKER says so.
func daemon(t *testing.T) client.APIClient {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), dockerLimit)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "docker", "version").CombinedOutput(); err != nil {
		if os.Getenv("REQUIRE_DOCKER") == "1" {
			require.NoError(t, err, "REQUIRE_DOCKER=1, and docker does not work: %s", out)
		}
		t.Skipf("docker does not work (%v): install and start it, or set REQUIRE_DOCKER=1 to make this a failure", err)
	}
	build(t)
	provider, err := testcontainers.NewDockerProvider()
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, provider.Close()) })
	return provider.Client()
}

var buildOnce = sync.OnceValues(func() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), buildLimit)
	defer cancel()
	command := exec.CommandContext(ctx, "./build.sh")
	command.Env = append(os.Environ(), "IMAGE="+image)
	out, err := command.CombinedOutput()
	return string(out), err
})

// build makes the image, once for all tests.
func build(t *testing.T) {
	t.Helper()
	openSources(t)
	out, err := buildOnce()
	require.NoError(t, err, out)
}

// openSources opens what the image is made of. go test remembers a result together with the files that the test itself opened; what build.sh
// reads it does not see, and would answer a change there out of its cache.
func openSources(t *testing.T) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains([]string{".git", "benchmarks", "dist"}, entry.Name()):
			return filepath.SkipDir
		case slices.Contains([]string{".go", ".mod", ".sh"}, filepath.Ext(path)) || entry.Name() == "Dockerfile":
			file, err := os.Open(path)
			if err != nil {
				return err
			}
			return file.Close()
		}
		return nil
	}))
}
