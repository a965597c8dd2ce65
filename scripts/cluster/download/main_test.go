package main

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/kubectl/fakekubectl"
	"github.com/llmsweep/llmsweep/leaktest"
)

func TestMain(m *testing.M) {
	fakekubectl.Main()
	if os.Getenv("AS_DOWNLOAD") != "" {
		main()
	}
	os.Exit(leaktest.Run(m))
}

const patience = 20 * time.Second

// entry is one entry of a tar; header changes what is unusual.
type entry struct {
	name, content string
	kind          byte
}

// packed makes a tar of entries with a manifest, which change may spoil.
func packed(t *testing.T, entries []entry, change func(*manifest)) []byte {
	t.Helper()
	var b bytes.Buffer
	archive := tar.NewWriter(&b)
	var m manifest
	add := func(e entry) {
		header := &tar.Header{Name: e.name, Typeflag: e.kind, Mode: 0o644, Size: int64(len(e.content)), ModTime: time.Unix(1000, 0)}
		if e.kind == 0 {
			header.Typeflag = tar.TypeReg
		}
		if header.Typeflag != tar.TypeReg {
			header.Size, header.Linkname = 0, "/etc/passwd"
		}
		require.NoError(t, archive.WriteHeader(header))
		_, err := archive.Write([]byte(e.content)[:header.Size])
		require.NoError(t, err)
	}
	for _, e := range entries {
		sum := sha256.Sum256([]byte(e.content))
		m.Files = append(m.Files, fileProof{e.name, int64(len(e.content)), hex.EncodeToString(sum[:])})
		add(e)
	}
	m.Count = len(m.Files)
	if change != nil {
		change(&m)
	}
	text, err := json.Marshal(m)
	require.NoError(t, err)
	add(entry{name: manifestName, content: string(text)})
	require.NoError(t, archive.Close())
	return b.Bytes()
}

func benchmark() []entry {
	return []entry{{name: "c1/level.json", content: "{}"}, {name: "c1/profile_export.jsonl", content: strings.Repeat("line\n", 1000)}, {name: "run.json", content: "{ }"}}
}

const readyPod = `{"status":{"phase":"Running","conditions":[{"type":"PodScheduled","status":"True"},{"type":"Ready","status":"True"}],"containerStatuses":[{"state":{"running":{}}}]}}`

// site is a download from a fake cluster to a folder that does not exist yet.
type site struct {
	calls          *fakekubectl.Calls
	dir            string
	stdout, stderr bytes.Buffer
}

// withTar installs a cluster whose pod sends a tar; rules come before those of a cluster in which all is well.
func withTar(t *testing.T, content []byte, rules ...fakekubectl.Rule) *site {
	t.Helper()
	file := filepath.Join(t.TempDir(), "results.tar")
	require.NoError(t, os.WriteFile(file, content, 0o600))
	s := &site{dir: filepath.Join(t.TempDir(), "results")}
	s.calls = fakekubectl.Install(t, append(rules,
		fakekubectl.Rule{Match: "get persistentvolumeclaim dynamo-pvc", Stdout: "persistentvolumeclaim/dynamo-pvc\n"},
		fakekubectl.Rule{Match: "get namespace n", Stdout: "namespace/n\n"},
		fakekubectl.Rule{Match: "create -f -", Stdout: "pod/x created\n"},
		fakekubectl.Rule{Match: "get pod pvc-access-pod-", Stdout: readyPod},
		fakekubectl.Rule{Match: "exec pvc-access-pod-", File: file},
		fakekubectl.Rule{Match: "delete pod pvc-access-pod-", Stdout: "pod deleted\n"},
	)...)
	return s
}

func (s *site) run(t *testing.T, args ...string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return run(ctx, &s.stdout, &s.stderr, append([]string{"-n", "n", "-o", s.dir, "-folder", "/data/results/b"}, args...))
}

