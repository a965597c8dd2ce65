package openai_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/openai"
	"github.com/llmsweep/llmsweep/harness/record"
)

// failed sets the outcome and its error.
func failed(s *record.Sample, outcome record.Outcome, reason record.Reason, code int, message string) {
	s.Outcome, s.Reason = outcome, reason
	s.Error = &record.Error{Code: code, Type: string(outcome) + ": " + string(reason), Message: message}
}

// cut says that the stream broke at 90 ms after the given chunks, the first event at 20 ms.
func cut(s *record.Sample, message string, chunks ...int64) {
	s.FirstByteNS, s.EndNS, s.ChunksNS, s.Counted.OSL = stamp(20*ms), stamp(90*ms), stamps(chunks...), len(chunks)
	if len(chunks) == 0 {
		failed(s, record.Cut, "before the first token", 502, message)
		return
	}
	s.FirstVisibleNS = s.ChunksNS[0]
	failed(s, record.Cut, "after the first token", 502, message)
}

func TestBrokenStreams(t *testing.T) {
	const unmarked = "the stream ended without finish_reason and [DONE]"
	for _, c := range []scene{
		{
			name:   "clean end before the first token",
			script: stream(step{at: 20 * ms, body: role}, step{at: 90 * ms, end: finish}),
			want:   func(s *record.Sample) { cut(s, unmarked) },
		},
		{
			name:   "clean end after the first token",
			script: stream(step{at: 20 * ms, body: text("a")}, step{at: 30 * ms, body: text("b")}, step{at: 90 * ms, end: finish}),
			want:   func(s *record.Sample) { cut(s, unmarked, 20, 30) },
		},
		{
			name:   "connection closed before the first token",
			script: stream(step{at: 20 * ms, body: role}, step{at: 90 * ms, end: shut}),
			want:   func(s *record.Sample) { cut(s, "unexpected EOF") },
		},
		{
			name:   "connection closed after the finish reason: framing is broken",
			script: stream(step{at: 20 * ms, body: text("a")}, step{at: 30 * ms, body: stop}, step{at: 90 * ms, end: shut}),
			want:   func(s *record.Sample) { cut(s, "unexpected EOF", 20); s.FinishReason = "stop" },
		},
		{
			name:   "connection reset mid stream, within an event",
			script: stream(step{at: 20 * ms, body: text("a")}, step{at: 30 * ms, body: text("b")[:20]}, step{at: 90 * ms, end: reset}),
			want:   func(s *record.Sample) { cut(s, "read: connection reset by peer", 20) },
		},
		{
			name:   "connection reset after the end marker",
			script: stream(step{at: 20 * ms, body: text("a") + done}, step{at: 90 * ms, end: reset}),
			want:   func(s *record.Sample) { answered(s, 1, 20) },
		},
		{
			name: "chunked framing broken", own: `malformed HTTP chunk size "zz"`,
			script: stream(step{at: 20 * ms, body: text("a")}, step{at: 90 * ms, raw: "zz\r\n" + text("b")}),
			want:   func(s *record.Sample) { cut(s, "invalid byte in chunk length", 20) },
		},
		{
			name: "chunked framing broken behind a chunk", own: `malformed HTTP chunk: "??" where its line end should be`,
			script: stream(step{at: 20 * ms, body: text("a")}, step{at: 90 * ms, raw: strings.Replace(chunked(text("b")), "\n\n\r\n", "\n\n??\r\n", 1)}),
			want: func(s *record.Sample) {
				cut(s, "malformed chunked encoding", 20, 90)
				s.BytesReceived += int64(len(text("b")))
			},
		},
		{
			name:   "malformed JSON",
			script: stream(step{at: 20 * ms, body: text("a")}, step{at: 90 * ms, body: "data: {]\n\n" + done, end: finish}),
			want: func(s *record.Sample) {
				answered(s, 1, 20)
				failed(s, record.Malformed, "json", 502, `event 2 "{]": cannot parse JSON: cannot parse object: cannot find opening '"" for object key; unparsed tail: "]"`)
			},
		},
		{
			name:   "malformed JSON, quoted in part",
			script: stream(step{at: 20 * ms, body: role}, step{at: 90 * ms, body: "data: \xff" + strings.Repeat("x", 300) + "\n\n" + done, end: finish}),
			want: func(s *record.Sample) {
				s.FirstByteNS, s.EndNS = stamp(20*ms), stamp(90*ms)
				failed(s, record.Malformed, "json", 502, `event 2 "`+"\uFFFD"+strings.Repeat("x", 197)+`…": cannot parse JSON: cannot parse number: unexpected char: "\xff"; unparsed tail: "`+
					`\xff`+strings.Repeat("x", 39)+"..."+strings.Repeat("x", 40)+`"`)
			},
		},
		{
			name:   "empty answer",
			script: stream(step{at: 20 * ms, body: role + stop}, ended()),
			want: func(s *record.Sample) {
				s.FirstByteNS, s.EndNS, s.FinishReason = stamp(20*ms), stamp(90*ms), "stop"
				failed(s, record.Malformed, "no content", 502, "the stream ended without a content chunk")
			},
		},
		{
			name:   "error object in the stream",
			script: stream(step{at: 20 * ms, body: text("a")}, step{at: 90 * ms, body: `data: {"error": {"message":"out of memory","code":500}}` + "\n\n" + done, end: finish}),
			want: func(s *record.Sample) {
				answered(s, 1, 20)
				failed(s, record.StreamError, "error object", 502, `{"message":"out of memory","code":500}`)
			},
		},
		{
			name:   "error object in a chunk's place",
			script: stream(step{at: 20 * ms, body: role}, step{at: 90 * ms, body: `data: {"object":"error","message":"too long","code":400}` + "\n\n" + done, end: finish}),
			want: func(s *record.Sample) {
				s.FirstByteNS, s.EndNS = stamp(20*ms), stamp(90*ms)
				failed(s, record.StreamError, "error object", 502, `{"object":"error","message":"too long","code":400}`)
			},
		},
		{
			name:   "error event",
			script: stream(step{at: 20 * ms, body: text("a")}, step{at: 90 * ms, body: "event: error\ndata: worker died\n\n", end: finish}),
			want: func(s *record.Sample) {
				answered(s, 1, 20)
				failed(s, record.StreamError, "error event", 502, "worker died")
			},
		},
		{
			name:   "error event whose message is a comment",
			script: stream(step{at: 20 * ms, body: text("a")}, step{at: 90 * ms, body: "event: error\n: \"no worker\"\n\n", end: finish}),
			want: func(s *record.Sample) {
				answered(s, 1, 20)
				failed(s, record.StreamError, "error event", 502, `"no worker"`)
			},
		},
	} {
		t.Run(c.name, c.play)
	}
}

