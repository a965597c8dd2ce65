package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/leaktest"
)

// TestMain makes this binary play the programs of the image when it is started under their names.
func TestMain(m *testing.M) {
	switch name := filepath.Base(os.Args[0]); name {
	case "bench.test", "report", "mockserver":
		os.Exit(play(name))
	case "process1":
		os.Exit(adoptOrphans())
	}
	os.Exit(leaktest.Run(m))
}

// play is a program of the image: it notes how it was called, and behaves as PLAY says.
func play(name string) int {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	call, err := json.Marshal(append([]string{name}, os.Args[1:]...))
	if err == nil {
		err = os.WriteFile(os.Getenv("PLAY_CALL"), call, 0o600)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 99
	}
	switch os.Getenv("PLAY") {
	case "fail":
		fmt.Print("=== RUN   TestSweep\n=== RUN   TestSweep/c1\n=== RUN   TestSweep/c2\n    sweep_test.go:97: 3 of 10 requests failed:\n        connection refused\n",
			"=== RUN   TestSweep/c5\n    sweep_test.go:71: not run: c2 failed\n",
			"--- FAIL: TestSweep (0.10s)\n    --- PASS: TestSweep/c1 (0.10s)\n    --- FAIL: TestSweep/c2 (0.10s)\n    --- SKIP: TestSweep/c5 (0.00s)\nFAIL\n")
		return 1
	case "complain":
		fmt.Fprint(os.Stderr, "\nwarning: no matter\nunexpected arguments\nAll flags: …\n\n")
		return 2
	case "sibling":
		fmt.Fprint(os.Stderr, "some line\nwarning: c1 is cut off\nreport: data-dir \"x\" does not exist\nhint\n")
		return 1
	case "used":
		fmt.Print("=== RUN   TestSweep\n    sweep_test.go:52: nothing was sent: benchmark-name \"b\": /r/b holds results already\n--- FAIL: TestSweep (0.10s)\nFAIL\n")
		return 1
	case "silent":
		return 7
	case "killed":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		time.Sleep(time.Minute)
	case "wait":
		fmt.Println("waiting")
		select {
		case s := <-signals:
			fmt.Println("got", s)
			return 3
		case <-time.After(time.Minute):
			return 98
		}
	}
	fmt.Println("PASS", os.Getenv("MARK"), os.Getenv("LLMSWEEP_HELP"))
	return 0
}

// stage is an image in a temporary folder.
type stage struct {
	im             *image
	stdout, stderr bytes.Buffer
	call           string
}

func newStage(t *testing.T, environ ...string) *stage {
	t.Helper()
	dir := t.TempDir()
	self, err := os.Executable()
	require.NoError(t, err)
	for _, name := range []string{"bench.test", "report", "mockserver"} {
		require.NoError(t, os.Symlink(self, filepath.Join(dir, name)))
	}
	s := &stage{call: filepath.Join(dir, "call.json")}
	termination := filepath.Join(dir, "termination-log")
	require.NoError(t, os.WriteFile(termination, []byte("old"), 0o600))
	s.im = &image{
		stdout: &s.stdout, stderr: &s.stderr, bench: filepath.Join(dir, "bench.test"), volume: filepath.Join(dir, "data"), termination: termination,
		environ: append([]string{"PLAY_CALL=" + s.call}, environ...),
	}
	return s
}

// called returns the program that was started and its arguments, or nothing.
func (s *stage) called(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(s.call)
	if os.IsNotExist(err) {
		return nil
	}
	require.NoError(t, err)
	var call []string
	require.NoError(t, json.Unmarshal(text, &call))
	return call
}

func (s *stage) message(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(s.im.termination)
	require.NoError(t, err)
	return string(text)
}

