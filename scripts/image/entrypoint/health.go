package main

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

const (
	healthURL   = "http://127.0.0.1:8000/health"
	healthLimit = 3 * time.Second
)

// healthcheck asks a server whether it is well, for probes that run a command inside the container.
func (im *image) healthcheck(ctx context.Context, args []string) int {
	url := healthURL
	switch len(args) {
	case 0:
	case 1:
		url = args[0]
	default:
		return im.usage(fmt.Sprintf("healthcheck: unexpected argument %q: it takes one URL, default %s", args[1], healthURL))
	}
	if err := askHealth(ctx, url); err != nil {
		return im.fail("healthcheck: " + err.Error())
	}
	return exitOK
}

func askHealth(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, healthLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	// A proxy of the environment is for the world outside, and would answer for itself.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("GET %s: answered %s", url, response.Status)
	}
	return nil
}