// A server that never ends an event cannot exhaust the client's memory.
func TestEndlessEvent(t *testing.T) {
	script := stream(step{at: 20 * ms, body: "data: "})
	piece := strings.Repeat("x", 1<<20)
	for range 70 {
		script = append(script, step{at: 30 * ms, body: piece})
	}
	inBubble(t, nil, func(s *stage) {
		want, got := sample(), s.do(s.t.Context(), 0, script)
		want.FirstByteNS, want.EndNS, want.BytesReceived = stamp(20*ms), stamp(30*ms), got.BytesReceived
		failed(&want, record.Malformed, "too large", 502, "event longer than 64 MiB")
		assert.Equal(t, want, got)
		assert.InDelta(t, 64<<20, got.BytesReceived, 1<<20)
	})
}

// response is an answer with a body of known length at 20 ms.
func response(status, header, body string) []step {
	return []step{{at: 20 * ms, raw: fmt.Sprintf("HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n", status, header, len(body))}, {at: 90 * ms, raw: body}}
}

func TestAnswersThatAreNoStream(t *testing.T) {
	const whole = `{"object":"chat.completion","choices":[{"message":{"content":"hi"}}]}`
	rejected := func(status int, body string) func(*record.Sample) {
		return func(s *record.Sample) {
			s.Status, s.HeadersNS, s.FirstByteNS, s.EndNS = status, stamp(20*ms), stamp(90*ms), stamp(90*ms)
			s.BytesReceived, s.Counted.Source = int64(len(body)), ""
			s.Outcome, s.Reason = record.Rejected, record.HTTPStatus(status)
			s.Error = &record.Error{Code: status, Type: string(s.Reason), Message: body}
		}
	}
	malformed := func(reason record.Reason, message string, bytes int) func(*record.Sample) {
		return func(s *record.Sample) {
			s.HeadersNS, s.BytesReceived, s.Counted.Source = stamp(20*ms), int64(bytes), ""
			s.FirstByteNS, s.EndNS = stamp(90*ms), stamp(90*ms)
			failed(s, record.Malformed, reason, 502, message)
		}
	}
	long := strings.Repeat("x", 4096)
	for _, c := range []scene{
		{name: "500", script: response("500 Internal Server Error", "", "boom"), want: rejected(500, "boom")},
		{name: "429 with a retry hint", script: response("429 Too Many Requests", "Retry-After: 1\r\n", `{"error":"slow down"}`), want: rejected(429, `{"error":"slow down"}`)},
		{name: "503 as JSON", script: response("503 Service Unavailable", "Content-Type: application/json\r\n", `{"error":"busy"}`), want: rejected(503, `{"error":"busy"}`)},
		{name: "a redirection is not followed", script: response("307 Temporary Redirect", "Location: http://other/\r\n", "there"), want: rejected(307, "there")},
		{name: "of a long body the start is kept", script: response("400 Bad Request", "", long+"y"), want: func(s *record.Sample) {
			rejected(400, long)(s)
			s.BytesReceived++ // it came, too
		}},
		{
			name: "500 without a body", script: response("500 Internal Server Error", "", "")[:1],
			want: func(s *record.Sample) {
				rejected(500, "")(s)
				s.FirstByteNS, s.EndNS = record.Never, stamp(20*ms)
			},
		},
		{
			name: "a server that ignores stream", script: response("200 OK", "Content-Type: application/json; charset=utf-8\r\n", whole),
			want: malformed("not a stream", `content type "application/json; charset=utf-8" where an event stream was asked for: `+whole, len(whole)),
		},
		{
			name: "a web page", script: response("200 OK", "Content-Type: Text/HTML\r\n", "<p>log in"),
			want: malformed("not a stream", `content type "Text/HTML" where an event stream was asked for: <p>log in`, len("<p>log in")),
		},
		{
			name: "compressed", script: response("200 OK", "Content-Encoding: br\r\n", "\x1f\x8b")[:1],
			want: func(s *record.Sample) {
				malformed("encoded", `content encoding "br", which was not asked for; only gzip is read`, 0)(s)
				s.FirstByteNS, s.EndNS = record.Never, stamp(20*ms)
			},
		},
		{
			name: "a stream without a content type", script: response("200 OK", "Content-Encoding: identity\r\n", text("a")+done),
			want: func(s *record.Sample) {
				answered(s, 1, 90)
				s.HeadersNS, s.FirstByteNS, s.BytesReceived = stamp(20*ms), stamp(90*ms), int64(len(text("a")+done))
			},
		},
		{
			name: "no content", script: []step{{at: 20 * ms, raw: "HTTP/1.1 204 No Content\r\n\r\n"}},
			want: func(s *record.Sample) {
				s.Status, s.HeadersNS = 204, stamp(20*ms)
				cut(s, "the stream ended without finish_reason and [DONE]")
				s.FirstByteNS, s.EndNS = record.Never, stamp(20*ms)
			},
		},
	} {
		t.Run(c.name, c.play)
	}
}