func TestSpellings(t *testing.T) {
	for name, test := range map[string]struct {
		args, want []string
	}{
		"the guide's": {
			[]string{"--model", "m/x", "--benchmark-name", "b", "--endpoint-url", "svc:8000", "--output-dir", "/r", "--isl", "20", "--std", "1", "--osl", "5", "--verbose"},
			[]string{"-model=m/x", "-benchmark-name=b", "-endpoint-url=svc:8000", "-output-dir=/r", "-isl=20", "-std=1", "-osl=5", "-verbose=true"},
		},
		"short":    {[]string{"-m", "m", "-i", "20", "-s", "1", "-o=5", "-d", "/r"}, []string{"-model=m", "-isl=20", "-std=1", "-osl=5", "-output-dir=/r"}},
		"one dash": {[]string{"-isl=20", "-d=/r", "-plot=false"}, []string{"-isl=20", "-output-dir=/r", "-plot=false"}},
		"repeated": {[]string{"--header", "A:1,2", "--header=B:3", "-d=/r"}, []string{"-header=A:1,2", "-header=B:3", "-output-dir=/r"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			assert.Equal(t, exitOK, s.im.run(t.Context(), test.args), s.stderr.String())
			assert.Equal(t, append([]string{"bench.test", "-test.run=^TestSweep$", "-test.v", "-test.timeout=0"}, test.want...), s.called(t))
		})
	}
}

func TestBadInputStartsNothing(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		want []string // each on a line of its own
	}{
		"all problems at once": {[]string{"-i", "0", "--osl", "y", "--benchmark-name", "x y"}, []string{`isl "0": must be at least 1`, `-osl "y": must be`, `benchmark-name "x y":`}},
		"unknown flag":         {[]string{"--endpoint-ur", "x"}, []string{`did you mean "endpoint-url"?`}},
		"no such file":         {[]string{"--config=/nowhere.yaml", "--isl=0"}, []string{`config "/nowhere.yaml" cannot be read`}},
		"left-over":            {[]string{"--isl", "5", "stray"}, []string{`unexpected arguments ["stray"]`}},
		"unknown sub-command":  {[]string{"plot"}, []string{`sub-command "plot": must be gate, compare, self-compare, calibrate, report, mockserver, results, healthcheck or hold`}},
		"a benchmark's name":   {[]string{"sweep", "-d=/r"}, []string{`sub-command "sweep": must be gate,`}},
		"empty argument":       {[]string{""}, []string{`sub-command ""`}},
		"gate without rules":   {[]string{"gate"}, []string{"nothing to judge by"}},
		"gate without file":    {[]string{"gate", "--gate", "/nowhere/gate.yaml"}, []string{`gate "/nowhere/gate.yaml" cannot be read: `}},
		"gate of wrong rules":  {[]string{"gate", "--gate", "scripts/image/entrypoint/testdata/wrong.yaml"}, []string{`gate "scripts/image/entrypoint/testdata/wrong.yaml": limit 1: metric "x": no such tag`, "limit 2: has neither max nor min"}},
		"gate with margins":    {[]string{"gate", "--gate", "scripts/image/entrypoint/testdata/margins.yaml"}, []string{`gate "scripts/image/entrypoint/testdata/margins.yaml": has no limits`}},
		"gate by two ways":     {[]string{"gate", "--baseline=a", "--candidate=b", "-data-dir=c"}, []string{`data-dir "c": cannot go with -baseline`}},
		"results of what":      {[]string{"results", "zip"}, []string{`results "zip": must be results tar`}},
		"tar's flag":           {[]string{"results", "tar", "-folder=x"}, []string{"-folder"}},
		"tar's left-over":      {[]string{"results", "tar", "x"}, []string{`unexpected argument "x"`}},
		"hold's flag":          {[]string{"hold", "-for", "long"}, []string{`hold: invalid value "long" for flag -for`}},
		"hold's left-over":     {[]string{"hold", "50m"}, []string{`hold: unexpected argument "50m"`}},
		"hold for nothing":     {[]string{"hold", "-for=0s"}, []string{`hold: -for "0s": must be more than 0`}},
		"healthcheck's second": {[]string{"healthcheck", "http://127.0.0.1:1", "x"}, []string{`unexpected argument "x"`}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			assert.Equal(t, exitUsage, s.im.run(t.Context(), test.args))
			lines := strings.Split(strings.TrimSpace(s.stderr.String()), "\n")
			require.Len(t, lines, len(test.want)+1, "a line each, and a pointer")
			for _, want := range test.want {
				assert.Contains(t, s.stderr.String(), want)
				assert.NotContains(t, lines[len(lines)-1], want)
				assert.Contains(t, s.message(t), want)
			}
			assert.Contains(t, lines[len(lines)-1], "--help")
			assert.Equal(t, len(test.want)-1, strings.Count(s.message(t), "; ")-strings.Count(s.stderr.String(), "; "), "problems are told apart")
			assert.Empty(t, s.stdout.String())
			assert.Nil(t, s.called(t))
		})
	}
}

