package mockserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/mockserver/engine"
)

// A loop that begins 60 ms late: passes and tokens keep the instants they would
// have had, an event in the overdue time joins the pass that it would have
// joined, and when the loop has caught up it is on time.
func TestLatenessDoesNotAddUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stop := make(chan struct{})
		l, err := newLoop(DefaultOptions(), stop)
		require.NoError(t, err)
		const late = 60 * time.Millisecond
		l.epoch = l.epoch.Add(-late)
		a, b := newAnswer(1, false), newAnswer(1, false)
		for _, e := range []event{
			{at: 0, request: engine.Request{ID: 1, PromptTokens: 100, MaxTokens: 4}, place: place{answer: a}},
			{at: 5 * time.Millisecond, request: engine.Request{ID: 2, PromptTokens: 200, MaxTokens: 3}, place: place{answer: b}},
			{at: 20 * time.Millisecond, request: engine.Request{ID: 3, PromptTokens: 50, MaxTokens: 2}, place: place{answer: newAnswer(1, false)}},
		} {
			l.tell(e)
		}
		ended := make(chan struct{})
		go func() { l.run(); close(ended) }()

		synctest.Wait()
		assert.Zero(t, l.now()-late, "nothing is waited for")
		var p progress
		_, err = a.state(&p)
		require.NoError(t, err)
		assert.Equal(t, 2, p.total)
		assert.Equal(t, 43_324_124*time.Nanosecond, p.due)

		for _, end := range []time.Duration{66_341_373, 72_099_707} {
			require.NoError(t, a.wait(t.Context(), &p))
			assert.Equal(t, end, l.now())
		}
		assert.Equal(t, 4, p.total)
		close(stop)
		<-ended
	})
}

// The loop looks at most once in 50 us, and then does all that is due.
func TestDenseTokensShareAWakeUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, err := newLoop(DefaultOptions(), nil)
		require.NoError(t, err)
		l.fine = true
		time.Sleep(time.Millisecond)
		for _, due := range []time.Duration{990 * time.Microsecond, time.Millisecond} {
			assert.LessOrEqual(t, l.rest(due), time.Duration(0), "due")
		}
		assert.Equal(t, 50*time.Microsecond, l.rest(1010*time.Microsecond), "soon after")
		assert.Equal(t, 80*time.Microsecond, l.rest(1080*time.Microsecond), "later")
		l.fine = false
		assert.Equal(t, 10*time.Microsecond, l.rest(1010*time.Microsecond), "Go's timer is coarse enough")
	})
}

// Tokens that are ready together are written together, in bounded pieces.
func TestReadyTokensShareAWrite(t *testing.T) {
	t.Parallel()
	s, err := New(DefaultOptions())
	require.NoError(t, err)
	defer s.Close()
	a := newAnswer(1, false)
	for range 300 {
		a.add(0, engine.Chunk{Count: 1}, 0)
	}
	w := &writeCounter{ResponseRecorder: httptest.NewRecorder()}
	e := s.begin(w, httptest.NewRequest("POST", "/", nil), "")
	e.answer = a
	e.stream(s.newRenderer(chatOf(300), 1, 0))
	assert.Equal(t, 2, w.writes)
	assert.Equal(t, 1+300+1+1, strings.Count(w.Body.String(), "data: "))
}

// chatOf is a request for so many tokens.
func chatOf(length int) *call {
	return &call{kind: chat, prompts: []tokens{{count: 1}}, n: 1, length: length}
}

type writeCounter struct {
	*httptest.ResponseRecorder
	writes int
}

func (w *writeCounter) Write(p []byte) (int, error) {
	w.writes++
	return w.ResponseRecorder.Write(p)
}

// The server never sends such a request; should it, nobody waits for ever.
func TestRefusalOfTheEngineReachesTheHandler(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, err := New(DefaultOptions())
		require.NoError(t, err)
		w := httptest.NewRecorder()
		e := s.begin(w, httptest.NewRequest("POST", "/", nil), "")
		d := s.newRenderer(chatOf(1), 9, 0)
		d.call.prompts[0].count = 0
		require.True(t, e.submit(d))
		e.whole(d)
		assert.Equal(t, 500, w.Code)
		assert.Contains(t, w.Body.String(), "submitting request 9")
		require.NoError(t, s.Close())
	})
}

