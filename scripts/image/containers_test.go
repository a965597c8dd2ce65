package image_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/testcontainers/testcontainers-go"
	tcexec "github.com/testcontainers/testcontainers-go/exec"
	"github.com/testcontainers/testcontainers-go/network"
	"github.com/testcontainers/testcontainers-go/wait"

	mockcontainer "github.com/llmsweep/llmsweep/mockserver/container"
)

// lab is what the containers of a test share.
type lab struct {
	api     client.APIClient
	network *testcontainers.DockerNetwork
	volume  string
}

// newLab makes a private network and an empty volume, both removed when the test ends.
func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{api: daemon(t)}
	var err error
	l.network, err = network.New(t.Context())
	require.NoError(t, err)
	testcontainers.CleanupNetwork(t, l.network)
	volume, err := l.api.VolumeCreate(t.Context(), client.VolumeCreateOptions{})
	require.NoError(t, err)
	l.volume = volume.Volume.Name
	t.Cleanup(func() {
		_, err := l.api.VolumeRemove(context.Background(), l.volume, client.VolumeRemoveOptions{})
		assert.NoError(t, err)
	})
	return l
}

// mock runs a mock server that the network knows under a name.
func (l *lab) mock(t *testing.T, name string, flags ...string) *mockcontainer.Container {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), containerLimit)
	defer cancel()
	c, err := mockcontainer.Run(ctx, testcontainers.WithImage(image), network.WithNetwork([]string{name}, l.network),
		testcontainers.WithCmdArgs(flags...))
	testcontainers.CleanupContainer(t, c)
	require.NoError(t, err)
	return c
}

// start runs the image as the cluster does: as a user without rights, on a root that cannot be written to, with the volume at /data.
// More options may change that.
func (l *lab) start(t *testing.T, args []string, more ...testcontainers.ContainerCustomizer) *testcontainers.DockerContainer {
	t.Helper()
	opts := []testcontainers.ContainerCustomizer{
		testcontainers.WithCmd(args...),
		network.WithNetwork(nil, l.network),
		testcontainers.WithConfigModifier(func(config *container.Config) { config.User = "1000:1000" }),
		testcontainers.WithHostConfigModifier(func(host *container.HostConfig) {
			host.ReadonlyRootfs = true
			host.CapDrop = []string{"ALL"}
			host.SecurityOpt = []string{"no-new-privileges"}
			host.Binds = []string{l.volume + ":/data"}
		}),
	}
	c, err := testcontainers.Run(t.Context(), image, append(opts, more...)...)
	testcontainers.CleanupContainer(t, c)
	require.NoError(t, err)
	return c
}

// run starts the image and waits for its end.
func (l *lab) run(t *testing.T, args []string, more ...testcontainers.ContainerCustomizer) (exitCode int, output string) {
	t.Helper()
	return ended(t, l.start(t, args, more...))
}

// ended waits for the end of a container and returns its exit code and what it printed on both streams.
func ended(t *testing.T, c *testcontainers.DockerContainer) (exitCode int, output string) {
	t.Helper()
	require.NoError(t, wait.ForExit().WithExitTimeout(containerLimit).WaitUntilReady(t.Context(), c))
	state, err := c.State(t.Context())
	require.NoError(t, err)
	return state.ExitCode, logs(t, c)
}

func logs(t *testing.T, c *testcontainers.DockerContainer) string {
	t.Helper()
	stream, err := c.Logs(t.Context())
	require.NoError(t, err)
	defer stream.Close()
	text, err := io.ReadAll(stream)
	require.NoError(t, err)
	return string(text)
}

// in runs a command in a running container and returns its output; it must succeed.
func in(t *testing.T, c testcontainers.Container, command ...string) []byte {
	t.Helper()
	output, err := tryIn(t, c, command...)
	require.NoError(t, err, "%q: %s", command, output)
	return output
}

func tryIn(t *testing.T, c testcontainers.Container, command ...string) ([]byte, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), containerLimit)
	defer cancel()
	code, reader, err := c.Exec(ctx, command, tcexec.Multiplexed())
	if err != nil {
		return nil, err
	}
	output, err := io.ReadAll(reader)
	if code != 0 {
		err = errors.Join(err, fmt.Errorf("exit code %d", code))
	}
	return output, err
}
