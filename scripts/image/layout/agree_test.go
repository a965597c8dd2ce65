package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// dockerLimit bounds each call of docker. The images here have a few bytes.
const dockerLimit = time.Minute

func docker(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), dockerLimit)
	defer cancel()
	command := exec.CommandContext(ctx, "docker", args...)
	var stderr strings.Builder
	command.Stderr = &stderr
	out, err := command.Output()
	require.NoError(t, err, "docker %q: %s", args, stderr.String())
	return string(out)
}

// TestDockerBuildsTheSame builds one context both ways. It keeps the Dockerfile's reader honest: what docker build makes is what counts.
func TestDockerBuildsTheSame(t *testing.T) {
	if out, err := exec.CommandContext(t.Context(), "docker", "version").CombinedOutput(); err != nil {
		require.NotEqual(t, "1", os.Getenv("REQUIRE_DOCKER"), "REQUIRE_DOCKER=1, and docker does not work: %v: %s", err, out)
		t.Skipf("docker does not work (%v): install and start it, or set REQUIRE_DOCKER=1 to make this a failure", err)
	}
	dir := newContext(t, "x")
	image := fmt.Sprintf("llmsweep-layout:test-%d", os.Getpid())
	docker(t, "build", "-q", "-t", image, dir)
	t.Cleanup(func() { docker(t, "image", "rm", image) })
	container := strings.TrimSpace(docker(t, "create", image))
	t.Cleanup(func() { docker(t, "rm", container) })
	ours := open(t, built(t, "linux/amd64="+dir)).images()["linux/amd64"]

	exported := lines(t, members(t, []byte(docker(t, "export", container))))
	for _, l := range lines(t, ours.layer) {
		assert.Contains(t, exported, l)
	}
	var theirs map[string]any
	require.NoError(t, json.Unmarshal([]byte(docker(t, "inspect", "-f", "{{json .Config}}", image)), &theirs))
	if env, isList := theirs["Env"].([]any); isList { // one that Docker adds
		theirs["Env"] = slices.DeleteFunc(env, func(v any) bool { return strings.HasPrefix(fmt.Sprint(v), "PATH=") })
	}
	assert.Subset(t, theirs, ours.config)
	for key, value := range theirs {
		if ours.config[key] == nil {
			assert.Empty(t, value, "docker's configuration has %s", key)
		}
	}
}
