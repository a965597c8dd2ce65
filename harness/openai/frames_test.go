package openai_test

import (
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/openai"
	"github.com/llmsweep/llmsweep/mockserver/memnet"
)

// The frames of HTTP/2 (RFC 9113, 6) that the tests write and read, and flags of theirs.
const (
	frameData     = 0x0
	frameHeaders  = 0x1
	frameReset    = 0x3
	frameSettings = 0x4
	framePing     = 0x6
	frameGoAway   = 0x7
	frameWindow   = 0x8

	flagAck, flagEnd = 0x1, 0x1 // of settings and ping; of data and headers
	flagWhole        = 0x4      // of headers: no more follow

	codeNone, codeRefused = 0x0, 0x7
)

// framed is the server's end of an HTTP/2 connection, frame by frame.
type framed struct {
	t *testing.T
	net.Conn
	number int // of the connection, from 0
}

// preface takes what a client begins with.
func (f *framed) preface() {
	_, err := io.ReadFull(f, make([]byte, len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")))
	assert.NoError(f.t, err)
}

// begin takes the client's preface and gives the server's settings.
func (f *framed) begin(settings ...byte) {
	f.preface()
	f.write(frameSettings, 0, 0, settings...)
	f.write(frameSettings, flagAck, 0)
}

func (f *framed) write(kind, flags byte, stream uint32, payload ...byte) {
	frame := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
	frame = binary.BigEndian.AppendUint32(append(frame, flags), stream)
	_, _ = f.Write(append(frame, payload...)) // the client may be gone
}

// read returns the next frame, or false at the end.
func (f *framed) read() (kind, flags byte, stream uint32, ok bool) {
	head := make([]byte, 9)
	if _, err := io.ReadFull(f, head); err != nil {
		return 0, 0, 0, false
	}
	payload := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
	if _, err := io.ReadFull(f, payload); err != nil {
		return 0, 0, 0, false
	}
	if head[3] == framePing && head[4] == 0 {
		f.write(framePing, flagAck, 0, payload...)
	}
	return head[3], head[4], binary.BigEndian.Uint32(head[5:]), true
}

// request returns the number of the next stream whose request has come to its end; 0 at the end of the connection.
func (f *framed) request() uint32 {
	for {
		kind, flags, stream, ok := f.read()
		if !ok {
			return 0
		}
		if (kind == frameHeaders || kind == frameData) && flags&flagEnd != 0 {
			return stream
		}
	}
}

// head begins an event stream.
func (f *framed) head(stream uint32) {
	f.fields(stream, http.StatusOK, http.Header{"Content-Type": {"text/event-stream"}})
}

// fields begins a response. Each field is a literal that no table keeps (RFC 7541, 6.2.2); the name of :status is number 8 of the static table.
func (f *framed) fields(stream uint32, status int, header http.Header) {
	literal := func(text string) string { return string(rune(len(text))) + text }
	block := "\x08" + literal(strconv.Itoa(status))
	for name := range header {
		block += "\x00" + literal(strings.ToLower(name)) + literal(header.Get(name))
	}
	f.write(frameHeaders, flagWhole, stream, []byte(block)...)
}

// data sends bytes of a body in as many frames as they need, the last one with the given flags.
func (f *framed) data(stream uint32, flags byte, body string) {
	const most = 16 << 10 // of a frame, where the client has not allowed more
	for ; len(body) > most; body = body[most:] {
		f.write(frameData, 0, stream, []byte(body[:most])...)
	}
	f.write(frameData, flags, stream, []byte(body)...)
}

func (f *framed) answer(stream uint32) {
	f.head(stream)
	f.write(frameData, flagEnd, stream, []byte(text("a")+done)...)
}

func (f *framed) reset(stream uint32, code byte) { f.write(frameReset, 0, stream, 0, 0, 0, code) }

// goAway says that streams up to last are answered still.
func (f *framed) goAway(last byte) { f.write(frameGoAway, 0, 0, 0, 0, 0, last, 0, 0, 0, codeNone) }

// http2Stage is a client and servers of connections, one after another, in one bubble. A dial takes as long as on a stage.
type http2Stage struct {
	t       *testing.T
	client  *openai.Client
	dialled int // connections
}

func overHTTP2(t *testing.T, configure func(*openai.Config), serve func(f *framed), test func(s *http2Stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		listener := memnet.Listen("mock:80")
		var served sync.WaitGroup
		s := &http2Stage{t: t}
		served.Go(func() {
			for {
				c, err := listener.Accept()
				if err != nil {
					return
				}
				f := &framed{t: t, Conn: c, number: s.dialled}
				s.dialled++
				served.Go(func() {
					defer c.Close()
					serve(f)
				})
			}
		})
		config := openai.Config{
			Endpoints: []*url.URL{endpoint(t, "http://mock:80"+openai.ChatPath)}, Concurrency: 4, Epoch: time.Now(), Transport: openai.HTTP2,
			Header: http.Header{}, RequestTimeout: 10 * time.Minute, // a test that fails ends, too
		}
		config.Dial = listener.DialContext
		if configure != nil {
			configure(&config)
		}
		s.client = openai.New(config)
		time.Sleep(begin)
		test(s)
		s.client.Close()
		require.NoError(t, listener.Close())
		served.Wait()
	})
}
