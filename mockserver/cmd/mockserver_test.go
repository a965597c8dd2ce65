package cmd

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"io"
	"net"
	"net/http"
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

	"github.com/llmsweep/llmsweep/leaktest"
	"github.com/llmsweep/llmsweep/mockserver"
)

var update = flag.Bool("update", false, "write the help text into testdata; review the diff")

// asCommand makes the test binary behave as the command.
const asCommand = "LLMSWEEP_TEST_AS_MOCKSERVER"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		os.Exit(Mockserver(os.Stdout, os.Stderr, os.Args[1:]))
	}
	os.Exit(leaktest.Run(m))
}

// noVariables is an empty environment.
func noVariables(string) string { return "" }

// runs calls the command and returns what it prints and its exit code.
func runs(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // if it serves, against all expectation
	defer cancel()
	code = process{&out, &errs, noVariables}.run(ctx, args)
	return out.String(), errs.String(), code
}

// serving is a command that runs in this process.
type serving struct {
	line string
	url  string
	stop func() int // ends it and returns the exit code
}

func start(t *testing.T, environment func(string) string, args ...string) serving {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	code := make(chan int, 1)
	var stderr bytes.Buffer
	go func() {
		code <- process{in, &stderr, environment}.run(ctx, args)
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
	return serving{line: line, url: regexp.MustCompile(`https?://\S+`).FindString(line), stop: stop}
}

func TestServesUntilTheContextEnds(t *testing.T) {
	t.Parallel()
	s := start(t, noVariables, "-port", "0", "-model-name", "my/model", "-speedup-ratio", "0.5")
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
	stdout, stderr, code := runs(t, "-port", port)
	assert.Equal(t, 1, code)
	assert.Empty(t, stdout)
	assert.Equal(t, "mockserver: listen tcp 127.0.0.1:"+port+
		": bind: address already in use: choose another -port, or 0 for a free one\n", stderr)
}

// What cannot be opened is one line and exit 1, and the port is free again.
func TestCannotServe(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "missing", "file")
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"host":        {[]string{"-host", "256.0.0.1"}, "mockserver: listen tcp"},
		"record":      {[]string{"-port=0", "-record", missing}, "mockserver: record: open " + missing + ": no such file or directory"},
		"certificate": {[]string{"-port=0", "-tls-cert", missing, "-tls-key", "k"}, "mockserver: tls-cert \"" + missing + "\", tls-key \"k\": open"},
	} {
		stdout, stderr, code := runs(t, c.args...)
		assert.Equal(t, 1, code, name)
		assert.Empty(t, stdout, name)
		assert.Contains(t, stderr, c.want, name)
		assert.Equal(t, 1, strings.Count(stderr, "\n"), "%s: %q", name, stderr)
	}
}

func TestBadCommandLines(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ args, want string }{
		{"-port 65536", `port "65536": must be between 0 and 65535`},
		{"-port -1", `port "-1": must be between 0 and 65535`},
		{"-host=", `host "": must be an address; 0.0.0.0 is every one`},
		{"-port 0 8000", `argument "8000": only flags are expected`},
		{"-block-size 0 -max-num-seqs 0", `max-num-seqs "0": must be at least 1; block-size "0": must be at least 1`},
		{"-speedup-ratio fast", `invalid value "fast" for flag -speedup-ratio: parse error`},
		{"-virtual", `flag provided but not defined: -virtual`},
		{"--max-num-seq 3", `flag provided but not defined: -max-num-seq; did you mean "max-num-seqs"?`},
		{"-tls-cert a -tls-self-signed", `tls-cert "a", tls-key "": must be given together; tls-self-signed, tls-cert: leave one of both out`},
	} {
		stdout, stderr, code := runs(t, strings.Fields(c.args)...)
		assert.Equal(t, 2, code, c.args)
		assert.Empty(t, stdout, c.args)
		assert.Equal(t, "mockserver: "+c.want+" (-h lists the flags)\n", stderr)
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	help, stderr, code := runs(t, "-h")
	assert.Equal(t, 0, code)
	assert.Empty(t, stderr)
	if *update {
		require.NoError(t, os.WriteFile("testdata/help.txt", []byte(help), 0o644))
	}
	want, err := os.ReadFile("testdata/help.txt")
	require.NoError(t, err)
	assert.Equal(t, string(want), help)
	for line := range strings.Lines(help) {
		assert.LessOrEqual(t, len([]rune(line)), 101, "%q", line)
	}
	newCommand().flags.VisitAll(func(f *flag.Flag) {
		_, isRefused := f.Value.(refused)
		shown := map[bool]int{true: 0, false: 1}[isRefused || strings.HasPrefix(f.Name, off)]
		assert.Len(t, regexp.MustCompile(`(?m)^  -(\[no-\])?`+f.Name+`( |$)`).FindAllString(help, -1), shown, f.Name)
	})
}

