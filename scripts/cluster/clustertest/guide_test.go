package clustertest

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
)

// block is one block of commands of the documentation that needs a cluster.
type block struct {
	line     int
	commands string
}

// clusterBlocks finds the blocks of a page that are marked "sh cluster".
func clusterBlocks(text string) []block {
	var blocks []block
	inside := false
	for i, line := range strings.Split(text, "\n") {
		switch {
		case line == "```sh cluster":
			inside = true
			blocks = append(blocks, block{line: i + 2})
		case strings.HasPrefix(line, "```"):
			inside = false
		case inside:
			blocks[len(blocks)-1].commands += line + "\n"
		}
	}
	return blocks
}

func pages(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob(outside(t, "docs/*.md"))
	require.NoError(t, err)
	return append(found, outside(t, "README.md"))
}

// TestGuide runs the documentation's commands for a cluster, page by page and from top to bottom, in a cluster as the guide assumes it:
// the namespace benchmarking with two servers, and a second namespace, serving, with one. What they measure is made short by settings of
// the environment; the commands are run as they stand but for two places that a test must not touch, port 8000 and the results' folder.
func TestGuide(t *testing.T) {
	t.Parallel()
	total := 0
	for _, path := range pages(t) {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		blocks := clusterBlocks(string(text))
		total += len(blocks)
		if len(blocks) == 0 {
			continue
		}
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			g := newGuide(t)
			for _, b := range blocks {
				g.follow(t, b)
			}
		})
	}
	assert.Greater(t, total, 10, "the documentation has hardly any commands for a cluster: are its blocks marked differently now?")
}

// guide is the cluster of a reader who follows a page.
type guide struct {
	*cluster
	results, port string
}

func newGuide(t *testing.T) *guide {
	c := newCluster(t)
	c.short = []string{"BENCH_CONCURRENCIES=1,2", "BENCH_REQUEST_COUNT=2"}
	for _, setting := range c.short {
		name, value, _ := strings.Cut(setting, "=")
		c.set(name, value)
	}
	c.set("BENCH_STD", "0")
	c.AddNamespace("serving", nil)
	c.serve(t, namespace, "vllm-agg-frontend")
	c.serve(t, namespace, "vllm-disagg-frontend")
	c.serve(t, "serving", "vllm-agg-frontend")
	// What a benchmark in the other namespace left there.
	c.kubectl(t, "apply", "-n", "serving", "-k", "scripts/cluster")
	c.kubectl(t, "wait", "-n", "serving", "--for=condition=Complete", "--timeout=60s", "job/dynamo-benchmark")
	results := filepath.Join(t.TempDir(), "results")
	c.set("BENCH_OUTPUT_DIR", results)
	return &guide{c, results, c.freePort(t)}
}

// serve starts a mock server behind a service of that name.
func (c *cluster) serve(t *testing.T, ns, name string) {
	t.Helper()
	text, err := os.ReadFile(outside(t, "scripts/overlays/mock/mockserver.yaml"))
	require.NoError(t, err)
	text = bytes.ReplaceAll(text, []byte("name: mockserver"), []byte("name: "+name))
	text = bytes.Replace(text, []byte(`"8000"]`), []byte(`"8000", -speedup-ratio, "0"]`), 1)
	r := c.run(t, string(text), "kubectl", "apply", "-n", ns, "-f", "-")
	require.Zero(t, r.code, r.all())
	c.kubectl(t, "rollout", "status", "-n", ns, "deployment/"+name, "--timeout=30s")
}

// follow runs one block.
func (g *guide) follow(t *testing.T, b block) {
	t.Helper()
	g.settle(t, b.commands)
	commands := strings.ReplaceAll(b.commands, "benchmarks/results", g.results)
	commands = regexp.MustCompile(`\b8000:8000\b`).ReplaceAllString(commands, g.port+":8000")
	commands = strings.ReplaceAll(commands, "localhost:8000", "localhost:"+g.port)
	ctx, cancel := context.WithTimeout(t.Context(), 2*limit)
	defer cancel()
	cmd := g.command(ctx, "bash", "-euo", "pipefail", "-c", commands)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	end := func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.Cancel = end
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	started := time.Now()
	err := cmd.Run()
	_ = end() // what a block leaves behind on purpose ends with the page
	require.NoError(t, err, "line %d:\n%s\n%s", b.line, b.commands, out.String())
	t.Logf("line %d: %.1f s", b.line, time.Since(started).Seconds())
}

