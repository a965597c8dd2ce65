package http1_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/openai/internal/http1"
)

// server is a scripted server on the loopback: handle has each connection behind its request.
func server(t testing.TB, handle func(c net.Conn, r *bufio.Reader)) (u *url.URL) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var served sync.WaitGroup
	served.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			served.Go(func() {
				defer c.Close()
				handle(c, bufio.NewReader(c))
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); served.Wait() })
	u, err = url.Parse("http://" + l.Addr().String() + "/")
	require.NoError(t, err)
	return u
}

// request reads a request.
func request(r *bufio.Reader) error {
	q, err := http.ReadRequest(r)
	if err == nil {
		_, err = io.Copy(io.Discard, q.Body)
	}
	return err
}

func newCall(t testing.TB, u *url.URL, method string) (*http1.Call, *http1.Route) {
	t.Helper()
	transport := &http1.Transport{Epoch: time.Now()}
	t.Cleanup(transport.CloseIdleConnections)
	route, err := transport.Route(method, u, "", nil)
	require.NoError(t, err)
	return &http1.Call{Transport: transport}, route
}

// Over TCP the stamp is that of the read which brought the bytes: after they were written, before Next returns.
func TestStampsOverTCP(t *testing.T) {
	next := make(chan struct{})
	u := server(t, func(c net.Conn, r *bufio.Reader) {
		for request(r) == nil {
			for _, text := range []string{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "4\r\nab", "cd\r\n", "0\r\n\r\n"} {
				<-next
				_, _ = io.WriteString(c, text)
			}
		}
	})
	call, route := newCall(t, u, http.MethodPost)
	for round := range 2 {
		start := time.Since(call.Transport.Epoch).Nanoseconds()
		go func() { next <- struct{}{} }()
		require.NoError(t, call.Do(t.Context(), route, nil, []byte("{}")))
		trace := call.Trace()
		assert.Equal(t, round > 0, trace.Reused)
		assert.Equal(t, u.Host, trace.Remote)
		assert.Equal(t, round == 0, trace.Connect > 0)
		assert.Zero(t, trace.DNS, "the address is no name")
		assert.Equal(t, int64(len("POST / HTTP/1.1\r\nHost: \r\nContent-Length: 2\r\n\r\n{}")+len(u.Host)), trace.BytesSent)
		assert.IsNonDecreasing(t, []int64{start, trace.Got, trace.Sent, trace.Head})
		last := trace.Head
		for _, want := range []string{"ab", "cd"} {
			before := time.Since(call.Transport.Epoch).Nanoseconds()
			next <- struct{}{}
			p, err := call.Next()
			require.NoError(t, err)
			assert.Equal(t, want, string(p))
			assert.IsIncreasing(t, []int64{last, before, call.Stamp(), time.Since(call.Transport.Epoch).Nanoseconds()})
			last = call.Stamp()
		}
		next <- struct{}{}
		_, err := call.Next()
		require.Equal(t, io.EOF, err)
		assert.Equal(t, last, call.Stamp(), "the end is no data")
		assert.GreaterOrEqual(t, call.Trace().Reads, 4)
		call.Close()
	}
}

// The name of a host takes time of its own.
func TestLookingUpANameIsTimed(t *testing.T) {
	if _, err := net.DefaultResolver.LookupHost(t.Context(), "localhost"); err != nil {
		t.Skipf("this machine does not know localhost: %v", err)
	}
	u := server(t, func(c net.Conn, r *bufio.Reader) { _ = request(r); _, _ = io.WriteString(c, emptyAnswer) })
	u.Host = "localhost:" + u.Port()
	call, route := newCall(t, u, http.MethodGet)
	defer call.Close()
	require.NoError(t, call.Do(t.Context(), route, nil, nil))
	assert.Positive(t, call.Trace().DNS)
	assert.Positive(t, call.Trace().Connect)
}

