package bench

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/mockserver"
)

// countedMock is a mock server in this process, without waiting, that counts chat requests.
func countedMock(t *testing.T) (url string, chats *atomic.Int64) {
	t.Helper()
	handler, chats := countedHandler(t, mockserver.DefaultOptions())
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL, chats
}

// countedHandler is that mock server as a handler.
func countedHandler(t *testing.T, options mockserver.Options) (handler http.Handler, chats *atomic.Int64) {
	t.Helper()
	options.SpeedupRatio = 0
	mock, err := mockserver.New(options)
	require.NoError(t, err)
	t.Cleanup(func() { _ = mock.Close() })
	chats = new(atomic.Int64)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/chat/completions") {
			chats.Add(1)
		}
		mock.ServeHTTP(w, r)
	}), chats
}

// TestBadInputIsRefused gives each kind of bad input to a sweep: it fails with the reason, before any load and without results.
func TestBadInputIsRefused(t *testing.T) {
	url, chats := countedMock(t)
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	good := []string{"-endpoint=" + url, "-benchmark-name=x", "-concurrencies=1", "-request-count=1", "-osl=4", "-isl=4", "-std=0"}
	for name, bad := range map[string]struct {
		args []string
		want []string
	}{
		"unknown scheme":       {[]string{"-endpoint=ftp://localhost:8000"}, []string{`endpoint "ftp://localhost:8000": unknown scheme "ftp"`}},
		"no name":              {[]string{"-benchmark-name="}, []string{`benchmark-name "": must not be empty`}},
		"no objective":         {[]string{"-slo=ttft:500"}, []string{`-slo "ttft:500": "ttft:500": no such metric`}},
		"of documents":         {[]string{"-slo=time_to_first_token:5", "-streaming=false"}, []string{`slo "time_to_first_token:5": time_to_first_token is of streams`}},
		"blank name":           {[]string{"-benchmark-name=  "}, []string{`benchmark-name "": must not be empty`}},
		"plots":                {[]string{"-benchmark-name=Plots"}, []string{`benchmark-name "Plots": is reserved`}},
		"name with a slash":    {[]string{"-benchmark-name=a/b"}, []string{`benchmark-name "a/b"`}},
		"isl 0":                {[]string{"-isl=0"}, []string{`isl "0": must be at least 1`}},
		"osl 0":                {[]string{"-osl=0"}, []string{`osl "0": must be at least 1`}},
		"std -1":               {[]string{"-std=-1"}, []string{`std "-1": must be at least 0`}},
		"concurrency 0":        {[]string{"-concurrencies=1,0"}, []string{`concurrency "0": must be at least 1`}},
		"concurrency x":        {[]string{"-concurrencies=5,x"}, []string{`concurrency "x": must be a whole number`}},
		"stray argument":       {[]string{"stray"}, []string{`unexpected arguments ["stray"]`}},
		"unwritable directory": {[]string{"-output-dir=" + filepath.Join(file, "sub")}, []string{"output-dir", "cannot be written"}},
		"unreachable endpoint": {[]string{"-endpoint=http://127.0.0.1:1", "-wait-ready=1s"}, []string{"127.0.0.1:1", "not ready within 1s (-wait-ready)", "connection refused"}},
		"wrong model":          {[]string{"-model=nope", "-wait-ready=1s"}, []string{`model "nope" is not served; the server has: Qwen/Qwen3-0.6B`}},
		"two at once":          {[]string{"-isl=0", "-concurrencies=5,x"}, []string{`isl "0"`, `concurrency "x"`}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			before := chats.Load()
			args := append(append([]string{"-output-dir=" + dir}, good...), bad.args...)
			if strings.HasPrefix(bad.args[0], "-endpoint") { // repeatable: the bad one alone
				args = append([]string{"-output-dir=" + dir}, append(bad.args, good[1:]...)...)
			}
			r := child{args: args}.run(t)
			assert.NotZero(t, r.code)
			for _, want := range bad.want {
				assert.Contains(t, r.output, want)
			}
			assert.Equal(t, before, chats.Load(), "load was sent")
			levels, err := filepath.Glob(filepath.Join(dir, "*", "c*"))
			require.NoError(t, err)
			assert.Empty(t, levels)
		})
	}
}

func TestFinishedFolderIsKept(t *testing.T) {
	url, chats := countedMock(t)
	dir := t.TempDir()
	args := []string{"-endpoint=" + url, "-benchmark-name=x", "-concurrencies=1,2", "-request-count=2", "-osl=4", "-isl=4", "-std=0", "-plot=false", "-output-dir=" + dir}
	child{args: args}.passes(t)
	before, sent := digestTree(t, dir), chats.Load()
	r := child{args: args}.run(t)
	assert.NotZero(t, r.code)
	assert.Contains(t, r.output, "holds results already; choose another name or pass -overwrite")
	assert.Empty(t, changed(before, digestTree(t, dir)))
	assert.Equal(t, sent, chats.Load())

	child{args: append(args, "-overwrite", "-concurrencies=2")}.passes(t)
	assert.NoDirExists(t, filepath.Join(dir, "x", "c1"), "a level of the earlier run would mix with this one")
	assert.DirExists(t, filepath.Join(dir, "x", "c2"))
}

func TestEntryPointsWaitToBeNamed(t *testing.T) {
	for _, pattern := range []string{"", ".", "Test"} {
		r := child{args: []string{"-test.run=" + pattern, "-test.list=^TestSweep$"}}.run(t)
		assert.Contains(t, r.output, "TestSweep")
	}
	r := child{args: []string{"-test.run=Imports", "-isl=5"}}.run(t)
	assert.Equal(t, 2, r.code)
	assert.Contains(t, r.output, "-run names none: add -run Sweep, -run Gate, -run Calibrate")
	r = child{args: []string{"-test.run=^Test[S]weep$"}}.passes(t)
	assert.Contains(t, r.output, "sends load: run it with -run Sweep")
}

// TestBadMockArgsAreRefused with the name that was meant, and where all are.
func TestBadMockArgsAreRefused(t *testing.T) {
	r := child{args: []string{"-mock-args=-blok-size=1", "-output-dir=" + t.TempDir()}}.run(t)
	assert.Equal(t, 1, r.code)
	assert.Contains(t, r.output, `nothing was sent: mock-args "-blok-size=1": flag provided but not defined: -blok-size; did you mean "block-size"? (go run ./mockserver/cmd/mockserver -h lists its flags)`)
}
