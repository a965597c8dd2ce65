package clienttest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// installClient installs the JavaScript client, as its lock file has it, into a folder that goes with the test. Without node and npm
// the test is skipped, or fails where that is forbidden.
func installClient(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"node", "npm"} {
		_, err := exec.LookPath(name)
		if err != nil && os.Getenv("REQUIRE_NODE") == "1" {
			require.NoError(t, err, "REQUIRE_NODE=1: install node and npm")
		}
		if err != nil {
			t.Skipf("no %s: install node and npm; REQUIRE_NODE=1 makes this a failure", name)
		}
	}
	folder := t.TempDir()
	require.NoError(t, os.CopyFS(folder, os.DirFS("npm")))
	install := exec.CommandContext(soon(t), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	install.Dir = folder
	out, err := install.CombinedOutput()
	require.NoError(t, err, string(out))
	return folder
}

// TestJavaScript runs each case of npm/client.mjs against a server of the speed that it wants.
func TestJavaScript(t *testing.T) {
	folder := installClient(t)
	fast, plain, slow := startMock(t), startMock(t, "-speedup-ratio", "1"), startMock(t, "-speedup-ratio", "0.01")
	for _, c := range []struct {
		name   string
		server mock
	}{
		{"chat", fast}, {"streaming", fast}, {"streamHelper", fast}, {"tools", fast}, {"completions", fast}, {"embeddings", fast},
		{"models", fast}, {"errors", fast}, {"timeouts", slow}, {"cancellation", plain},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := exec.CommandContext(soon(t), "node", filepath.Join(folder, "client.mjs"), c.name, c.server.url).CombinedOutput()
			assert.NoError(t, err, string(out))
		})
	}
	slow.isIdle(t)
	plain.isIdle(t)
	// On a busy machine the server hears of a client's end after the client is gone.
	for m, want := range map[*mock]float64{&slow: 1, &plain: 2} {
		eventually(t, func() bool { return m.sum(t, "dynamo_frontend_disconnected_clients") == want }, "%v clients that left", want)
	}
}
