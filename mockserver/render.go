package mockserver

import (
	"encoding/binary"
	"encoding/hex"
	"strconv"
)

const (
	openEvent  = "data: "
	closeEvent = "\n\n"
	doneEvent  = "data: [DONE]\n\n"
)

// renderer writes the JSON of one answer. All but the words is fixed when it is
// made, so that a token costs three copies.
type renderer struct {
	speaker
	call    *call
	head    []byte // of a document, up to its object
	created []byte // from there to the choices
	choices []choice
	open    int  // choices that have not ended
	written int  // tokens of all choices
	cached  int  // prompt tokens found in the cache, for the usage
	held    bool // the ends of choices wait for a fault
}

// choice is one of the answers to a request.
type choice struct {
	script
	index    int
	fragment []byte // of an event, up to what the choice says
	written  int    // tokens
	events   int    // that they were written in, empty ones too
	ended    bool   // the event that says so is written
}

// newRenderer makes the renderer of the answer to a request. Its choices have the numbers from
// first on.
func (s *Server) newRenderer(c *call, first uint64, created int64) *renderer {
	d := &renderer{call: c, speaker: speaker{kind: c.kind, seed: uint64(s.options.Seed), words: s.words}}
	d.head = append(d.head, `{"id":"`...)
	d.head = append(d.head, d.pick("chatcmpl-", "cmpl-")...)
	d.head = d.appendID(d.head, first)
	d.head = append(d.head, `","object":"`...)
	d.created = append(d.created, `","created":`...)
	d.created = strconv.AppendInt(d.created, created, 10)
	d.created = append(d.created, `,"model":`...)
	d.created = append(d.created, s.model...)
	d.created = append(d.created, `,"choices":[`...)
	d.choices = make([]choice, len(c.prompts)*c.n)
	d.open = len(d.choices)
	for k := range d.choices {
		ch := &d.choices[k]
		ch.script, ch.index = s.newScript(c, first+uint64(k)), k
		ch.fragment = make([]byte, 0, len(openEvent)+len(d.head)+len(d.created)+64)
		ch.fragment = d.appendOpen(ch.fragment)
		ch.fragment = append(ch.fragment, `{"index":`...)
		ch.fragment = strconv.AppendInt(ch.fragment, int64(k), 10)
		ch.fragment = append(ch.fragment, d.pick(`,"delta":{`, `,"text":"`)...)
	}
	return d
}

// pick is the one of two that belongs to the kind of the call.
func (d *renderer) pick(ofChat, ofText string) string {
	if d.kind == chat {
		return ofChat
	}
	return ofText
}

// id is the answer's, as in its documents.
func (d *renderer) id() string {
	const before = len(`{"id":"`)
	return string(d.head[before : len(d.head)-len(`","object":"`)])
}

// appendID writes 32 hexadecimal digits that depend on seed and request number.
func (d *renderer) appendID(b []byte, number uint64) []byte {
	var id [16]byte
	binary.BigEndian.PutUint64(id[:8], random(d.seed, number, drawID))
	binary.BigEndian.PutUint64(id[8:], random(d.seed, number, drawIDRest))
	return hex.AppendEncode(b, id[:])
}

// appendOpen begins the event of a chunk, up to its list of choices.
func (d *renderer) appendOpen(b []byte) []byte {
	b = append(b, openEvent...)
	b = append(b, d.head...)
	b = append(b, d.pick("chat.completion.chunk", "text_completion")...)
	return append(b, d.created...)
}

// appendReady writes what is ready and not written yet, about as many tokens as most at a
// time.
func (d *renderer) appendReady(b []byte, p *progress, most int) []byte {
	d.cached = p.cached
	for k := range d.choices {
		c := &d.choices[k]
		for c.written < p.ready[k] && most > 0 {
			from := c.written
			to := from + 1
			if p.ends != nil {
				to = p.ends[k][c.events]
			}
			b = d.appendEvent(b, c, from, to)
			c.events++
			most -= to - from
		}
		if c.written == c.tokens && !c.ended && !d.held {
			c.ended = true
			d.open--
			b = d.appendFinish(b, c)
		}
	}
	if d.open > 0 {
		return b
	}
	return d.appendEnd(b)
}

