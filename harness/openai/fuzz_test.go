package openai_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/openai"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/workload"
)

// canned is a connection on which a fixed answer comes, and then its end.
type canned struct {
	net.Conn
	answer *bytes.Reader
}

func (c canned) Read(p []byte) (int, error)       { return c.answer.Read(p) }
func (c canned) Write(p []byte) (int, error)      { return len(p), nil }
func (c canned) Close() error                     { return nil }
func (c canned) SetDeadline(time.Time) error      { return nil }
func (c canned) SetReadDeadline(time.Time) error  { return nil }
func (c canned) SetWriteDeadline(time.Time) error { return nil }
func (c canned) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c canned) RemoteAddr() net.Addr             { return &net.TCPAddr{} }

// FuzzAnswer: any bytes of a server become a sample that can be written to the log and is read back as it was.
func FuzzAnswer(f *testing.F) {
	const head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
	usage := `data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":1}}}` + "\n\n"
	for _, answer := range []string{
		head + "Transfer-Encoding: chunked\r\n\r\n" + chunked(text("a")) + chunked(text("b")+usage) + chunked(done) + "0\r\n\r\n",
		head + "\r\n" + text("a") + `data: {"choices":[{"index":0,"delta":{},"finish_reason":"length"}]}` + "\n\n",
		head + "Content-Length: 30\r\n\r\ndata: {\"error\":{\"message\":\"x\"}}\n\n",
		head + "\r\nevent: error\n: said\ndata:\n\n",
		head + "\r\n" + `data: {"choices":[{"index":0,"delta":{"tool_calls":[{"function":{"name":"f","arguments":"{}"}}],"reasoning":"r"}}],"usage":{"completion_tokens":-1}}` + "\n\n" + done,
		head + "\r\n" + text("a") + `data: {"choices":[{"index":0,"delta":{},"finish_reason":"` + strings.Repeat("long", 50) + `"}]}` + "\n\n",
		"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 2\r\n\r\n\xff\x00",
		"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>", head + "Content-Encoding: gzip\r\n\r\n" + zipped(f, text("a")+done), head + "Content-Encoding: br\r\n\r\n", "", "nonsense",
		"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + smallDocument, "HTTP/1.1 200 OK\r\n\r\n" + `{"choices":[{"text":"a"}],"usage":{"completion_tokens":2}}`,
		head + "\r\n" + `data: {"choices":[{"text":"a"}]}` + "\n\n" + done,
	} {
		f.Add([]byte(answer))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		for i, transport := range []string{openai.OwnTransport, openai.NetHTTP, openai.OwnTransport, openai.OwnTransport, openai.NetHTTP} {
			c := openai.New(openai.Config{
				Completions: i%2 == 1, Whole: i > 1,
				Endpoints: []*url.URL{{Scheme: "http", Host: "h", Path: openai.ChatPath}}, Concurrency: 1, Epoch: time.Now(), Count: characters,
				Transport: transport, NoReuse: true, RequestTimeout: time.Minute,
				Dial: func(context.Context, string, string) (net.Conn, error) {
					return canned{answer: bytes.NewReader(answer)}, nil
				},
			})
			s := c.Do(t.Context(), &workload.Request{Phase: record.Profiling, OSL: 2, Body: []byte("{}")}, 0)
			c.Close()
			assert.Equal(t, s.Outcome == record.OK, s.Error == nil)
			assert.NotContains(t, []record.Outcome{record.TimedOut, record.Cancelled}, s.Outcome, "the answer has an end")
			// What the reader of a log refuses.
			assert.True(t, s.EndNS >= s.StartNS && slices.IsSorted(s.ChunksNS))
			assert.True(t, s.ChunkTokens == nil || s.Usage != nil && len(s.ChunkTokens) <= len(s.ChunksNS))
			data, err := json.Marshal(s)
			require.NoError(t, err)
			read := record.Sample{Error: s.Error}
			require.NoError(t, json.Unmarshal(data, &read))
			again, err := json.Marshal(&read)
			require.NoError(t, err)
			assert.Equal(t, string(data), string(again))
			if s.Error != nil {
				assert.LessOrEqual(t, len(s.Error.Message), 5<<10+len("…"))
			}
			assert.LessOrEqual(t, len(s.FinishReason), 100+len("…"))
		}
	})
}

// carried is a transport that brings one answer to everything.
type carried struct {
	status int
	body   string
}

func (c carried) RoundTrip(request *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: c.status, Header: http.Header{"Location": {c.body}}, Body: io.NopCloser(strings.NewReader(c.body)), Request: request,
	}, nil
}

// FuzzProbe: whatever /v1/models and /version say, what we make of it is short and printable where it is shown.
func FuzzProbe(f *testing.F) {
	f.Add(200, `{"object":"list","data":[{"id":"m","max_model_len":4096},{"id":1},null]}`)
	f.Add(200, `{"data":{}} trailing`)
	f.Add(200, `{"version":"0.11.0"}`)
	f.Add(200, "\x1b[2J"+strings.Repeat("é", 600))
	f.Add(302, "https://user:pw@other/path?key=1")
	f.Add(307, "https://user:pw@other/\x7fpath?key=1")
	f.Add(503, strings.Repeat("\x00", 5000))
	f.Fuzz(func(t *testing.T, status int, body string) {
		p := openai.Prober{Chat: &url.URL{Scheme: "http", Host: "h", Path: openai.ChatPath}, Transport: carried{status, body}}
		shown := func(text string, limit int) {
			assert.LessOrEqual(t, len(text), limit)
			assert.False(t, strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }), "%q", text)
		}
		models, _, err := p.Models(t.Context())
		assert.True(t, models == nil || err == nil)
		version, errVersion := p.Version(t.Context())
		shown(version, 10_000) // a byte of the thousand may be written as ten
		for _, err := range []error{err, errVersion, p.Health(t.Context()), p.Try(t.Context(), "m", "max_tokens")} {
			if err != nil {
				shown(err.Error(), 50_000)
			}
			var refused *openai.StatusError
			if errors.As(err, &refused) && refused.Location != "" {
				to, err := url.Parse(refused.Location)
				assert.True(t, err != nil || to.User == nil && to.RawQuery == "", refused.Location)
			}
		}
	})
}
