package container

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/testcontainers/testcontainers-go/wait"
)

const (
	startLimit  = 30 * time.Second
	answerLimit = time.Second
	pollPause   = 50 * time.Millisecond
)

// healthy waits until the server answers. The strategies of testcontainers look in one place, which is the wrong one where the test itself runs
// in a container beside its own Docker daemon.
type healthy struct{}

// WaitUntilReady returns when the server answers, ends, or has had its time.
func (healthy) WaitUntilReady(ctx context.Context, target wait.StrategyTarget) error {
	_, err := find(ctx, target)
	return err
}

// find returns the first address of the container at which the server answers, and waits for one.
func find(ctx context.Context, target wait.StrategyTarget) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	var last error
	for {
		state, err := target.Inspect(ctx)
		switch {
		case err == nil && state.State != nil && !state.State.Running:
			return "", fmt.Errorf("the mock server ended with exit code %d: %s", state.State.ExitCode, logs(ctx, target))
		case err == nil:
			var url string
			if url, err = ask(ctx, addresses(ctx, target, state)); err == nil {
				return url, nil
			}
		}
		// The end of the context says less than what came before it.
		if last == nil || ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("the mock server does not answer: %w: look at its log with docker logs", last)
		case <-time.After(pollPause):
		}
	}
}

// addresses are the places at which a container can be reached, the likely ones first.
func addresses(ctx context.Context, target wait.StrategyTarget, state *container.InspectResponse) []string {
	var found []string
	if published, err := target.MappedPort(ctx, port); err == nil {
		if host, err := target.Host(ctx); err == nil {
			if host == "localhost" {
				host = "127.0.0.1" // a daemon may publish another port for IPv6
			}
			found = append(found, net.JoinHostPort(host, published.Port()))
		}
		found = append(found, net.JoinHostPort("127.0.0.1", published.Port()))
	}
	if state.NetworkSettings != nil {
		for _, endpoint := range state.NetworkSettings.Networks {
			if endpoint != nil && endpoint.IPAddress.IsValid() {
				found = append(found, net.JoinHostPort(endpoint.IPAddress.String(), strings.TrimSuffix(port, "/tcp")))
			}
		}
	}
	return slices.Compact(found)
}

// ask returns the first of the addresses that is well, as a URL.
func ask(ctx context.Context, addresses []string) (string, error) {
	// A proxy of the environment is for the world outside.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: answerLimit}
	var problems []error
	for _, address := range addresses {
		url := "http://" + address
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/health", http.NoBody)
		if err != nil {
			return "", err
		}
		response, err := client.Do(request)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		_ = response.Body.Close()
		if response.StatusCode == http.StatusOK {
			return url, nil
		}
		problems = append(problems, fmt.Errorf("GET %s/health: answered %s", url, response.Status))
	}
	if len(problems) == 0 {
		return "", errors.New("it has no address yet")
	}
	return "", errors.Join(problems...)
}

// logs returns what the server printed, as one line.
func logs(ctx context.Context, target wait.StrategyTarget) string {
	stream, err := target.Logs(ctx)
	if err != nil {
		return err.Error()
	}
	defer stream.Close()
	text, _ := io.ReadAll(io.LimitReader(stream, 4096))
	return strings.Join(strings.Fields(string(text)), " ")
}
