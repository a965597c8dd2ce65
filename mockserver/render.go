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
	call     call
	number   uint64 // of the request
	seed     uint64
	words    []string
	head     []byte // of a document, up to its object
	created  []byte // from there to the choices
	fragment []byte // of a token's event, up to its word
	cached   int    // prompt tokens found in the cache, for the usage
}

// newRenderer makes the renderer of the answer to request number.
func (s *Server) newRenderer(c call, number uint64, created int64) *renderer {
	d := &renderer{call: c, number: number, seed: uint64(s.options.Seed), words: s.words}
	d.head = append(d.head, `{"id":"`...)
	d.head = append(d.head, d.pick("chatcmpl-", "cmpl-")...)
	d.head = d.appendID(d.head)
	d.head = append(d.head, `","object":"`...)
	d.created = append(d.created, `","created":`...)
	d.created = strconv.AppendInt(d.created, created, 10)
	d.created = append(d.created, `,"model":`...)
	d.created = append(d.created, s.model...)
	d.created = append(d.created, `,"choices":[`...)
	d.fragment = d.appendOpen(nil)
	d.fragment = append(d.fragment, `{"index":0,`...)
	d.fragment = append(d.fragment, d.pick(`"delta":{"content":"`, `"text":"`)...)
	return d
}

// pick is the one of two that belongs to the kind of the call.
func (d *renderer) pick(ofChat, ofText string) string {
	if d.call.kind == chat {
		return ofChat
	}
	return ofText
}

// appendID writes 32 hexadecimal digits that depend on seed and request number.
// Words count from 0, so the two highest indexes are free for it.
func (d *renderer) appendID(b []byte) []byte {
	var id [16]byte
	binary.BigEndian.PutUint64(id[:8], random(d.seed, d.number, ^uint64(0)))
	binary.BigEndian.PutUint64(id[8:], random(d.seed, d.number, ^uint64(1)))
	return hex.AppendEncode(b, id[:])
}

// appendOpen begins the event of a chunk, up to its list of choices.
func (d *renderer) appendOpen(b []byte) []byte {
	b = append(b, openEvent...)
	b = append(b, d.head...)
	b = append(b, d.pick("chat.completion.chunk", "text_completion")...)
	return append(b, d.created...)
}

// appendToken writes the event of a token, before the first one of a chat that
// of the role.
func (d *renderer) appendToken(b []byte, index int) []byte {
	if index == 0 && d.call.kind == chat {
		b = d.appendOpen(b)
		b = append(b, `{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null,"logprobs":null}]}`...)
		b = append(b, closeEvent...)
	}
	b = append(b, d.fragment...)
	b = d.appendWord(b, index)
	b = append(b, d.pick(`"},`, `",`)...)
	return append(b, `"finish_reason":null,"logprobs":null}]}`+closeEvent...)
}

// appendWord writes the word of a token with the blank before it.
func (d *renderer) appendWord(b []byte, index int) []byte {
	if index > 0 || d.call.kind == text {
		b = append(b, ' ')
	}
	return append(b, d.words[random(d.seed, d.number, uint64(index))%uint64(len(d.words))]...)
}

// appendEnd writes what follows the last token of a stream.
func (d *renderer) appendEnd(b []byte) []byte {
	b = d.appendOpen(b)
	b = append(b, `{"index":0,`...)
	b = append(b, d.pick(`"delta":{},`, `"text":"",`)...)
	b = append(b, `"finish_reason":"length","logprobs":null}]}`+closeEvent...)
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
func (d *renderer) appendWhole(b []byte) []byte {
	b = append(b, d.head...)
	b = append(b, d.pick("chat.completion", "text_completion")...)
	b = append(b, d.created...)
	b = append(b, `{"index":0,`...)
	b = append(b, d.pick(`"message":{"role":"assistant","content":"`, `"text":"`)...)
	for i := range d.call.length {
		b = d.appendWord(b, i)
	}
	b = append(b, d.pick(`"},`, `",`)...)
	b = append(b, `"finish_reason":"length","logprobs":null}],`...)
	b = d.appendUsage(b)
	return append(b, "}\n"...)
}

func (d *renderer) appendUsage(b []byte) []byte {
	b = append(b, `"usage":{"prompt_tokens":`...)
	b = strconv.AppendInt(b, int64(d.call.prompt), 10)
	b = append(b, `,"completion_tokens":`...)
	b = strconv.AppendInt(b, int64(d.call.length), 10)
	b = append(b, `,"total_tokens":`...)
	b = strconv.AppendInt(b, int64(d.call.prompt+d.call.length), 10)
	b = append(b, `,"prompt_tokens_details":{"cached_tokens":`...)
	b = strconv.AppendInt(b, int64(d.cached), 10)
	return append(b, `}}`...)
}