// appendEvent writes the event of the tokens from one to before another, unless they have
// no text, and before the first one of a chat that of the role.
func (d *renderer) appendEvent(b []byte, c *choice, from, to int) []byte {
	if from == 0 && d.kind == chat {
		b = append(b, c.fragment...)
		b = append(b, `"role":"assistant","content":`...)
		if d.call.function != nil {
			b = append(b, `null`...)
		} else {
			b = append(b, `""`...)
		}
		b = d.appendClose(b, "}")
	}
	c.written += to - from
	d.written += to - from
	start := len(b)
	b = append(b, c.fragment...)
	said := len(b)
	switch {
	case d.call.function != nil:
		b = d.appendCall(b, c, from, to)
	case d.kind == text:
		b = d.appendTexts(b, c, from, to)
	default:
		b = d.appendDelta(b, c, from, to)
	}
	if len(b) == said {
		return b[:start]
	}
	return d.appendClose(b, d.pick(`}`, `"`))
}

// appendClose ends the event of a choice that goes on.
func (d *renderer) appendClose(b []byte, content string) []byte {
	b = append(b, content...)
	b = append(b, `,"finish_reason":null,"logprobs":null}]`...)
	b = d.appendRunningUsage(b)
	return append(b, '}', '\n', '\n')
}

// appendRunningUsage writes the usage of an event that is not the last. As OpenAI has it, it is null where only
// the last one tells.
func (d *renderer) appendRunningUsage(b []byte) []byte {
	switch {
	case !d.call.usage:
		return b
	case !d.call.continuous:
		return append(b, `,"usage":null`...)
	default:
		return d.appendUsage(append(b, ','))
	}
}

func (d *renderer) appendTexts(b []byte, c *choice, from, to int) []byte {
	for k := from; k < to; k++ {
		b = d.appendText(b, &c.script, k)
	}
	return b
}

// appendDelta writes thoughts and content as members of a delta, those of the two that have text.
func (d *renderer) appendDelta(b []byte, c *choice, from, to int) []byte {
	start := len(b)
	turn := min(max(from, c.thought), to)
	b = d.appendMember(b, c, `"reasoning_content":"`, from, turn)
	if len(b) > start && turn < to {
		b = append(b, ',')
	}
	return d.appendMember(b, c, `"content":"`, turn, to)
}

func (d *renderer) appendMember(b []byte, c *choice, name string, from, to int) []byte {
	start := len(b)
	b = append(b, name...)
	said := len(b)
	if b = d.appendTexts(b, c, from, to); len(b) == said {
		return b[:start]
	}
	return append(b, '"')
}

// appendCall writes a part of a function's call as a member of a delta. The first token is
// the name.
func (d *renderer) appendCall(b []byte, c *choice, from, to int) []byte {
	b = append(b, `"tool_calls":[{"index":0,`...)
	if from == 0 {
		b = d.appendCallHead(b, c)
	} else {
		b = append(b, `"function":{`...)
	}
	b = append(b, `"arguments":"`...)
	b = d.appendPieces(b, max(from, 1), to)
	return append(b, `"}}]`...)
}

func (d *renderer) appendCallHead(b []byte, c *choice) []byte {
	b = append(b, `"id":"call_`...)
	b = strconv.AppendUint(b, random(d.seed, c.number, drawCall)|1<<63, 16)
	b = append(b, `","type":"function","function":{"name":`...)
	b = append(b, d.call.function.name...)
	return append(b, ',')
}

