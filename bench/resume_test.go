package bench

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/mockserver"
	reportcmd "github.com/llmsweep/llmsweep/reporting/cmd"
)

// kills is how many processes TestKilledRunsAreResumed kills.
const kills = 20

// steadyServer is a server whose answers take 20 ms, with as many tokens as were asked for. begun counts its requests.
func steadyServer(t *testing.T) (url string, begun *atomic.Int64) {
	t.Helper()
	begun = new(atomic.Int64)
	return misbehaving(t, func(w http.ResponseWriter, r *http.Request) {
		begun.Add(1)
		select {
		case <-time.After(20 * time.Millisecond):
		case <-r.Context().Done():
			return
		}
		stream(w, strings.Repeat(chunk, 4)+"data: [DONE]\n\n")
	}), begun
}

// resumable are the arguments of a benchmark of some 0.7 s in four levels.
func resumable(url, dir string, more ...string) []string {
	return append([]string{
		"-endpoint=" + url, "-benchmark-name=x", "-concurrencies=1,2,3,4", "-request-count=12", "-isl=20", "-std=4", "-osl=4", "-plot=false", "-output-dir=" + dir,
	}, more...)
}

// TestKilledRunsAreResumed kills processes with SIGKILL at random moments of their run, two of each benchmark one after the other, and has a
// third one end it: requests and bodies are those of a run that nobody killed, no finished level was touched, and the output says what happened.
func TestKilledRunsAreResumed(t *testing.T) {
	url, _ := steadyServer(t)
	whole := t.TempDir()
	child{args: resumable(url, whole, "-nonce=7")}.passes(t)
	var run record.Run
	require.NoError(t, record.ReadJSON(filepath.Join(whole, "x", record.RunFile), &run))
	last := readLevel(t, filepath.Join(whole, "x", "c4"))
	length := last.StartedAt.Add(time.Duration(last.EndedNS)).Sub(run.CreatedAt)
	var killed atomic.Int64
	t.Run("kills", func(t *testing.T) {
		for n := range uint64(kills / 2) {
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				t.Parallel()
				random := rand.New(rand.NewPCG(n, 5))
				k := killedTwice{t, t.TempDir(), url, []string{"-resume", "-resume=request"}[n%2]}
				killed.Add(k.endsAs(whole, [2]time.Duration{
					time.Duration(random.Int64N(int64(length))), time.Duration(random.Int64N(int64(length / 2))),
				}))
			})
		}
	})
	t.Logf("%d of %d processes were killed before they ended; a run takes %v", killed.Load(), kills, length)
	assert.Greater(t, killed.Load(), int64(kills/2))
}

// killedTwice is a benchmark whose processes are killed.
type killedTwice struct {
	*testing.T
	dir, url, mode string
}

// endsAs kills two processes so long after they wrote run.json, has a third one end the run, and holds it against a whole one. It returns how
// many processes it met alive.
func (k killedTwice) endsAs(whole string, after [2]time.Duration) (killed int64) {
	finished := map[string]map[string]string{}
	for _, d := range after {
		if k.kill(d) {
			killed++
		}
		assertUntouched(k.T, finished)
		finished = finishedLevels(k.T, filepath.Join(k.dir, "x"))
	}
	last := child{args: resumable(k.url, k.dir, k.mode)}.passes(k.T)
	assertUntouched(k.T, finished)
	var run record.Run
	require.NoError(k, record.ReadJSON(filepath.Join(k.dir, "x", record.RunFile), &run))
	for _, resume := range run.Resumes {
		assert.Contains(k, last.output, "warning: "+resume.String())
	}
	if len(finished) == 4 {
		assert.Contains(k, last.output, "all levels of "+filepath.Join(k.dir, "x")+" are finished")
	} else {
		assert.NotEmpty(k, run.Resumes)
	}
	for c := 1; c <= 4; c++ {
		requireSameRequests(k.T, filepath.Join(whole, "x", record.LevelName(c)), filepath.Join(k.dir, "x", record.LevelName(c)))
	}
	assert.NoFileExists(k, filepath.Join(k.dir, "x", record.LockFile))
	for _, pattern := range []string{".*", "*/.*", "*.before"} {
		left, err := filepath.Glob(filepath.Join(k.dir, "x", pattern))
		require.NoError(k, err)
		assert.Empty(k, left, "left by a killed process")
	}
	return killed
}

