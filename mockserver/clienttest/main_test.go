package clienttest

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/stretchr/testify/require"
)

const (
	// limit bounds everything that a test waits for.
	limit = 60 * time.Second
	model = "Qwen/Qwen3-0.6B"
	// repository is the root of the main module.
	repository = "../.."
)

func TestMain(m *testing.M) {
	code := m.Run()
	if programs.folder != "" {
		_ = os.RemoveAll(programs.folder)
	}
	os.Exit(code)
}

// programs is a folder of built programs, filled at first use and kept for all tests.
var programs struct {
	sync.Mutex
	folder string
}

// program builds a program of the main module with a go command, if that has not been done, and returns its path.
func program(t *testing.T, name string, command ...string) string {
	t.Helper()
	programs.Lock()
	defer programs.Unlock()
	if programs.folder == "" {
		folder, err := os.MkdirTemp("", "llmsweep-clienttest-")
		require.NoError(t, err)
		programs.folder = folder
	}
	path := filepath.Join(programs.folder, name)
	if _, err := os.Stat(path); err == nil {
		return path
	}
	last := len(command) - 1
	build := exec.Command("go", slices.Concat(command[:last], []string{"-o", path, command[last]})...)
	build.Dir = repository
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	return path
}

// mock is a mock server that runs as a process.
type mock struct {
	url string
}

// startMock starts a server, 100 times as fast as real ones unless told otherwise, that ends with the test.
func startMock(t *testing.T, args ...string) mock {
	t.Helper()
	return startMockWithKey(t, "", args...)
}

// startMockWithKey starts a server that wants a key.
func startMockWithKey(t *testing.T, key string, args ...string) mock {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	args = append([]string{"-port", "0", "-speedup-ratio", "100"}, args...)
	command := exec.CommandContext(ctx, program(t, "mockserver", "build", "./mockserver/cmd/mockserver"), args...)
	command.Env = append(os.Environ(), "MOCKSERVER_API_KEY="+key)
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = limit
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	t.Cleanup(func() {
		cancel()
		_ = command.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err, "the server says nothing: %s", stderr.String())
	url := regexp.MustCompile(`https?://[^\s/]+`).FindString(line)
	require.NotEmpty(t, url, line)
	return mock{url}
}

// client is the official Go client, which retries nothing.
func (m mock) client(options ...option.RequestOption) openai.Client {
	return openai.NewClient(append([]option.RequestOption{
		option.WithBaseURL(m.url + "/v1"), option.WithAPIKey("none"), option.WithMaxRetries(0),
	}, options...)...)
}

// soon is the context of a test that must not hang.
func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

// words are n tokens, as the mock counts them.
func words(n int) string {
	return strings.TrimSpace(strings.Repeat("word ", n))
}

// eventually polls until a condition holds.
func eventually(t *testing.T, holds func() bool, what string, args ...any) {
	t.Helper()
	for deadline := time.Now().Add(limit); !holds(); {
		if time.Now().After(deadline) {
			t.Fatal("not within the limit: " + fmt.Sprintf(what, args...))
		}
		time.Sleep(5 * time.Millisecond)
	}
}
