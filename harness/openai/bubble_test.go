package openai_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
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

const (
	ms    = time.Millisecond
	begin = 1000 // ns: when the first request starts
	dial  = 7    // ns: what a new connection takes
)

// step is something that the scripted server does at an instant.
type step struct {
	at   time.Duration // since the epoch
	raw  string        // written as it is
	body string        // written as one HTTP chunk
	end  ending
}

// ending is what a step does to the connection after writing.
type ending int

const (
	open ending = iota
	finish
	shut
	reset
)

// headers begins a streamed answer.
const headers = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"

// stream is an answer that begins at 10 ms and has the given steps.
func stream(steps ...step) []step {
	return append([]step{{at: 10 * ms, raw: headers}}, steps...)
}

// chunked frames bytes as one HTTP chunk.
func chunked(body string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(body), body) }

// stage is a client and a scripted server in one bubble.
type stage struct {
	t         *testing.T
	transport string
	epoch     time.Time
	client    *openai.Client
	listener  *memnet.Listener
	answers   chan []step // one for each request, in the order of arrival
	models    string      // the answer to those that only warm a connection
	served    sync.WaitGroup
	links     sync.Map // of *link by local address

	mu       sync.Mutex
	requests []*http.Request
	bodies   []string
	dialled  []string
}

// inBubble runs a test in virtual time, over each transport. It ends only if every goroutine does, so each use is a test for leaks as
// well.
func inBubble(t *testing.T, configure func(*openai.Config), test func(s *stage)) {
	t.Helper()
	for _, transport := range []string{openai.OwnTransport, openai.NetHTTP} {
		t.Run(transport, func(t *testing.T) { inBubbleOver(t, transport, configure, test) })
	}
}

func inBubbleOver(t *testing.T, transport string, configure func(*openai.Config), test func(s *stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &stage{t: t, transport: transport, epoch: time.Now(), listener: memnet.Listen("mock:80"), answers: make(chan []step, 1000)}
		s.models = "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}"
		config := openai.Config{
			Endpoints: []*url.URL{endpoint(t, "http://server:80/v1/chat/completions")}, Header: http.Header{}, UserAgent: "agent/1",
			Concurrency: 4, Epoch: s.epoch, Dial: s.dial, Count: characters, Transport: transport,
		}
		if configure != nil {
			configure(&config)
		}
		s.client = openai.New(config)
		s.served.Go(s.accept)
		time.Sleep(begin)
		test(s)
		s.client.Close()
		assert.NoError(t, s.listener.Close())
		s.served.Wait()
	})
}

func endpoint(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	require.NoError(t, err)
	return u
}

// link is the client's end of a connection that can be reset.
type link struct {
	net.Conn
	reset atomic.Bool
}

// Read ends as that of a TCP connection whose peer sent RST, if it was reset.
func (l *link) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	if errors.Is(err, io.EOF) && l.reset.Load() {
		err = &net.OpError{Op: "read", Net: "tcp", Source: l.LocalAddr(), Addr: l.RemoteAddr(), Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	}
	return n, err
}

func (s *stage) dial(ctx context.Context, network, address string) (net.Conn, error) {
	time.Sleep(dial)
	c, err := s.listener.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.dialled = append(s.dialled, address)
	s.mu.Unlock()
	l := &link{Conn: c}
	s.links.Store(c.LocalAddr().String(), l)
	return l, nil
}

func (s *stage) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.served.Go(func() {
			defer c.Close()
			for r := bufio.NewReader(c); s.answer(c, r); {
			}
		})
	}
}

// answer takes one request of a connection and plays the next answer. It reports whether the connection may carry another.
func (s *stage) answer(c net.Conn, r *bufio.Reader) bool {
	request, err := http.ReadRequest(r)
	if err != nil {
		return false
	}
	body, err := io.ReadAll(request.Body)
	assert.NoError(s.t, err)
	if request.Method == http.MethodGet {
		assert.Equal(s.t, "/v1/models", request.URL.Path)
		_, _ = io.WriteString(c, s.models)
		return true
	}
	s.mu.Lock()
	s.requests, s.bodies = append(s.requests, request), append(s.bodies, string(body))
	s.mu.Unlock()
	script := <-s.answers
	if script == nil {
		script = s.paced(request.Header.Get("X-Request-Id"))
	}
	for _, step := range script {
		s.until(step.at)
		text := step.raw
		if step.body != "" {
			text += chunked(step.body)
		}
		if step.end == finish {
			text += chunked("")
		}
		_, _ = io.WriteString(c, text) // the client may be gone
		switch step.end {
		case reset:
			l, _ := s.links.Load(c.RemoteAddr().String())
			l.(*link).reset.Store(true)
			return false
		case shut:
			return false
		}
	}
	return true
}

