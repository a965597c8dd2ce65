package openai_test

import (
	"errors"
	"net/url"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"

	"github.com/llmsweep/llmsweep/harness/openai"
	"github.com/llmsweep/llmsweep/harness/record"
)

// characters counts a character as a token.
func characters(text string) (int, error) { return utf8.RuneCountInString(text), nil }

// answered sends the n-th request and answers it well: events a millisecond apart, then the end.
func (s *stage) answered(n int, events ...string) record.Counted {
	script := []step{{at: time.Since(s.epoch), raw: headers}}
	for _, e := range append(events, done) {
		script = append(script, step{at: script[len(script)-1].at + ms, body: e})
	}
	script[len(script)-1].end = finish
	got := s.do(s.t.Context(), n, script)
	assert.Equal(s.t, record.OK, got.Outcome, "%+v", got.Error)
	return got.Counted
}

const (
	thinking = `data: {"choices":[{"index":0,"delta":{"reasoning":"let me see"}}]}` + "\n\n"
	thought  = `data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":9,"total_tokens":16,"completion_tokens_details":{"reasoning_tokens":4}}}` + "\n\n"
)

func counted(source record.TokenSource, osl, reasoning int) record.Counted {
	return record.Counted{ISL: 5, OSL: osl, Reasoning: reasoning, Source: source}
}

// Three whole answers with usage prove that the server counts: then no text is kept, and an answer without usage is counted by its
// chunks. That breaks the promise for good.
func TestTextIsNotKeptOfAServerThatCounts(t *testing.T) {
	inBubble(t, nil, func(s *stage) {
		for n := range 2 {
			assert.Equal(t, counted(record.FromServer, 9, 0), s.answered(n, text("one"), withUsage("", 9)))
		}
		assert.Equal(t, counted(record.FromServer, 9, 0), s.answered(2, text("one"), withUsage("", 9)))
		assert.Equal(t, counted(record.FromChunks, 2, 0), s.answered(3, text("one"), text("two")))
		for n := range 5 {
			assert.Equal(t, counted(record.FromTokenizer, 6, 0), s.answered(4+2*n, text("one"), text("two")))
			assert.Equal(t, counted(record.FromServer, 9, 0), s.answered(5+2*n, text("one"), withUsage("", 9)))
		}
	})
}

func TestTwoAnswersProveNothing(t *testing.T) {
	inBubble(t, nil, func(s *stage) {
		for n := range 2 {
			s.answered(n, text("one"), withUsage("", 9))
		}
		assert.Equal(t, counted(record.FromTokenizer, 6, 0), s.answered(2, text("one"), text("two")))
	})
}

// An answer that was cut owes no usage.
func TestCutAnswerBreaksNoPromise(t *testing.T) {
	inBubble(t, nil, func(s *stage) {
		for n := range 3 {
			s.answered(n, text("one"), withUsage("", 9))
		}
		got := s.do(s.t.Context(), 3, []step{{at: time.Since(s.epoch) + ms, raw: headers}, {body: text("one"), end: finish}})
		assert.Equal(t, record.Cut, got.Outcome)
		assert.Equal(t, counted(record.FromChunks, 1, 0), got.Counted)
		assert.Equal(t, counted(record.FromServer, 9, 0), s.answered(4, text("one"), withUsage("", 9)))
		assert.Equal(t, counted(record.FromChunks, 2, 0), s.answered(5, text("one"), text("two")), "the promise was still believed")
	})
}

func TestEachEndpointPromisesForItself(t *testing.T) {
	two := func(c *openai.Config) {
		c.Endpoints = append(c.Endpoints, &url.URL{Scheme: "http", Host: "other:80", Path: openai.ChatPath})
	}
	inBubble(t, two, func(s *stage) {
		for n := range 3 {
			s.answered(2*n, text("one"), withUsage("", 9))
		}
		assert.Equal(t, counted(record.FromTokenizer, 3, 0), s.answered(1, text("one")))
		assert.Equal(t, counted(record.FromChunks, 1, 0), s.answered(2, text("one")))
	})
}

// Reasoning is kept until the server has proved that it counts that too.
func TestReasoningIsKeptUntilTheServerCountsIt(t *testing.T) {
	inBubble(t, nil, func(s *stage) {
		for n := range 5 {
			assert.Equal(t, counted(record.FromServer, 19, len("let me see")), s.answered(n, thinking, text("one"), withUsage("", 19)))
		}
	})
	inBubble(t, nil, func(s *stage) {
		for n := range 3 {
			assert.Equal(t, counted(record.FromServer, 9, 4), s.answered(n, thinking, text("one"), thought))
		}
		assert.Equal(t, counted(record.FromServer, 9, 0), s.answered(3, text("one"), withUsage("", 9)), "nobody thought")
		assert.Equal(t, counted(record.FromChunks, 9, 2), s.answered(4, thinking, thinking, text("one"), withUsage("", 9)))
		assert.Equal(t, counted(record.FromServer, 19, len("let me see")), s.answered(5, thinking, text("one"), withUsage("", 19)))
	})
}

// A stream whose chunks carry usage needs no text from the first of them on. A count that the server takes back is not made up for.
func TestTextBehindUsageIsNotKept(t *testing.T) {
	inBubble(t, nil, func(s *stage) {
		assert.Equal(t, counted(record.FromServer, 2, 0), s.answered(0, withUsage("a", 1), text("long"), withUsage("b", 2)))
		assert.Equal(t, counted(record.FromChunks, 2, 0), s.answered(1, withUsage("a", 1), text("long"), withUsage("", 0)))
		assert.Equal(t, counted(record.FromServer, 20, len("let me see")), s.answered(2, withUsage("a", 1), thinking, withUsage("", 20)), "reasoning is kept")
	})
}

// TestChunksAreCountedWhereTheTokenizerFails, as a source of its own.
func TestChunksAreCountedWhereTheTokenizerFails(t *testing.T) {
	failing := func(c *openai.Config) { c.Count = func(string) (int, error) { return 0, errors.New("no answer") } }
	inBubble(t, failing, func(s *stage) {
		assert.Equal(t, counted(record.FromChunks, 3, 1), s.answered(0, thinking, text("one"), text("two")))
		assert.Equal(t, counted(record.FromChunks, 9, 2), s.answered(1, thinking, thinking, text("one"), withUsage("", 9)))
	})
}

// TestEstimateStandsBesideTheServersCount as long as text is kept.
func TestEstimateStandsBesideTheServersCount(t *testing.T) {
	inBubble(t, func(c *openai.Config) { c.Estimate = true }, func(s *stage) {
		for n, want := range []int{6, 6, 6, 0} {
			got := s.answered(n, text("one"), text("two"), withUsage("", 9))
			assert.Equal(t, record.Counted{ISL: 5, OSL: 9, Source: record.FromServer, Estimate: want}, got)
		}
	})
	inBubble(t, nil, func(s *stage) {
		assert.Zero(t, s.answered(0, text("one"), withUsage("", 9)).Estimate, "nobody asked for it")
	})
}
