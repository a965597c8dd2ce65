package openai_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/openai"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/workload"
	"github.com/llmsweep/llmsweep/mockserver/memnet"
)

func onlyHTTP2() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP2(true)
	p.SetUnencryptedHTTP2(true)
	return p
}

// Three streams share a connection. The events of each come at instants of its own, and its stamps are those, whatever the others read.
func TestHTTP2(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		listener := memnet.Listen("mock:80")
		server := &http.Server{Protocols: onlyHTTP2(), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			assert.Equal(t, 2, r.ProtoMajor)
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "text/event-stream")
			for range 3 {
				time.Sleep(100*ms + time.Duration(len(r.Header.Get("X-Request-Id")))*ms)
				fmt.Fprint(w, text("a"))
				_ = http.NewResponseController(w).Flush()
			}
			fmt.Fprint(w, done)
		})}
		var served sync.WaitGroup
		served.Go(func() { _ = server.Serve(listener) })
		c := openai.New(openai.Config{
			Endpoints: []*url.URL{endpoint(t, "http://mock:80"+openai.ChatPath)}, Concurrency: 3, Epoch: time.Now(), Dial: listener.DialContext,
			Transport: openai.HTTP2, Header: http.Header{},
		})
		assert.Equal(t, "http2", c.Transport())
		// The first makes the connection, which the others take.
		first := c.Do(t.Context(), &workload.Request{ID: "abcd", OSL: 3, Body: []byte("x")}, 0)
		require.Equal(t, record.OK, first.Outcome, "%+v", first.Error)
		var streams sync.WaitGroup
		for k := 1; k <= 3; k++ {
			streams.Go(func() {
				start := c.Now()
				s := c.Do(t.Context(), &workload.Request{ID: "abc"[:k], OSL: 3, Body: []byte("x")}, start)
				assert.Equal(t, record.OK, s.Outcome, "%+v", s.Error)
				assert.Equal(t, record.BodyRead, s.StampSource)
				assert.True(t, s.Conn.Reused)
				gap := (100*ms + time.Duration(k)*ms).Nanoseconds()
				assert.Equal(t, []int64{start + gap, start + 2*gap, start + 3*gap}, s.ChunksNS)
			})
		}
		streams.Wait()
		c.Close()
		require.NoError(t, server.Close())
		served.Wait()
	})
}

// By TLS the protocol is agreed upon, and a server that has it not is an error, not a silent HTTP/1.1.
func TestHTTP2OverTLS(t *testing.T) {
	t.Parallel()
	for http2, outcome := range map[bool]record.Outcome{true: record.OK, false: record.ConnectionFailed} {
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprint(w, text("a")+done)
		}))
		server.EnableHTTP2 = http2
		server.StartTLS()
		c := openai.New(openai.Config{
			Endpoints: []*url.URL{endpoint(t, server.URL+openai.ChatPath)}, Concurrency: 1, Epoch: time.Now(), Transport: openai.HTTP2,
			TLS: server.Client().Transport.(*http.Transport).TLSClientConfig, Header: http.Header{},
		})
		s := c.Do(t.Context(), &workload.Request{OSL: 1, Body: []byte("x")}, 0)
		assert.Equal(t, outcome, s.Outcome, "%+v", s.Error)
		t.Log(s.Error)
		c.Close()
		server.Close()
	}
}
