package openai_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/openai"
	"github.com/llmsweep/llmsweep/harness/record"
)

// document is an answer that is not streamed: its head and its body, at an instant each.
func document(body string, head, end time.Duration) []step {
	return []step{{at: head, raw: fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", len(body))}, {at: end, raw: body}}
}

const smallDocument = `{"choices":[{"index":0,"message":{"content":"abc"},"finish_reason":"stop"}]}`

// askWhole makes a client ask for documents.
func askWhole(c *openai.Config) { c.Whole = true }

// TestDocumentIsAskedFor by the header too, and each answer forgets the one before.
func TestDocumentIsAskedFor(t *testing.T) {
	inBubble(t, askWhole, func(s *stage) {
		first := s.whole(s.t.Context(), 0, document(smallDocument, 10*ms, 20*ms))
		assert.Equal(s.t, record.OK, first.Outcome, first.Error)
		assert.True(s.t, first.Unstreamed)
		assert.Equal(s.t, "stop", first.FinishReason)
		s.until(30 * ms)
		second := s.whole(s.t.Context(), 1, document(`{"choices":[{"message":{"content":"a"}}]}`, 31*ms, 32*ms))
		assert.Equal(s.t, record.OK, second.Outcome, second.Error)
		assert.Equal(s.t, 1, second.Counted.OSL)
		assert.Equal(s.t, []int64{stamp(32 * ms)}, second.ChunksNS)
		for _, request := range s.requests {
			assert.Equal(s.t, []string{"application/json"}, request.Header["Accept"])
		}
	})
}

// TestDocumentsCountTheirTokens although the answers before all had usage: the text of a document is here anyway.
func TestDocumentsCountTheirTokens(t *testing.T) {
	counted := strings.Replace(smallDocument, `]}`, `],"usage":{"prompt_tokens":1,"completion_tokens":9}}`, 1)
	inBubble(t, askWhole, func(s *stage) {
		for n := range 5 {
			at := time.Duration(n+1) * 100 * ms
			assert.Equal(s.t, record.Counted{ISL: 5, OSL: 9, Source: record.FromServer}, s.whole(s.t.Context(), n, document(counted, at, at+ms)).Counted)
		}
		assert.Equal(s.t, record.Counted{ISL: 5, OSL: 3, Source: record.FromTokenizer}, s.whole(s.t.Context(), 5, document(smallDocument, 700*ms, 701*ms)).Counted)
	})
}

// TestDocumentLimits: nobody knows when the first token of a document comes, or whether it is idle. The limit of the whole holds.
func TestDocumentLimits(t *testing.T) {
	for name, c := range map[string]struct {
		request time.Duration
		want    record.Reason
	}{
		"none":    {0, ""},
		"long":    {time.Minute, ""},
		"too few": {30 * ms, record.RequestTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(config *openai.Config) {
				limits(c.request, 15*ms, 15*ms)(config)
				config.Whole = true
			}, func(s *stage) {
				script := document(smallDocument, 20*ms, 50*ms)
				script[1].raw = smallDocument[:5]
				got := s.whole(s.t.Context(), 0, append(script, step{at: 80 * ms, raw: smallDocument[5:]}))
				assert.Equal(s.t, c.want, got.Reason)
				if c.want != "" {
					assert.Equal(s.t, record.TimedOut, got.Outcome)
					assert.Equal(s.t, int64(begin)+int64(30*ms), got.EndNS)
					assert.Equal(s.t, "no complete answer within 30ms (-request-timeout)", got.Error.Message)
				}
			})
		})
	}
}

// TestDocumentIsCancelled in its middle, and is not counted as one that the server cut.
func TestDocumentIsCancelled(t *testing.T) {
	inBubble(t, askWhole, func(s *stage) {
		ctx, cancel := context.WithCancelCause(s.t.Context())
		time.AfterFunc(30*ms, func() { cancel(errors.New("enough")) })
		script := document(smallDocument, 20*ms, 25*ms)
		script[1].raw = smallDocument[:5]
		got := s.whole(ctx, 0, script)
		assert.Equal(s.t, record.Cancelled, got.Outcome)
		assert.Empty(s.t, got.ChunksNS)
	})
}