func TestVersion(t *testing.T) {
	t.Parallel()
	stdout, stderr, code := runs(t, "--version")
	assert.Equal(t, "mockserver "+mockserver.Version+"\n", stdout)
	assert.Empty(t, stderr)
	assert.Equal(t, 0, code)
}

func TestSelfSignedHTTPS(t *testing.T) {
	t.Parallel()
	s := start(t, noVariables, "-port", "0", "-tls-self-signed")
	assert.Contains(t, s.line, " on https://127.0.0.1:")
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, // nobody has signed it
		ForceAttemptHTTP2: true,
	}}
	response, err := client.Get(s.url + "/v1/models")
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	assert.Equal(t, http.StatusOK, response.StatusCode)
	assert.Equal(t, "HTTP/2.0", response.Proto)
	client.CloseIdleConnections()
	assert.Equal(t, 0, s.stop())
}

// A key, a certificate and a record, as an operator gives them.
func TestKeyCertificateAndRecord(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certificate, err := mockserver.SelfSigned("127.0.0.1")
	require.NoError(t, err)
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	require.NoError(t, err)
	cert, keyFile, record := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), filepath.Join(dir, "record.jsonl")
	require.NoError(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]}), 0o600))
	require.NoError(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600))
	environment := func(name string) string { return map[string]string{"MOCKSERVER_API_KEY": "secret\n"}[name] }
	s := start(t, environment, "-port", "0", "-speedup-ratio=0", "-tls-cert", cert, "-tls-key", keyFile, "-record", record)
	assert.NotContains(t, s.line, "secret")
	assert.Contains(t, s.line, "(with API key, speedup 0)")
	trusted := x509.NewCertPool()
	trusted.AddCert(certificate.Leaf)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}}}
	for authorization, want := range map[string]int{"": 401, "Bearer wrong": 401, "Bearer secret": 200} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/v1/completions",
			strings.NewReader(`{"model":"Qwen/Qwen3-0.6B","prompt":"a b c","max_tokens":2}`))
		require.NoError(t, err)
		request.Header.Set("Authorization", authorization)
		response, err := client.Do(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		assert.Equal(t, want, response.StatusCode, authorization)
	}
	client.CloseIdleConnections()
	assert.Equal(t, 0, s.stop())
	lines, err := os.ReadFile(record)
	require.NoError(t, err)
	assert.Equal(t, 1, strings.Count(string(lines), `"status":200`), "%s", lines)

	s = start(t, environment, "-port", "0", "-record", record)
	assert.Equal(t, 0, s.stop())
	again, err := os.ReadFile(record)
	require.NoError(t, err)
	assert.Equal(t, string(lines), string(again), "another start takes nothing away")
}

func TestAnnouncement(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"-planner-profile-data=testdata/help.txt -planner-profile-fallback": "(speedup 1)",
		"":                    "(speedup 1)",
		"-engine-type=sglang": "(sglang, speedup 1)",
		"-ttft=20ms -itl=5ms": "(plain, ttft 20ms, itl 5ms, speedup 1)",
		"-fault=testdata/faults.yaml -allow-fault-header":                                     "(faults by 1 rule, faults by header, speedup 1)",
		"-num-workers=2 -data-parallel-size=3 -speedup-ratio=0":                               "(6 engines, speedup 0)",
		"-disaggregation-mode=disagg -num-prefill-workers=2":                                  "(2 prefill and 1 decode workers, speedup 1)",
		"-planner-profile-data=../engine/profile/testdata/plain.npz -disaggregation-mode=agg": "(profile ../engine/profile/testdata/plain.npz, speedup 1)",
	} {
		c, err := parse(strings.Fields(args))
		require.NoError(t, err)
		assert.Equal(t, "mockserver: serving Qwen/Qwen3-0.6B on http://127.0.0.1:1 "+want, c.announcement(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}, nil))
	}
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
