package cluster_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const demoLimit = 5 * time.Minute // with the image built from a cold cache

// demo is a run of demo.sh, small, with an image and a folder of its own.
type demo struct {
	command *exec.Cmd
	image   string
	out     string
}

// newDemo prepares a run. Without Docker the test is skipped, or fails if REQUIRE_DOCKER says so.
func newDemo(t *testing.T) *demo {
	t.Helper()
	requireDocker(t)
	// Opened by the test itself, the script counts for go test's cache. The image that it builds has tests of its own.
	_, err := os.ReadFile("demo.sh")
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), demoLimit)
	t.Cleanup(cancel)
	d := &demo{image: fmt.Sprintf("llmsweep:demo-%d", os.Getpid()), out: t.TempDir()}
	d.command = exec.CommandContext(ctx, "./demo.sh")
	d.command.Env = append(os.Environ(), "IMAGE="+d.image, "OUT="+d.out, "OSL=16", "CONCURRENCIES=1,2", "REQUEST_COUNT=5")
	// As at a terminal, where Ctrl-C reaches everything that the script has started.
	d.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	d.command.WaitDelay = 10 * time.Second
	t.Cleanup(func() {
		if exec.Command("docker", "image", "inspect", d.image).Run() == nil {
			out, err := exec.Command("docker", "image", "rm", d.image).CombinedOutput()
			assert.NoError(t, err, "%s", out)
		}
	})
	return d
}

func requireDocker(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "docker", "version").CombinedOutput()
	if err == nil {
		return
	}
	if os.Getenv("REQUIRE_DOCKER") == "1" {
		require.NoError(t, err, "REQUIRE_DOCKER=1, and docker does not work: %s", out)
	}
	t.Skipf("docker does not work (%v): install and start it, or set REQUIRE_DOCKER=1 to make this a failure", err)
}

// assertNothingLeft looks for what a demo makes in Docker. Its process id is in every name.
func (d *demo) assertNothingLeft(t *testing.T) {
	t.Helper()
	for _, kind := range []string{"ps --all", "network ls", "volume ls"} {
		arguments := append(strings.Fields(kind), "--quiet", "--filter", fmt.Sprintf("name=^llmsweep-demo-%d(-|$)", d.command.Process.Pid))
		out, err := exec.Command("docker", arguments...).CombinedOutput()
		require.NoError(t, err, "%s", out)
		assert.Empty(t, string(out), kind)
	}
}

func TestDockerDemoComparesTwoBenchmarks(t *testing.T) {
	d := newDemo(t)
	out, err := d.command.CombinedOutput()
	require.NoError(t, err, "%s", out)
	text := string(out)
	for _, line := range []string{
		"[1/7] Build the image " + d.image, "c2    done: 5 of 5 requests ok in ", "--- PASS: TestSweep",
		"39 files, all with the SHA-256 that MANIFEST.json gives",
	} {
		assert.Contains(t, text, line)
	}
	for _, name := range []string{"vllm-agg-a", "vllm-agg-b"} {
		assert.Regexp(t, ` 2[~!]? `+name+` `, text, "in the comparison, with a mark where this machine was too busy")
	}
	for _, file := range []string{"results.tar", "results/vllm-agg-a/c2/profile_export.jsonl", "results/plots/report.html"} {
		assert.FileExists(t, filepath.Join(d.out, file))
	}
	d.assertNothingLeft(t)
}

func TestDockerDemoCleansUpAfterAnInterrupt(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			d := newDemo(t)
			stdout, err := d.command.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, d.command.Start())
			readUntil(t, stdout, "requests (level 1 of 2)")
			// SIGTERM comes to the script alone, Ctrl-C to all.
			target := d.command.Process.Pid
			if signal == syscall.SIGINT {
				target = -target
			}
			start := time.Now()
			require.NoError(t, syscall.Kill(target, signal))
			_, _ = io.Copy(io.Discard, stdout)
			err = d.command.Wait()
			assert.ErrorContains(t, err, fmt.Sprintf("exit status %d", 128+int(signal)))
			assert.Less(t, time.Since(start), 20*time.Second)
			d.assertNothingLeft(t)
		})
	}
}

// readUntil reads up to a text.
func readUntil(t *testing.T, r io.Reader, text string) {
	t.Helper()
	var read strings.Builder
	for buffer := make([]byte, 256); !strings.Contains(read.String(), text); {
		n, err := r.Read(buffer)
		read.Write(buffer[:n])
		require.NoError(t, err, read.String())
	}
}

func TestDemoWithoutDockerSaysWhatToDo(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	command := exec.CommandContext(ctx, "./demo.sh")
	command.Env = append(os.Environ(), "DOCKER_HOST=unix:///nonexistent/docker.sock", "OUT="+t.TempDir())
	out, err := command.CombinedOutput()
	assert.ErrorContains(t, err, "exit status 1")
	assert.Equal(t, "cluster-demo: docker is missing or its daemon does not answer: install it (Debian: apt-get install docker.io) and start it\n", string(out))
}
