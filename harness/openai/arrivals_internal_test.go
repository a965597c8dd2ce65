package openai

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/http/httputil"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/openai/internal/http1"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/workload"
)

// The framing of a library, cut anywhere: after each piece as many bytes of body are counted as it held.
func TestArrivalsFollowChunkedFraming(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		wire := bytes.NewBufferString(head)
		body := make([]bool, len(head)) // by byte of the wire: is it of the body?
		framed := httputil.NewChunkedWriter(wire)
		for range 20 {
			size := 1 + r.IntN(300)
			_, err := framed.Write(bytes.Repeat([]byte("\n"), size)) // what is likeliest to be taken for framing
			require.NoError(t, err)
			body = append(body, make([]bool, wire.Len()-len(body)-size-2)...)
			for range size {
				body = append(body, true)
			}
			body = append(body, false, false)
		}
		var a arrivals
		want := int64(0)
		for at := 0; at < wire.Len(); {
			n := min(1+r.IntN(200), wire.Len()-at)
			a.take(wire.Bytes()[at : at+n])
			for _, is := range body[at : at+n] {
				if is {
					want++
				}
			}
			at += n
			require.Equal(t, want, a.body.Load(), "seed %d, after %d bytes", seed, at)
		}
		require.NoError(t, framed.Close())
		a.take([]byte("0\r\n\r\n"))
		assert.Equal(t, int64(untold), a.body.Load(), "after the last chunk all can be asked for")
		assert.Equal(t, record.SocketRead, a.source())
	}
}

func TestArrivalsGiveUp(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\n\r\n"
	for _, wire := range []string{"zz\r\n", "5;a=b\r\nhello\r\n", "10000000000000005\r\nhello\r\n", "\r\n", "HTTP/1.1 200 OK\r\n", "-1\r\n"} {
		var a arrivals
		a.take([]byte(head + wire))
		assert.Equal(t, int64(untold), a.body.Load(), "%q", wire)
		assert.Equal(t, record.BodyRead, a.source(), "%q", wire)
	}
}

// script is a connection whose reads give what is listed, then io.EOF.
type script struct {
	net.Conn
	reads []string
}

func (s *script) Read(p []byte) (int, error) {
	if len(s.reads) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.reads[0])
	s.reads = s.reads[1:]
	return n, nil
}

// net/http reads on when a response has ended: neither the end of the connection nor the next response changes what was noted.
func TestReadsAreNotedForTheRequestThatHasTheConnection(t *testing.T) {
	conn := &stampedConn{Conn: &script{reads: []string{"before", "first", "second"}}, epoch: time.Now().Add(-time.Hour)}
	var first, second arrivals
	read := func() {
		n, err := conn.Read(make([]byte, 100))
		require.True(t, n > 0 || errors.Is(err, io.EOF))
	}
	read()
	conn.notes.Store(&first)
	read()
	noted := first.stamp.Load()
	assert.Greater(t, noted, time.Hour.Nanoseconds()-1)
	conn.notes.Store(&second)
	read()
	secondNoted := second.stamp.Load()
	read()
	assert.Equal(t, noted, first.stamp.Load())
	assert.GreaterOrEqual(t, secondNoted, noted)
	assert.Equal(t, secondNoted, second.stamp.Load(), "the end of the connection is no arrival")
}

func TestStampedFindsTheConnectionBelowTLS(t *testing.T) {
	conn := &stampedConn{}
	overProxy := tls.Client(tls.Client(conn, &tls.Config{MinVersion: tls.VersionTLS12}), &tls.Config{MinVersion: tls.VersionTLS12})
	assert.Same(t, conn, stamped(conn))
	assert.Same(t, conn, stamped(overProxy))
}

func TestTraceOfAConnection(t *testing.T) {
	conn := &stampedConn{Conn: &script{}}
	var plain, secure connTrace
	plain.gotConn(7, httptrace.GotConnInfo{Conn: conn, Reused: true})
	assert.Zero(t, plain.arrivals.body.Load())
	assert.Same(t, &plain.arrivals, conn.notes.Load())
	assert.True(t, plain.reused)
	assert.Equal(t, int64(7), plain.got)
	assert.Equal(t, record.SocketRead, plain.arrivals.source())
	secure.gotConn(8, httptrace.GotConnInfo{Conn: tls.Client(conn, &tls.Config{MinVersion: tls.VersionTLS12})})
	assert.Equal(t, int64(untold), secure.arrivals.body.Load(), "what the socket gives is encrypted")
	assert.Same(t, &secure.arrivals, conn.notes.Load())
	assert.Equal(t, record.BodyRead, secure.arrivals.source())

	plain.wrote(5, nil)
	assert.Equal(t, int64(5), plain.sent)
	plain.wrote(9, io.ErrClosedPipe)
	assert.Equal(t, record.Never, plain.sent, "only a request that was written whole was sent")
}