// unanswered is a request to which no answer came by the instant.
func unanswered(s *record.Sample, end int64) {
	s.Status, s.HeadersNS, s.EndNS, s.Counted.Source = 0, record.Never, end, ""
}

// unconnected is a request that got no connection.
func unconnected(s *record.Sample, end int64) {
	unanswered(s, end)
	s.SentNS, s.Conn = record.Never, record.Conn{}
}

func TestConnectionFailures(t *testing.T) {
	dialling := func(err error) func(*openai.Config) {
		return func(c *openai.Config) {
			c.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, err }
		}
	}
	for _, c := range []scene{
		{
			name:      "refused",
			configure: dialling(&net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}),
			want: func(s *record.Sample) {
				unconnected(s, begin)
				failed(s, record.ConnectionFailed, "refused", 502, "connect: connection refused")
			},
		},
		{
			name:      "unknown name",
			configure: dialling(&net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "server", IsNotFound: true}}),
			want: func(s *record.Sample) {
				unconnected(s, begin)
				failed(s, record.ConnectionFailed, "dns", 502, "dial: lookup server: no such host")
			},
		},
		{
			name:      "no route",
			configure: dialling(&net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)}),
			want: func(s *record.Sample) {
				unconnected(s, begin)
				failed(s, record.ConnectionFailed, "connection", 502, "connect: no route to host")
			},
		},
		{
			name:      "connecting takes too long",
			configure: dialling(&net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded}),
			want: func(s *record.Sample) {
				unconnected(s, begin)
				failed(s, record.ConnectionFailed, "connect timeout", 502, "dial: i/o timeout")
			},
		},
		{
			name: "connecting takes too long, by -connect-timeout",
			configure: func(c *openai.Config) {
				limits(time.Hour, time.Minute, 0)(c)
				c.ConnectTimeout = 50 * ms
				c.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }
			},
			want: func(s *record.Sample) {
				unconnected(s, begin+stamp(50*ms))
				failed(s, record.ConnectionFailed, "connect timeout", 502, "no connection within 50ms (-connect-timeout)")
			},
		},
		{
			name:      "a connection that took long, within -connect-timeout, may be silent for longer",
			configure: func(c *openai.Config) { c.ConnectTimeout = dial + 1 },
			script:    stream(step{at: 20 * ms, body: text("a")}, ended()),
			want:      func(s *record.Sample) { answered(s, 1, 20) },
		},
		{
			name:   "closed before headers",
			script: []step{{at: 20 * ms, end: shut}},
			want: func(s *record.Sample) {
				unanswered(s, stamp(20*ms))
				failed(s, record.ConnectionFailed, "closed before headers", 502, "EOF")
			},
		},
		{
			name: "closed within headers", own: "unexpected EOF",
			script: []step{{at: 20 * ms, raw: headers[:30], end: shut}},
			want: func(s *record.Sample) {
				unanswered(s, stamp(20*ms))
				failed(s, record.ConnectionFailed, "closed before headers", 502, "net/http: HTTP/1.x transport connection broken: unexpected EOF")
			},
		},
		{
			name:   "reset before headers",
			script: []step{{at: 20 * ms, end: reset}},
			want: func(s *record.Sample) {
				unanswered(s, stamp(20*ms))
				failed(s, record.ConnectionFailed, "reset", 502, "read: connection reset by peer")
			},
		},
		{
			name: "not HTTP", own: `malformed HTTP response "SSH-2.0-x"`,
			script: []step{{at: 20 * ms, raw: "SSH-2.0-x\r\n\r\n"}},
			want: func(s *record.Sample) {
				unanswered(s, stamp(20*ms))
				failed(s, record.ConnectionFailed, "not http", 502, `net/http: HTTP/1.x transport connection broken: malformed HTTP response "SSH-2.0-x"`)
			},
		},
	} {
		t.Run(c.name, c.play)
	}
}

// A listener that is closed refuses, and the next request tries again: there is no state of failure in the client.
func TestRefusedThenServed(t *testing.T) {
	var refuse bool
	inBubble(t, func(c *openai.Config) {
		dial := c.Dial
		c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			if refuse {
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
			}
			return dial(ctx, network, address)
		}
	}, func(s *stage) {
		refuse = true
		assert.Equal(t, record.ConnectionFailed, s.client.Do(s.t.Context(), request(0), 0).Outcome)
		refuse = false
		require.Equal(t, record.OK, s.do(s.t.Context(), 1, stream(step{at: 20 * ms, body: text("a")}, ended())).Outcome)
	})
}
