package openai_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
)

const gzipHeaders = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"

// zipped is a whole gzip body.
func zipped(t testing.TB, body string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := io.WriteString(w, body)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String()
}

func TestGzipBodies(t *testing.T) {
	body := zipped(t, text("a")+text("b")+done)
	for _, c := range []struct {
		name, body, outcome, message string
		chunks                       int
	}{
		{"one member", body, "ok", "", 2},
		{"two members", zipped(t, text("a")) + zipped(t, text("b")+done), "ok", "", 2},
		{"an event over two members", zipped(t, text("a")[:30]) + zipped(t, "") + zipped(t, text("a")[30:]+done), "ok", "", 1},
		{"garbage behind the end marker", body + "garbage behind it", "ok", "", 2},
		{"a wrong checksum behind the end marker", body[:len(body)-8] + strings.Repeat("\x00", 8), "ok", "", 2},
		{"garbage before the end marker", zipped(t, text("a")) + "garbage behind it", "malformed", "content encoding gzip: gzip: invalid header", 1},
		{"no gzip at all", text("a") + done, "malformed", "content encoding gzip: gzip: invalid header", 0},
		{"nothing", "", "cut", "the stream ended without finish_reason and [DONE]", 0},
		{"torn header", body[:5], "cut", "unexpected EOF", 0},
		{"torn stream", body[:40], "cut", "unexpected EOF", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, nil, func(s *stage) {
				got := s.do(s.t.Context(), 0, []step{{at: 10 * ms, raw: gzipHeaders}, {at: 20 * ms, body: c.body, end: finish}})
				assert.Equal(t, record.Outcome(c.outcome), got.Outcome, "%+v", got.Error)
				if c.message != "" {
					assert.Equal(t, c.message, got.Error.Message)
				}
				assert.Len(t, got.ChunksNS, c.chunks)
				assert.Equal(t, int64(len(c.body)), got.BytesReceived, "what came, not what it unpacks to")
			})
		})
	}
}

// What a server says instead of a stream is read through its encoding as well.
func TestRefusalInGzip(t *testing.T) {
	inBubble(t, nil, func(s *stage) {
		body := zipped(t, "slow down")
		got := s.do(s.t.Context(), 0, []step{{at: 10 * ms, raw: strings.Replace(gzipHeaders, "200 OK", "429 Too Many Requests", 1)}, {at: 20 * ms, body: body, end: finish}})
		assert.Equal(t, record.Rejected, got.Outcome)
		assert.Equal(t, "slow down", got.Error.Message)
	})
}

// A bomb is an error, soon and in little memory: of events without end, of an event without end, of line ends, and of chunks.
func TestGzipBomb(t *testing.T) {
	for name, event := range map[string]string{
		"comments": ": " + strings.Repeat("x", 1000) + "\n\n", "line ends": "\n", "chunks": text("a"), "one endless event": "x",
	} {
		t.Run(name, func(t *testing.T) {
			var packed bytes.Buffer
			w := gzip.NewWriter(&packed)
			block := []byte(strings.Repeat(event, 1+(1<<20)/len(event)))
			for range 200 {
				_, err := w.Write(block)
				require.NoError(t, err)
			}
			require.NoError(t, w.Close())
			inBubble(t, nil, func(s *stage) {
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				got := s.do(s.t.Context(), 0, []step{{at: 10 * ms, raw: gzipHeaders}, {at: 20 * ms, body: packed.String(), end: finish}})
				runtime.ReadMemStats(&after)
				assert.Equal(t, record.Malformed, got.Outcome)
				require.NotNil(t, got.Error)
				assert.Contains(t, got.Error.Message, "bytes unpacked to 64 MiB and more")
				assert.Less(t, got.BytesReceived, int64(packed.Len()), "it was not read to its end")
				assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(400<<20))
			})
		})
	}
}

// A good stream of 70 MB, as repetitive as can be, is no bomb.
func TestDenseStreamIsNoBomb(t *testing.T) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	const n = 300_000
	for range n {
		_, err := io.WriteString(w, chunk)
		require.NoError(t, err)
		require.NoError(t, w.Flush())
	}
	_, err := io.WriteString(w, done)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	inBubble(t, nil, func(s *stage) {
		got := s.do(s.t.Context(), 0, []step{{at: 10 * ms, raw: gzipHeaders}, {at: 20 * ms, body: packed.String(), end: finish}})
		assert.Equal(t, record.OK, got.Outcome, "%+v", got.Error)
		assert.Len(t, got.ChunksNS, n)
	})
}
