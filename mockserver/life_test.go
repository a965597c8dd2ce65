package mockserver_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/mockserver"
	"github.com/llmsweep/llmsweep/mockserver/memnet"
)

// One place, taken by an answer of 1000 tokens. The client leaves at 20 ms,
// during the first decoding pass; the one that waits starts when that pass ends.
func TestDisconnectFreesThePlace(t *testing.T) {
	t.Parallel()
	for _, stream := range []bool{true, false} {
		inBubble(t, func(o *mockserver.Options) { o.MaxNumSeqs = 1 }, func(r *rig) {
			var clients sync.WaitGroup
			clients.Go(func() {
				ctx, cancel := context.WithTimeout(r.t.Context(), 20*time.Millisecond)
				defer cancel()
				_, body, err := r.post(ctx, "/v1/chat/completions", chatBody(100, 1000, stream))
				if err == nil {
					_, err = r.events(body)
				}
				assert.ErrorIs(t, err, context.DeadlineExceeded)
			})
			var instants []time.Duration
			clients.Go(func() {
				r.at(time.Millisecond)
				instants = tokens(t, r.stream(100, 1))
			})
			clients.Wait()
			assert.Equal(t, []time.Duration{18_023_974 + 5_745_202 + 18_023_974 + 1}, instants)
		})
	}
}

// A client that sends a long request and reads nothing fills its connection. The
// answers of others keep their instants, and its own is complete when it reads.
func TestSlowReaderStopsNobodyElse(t *testing.T) {
	t.Parallel()
	alone := func() (instants []time.Duration) {
		inBubble(t, nil, func(r *rig) {
			r.stream(10, 1)
			r.at(time.Minute)
			instants = tokens(t, r.stream(100, 50))
		})
		return instants
	}()
	inBubble(t, nil, func(r *rig) {
		const length = 7000
		slow := r.open("/v1/chat/completions", chatBody(10, length, true))
		r.at(time.Minute) // 41 s of passes, 1.7 MB of events
		assert.Equal(t, alone, tokens(t, r.stream(100, 50)))
		all, err := r.events(slow)
		require.NoError(t, err)
		assert.Len(t, tokens(t, all), length)
		assert.Equal(t, "[DONE]", all[len(all)-1].data)
	})
}

func TestCloseBreaksStreamsOff(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(r *rig) {
		stream := r.open("/v1/chat/completions", chatBody(100, 1e6, true))
		time.AfterFunc(50*time.Millisecond, func() { assert.NoError(t, r.server.Close()) })
		all, err := r.events(stream)
		require.Error(t, err, "a stream that was cut must not look complete")
		assert.Equal(t, 50*time.Millisecond, r.now())
		assert.Len(t, tokens(t, all), 6)

		_, err = r.listener.DialContext(r.t.Context(), "", "")
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		assert.NoError(t, r.server.Close(), "twice")
	})
}

func TestClosedServerServesNoMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, err := mockserver.New(mockserver.DefaultOptions())
		require.NoError(t, err)
		require.NoError(t, server.Close())
		l := memnet.Listen("mock:80")
		require.NoError(t, server.Serve(l))
		_, err = l.Accept()
		require.Error(t, err)
		w := ask(server, "GET", "/health", "")
		assert.Equal(t, http.StatusServiceUnavailable, w.Code)
		assert.Contains(t, w.Body.String(), `"code":"shutting_down"`)
	})
}

// Close returns when the last goroutine has: here one is held in a write.
func TestCloseWaitsForConnections(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, err := mockserver.New(mockserver.DefaultOptions())
		require.NoError(t, err)
		l := stubbornListener{memnet.Listen("mock:80"), make(chan struct{})}
		var all sync.WaitGroup
		all.Go(func() { assert.NoError(t, server.Serve(l)) })
		c, err := l.DialContext(t.Context(), "", "")
		require.NoError(t, err)
		_, err = c.Write([]byte("GET /health HTTP/1.1\r\nHost: mock\r\n\r\n"))
		require.NoError(t, err)
		synctest.Wait()

		closed := false
		all.Go(func() { assert.NoError(t, server.Close()); closed = true })
		synctest.Wait()
		assert.False(t, closed)
		close(l.release)
		all.Wait()
		assert.True(t, closed)
	})
}

// A connection that is accepted while the server closes is closed as well.
func TestCloseCatchesLateConnections(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, err := mockserver.New(mockserver.DefaultOptions())
		require.NoError(t, err)
		inner := memnet.Listen("mock:80")
		l := &lateListener{Listener: inner, closed: make(chan struct{})}
		served := make(chan error)
		go func() { served <- server.Serve(l) }()
		var all sync.WaitGroup
		all.Go(func() {
			time.Sleep(time.Second)
			c, err := inner.DialContext(t.Context(), "", "")
			check(t, err)
			_, err = c.Read(make([]byte, 1))
			assert.ErrorIs(t, err, io.EOF)
		})
		synctest.Wait()
		require.NoError(t, server.Close())
		require.NoError(t, <-served)
		all.Wait()
	})
}

// lateListener accepts its only connection after it has been closed.
type lateListener struct {
	*memnet.Listener
	closed chan struct{}
}