// kill starts the benchmark and kills it some time after its run.json is written anew. It reports whether it still ran by then.
func (k killedTwice) kill(after time.Duration) bool {
	path := filepath.Join(k.dir, "x", record.RunFile)
	was, _ := os.Stat(path)
	ctx, cancel := context.WithTimeout(k.Context(), childLimit)
	defer cancel()
	command := child{args: resumable(k.url, k.dir, "-nonce=7", k.mode)}.command(ctx, k.T, "TestSweep")
	require.NoError(k, command.Start())
	ended := make(chan struct{})
	go func() {
		_ = command.Wait() // killed, or ended well
		close(ended)
	}()
	for {
		is, err := os.Stat(path)
		if err == nil && (was == nil || !os.SameFile(is, was)) {
			break
		}
		select {
		case <-ended:
			return false // nothing was left to do
		case <-time.After(5 * time.Millisecond):
		}
	}
	select {
	case <-ended:
		return false
	case <-time.After(after):
		_ = command.Process.Kill()
		<-ended
		return true
	}
}

// finishedLevels maps the folders of finished levels to their recordings and bodies.
func finishedLevels(t *testing.T, dir string) map[string]map[string]string {
	t.Helper()
	finished := map[string]map[string]string{}
	levels, err := record.LevelDirs(dir)
	require.NoError(t, err)
	for _, level := range levels {
		var l record.Level
		if record.ReadJSON(filepath.Join(level.Path, record.LevelFile), &l) == nil && l.Status == record.Done {
			finished[level.Path] = stamped(t, level.Path)
		}
	}
	return finished
}

// stamped maps the recordings of a level to their time of writing and content.
func stamped(t *testing.T, dir string) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for _, name := range []string{record.LevelFile, record.LogFile, record.InputsFile} {
		path := filepath.Join(dir, name)
		info, err := os.Stat(path)
		require.NoError(t, err)
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		texts[name] = fmt.Sprint(info.ModTime(), string(data))
	}
	return texts
}

func assertUntouched(t *testing.T, finished map[string]map[string]string) {
	t.Helper()
	for path, was := range finished {
		assert.Equal(t, was, stamped(t, path))
	}
}

// requireSameRequests holds two recordings of a level against each other: their bodies, and the requests in their logs.
func requireSameRequests(t *testing.T, want, got string) {
	t.Helper()
	bodies := func(dir string) string {
		data, err := os.ReadFile(filepath.Join(dir, record.InputsFile))
		require.NoError(t, err)
		return string(data)
	}
	require.Equal(t, bodies(want), bodies(got))
	ids := func(dir string) map[string]int {
		n := map[string]int{}
		for _, s := range readSamples(t, dir) {
			n[fmt.Sprint(s.Phase, s.Index, s.RequestID, s.Outcome)]++
		}
		return n
	}
	require.Len(t, ids(want), 12)
	require.Equal(t, ids(want), ids(got))
	requireFiles(t, got, levelFiles()...)
	require.Equal(t, record.Done, readLevel(t, got).Status)
}

