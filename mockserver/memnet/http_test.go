package memnet_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/mockserver/memnet"
)

// serve runs an HTTP server over a new listener and returns a client of it and
// what ends both.
func serve(t *testing.T, handler http.HandlerFunc) (client *http.Client, stop func()) {
	t.Helper()
	l := memnet.Listen("mock:80")
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	transport := &http.Transport{DialContext: l.DialContext}
	return &http.Client{Transport: transport}, func() {
		transport.CloseIdleConnections()
		require.NoError(t, server.Close())
		require.ErrorIs(t, <-served, http.ErrServerClosed)
	}
}

func TestEventsArriveAtTheInstantTheyAreWritten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var written []time.Duration
		client, stop := serve(t, func(w http.ResponseWriter, r *http.Request) {
			out := http.NewResponseController(w)
			for i := range 50 {
				time.Sleep(7*time.Millisecond + time.Duration(i)*time.Nanosecond)
				written = append(written, time.Since(start))
				fmt.Fprintf(w, "data: %d\n\n", i)
				assert.NoError(t, out.Flush())
			}
		})
		defer stop()

		response, err := client.Get("http://mock/")
		require.NoError(t, err)
		defer response.Body.Close()
		var read []time.Duration
		for lines := bufio.NewScanner(response.Body); lines.Scan(); {
			if lines.Text() != "" {
				read = append(read, time.Since(start))
			}
		}
		require.Len(t, read, 50)
		assert.Equal(t, written, read)
	})
}

// The server's background reader must come off the connection between requests
// and must notice a client that leaves; both go through deadlines and Close.
func TestConnectionIsReusedAndItsEndNoticed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		remotes := make(map[string]int)
		left := make(chan time.Time, 1)
		client, stop := serve(t, func(w http.ResponseWriter, r *http.Request) {
			remotes[r.RemoteAddr]++
			if r.URL.Path == "/stay" {
				<-r.Context().Done()
				left <- time.Now()
			}
		})
		defer stop()

		for range 3 {
			response, err := client.Get("http://mock/")
			require.NoError(t, err)
			require.NoError(t, response.Body.Close())
			time.Sleep(time.Minute) // the header timeout must not outlive the header
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		gone := time.Now().Add(5 * time.Second)
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://mock/stay", nil)
		require.NoError(t, err)
		_, err = client.Do(request)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, gone, <-left)
		assert.Equal(t, map[string]int{"client-1": 4}, remotes)
	})
}
