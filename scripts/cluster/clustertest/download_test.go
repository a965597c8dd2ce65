package clustertest

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// record runs a short benchmark in virtual time and returns the folder of its results, benchmark folders in it.
func record(t *testing.T, c *cluster) string {
	t.Helper()
	output := t.TempDir()
	r := c.run(t, "", filepath.Join(c.programs, "llmsweep"), "--virtual", "--benchmark-name=vllm-agg", "--output-dir="+output, "--isl=20",
		"--std=0", "--osl=8", "--concurrencies=1,2", "--request-count=4", "--plot=false")
	require.Zero(t, r.code, r.all())
	return output
}

// withResults puts results on the volume of the cluster.
func (c *cluster) withResults(t *testing.T) string {
	t.Helper()
	c.prepare(t)
	volume := c.volume(namespace, "dynamo-pvc")
	require.NoError(t, os.CopyFS(filepath.Join(volume, "results"), os.DirFS(record(t, c))))
	require.NoError(t, os.WriteFile(filepath.Join(volume, "results", "vllm-agg", "config.yaml"), []byte("a: 1\n"), 0o600))
	return filepath.Join(volume, "results")
}

// download runs our command; later flags win over the usual ones.
func (c *cluster) download(t *testing.T, output string, more ...string) result {
	t.Helper()
	return c.run(t, "", clusterCommand(t, "download"), downloadArgs(output, more...)...)
}

func downloadArgs(output string, more ...string) []string {
	return append([]string{"-namespace", namespace, "-output-dir", output, "-folder", "/data/results", "-timeout", "30s"}, more...)
}

// accessPods names the pods that downloads have made.
func (c *cluster) accessPods() []string {
	var names []string
	for _, pod := range c.List("pods", namespace) {
		if pod.GetLabels()["app.kubernetes.io/managed-by"] == "llmsweep-download" {
			names = append(names, pod.GetName())
		}
	}
	return names
}

// requireAccessPodGone fails if an access pod, or a stream to it, is left.
func (c *cluster) requireAccessPodGone(t *testing.T) {
	t.Helper()
	assert.Empty(t, c.accessPods())
	c.requireNothingLeft(t)
}

// files maps the files under a folder to their content.
func files(t *testing.T, folder string) map[string]string {
	t.Helper()
	found := map[string]string{}
	if _, err := os.Stat(folder); err != nil {
		return found
	}
	require.NoError(t, fs.WalkDir(os.DirFS(folder), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(filepath.Join(folder, path))
		found[path] = string(text)
		return err
	}))
	return found
}

func TestDownload(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	source := c.withResults(t)
	for name, test := range map[string]struct {
		folder, into string // into is where the benchmark lies afterwards
		noConfig     bool
	}{
		"all":            {"/data/results", "vllm-agg", false},
		"one":            {"/data/results/vllm-agg", "vllm-agg", false},
		"without config": {"/data/results", "vllm-agg", true},
	} {
		t.Run(name, func(t *testing.T) {
			output := filepath.Join(t.TempDir(), "results")
			args := []string{"-folder", test.folder}
			if test.noConfig {
				args = append(args, "-no-config")
			}
			r := c.download(t, output, args...)
			require.Zero(t, r.code, r.all())
			assert.Contains(t, r.stdout, "downloaded ")
			want := files(t, filepath.Join(source, "vllm-agg"))
			if test.noConfig {
				delete(want, "config.yaml")
			}
			assert.Equal(t, want, files(t, filepath.Join(output, test.into)))
			c.requireAccessPodGone(t)

			r = c.run(t, "", filepath.Join(c.programs, "report"), "-data-dir", output)
			require.Zero(t, r.code, r.all())
			assert.FileExists(t, filepath.Join(output, "plots", "SUMMARY.txt"))
		})
	}
}