// pod is the name of the pod that was made.
func (s *site) pod(t *testing.T) string {
	t.Helper()
	created := s.calls.Matching("create -f -")
	require.NotEmpty(t, created)
	var pod struct{ Metadata struct{ Name string } }
	require.NoError(t, json.Unmarshal([]byte(created[len(created)-1].Stdin), &pod))
	require.Regexp(t, `^pvc-access-pod-[a-z2-7]{5}$`, pod.Metadata.Name)
	return pod.Metadata.Name
}

// requireRemoved: the access pod was removed after everything else.
func (s *site) requireRemoved(t *testing.T) {
	t.Helper()
	calls := s.calls.All()
	require.NotEmpty(t, calls)
	assert.Equal(t, "--namespace n delete pod "+s.pod(t)+" --ignore-not-found --now --timeout 30s", calls[len(calls)-1].Line())
}

// tree maps the files below dir to their content.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		require.NoError(t, err)
		if !entry.IsDir() {
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			name, err := filepath.Rel(dir, path)
			require.NoError(t, err)
			files[filepath.ToSlash(name)] = string(content)
		}
		return nil
	}))
	return files
}

func contents(prefix string, entries []entry) map[string]string {
	files := map[string]string{}
	for _, e := range entries {
		files[prefix+e.name] = e.content
	}
	return files
}

func TestDownload(t *testing.T) {
	s := withTar(t, packed(t, benchmark(), nil))
	require.Zero(t, s.run(t), s.stderr.String())
	assert.Equal(t, contents("b/", benchmark()), tree(t, s.dir))
	assert.Contains(t, s.stdout.String(), "downloaded 3 files (0.0 MB) to "+s.dir+"/b\n")
	assert.Contains(t, s.stdout.String(), "Report: go run ./reporting/cmd/report -data-dir "+s.dir+"\n")
	assert.Equal(t, "--namespace n exec "+s.pod(t)+" -c access -- /llmsweep results tar -dir /data/results/b", s.calls.Matching("exec")[0].Line())
	s.requireRemoved(t)
	entries, err := os.ReadDir(s.dir)
	require.NoError(t, err)
	assert.Len(t, entries, 1, "nothing else is left beside the benchmark")
	info, err := os.Stat(filepath.Join(s.dir, "b", "run.json"))
	require.NoError(t, err)
	assert.Equal(t, int64(1000), info.ModTime().Unix())
}

func TestThePodIsWhatWasAskedFor(t *testing.T) {
	s := withTar(t, packed(t, benchmark(), nil), fakekubectl.Rule{Match: "get persistentvolumeclaim mine"})
	require.Zero(t, s.run(t, "-no-config", "-image=llmsweep:dev", "-pvc=mine"), s.stderr.String())
	assert.True(t, strings.HasSuffix(s.calls.Matching("exec")[0].Line(), " -dir /data/results/b -no-config"))
	applied := s.calls.Matching("create -f -")
	require.Len(t, applied, 1)
	for _, want := range []string{`"namespace":"n"`, `"image":"llmsweep:dev"`, `"claimName":"mine"`, `"name":"` + s.pod(t), `"app":"pvc-access"`, `"app.kubernetes.io/managed-by":"llmsweep-download"`} {
		assert.Contains(t, applied[0].Stdin, want)
	}
}

