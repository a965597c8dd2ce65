package openai

import (
	"bytes"
	"math"
	"sync/atomic"

	"github.com/llmsweep/llmsweep/harness/record"
)

// kept is the output of a stream, for a client that has to count its tokens itself. What the server counts is not kept: the rest of a
// stream whose own chunks carry usage, and the streams of an endpoint whose last answers all ended with it. Where usage then stays out,
// the chunks are counted, as a source of its own that reports warn of; from then on that endpoint's text is kept.
type kept struct {
	promise         *promise
	answer, thought output
}

// output is the visible or the reasoning part of a stream.
type output struct {
	text    []byte
	chunks  int  // that had any of it
	drops   bool // what comes from now on
	dropped bool // something was not kept
}

// maxText bounds what is kept of an answer without end, in bytes.
const maxText = 64 << 20

// begin forgets the last stream, its buffers too where a huge one made them so.
func (k *kept) begin(p *promise) {
	k.promise = p
	k.answer.begin(p.tokens.Load() >= proven)
	k.thought.begin(p.tokens.Load() >= proven && p.reasoning.Load() >= proven)
}

// all has everything kept.
func (k *kept) all() { k.answer.drops, k.thought.drops = false, false }

func (o *output) begin(drops bool) {
	const usual = 1 << 20
	text := o.text[:0]
	if cap(text) > usual {
		text = nil
	}
	*o = output{text: text, drops: drops}
}

// wants reports whether anything that comes is kept.
func (k *kept) wants() bool { return !k.answer.drops || !k.thought.drops }

// reported notes a usage that came with a chunk. Reasoning is counted by the server only if it says so.
func (k *kept) reported(u *record.Usage) {
	k.answer.drops = k.answer.drops || u.CompletionTokens > 0
	k.thought.drops = k.thought.drops || u.ReasoningTokens > 0
}

func (o *output) add(b []byte) {
	if len(b) == 0 {
		return
	}
	o.chunks++
	o.drops = o.drops || len(o.text)+len(b) > maxText
	if o.drops {
		o.dropped = true
		return
	}
	o.text = append(o.text, b...)
}

// promise is what the whole answers of an endpoint showed: how many in a row said how many tokens they have, and, of those with
// reasoning, how many tokens that was. One that did not makes the number negative for good.
type promise struct{ tokens, reasoning atomic.Int32 }

// proven is after how many answers the server is expected to go on counting.
const proven = 3

func (c *Client) promiseOf(endpoint string) *promise {
	p, ok := c.promises.Load(endpoint)
	if !ok {
		p, _ = c.promises.LoadOrStore(endpoint, new(promise))
	}
	return p.(*promise)
}

// observe takes a whole answer.
func (p *promise) observe(counted, reasoned, reasoningCounted bool) {
	note := func(n *atomic.Int32, held bool) {
		if !held {
			n.Store(math.MinInt32)
		} else if n.Load() < proven {
			n.Add(1)
		}
	}
	note(&p.tokens, counted)
	if reasoned {
		note(&p.reasoning, reasoningCounted)
	}
}

// count fills the token counts: from the server's usage if it came, else by tokenizing what was kept, else from the chunks.
func (st *stream) count() {
	if st.sample == nil {
		return // no stream came
	}
	s, k := st.sample, st.kept
	if len(s.ChunkTokens) != len(s.ChunksNS) {
		s.ChunkTokens = nil // known of some chunks only
	}
	st.countOutput()
	c := &s.Counted
	if c.ClientISL > 0 && s.Usage != nil && s.Usage.PromptTokens > 0 {
		c.ISL = s.Usage.PromptTokens
	}
	if st.whole {
		k.promise.observe(fromServer(s), k.thought.chunks > 0, fromServer(s) && s.Usage.ReasoningTokens > 0)
	}
}

// fromServer reports whether the server counted the answer.
func fromServer(s *record.Sample) bool { return s.Usage != nil && s.Usage.CompletionTokens > 0 }

// countOutput fills the token counts of the answer.
func (st *stream) countOutput() {
	s, k, c := st.sample, st.kept, &st.sample.Counted
	switch {
	case fromServer(s):
		c.Source, c.OSL, c.Reasoning = record.FromServer, s.Usage.CompletionTokens, s.Usage.ReasoningTokens
		if c.Reasoning == 0 {
			st.countReasoning()
		}
		if st.x.client.config.Estimate && !k.answer.dropped && !k.thought.dropped {
			c.Estimate, _, _ = st.x.client.countKept(k)
		}
	case k.answer.dropped || k.thought.dropped:
		c.Source, c.OSL, c.Reasoning = record.FromChunks, len(s.ChunksNS), k.thought.chunks
	default:
		var ok bool
		c.Source = record.FromTokenizer
		if c.OSL, c.Reasoning, ok = st.x.client.countKept(k); !ok {
			c.Source, c.OSL, c.Reasoning = record.FromChunks, len(s.ChunksNS), k.thought.chunks
		}
	}
}

// countReasoning counts the reasoning in an output whose tokens the server counted without saying how many of them are.
func (st *stream) countReasoning() {
	c, thought := &st.sample.Counted, &st.kept.thought
	n, ok := st.x.client.countTokens(thought.text)
	if thought.dropped || !ok {
		c.Source, n = record.FromChunks, thought.chunks
	}
	c.Reasoning = min(n, c.OSL)
}

// countKept gives the tokens of what was kept, and how many of them are reasoning; ok is false, and they are 0, where they cannot be counted.
func (c *Client) countKept(k *kept) (all, reasoning int, ok bool) {
	reasoning, ok1 := c.countTokens(k.thought.text)
	answer, ok2 := c.countTokens(k.answer.text)
	if !ok1 || !ok2 {
		return 0, 0, false
	}
	return reasoning + answer, reasoning, true
}

func (c *Client) countTokens(text []byte) (n int, ok bool) {
	if len(text) == 0 || c.config.Count == nil {
		return 0, true
	}
	n, err := c.config.Count(string(bytes.ToValidUTF8(text, []byte("\uFFFD"))))
	return n, err == nil
}