// TestDownloadFailures shows that each reason has its line, within seconds, that nothing is left in the cluster, and nothing half here.
func TestDownloadFailures(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		prepare func(*testing.T, *cluster)
		args    []string
		want    string
	}{
		"no kubectl":          {func(t *testing.T, c *cluster) { c.set("PATH", t.TempDir()) }, nil, "kubectl: not found on PATH: install it"},
		"the cluster is gone": {func(_ *testing.T, c *cluster) { c.Close() }, nil, "not reachable"},
		"no namespace":        {nil, []string{"-namespace", "nowhere"}, `namespace "nowhere": not found`},
		"no claim": {
			func(_ *testing.T, c *cluster) { c.Remove("persistentvolumeclaims", namespace, "dynamo-pvc") }, nil,
			`pvc "dynamo-pvc": not found in namespace "benchmarking": create it with scripts/cluster/setup.sh`,
		},
		"pods may not be made": {
			func(_ *testing.T, c *cluster) { c.Deny("create", "pods") }, nil, `user "tester" may not create pods in namespace "benchmarking"`,
		},
		"exec is not allowed": {
			func(_ *testing.T, c *cluster) { c.Deny("create", "pods/exec"); c.Deny("get", "pods/exec") }, nil,
			`user "tester" may not create pods/exec in namespace "benchmarking"`,
		},
		"no such image":      {nil, []string{"-image", "registry.example/other:1", "-timeout", "3s"}, `ErrImagePull`},
		"an image not ours":  {func(_ *testing.T, c *cluster) { c.addForeignImage("busybox:1") }, []string{"-image", "busybox:1"}, `the image has no program /llmsweep`},
		"no such folder":     {nil, []string{"-folder", "/data/results/other"}, `/data/results/other`},
		"an empty folder":    {emptyFolder, []string{"-folder", "/data/results/empty"}, `has no files`},
		"a folder elsewhere": {nil, []string{"-folder", "/etc"}, `must be below /data`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.withResults(t)
			if test.prepare != nil {
				test.prepare(t, c)
			}
			output := filepath.Join(t.TempDir(), "results")
			started := time.Now()
			r := c.download(t, output, test.args...)
			assert.NotZero(t, r.code)
			assert.Contains(t, r.stderr, test.want)
			assert.Less(t, time.Since(started), limit/2)
			assert.Empty(t, files(t, output))
			c.requireAccessPodGone(t)
			t.Log(strings.TrimSpace(r.stderr))
		})
	}
}

func emptyFolder(t *testing.T, c *cluster) {
	require.NoError(t, os.Mkdir(filepath.Join(c.volume(namespace, "dynamo-pvc"), "results", "empty"), 0o755))
}

// TestDownloadCut breaks the stream in the middle: a large file is on its way when all connections are cut.
func TestDownloadCut(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	source := c.withResults(t)
	require.NoError(t, os.WriteFile(filepath.Join(source, "vllm-agg", "large"), make([]byte, 300<<20), 0o600))
	output := filepath.Join(t.TempDir(), "results")
	cmd, log := c.start(t, clusterCommand(t, "download"), downloadArgs(output)...)
	eventually(t, "files come", func() bool { return len(listing(output)) > 0 })
	c.CutForwards()
	assert.Equal(t, 1, exitCode(t, cmd), log.String())
	assert.Contains(t, log.String(), "download: the stream broke after ")
	assert.Empty(t, listing(output))
	c.requireAccessPodGone(t)
}

// TestDownloadInterruptedInTheStream ends the command while a large file is on its way.
func TestDownloadInterruptedInTheStream(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	source := c.withResults(t)
	require.NoError(t, os.WriteFile(filepath.Join(source, "vllm-agg", "large"), make([]byte, 300<<20), 0o600))
	output := filepath.Join(t.TempDir(), "results")
	cmd, log := c.start(t, clusterCommand(t, "download"), downloadArgs(output)...)
	eventually(t, "files come", func() bool { return len(listing(output)) > 0 })
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	assert.Equal(t, 1, exitCode(t, cmd), log.String())
	assert.Contains(t, log.String(), "removing the access pod")
	assert.Empty(t, listing(output))
	c.requireAccessPodGone(t)
}

