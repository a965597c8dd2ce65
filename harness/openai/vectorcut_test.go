package openai_test

import (
	"context"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
)

type dialer = func(ctx context.Context, network, address string) (net.Conn, error)

// narrowing makes reads of connections return at most n bytes, at the same instant as before.
func narrowing(dial dialer, n int) dialer {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &narrow{Conn: conn, n: n}, nil
	}
}

type narrow struct {
	net.Conn
	n int
}

// Read reads little.
func (c *narrow) Read(p []byte) (int, error) { return c.Conn.Read(p[:min(len(p), c.n)]) }

// forgetUnread makes the bytes received equal where something wrong in the stream ends the reading: behind it lies what the same read
// happened to bring.
func forgetUnread(want record.Sample, got *record.Sample) {
	if want.Outcome == record.Malformed || want.Outcome == record.StreamError {
		got.BytesReceived = want.BytesReceived
	}
}

// How the bytes of an instant are cut into reads is nothing that a sample shows.
func TestVectorsInSmallReads(t *testing.T) {
	for _, v := range readVectors(t) {
		t.Run(v.name, func(t *testing.T) {
			want := v.run(t, v.script(t), 0)
			for _, n := range []int{1, 2, 3, 7, 64} {
				if v.name == "line-above-1-MiB" && n < 64 {
					continue // takes seconds, and shows no more
				}
				got := v.run(t, v.script(t), n)
				forgetUnread(want, &got)
				assert.Equal(t, want, got, "%d bytes a read", n)
			}
		})
	}
}

// An event that comes whole at the instant that completed it gives the same as one that came in parts: only the first byte may be later.
func TestVectorsWithWholeEvents(t *testing.T) {
	joined := 0
	for _, v := range readVectors(t) {
		if strings.Contains(v.steps[0].bytes, "gzip") {
			continue // nobody sees where an event ends
		}
		t.Run(v.name, func(t *testing.T) {
			steps := v.script(t)
			for i := range len(steps) - 1 {
				body := steps[i].body
				whole := 0
				if end := strings.LastIndex(body, "\n\n"); end >= 0 {
					whole = end + len("\n\n")
				}
				if whole < len(body) && steps[i+1].body != "" && !strings.Contains(body, "\r") {
					joined++
					steps[i].body, steps[i+1].body = body[:whole], body[whole:]+steps[i+1].body
				}
			}
			want, got := v.run(t, v.script(t), 0), v.run(t, steps, 0)
			assert.LessOrEqual(t, want.FirstByteNS, got.FirstByteNS)
			got.FirstByteNS = want.FirstByteNS
			assert.Equal(t, want, got)
		})
	}
	assert.Greater(t, joined, 100, "hardly an event was in parts")
}

// An event whose first part comes a nanosecond earlier gives the same as the whole one, wherever it is split: only the first byte may be
// earlier.
func TestVectorsSplitAtEveryByte(t *testing.T) {
	for _, v := range readVectors(t) {
		if v.name == "line-above-1-MiB" || v.name == "one-byte-a-read" {
			continue
		}
		t.Run(v.name, func(t *testing.T) {
			want := v.run(t, v.script(t), 0)
			for i, s := range v.script(t) {
				for split := 1; split < eventEnd(s.body); split++ {
					steps := v.script(t)
					first := step{at: s.at - 1, body: s.body[:split]}
					steps[i].body = s.body[split:]
					got := v.run(t, append(steps[:i:i], append([]step{first}, steps[i:]...)...), 0)
					if want.FirstByteNS == stamp(s.at) {
						require.Equal(t, stamp(first.at), got.FirstByteNS)
						got.FirstByteNS = want.FirstByteNS
					}
					forgetUnread(want, &got)
					require.Equal(t, want, got, "line %d, split at byte %d", v.steps[i].line, split)
				}
			}
		})
	}
}

// eventEnd is behind the byte that completes the first event of a body, which may be the first byte.
func eventEnd(body string) int {
	if strings.HasPrefix(body, "\n") {
		return 1
	}
	for i := 1; i < len(body); i++ {
		switch body[i-1 : i+1] {
		case "\n\n", "\n\r", "\r\r":
			return i + 1
		}
	}
	return len(body)
}
