package openai

import (
	"bytes"
	"errors"
	"fmt"
	"math"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/valyala/fastjson"
)

// stream follows the events of one response. On the way of a token no JSON is decoded: the scanner sees whether an event has content, and
// only one that says more, or something unusual, is parsed.
type stream struct {
	x      *exchange
	sample *record.Sample // nil until a stream came
	kept   *kept

	events      int  // that carried JSON
	done        bool // [DONE] was seen
	whole       bool // the answer ended well
	countedUpTo int  // completion tokens up to the last content chunk that had a usage
}

func (st *stream) init(x *exchange) {
	st.x, st.sample, st.kept = x, x.sample, &x.scratch.kept
	st.kept.begin(x.client.promiseOf(x.sample.Endpoint))
}

// event takes one server-sent event.
func (st *stream) event(name, data []byte) error {
	switch {
	case st.done:
		return nil // trailing bytes after the end marker
	case string(name) == "error":
		return st.errorEvent(data)
	case len(data) == 0:
		return nil // a keep-alive
	}
	if scan := &st.x.scratch.scanner; scan.look(data) && st.understood(scan) {
		return nil
	}
	if string(bytes.TrimSpace(data)) == "[DONE]" {
		st.done = true
		st.x.watch.enter(finishing, st.x.now)
		return nil
	}
	return st.parse(name, data)
}

// understood takes an event that the scanner has accepted. It reports false if the event must be parsed all the same, for its text.
func (st *stream) understood(scan *scanner) bool {
	if scan.escaped && st.kept.wants() {
		return false
	}
	st.events++
	st.x.watch.touch(st.x.now)
	if len(scan.reason) > 0 {
		st.sample.FinishReason = finishReason(scan.reason)
	}
	if scan.chose {
		st.chunk(st.seen(scan))
	}
	return true
}

// recall takes the events at the beginning of p that are like the last one, and returns the rest.
func (st *stream) recall(p []byte) []byte {
	scan := &st.x.scratch.scanner
	for !st.done && st.x.scratch.decoder.AtBoundary() {
		n := scan.recallWhole(p)
		if n == 0 || !st.understood(scan) {
			break
		}
		p = p[n:]
	}
	return p
}

// parse decodes an event that the scanner left.
func (st *stream) parse(name, data []byte) error {
	v, err := st.x.scratch.parser.ParseBytes(data)
	if err != nil && len(name) > 0 {
		return nil // chunks have no name: what has one is an annotation
	}
	st.events++
	if err != nil {
		return &failure{outcome: record.Malformed, reason: record.BadJSON, err: fmt.Errorf("event %d %q: %w", st.events, excerpt(data, 200), err)}
	}
	st.x.watch.touch(st.x.now)
	if e := errorObject(v); e != nil {
		return &failure{outcome: record.StreamError, reason: record.ErrorObject, err: errors.New(excerpt(e.MarshalTo(nil), maxErrorBody))}
	}
	st.usage(v.Get("usage"), st.choice(v, "delta"))
	return nil
}

// errorEvent is an event named error. Some servers put its message into a comment.
func (st *stream) errorEvent(data []byte) error {
	if len(data) == 0 {
		data = st.x.scratch.decoder.Comment()
	}
	return &failure{outcome: record.StreamError, reason: record.ErrorEvent, err: errors.New(excerpt(data, maxErrorBody))}
}

// errorObject finds the error that takes a chunk's place, as the member "error" or as the whole object, nil if there is none.
func errorObject(v *fastjson.Value) *fastjson.Value {
	if e := v.Get("error"); e != nil && e.Type() != fastjson.TypeNull {
		return e
	}
	if string(v.GetStringBytes("object")) == "error" {
		return v
	}
	return nil
}

// choice looks at the first choice; further choices are not ours. message is the name of what a chat puts into it. It reports whether there is
// content.
func (st *stream) choice(v *fastjson.Value, message string) bool {
	choice := v.Get("choices", "0")
	if choice == nil || choice.GetInt("index") != 0 {
		return false
	}
	if reason := choice.GetStringBytes("finish_reason"); len(reason) > 0 {
		st.sample.FinishReason = finishReason(reason)
	}
	if st.x.client.config.Completions {
		text := choice.GetStringBytes("text")
		st.kept.answer.add(text)
		return st.chunk(len(text) > 0, false)
	}
	return st.chunk(st.delta(choice.Get(message)))
}

// finishReason is the string, of which the usual ones are not allocated for each request.
func finishReason(reason []byte) string {
	switch string(reason) {
	case "stop":
		return "stop"
	case "length":
		return "length"
	case "tool_calls":
		return "tool_calls"
	}
	return excerpt(reason, maxFinishReason)
}

// maxFinishReason bounds what is kept of a finish_reason, in bytes: it is a word.
const maxFinishReason = 100