// TestWhereTheFilesGo: such that a report of the printed folder finds them.
func TestWhereTheFilesGo(t *testing.T) {
	several := []entry{{name: "a/run.json", content: "1"}, {name: "c1/c2/level.json", content: "2"}, {name: "plots/SUMMARY.txt", content: "3"}}
	aiperf := []entry{{name: "c10/profile_export_aiperf.json", content: "{}"}}
	for name, c := range map[string]struct {
		entries     []entry
		dir, folder string
		prefix      string
		report      string
	}{
		"a benchmark":                      {benchmark(), "out", "/data/results/b", "out/b/", "out"},
		"a benchmark, DIR has its name":    {benchmark(), "out/b", "/data/results/b", "out/b/", "out"},
		"a benchmark somewhere else":       {benchmark(), "out", "/data/other/deep/b/", "out/b/", "out"},
		"a benchmark of AIPerf":            {aiperf, "out", "/data/results/b", "out/b/", "out"},
		"all benchmarks":                   {several, "out", "/data/results", "out/", "out"},
		"all benchmarks, in a deep folder": {several, "x/out", "/data/mine", "x/out/", "x/out"},
	} {
		t.Run(name, func(t *testing.T) {
			s := withTar(t, packed(t, c.entries, nil))
			base := t.TempDir()
			require.Zero(t, s.run(t, "-o", filepath.Join(base, c.dir), "-folder", c.folder), s.stderr.String())
			assert.Equal(t, contents(c.prefix, c.entries), tree(t, base))
			assert.Contains(t, s.stdout.String(), "-data-dir "+filepath.Join(base, c.report)+"\n")
		})
	}
}

// TestEachDownloadHasItsPod and removes no other.
func TestEachDownloadHasItsPod(t *testing.T) {
	s := withTar(t, packed(t, benchmark(), nil))
	require.Zero(t, s.run(t), s.stderr.String())
	first := s.pod(t)
	require.Zero(t, s.run(t), s.stderr.String())
	assert.NotEqual(t, first, s.pod(t))
	removed := s.calls.Matching("delete")
	require.Len(t, removed, 2)
	assert.Contains(t, removed[0].Line(), "delete pod "+first+" ")
	assert.Contains(t, removed[1].Line(), "delete pod "+s.pod(t)+" ")
}

// TestWhatIsThereIsKept unless it is the same, or may be overwritten.
func TestWhatIsThereIsKept(t *testing.T) {
	s := withTar(t, packed(t, benchmark(), nil))
	require.Zero(t, s.run(t), s.stderr.String())
	require.Zero(t, s.run(t), "the same once more: %s", s.stderr.String())

	file := filepath.Join(s.dir, "b", "run.json")
	require.NoError(t, os.WriteFile(file, []byte("{x}"), 0o600))
	require.NoError(t, os.Remove(filepath.Join(s.dir, "b", "c1", "level.json")))
	before := tree(t, s.dir)
	assert.Equal(t, exitFailure, s.run(t))
	assert.Contains(t, s.stderr.String(), `"b/run.json" exists in `+s.dir+` and differs: pass -overwrite, or choose another -output-dir; nothing was changed`)
	assert.Equal(t, before, tree(t, s.dir), "not even what was missing came")
	s.requireRemoved(t)

	require.Zero(t, s.run(t, "-overwrite"), s.stderr.String())
	assert.Equal(t, contents("b/", benchmark()), tree(t, s.dir))
}

// TestAReportThatIsThereStays: a second download of all benchmarks must not fail for a picture that can be drawn again.
func TestAReportThatIsThereStays(t *testing.T) {
	s := withTar(t, packed(t, []entry{{name: "a/run.json", content: "1"}, {name: "plots/SUMMARY.txt", content: "theirs"}}, nil))
	require.NoError(t, os.MkdirAll(filepath.Join(s.dir, "plots"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, "plots", "SUMMARY.txt"), []byte("ours"), 0o600))
	require.Zero(t, s.run(t, "-folder", "/data/results"), s.stderr.String())
	assert.Equal(t, map[string]string{"a/run.json": "1", "plots/SUMMARY.txt": "ours"}, tree(t, s.dir))
	assert.Contains(t, s.stdout.String(), "The plots that were there are kept")

	require.Zero(t, s.run(t, "-folder", "/data/results", "-overwrite"), s.stderr.String())
	assert.Equal(t, "theirs", tree(t, s.dir)["plots/SUMMARY.txt"])
}