// Over real TLS on the loopback interface: every stamp is there, in order.
func TestTLS(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for _, event := range []string{`{"choices":[{"delta":{"content":"a"}}]}`, `{"choices":[{"delta":{"content":"b"}}]}`, "[DONE]"} {
			_, err := io.WriteString(w, "data: "+event+"\n\n")
			assert.NoError(t, err)
			assert.NoError(t, http.NewResponseController(w).Flush())
		}
	}))
	defer server.Close()
	target, err := url.Parse(server.URL + ChatPath)
	require.NoError(t, err)
	for _, transport := range []string{OwnTransport, NetHTTP} {
		t.Run(transport, func(t *testing.T) { overTLS(t, transport, server, target) })
	}
}

func overTLS(t *testing.T, transport string, server *httptest.Server, target *url.URL) {
	c := New(Config{
		Endpoints: []*url.URL{target}, Concurrency: 1, Epoch: time.Now(), Transport: transport,
		TLS: server.Client().Transport.(*http.Transport).TLSClientConfig,
	})
	defer c.Close()
	assert.Equal(t, transport, c.Transport())
	source := map[string]record.StampSource{OwnTransport: record.SocketRead, NetHTTP: record.BodyRead}[transport]
	for serial := range 2 {
		s := c.Do(t.Context(), &workload.Request{Serial: serial, OSL: 2, ISL: 1, Body: []byte("{}")}, 0)
		require.Equal(t, record.OK, s.Outcome, "%+v", s.Error)
		require.Len(t, s.ChunksNS, 2)
		order := []int64{s.StartNS, s.Conn.GotNS, s.SentNS, s.HeadersNS, s.FirstByteNS, s.ChunksNS[0], s.ChunksNS[1], s.EndNS}
		assert.IsNonDecreasing(t, order)
		assert.Equal(t, source, s.StampSource)
		assert.Equal(t, transport == OwnTransport, s.Conn.BytesSent > 0)
		assert.Equal(t, s.FirstVisibleNS, s.ChunksNS[0])
		assert.Equal(t, target.Host, s.Conn.Remote)
		assert.Equal(t, serial > 0, s.Conn.Reused)
		if serial == 0 {
			assert.Positive(t, s.Conn.ConnectNS)
			assert.Positive(t, s.Conn.TLSNS)
		} else {
			assert.Zero(t, s.Conn.ConnectNS+s.Conn.TLSNS+s.Conn.DNSNS)
		}
	}
}

// Of several addresses the time from the first attempt to the first success counts.
func TestConnectingToSeveralAddresses(t *testing.T) {
	refused := errors.New("refused")
	attempts := connTrace{connectStart: record.Never}
	attempts.connectBegan(0)
	attempts.connectBegan(300)
	attempts.connectEnded(310, refused)
	assert.Equal(t, int64(310), attempts.connectTook)
	attempts.connectEnded(320, nil)
	attempts.connectEnded(330, refused)
	assert.Equal(t, int64(320), attempts.connectTook)
}

func TestConnectionReasons(t *testing.T) {
	for want, err := range map[record.Reason]error{
		"tls":                   &tls.CertificateVerificationError{Err: errors.New("x509: unknown authority")},
		"closed before headers": errors.New("http2: server sent GOAWAY and closed the connection; LastStreamID=1, ErrCode=NO_ERROR"),
		"reset":                 errors.New("stream error: stream ID 1; REFUSED_STREAM; received from peer"),
		"connect timeout":       &http1.DialTimeoutError{After: time.Second},
		"connection":            errors.New("something else"),
	} {
		assert.Equal(t, want, connectionReason(err))
		assert.True(t, want.Of(record.ConnectionFailed))
	}
	assert.Equal(t, record.ClosedEarly, connectionReason(errors.New("http: server closed idle connection")))
}
