package openai_test

import (
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/openai"
	"github.com/llmsweep/llmsweep/harness/record"
)

// later is a whole streamed answer that takes 50 ms from an instant.
func later(from time.Duration) []step {
	return []step{{at: from + 10*ms, raw: headers}, {at: from + 20*ms, body: text("a")}, {at: from + 50*ms, body: done, end: finish}}
}

// nth is what the n-th request gives with later(from), when it was begun at the stamp start.
func nth(n int, start, sent int64, from time.Duration) record.Sample {
	want := sample()
	want.Index, want.RequestID, want.Traceparent = n+10, request(n).ID, request(n).Traceparent
	want.ScheduledNS, want.StartNS, want.SentNS, want.HeadersNS = start-100, start, sent, stamp(from+10*ms)
	want.FirstByteNS, want.FirstVisibleNS, want.ChunksNS = stamp(from+20*ms), stamp(from+20*ms), []int64{stamp(from + 20*ms)}
	want.EndNS, want.Counted.OSL, want.BytesReceived = stamp(from+50*ms), 1, int64(len(text("a")+done))
	return want
}

func TestConnectionIsKept(t *testing.T) {
	inBubble(t, nil, func(s *stage) {
		assert.Equal(t, nth(0, begin, begin+dial, 0), s.do(s.t.Context(), 0, later(0)))
		again := nth(1, stamp(50*ms), stamp(50*ms), time.Second)
		again.Conn.Reused = true
		assert.Equal(t, again, s.do(s.t.Context(), 1, later(time.Second)))
		assert.Len(t, s.dialled, 1)
	})
}

// What is short is read to its end, so that its connection can be kept; a broken stream costs the connection.
func TestConnectionAfterAFailure(t *testing.T) {
	for _, c := range []struct {
		name   string
		script []step
		kept   bool
	}{
		{"rejected", response("500 Internal Server Error", "", "boom"), true},
		{"not a stream", response("200 OK", "Content-Type: application/json\r\n", "{}"), true},
		{"malformed", stream(step{at: 20 * ms, body: "data: {\n\n"}, step{at: 30 * ms, body: done, end: finish}), false},
		{"open after the end marker", stream(step{at: 20 * ms, body: text("a") + done}, step{at: 5 * time.Second}), false},
		{"closed by the server", append(later(0), step{at: 60 * ms, end: shut}), false},
		{"Connection: close", []step{{at: 10 * ms, raw: "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + text("a") + done, end: shut}}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, nil, func(s *stage) {
				s.do(s.t.Context(), 0, c.script)
				s.until(6 * time.Second)
				start := s.client.Now()
				want := nth(1, start, start+dial, 7*time.Second)
				if c.kept {
					want.SentNS, want.Conn.Reused = start, true
				}
				assert.Equal(t, want, s.do(s.t.Context(), 1, later(7*time.Second)))
			})
		})
	}
}

// What a broken stream left behind is not in the way of the next.
func TestNothingIsLeftOfABrokenStream(t *testing.T) {
	for _, left := range []string{"event: error\n", "data: x\n", "data: {", text("old")} {
		inBubble(t, nil, func(s *stage) {
			require.Equal(t, record.Cut, s.do(s.t.Context(), 0, stream(step{at: 20 * ms, body: left}, step{at: 30 * ms, end: shut})).Outcome)
			start := s.client.Now()
			assert.Equal(t, nth(1, start, start+dial, time.Second), s.do(s.t.Context(), 1, later(time.Second)), "%q", left)
		})
	}
}

// A kept connection on which the server closes instead of answering: the request was sent, so it is not repeated.
func TestKeptConnectionThatIsClosedUnderARequest(t *testing.T) {
	inBubble(t, nil, func(s *stage) {
		s.do(s.t.Context(), 0, later(0))
		want := nth(1, stamp(50*ms), stamp(50*ms), 0)
		unanswered(&want, stamp(80*ms))
		want.Conn.Reused = true
		want.FirstByteNS, want.FirstVisibleNS, want.ChunksNS, want.BytesReceived, want.Counted.OSL = record.Never, record.Never, []int64{}, 0, 0
		failed(&want, record.ConnectionFailed, "closed before headers", 502, "EOF")
		assert.Equal(t, want, s.do(s.t.Context(), 1, []step{{at: 80 * ms, end: shut}}))
		assert.Len(t, s.requests, 2, "no retry")
	})
}