// TestContinuedLevelHasNoThroughput: a level that was stopped by a signal and continued shows latencies, and is marked; no output has a
// throughput, a duration or a plateau of it, and the report says what happened.
func TestContinuedLevelHasNoThroughput(t *testing.T) {
	dir := t.TempDir()
	url, begun := steadyServer(t)
	args := resumable(url, dir, "-concurrencies=3", "-request-count=120", "-plot=true")
	ctx, cancel := context.WithTimeout(t.Context(), childLimit)
	defer cancel()
	command := child{args: append(args, "-plot=false", "-overwrite")}.command(ctx, t, "TestSweep")
	var output bytes.Buffer
	command.Stdout = &output
	require.NoError(t, command.Start())
	level := filepath.Join(dir, "x", "c3")
	require.Eventually(t, func() bool { return begun.Load() > 10 }, childLimit, 5*time.Millisecond) // of three at once: some have ended
	require.NoError(t, command.Process.Signal(syscall.SIGTERM))
	require.Error(t, command.Wait(), "a stopped run is no success")
	assert.Contains(t, output.String(), "stopped: received terminated; the same command with -resume in place of -overwrite goes on")

	again := child{args: append(args, "-resume=request")}.passes(t)
	l := readLevel(t, level)
	require.Equal(t, record.Done, l.Status)
	require.Len(t, l.Breaks, 1)
	assert.Positive(t, l.Breaks[0].Kept)
	assert.Len(t, readSamples(t, level), 120)
	document := aggregate(t, level)
	for _, tag := range []string{"request_throughput", "output_token_throughput", "total_token_throughput", "input_token_throughput", "benchmark_duration"} {
		assert.NotContains(t, document, tag)
	}
	own := document["llmsweep"].(map[string]any)
	assert.Contains(t, own, "breaks")
	assert.NotContains(t, own, "plateau")
	assert.NotContains(t, own, "in_flight")
	assert.Contains(t, document, "time_to_first_token")
	table, err := os.ReadFile(filepath.Join(level, record.AggregateTable))
	require.NoError(t, err)
	for _, name := range []string{"Request Throughput", "Output Token Throughput (", "Total Token Throughput", "Benchmark Duration"} {
		assert.NotContains(t, string(table), "\n"+name)
	}
	summary, err := os.ReadFile(filepath.Join(dir, "plots", "SUMMARY.txt"))
	require.NoError(t, err)
	text := strings.Join(strings.Fields(string(summary)), " ")
	for _, want := range []string{
		"x: resumed at ", "c3 (stopped: received terminated, with ", "of 120 requests in its log) continued",
		"x: c3: continued from request ", "(-resume=request)", "x: c3: throughput, duration and plateau are left out", "its points are left out of the charts",
	} {
		assert.Contains(t, text, want)
	}
	assert.Regexp(t, `(?m)^ +3\*[~!]? +n/a +120/0 .* n/a +n/a +n/a +n/a$`, string(summary))
	assert.NotContains(t, again.output, "in_flight=")
}

// TestFinishedRunIsResumed: a job that is started once more succeeds without a server, and writes the report.
func TestFinishedRunIsResumed(t *testing.T) {
	url, chats := countedMock(t)
	dir := t.TempDir()
	args := resumable(url, dir, "-concurrencies=1,2", "-resume")
	r := child{args: args}.passes(t)
	assert.Contains(t, r.output, "-resume: there is no run in "+filepath.Join(dir, "x")+" yet: a new one begins")
	before, sent := digestTree(t, dir), chats.Load()
	require.NoError(t, os.Remove(filepath.Join(dir, "x", "c2", record.AggregateFile)), "as if the process had been killed before it wrote that")
	args = append(resumable("http://127.0.0.1:1", dir, "-concurrencies=1,2", "-resume"), "-endpoint="+url)[1:]
	r = child{args: args}.passes(t)
	assert.Contains(t, r.output, "-resume: all levels of "+filepath.Join(dir, "x")+" are finished")
	assert.Contains(t, r.output, "TTFT ms")
	assert.Equal(t, sent, chats.Load())
	assert.Empty(t, changed(before, digestTree(t, dir)))

	r = child{args: append(args, "-osl=5")}.run(t)
	assert.Equal(t, 1, r.code)
	assert.Contains(t, r.output, `osl: "4" in the run, "5" now`)
	assert.Empty(t, changed(before, digestTree(t, dir)))
}