// TestTwoDownloadsAtOnce: the second comes and ends while the first receives a large file, and leaves its pod and one made by hand alone.
func TestTwoDownloadsAtOnce(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	source := c.withResults(t)
	require.NoError(t, os.Mkdir(filepath.Join(source, "other"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(source, "other", "large"), make([]byte, 300<<20), 0o600))
	c.kubectl(t, "apply", "-f", "scripts/cluster/access-pod.yaml")
	first, second := filepath.Join(t.TempDir(), "results"), filepath.Join(t.TempDir(), "results")
	cmd, log := c.start(t, clusterCommand(t, "download"), downloadArgs(first, "-folder", "/data/results/other")...)
	eventually(t, "the large file comes", func() bool { return len(listing(first)) > 0 })
	pods := c.accessPods()
	require.Len(t, pods, 1)
	r := c.download(t, second, "-folder", "/data/results/vllm-agg")
	require.Zero(t, r.code, r.all())
	assert.Equal(t, pods, c.accessPods(), "the first has ended too early to show anything, or its pod is gone")
	assert.Zero(t, exitCode(t, cmd), log.String())
	assert.Len(t, listing(first), 1)
	assert.NotEmpty(t, listing(second))
	c.requireAccessPodGone(t)
	assert.NotNil(t, c.Get("pods", namespace, "pvc-access-pod"))
}

// listing names the files under a folder, also one that changes meanwhile.
func listing(folder string) []string {
	var found []string
	_ = filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			found = append(found, path)
		}
		return nil
	})
	return found
}

// TestDownloadInterrupted ends the command while it waits for a pod that cannot start, and while the stream runs.
func TestDownloadInterrupted(t *testing.T) {
	t.Parallel()
	for name, sig := range map[string]syscall.Signal{"interrupt": syscall.SIGINT, "terminated": syscall.SIGTERM} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.withResults(t)
			output := filepath.Join(t.TempDir(), "results")
			cmd, log := c.start(t, clusterCommand(t, "download"), downloadArgs(output, "-image", "registry.example/other:1")...)
			eventually(t, "the pod is made", func() bool { return len(c.accessPods()) > 0 })
			require.NoError(t, cmd.Process.Signal(sig))
			assert.Equal(t, 1, exitCode(t, cmd), log.String())
			assert.Empty(t, files(t, output))
			c.requireAccessPodGone(t)
		})
	}
}

// TestRenderedJob goes the guide's whole way: a job is rendered and applied, runs, is watched, downloaded and reported.
func TestRenderedJob(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.serve(t, namespace, "vllm-agg-frontend")
	c.prepare(t)
	r := c.run(t, "", clusterCommand(t, "render"), "-model", "Qwen/Qwen3-0.6B", "-benchmark-name", "vllm-agg", "-endpoint", "vllm-agg-frontend:8000",
		"-isl=20", "-std=0", "-osl=8", "-concurrencies=1,2", "-request-count=4")
	require.Zero(t, r.code, r.all())
	for _, object := range decodeAll(t, []byte(r.stdout)) {
		requireRestricted(t, object)
	}
	applied := c.run(t, r.stdout, "kubectl", "apply", "-f", "-")
	require.Zero(t, applied.code, applied.all())
	assert.Empty(t, applied.stderr)
	assert.Contains(t, c.kubectl(t, "logs", "-f", "job/dynamo-benchmark"), "--- PASS: TestSweep")
	c.kubectl(t, "wait", "--for=condition=Complete", "--timeout=30s", "job/dynamo-benchmark")
	output := filepath.Join(t.TempDir(), "results")
	r = c.download(t, output)
	require.Zero(t, r.code, r.all())
	r = c.run(t, "", filepath.Join(c.programs, "report"), "-data-dir", output)
	require.Zero(t, r.code, r.all())
	summary, err := os.ReadFile(filepath.Join(output, "plots", "SUMMARY.txt"))
	require.NoError(t, err)
	assert.Contains(t, string(summary), "vllm-agg: 2 concurrency levels (1-2)")
}

// TestBenchmarkJobIsRendered holds the file against the command that wrote it.
func TestBenchmarkJobIsRendered(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	r := c.run(t, "", clusterCommand(t, "render"), "-model", "Qwen/Qwen3-0.6B", "-benchmark-name", "qwen3-0p6b-vllm-agg", "-endpoint", "vllm-agg-frontend:8000")
	require.Zero(t, r.code, r.all())
	text, err := os.ReadFile(outside(t, manifests+"/benchmark_job.yaml"))
	require.NoError(t, err)
	assert.Equal(t, string(text), r.stdout)
}