func TestEndpointsTakeTurns(t *testing.T) {
	var endpoints []*url.URL
	for _, host := range []string{"a:81", "b:82", "c:83"} {
		endpoints = append(endpoints, endpoint(t, "http://"+host+"/v1/chat/completions"))
	}
	inBubble(t, func(c *openai.Config) { c.Endpoints = endpoints }, func(s *stage) {
		var hosts []string
		for n := range 5 {
			got := s.do(s.t.Context(), n, later(time.Duration(n)*time.Second))
			require.Equal(t, record.OK, got.Outcome)
			assert.Equal(t, n >= 3, got.Conn.Reused, "request %d", n)
			hosts = append(hosts, got.Endpoint)
		}
		assert.Equal(t, []string{"a:81", "b:82", "c:83", "a:81", "b:82"}, hosts)
		assert.Equal(t, hosts[:3], s.dialled)
		for n, r := range s.requests {
			assert.Equal(t, hosts[n], r.Host)
		}
	})
}

func TestHeaders(t *testing.T) {
	common := func() http.Header {
		return http.Header{
			"Accept": {"text/event-stream"}, "Content-Type": {"application/json"}, "User-Agent": {"agent/1"}, "Content-Length": {"7"},
			"X-Request-Id": {"request-3"}, "Traceparent": {request(3).Traceparent},
		}
	}
	for _, c := range []struct {
		name   string
		header http.Header
		host   string
		change func(http.Header)
	}{
		{"ours", http.Header{}, "server:80", func(http.Header) {}},
		{
			"with the user's", http.Header{"Authorization": {"Bearer key"}, "X-Two": {"a", "b"}}, "server:80",
			func(h http.Header) { h["Authorization"], h["X-Two"] = []string{"Bearer key"}, []string{"a", "b"} },
		},
		{
			"the user's win", http.Header{"User-Agent": {"mine"}, "Accept": {"*/*"}}, "server:80",
			func(h http.Header) { h["User-Agent"], h["Accept"] = []string{"mine"}, []string{"*/*"} },
		},
		{
			"the user's identifiers win", http.Header{"X-Request-Id": {"mine"}, "Traceparent": {"t"}}, "server:80",
			func(h http.Header) { h["X-Request-Id"], h["Traceparent"] = []string{"mine"}, []string{"t"} },
		},
		{"another host", http.Header{"Host": {"models.example"}}, "models.example", func(http.Header) {}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(config *openai.Config) { config.Header = c.header }, func(s *stage) {
				require.Equal(t, "server:80", s.do(s.t.Context(), 3, later(0)).Endpoint)
				want := common()
				c.change(want)
				r := s.requests[0]
				assert.Equal(t, want, r.Header)
				assert.Equal(t, "POST /v1/chat/completions HTTP/1.1", fmt.Sprintf("%s %s %s", r.Method, r.RequestURI, r.Proto))
				assert.Equal(t, c.host, r.Host)
				assert.Equal(t, []string{`{"n":3}`}, s.bodies)
			})
		})
	}
}

// Framing that arrivals do not follow is net/http's alone.
func TestUnusualFraming(t *testing.T) {
	event := text("a")
	for _, c := range []scene{
		{
			name:   "interim response",
			script: append([]step{{at: 5 * ms, raw: "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"}}, stream(step{at: 20 * ms, body: event}, ended())...),
			want:   func(s *record.Sample) { answered(s, 1, 20) },
		},
		{
			name:   "chunk extension",
			script: stream(step{at: 20 * ms, raw: fmt.Sprintf("%X;a=b\r\n%s\r\n", len(event), event)}, step{at: 30 * ms, body: text("b")}, ended()),
			want:   func(s *record.Sample) { answered(s, 2, 20, 30); s.BytesReceived += int64(len(event)) },
		},
		{
			name:   "capitals, leading zeros",
			script: stream(step{at: 20 * ms, raw: fmt.Sprintf("00%X\r\n%s\r\n", len(event), event) + "2"}, step{at: 30 * ms, raw: "\r\n:\n\r\n"}, step{at: 90 * ms, body: done, end: finish}),
			want:   func(s *record.Sample) { answered(s, 1, 20); s.BytesReceived += int64(len(event) + 2) },
		},
	} {
		t.Run(c.name, c.play)
	}
}

// Many at once, each at instants of its own: no sample has anything of another.
func TestConcurrentRequests(t *testing.T) {
	const parallel, rounds = 16, 8
	inBubble(t, func(c *openai.Config) { c.Concurrency = parallel }, func(s *stage) {
		for range parallel * rounds {
			s.answers <- nil // each connection answers by its own clock, below
		}
		var slots sync.WaitGroup
		for slot := range parallel {
			slots.Go(func() {
				for round := range rounds {
					time.Sleep(time.Duration(slot + 1))
					start := s.client.Now()
					got := s.client.Do(s.t.Context(), request(slot*rounds+round), start)
					assert.Equal(t, record.OK, got.Outcome)
					assert.Equal(t, round > 0, got.Conn.Reused)
					wait := int64(slot*rounds+round+1) * stamp(ms)
					assert.Equal(t, []int64{got.SentNS + wait, got.SentNS + 2*wait}, got.ChunksNS)
					assert.Equal(t, got.SentNS+3*wait, got.EndNS)
				}
			})
		}
		slots.Wait()
	})
}