// TestTwoProcessesOnAFolder: the second one is refused and told of the first.
func TestTwoProcessesOnAFolder(t *testing.T) {
	dir := t.TempDir()
	asked := atomic.Int32{}
	waiting := misbehaving(t, func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == 1 { // for what the server adds to a prompt, which a sweep would wait for
			http.Error(w, "not now", http.StatusServiceUnavailable)
			return
		}
		<-r.Context().Done()
	})
	args := resumable(waiting, dir, "-resume")
	ctx, cancel := context.WithTimeout(t.Context(), childLimit)
	defer cancel()
	command := child{args: args}.command(ctx, t, "TestSweep")
	require.NoError(t, command.Start())
	defer func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	}()
	require.Eventually(t, func() bool {
		_, err := os.Stat(filepath.Join(dir, "x", "c1", record.LogFile))
		return err == nil
	}, childLimit, 10*time.Millisecond)
	r := child{args: args}.run(t)
	assert.Equal(t, 1, r.code)
	host, err := os.Hostname()
	require.NoError(t, err)
	assert.Contains(t, r.output, fmt.Sprintf("nothing was sent: benchmark-name %q: %s is in use by process %d on host %s, since ", "x", filepath.Join(dir, "x"), command.Process.Pid, host))
}

// TestVolumeThatFillsUp runs a benchmark into a full volume: it stops with the reason, and what was written can be read and resumed.
func TestVolumeThatFillsUp(t *testing.T) {
	dir := smallVolume(t)
	handler, _ := countedHandler(t, mockserver.DefaultOptions())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(10 * time.Millisecond) // so that the level takes longer than the filling
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	args := []string{
		"-endpoint=" + server.URL, "-benchmark-name=x", "-concurrencies=2,3", "-request-count=300", "-isl=20", "-std=0", "-osl=200", "-plot=false", "-output-dir=" + dir,
	}
	filler, level := filepath.Join(dir, "filler"), filepath.Join(dir, "x", "c2")
	var filled sync.WaitGroup
	filled.Go(func() { // after the preflight, which would not let the run begin, and when the first lines are there
		for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
			if info, err := os.Stat(filepath.Join(level, record.LogFile)); err == nil && info.Size() > 0 {
				break
			}
			time.Sleep(time.Millisecond)
		}
		assert.ErrorIs(t, os.WriteFile(filler, make([]byte, 32<<20), 0o600), syscall.ENOSPC)
	})
	r := child{args: args}.run(t)
	filled.Wait()
	assert.Equal(t, 1, r.code, r.output)
	assert.Contains(t, r.output, fmt.Sprintf("no space is left for results in %q: free some, or choose another -output-dir (", dir))
	l := readLevel(t, level)
	assert.Equal(t, record.Failed, l.Status)
	assert.Contains(t, l.Reason, "no space left on device")
	samples := readSamples(t, level)
	assert.NotEmpty(t, samples, "whole lines, all of them readable")
	assert.Contains(t, l.Warnings, fmt.Sprintf("%d of the %d requests that ended are not in the log, which could not be written", l.Counts.Ended()-len(samples), l.Counts.Ended()))
	assert.Less(t, l.Counts.Ended(), 300, "it did not measure on for nothing")

	require.NoError(t, os.Remove(filler))
	r = child{args: append(args, "-resume")}.passes(t)
	assert.Contains(t, r.output, fmt.Sprintf("c2 (failed: %s, with %d of 300 requests in its log) repeated", l.Reason, len(samples)))
	assert.Len(t, readSamples(t, level), 300)
}

// smallVolume mounts a file system of 16 MB.
func smallVolume(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	mount(t, dir, "size=16m")
	return dir
}

// mount puts an empty file system over a folder, which takes root, and in a container the right to mount. Without these the test is skipped, or fails if
// REQUIRE_MOUNT says so.
func mount(t *testing.T, dir, options string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", options, "tmpfs", dir).CombinedOutput()
	if err != nil {
		require.NotEqual(t, "1", os.Getenv("REQUIRE_MOUNT"), "REQUIRE_MOUNT=1, and nothing can be mounted: %v: %s", err, out)
		t.Skipf("nothing can be mounted here (%v: %s): run it as root, or set REQUIRE_MOUNT=1 to make this a failure", err, strings.TrimSpace(string(out)))
	}
	t.Cleanup(func() { assert.NoError(t, exec.Command("umount", dir).Run()) })
}

