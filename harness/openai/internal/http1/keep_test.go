package http1_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/openai/internal/http1"
)

// TestWhatKeepsAConnection: after which responses the next request finds the connection again.
func TestWhatKeepsAConnection(t *testing.T) {
	const length = "Content-Length: 1\r\n"
	for _, c := range []struct {
		name, wire string
		kept       bool
	}{
		{"HTTP/1.1", ok + length + "\r\na", true},
		{"chunked", isChunked + "1\r\na\r\n0\r\n\r\n", true},
		{"chunked, with trailers", isChunked + "1\r\na\r\n0\r\nA: b\r\n\r\n", true},
		{"no body", "HTTP/1.1 204 No Content\r\n\r\n", true},
		{"after an interim response", "HTTP/1.1 103 x\r\nConnection: close\r\n\r\n" + ok + length + "\r\na", true},
		{"close", ok + "Connection: close\r\n" + length + "\r\na", false},
		{"close, in a list and capitals", ok + "Connection: a, CLOSE\r\n" + length + "\r\na", false},
		{"HTTP/1.0", "HTTP/1.0 200 OK\r\n" + length + "\r\na", false},
		{"HTTP/1.0 that keeps", "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n" + length + "\r\na", true},
		{"HTTP/1.0, with an encoding", "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nTransfer-Encoding: x\r\n" + length + "\r\na", false},
		{"length and chunks", ok + length + "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", false},
		{"bytes that nobody asked for", ok + length + "\r\nabc", false},
		{"bytes behind chunks", isChunked + "1\r\na\r\n0\r\n\r\nHTTP", false},
		{"until the end", ok + "\r\na", false},
		{"cut", ok + "Content-Length: 2\r\n\r\na", false},
		{"malformed", isChunked + "x", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			first := newWire([]byte(c.wire))
			second := newWire([]byte(ok + length + "\r\nb"))
			transport := transportTo(first, second)
			response := get(t, transport)
			_, _ = io.Copy(io.Discard, response.Body)
			require.NoError(t, response.Body.Close())
			assert.Equal(t, c.kept, !first.isClosed())

			// Only in memory the next answer can be put there.
			first.mu.Lock()
			first.reads = [][]byte{[]byte(ok + length + "\r\nb")}
			first.mu.Unlock()
			response = get(t, transport)
			body, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			assert.Equal(t, "b", string(body))
			assert.Equal(t, c.kept, second.written.Len() == 0)
			transport.CloseIdleConnections()
			assert.True(t, first.isClosed())
		})
	}
}

func TestUnreadBodyCostsTheConnection(t *testing.T) {
	w := newWire([]byte(ok + "Content-Length: 2\r\n\r\nab"))
	response := get(t, transportTo(w))
	n, err := response.Body.Read(make([]byte, 1))
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.NoError(t, response.Body.Close())
	assert.True(t, w.isClosed())
	_, err = response.Body.Read(make([]byte, 1))
	assert.Equal(t, http.ErrBodyReadAfterClose, err)
}

func TestConnectionIsNotKeptWhereTheRequestSaysSo(t *testing.T) {
	first, second := newWire([]byte(emptyAnswer)), newWire([]byte(emptyAnswer))
	transport := transportTo(first, second)
	transport.NoReuse = true
	route := routeTo(t, transport, http.MethodPost)
	require.NoError(t, transport.Warm(t.Context(), []*http1.Route{route}, 2, 2), "nothing is warmed")
	for _, w := range []*wire{first, second} {
		call := http1.Call{Transport: transport}
		require.NoError(t, call.Do(t.Context(), route, nil, nil))
		_, err := call.Next()
		require.Equal(t, io.EOF, err)
		assert.True(t, w.isClosed())
		assert.Contains(t, w.written.String(), "\r\nConnection: close\r\n")
		assert.False(t, call.Trace().Reused)
	}
}

func routeTo(t *testing.T, transport *http1.Transport, method string) *http1.Route {
	t.Helper()
	u, err := url.Parse("http://server/")
	require.NoError(t, err)
	route, err := transport.Route(method, u, "", nil)
	require.NoError(t, err)
	return route
}

// failing is a wire whose writes fail after some bytes.
type failing struct {
	*wire
	after int
	err   error
}

func (f *failing) Write(p []byte) (int, error) {
	if len(p) <= f.after {
		return f.wire.Write(p)
	}
	n, _ := f.wire.Write(p[:f.after])
	return n, f.err
}

