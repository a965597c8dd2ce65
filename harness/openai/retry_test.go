package openai_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/openai"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/workload"
)

const retrySeed = 7

func retrying(c *openai.Config) { c.Retry429, c.Seed = true, retrySeed }

// busy refuses at an instant, with a header line or none.
func busy(at time.Duration, line string) []step {
	return []step{{at: at, raw: "HTTP/1.1 429 Too Many Requests\r\n" + line + "Content-Length: 4\r\n\r\nbusy"}}
}

// doAll sends the n-th request and answers its attempts.
func (s *stage) doAll(n int, scripts ...[]step) record.Sample {
	for _, script := range scripts {
		s.answers <- script
	}
	got := *s.client.Do(s.t.Context(), request(n), s.client.Now()-100)
	s.connection(&got)
	return withoutStamps(got)
}

// sent are the bodies that have arrived.
func (s *stage) sent() []string {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.bodies)
}

// TestRetryAfter: the wait that the server asked for begins when its refusal was read, and the rest of the sample is of the last attempt, but
// for the start.
func TestRetryAfter(t *testing.T) {
	for _, c := range []struct {
		name, line string
		resumed    time.Duration
	}{
		{"seconds", "Retry-After: 2\r\n", 2020 * ms},
		{"at once", "Retry-After: 0\r\n", 20 * ms},
		{"an instant, by our clock", "Retry-After: Sat, 01 Jan 2000 00:00:05 GMT\r\n", 5 * time.Second},
		{"an instant, by the server's clock", "Date: Fri, 10 Oct 2025 10:00:00 GMT\r\nRetry-After: Fri, 10 Oct 2025 10:00:03 GMT\r\n", 3020 * ms},
		{"an instant that is past", "Retry-After: Fri, 31 Dec 1999 23:00:00 GMT\r\n", 20 * ms},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, retrying, func(s *stage) {
				got := s.doAll(0, busy(20*ms, c.line), later(c.resumed))
				want := nth(0, begin, stamp(c.resumed), c.resumed)
				want.Conn.Reused = true
				want.Retries = []record.Retry{{RefusedNS: stamp(20 * ms), ResumedNS: stamp(c.resumed), Told: true}}
				assert.Equal(t, want, got)
				assert.Equal(t, []string{`{"n":0}`, `{"n":0}`}, s.sent())
			})
		})
	}
}

// drawnWait is how long the k-th retry of a request waits where the server does not say: 2^k seconds, times a half and half of what is drawn.
func drawnWait(n, k int) time.Duration {
	random := workload.Stream(retrySeed, "retry", "", n)
	share := random.Float64()
	for range k {
		share = random.Float64()
	}
	return time.Duration((0.5 + share/2) * float64(time.Second) * float64(int(1)<<k))
}

// TestRetriesBackOff: without a usable hint the wait doubles, by the seed and the request alone; after five retries the refusal stands.
func TestRetriesBackOff(t *testing.T) {
	for _, line := range []string{"", "Retry-After: soon\r\n", "Retry-After: -1\r\n", "Retry-After: 1.5\r\n"} {
		inBubble(t, retrying, func(s *stage) {
			const n = 3
			at := begin + dial*time.Nanosecond
			var want []record.Retry
			var scripts [][]step
			for k := range 6 {
				scripts = append(scripts, busy(at+10*ms, line))
				if k == 5 {
					break
				}
				wait := drawnWait(n, k)
				assert.InDelta(t, 0.75*float64(int(1)<<k), wait.Seconds(), 0.25*float64(int(1)<<k))
				want = append(want, record.Retry{RefusedNS: stamp(at + 10*ms), ResumedNS: stamp(at + 10*ms + wait)})
				at += 10*ms + wait
			}
			got := s.doAll(n, scripts...)
			assert.Equal(t, want, got.Retries)
			assert.Equal(t, record.Rejected, got.Outcome)
			assert.Equal(t, record.HTTPStatus(429), got.Reason)
			assert.Equal(t, "busy", got.Error.Message)
			assert.Equal(t, int64(begin), got.StartNS)
			assert.Equal(t, stamp(at+10*ms), got.EndNS)
			assert.Equal(t, slices.Repeat([]string{`{"n":3}`}, 6), s.sent())
		})
	}
	assert.NotEqual(t, drawnWait(3, 0), drawnWait(4, 0))
}

