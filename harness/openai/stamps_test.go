package openai_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/llmsweep/llmsweep/harness/record"
)

// TestStampsBesideTheChunks: a new connection is had after it was dialled, a kept one at once; the last byte is that of the end mark,
// whatever the end of the stream; events with a choice and no content have stamps of their own.
func TestStampsBesideTheChunks(t *testing.T) {
	inBubble(t, nil, func(s *stage) {
		script := stream(step{at: 20 * ms, body: role}, step{at: 25 * ms, body: "data: {\"choices\":[]}\n\n"},
			step{at: 30 * ms, body: text("a")}, step{at: 40 * ms, body: empty + text("b")},
			step{at: 50 * ms, body: stop}, step{at: 60 * ms, body: done}, step{at: 90 * ms, end: finish})
		first := s.whole(s.t.Context(), 0, script)
		assert.Equal(t, stamps(20, 40, 50), first.EmptyNS)
		assert.Equal(t, stamps(30, 40), first.ChunksNS)
		assert.Equal(t, []int64{begin + dial, stamp(60 * ms), stamp(90 * ms)}, []int64{first.Conn.GotNS, first.LastByteNS, first.EndNS})
		assert.Equal(t, int64(len(request(0).Body)), first.BytesSent)

		second := s.whole(s.t.Context(), 1, later(100*ms))
		assert.True(t, second.Conn.Reused)
		assert.Equal(t, []int64{second.StartNS, stamp(150 * ms)}, []int64{second.Conn.GotNS, second.LastByteNS})
		assert.Empty(t, second.EmptyNS)
	})
}

// TestNoStampsOfWhatDidNotHappen: without a connection there is no instant of having one, and nothing was sent or received.
func TestNoStampsOfWhatDidNotHappen(t *testing.T) {
	inBubble(t, nil, func(s *stage) {
		assert.NoError(t, s.listener.Close())
		got := s.client.Do(s.t.Context(), request(0), 0)
		assert.Equal(t, record.ConnectionFailed, got.Outcome)
		assert.Equal(t, []int64{record.Never, record.Never, 0}, []int64{got.Conn.GotNS, got.LastByteNS, got.BytesSent})
	})
}