// TestHostileTars: nothing of them is kept, and nothing is written outside.
func TestHostileTars(t *testing.T) {
	whole := packed(t, benchmark(), nil)
	ok := entry{name: "run.json", content: "{}"}
	for name, c := range map[string]struct {
		tar  []byte
		want string
	}{
		"parent":                     {packed(t, []entry{ok, {name: "../evil"}}, nil), `entry "../evil": is no name of a file below the folder`},
		"parent inside":              {packed(t, []entry{{name: "c1/../../evil"}}, nil), `entry "c1/../../evil": is no name of a file below the folder`},
		"absolute":                   {packed(t, []entry{{name: "/tmp/evil"}}, nil), `entry "/tmp/evil": is no name of a file below the folder`},
		"dot":                        {packed(t, []entry{{name: "./run.json"}}, nil), `entry "./run.json": is no name of a file below the folder`},
		"backslash":                  {packed(t, []entry{{name: `..\evil`}}, nil), `is no name of a file below the folder`},
		"escape sequence":            {packed(t, []entry{{name: "c1/\x1b[2J"}}, nil), `entry "c1/\x1b[2J": is no name of a file below the folder`},
		"line feed":                  {packed(t, []entry{{name: "a\nb"}}, nil), `entry "a\nb": is no name of a file below the folder`},
		"delete character":           {packed(t, []entry{{name: "a\x7f"}}, nil), `is no name of a file below the folder`},
		"C1 escape":                  {packed(t, []entry{{name: "a\u009b2J"}}, nil), `is no name of a file below the folder`},
		"digest with an escape":      {packed(t, benchmark(), func(m *manifest) { m.Files[0].SHA256 = "\x1b[2J" }), `instead of 2 with "\x1b[2J"…`},
		"much after the manifest":    {append(packed(t, benchmark(), nil), make([]byte, maxPadding+1)...), `the stream goes on after MANIFEST.json: nothing was kept`},
		"symbolic link":              {packed(t, []entry{{name: "c1", kind: tar.TypeSymlink}}, nil), `entry "c1": is no regular file`},
		"hard link":                  {packed(t, []entry{{name: "c1", kind: tar.TypeLink}}, nil), `entry "c1": is no regular file`},
		"device":                     {packed(t, []entry{{name: "c1", kind: tar.TypeChar}}, nil), `entry "c1": is no regular file`},
		"folder":                     {packed(t, []entry{{name: "c1/", kind: tar.TypeDir}}, nil), `entry "c1/": is no regular file`},
		"twice":                      {packed(t, []entry{ok, ok}, nil), `entry "run.json":`},
		"file and folder":            {packed(t, []entry{ok, {name: "run.json/x"}}, nil), `entry "run.json/x":`},
		"file that was not sent":     {packed(t, benchmark(), func(m *manifest) { m.Files, m.Count = m.Files[:2], 2 }), `3 files came of 2 that were sent`},
		"file that did not come":     {packed(t, benchmark(), func(m *manifest) { m.Files, m.Count = append(m.Files, fileProof{Name: "x"}), 4 }), `3 files came of 4 that were sent`},
		"count":                      {packed(t, benchmark(), func(m *manifest) { m.Count = 7 }), `3 files came of 7 that were sent`},
		"size":                       {packed(t, benchmark(), func(m *manifest) { m.Files[0].Size = 3 }), `"c1/level.json" came otherwise than it was sent: 2 bytes with SHA-256 "44136fa355b3"… instead of 3 with "44136fa355b3"…`},
		"digest":                     {packed(t, benchmark(), func(m *manifest) { m.Files[0].SHA256 = strings.Repeat("0", 64) }), `"c1/level.json" came otherwise than it was sent`},
		"name":                       {packed(t, benchmark(), func(m *manifest) { m.Files[0].Name = "x" }), `"c1/level.json" came otherwise than it was sent`},
		"the same twice in the list": {packed(t, benchmark(), func(m *manifest) { m.Files[1] = m.Files[0] }), `came otherwise than it was sent`},
		"after the manifest":         {packed(t, []entry{ok, {name: manifestName, content: `{"count":1,"files":[` + proofOf(ok) + `]}`}, ok}, nil), `entry "run.json": comes after MANIFEST.json`},
		"manifest is no JSON":        {packed(t, []entry{ok, {name: manifestName, content: "x"}}, nil), `MANIFEST.json: invalid character`},
		"cut in a file":              {whole[:2000], `the stream broke after 1 files (0.0 MB), and nothing was kept: it ended in the middle`},
		"cut in the first header":    {whole[:300], `the stream broke after 0 files (0.0 MB), and nothing was kept: it ended in the middle`},
		"cut after the first header": {whole[:512], `the stream broke after 0 files (0.0 MB), and nothing was kept: it ended in the middle`},
		"cut between files":          {whole[:1024], `the stream broke after 1 files (0.0 MB), and nothing was kept: it ended without MANIFEST.json`},
		"cut in the manifest":        {whole[:len(whole)-1024-300], `and nothing was kept: it ended in the middle`},
		"no tar":                     {[]byte(strings.Repeat("hello, world\n", 100)), `archive/tar: invalid tar header`},
		"nothing":                    {nil, `it ended without MANIFEST.json`},
		"no files":                   {packed(t, nil, nil), `folder "/data/results/b": has no files; has the benchmark written already?`},
	} {
		t.Run(name, func(t *testing.T) {
			s := withTar(t, c.tar)
			parent := filepath.Dir(s.dir)
			assert.Equal(t, exitFailure, s.run(t))
			assert.Contains(t, s.stderr.String(), c.want)
			assert.Empty(t, tree(t, parent))
			assert.NoDirExists(t, s.dir)
			s.requireRemoved(t)
		})
	}
}