// TestEndlessDocument: one of a gigabyte is given up at its 64 MiB, and so is one that unpacks to so much.
func TestEndlessDocument(t *testing.T) {
	const mebibyte = 1 << 20
	part := strings.Repeat("x", mebibyte)
	t.Run("plain", func(t *testing.T) {
		inBubble(t, askWhole, func(s *stage) {
			script := []step{{at: ms, raw: "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000000\r\n\r\n{\"choices\":[{\"message\":{\"content\":\""}}
			for i := range 70 {
				script = append(script, step{at: time.Duration(i+2) * ms, raw: part})
			}
			got := s.whole(s.t.Context(), 0, script)
			tooLarge(s.t, &got, "a document of more than 67108864 bytes")
			assert.Less(s.t, got.BytesReceived, int64(66*mebibyte))
		})
	})
	t.Run("gzip", func(t *testing.T) {
		body := zipped(t, strings.Repeat(part, 100))
		inBubble(t, askWhole, func(s *stage) {
			head := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n", len(body))
			got := s.whole(s.t.Context(), 0, []step{{at: ms, raw: head}, {at: 2 * ms, raw: body}})
			tooLarge(s.t, &got, "content encoding gzip: 65536 bytes unpacked to 64 MiB and more")
		})
	})
	t.Run("as large as allowed", func(t *testing.T) {
		inBubble(t, askWhole, func(s *stage) {
			body := `{"choices":[{"message":{"content":"a"}}],"x":"` + strings.Repeat(part, 63) + `"}`
			got := s.whole(s.t.Context(), 0, document(body, ms, 2*ms))
			require.Equal(s.t, record.OK, got.Outcome)
		})
	})
}

func tooLarge(t *testing.T, got *record.Sample, message string) {
	t.Helper()
	require.Equal(t, record.Malformed, got.Outcome)
	assert.Equal(t, record.TooLarge, got.Reason)
	assert.Equal(t, message, got.Error.Message)
	assert.Empty(t, got.ChunksNS)
}

// TestDocumentIsRefusedAndSentAgain, as a stream is.
func TestDocumentIsRefusedAndSentAgain(t *testing.T) {
	inBubble(t, func(c *openai.Config) { c.Whole, c.Retry429 = true, true }, func(s *stage) {
		s.answers <- []step{{at: ms, raw: "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 2\r\n\r\n{}"}}
		got := s.whole(s.t.Context(), 0, document(smallDocument, 2*time.Second, 3*time.Second))
		assert.Equal(s.t, http.StatusOK, got.Status)
		assert.Equal(s.t, record.OK, got.Outcome)
		assert.Len(s.t, got.Retries, 1)
		assert.Equal(s.t, []int64{stamp(3 * time.Second)}, got.ChunksNS)
	})
}

// usualDocument is an answer of 256 tokens with usage.
func usualDocument() string {
	body := `{"id":"chatcmpl-0123456789abcdef","object":"chat.completion","created":1700000000,"model":"some/model","choices":[{"index":0,"message":{"role":"assistant","content":"` +
		strings.Repeat(" word", 256) + `"},"logprobs":null,"finish_reason":"length"}],"usage":{"prompt_tokens":2000,"completion_tokens":256,"total_tokens":2256}}`
	steps := document(body, 0, 0)
	return steps[0].raw + steps[1].raw
}

// TestDocumentsAllocateLittle: buffers and parser are used again, whatever the size.
func TestDocumentsAllocateLittle(t *testing.T) {
	c, stop := answering(t, openai.Config{Whole: true}, usualDocument())
	defer stop()
	take(t, c, 1)
	assert.Less(t, testing.AllocsPerRun(50, func() { take(t, c, 1) }), 35.0)
}

func BenchmarkDocument(b *testing.B) {
	c, stop := answering(b, openai.Config{Whole: true}, usualDocument())
	defer stop()
	for b.Loop() {
		take(b, c, 1)
	}
}
