package http1_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/openai/internal/http1"
)

// wire is a connection whose reads give what is listed once a request was written, and then what ends it.
type wire struct {
	mu      sync.Mutex
	written bytes.Buffer
	reads   [][]byte
	end     error // nil: io.EOF
	asked   chan struct{}
	closed  chan struct{}
	once    sync.Once
}

func newWire(reads ...[]byte) *wire {
	return &wire{reads: reads, asked: make(chan struct{}), closed: make(chan struct{})}
}

// pieces cuts text into reads of at most size bytes.
func pieces(text string, size int) [][]byte {
	var reads [][]byte
	for len(text) > 0 {
		n := min(size, len(text))
		reads, text = append(reads, []byte(text[:n])), text[n:]
	}
	return reads
}

// Read waits for the request, as a server does, and then never.
func (w *wire) Read(p []byte) (int, error) {
	select {
	case <-w.asked:
	case <-w.closed:
		return 0, net.ErrClosed
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.reads) == 0 {
		if w.end != nil {
			return 0, w.end
		}
		return 0, io.EOF
	}
	n := copy(p, w.reads[0])
	if w.reads[0] = w.reads[0][n:]; len(w.reads[0]) == 0 {
		w.reads = w.reads[1:]
	}
	return n, nil
}

// Write takes the request, which is over at its empty line: those of the tests have no body.
func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.written.Write(p)
	if bytes.Contains(w.written.Bytes(), []byte("\r\n\r\n")) {
		select {
		case <-w.asked:
		default:
			close(w.asked)
		}
	}
	return len(p), nil
}

func (w *wire) Close() error                     { w.once.Do(func() { close(w.closed) }); return nil }
func (w *wire) LocalAddr() net.Addr              { return name("client") }
func (w *wire) RemoteAddr() net.Addr             { return name("server") }
func (w *wire) SetDeadline(time.Time) error      { return nil }
func (w *wire) SetReadDeadline(time.Time) error  { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

func (w *wire) isClosed() bool {
	select {
	case <-w.closed:
		return true
	default:
		return false
	}
}

type name string

func (name) Network() string  { return "test" }
func (n name) String() string { return string(n) }

// dialTo gives the connections in turn.
func dialTo(wires ...*wire) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		if len(wires) == 0 {
			return nil, errors.New("no more connections")
		}
		w := wires[0]
		wires = wires[1:]
		return w, nil
	}
}

// answer is what a transport made of some bytes.
type answer struct {
	status int
	proto  string
	header http.Header
	length int64
	close  bool
	body   string
	err    error
}

// ask sends a request over a transport and reads what comes.
func ask(t testing.TB, over http.RoundTripper, method string) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://server/path", nil)
	require.NoError(t, err)
	response, err := over.RoundTrip(request)
	if err != nil {
		return answer{err: err}
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	return answer{response.StatusCode, response.Proto, plain(response.Header), response.ContentLength, response.Close, string(body), err}
}

// plain leaves out of a header what net/http does to it and we need not: it tells caches what an old field means, counts trailers
// among the fields, and keeps blanks that a folded line ends with.
func plain(header http.Header) http.Header {
	kept := http.Header{}
	_, pragma := header["Pragma"]
	for name, values := range header {
		if name == "Trailer" || name == "Cache-Control" && pragma {
			continue
		}
		for _, value := range values {
			kept.Add(name, strings.Trim(value, " \t"))
		}
	}
	return kept
}

// ours and theirs ask a server that answers with the reads.
func ours(t testing.TB, method string, reads [][]byte) answer {
	transport := &http1.Transport{Dial: dialTo(newWire(reads...)), Epoch: time.Now()}
	defer transport.CloseIdleConnections()
	return ask(t, transport, method)
}

func theirs(t testing.TB, method string, reads [][]byte) answer {
	log.SetOutput(io.Discard) // net/http tells the log of bytes that nobody asked for
	defer log.SetOutput(os.Stderr)
	transport := &http.Transport{DialContext: dialTo(newWire(reads...)), DisableCompression: true, ReadBufferSize: 16 << 10}
	defer transport.CloseIdleConnections()
	return ask(t, transport, method)
}
