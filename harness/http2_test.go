package harness_test

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestWhatHTTP2CannotDo: requests share connections, and a proxy before a plain endpoint speaks HTTP/1.1. The environment's proxy is read once, so
// each case is a process of its own.
func TestWhatHTTP2CannotDo(t *testing.T) {
	if endpoint := os.Getenv("HARNESS_TEST_ENDPOINT"); endpoint != "" {
		_, err := resolve(t, nil, "-benchmark-name=x", "-transport=http2", "-endpoint="+endpoint)
		fmt.Println("told:", err)
		return
	}
	_, err := resolve(t, nil, "-benchmark-name=x", "-transport=http2", "-connection-reuse=never")
	assert.EqualError(t, err, `connection-reuse "never": needs -transport own or nethttp: over HTTP/2 requests share connections`)
	const proxied = `transport "http2": cannot go through the proxy of the environment to an http:// endpoint: use -transport nethttp, or name the endpoint in NO_PROXY`
	for endpoint, want := range map[string]string{
		"http://server:8000": proxied, "http://localhost:8000": "<nil>", "https://server:8000": "<nil>", "k8s://ns/service:8000": "<nil>",
	} {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestWhatHTTP2CannotDo$", "-test.count=1", "-test.v")
		child.Env = []string{"HARNESS_TEST_ENDPOINT=" + endpoint, "HTTP_PROXY=http://proxy:3128", "HTTPS_PROXY=http://proxy:3128"}
		out, err := child.CombinedOutput()
		require.NoError(t, err, "%s", out)
		assert.Contains(t, string(out), "told: "+want+"\n", endpoint)
	}
}