// chunk notes what an event has: text or a tool call, and reasoning. It reports whether there was any.
func (st *stream) chunk(visible, reasoned bool) bool {
	if visible && st.sample.FirstVisibleNS == record.Never {
		st.sample.FirstVisibleNS = st.x.now
	}
	if !visible && !reasoned {
		st.sample.EmptyNS = append(st.sample.EmptyNS, st.x.now)
		return false
	}
	if len(st.sample.ChunksNS) == 0 {
		st.x.watch.enter(streaming, st.x.now)
		if first := st.x.client.config.FirstToken; first != nil {
			first()
		}
	}
	st.sample.ChunksNS = append(st.sample.ChunksNS, st.x.now)
	if live := st.x.client.config.Chunks; live != nil {
		live.Add(1)
	}
	return true
}

// seen takes what the scanner found.
func (st *stream) seen(scan *scanner) (visible, reasoned bool) {
	thought := scan.thought()
	st.kept.thought.add(thought)
	for _, p := range [...]piece{content, toolName, toolArguments} {
		st.kept.answer.add(scan.found[p])
	}
	return scan.visible(), len(thought) > 0
}

// delta takes the same from a delta that was decoded, with any number of tool calls.
func (st *stream) delta(delta *fastjson.Value) (visible, reasoned bool) {
	thought := delta.GetStringBytes("reasoning_content")
	if len(thought) == 0 {
		thought = delta.GetStringBytes("reasoning")
	}
	st.kept.thought.add(thought)
	text := func(b []byte) {
		visible = visible || len(b) > 0
		st.kept.answer.add(b)
	}
	text(delta.GetStringBytes("content"))
	for _, tool := range delta.GetArray("tool_calls") {
		text(tool.GetStringBytes("function", "name"))
		text(tool.GetStringBytes("function", "arguments"))
	}
	return visible, len(thought) > 0
}

// usage keeps the last usage object. Where a content chunk has one, the difference to the one before is the chunk's tokens, unless
// the server takes tokens back.
func (st *stream) usage(v *fastjson.Value, content bool) {
	if v == nil || v.Type() != fastjson.TypeObject || !(v.Exists("completion_tokens") || v.Exists("output_tokens")) {
		return
	}
	u := st.sample.Usage
	if u == nil {
		u = new(record.Usage)
		st.sample.Usage = u
	}
	cached := u.CachedTokens
	for _, path := range [][]string{{"prompt_tokens_details", "cached_tokens"}, {"cache_read_input_tokens"}, {"prompt_cache_hit_tokens"}} {
		if v.Exists(path...) {
			if cached == nil {
				cached = new(int)
			}
			*cached = tokens(v, path...)
			break
		}
	}
	*u = record.Usage{
		PromptTokens:     max(tokens(v, "prompt_tokens"), tokens(v, "input_tokens")),
		CompletionTokens: max(tokens(v, "completion_tokens"), tokens(v, "output_tokens")),
		TotalTokens:      tokens(v, "total_tokens"),
		CachedTokens:     cached,
		ReasoningTokens:  tokens(v, "completion_tokens_details", "reasoning_tokens"),

		CacheWriteTokens:         tokens(v, "cache_creation_input_tokens"),
		CacheMissTokens:          tokens(v, "prompt_cache_miss_tokens"),
		PromptAudioTokens:        tokens(v, "prompt_tokens_details", "audio_tokens"),
		CompletionAudioTokens:    tokens(v, "completion_tokens_details", "audio_tokens"),
		AcceptedPredictionTokens: tokens(v, "completion_tokens_details", "accepted_prediction_tokens"),
		RejectedPredictionTokens: tokens(v, "completion_tokens_details", "rejected_prediction_tokens"),
	}
	st.kept.reported(u)
	if content && u.CompletionTokens >= st.countedUpTo {
		st.sample.ChunkTokens = append(st.sample.ChunkTokens, u.CompletionTokens-st.countedUpTo)
		st.countedUpTo = u.CompletionTokens
	}
}

// tokens reads a count; nonsense (negative, fractional, huge) is 0.
func tokens(v *fastjson.Value, path ...string) int {
	n := v.GetInt(path...)
	if n < 0 || n > math.MaxInt32 {
		return 0
	}
	return n
}

// finish judges the end of the stream. err is what the reading or the last, unfinished event ended with, nil for a clean end.
func (st *stream) finish(err error) error {
	if err != nil {
		var f *failure
		if errors.As(err, &f) {
			if f.outcome == record.StreamError || (f.reason == record.Encoded || f.reason == record.TooLarge) && !st.done {
				return f
			}
			err = fmt.Errorf("the stream ended within an event: %w", f.err)
		}
	}
	complete := st.done || (err == nil && st.sample.FinishReason != "")
	switch {
	case !complete && err == nil:
		err = errors.New("the stream ended without finish_reason and [DONE]")
		fallthrough
	case !complete:
		return &failure{outcome: record.Cut, reason: cutReason(len(st.sample.ChunksNS)), err: err}
	case len(st.sample.ChunksNS) == 0:
		return &failure{outcome: record.Malformed, reason: record.NoContent, err: errors.New("the stream ended without a content chunk")}
	}
	st.whole = true
	return nil
}

func cutReason(chunks int) record.Reason {
	if chunks == 0 {
		return record.CutBeforeToken
	}
	return record.CutAfterToken
}
