package openai_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/openai"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/workload"
)

// TestConnectionReadings has the readings of new, kept and lost connections exactly.
func TestConnectionReadings(t *testing.T) {
	inBubble(t, nil, func(s *stage) {
		own := s.transport == openai.OwnTransport
		send := func(n int, script []step) *record.Sample {
			s.answers <- script
			return s.client.Do(s.t.Context(), request(n), s.client.Now())
		}
		size := func(n int) int64 {
			s.mu.Lock()
			defer s.mu.Unlock()
			// Both write the same lines, if in another order.
			r, lines := s.requests[n], len("POST /v1/chat/completions HTTP/1.1\r\nHost: server:80\r\n\r\n")+len(s.bodies[n])
			for name, values := range r.Header {
				lines += len(name) + len(": \r\n") + len(values[0])
			}
			return int64(lines)
		}
		const took = int64(dial)
		first := send(0, later(0))
		want := record.Conn{Remote: "mock:80", GotNS: begin + took, BytesSent: size(0)}
		if own {
			want.ConnectNS = took // net/http tells nothing of a dialer of ours
		}
		assert.Equal(t, want, first.Conn)
		assert.Equal(t, record.SocketRead, first.StampSource)

		kept := send(1, later(time.Second))
		assert.Equal(t, record.Conn{Reused: true, Remote: "mock:80", GotNS: kept.StartNS, BytesSent: size(1)}, kept.Conn)

		// The server closes the idle connection: the next request is not hurt, and says so.
		closing := send(2, append(later(2*time.Second), step{at: 2060 * ms, end: shut}))
		assert.True(t, closing.Conn.Reused)
		s.until(3 * time.Second)
		next := send(3, later(4*time.Second))
		want = record.Conn{Remote: "mock:80", GotNS: next.StartNS + took, BytesSent: size(3)}
		if own {
			want.ConnectNS, want.Stale = took, 1
		}
		assert.Equal(t, record.OK, next.Outcome)
		assert.Equal(t, want, next.Conn)
	})
}

// An unusual framing is read to the nanosecond by our transport; net/http's stamps say that they may be late.
func TestStampSource(t *testing.T) {
	event := text("a")
	inBubble(t, nil, func(s *stage) {
		s.answers <- stream(step{at: 20 * ms, raw: fmt.Sprintf("%X;a=b\r\n%s\r\n5\r\n:", len(event), event)}, step{at: 80 * ms, raw: "abc\n\r\n"}, step{at: 90 * ms, body: done, end: finish})
		got := s.client.Do(s.t.Context(), request(0), 0)
		require.Equal(t, record.OK, got.Outcome, "%+v", got.Error)
		if s.transport == openai.OwnTransport {
			assert.Equal(t, record.SocketRead, got.StampSource)
			assert.Equal(t, stamps(20), got.ChunksNS)
		} else {
			assert.Equal(t, record.BodyRead, got.StampSource)
		}
	})
}

// Warmed connections are there before the requests, and carry them.
func TestWarmedConnections(t *testing.T) {
	for n, rounds := range map[int]int64{3: 1, 256: 2, 257: 3} { // 128 at once
		inBubble(t, func(c *openai.Config) { c.Concurrency = n }, func(s *stage) {
			require.NoError(t, s.client.Warm(s.t.Context(), n))
			warmed := s.client.Now() - begin
			got := s.do(s.t.Context(), 0, later(time.Second))
			assert.Equal(t, rounds*dial, warmed, "%d connections", n)
			assert.Len(t, s.dialled, n)
			assert.True(t, got.Conn.Reused)
			assert.Equal(t, got.StartNS, got.SentNS)
		})
	}
}

// Through net/http it takes as many answers at once as connections are wanted. There may be more of them than dials at once; an answer without a
// body, for which a connection need not wait, is told.
func TestWarmingThroughNetHTTP(t *testing.T) {
	t.Parallel()
	inBubbleOver(t, openai.NetHTTP, func(c *openai.Config) { c.Concurrency = 300 }, func(s *stage) {
		require.NoError(t, s.client.Warm(s.t.Context(), 300))
		assert.Len(t, s.dialled, 300)
		assert.Equal(t, int64(begin+3*dial), s.client.Now(), "128, 128 and 44")
		var requests sync.WaitGroup
		for n := range 300 {
			requests.Go(func() { assert.True(t, s.whole(s.t.Context(), n, nil).Conn.Reused) })
		}
		requests.Wait()
		assert.Len(t, s.dialled, 300)
	})
	inBubbleOver(t, openai.NetHTTP, nil, func(s *stage) {
		s.models = "HTTP/1.1 204 No Content\r\n\r\n"
		require.NoError(t, s.client.Warm(s.t.Context(), 1))
		assert.EqualError(t, s.client.Warm(s.t.Context(), 1), "1 of 1 connections could not be made; the first: the model list came without a body, "+
			"which would have kept the connection from carrying the next request")
	})
}