func TestHelpIsNarrowAndComplete(t *testing.T) {
	for _, arg := range []string{"-h", "--help", "-llmsweep.help"} {
		s := newStage(t)
		assert.Equal(t, exitOK, s.im.run(t.Context(), []string{arg}))
		for line := range strings.Lines(s.stdout.String()) {
			assert.LessOrEqual(t, len(strings.TrimRight(line, "\n")), 80, line)
		}
		for _, want := range []string{"-endpoint-url URL", "-m --model", "results tar", "healthcheck", "\n  -plot\n", "(default true)"} {
			assert.Contains(t, s.stdout.String(), want)
		}
		assert.NotContains(t, s.stdout.String(), "go test")
		assert.NotContains(t, s.stdout.String(), helpFlag)
		assert.Nil(t, s.called(t))
	}
}

func TestOutputDirectory(t *testing.T) {
	t.Run("the volume", func(t *testing.T) {
		s := newStage(t)
		require.NoError(t, os.Mkdir(s.im.volume, 0o700))
		assert.Equal(t, exitOK, s.im.run(t.Context(), nil))
		assert.Contains(t, s.called(t), "-output-dir="+filepath.Join(s.im.volume, "results"))
	})
	t.Run("no volume", func(t *testing.T) {
		s := newStage(t)
		assert.Equal(t, exitOK, s.im.run(t.Context(), nil))
		assert.Contains(t, s.called(t), "-output-dir=./benchmarks/results")
	})
	t.Run("the file's", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "flags.yaml")
		require.NoError(t, os.WriteFile(file, []byte("output-dir: /elsewhere\n"), 0o600))
		s := newStage(t, "BENCH_CONFIG="+file)
		require.Equal(t, exitOK, s.im.run(t.Context(), nil), s.stderr.String())
		assert.NotContains(t, strings.Join(s.called(t), " "), "-output-dir")
	})
	t.Run("the environment's", func(t *testing.T) {
		s := newStage(t, "BENCH_OUTPUT_DIR=/elsewhere")
		assert.Equal(t, exitOK, s.im.run(t.Context(), nil))
		assert.NotContains(t, strings.Join(s.called(t), " "), "-output-dir")
	})
}

func TestEnvironmentIsCheckedAndHandedOn(t *testing.T) {
	s := newStage(t, "MARK=here")
	assert.Equal(t, exitOK, s.im.run(t.Context(), nil))
	assert.Equal(t, "PASS here llmsweep --help\n", s.stdout.String())

	s = newStage(t, "BENCH_ISL=many")
	assert.Equal(t, exitUsage, s.im.run(t.Context(), nil))
	assert.Contains(t, s.stderr.String(), `BENCH_ISL "many"`)
}