func proofOf(e entry) string {
	sum := sha256.Sum256([]byte(e.content))
	text, _ := json.Marshal(fileProof{e.name, int64(len(e.content)), hex.EncodeToString(sum[:])})
	return string(text)
}

// TestALinkAtTheTargetIsNotFollowed: what lies in the output folder may lead elsewhere.
func TestALinkAtTheTargetIsNotFollowed(t *testing.T) {
	s := withTar(t, packed(t, benchmark(), nil))
	outside := t.TempDir()
	require.NoError(t, os.MkdirAll(s.dir, 0o755))
	require.NoError(t, os.Symlink(outside, filepath.Join(s.dir, "b")))
	assert.Equal(t, exitFailure, s.run(t, "-overwrite"))
	assert.Contains(t, s.stderr.String(), `"b" in `+s.dir+` is no folder: move it`)
	assert.Empty(t, tree(t, outside))
}

func status(text string) string { return `{"status":` + text + `}` }

// TestFailuresHaveTheirLine: each names what is wrong and what to do, and the pod is removed where it may be there.
func TestFailuresHaveTheirLine(t *testing.T) {
	pod := func(text string) fakekubectl.Rule {
		return fakekubectl.Rule{Match: "get pod pvc-access-pod-", Stdout: status(text)}
	}
	waiting := func(reason, message string) fakekubectl.Rule {
		return pod(fmt.Sprintf(`{"phase":"Pending","containerStatuses":[{"image":"x:1","state":{"waiting":{"reason":%q,"message":%q}}}]}`, reason, message))
	}
	for name, c := range map[string]struct {
		rule  fakekubectl.Rule
		want  string
		noPod bool // it was not even started
	}{
		"no claim": {fakekubectl.Rule{Match: "get persistentvolumeclaim", Code: 1, Stderr: `Error from server (NotFound): persistentvolumeclaims "dynamo-pvc" not found`},
			`pvc "dynamo-pvc": not found in namespace "n": create it with scripts/cluster/setup.sh, or name another with -pvc`, true},
		"no cluster": {fakekubectl.Rule{Match: "get persistentvolumeclaim", Code: 1, Stderr: "The connection to the server 1.2.3.4:6443 was refused - did you specify the right host or port?"},
			`the cluster at 1.2.3.4:6443 is not reachable (connection refused): check it with: kubectl cluster-info`, true},
		"pods may not be made": {fakekubectl.Rule{Match: "create -f -", Code: 1, Stderr: `Error from server (Forbidden): error when creating "STDIN": pods is forbidden: User "u" cannot create resource "pods" in API group "" in the namespace "n"`},
			`starting the access pod: user "u" may not create pods in namespace "n": ask for that permission; to check it: kubectl auth can-i create pods -n n`, false},
		"exec is not allowed": {fakekubectl.Rule{Match: "exec", Code: 1, Stderr: `Error from server (Forbidden): pods "pvc-access-pod" is forbidden: User "u" cannot create resource "pods/exec" in API group "" in the namespace "n"`},
			`user "u" may not create pods/exec in namespace "n": ask for that permission; to check it: kubectl auth can-i create pods/exec -n n`, false},
		"claim that only the scheduler misses": {pod(`{"phase":"Pending","conditions":[{"type":"PodScheduled","status":"False","reason":"Unschedulable","message":"persistentvolumeclaim \"dynamo-pvc\" not found"}]}`),
			`the access pod has no volume: pvc "dynamo-pvc": not found in namespace "n"`, false},
		"no node": {pod(`{"phase":"Pending","conditions":[{"type":"PodScheduled","status":"False","reason":"Unschedulable","message":"0/3 nodes are available"}]}`),
			`the access pod is not ready after 100ms (-timeout): it finds no node: Unschedulable: 0/3 nodes are available`, false},
		"being created": {waiting("ContainerCreating", ""), `is not ready after 100ms (-timeout): it waits for its volume and its image; a ReadWriteOnce volume`, false},
		"image":         {waiting("ImagePullBackOff", "Back-off pulling image"), `the access pod cannot start: image "x:1" cannot be pulled (ImagePullBackOff: Back-off pulling image): name another with -image`, false},
		"foreign image": {waiting("CreateContainerError", `exec: "/llmsweep": stat /llmsweep: no such file or directory`),
			`the access pod cannot start: image "x:1" has no program /llmsweep: pass llmsweep's own image with -image`, false},
		"ended": {pod(`{"phase":"Failed","containerStatuses":[{"image":"x:1","state":{"terminated":{"reason":"Error","exitCode":2,"message":"sub-command \"hold\"\nis unknown"}}}]}`),
			`the access pod ended: Error, exit code 2: sub-command "hold" is unknown`, false},
		"evicted":  {pod(`{"phase":"Failed","reason":"Evicted","message":"The node was low on resource"}`), `the access pod ended: Evicted: The node was low on resource`, false},
		"pending":  {pod(`{"phase":"Pending"}`), `is not ready after 100ms (-timeout): it is pending`, false},
		"vanished": {fakekubectl.Rule{Match: "get pod pvc-access-pod-", Code: 1, Stderr: `Error from server (NotFound): pods "pvc-access-pod" not found`}, `waiting for the access pod: pods "pvc-access-pod" not found in namespace "n"`, false},
		"no program": {fakekubectl.Rule{Match: "exec", Code: 126, Stderr: "OCI runtime exec failed: exec failed: exec: \"/llmsweep\": stat /llmsweep: no such file or directory: unknown\ncommand terminated with exit code 126\n"},
			`the access pod cannot pack: the image has no program /llmsweep: use llmsweep's own image, which make image builds; pass it with -image`, false},
		"no folder": {fakekubectl.Rule{Match: "exec", Code: 1, Stderr: "llmsweep: results tar: packing \"/data/results/b\": open /data/results/b: no such file or directory\ncommand terminated with exit code 1\n"},
			`folder "/data/results/b": not found on volume "dynamo-pvc": -folder /data/results fetches all results`, false},
		"a file within": {fakekubectl.Rule{Match: "exec", Code: 1, Stderr: "llmsweep: results tar: packing \"/data/results/b\": c1/x: openat c1/x: no such file or directory\n"},
			`kubectl exec: llmsweep: results tar: packing "/data/results/b": c1/x: openat c1/x: no such file or directory`, false},
		"connection lost": {fakekubectl.Rule{Match: "exec", Code: 1, Stderr: "error: unexpected EOF\n"}, `the connection through the cluster broke (unexpected EOF)`, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := withTar(t, nil, c.rule)
			assert.Equal(t, exitFailure, s.run(t, "-timeout=100ms"))
			assert.Contains(t, s.stderr.String(), c.want)
			assert.Equal(t, 1, strings.Count(s.stderr.String(), "\n"), "one line: %s", s.stderr.String())
			assert.NoDirExists(t, s.dir)
			if c.noPod {
				assert.Empty(t, s.calls.Matching("create -f -"))
				assert.Empty(t, s.calls.Matching("delete"))
				return
			}
			s.requireRemoved(t)
		})
	}
	t.Run("no namespace", func(t *testing.T) {
		s := withTar(t, nil, fakekubectl.Rule{Match: "get persistentvolumeclaim", Code: 1, Stderr: `Error from server (NotFound): persistentvolumeclaims "dynamo-pvc" not found`},
			fakekubectl.Rule{Match: "get namespace n", Code: 1, Stderr: `Error from server (NotFound): namespaces "n" not found`})
		assert.Equal(t, exitFailure, s.run(t))
		assert.Contains(t, s.stderr.String(), `namespace "n": not found: list those there are with: kubectl get namespaces`)
	})
	t.Run("no kubectl", func(t *testing.T) {
		s := withTar(t, nil)
		t.Setenv("PATH", t.TempDir())
		assert.Equal(t, exitFailure, s.run(t))
		assert.Contains(t, s.stderr.String(), "kubectl: not found on PATH: install it")
	})
	t.Run("claims may not be seen", func(t *testing.T) {
		s := withTar(t, packed(t, benchmark(), nil), fakekubectl.Rule{Match: "get persistentvolumeclaim", Code: 1,
			Stderr: `Error from server (Forbidden): persistentvolumeclaims "dynamo-pvc" is forbidden: User "u" cannot get resource "persistentvolumeclaims" in API group "" in the namespace "n"`})
		assert.Zero(t, s.run(t), s.stderr.String())
	})
	t.Run("the pod stays", func(t *testing.T) {
		s := withTar(t, packed(t, benchmark(), nil), fakekubectl.Rule{Match: "delete", Code: 1, Stderr: "error: timed out waiting for the condition on pods/pvc-access-pod\n"})
		assert.Equal(t, exitFailure, s.run(t), "somebody must look after it")
		assert.Contains(t, s.stderr.String(), "the access pod may be left (")
		assert.Contains(t, s.stderr.String(), "): remove it with: kubectl delete pod "+s.pod(t)+" -n n")
	})
	t.Run("the folder here is a file", func(t *testing.T) {
		s := withTar(t, nil)
		require.NoError(t, os.WriteFile(s.dir, nil, 0o600))
		assert.Equal(t, exitFailure, s.run(t))
		assert.Contains(t, s.stderr.String(), fmt.Sprintf("output-dir %q cannot be written", s.dir))
		assert.Empty(t, s.calls.All(), "the cluster was not bothered")
	})
}