func (l *lateListener) Accept() (net.Conn, error) {
	<-l.closed
	defer l.Listener.Close()
	return l.Listener.Accept()
}

func (l *lateListener) Close() error {
	close(l.closed)
	return nil
}

// stubbornListener accepts connections whose writes wait for release, even when
// they are closed meanwhile.
type stubbornListener struct {
	*memnet.Listener
	release chan struct{}
}

func (l stubbornListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return stubbornConn{c, l.release}, err
}

type stubbornConn struct {
	net.Conn
	release chan struct{}
}

func (c stubbornConn) Write(p []byte) (int, error) {
	<-c.release
	return c.Conn.Write(p)
}

// As the handler of somebody else's server: open requests end with Close.
func TestCloseEndsRequestsOfOtherServers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, err := mockserver.New(mockserver.DefaultOptions())
		require.NoError(t, err)
		var handlers sync.WaitGroup
		whole := httptest.NewRecorder()
		request := func(stream bool) *http.Request {
			return httptest.NewRequest("POST", "/v1/chat/completions", strings.NewReader(chatBody(100, 1000, stream)))
		}
		handlers.Go(func() { server.ServeHTTP(whole, request(false)) })
		handlers.Go(func() {
			assert.PanicsWithValue(t, http.ErrAbortHandler, func() {
				server.ServeHTTP(httptest.NewRecorder(), request(true))
			})
		})
		time.Sleep(40 * time.Millisecond)
		require.NoError(t, server.Close())
		handlers.Wait()
		assert.Equal(t, http.StatusServiceUnavailable, whole.Code)
	})
}

// Where passes take no time an answer that would go on for a minute must neither
// keep others out nor outlive its client.
func TestEndlessAnswerWithoutWaiting(t *testing.T) {
	t.Parallel()
	h := instant(t, func(o *mockserver.Options) { o.NumGPUBlocks = 1 << 30 })
	ctx, leave := context.WithCancel(t.Context())
	begun, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		endless := httptest.NewRequest("POST", "/v1/chat/completions", strings.NewReader(chatBody(1, 1e9, true)))
		assert.PanicsWithValue(t, http.ErrAbortHandler, func() {
			h.ServeHTTP(&discard{begun: begun}, endless.WithContext(ctx))
		})
	}()
	<-begun
	patience, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	w := httptest.NewRecorder()
	short := httptest.NewRequest("POST", "/v1/chat/completions", strings.NewReader(chatBody(1, 5, false)))
	h.ServeHTTP(w, short.WithContext(patience))
	assert.NotEmpty(t, w.Body.String())
	leave()
	<-ended
}

// discard is a ResponseWriter for more than memory holds.
type discard struct {
	begun  chan struct{}
	writes int
}

func (d *discard) Header() http.Header { return make(http.Header) }
func (d *discard) WriteHeader(int)     {}
func (d *discard) Flush()              {}

func (d *discard) Write(p []byte) (int, error) {
	if d.writes++; d.writes == 1 {
		close(d.begun)
	}
	return len(p), nil
}

// With real goroutines, sockets and no waiting: whatever the interleaving, every
// answer is complete.
func TestManyClientsAtOnce(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(instant(t, func(o *mockserver.Options) { o.MaxNumSeqs = 7 }))
	defer server.Close()
	var clients sync.WaitGroup
	for k := range 30 {
		clients.Go(func() {
			for i := range 10 {
				length := 1 + 13*k + i
				r := rig{t: t, client: server.Client(), url: server.URL}
				assert.Len(t, tokens(t, r.stream(5, length)), length)
			}
		})
	}
	clients.Wait()
}

// What is due together leaves in one write, however long it is: here what a pass says of 40 choices.
func TestOneWriteForWhatIsDueTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var record strings.Builder
		o := mockserver.DefaultOptions()
		o.Virtual, o.Record = true, &record
		server, err := mockserver.New(o)
		require.NoError(t, err)
		l := &countingListener{Listener: memnet.Listen("mock:80")}
		served := make(chan error)
		go func() { served <- server.Serve(l) }()
		transport := &http.Transport{DialContext: l.DialContext}
		body := strings.Replace(chatBody(5, 3, true), `"stream"`, `"n":40,"stream"`, 1)
		response, err := (&http.Client{Transport: transport}).Post("http://mock/v1/chat/completions", "", strings.NewReader(body))
		require.NoError(t, err)
		stream := readAll(t, response.Body)
		assert.Equal(t, 40*(1+3+1)+1, strings.Count(stream, "data: "))
		transport.CloseIdleConnections()
		require.NoError(t, server.Close())
		require.NoError(t, <-served)
		var line recorded
		require.NoError(t, json.Unmarshal([]byte(record.String()), &line))
		assert.LessOrEqual(t, len(line.Writes), 4)
		assert.Greater(t, len(stream)/len(line.Writes), 2*4096)
		assert.Equal(t, 1+len(line.Writes)+1, int(l.writes.Load()), "the header, the events and the end of the body")
	})
}

// countingListener counts the writes to its connections.
type countingListener struct {
	*memnet.Listener
	writes atomic.Int64
}

func (l *countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return countingConn{c, &l.writes}, err
}

type countingConn struct {
	net.Conn
	writes *atomic.Int64
}

func (c countingConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}