// TestRepetition: which requests are written a second time. Ours are POSTs: never once a byte of one has left.
func TestRepetition(t *testing.T) {
	gone := &net.OpError{Op: "write", Err: syscall.EPIPE}
	reset := &net.OpError{Op: "read", Err: syscall.ECONNRESET}
	for _, c := range []struct {
		name   string
		method string
		warm   bool // the first connection is a kept one
		first  func(w *wire) net.Conn
		again  bool
		trace  http1.Trace
	}{
		{"closed before the request", "POST", true, func(w *wire) net.Conn { return &failing{w, 0, gone} }, true, http1.Trace{Stale: 1}},
		{"closed before the request, new", "POST", false, func(w *wire) net.Conn { return &failing{w, 0, gone} }, false, http1.Trace{}},
		{"closed within the request", "POST", true, func(w *wire) net.Conn { w.end = reset; close(w.asked); return &failing{w, 40, gone} }, false, http1.Trace{Reused: true}},
		{"closed behind a POST", "POST", true, func(w *wire) net.Conn { return w }, false, http1.Trace{Reused: true}},
		{"closed behind a GET", "GET", true, func(w *wire) net.Conn { return w }, true, http1.Trace{Retried: true}},
		{"reset behind a GET", "GET", true, func(w *wire) net.Conn { w.end = reset; return w }, true, http1.Trace{Retried: true}},
		{"closed behind a GET, new", "GET", false, func(w *wire) net.Conn { return w }, false, http1.Trace{}},
		{"closed behind a GET, after a byte", "GET", true, func(w *wire) net.Conn { w.reads = [][]byte{{'H'}}; return w }, false, http1.Trace{Reused: true}},
		{"reset behind a GET, after a byte", "GET", true, func(w *wire) net.Conn { w.reads, w.end = [][]byte{{'H'}}, reset; return w }, false, http1.Trace{Reused: true}},
		{"malformed behind a GET", "GET", true, func(w *wire) net.Conn { w.reads = [][]byte{[]byte("x\r\n")}; return w }, false, http1.Trace{Reused: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			second := newWire([]byte(ok + "Content-Length: 1\r\n\r\nb"))
			connections := []net.Conn{c.first(newWire()), second}
			transport := &http1.Transport{Dial: dialEach(&connections)}
			route := routeTo(t, transport, c.method)
			if c.warm {
				require.NoError(t, transport.Warm(t.Context(), []*http1.Route{route}, 1, 1))
			}
			call := http1.Call{Transport: transport}
			err := call.Do(t.Context(), route, nil, bytes.Repeat([]byte("x"), 100))
			trace := call.Trace()
			call.Close()
			if c.again {
				require.NoError(t, err)
			} else {
				require.Error(t, err)
				assert.Zero(t, second.written.Len())
			}
			got := http1.Trace{Reused: trace.Reused, Stale: trace.Stale, Retried: trace.Retried}
			assert.Equal(t, c.trace, got)
		})
	}
}

// A server that refuses a long request answers before it has read all of it, and closes.
func TestAnswerToARequestThatWasNotTaken(t *testing.T) {
	w := newWire([]byte("HTTP/1.1 413 Too Large\r\nContent-Length: 1\r\n\r\na"))
	close(w.asked)
	connections := []net.Conn{&failing{w, 40, syscall.EPIPE}}
	transport := &http1.Transport{Dial: dialEach(&connections)}
	call := http1.Call{Transport: transport}
	require.NoError(t, call.Do(t.Context(), routeTo(t, transport, "POST"), nil, bytes.Repeat([]byte("x"), 100)))
	assert.Equal(t, 413, call.Status())
	assert.Equal(t, http1.Never, call.Trace().Sent)
	assert.Equal(t, int64(40), call.Trace().BytesSent)
	p, err := call.Next()
	require.NoError(t, err)
	assert.Equal(t, "a", string(p))
	_, err = call.Next()
	require.Equal(t, io.EOF, err)
	assert.True(t, w.isClosed(), "the rest of the request is missing on it")
}

// The connections that were used last are used first.
func TestKeptConnectionsAreAStack(t *testing.T) {
	var connections []net.Conn
	var wires []*wire
	for range 3 {
		w := newWire([]byte(emptyAnswer), []byte(emptyAnswer))
		wires, connections = append(wires, w), append(connections, w)
	}
	transport := &http1.Transport{Dial: dialEach(&connections)}
	route := routeTo(t, transport, "POST")
	require.NoError(t, transport.Warm(t.Context(), []*http1.Route{route}, 3, 1))
	for range 2 {
		call := http1.Call{Transport: transport}
		require.NoError(t, call.Do(t.Context(), route, nil, nil))
		_, err := call.Next()
		require.Equal(t, io.EOF, err)
	}
	assert.Equal(t, []bool{true, false, false}, []bool{wires[0].written.Len() > 0, wires[1].written.Len() > 0, wires[2].written.Len() > 0})
}

// After one kept connection that gave nothing the request takes a new one, not the next that may be as old.
func TestRepetitionIsOnANewConnection(t *testing.T) {
	gone := &net.OpError{Op: "write", Err: syscall.EPIPE}
	used, kept, fresh := newWire(), newWire(), newWire([]byte(emptyAnswer))
	connections := []net.Conn{&failing{used, 0, gone}, &failing{kept, 0, gone}, fresh}
	transport := &http1.Transport{Dial: dialEach(&connections)}
	route := routeTo(t, transport, "POST")
	require.NoError(t, transport.Warm(t.Context(), []*http1.Route{route}, 2, 1))
	call := http1.Call{Transport: transport}
	require.NoError(t, call.Do(t.Context(), route, nil, nil))
	assert.Equal(t, []bool{true, false}, []bool{used.isClosed(), kept.isClosed()})
	assert.Equal(t, 1, call.Trace().Stale)
	call.Close()
}

// A call that is aborted as its response ends is complete, but its connection has a deadline in the past.
func TestAbortedConnectionIsNotKept(t *testing.T) {
	w := newWire([]byte(ok + "Content-Length: 1\r\n\r\na"))
	transport := transportTo(w)
	call := http1.Call{Transport: transport}
	require.NoError(t, call.Do(t.Context(), routeTo(t, transport, "POST"), nil, nil))
	_, err := call.Next()
	require.NoError(t, err)
	call.Abort(errors.New("too late"))
	_, err = call.Next()
	require.Equal(t, io.EOF, err)
	assert.True(t, w.isClosed())
}