// Without reuse each request has a connection of its own, and the server is told.
func TestNoReuse(t *testing.T) {
	inBubble(t, func(c *openai.Config) { c.NoReuse = true }, func(s *stage) {
		require.NoError(t, s.client.Warm(s.t.Context(), 3))
		for n := range 3 {
			got := s.do(s.t.Context(), n, append(later(time.Duration(n)*time.Second), step{end: shut}))
			assert.Equal(t, record.OK, got.Outcome)
			assert.False(t, got.Conn.Reused)
		}
		assert.Len(t, s.dialled, 3)
		for _, r := range s.requests {
			assert.True(t, r.Close)
		}
	})
}

// What cannot be written is a failure of each request, not of the program.
func TestUnwritableHeader(t *testing.T) {
	inBubble(t, func(c *openai.Config) { c.Header = http.Header{"X-A": {"b\r\nC: d"}} }, func(s *stage) {
		got := s.client.Do(s.t.Context(), request(0), 0)
		assert.Equal(t, record.ConnectionFailed, got.Outcome)
		assert.Contains(t, got.Error.Message, "X-A")
		assert.Empty(t, s.dialled)
	})
}

// The context of a request that has ended before it began sends nothing.
func TestEndedContext(t *testing.T) {
	inBubble(t, nil, func(s *stage) {
		require.Equal(t, record.OK, s.do(s.t.Context(), 0, later(0)).Outcome) // so that a connection waits
		ctx, cancel := cancelled(s.t, errInterrupt)
		defer cancel()
		got := s.client.Do(ctx, request(1), 0)
		assert.Equal(t, record.Cancelled, got.Outcome)
		assert.Equal(t, record.BySignal, got.Reason)
		assert.Equal(t, "interrupted", got.Error.Message)
		assert.Equal(t, got.StartNS, got.EndNS)
		assert.Len(t, s.requests, 1)
	})
}

// TestChosenTransport: a proxy of the environment needs net/http, unless our transport was asked for. The environment is read once, so
// each case is a process of its own.
func TestChosenTransport(t *testing.T) {
	if endpoint := os.Getenv("OPENAI_TEST_ENDPOINT"); endpoint != "" {
		u, err := url.Parse(endpoint)
		require.NoError(t, err)
		fmt.Println("chosen:", openai.New(openai.Config{Endpoints: []*url.URL{u}, Transport: os.Getenv("OPENAI_TEST_TRANSPORT")}).Transport())
		return
	}
	for _, c := range []struct{ endpoint, proxy, ask, want string }{
		{"http://server:8000/", "", "auto", "own"},
		{"http://server:8000/", "", "", "own"},
		{"http://server:8000/", "http://proxy:3128", "auto", "nethttp"},
		{"https://server:8000/", "http://proxy:3128", "auto", "own"}, // the variable is for http
		{"http://localhost:8000/", "http://proxy:3128", "auto", "own"},
		{"http://server:8000/", "http://proxy:3128", "own", "own"},
		{"http://server:8000/", "", "nethttp", "nethttp"},
		{"http://münchen:8000/", "", "auto", "nethttp"},
	} {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChosenTransport$", "-test.count=1", "-test.v")
		child.Env = []string{"OPENAI_TEST_ENDPOINT=" + c.endpoint, "HTTP_PROXY=" + c.proxy, "OPENAI_TEST_TRANSPORT=" + c.ask}
		out, err := child.CombinedOutput()
		require.NoError(t, err, "%s", out)
		assert.Contains(t, string(out), "chosen: "+c.want+"\n", "%+v", c)
	}
}

// A server that answers with net/http's own writer, over real connections, is understood by both.
func TestOverTCP(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for range 5 {
			fmt.Fprint(w, text("a"))
			_ = http.NewResponseController(w).Flush()
			time.Sleep(ms)
		}
		fmt.Fprint(w, done)
	}))
	defer server.Close()
	for _, transport := range []string{openai.OwnTransport, openai.NetHTTP} {
		c := openai.New(openai.Config{Endpoints: []*url.URL{endpoint(t, server.URL+openai.ChatPath)}, Concurrency: 1, Epoch: time.Now(), Transport: transport})
		for n := range 3 {
			s := c.Do(t.Context(), &workload.Request{Serial: n, OSL: 5, Body: []byte(strings.Repeat("x", 100_000))}, 0)
			require.Equal(t, record.OK, s.Outcome, "%+v", s.Error)
			assert.Len(t, s.ChunksNS, 5)
			assert.Equal(t, n > 0, s.Conn.Reused)
			assert.Equal(t, record.SocketRead, s.StampSource)
			assert.Greater(t, s.Conn.BytesSent, int64(100_000))
		}
		c.Close()
	}
}
