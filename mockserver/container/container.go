// Package container runs the mock inference server in a Docker container, for Go
// tests whose other parts are containers too: a gateway, a router or a benchmark
// that needs an OpenAI endpoint on their network. A test without such parts has
// no use for it; package mockserver is quicker to start and needs no Docker.
//
//	c, err := container.Run(ctx, testcontainers.WithCmdArgs("-speedup-ratio=10"))
//	testcontainers.CleanupContainer(t, c)
//	require.NoError(t, err)
//	url, err := c.URL(ctx) // http://127.0.0.1:32768
//
// The options are those of testcontainers: WithCmdArgs for the server's flags (go
// run github.com/llmsweep/llmsweep/mockserver/cmd/mockserver -h lists them),
// network.WithNetwork for a network on which others reach it as http://ALIAS:8000,
// WithImage for llmsweep's own image instead of one that is made on the spot.
//
// Without WithImage the server is compiled by the go command from the source that
// the module in the working directory requires, so that the server under test is
// the version in go.mod. Nothing is pulled from a registry, with one exception:
// testcontainers itself starts a helper that removes what a killed test leaves
// behind. Where its image cannot be pulled, set TESTCONTAINERS_RYUK_DISABLED=true
// in the environment or in TestMain; it is read once.
package container

import (
	"context"
	"fmt"

	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
)

const port = "8000/tcp"

// Container is a running mock server.
type Container struct {
	*testcontainers.DockerContainer
}

// Run starts a mock server and returns when it answers, after half a minute at most. The image that it makes is removed with the container.
//
// The container may exist when the error is not nil; testcontainers.CleanupContainer before the check of the error removes it in any case.
func Run(ctx context.Context, opts ...testcontainers.ContainerCustomizer) (*Container, error) {
	arch, err := daemonArch(ctx)
	if err != nil {
		return nil, err
	}
	all := []testcontainers.ContainerCustomizer{
		testcontainers.WithExposedPorts(port),
		testcontainers.WithWaitStrategy(healthy{}),
	}
	all = append(all, opts...)
	all = append(all, testcontainers.CustomizeRequestOption(func(request *testcontainers.GenericContainerRequest) error {
		return provideImage(ctx, request, arch)
	}))
	started, err := testcontainers.Run(ctx, "", all...)
	if err != nil {
		err = fmt.Errorf("starting the mock server's container: %w", err)
	}
	if started == nil {
		return nil, err
	}
	return &Container{started}, err
}

// URL returns where the server is reached from here, without a slash at the end. It asks anew each time, since a container that was stopped and
// started again has another port.
func (c *Container) URL(ctx context.Context) (string, error) {
	return find(ctx, c.DockerContainer)
}

// daemonArch asks the daemon for its processor, in Go's words. It is the first thing that talks to Docker, and so the one that finds it missing.
func daemonArch(ctx context.Context) (arch string, err error) {
	const hint = "start Docker, or set DOCKER_HOST to a daemon that runs"
	defer func() {
		// testcontainers panics where it finds no socket at all.
		if reason := recover(); reason != nil {
			err = fmt.Errorf("docker does not answer: %v: %s", reason, hint)
		}
	}()
	provider, err := testcontainers.NewDockerProvider()
	if err != nil {
		return "", fmt.Errorf("docker does not answer: %w: %s", err, hint)
	}
	defer provider.Close()
	version, err := provider.Client().ServerVersion(ctx, client.ServerVersionOptions{})
	if err != nil {
		return "", fmt.Errorf("docker does not answer: %w: %s", err, hint)
	}
	return version.Arch, nil
}

// provideImage completes a request: an image that was named is llmsweep's and serves by its sub-command, without one it is made.
func provideImage(ctx context.Context, request *testcontainers.GenericContainerRequest, arch string) error {
	if request.Image != "" {
		request.Cmd = append([]string{"mockserver"}, request.Cmd...)
		return nil
	}
	program, err := compile(ctx, arch)
	if err != nil {
		return err
	}
	archive, err := buildContext(program)
	if err != nil {
		return err
	}
	// Without a name the image gets one of its own, so that two tests never remove each other's.
	request.FromDockerfile = testcontainers.FromDockerfile{ContextArchive: archive}
	return nil
}