func TestAFullDiskIsNamed(t *testing.T) {
	d := download{outputDir: "/mnt/d"}
	err := d.localError(fmt.Errorf("writing: %w", &fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}))
	require.EqualError(t, err, `output-dir "/mnt/d": the disk of this machine is full: writing: write x: no space left on device`)
	assert.EqualError(t, d.localError(errors.New("else")), "else")
}

func TestBadUsage(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"nothing":           {nil, `namespace "": must be the namespace of the volume`},
		"no output-dir":     {[]string{"-n=n", "-folder=/data/x"}, `output-dir "": must be given: where the results go on this machine`},
		"no folder":         {[]string{"-n=n", "-o=d"}, `folder "": must be given: /data/results/NAME, or /data/results for all benchmarks`},
		"relative folder":   {[]string{"-n=n", "-o=d", "-folder=results/x"}, `folder "results/x": must be below /data, where the volume is: /data/results/x`},
		"without its slash": {[]string{"-n=n", "-o=d", "-folder=data/results"}, `folder "data/results": must begin with /: /data/results`},
		"elsewhere":         {[]string{"-n=n", "-o=d", "-folder=/results/x"}, `folder "/results/x": must be below /data, where the volume is: /data/results/x`},
		"like it":           {[]string{"-n=n", "-o=d", "-folder=/database"}, `folder "/database": must be below /data, where the volume is: /data/database`},
		"dots":              {[]string{"-n=n", "-o=d", "-folder=/data/../etc"}, `folder "/data/../etc": must not have ".." in it`},
		"dots at the end":   {[]string{"-n=n", "-o=d", "-folder=/data/x/.."}, `folder "/data/x/..": must not have ".." in it`},
		"all":               {[]string{"-n=n", "-o=d", "-folder=/data/"}, `folder "/data/": is the whole volume: name a folder on it, such as /data/results`},
		"control character": {[]string{"-n=n", "-o=d", "-folder=/data/a\nb"}, `folder "/data/a\nb": has a control character`},
		"namespace":         {[]string{"-n=-A", "-o=d", "-folder=/data/x"}, `namespace "-A": must be the namespace of the volume: lower-case letters, digits and -`},
		"pvc":               {[]string{"-n=n", "-o=d", "-folder=/data/x", "-pvc=-A"}, `pvc "-A": must be the name of a claim`},
		"timeout":           {[]string{"-n=n", "-o=d", "-folder=/data/x", "-timeout=0s"}, `timeout "0s": must be more than 0`},
		"image":             {[]string{"-n=n", "-o=d", "-folder=/data/x", "-image=a b"}, `image "a b": must be an image`},
		"unknown":           {[]string{"-x"}, `flag provided but not defined: -x`},
		"argument":          {[]string{"x"}, `unexpected argument "x"`},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			assert.Equal(t, exitUsage, run(t.Context(), &stdout, &stderr, c.args))
			assert.Contains(t, stderr.String(), c.want)
			assert.Contains(t, stderr.String(), "All flags: go run ./scripts/cluster/download -h")
		})
	}
}

func TestHelp(t *testing.T) {
	var stdout, stderr bytes.Buffer
	require.Zero(t, run(t.Context(), &stdout, &stderr, []string{"--help"}))
	for line := range strings.Lines(stdout.String()) {
		assert.LessOrEqual(t, len(line), 81, line)
	}
	assert.Contains(t, stdout.String(), "-folder FOLDER")
}

// TestWhatTheImageSends packs a folder with the program of the image, which shares no code with this one.
func TestWhatTheImageSends(t *testing.T) {
	program := filepath.Join(t.TempDir(), "llmsweep")
	out, err := exec.Command("go", "build", "-o", program, "../../image/entrypoint").CombinedOutput()
	require.NoError(t, err, string(out))
	folder := t.TempDir()
	for _, e := range benchmark() {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(folder, e.name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(folder, e.name), []byte(e.content), 0o600))
	}
	sent, err := exec.Command(program, "results", "tar", "-dir", folder).Output()
	require.NoError(t, err)
	s := withTar(t, sent)
	require.Zero(t, s.run(t), s.stderr.String())
	assert.Equal(t, contents("b/", benchmark()), tree(t, s.dir))
}