func TestSubCommands(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		play string
		code int
		want []string
	}{
		"report":       {[]string{"report", "-data-dir", "d"}, "", 0, []string{"report", "-data-dir", "d"}},
		"report fails": {[]string{"report"}, "silent", 7, []string{"report"}},
		"mockserver":   {[]string{"mockserver", "-host", "::1"}, "", 0, []string{"mockserver", "-host=0.0.0.0", "-host", "::1"}},
		"gate": {
			[]string{"gate", "--gate", "docs/gate.yaml", "-d", "/r"}, "", 0,
			[]string{"bench.test", "-test.run=^TestGate$", "-test.v", "-test.timeout=0", "-gate=docs/gate.yaml", "-output-dir=/r"},
		},
		"calibrate": {
			[]string{"calibrate", "--concurrencies", "1,10", "-d", "/r"}, "", 0,
			[]string{"bench.test", "-test.run=^TestCalibrate$", "-test.v", "-test.timeout=0", "-concurrencies=1,10", "-output-dir=/r"},
		},
		"gate of margins": {
			[]string{"gate", "--gate", "scripts/image/entrypoint/testdata/margins.yaml", "--baseline=/a", "--candidate=/b", "-d", "/r"}, "", 0,
			[]string{"bench.test", "-test.run=^TestGate$", "-test.v", "-test.timeout=0", "-gate=scripts/image/entrypoint/testdata/margins.yaml", "-baseline=/a", "-candidate=/b", "-output-dir=/r"},
		},
		"gate of two arms": {
			[]string{"gate", "--arm=a=mock:", "--arm", "b=mock:", "--gate", "docs/gate-arms.yaml", "-d", "/r"}, "", 0,
			[]string{"bench.test", "-test.run=^TestGate$", "-test.v", "-test.timeout=0", "-arm=a=mock:", "-arm=b=mock:", "-gate=docs/gate-arms.yaml", "-output-dir=/r"},
		},
		"compare": {
			[]string{"compare", "--arm=a=mock:", "--arm=b=mock:", "-d", "/r"}, "", 0,
			[]string{"bench.test", "-test.run=^TestCompare$", "-test.v", "-test.timeout=0", "-arm=a=mock:", "-arm=b=mock:", "-output-dir=/r"},
		},
		"self-compare": {
			[]string{"self-compare", "--arm=a=mock:", "-d", "/r"}, "", 0,
			[]string{"bench.test", "-test.run=^TestSelfCompare$", "-test.v", "-test.timeout=0", "-arm=a=mock:", "-output-dir=/r"},
		},
		"killed": {[]string{"mockserver"}, "killed", 1, []string{"mockserver", "-host=0.0.0.0"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, "PLAY="+test.play)
			assert.Equal(t, test.code, s.im.run(t.Context(), test.args), s.stderr.String())
			assert.Equal(t, test.want, s.called(t))
		})
	}
}

// TestHomelessFiles go to the volume where there is no other place for them.
func TestHomelessFiles(t *testing.T) {
	writable := t.TempDir()
	for given, want := range map[string]string{writable: writable, "/nowhere": "/data"} {
		im := image{volume: "/data", environ: []string{"TMPDIR=" + given}}
		im.workOnTheVolume()
		assert.Equal(t, want, im.getenv("TMPDIR"))
	}
}

// TestPlacesFromTheEnvironment goes through run itself, with the real process around it.
func TestPlacesFromTheEnvironment(t *testing.T) {
	s := newStage(t, "PLAY=fail")
	environ := slices.Concat(s.im.environ, []string{"LLMSWEEP_BENCH=" + s.im.bench, "TERMINATION_LOG=" + s.im.termination})
	assert.Equal(t, exitFailure, run(context.Background(), &s.stdout, &s.stderr, environ, []string{"-d", "/r"}))
	assert.Contains(t, s.message(t), "TestSweep/c2")

	assert.Equal(t, exitFailure, run(context.Background(), &s.stdout, &s.stderr, []string{"LLMSWEEP_BENCH=/nowhere/bench.test"}, []string{"-d", "/r"}))
	assert.Contains(t, s.stderr.String(), "starting /nowhere/bench.test")
}