// A server that closes a kept connection costs no request, of whatever method.
func TestConnectionClosedWhileIdle(t *testing.T) {
	var accepted atomic.Int32
	closed := make(chan struct{})
	u := server(t, func(c net.Conn, r *bufio.Reader) {
		accepted.Add(1)
		_ = request(r)
		_, _ = io.WriteString(c, emptyAnswer)
		_ = c.Close()
		closed <- struct{}{}
	})
	call, route := newCall(t, u, http.MethodPost)
	for round := range 3 {
		require.NoError(t, call.Do(t.Context(), route, nil, []byte("{}")))
		trace := call.Trace()
		assert.Equal(t, []any{false, min(round, 1), false}, []any{trace.Reused, trace.Stale, trace.Retried})
		_, err := call.Next()
		require.Equal(t, io.EOF, err)
		call.Close()
		<-closed
		time.Sleep(10 * time.Millisecond) // the news must arrive
	}
	assert.Equal(t, int32(3), accepted.Load())
}

// Bytes on an idle connection are the answer to nothing.
func TestUnaskedBytesOnAnIdleConnection(t *testing.T) {
	more := make(chan struct{})
	u := server(t, func(c net.Conn, r *bufio.Reader) {
		for request(r) == nil {
			_, _ = io.WriteString(c, emptyAnswer)
			<-more
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
			more <- struct{}{}
		}
	})
	call, route := newCall(t, u, http.MethodPost)
	for round := range 2 {
		require.NoError(t, call.Do(t.Context(), route, nil, nil))
		assert.Equal(t, round, call.Trace().Stale)
		_, err := call.Next()
		require.Equal(t, io.EOF, err)
		call.Close()
		more <- struct{}{}
		<-more
		time.Sleep(10 * time.Millisecond)
	}
}

// TestAbort ends a call in each of its states, at once, and leaves no goroutine. The connection is not used again.
func TestAbort(t *testing.T) {
	quit := make(chan struct{})
	defer close(quit)
	u := server(t, func(c net.Conn, r *bufio.Reader) {
		q, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		_, _ = io.WriteString(c, q.Header.Get("Answer"))
		<-quit
	})
	cause := errors.New("enough")
	for _, c := range []struct {
		name   string
		answer string
		large  bool
		dial   func(ctx context.Context, network, address string) (net.Conn, error)
	}{
		{name: "connecting", dial: func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }},
		{name: "connecting, to somebody who does not listen", dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			<-ctx.Done()
			return new(net.Dialer).DialContext(context.WithoutCancel(ctx), network, address)
		}},
		{name: "writing", large: true},
		{name: "before the head"},
		{name: "in the head", answer: "HTTP/1.1 200"},
		{name: "before the body", answer: "HTTP/1.1 200 OK"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := clientGoroutines()
			call, route := newCall(t, u, http.MethodPost)
			call.Transport.Dial = c.dial
			timer := time.AfterFunc(20*time.Millisecond, func() { call.Abort(cause) })
			defer timer.Stop()
			var body []byte
			if c.large {
				body = make([]byte, 64<<20)
			}
			var fields []http1.Field
			if c.answer != "" {
				fields = append(fields, http1.Field{Name: "Answer", Value: c.answer})
			}
			start := time.Now()
			err := call.Do(t.Context(), route, fields, body)
			assert.Equal(t, cause, err)
			assert.Less(t, time.Since(start), 5*time.Second)
			call.Close()
			for deadline := time.Now().Add(10 * time.Second); clientGoroutines() > before && time.Now().Before(deadline); {
				time.Sleep(10 * time.Millisecond) // the timer's may not have ended yet
			}
			assert.LessOrEqual(t, clientGoroutines(), before)
			call.Transport.Dial = nil
			require.Equal(t, cause, abortedBeforehand(t, call, route, cause))
		})
	}
}

// clientGoroutines counts the goroutines that run code of the package or were started by it. The server's are the test's, and may start and end late.
func clientGoroutines() (n int) {
	stacks := make([]byte, 1<<20)
	for stack := range strings.SplitSeq(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
		if strings.Contains(stack, "/internal/http1.") {
			n++
		}
	}
	return n
}

func abortedBeforehand(t *testing.T, call *http1.Call, route *http1.Route, cause error) error {
	t.Helper()
	call.Abort(cause)
	defer call.Close()
	return call.Do(t.Context(), route, nil, nil)
}