// appendPieces writes tokens of a function's arguments. Blanks follow where the answer must be
// longer than them.
func (d *renderer) appendPieces(b []byte, from, to int) []byte {
	for k := from; k < to; k++ {
		if pieces := d.call.function.pieces; k <= len(pieces) {
			b = append(b, pieces[k-1]...)
		} else {
			b = append(b, ' ')
		}
	}
	return b
}

// appendFinish writes the event that ends a choice.
func (d *renderer) appendFinish(b []byte, c *choice) []byte {
	b = append(b, c.fragment...)
	b = append(b, d.pick(`}`, `"`)...)
	b = append(b, `,"finish_reason":"`...)
	b = append(b, c.finish...)
	b = append(b, `","logprobs":null}]`...)
	b = d.appendRunningUsage(b)
	return append(b, '}', '\n', '\n')
}

// appendEnd writes what follows the last choice of a stream.
func (d *renderer) appendEnd(b []byte) []byte {
	if d.call.usage {
		b = d.appendOpen(b)
		b = append(b, `],`...)
		b = d.appendUsage(b)
		b = append(b, '}')
		b = append(b, closeEvent...)
	}
	return append(b, doneEvent...)
}

// appendWhole writes the document of an answer that is not streamed.
func (d *renderer) appendWhole(b []byte, p *progress) []byte {
	d.cached = p.cached
	b = append(b, d.head...)
	b = append(b, d.pick("chat.completion", "text_completion")...)
	b = append(b, d.created...)
	for k := range d.choices {
		c := &d.choices[k]
		c.written = c.tokens
		d.written += c.tokens
		if k > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"index":`...)
		b = strconv.AppendInt(b, int64(k), 10)
		if d.kind == text {
			b = append(b, `,"text":"`...)
			b = append(d.appendTexts(b, c, 0, c.tokens), '"')
		} else {
			b = append(b, `,"message":`...)
			b = d.appendMessage(b, c)
		}
		b = append(b, `,"finish_reason":"`...)
		b = append(b, c.finish...)
		b = append(b, `","logprobs":null}`...)
	}
	b = append(b, "],"...)
	b = d.appendUsage(b)
	return append(b, "}\n"...)
}

func (d *renderer) appendMessage(b []byte, c *choice) []byte {
	b = append(b, `{"role":"assistant","content":`...)
	if d.call.function != nil {
		b = append(b, `null,"tool_calls":[{`...)
		b = d.appendCallHead(b, c)
		b = append(b, `"arguments":"`...)
		b = d.appendPieces(b, 1, c.tokens)
		return append(b, `"}}]}`...)
	}
	b = append(b, '"')
	b = d.appendTexts(b, c, c.thought, c.tokens)
	b = append(b, '"')
	if c.thought > 0 {
		b = append(b, `,"reasoning_content":"`...)
		b = d.appendTexts(b, c, 0, c.thought)
		b = append(b, '"')
	}
	return append(b, '}')
}

// appendUsage writes the usage as far as the answer is written.
func (d *renderer) appendUsage(b []byte) []byte {
	prompt := d.call.promptTokens()
	b = append(b, `"usage":{"prompt_tokens":`...)
	b = strconv.AppendInt(b, int64(prompt), 10)
	b = append(b, `,"completion_tokens":`...)
	b = strconv.AppendInt(b, int64(d.written), 10)
	b = append(b, `,"total_tokens":`...)
	b = strconv.AppendInt(b, int64(prompt+d.written), 10)
	b = append(b, `,"prompt_tokens_details":{"cached_tokens":`...)
	b = strconv.AppendInt(b, int64(d.cached), 10)
	b = append(b, '}')
	if thought := d.thought(); thought > 0 {
		b = append(b, `,"completion_tokens_details":{"reasoning_tokens":`...)
		b = strconv.AppendInt(b, int64(thought), 10)
		b = append(b, '}')
	}
	return append(b, '}')
}

// thought is how many of the written tokens are thought.
func (d *renderer) thought() int {
	n := 0
	for k := range d.choices {
		n += min(d.choices[k].thought, d.choices[k].written)
	}
	return n
}
