package container_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/testcontainers/testcontainers-go"

	// What the container runs. Imported, a change of it makes go test run these tests again instead of answering from its cache.
	_ "github.com/llmsweep/llmsweep/mockserver/cmd"
	"github.com/llmsweep/llmsweep/mockserver/container"
)

const (
	testLimit   = time.Minute
	answerLines = 1 + 8 + 2 // of chat: the role, eight tokens, the finish reason and the end
)

// TestMain switches off the helper container of testcontainers, whose image would be pulled. The tests remove what they make.
func TestMain(m *testing.M) {
	if os.Getenv("TESTCONTAINERS_RYUK_DISABLED") == "" {
		if err := os.Setenv("TESTCONTAINERS_RYUK_DISABLED", "true"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// daemon returns a client of the Docker daemon. Without one the test is skipped, or fails if REQUIRE_DOCKER says so.
func daemon(t *testing.T) client.APIClient {
	t.Helper()
	if os.Getenv("REQUIRE_DOCKER") != "1" {
		testcontainers.SkipIfProviderIsNotHealthy(t)
	}
	provider, err := testcontainers.NewDockerProvider()
	require.NoError(t, err, "REQUIRE_DOCKER=1, and no Docker daemon answers")
	t.Cleanup(func() { assert.NoError(t, provider.Close()) })
	require.NoError(t, provider.Health(t.Context()), "REQUIRE_DOCKER=1, and the Docker daemon does not answer")
	return provider.Client()
}

// serve runs a mock server until the end of the test and returns it with its URL.
func serve(t *testing.T, opts ...testcontainers.ContainerCustomizer) (*container.Container, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testLimit)
	defer cancel()
	c, err := container.Run(ctx, opts...)
	testcontainers.CleanupContainer(t, c)
	require.NoError(t, err)
	url, err := c.URL(ctx)
	require.NoError(t, err)
	return c, url
}

// chat asks for a streamed answer and returns its data lines, each with the time at which it came.
func chat(t *testing.T, url, model string) (lines []string, at []time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testLimit)
	defer cancel()
	body := `{"model":"` + model + `","messages":[{"role":"user","content":"one two three"}],"max_tokens":8,"stream":true}`
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/chat/completions", strings.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	start := time.Now()
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, http.StatusOK, response.StatusCode)
	for stream := bufio.NewScanner(response.Body); stream.Scan(); {
		if data, ok := strings.CutPrefix(stream.Text(), "data: "); ok {
			lines, at = append(lines, data), append(at, time.Since(start))
		}
	}
	return lines, at
}

func TestDockerAnswersStreamWithTheFlagsOfTheOptions(t *testing.T) {
	api := daemon(t)
	// A tenth of the speed, so that the tokens of an answer cannot come all at once: one takes more than 40 ms.
	c, url := serve(t, testcontainers.WithCmdArgs("-model-name=tiny/model", "-speedup-ratio=0.1"))
	lines, at := chat(t, url, "tiny/model")
	require.Len(t, lines, answerLines, "%q", lines)
	assert.Contains(t, lines[0], `"model":"tiny/model"`)
	assert.Equal(t, "[DONE]", lines[len(lines)-1])
	assert.Greater(t, at[8]-at[1], 7*40*time.Millisecond, "the eight tokens came at %v", at)

	inspected, err := api.ContainerInspect(t.Context(), c.GetContainerID(), client.ContainerInspectOptions{})
	require.NoError(t, err)
	require.NoError(t, c.Terminate(t.Context()))
	_, err = api.ContainerInspect(t.Context(), c.GetContainerID(), client.ContainerInspectOptions{})
	assert.ErrorContains(t, err, "No such container")
	_, err = api.ImageInspect(t.Context(), inspected.Container.Image)
	assert.ErrorContains(t, err, "No such image")
}

func TestDockerTheURLFollowsARestart(t *testing.T) {
	daemon(t)
	c, _ := serve(t, testcontainers.WithCmdArgs("-speedup-ratio=0"))
	limit := time.Second
	require.NoError(t, c.Stop(t.Context(), &limit))
	_, err := c.URL(t.Context())
	require.ErrorContains(t, err, "the mock server ended with exit code 0: ")
	require.NoError(t, c.Start(t.Context()))
	url, err := c.URL(t.Context())
	require.NoError(t, err)
	lines, _ := chat(t, url, "Qwen/Qwen3-0.6B")
	assert.Len(t, lines, answerLines)
}

func TestDockerTwoServersLeaveEachOtherAlone(t *testing.T) {
	daemon(t)
	first, _ := serve(t, testcontainers.WithCmdArgs("-speedup-ratio=0"))
	_, url := serve(t, testcontainers.WithCmdArgs("-speedup-ratio=0"))
	require.NoError(t, first.Terminate(t.Context()), "its image is the other one's too")
	lines, _ := chat(t, url, "Qwen/Qwen3-0.6B")
	assert.Len(t, lines, answerLines)
}

func TestDockerAWrongFlagIsReportedAtOnce(t *testing.T) {
	daemon(t)
	start := time.Now()
	c, err := container.Run(t.Context(), testcontainers.WithCmdArgs("-speed=1"))
	testcontainers.CleanupContainer(t, c)
	require.ErrorContains(t, err, "the mock server ended with exit code 2: mockserver: flag provided but not defined: -speed")
	assert.Less(t, time.Since(start), 20*time.Second)
}

func TestDockerWithoutGoItSaysWhatElseWouldDo(t *testing.T) {
	daemon(t)
	t.Setenv("PATH", t.TempDir())
	c, err := container.Run(t.Context())
	testcontainers.CleanupContainer(t, c)
	require.ErrorContains(t, err, "compiling the mock server")
	assert.ErrorContains(t, err, "have go on the PATH and the module in go.mod, or name a ready image with testcontainers.WithImage")
	assert.Nil(t, c)
}

func TestDockerTheImageHoldsTheProgramAlone(t *testing.T) {
	api := daemon(t)
	c, _ := serve(t)
	exported, err := api.ContainerExport(t.Context(), c.GetContainerID(), client.ContainerExportOptions{})
	require.NoError(t, err)
	defer exported.Close()
	data, err := io.ReadAll(exported)
	require.NoError(t, err)
	assert.Less(t, len(data), 12_000_000)
	inspected, err := api.ContainerInspect(t.Context(), c.GetContainerID(), client.ContainerInspectOptions{})
	require.NoError(t, err)
	assert.Equal(t, "65532:65532", inspected.Container.Config.User)
}
