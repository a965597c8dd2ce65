package openai_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/openai"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/workload"
	"github.com/llmsweep/llmsweep/mockserver/memnet"
)

const chunk = `data: {"id":"chatcmpl-0123456789abcdef","object":"chat.completion.chunk","created":1700000000,"model":"some/model",` +
	`"choices":[{"index":0,"delta":{"content":" word"},"logprobs":null,"finish_reason":null}]}` + "\n\n"

// inProcess returns a client, in real time, of a server that answers every request with n chunks, and what ends both.
func inProcess(tb testing.TB, transport string, n int) (c *openai.Client, stop func()) {
	return answering(tb, openai.Config{Transport: transport}, headers+strings.Repeat(chunked(chunk), n)+chunked(done)+chunked(""))
}

// answering returns a client, configured but for where the server is, of one that answers every request in the same way.
func answering(tb testing.TB, config openai.Config, answer string) (c *openai.Client, stop func()) {
	tb.Helper()
	l := memnet.Listen("mock:80")
	accepted := make(chan struct{})
	go func() {
		defer close(accepted)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		r := bufio.NewReader(conn)
		for {
			request, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			_, _ = r.Discard(int(request.ContentLength))
			_, _ = io.WriteString(conn, answer)
		}
	}()
	target, err := url.Parse("http://mock" + openai.ChatPath)
	require.NoError(tb, err)
	config.Endpoints, config.Concurrency, config.Epoch, config.Header, config.IdleTimeout = []*url.URL{target}, 1, time.Now(), http.Header{}, time.Minute
	config.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		return l.DialContext(ctx, network, address)
	}
	c = openai.New(config)
	return c, func() {
		c.Close()
		_ = l.Close()
		<-accepted
	}
}

func take(tb testing.TB, c *openai.Client, n int) {
	tb.Helper()
	s := c.Do(context.Background(), &workload.Request{OSL: n, Body: []byte("{}")}, 0)
	if s.Outcome != record.OK || len(s.ChunksNS) != n {
		tb.Fatalf("%s, %d chunks: %+v", s.Outcome, len(s.ChunksNS), s.Error)
	}
}

// A request may allocate, a chunk may not: ten times the chunks, as many allocations. The server's own are among them, but it
// writes an answer in one piece.
func TestNothingIsAllocatedForAChunk(t *testing.T) {
	for _, transport := range []string{openai.OwnTransport, openai.NetHTTP} {
		allocations := func(n int) float64 {
			c, stop := inProcess(t, transport, n)
			defer stop()
			take(t, c, n)
			return testing.AllocsPerRun(50, func() { take(t, c, n) })
		}
		few, many := allocations(100), allocations(1000)
		assert.InDelta(t, few, many, 20, "%s: %v for 100 chunks, %v for 1,000", transport, few, many)
		t.Logf("%s: %v allocations for a request", transport, few)
	}
}

// BenchmarkStream is one stream of 1,000 chunks that are all there at once: what the client needs for a chunk.
func BenchmarkStream(b *testing.B) {
	const n = 1000
	c, stop := inProcess(b, openai.OwnTransport, n)
	defer stop()
	take(b, c, n)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for b.Loop() {
		take(b, c, n)
	}
	runtime.ReadMemStats(&after)
	chunks := float64(b.N) * n
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/chunks, "allocs/chunk")
	b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/chunks, "B/chunk")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/chunks, "ns/chunk")
	b.ReportMetric(0, "ns/op")
}
