package openai

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/llmsweep/llmsweep/harness/record"
)

// An answer without end is kept up to a bound; what is beyond it makes the text useless, and is not made up for by what would fit.
func TestKeptTextIsBounded(t *testing.T) {
	var o output
	o.begin(false)
	piece := make([]byte, maxText/4)
	for range 4 {
		o.add(piece)
	}
	assert.False(t, o.dropped)
	assert.Len(t, o.text, maxText)
	o.add([]byte("x"))
	assert.True(t, o.dropped)
	assert.Len(t, o.text, maxText)
	o.begin(false)
	assert.Zero(t, cap(o.text), "a huge buffer is not used again")
	assert.False(t, o.dropped)
}

func TestNothingIsKeptOfWhatTheServerCounts(t *testing.T) {
	var p promise
	var k kept
	for range proven {
		k.begin(&p)
		assert.True(t, k.wants())
		p.observe(true, true, true)
	}
	k.begin(&p)
	assert.False(t, k.wants())
	k.answer.add([]byte("a"))
	k.thought.add([]byte("b"))
	assert.Empty(t, k.answer.text)
	assert.Empty(t, k.thought.text)
	k.begin(new(promise))
	k.reported(&record.Usage{CompletionTokens: 1})
	assert.True(t, k.answer.drops)
	assert.False(t, k.thought.drops)
	k.reported(&record.Usage{CompletionTokens: 1, ReasoningTokens: 1})
	assert.False(t, k.wants())
}
