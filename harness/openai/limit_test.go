package openai_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/llmsweep/llmsweep/harness/openai"
	"github.com/llmsweep/llmsweep/harness/record"
)

// limits sets the three time limits.
func limits(request, firstToken, idle time.Duration) func(*openai.Config) {
	return func(c *openai.Config) {
		c.RequestTimeout, c.FirstTokenTimeout, c.IdleTimeout = request, firstToken, idle
	}
}

// timedOut sets the outcome; the error names limit and flag.
func timedOut(s *record.Sample, end int64, reason record.Reason, message string) {
	s.EndNS = end
	failed(s, record.TimedOut, reason, 504, message)
}

// broken says which chunks came, the first of them with the first byte of the body.
func broken(s *record.Sample, chunks ...int64) {
	s.ChunksNS, s.Counted.OSL = stamps(chunks...), len(chunks)
	s.FirstByteNS, s.FirstVisibleNS = s.ChunksNS[0], s.ChunksNS[0]
}

func TestTimeLimits(t *testing.T) {
	const (
		noToken  = "no first token within 50ms (-first-token-timeout)"
		noEvent  = "no event within 50ms (-idle-timeout)"
		noAnswer = "no complete answer within 50ms (-request-timeout)"
		limit    = 50 * ms
		after    = int64(begin) + int64(limit) // the stamp at which a limit from the start passes
	)
	pings := []step{{at: 65 * ms, body: ": ping\n\n"}, {at: 75 * ms, body: ": ping\n\n" + "event: ping\n\n"}, {at: 85 * ms, body: "data\n\n"}}
	// The limits pass before the bodies from 75 ms on come.
	received := func(bodies ...string) int64 {
		n := 0
		for _, b := range bodies {
			n += len(b)
		}
		return int64(n)
	}
	for _, c := range []scene{
		{
			name: "first token, before headers", configure: limits(0, limit, 0), script: []step{{at: time.Second}},
			want: func(s *record.Sample) { unanswered(s, after); timedOut(s, after, "first token timeout", noToken) },
		},
		{
			name: "first token, while connecting",
			configure: func(c *openai.Config) {
				limits(0, limit, 0)(c)
				c.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }
			},
			want: func(s *record.Sample) { unconnected(s, after); timedOut(s, after, "first token timeout", noToken) },
		},
		{
			name: "first token, after role and empty chunks", configure: limits(time.Hour, limit, time.Millisecond),
			script: stream(step{at: 20 * ms, body: role}, step{at: 49 * ms, body: empty}, step{at: 70 * ms, body: text("a")}),
			want: func(s *record.Sample) {
				s.FirstByteNS, s.BytesReceived = stamp(20*ms), received(role, empty)
				timedOut(s, after, "first token timeout", noToken)
			},
		},
		{
			name: "first token in time, and no other limit", configure: limits(0, limit, 0),
			script: stream(step{at: 20 * ms, body: text("a")}, ended()),
			want:   func(s *record.Sample) { answered(s, 1, 20) },
		},
		{
			name: "idle, and no other limit", configure: limits(0, 0, limit),
			script: stream(step{at: 20 * ms, body: text("a")}, step{at: 200 * ms, body: text("b")}),
			want: func(s *record.Sample) {
				broken(s, 20)
				s.BytesReceived = received(text("a"))
				timedOut(s, stamp(70*ms), "idle timeout", noEvent)
			},
		},
		{
			name: "idle, shorter than what is left of the others", configure: limits(time.Hour, time.Minute, limit),
			script: stream(step{at: 20 * ms, body: text("a")}, step{at: 200 * ms, body: text("b")}),
			want: func(s *record.Sample) {
				broken(s, 20)
				s.BytesReceived = received(text("a"))
				timedOut(s, stamp(70*ms), "idle timeout", noEvent)
			},
		},
		{
			name: "idle counts from the last event, without content too", configure: limits(time.Hour, limit, limit),
			script: stream(step{at: 20 * ms, body: text("a")}, step{at: 60 * ms, body: text("b")}, step{at: 105 * ms, body: empty}, step{at: 200 * ms, body: done}),
			want: func(s *record.Sample) {
				broken(s, 20, 60)
				s.BytesReceived = received(text("a"), text("b"), empty)
				timedOut(s, stamp(155*ms), "idle timeout", noEvent)
			},
		},
		{
			name: "idle is not kept off by comments and empty events", configure: limits(0, 0, limit),
			script: append(stream(step{at: 40 * ms, body: text("a")}), append(pings, step{at: 200 * ms, body: done})...),
			want: func(s *record.Sample) {
				broken(s, 40)
				s.BytesReceived -= int64(len(done))
				timedOut(s, stamp(90*ms), "idle timeout", noEvent)
			},
		},
		{
			name: "idle after a finish reason without an end", configure: limits(0, 0, limit),
			script: stream(step{at: 20 * ms, body: text("a") + stop}, step{at: 200 * ms, body: done}),
			want: func(s *record.Sample) {
				broken(s, 20)
				s.BytesReceived, s.FinishReason = received(text("a"), stop), "stop"
				timedOut(s, stamp(70*ms), "idle timeout", noEvent)
			},
		},
		{
			name: "whole request, before headers", configure: limits(limit, time.Hour, 0), script: []step{{at: time.Second}},
			want: func(s *record.Sample) { unanswered(s, after); timedOut(s, after, "request timeout", noAnswer) },
		},
		{
			name: "whole request, in a lively stream", configure: limits(limit, 49*ms, 49*ms),
			script: stream(step{at: 20 * ms, body: text("a")}, step{at: 40 * ms, body: text("b")}, step{at: 60 * ms, body: text("c")}),
			want: func(s *record.Sample) {
				broken(s, 20, 40)
				s.BytesReceived = received(text("a"), text("b"))
				timedOut(s, after, "request timeout", noAnswer)
			},
		},
		{
			name: "an error status stays one, though its body takes too long", configure: limits(limit, 0, 0),
			script: []step{{at: 10 * ms, raw: "HTTP/1.1 500 No\r\nContent-Length: 9\r\n\r\nboom"}, {at: time.Second}},
			want: func(s *record.Sample) {
				s.Status, s.FirstByteNS, s.EndNS, s.BytesReceived, s.Counted.Source = 500, stamp(10*ms), after, 4, ""
				s.Outcome, s.Reason, s.Error = record.Rejected, "http 500", &record.Error{Code: 500, Type: "http 500", Message: "boom"}
			},
		},
		{
			name: "all kept", configure: limits(100*ms, 30*ms, 80*ms),
			script: stream(step{at: 20 * ms, body: text("a")}, ended()),
			want:   func(s *record.Sample) { answered(s, 1, 20) },
		},
		{
			name: "a response that stays open after the end marker is closed after a second", configure: limits(0, 0, 0),
			script: stream(step{at: 20 * ms, body: text("a")}, step{at: 30 * ms, body: done}, step{at: time.Minute, end: finish}),
			want:   func(s *record.Sample) { answered(s, 1, 20); s.EndNS = stamp(1030 * ms) },
		},
		{
			name: "no limit but that one counts after the end marker", configure: limits(limit, limit, limit),
			script: stream(step{at: 20 * ms, body: text("a")}, step{at: 30 * ms, body: done}, step{at: 500 * ms, body: ": bye\n\n"}, step{at: 900 * ms, end: finish}),
			want:   func(s *record.Sample) { answered(s, 1, 20); s.EndNS = stamp(900 * ms) },
		},
		{
			name: "an empty answer that stays open is still empty", configure: limits(time.Hour, 0, 0),
			script: stream(step{at: 20 * ms, body: done}, step{at: time.Minute, end: finish}),
			want: func(s *record.Sample) {
				s.FirstByteNS, s.EndNS = stamp(20*ms), stamp(1020*ms)
				failed(s, record.Malformed, "no content", 502, "the stream ended without a content chunk")
			},
		},
	} {
		t.Run(c.name, c.play)
	}
}

