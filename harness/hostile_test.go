package harness

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/mockserver/memnet"
)

// serving is a server that does one thing on each connection, after it has read a request.
func serving(do func(net.Conn)) func(*memnet.Listener) func() {
	return func(listener *memnet.Listener) func() {
		var served sync.WaitGroup
		served.Go(func() {
			for {
				c, err := listener.Accept()
				if err != nil {
					return
				}
				served.Go(func() {
					defer c.Close()
					if r, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
						_, _ = io.Copy(io.Discard, r.Body)
						do(c)
					}
				})
			}
		})
		return func() {
			_ = listener.Close()
			served.Wait()
		}
	}
}

// dribble writes one byte a second until the client leaves.
func dribble(c net.Conn, text string) (err error) {
	for i := 0; i < len(text) && err == nil; i++ {
		time.Sleep(time.Second)
		_, err = io.WriteString(c, text[i:i+1])
	}
	return err
}

// TestServersThatTakeForEver: with the limits that nobody has to set a level against them ends, and says what the server did not do.
func TestServersThatTakeForEver(t *testing.T) {
	const long = `data: {"id":"chatcmpl-0123456789abcdef","object":"chat.completion.chunk","created":1760000000,"model":"Qwen/Qwen3-0.6B","choices":[{"index":0,"delta":{"content":"a"},"logprobs":null,"finish_reason":null}]}` + "\n\n"
	for name, c := range map[string]struct {
		do      func(net.Conn)
		how     string
		ended   time.Duration
		chunks  int
		message string
	}{
		"accepts and never answers": {
			do:  func(c net.Conn) { _, _ = io.Copy(io.Discard, c) },
			how: "20 timed out: first token timeout", ended: 5 * time.Minute, message: "first token timeout, no first token within 5m0s (-first-token-timeout)",
		},
		"one byte a second": {
			do: func(c net.Conn) {
				_ = dribble(c, strings.TrimSuffix(streamHead, "\r\n")+"X-Slow: yes\r\n\r\n"+framed(long))
			},
			how: "20 timed out: first token timeout", ended: 5 * time.Minute, message: "first token timeout, no first token within 5m0s (-first-token-timeout)",
		},
		"one byte a second after the first token": {
			do: func(c net.Conn) {
				_, _ = io.WriteString(c, streamHead+framed(long))
				_ = dribble(c, framed(long))
			},
			how: "20 timed out: idle timeout", ended: 2 * time.Minute, chunks: 1, message: "idle timeout, no event within 2m0s (-idle-timeout)",
		},
		"one byte a second, in events so short that some come": {
			do: func(c net.Conn) {
				_, _ = io.WriteString(c, streamHead)
				for dribble(c, framed(oneChunk)) == nil {
				}
			},
			how: "20 timed out: request timeout", ended: 10 * time.Minute, chunks: int(10 * time.Minute / time.Second / time.Duration(len(framed(oneChunk)))),
			message: "request timeout, no complete answer within 10m0s (-request-timeout)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			performBefore(t, t.TempDir(), []string{"-concurrencies=20", "-request-count=20"}, serving(c.do), func(t *testing.T, s stage) {
				l := s.run(t, 0)
				assert.Equal(t, record.Failed, l.Status)
				assert.Equal(t, fmt.Sprintf("20 of 20 requests failed (%s); the limit is 5 %%; the first: %s", c.how, c.message), l.Reason)
				assert.Equal(t, c.ended, (time.Duration(l.EndedNS)).Round(time.Microsecond))
				for _, x := range s.samples(t, 0) {
					assert.Len(t, x.ChunksNS, c.chunks, "what had come is kept")
				}
			})
		})
	}
}

// TestLineOfAGigabyte: the client gives up after 64 MiB, and never holds more than a few times that.
func TestLineOfAGigabyte(t *testing.T) {
	var written, most int
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	endless := func(c net.Conn) {
		_, err := io.WriteString(c, streamHead+framed("data: "))
		block := framed(strings.Repeat("x", 1<<20))
		for written = 0; written < 1<<10 && err == nil; written++ {
			_, err = io.WriteString(c, block)
			var now runtime.MemStats
			runtime.ReadMemStats(&now)
			most = max(most, int(now.HeapAlloc)-int(before.HeapAlloc))
		}
	}
	performBefore(t, t.TempDir(), []string{"-concurrencies=1", "-request-count=1"}, serving(endless), func(t *testing.T, s stage) {
		l := s.run(t, 0)
		assert.Equal(t, record.Failed, l.Status)
		assert.Equal(t, "1 of 1 requests failed (1 malformed: too large); the limit is 50 %; the first: too large, event longer than 64 MiB", l.Reason)
	})
	assert.InDelta(t, 64, written, 4, "MiB until the client left")
	assert.Less(t, most, 300<<20)
	t.Logf("at most %d MiB of heap for a line of 1 GB", most>>20)
}