// TestRetriesEnd in whatever the last attempt does, and with every limit and every end of the context.
func TestRetriesEnd(t *testing.T) {
	for _, c := range []struct {
		name      string
		configure func(*openai.Config)
		cancel    time.Duration
		hint      string
		next      []step
		outcome   record.Outcome
		reason    record.Reason
		retries   int
		end       time.Duration
	}{
		{"another refusal", nil, 0, "1", response("503 Unavailable", "Retry-After: 1\r\n", ""), record.Rejected, "http 503", 1, 1020 * ms},
		{"a reset", nil, 0, "1", []step{{at: 1100 * ms, end: reset}}, record.ConnectionFailed, "reset", 1, 1100 * ms},
		{"a cut stream", nil, 0, "1", []step{{at: 1100 * ms, raw: headers}, {at: 1200 * ms, body: text("a"), end: finish}}, record.Cut, "after the first token", 1, 1200 * ms},
		{"the whole request's limit in an attempt", limits(3*time.Second, 0, 0), 0, "1", []step{{at: time.Hour}}, record.TimedOut, "request timeout", 1, begin + 3*time.Second},
		{"the first token's limit in an attempt", limits(0, 3*time.Second, 0), 0, "1", []step{{at: time.Hour}}, record.TimedOut, "first token timeout", 1, begin + 3*time.Second},
		{"a wait that would pass the limit", limits(3*time.Second, 0, 0), 0, "3", nil, record.Rejected, "http 429", 0, 20 * ms},
		{"a wait that would pass the first token's", limits(time.Hour, 3*time.Second, 0), 0, "3", nil, record.Rejected, "http 429", 0, 20 * ms},
		{"a wait longer than any", nil, 0, "601", nil, record.Rejected, "http 429", 0, 20 * ms},
		{"a wait beyond all numbers", nil, 0, "9000000000000000000", nil, record.Rejected, "http 429", 0, 20 * ms},
		{"a wait beyond 64 bits", nil, 0, "99999999999999999999", nil, record.Rejected, "http 429", 0, 20 * ms},
		{"cancelled while it waits", nil, 500 * ms, "1", nil, record.Cancelled, record.BySignal, 0, 500 * ms},
		{"cancelled in an attempt", nil, 1500 * ms, "1", []step{{at: time.Hour}}, record.Cancelled, record.BySignal, 1, 1500 * ms},
		{"cancelled as it is sent again", nil, 1020 * ms, "1", nil, record.Cancelled, record.BySignal, -1, 1020 * ms},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(config *openai.Config) {
				retrying(config)
				if c.configure != nil {
					c.configure(config)
				}
			}, func(s *stage) {
				ctx, stop := cancelledAt(s, c.cancel)
				defer stop()
				s.answers <- busy(20*ms, "Retry-After: "+c.hint+"\r\n")
				s.answers <- c.next
				got := s.client.Do(ctx, request(0), 0)
				assert.Equal(t, c.outcome, got.Outcome)
				assert.Equal(t, c.reason, got.Reason)
				if c.retries >= 0 { // at one instant either may come first
					assert.Len(t, got.Retries, c.retries)
					assert.Len(t, s.sent(), c.retries+1)
				}
				assert.Equal(t, int64(begin), got.StartNS)
				assert.Equal(t, stamp(c.end), got.EndNS)
				// Whatever was interrupted, the next request is as if nothing had been.
				s.until(2 * time.Hour)
				assert.Equal(t, record.OK, s.do(s.t.Context(), 1, nil).Outcome)
			})
		})
	}
}

// A refusal whose body is not read to its end costs its connection, and a kept connection that was closed in the wait is counted.
func TestRetryOnAnotherConnection(t *testing.T) {
	inBubble(t, retrying, func(s *stage) {
		long := strings.Repeat("x", 100_000)
		first := []step{{at: 20 * ms, raw: fmt.Sprintf("HTTP/1.1 429 No\r\nRetry-After: 1\r\nContent-Length: %d\r\n\r\n%s", len(long), long)}}
		closing := append(busy(1100*ms, "Retry-After: 1\r\n"), step{at: 1200 * ms, end: shut})
		for _, script := range [][]step{first, closing, later(3 * time.Second)} {
			s.answers <- script
		}
		got := s.client.Do(s.t.Context(), request(0), 0)
		require.Equal(t, record.OK, got.Outcome, "%+v", got.Error)
		assert.Len(t, got.Retries, 2)
		assert.Len(t, s.dialled, 3)
		assert.False(t, got.Conn.Reused)
		if s.transport == openai.OwnTransport { // net/http notices the end of an idle connection by itself
			assert.Equal(t, 1, got.Conn.Stale)
		}
		assert.Equal(t, int64(len(text("a")+done)), got.BytesReceived)
	})
}