func TestCancellation(t *testing.T) {
	cancelled := func(s *record.Sample) {
		s.EndNS = stamp(50 * ms)
		failed(s, record.Cancelled, record.BySignal, 499, "interrupted")
	}
	for _, c := range []scene{
		{
			name: "while connecting",
			configure: func(c *openai.Config) {
				limits(time.Hour, time.Hour, time.Hour)(c)
				c.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }
			},
			want: func(s *record.Sample) { unconnected(s, 0); cancelled(s) },
		},
		{
			name: "before headers", script: []step{{at: time.Second}},
			want: func(s *record.Sample) { unanswered(s, 0); cancelled(s) },
		},
		{
			name: "before the first token", script: stream(step{at: 20 * ms, body: role}, step{at: time.Second}),
			want: func(s *record.Sample) { s.FirstByteNS = stamp(20 * ms); cancelled(s) },
		},
		{
			name:   "mid stream, within an event",
			script: stream(step{at: 20 * ms, body: withUsage("a", 1)}, step{at: 30 * ms, body: withUsage("b", 2) + text("c")[:15]}, step{at: time.Second}),
			want: func(s *record.Sample) {
				broken(s, 20, 30)
				s.ChunkTokens, s.Usage, s.Counted.Source = []int{1, 1}, usage(2), record.FromServer
				cancelled(s)
			},
		},
		{
			name: "after the end marker the answer is complete", script: stream(step{at: 20 * ms, body: text("a") + done}, step{at: time.Second}),
			want: func(s *record.Sample) { answered(s, 1, 20); s.EndNS = stamp(50 * ms) },
		},
		{
			name: "while the body of an error comes", script: []step{{at: 10 * ms, raw: "HTTP/1.1 429 No\r\nContent-Length: 9\r\n\r\n"}, {at: time.Second}},
			want: func(s *record.Sample) {
				s.Status, s.EndNS, s.Counted.Source = 429, stamp(50*ms), ""
				s.Outcome, s.Reason, s.Error = record.Rejected, "http 429", &record.Error{Code: 429, Type: "http 429"}
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.cancel = 50 * ms
			c.play(t)
		})
	}
}