// paced is the answer to request-<n> when nothing was scripted: two chunks and the end, each n + 1 ms after the last.
func (s *stage) paced(id string) []step {
	n, err := strconv.Atoi(strings.TrimPrefix(id, "request-"))
	assert.NoError(s.t, err)
	now, wait := time.Since(s.epoch), time.Duration(n+1)*ms
	return []step{{at: now, raw: headers}, {at: now + wait, body: text("a")}, {at: now + 2*wait, body: text("b")}, {at: now + 3*wait, body: done, end: finish}}
}

// until sleeps up to an instant since the epoch.
func (s *stage) until(at time.Duration) { time.Sleep(at - time.Since(s.epoch)) }

// request is the n-th one.
func request(n int) *workload.Request {
	return &workload.Request{
		Index: n + 10, Serial: n, Phase: record.Profiling, ISL: 5, OSL: 3, ID: fmt.Sprintf("request-%d", n),
		Traceparent: fmt.Sprintf("00-0af7651916cd43dd8448eb211c80319c-%016x-01", n), Body: fmt.Appendf(nil, `{"n":%d}`, n),
	}
}

// do sends the n-th request, scheduled 100 ns ago, and plays the script to it. What stamps_test.go looks at is taken out.
func (s *stage) do(ctx context.Context, n int, script []step) record.Sample {
	s.t.Helper()
	got := s.whole(ctx, n, script)
	s.connection(&got)
	return withoutStamps(got)
}

// whole is do with every field.
func (s *stage) whole(ctx context.Context, n int, script []step) record.Sample {
	s.answers <- script
	return *s.client.Do(ctx, request(n), s.client.Now()-100)
}

// connection checks and clears what TestConnectionReadings has exact: readings of the connection that are the same in all tests, and
// those that the transports have from different places.
func (s *stage) connection(got *record.Sample) {
	s.t.Helper()
	conn := &got.Conn
	assert.Equal(s.t, got.HeadersNS != record.Never, got.StampSource != "")
	assert.Equal(s.t, conn.Remote == "", conn.GotNS == record.Never)
	if conn.GotNS != record.Never && got.SentNS != record.Never {
		assert.Equal(s.t, got.SentNS, conn.GotNS, "writing takes no virtual time")
	}
	got.StampSource, conn.GotNS, conn.BytesSent, conn.Stale, conn.ConnectNS = "", 0, 0, 0, 0
}

func withoutStamps(s record.Sample) record.Sample {
	s.EmptyNS, s.LastByteNS, s.BytesSent, s.Conn.GotNS = nil, 0, 0, 0
	return s
}

// sample is what request 0 gives on a new connection, with an answer that begins at 10 ms, before anything of the body came.
func sample() record.Sample {
	return record.Sample{
		Index: 10, RequestID: "request-0", ScheduledNS: begin - 100, StartNS: begin, SentNS: begin + dial, HeadersNS: stamp(10 * ms),
		FirstByteNS: record.Never, FirstVisibleNS: record.Never, ChunksNS: []int64{}, Outcome: record.OK, Status: 200, RequestedOSL: 3,
		Counted: record.Counted{ISL: 5, Source: record.FromTokenizer}, Conn: record.Conn{Remote: "mock:80"}, Phase: record.Profiling,
		Endpoint: "server:80", Traceparent: "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
	}
}

func stamp(d time.Duration) int64 { return d.Nanoseconds() }

// stamps are of instants in ms.
func stamps(instants ...int64) []int64 {
	list := []int64{}
	for _, at := range instants {
		list = append(list, at*stamp(ms))
	}
	return list
}

// scene is one request, the server's script and the sample that is due.
type scene struct {
	name      string
	configure func(*openai.Config)
	cancel    time.Duration // when the caller's context ends with errInterrupt; 0: never
	script    []step
	want      func(s *record.Sample) // changes to sample()
	own       string                 // the message over our transport, where it has other words
}

// play runs a scene. The bytes received of a stream are those of the script's bodies, unless want says otherwise.
func (c scene) play(t *testing.T) {
	t.Helper()
	inBubble(t, c.configure, func(s *stage) {
		ctx, stop := cancelledAt(s, c.cancel)
		defer stop()
		want := sample()
		for _, step := range c.script {
			want.BytesReceived += int64(len(step.body))
		}
		c.want(&want)
		if c.own != "" && s.transport == openai.OwnTransport {
			want.Error.Message = c.own
		}
		assert.Equal(t, want, s.do(ctx, 0, c.script))
	})
}

// cancelledAt is a context that ends at an instant since the epoch; 0: never.
func cancelledAt(s *stage, at time.Duration) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(s.t.Context())
	if at == 0 {
		return ctx, func() { cancel(nil) }
	}
	timer := time.AfterFunc(at-time.Since(s.epoch), func() { cancel(errInterrupt) })
	return ctx, func() { timer.Stop(); cancel(nil) }
}

// errInterrupt is why the caller's context ends.
var errInterrupt = fmt.Errorf("%w", &openai.Cancellation{Reason: record.BySignal, Text: "interrupted"})

// cancelled is a context that ended for a cause.
func cancelled(t *testing.T, cause error) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	return ctx, func() { cancel(nil) }
}
