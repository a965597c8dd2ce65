package cmd

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the help text into testdata; review the diff")

// asCommand makes the test binary behave as the command.
const asCommand = "LLMSWEEP_TEST_AS_MOCKSERVER"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		os.Exit(Mockserver(os.Stdout, os.Stderr, os.Args[1:]))
	}
	os.Exit(m.Run())
}

// serving is a command that runs in this process.
type serving struct {
	line string
	url  string
	stop func() int // ends it and returns the exit code
}

func start(t *testing.T, args ...string) serving {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	code := make(chan int, 1)
	var stderr bytes.Buffer
	go func() {
		code <- run(ctx, in, &stderr, args)
		_ = in.Close()
	}()
	stop := func() int {
		cancel()
		c := <-code
		assert.Empty(t, stderr.String())
		return c
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("no line on stdout, exit %d", stop())
	}
	return serving{line: line, url: regexp.MustCompile(`http://\S+`).FindString(line), stop: stop}
}

func TestServesUntilTheContextEnds(t *testing.T) {
	t.Parallel()
	s := start(t, "-port", "0", "-model-name", "my/model", "-speedup-ratio", "0.5")
	assert.Regexp(t, `^mockserver: serving my/model on http://127\.0\.0\.1:[1-9]\d* \(speedup 0\.5\)\n$`, s.line)
	response, err := http.Get(s.url + "/v1/models")
	require.NoError(t, err)
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	assert.Contains(t, string(body), `"id":"my/model"`)
	assert.Equal(t, 0, s.stop())
	// A child that another test forks at this moment may hold the listening socket until it execs: a reset, then, instead of a refusal.
	_, err = http.Get(s.url + "/v1/models")
	assert.True(t, errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET), "%v", err)
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	var stdout, stderr bytes.Buffer
	assert.Equal(t, 1, run(t.Context(), &stdout, &stderr, []string{"-port", port}))
	assert.Empty(t, stdout.String())
	assert.Equal(t, "mockserver: listen tcp 127.0.0.1:"+port+
		": bind: address already in use: choose another -port, or 0 for a free one\n", stderr.String())
}

func TestHostThatIsNotOurs(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	assert.Equal(t, 1, run(t.Context(), &stdout, &stderr, []string{"-host", "256.0.0.1"}))
	assert.Contains(t, stderr.String(), "mockserver: listen tcp")
}

func TestBadCommandLines(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ args, want string }{
		{"-port 65536", `port "65536": must be between 0 and 65535`},
		{"-port -1", `port "-1": must be between 0 and 65535`},
		{"-port 0 8000", `argument "8000": only flags are expected`},
		{"-block-size 0 -max-num-seqs 0", `max-num-seqs "0": must be at least 1; block-size "0": must be at least 1`},
		{"-speedup-ratio fast", `invalid value "fast" for flag -speedup-ratio: parse error`},
		{"-virtual", `flag provided but not defined: -virtual`},
	} {
		var stdout, stderr bytes.Buffer
		assert.Equal(t, 2, run(t.Context(), &stdout, &stderr, strings.Fields(c.args)), c.args)
		assert.Empty(t, stdout.String(), c.args)
		assert.Equal(t, "mockserver: "+c.want+" (-h lists the flags)\n", stderr.String())
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	assert.Equal(t, 0, run(t.Context(), &stdout, &stderr, []string{"-h"}))
	assert.Empty(t, stderr.String())
	if *update {
		require.NoError(t, os.WriteFile("testdata/help.txt", stdout.Bytes(), 0o644))
	}
	want, err := os.ReadFile("testdata/help.txt")
	require.NoError(t, err)
	assert.Equal(t, string(want), stdout.String())
	for line := range strings.Lines(stdout.String()) {
		assert.LessOrEqual(t, len(line), 81, "%q", line)
	}
	new(command).flags().VisitAll(func(f *flag.Flag) {
		assert.Equal(t, 1, strings.Count(stdout.String(), "  -"+f.Name+" "), f.Name)
	})
}

// The process itself, with the signals that people and orchestrators send.
func TestSignalsEndTheProcessCleanly(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	require.NoError(t, err)
	for _, signal := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		process := exec.CommandContext(t.Context(), self, "-port", "0")
		process.Env = append(os.Environ(), asCommand+"=1")
		stdout, err := process.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, process.Start())
		_, err = bufio.NewReader(stdout).ReadString('\n')
		require.NoError(t, err)
		require.NoError(t, process.Process.Signal(signal))
		assert.NoError(t, process.Wait(), "exit 0 after %v", signal)
	}
}