// TestFolderThatCannotBeWritten says so before anything is sent.
func TestFolderThatCannotBeWritten(t *testing.T) {
	url, chats := countedMock(t)
	dir := t.TempDir()
	if os.Getuid() == 0 { // whom no mode stops
		mount(t, dir, "ro,size=1m")
	} else {
		require.NoError(t, os.Chmod(dir, 0o500))
	}
	for _, more := range []string{"-resume", "-overwrite"} {
		r := child{args: resumable(url, dir, more)}.run(t)
		assert.Equal(t, 1, r.code, r.output)
		assert.Regexp(t, fmt.Sprintf(`nothing was sent: output-dir %q cannot be written: mkdir .*: (read-only file system|permission denied)`, dir), r.output)
	}
	assert.Zero(t, chats.Load())
}

// TestChangedFileOfTheMock: the mock server of a resumed run would be another one, though -mock-args is the same.
func TestChangedFileOfTheMock(t *testing.T) {
	dir := t.TempDir()
	faults := filepath.Join(dir, "faults.yaml")
	require.NoError(t, os.WriteFile(faults, []byte("rules: [{kind: spike, delay: 1ms, every: 2}]\n"), 0o600))
	run := child{args: []string{
		"-virtual", "-benchmark-name=x", "-concurrencies=1", "-request-count=2", "-isl=20", "-osl=4", "-plot=false", "-output-dir=" + dir, "-mock-args=-fault=" + faults,
	}}
	run.passes(t)
	run.args = append(run.args, "-resume")
	assert.Contains(t, run.passes(t).output, "are finished")
	require.NoError(t, os.WriteFile(faults, []byte("rules: [{kind: spike, delay: 1ms, every: 3}]\n"), 0o600))
	refused := run.run(t)
	assert.NotZero(t, refused.code)
	assert.Regexp(t, `nothing was sent: .*-resume: the plan is not the one of .*\n\s+mock-args: the file "`+regexp.QuoteMeta(faults)+`" is not the one of the run: SHA-256 [0-9a-f]{12} then, [0-9a-f]{12} now\n`, refused.output)
}

// TestPipesAmongResults: neither a run nor a report waits for who might write to one.
func TestPipesAmongResults(t *testing.T) {
	dir := t.TempDir()
	x := filepath.Join(dir, "x")
	args := []string{"-virtual", "-benchmark-name=x", "-concurrencies=1", "-request-count=2", "-isl=20", "-osl=4", "-plot=false", "-output-dir=" + dir}
	require.NoError(t, os.Mkdir(x, 0o755))
	require.NoError(t, syscall.Mkfifo(filepath.Join(x, record.LockFile), 0o600))
	refused := child{args: args}.run(t)
	assert.NotZero(t, refused.code)
	assert.Contains(t, refused.output, "nothing was sent: benchmark-name \"x\": "+filepath.Join(x, record.LockFile)+": is a named pipe where a regular file belongs: move or delete it")

	require.NoError(t, os.Remove(filepath.Join(x, record.LockFile)))
	child{args: args}.passes(t)
	for _, name := range []string{record.LogFile, record.LevelFile} {
		path := filepath.Join(x, "c1", name)
		require.NoError(t, os.Rename(path, path+".moved"))
		require.NoError(t, syscall.Mkfifo(path, 0o600))
		var stdout, stderr bytes.Buffer
		reportcmd.Report(&stdout, &stderr, []string{"-data-dir", dir})
		assert.Contains(t, stdout.String()+stderr.String(), "c1/"+name+": is a named pipe where a regular file belongs", name)
		require.NoError(t, os.Rename(path+".moved", path))
	}
}
