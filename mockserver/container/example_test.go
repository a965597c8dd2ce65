package container_test

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/network"

	"github.com/llmsweep/llmsweep/mockserver/container"
)

// A mock server on a network of its own: from here it is reached by its URL, from other containers of the network as http://mock:8000.
func ExampleRun() {
	ctx := context.Background()
	private, err := network.New(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = private.Remove(ctx) }()

	c, err := container.Run(ctx,
		network.WithNetwork([]string{"mock"}, private),
		testcontainers.WithCmdArgs("-model-name=Qwen/Qwen3-0.6B", "-speedup-ratio=10"))
	defer func() { _ = testcontainers.TerminateContainer(c) }()
	if err != nil {
		log.Print(err)
		return
	}

	url, err := c.URL(ctx)
	if err != nil {
		log.Print(err)
		return
	}
	response, err := http.Get(url + "/v1/models")
	if err != nil {
		log.Print(err)
		return
	}
	defer response.Body.Close()
	fmt.Println(response.Status)
}
