package clustertest

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/scripts/cluster/clustertest/apiserver"
)

const (
	// limit bounds everything that a test waits for.
	limit     = 60 * time.Second
	namespace = "benchmarking"
	image     = "ghcr.io/llmsweep/llmsweep:latest"
	// repository is the root of the main module.
	repository = "../../.."
)

func TestMain(m *testing.M) {
	code := m.Run()
	if programs.folder != "" {
		_ = os.RemoveAll(programs.folder)
	}
	os.Exit(code)
}

// outside returns the path of a file of the main module.
func outside(t *testing.T, path string) string {
	t.Helper()
	full, err := filepath.Abs(filepath.Join(repository, path))
	require.NoError(t, err)
	return full
}

// findKubectl returns the kubectl to test with. Without one the test is skipped, or fails where that is forbidden.
func findKubectl(t *testing.T) string {
	t.Helper()
	name := os.Getenv("KUBECTL")
	if name == "" {
		name = "kubectl"
	}
	path, err := exec.LookPath(name)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil && os.Getenv("REQUIRE_KUBECTL") == "1" {
		require.NoError(t, err, "REQUIRE_KUBECTL=1: install kubectl, or build the one in folder kubectl and set KUBECTL to it")
	}
	if err != nil {
		t.Skip("no kubectl: install it, or build the one in folder kubectl and set KUBECTL to its path; REQUIRE_KUBECTL=1 makes this a failure")
	}
	return path
}

// programs is a folder of built programs, filled at first use and kept for all tests.
var programs struct {
	sync.Mutex
	folder string
	built  map[string]bool
}

// build runs go with the arguments once and returns the folder in which its output lies; %s in them is that folder.
func build(t *testing.T, args ...string) string {
	t.Helper()
	programs.Lock()
	defer programs.Unlock()
	if programs.folder == "" {
		folder, err := os.MkdirTemp("", "llmsweep-programs-")
		require.NoError(t, err)
		programs.folder, programs.built = folder, map[string]bool{}
	}
	key := strings.Join(args, " ")
	if !programs.built[key] {
		cmd := exec.Command("go", strings.Fields(strings.ReplaceAll(key, "%s", programs.folder+"/"))...)
		cmd.Dir = outside(t, ".")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		programs.built[key] = true
	}
	return programs.folder
}

// imagePrograms returns a folder with what the image holds in its root. As there, bench.test is the report and the mock server too, and
// tells by its name which one it is asked for.
func imagePrograms(t *testing.T) string {
	t.Helper()
	build(t, "test", "-c", "-o", "%sbench.test", "./bench")
	folder := build(t, "build", "-o", "%sllmsweep", "./scripts/image/entrypoint")
	for _, name := range []string{"report", "mockserver"} {
		if err := os.Symlink("bench.test", filepath.Join(folder, name)); !errors.Is(err, fs.ErrExist) {
			require.NoError(t, err)
		}
	}
	return folder
}

// clusterCommand returns the path of one of our commands, render or download.
func clusterCommand(t *testing.T, name string) string {
	t.Helper()
	return filepath.Join(build(t, "build", "-o", "%s", "./scripts/cluster/"+name), name)
}

// cluster is an API server with its node, and the environment in which commands meet it.
type cluster struct {
	*apiserver.Server
	*node
	repository string
	home       string
	env        []string
}

// newCluster starts a cluster with the namespace that all tests use, under the strictest pod security profile.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	kubectl := findKubectl(t)
	n := &node{t: t, volumes: t.TempDir(), programs: imagePrograms(t)}
	server, err := apiserver.Start(n)
	require.NoError(t, err)
	t.Cleanup(server.Close)
	n.server = server
	server.AddNamespace(namespace, map[string]string{"pod-security.kubernetes.io/enforce": "restricted"})

	// kubectl is found as users' scripts find it, by its name on the PATH, and sees no configuration of this machine.
	home := t.TempDir()
	bin := filepath.Join(home, "bin")
	require.NoError(t, os.Mkdir(bin, 0o755))
	require.NoError(t, os.Symlink(kubectl, filepath.Join(bin, "kubectl")))
	config := filepath.Join(home, "kubeconfig")
	require.NoError(t, server.WriteKubeconfig(config, namespace))
	c := &cluster{Server: server, node: n, repository: outside(t, "."), home: home}
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, "KUBE") && !strings.HasPrefix(name, "BENCH_") && name != "HF_TOKEN" && name != "NAMESPACE" {
			c.env = append(c.env, entry)
		}
	}
	c.set("HF_HUB_OFFLINE", "1")
	c.set("KUBECONFIG", config)
	c.set("KUBECACHEDIR", filepath.Join(home, "cache"))
	c.set("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	return c
}

// set adds a variable to the environment of all later commands.
func (c *cluster) set(name, value string) { c.env = append(c.env, name+"="+value) }

// freePort returns a port of 127.0.0.1 on which nothing listens.
func (c *cluster) freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	return port
}

// result is how a command ended.
type result struct {
	stdout, stderr string
	code           int
}

// all is the whole output, for messages and for what may be on either.
func (r result) all() string { return r.stdout + r.stderr }

// command prepares a command in the repository's root.
func (c *cluster) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	if !filepath.IsAbs(name) {
		name = c.lookPath(name)
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = c.repository, c.env, time.Second
	return cmd
}

// lookPath finds a command on the path of the cluster's environment.
func (c *cluster) lookPath(name string) string {
	if name == "kubectl" {
		return filepath.Join(c.home, "bin", "kubectl")
	}
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	return name
}

// run runs a command to its end, within the limit.
func (c *cluster) run(t *testing.T, stdin, name string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := c.command(ctx, name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	require.NoError(t, ctx.Err(), "%s %q did not end within %v: %s", name, args, limit, stderr.String())
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// start starts a command whose output is collected; exitCode waits for its end.
func (c *cluster) start(t *testing.T, name string, args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	cmd := c.command(t.Context(), name, args...)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	require.NoError(t, cmd.Start())
	return cmd, &log
}

// exitCode waits for the end of a command, within the limit. A command that a signal ended has -1.
func exitCode(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	timer := time.AfterFunc(limit, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return cmd.ProcessState.ExitCode()
}

// kubectl runs kubectl, which must succeed, and returns its output.
func (c *cluster) kubectl(t *testing.T, args ...string) string {
	t.Helper()
	r := c.run(t, "", "kubectl", args...)
	require.Zero(t, r.code, "kubectl %q: %s", args, r.all())
	return r.stdout
}

// eventually polls until ok, within the limit.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, limit, 10*time.Millisecond, what)
}