func TestAnswerCountsWhileNobodyReads(t *testing.T) {
	t.Parallel()
	a := newAnswer(1, false)
	for k := range 1000 {
		a.add(0, engine.Chunk{Count: 1}, time.Duration(k))
	}
	var p progress
	require.NoError(t, a.wait(t.Context(), &p))
	assert.Equal(t, 1000, p.total)
	assert.Equal(t, []int{1000}, p.ready)
	assert.Equal(t, time.Duration(999), p.due)
	a.fail(errors.New("gone"))
	assert.EqualError(t, a.wait(t.Context(), &p), "gone")
}

// What a token costs its renderer: no allocation.
func TestTokensAreRenderedWithoutAllocation(t *testing.T) {
	s, err := New(DefaultOptions())
	require.NoError(t, err)
	defer s.Close()
	d := s.newRenderer(chatOf(1000), 1, 0)
	c := &d.choices[0]
	buffer := make([]byte, 0, 4096)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		buffer = d.appendEnd(d.appendFinish(d.appendEvent(d.appendEvent(buffer[:0], c, 0, 1), c, 1, 2), c))
	}))
}

func BenchmarkToken(b *testing.B) {
	s, err := New(DefaultOptions())
	require.NoError(b, err)
	defer s.Close()
	d := s.newRenderer(chatOf(1<<40), 1, 0)
	buffer := make([]byte, 0, 4096)
	b.ReportAllocs()
	for index := 1; b.Loop(); index++ {
		buffer = d.appendEvent(buffer[:0], &d.choices[0], index, index+1)
	}
}

func TestPromptsBecomeTokensAndBlocks(t *testing.T) {
	t.Parallel()
	read := func(document string) (int, []uint64) {
		var b body
		require.NoError(t, json.Unmarshal([]byte(document), &b))
		k := chat
		if b.Prompt != nil {
			k = text
		}
		first := b.tokens(k, &Options{BlockSize: 2})[0]
		return first.count, first.blocks
	}
	tokens, blocks := read(`{"prompt": " a b\u2003c\u00a0d \n e"}`)
	assert.Equal(t, 5, tokens, "blanks of all kinds part words")
	require.Len(t, blocks, 2, "the fifth word fills no block")
	for _, same := range []string{
		`{"messages": [{"content": "a b c"}, {"content": null}, {"content": [{"type":"text","text":"d"},{"type":"text","text":"f g"}]}]}`,
		fmt.Sprintf(`{"prompt": [[%d, %d, %d, %d, 7]]}`, tokenOf("a"), tokenOf("b"), tokenOf("c"), tokenOf("d")),
	} {
		_, got := read(same)
		assert.Equal(t, blocks, got[:2], same)
	}
	_, other := read(`{"prompt": "x b c d"}`)
	assert.NotEqual(t, blocks[1], other[1], "a block stands for all that precedes it, too")
	tokens, blocks = read(`{"prompt": "  "}`)
	assert.Equal(t, 1, tokens)
	assert.Empty(t, blocks)
}

func TestVocabularyNeedsNoEscaping(t *testing.T) {
	t.Parallel()
	s, err := New(DefaultOptions())
	require.NoError(t, err)
	defer s.Close()
	assert.Len(t, s.words, 128)
	for _, word := range s.words {
		assert.Regexp(t, "^[a-z]+$", word)
	}
}

// The size of an HTTP chunk is that of what stands between room and line end, in as many digits as it takes.
func TestFrames(t *testing.T) {
	t.Parallel()
	for size, want := range map[int]string{1: "1", 15: "f", 16: "10", 255: "ff", 256: "100", 70_000: "11170"} {
		b := append(make([]byte, frameRoom), strings.Repeat("x", size)+"\r\n"...)
		head, rest, found := strings.Cut(string(b[frame(b):]), "\r\n")
		assert.True(t, found)
		assert.Equal(t, want, head)
		assert.Len(t, rest, size+2)
	}
}