// TestWhoseDecision: what was in flight when a level ended says who ended it, and the words of the cause.
func TestWhoseDecision(t *testing.T) {
	// Of 30 slots 20 are refused at once, and the others hear nothing.
	var n int
	var mu sync.Mutex
	mostlyBusy := func(c net.Conn) {
		mu.Lock()
		n++
		refused := n <= 20
		mu.Unlock()
		if refused {
			_, _ = io.WriteString(c, answer("503 No", "Connection: close\r\n", "busy"))
			return
		}
		_, _ = io.Copy(io.Discard, c)
	}
	endless := []string{"-concurrencies=30", "-request-count=100", "-first-token-timeout=0", "-request-timeout=0"}
	performBefore(t, t.TempDir(), endless, serving(mostlyBusy), func(t *testing.T, s stage) {
		l := s.run(t, 0)
		assert.Equal(t, record.Failed, l.Status)
		require.NotZero(t, l.Counts.Outcomes[record.Cancelled])
		assert.Equal(t, map[record.Reason]int{record.ByErrors: l.Counts.Outcomes[record.Cancelled]}, l.Counts.Reasons[record.Cancelled])
		assert.Contains(t, l.Warnings, fmt.Sprintf("%d requests in flight were cancelled (errors); latency and throughput are of those that ended before, the quickest ones", l.Counts.Outcomes[record.Cancelled]))
		for _, x := range s.samples(t, 0) {
			if x.Outcome == record.Cancelled {
				assert.Contains(t, x.Error.Message, "still running 30s after: 20 of 20 requests failed (20 rejected: http 503)")
			}
		}
	})
}

// TestRetriesOfALevel: what was refused and sent again is counted and warned of, and its waits are in the latencies.
func TestRetriesOfALevel(t *testing.T) {
	n := 0
	chat := func(w http.ResponseWriter, r *http.Request) {
		if n++; n <= 2 || n == 4 { // the first request twice, the second once
			w.Header().Set("Retry-After", "3")
			http.Error(w, "busy", http.StatusTooManyRequests)
			return
		}
		answerAfter(100*time.Millisecond)(w, r)
	}
	for retry, want := range map[bool]record.Counts{
		true: {
			Planned: 3, Outcomes: map[record.Outcome]int{record.OK: 3}, Retried: record.Retried{Requests: 2, Retries: 3, WaitingNS: 9e9},
		},
		false: {
			Planned: 3, Outcomes: map[record.Outcome]int{record.OK: 1, record.Rejected: 2},
			Reasons: map[record.Outcome]map[record.Reason]int{record.Rejected: {"http 429": 2}},
		},
	} {
		n = 0
		args := []string{"-concurrencies=1", "-request-count=3", "-max-error-rate=1", fmt.Sprintf("-retry-429=%t", retry)}
		perform(t, args, chat, func(t *testing.T, s stage) {
			l := s.run(t, 0)
			assert.Equal(t, want, l.Counts)
			if !retry {
				assert.Equal(t, []string{"2 of 3 requests failed (2 rejected: http 429); latency figures are of the others"}, l.Warnings)
				return
			}
			assert.Equal(t, []string{"2 requests were refused with status 429 and sent again, 3 times in all (-retry-429): their latency includes 9 s of waiting"}, l.Warnings)
			for i, waits := range []int64{2, 1, 0} {
				x := s.samples(t, 0)[i]
				assert.Len(t, x.Retries, int(waits))
				assert.Equal(t, []int64{x.StartNS + waits*3e9 + 100e6}, x.ChunksNS)
			}
		})
	}
	assert.Equal(t, []string{"net/http sent a request again 2 times because its connection ended without an answer: the server may have worked twice"},
		againWarnings(record.Retried{Resent: 2}))
}