// settle does what a reader does between two blocks: wait until the jobs have ended, and remove a job before another one of its name.
func (g *guide) settle(t *testing.T, commands string) {
	t.Helper()
	eventually(t, "the jobs end", func() bool {
		for _, o := range g.List("jobs", namespace) {
			if status := o.(*batchv1.Job).Status; status.Succeeded+status.Failed == 0 {
				return false
			}
		}
		return true
	})
	for _, o := range g.List("jobs", namespace) {
		require.Zero(t, o.(*batchv1.Job).Status.Failed, g.log(t, o.GetName()))
		if strings.Contains(commands, "kubectl apply") && !strings.Contains(commands, "access-pod") {
			g.kubectl(t, "delete", "-n", namespace, "job", o.GetName())
			require.NoError(t, os.RemoveAll(filepath.Join(g.volume(namespace, "dynamo-pvc"), "results")))
		}
	}
}

func (g *guide) log(t *testing.T, job string) string {
	t.Helper()
	return g.kubectl(t, "logs", "-n", namespace, "job/"+job)
}

// waitCommands returns the block of docs/cluster.md that waits for the end of a Job.
func waitCommands(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(outside(t, "docs/cluster.md"))
	require.NoError(t, err)
	_, after, found := strings.Cut(string(text), "To wait for the end in a script")
	require.True(t, found)
	return clusterBlocks(after)[0].commands
}

// TestWaitingInAScript runs the guide's commands for it beside Jobs that complete and that fail, from before their pod has started: the Jobs
// wait for their volume. As pasted, nothing ends the commands early but themselves.
func TestWaitingInAScript(t *testing.T) {
	t.Parallel()
	manifest, err := os.ReadFile(outside(t, manifests+"/benchmark_job.yaml"))
	require.NoError(t, err)
	for name, test := range map[string]struct {
		argument string // of the container, in place of the model
		code     int
		output   string
	}{
		"completes": {"--help", 0, "Complete\n"},
		"fails":     {"--no-such-flag", 1, "Failed\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			r := c.run(t, strings.Replace(string(manifest), "--model=Qwen/Qwen3-0.6B", test.argument, 1), "kubectl", "apply", "-f", "-")
			require.Zero(t, r.code, r.all())
			asked := c.countKubectl(t)
			cmd, log := c.start(t, "bash", "-uc", waitCommands(t))
			eventually(t, "it has asked for the Job", func() bool { return asked() > 0 })
			c.prepare(t)
			assert.Equal(t, test.code, exitCode(t, cmd), log.String())
			assert.Equal(t, test.output, log.String())
		})
	}
	t.Run("there is none", func(t *testing.T) {
		t.Parallel()
		c := newCluster(t)
		r := c.run(t, "", "bash", "-uc", waitCommands(t))
		assert.Equal(t, 1, r.code, r.all())
		assert.Contains(t, r.stderr, `jobs.batch "dynamo-benchmark" not found`)
	})
}

// countKubectl puts a program before kubectl that notes each call when it has ended, and returns how many have.
func (c *cluster) countKubectl(t *testing.T) func() int {
	t.Helper()
	bin, calls := t.TempDir(), filepath.Join(t.TempDir(), "calls")
	script := "#!/bin/sh\n" + filepath.Join(c.home, "bin", "kubectl") + ` "$@"` + "\ncode=$?\necho >>" + calls + "\nexit $code\n"
	require.NoError(t, os.WriteFile(filepath.Join(bin, "kubectl"), []byte(script), 0o700)) //nolint:gosec // a program
	c.set("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	return func() int {
		text, _ := os.ReadFile(calls)
		return len(text)
	}
}

func TestUnknownCommandsOfTheGuideAreNoticed(t *testing.T) {
	t.Parallel()
	blocks := clusterBlocks("```sh\nno\n```\n```sh cluster\nkubectl apply -f scripts/cluster/no-such.yaml\n```\n")
	require.Len(t, blocks, 1)
	assert.Equal(t, 5, blocks[0].line)
	c := newCluster(t)
	for commands, want := range map[string]string{
		blocks[0].commands:            "does not exist",
		"kubectl frobnicate\n":        "unknown command",
		"no-such-program\n":           "command not found",
		"kubectl get frobs\n":         `the server doesn't have a resource type "frobs"`,
		"kubectl get pods -n nothing": "",
	} {
		cmd := c.command(t.Context(), "bash", "-euo", "pipefail", "-c", commands)
		out, err := cmd.CombinedOutput()
		if want == "" {
			assert.NoError(t, err, string(out))
			continue
		}
		var exit *exec.ExitError
		assert.ErrorAs(t, err, &exit, commands)
		assert.Contains(t, string(out), want)
	}
}