// The context of a request ends it in the body too, over TCP and TLS.
func TestContextEndsARequest(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "a")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done() // the client has gone
	})
	for _, secure := range []bool{false, true} {
		server := httptest.NewUnstartedServer(handler)
		transport := &http1.Transport{Epoch: time.Now()}
		if secure {
			server.StartTLS()
			transport.TLS = server.Client().Transport.(*http.Transport).TLSClientConfig
		} else {
			server.Start()
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
		require.NoError(t, err)
		response, err := transport.RoundTrip(r)
		require.NoError(t, err)
		p := make([]byte, 10)
		n, err := response.Body.Read(p)
		require.NoError(t, err)
		assert.Equal(t, "a", string(p[:n]))
		cause := errors.New("enough")
		time.AfterFunc(10*time.Millisecond, func() { cancel(cause) })
		_, err = response.Body.Read(p)
		require.Equal(t, cause, err)
		require.NoError(t, response.Body.Close())
		server.Close()
	}
}

// Over TLS: the same bodies, connections kept though tickets lie unread on them, a warmed one among them, and stamps in order.
func TestTLS(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for i := range 3 {
			_, _ = fmt.Fprintf(w, "%d%s", i, strings.Repeat("x", 40<<10)) // more than a record
			_ = http.NewResponseController(w).Flush()
		}
	}))
	defer server.Close()
	u, err := url.Parse(server.URL)
	require.NoError(t, err)
	for _, warm := range []bool{false, true} {
		call := &http1.Call{Transport: &http1.Transport{
			Epoch: time.Now(), TLS: server.Client().Transport.(*http.Transport).TLSClientConfig,
		}}
		defer call.Transport.CloseIdleConnections()
		route, err := call.Transport.Route(http.MethodPost, u, "", nil)
		require.NoError(t, err)
		if warm {
			require.NoError(t, call.Transport.Warm(t.Context(), []*http1.Route{route}, 1, 1))
			time.Sleep(10 * time.Millisecond)
		}
		for round := range 3 {
			require.NoError(t, call.Do(t.Context(), route, nil, []byte("{}")))
			trace := call.Trace()
			assert.Equal(t, warm || round > 0, trace.Reused)
			assert.Equal(t, !warm && round == 0, trace.TLS > 0)
			assert.Zero(t, trace.Stale)
			stamps, size := []int64{trace.Got, trace.Sent, trace.Head}, 0
			for {
				p, err := call.Next()
				if err != nil {
					require.Equal(t, io.EOF, err)
					break
				}
				size += len(p)
				stamps = append(stamps, call.Stamp())
			}
			assert.Equal(t, 3*(40<<10+1), size)
			assert.IsNonDecreasing(t, stamps)
			call.Close()
		}
	}
}

func TestTLSToAStranger(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	require.NoError(t, err)
	_, err = (&http1.Transport{}).RoundTrip(r)
	var unknown *tls.CertificateVerificationError
	require.ErrorAs(t, err, &unknown)
}

// Warm connections are there before the first request, by turns on the routes, and never too many are being made at once.
func TestWarm(t *testing.T) {
	var mu sync.Mutex
	dialled, atOnce, most := map[string]int{}, 0, 0
	transport := &http1.Transport{Epoch: time.Now()}
	transport.Dial = func(_ context.Context, _, address string) (net.Conn, error) {
		mu.Lock()
		dialled[address]++
		failing := address == "b:80" && dialled[address] > 2
		atOnce++
		most = max(most, atOnce)
		mu.Unlock()
		time.Sleep(5 * time.Millisecond)
		mu.Lock()
		atOnce--
		mu.Unlock()
		if failing {
			return nil, errors.New("refused")
		}
		return newWire([]byte(emptyAnswer)), nil
	}
	var routes []*http1.Route
	for _, host := range []string{"a", "b"} {
		route, err := transport.Route(http.MethodPost, &url.URL{Scheme: "http", Host: host}, "", nil)
		require.NoError(t, err)
		routes = append(routes, route)
	}
	err := transport.Warm(t.Context(), routes, 9, 4)
	require.EqualError(t, err, "2 of 9 connections could not be made; the first: refused")
	assert.Equal(t, map[string]int{"a:80": 5, "b:80": 4}, dialled)
	assert.Equal(t, 4, most)
	calls := make([]http1.Call, 8)
	for i := range calls {
		calls[i].Transport = transport
		err := calls[i].Do(t.Context(), routes[i%2], nil, nil)
		if i == 5 || i == 7 {
			require.Error(t, err)
			continue
		}
		require.NoError(t, err)
		assert.True(t, calls[i].Trace().Reused)
	}
}
