package openai_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/openai"
	"github.com/llmsweep/llmsweep/harness/record"
)

const (
	role  = `data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}` + "\n\n"
	empty = `data: {"choices":[{"index":0,"delta":{"content":""}}],"usage":null}` + "\n\n"
	stop  = `data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n"
	done  = "data: [DONE]\n\n"
)

// delta is an event with the given members of a delta.
func delta(members string) string {
	return `data: {"choices":[{"index":0,"delta":{` + members + `}}]}` + "\n\n"
}

func text(s string) string { return delta(fmt.Sprintf(`"content":%q`, s)) }

// withUsage is a text event that carries the tokens so far.
func withUsage(s string, completion int) string {
	return fmt.Sprintf(`data: {"choices":[{"index":0,"delta":{"content":%q}}],"usage":{"prompt_tokens":7,"completion_tokens":%d,"total_tokens":%d}}`+"\n\n", s, completion, 7+completion)
}

func usage(completion int) *record.Usage {
	return &record.Usage{PromptTokens: 7, CompletionTokens: completion, TotalTokens: 7 + completion}
}

// answered says that chunks came at the given instants, in ms, the first of them with visible text, and that the response began with
// the event at 20 ms and ended at 90 ms.
func answered(s *record.Sample, osl int, chunks ...int64) {
	s.FirstByteNS = stamp(20 * ms)
	s.EndNS = stamp(90 * ms)
	s.ChunksNS = stamps(chunks...)
	s.FirstVisibleNS = s.ChunksNS[0]
	s.Counted.OSL = osl
}

// ended is the usual end of a script.
func ended() step { return step{at: 90 * ms, body: done, end: finish} }

func TestAnswers(t *testing.T) {
	for _, c := range []scene{
		{
			name:   "text, counted by the client",
			script: stream(step{at: 20 * ms, body: text("one")}, step{at: 31 * ms, body: text("two")}, ended()),
			want:   func(s *record.Sample) { answered(s, 6, 20, 31) },
		},
		{
			name: "role first, empty in the middle, finish reason without content",
			script: stream(step{at: 20 * ms, body: role}, step{at: 30 * ms, body: text("a")}, step{at: 40 * ms, body: empty},
				step{at: 45 * ms, body: delta(`"content":null`)}, step{at: 50 * ms, body: text("b")}, step{at: 60 * ms, body: stop}, ended()),
			want: func(s *record.Sample) { answered(s, 2, 30, 50); s.FinishReason = "stop" },
		},
		{
			name:   "several events in one read share its stamp",
			script: stream(step{at: 20 * ms, body: role + text("a") + text("b")}, step{at: 30 * ms, body: text("c") + text("d") + done, end: finish}),
			want:   func(s *record.Sample) { answered(s, 4, 20, 20, 30, 30); s.EndNS = stamp(30 * ms) },
		},
		{
			name:   "the whole response in one read",
			script: []step{{at: 20 * ms, raw: headers + chunked(role+text("whole")+stop), body: done, end: finish}},
			want: func(s *record.Sample) {
				answered(s, 5, 20)
				s.HeadersNS, s.EndNS, s.FinishReason = stamp(20*ms), stamp(20*ms), "stop"
				s.BytesReceived += int64(len(role + text("whole") + stop))
			},
		},
		{
			name: "an event in three reads belongs to the last",
			script: stream(step{at: 20 * ms, body: text("abc")[:9]}, step{at: 30 * ms, body: text("abc")[9:40]},
				step{at: 40 * ms, body: text("abc")[40:]}, ended()),
			want: func(s *record.Sample) { answered(s, 3, 40) },
		},
		{
			name:   "a blank line that comes later than its event",
			script: stream(step{at: 20 * ms, body: strings.TrimSuffix(text("a"), "\n")}, step{at: 33 * ms, body: "\n"}, ended()),
			want:   func(s *record.Sample) { answered(s, 1, 33) },
		},
		{
			name: "a character split between reads, and one between chunks",
			script: stream(step{at: 20 * ms, body: strings.Split(text("x日y"), "\xa5")[0]},
				step{at: 30 * ms, body: "\xa5" + strings.Split(text("x日y"), "\xa5")[1]},
				step{at: 40 * ms, body: delta("\"content\":\"\xe6\x97\"")}, step{at: 50 * ms, body: delta("\"content\":\"\xa5\"")},
				step{at: 60 * ms, body: delta("\"content\":\"\xff\xfe\"")}, ended()),
			want: func(s *record.Sample) { answered(s, 5, 30, 40, 50, 60) },
		},
		{
			name:   "CRLF",
			script: stream(step{at: 20 * ms, body: strings.ReplaceAll(role+text("a"), "\n", "\r\n")}, step{at: 90 * ms, body: "data: [DONE]\r\n\r\n", end: finish}),
			want:   func(s *record.Sample) { answered(s, 1, 20) },
		},
		{
			name:   "comments are nothing but bytes",
			script: stream(step{at: 20 * ms, body: ": ping\n\n"}, step{at: 40 * ms, body: text("a")}, step{at: 50 * ms, body: ": ping\n\n:\n\n"}, ended()),
			want:   func(s *record.Sample) { answered(s, 1, 40) },
		},
		{
			name: "named events that are no chunks",
			script: stream(step{at: 20 * ms, body: "event: ping\n\n" + "event: note\n: \"text\"\n\n" + "event: note\ndata: not JSON\n\n" + "data\n\n"},
				step{at: 40 * ms, body: "event: chunk\n" + text("a")}, ended()),
			want: func(s *record.Sample) { answered(s, 1, 40) },
		},
		{
			name:   "no blank line after the end marker",
			script: stream(step{at: 20 * ms, body: text("a")}, step{at: 90 * ms, body: "data: [DONE]", end: finish}),
			want:   func(s *record.Sample) { answered(s, 1, 20) },
		},
		{
			name:   "no space before the end marker, some after it",
			script: stream(step{at: 20 * ms, body: text("a")}, step{at: 90 * ms, body: "data:[DONE] \n\n", end: finish}),
			want:   func(s *record.Sample) { answered(s, 1, 20) },
		},
		{
			name:   "whatever comes after the end marker",
			script: stream(step{at: 20 * ms, body: text("a")}, step{at: 30 * ms, body: done + text("b") + "data: {not JSON\n\n" + `data: {"error":"x"}` + "\n\n"}, step{at: 90 * ms, body: "event: error\n\ngarbage", end: finish}),
			want:   func(s *record.Sample) { answered(s, 1, 20) },
		},
		{
			name:   "no end marker, but a finish reason",
			script: stream(step{at: 20 * ms, body: text("a")}, step{at: 30 * ms, body: stop}, step{at: 90 * ms, end: finish}),
			want:   func(s *record.Sample) { answered(s, 1, 20); s.FinishReason = "stop" },
		},
		{
			name:   "a finish reason in the last event, which has no blank line",
			script: stream(step{at: 20 * ms, body: text("a")}, step{at: 90 * ms, body: strings.TrimSpace(stop), end: finish}),
			want:   func(s *record.Sample) { answered(s, 1, 20); s.FinishReason = "stop" },
		},
		{
			name:   "a finish reason beside content, usage null",
			script: stream(step{at: 20 * ms, body: `data: {"choices":[{"delta":{"content":"a"},"finish_reason":"length"}],"error":null,"usage":null}` + "\n\n"}, ended()),
			want:   func(s *record.Sample) { answered(s, 1, 20); s.FinishReason = "length" },
		},
		{
			name: "other choices are not ours",
			script: stream(step{at: 20 * ms, body: `data: {"choices":[{"index":1,"delta":{"content":"x"},"finish_reason":"length"}]}` + "\n\n"},
				step{at: 30 * ms, body: `data: {"choices":[{"index":0,"delta":{"content":"a"}},{"index":1,"delta":{"content":"yy"}}]}` + "\n\n"}, ended()),
			want: func(s *record.Sample) { answered(s, 1, 30) },
		},
		{
			name: "reasoning only",
			script: stream(step{at: 20 * ms, body: delta(`"reasoning_content":"think"`)}, step{at: 30 * ms, body: delta(`"reasoning":"ing","content":""`)},
				step{at: 40 * ms, body: delta(`"reasoning_content":""`)}, step{at: 50 * ms, body: stop}, ended()),
			want: func(s *record.Sample) {
				answered(s, 8, 20, 30)
				s.FirstVisibleNS, s.Counted.Reasoning, s.FinishReason = record.Never, 8, "stop"
			},
		},
		{
			name:   "reasoning, then the answer",
			script: stream(step{at: 20 * ms, body: delta(`"reasoning_content":"hm"`)}, step{at: 35 * ms, body: text("yes")}, ended()),
			want: func(s *record.Sample) {
				answered(s, 5, 20, 35)
				s.FirstVisibleNS, s.Counted.Reasoning = stamp(35*ms), 2
			},
		},
		{
			name:   "reasoning that only the client can count",
			script: stream(step{at: 20 * ms, body: delta(`"reasoning":"hm"`)}, step{at: 30 * ms, body: text("yes")}, step{at: 40 * ms, body: withUsage("", 9)}, ended()),
			want: func(s *record.Sample) {
				answered(s, 9, 20, 30)
				s.FirstVisibleNS, s.Usage = stamp(30*ms), usage(9)
				s.Counted.Reasoning, s.Counted.Source = 2, record.FromServer
			},
		},
		{
			name:   "more reasoning counted than the server's tokens",
			script: stream(step{at: 20 * ms, body: delta(`"reasoning":"many letters"`)}, step{at: 30 * ms, body: withUsage("", 2)}, ended()),
			want: func(s *record.Sample) {
				answered(s, 2, 20)
				s.FirstVisibleNS, s.Usage, s.Counted.Reasoning, s.Counted.Source = record.Never, usage(2), 2, record.FromServer
			},
		},
		{
			name: "tool calls",
			script: stream(step{at: 20 * ms, body: delta(`"role":"assistant","tool_calls":[]`)},
				step{at: 30 * ms, body: delta(`"content":null,"tool_calls":[{"index":0,"id":"c1","function":{"name":"get","arguments":""}}]`)},
				step{at: 40 * ms, body: delta(`"content":"so","tool_calls":[{"index":0,"function":{"arguments":"{}"}},{"index":1,"function":{"name":"put"}}]`)},
				step{at: 50 * ms, body: `data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":""}}]},"finish_reason":"tool_calls"}]}` + "\n\n"}, ended()),
			want: func(s *record.Sample) { answered(s, len("get"+"so"+"{}"+"put"), 30, 40); s.FinishReason = "tool_calls" },
		},
		{
			name:   "a line above 1 MiB",
			script: stream(step{at: 20 * ms, body: text("a")}, step{at: 30 * ms, body: text(strings.Repeat("x", 1_500_000))}, ended()),
			want:   func(s *record.Sample) { answered(s, 1_500_001, 20, 30) },
		},
	} {
		t.Run(c.name, c.play)
	}
}

func TestUsage(t *testing.T) {
	const rich = `data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10,` +
		`"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":1}}}` + "\n\n"
	const nonsense = `data: {"choices":[],"usage":{"prompt_tokens":-1,"completion_tokens":99999999999,"total_tokens":"7","prompt_tokens_details":null}}` + "\n\n"
	fromServer := func(s *record.Sample, completion int) {
		s.Usage, s.Counted.OSL, s.Counted.Source = usage(completion), completion, record.FromServer
	}
	for _, c := range []scene{
		{
			name:   "in the last chunk only",
			script: stream(step{at: 20 * ms, body: text("one")}, step{at: 30 * ms, body: text("two")}, step{at: 40 * ms, body: rich}, ended()),
			want: func(s *record.Sample) {
				answered(s, 3, 20, 30)
				s.Usage = &record.Usage{PromptTokens: 7, CompletionTokens: 3, TotalTokens: 10, CachedTokens: new(4), ReasoningTokens: 1}
				s.Counted.Source, s.Counted.Reasoning = record.FromServer, 1
			},
		},
		{
			name: "in other vendors' words",
			script: stream(step{at: 20 * ms, body: text("one")}, step{at: 30 * ms, body: text("two")}, step{at: 40 * ms, body: `data: {"choices":[],"usage":{` +
				`"input_tokens":7,"output_tokens":3,"cache_read_input_tokens":4,"cache_creation_input_tokens":5,"prompt_cache_miss_tokens":6,` +
				`"prompt_tokens_details":{"audio_tokens":8},"completion_tokens_details":{"audio_tokens":9,"accepted_prediction_tokens":10,"rejected_prediction_tokens":11}}}` + "\n\n"}, ended()),
			want: func(s *record.Sample) {
				answered(s, 3, 20, 30)
				s.Usage = &record.Usage{
					PromptTokens: 7, CompletionTokens: 3, CachedTokens: new(4), CacheWriteTokens: 5, CacheMissTokens: 6, PromptAudioTokens: 8,
					CompletionAudioTokens: 9, AcceptedPredictionTokens: 10, RejectedPredictionTokens: 11,
				}
				s.Counted.Source = record.FromServer
			},
		},
		{
			name:   "with reasoning, which wins over counting",
			script: stream(step{at: 20 * ms, body: delta(`"reasoning":"hmm"`)}, step{at: 30 * ms, body: text("two")}, step{at: 40 * ms, body: rich}, ended()),
			want: func(s *record.Sample) {
				answered(s, 3, 20, 30)
				s.Usage = &record.Usage{PromptTokens: 7, CompletionTokens: 3, TotalTokens: 10, CachedTokens: new(4), ReasoningTokens: 1}
				s.FirstVisibleNS, s.Counted.Source, s.Counted.Reasoning = stamp(30*ms), record.FromServer, 1
			},
		},
		{
			name: "in every chunk: tokens of each are known",
			script: stream(step{at: 20 * ms, body: withUsage("", 0)}, step{at: 30 * ms, body: withUsage("a", 1)}, step{at: 40 * ms, body: withUsage("bc", 4)},
				step{at: 45 * ms, body: withUsage("", 5)}, step{at: 50 * ms, body: withUsage("d", 6)}, step{at: 60 * ms, body: withUsage("", 7)}, ended()),
			want: func(s *record.Sample) {
				answered(s, 0, 30, 40, 50)
				fromServer(s, 7)
				s.ChunkTokens = []int{1, 3, 2}
			},
		},
		{
			name:   "in every chunk but one",
			script: stream(step{at: 20 * ms, body: withUsage("a", 1)}, step{at: 30 * ms, body: text("b")}, step{at: 40 * ms, body: withUsage("c", 3)}, ended()),
			want:   func(s *record.Sample) { answered(s, 0, 20, 30, 40); fromServer(s, 3) },
		},
		{
			name:   "that goes back",
			script: stream(step{at: 20 * ms, body: withUsage("a", 5)}, step{at: 30 * ms, body: withUsage("b", 2)}, step{at: 40 * ms, body: withUsage("c", 3)}, ended()),
			want:   func(s *record.Sample) { answered(s, 0, 20, 30, 40); fromServer(s, 3) },
		},
		{
			name:   "that makes no sense",
			script: stream(step{at: 20 * ms, body: text("one")}, step{at: 30 * ms, body: nonsense}, ended()),
			want:   func(s *record.Sample) { answered(s, 3, 20); s.Usage = &record.Usage{} },
		},
		{
			name:   "without the output tokens",
			script: stream(step{at: 20 * ms, body: text("one")}, step{at: 30 * ms, body: `data: {"choices":[],"usage":{"prompt_tokens":7}}` + "\n\n"}, ended()),
			want:   func(s *record.Sample) { answered(s, 3, 20) },
		},
		{
			name:      "none, and nobody to count",
			configure: func(c *openai.Config) { c.Count = nil },
			script:    stream(step{at: 20 * ms, body: text("one")}, ended()),
			want:      func(s *record.Sample) { answered(s, 0, 20) },
		},
	} {
		t.Run(c.name, c.play)
	}
}

// The twin of all stamping: a response cut in two at each of its bytes, the parts 10 ms apart.
func TestResponseSplitAtEveryByte(t *testing.T) {
	bodies := []string{role, text("a"), text("b") + text("c"), stop, done}
	whole := headers
	first := 0     // byte of the body
	var ends []int // of the content chunks, in the response
	for _, body := range bodies {
		begin := len(whole) + strings.Index(chunked(body), "\n") + 1
		whole += chunked(body)
		switch body {
		case role:
			first = begin + 1
		case text("a"):
			ends = append(ends, begin+len(body))
		case text("b") + text("c"):
			ends = append(ends, begin+len(text("b")), begin+len(body))
		}
	}
	whole += chunked("")
	for split := 1; split < len(whole); split++ {
		if split == len(whole)-2 || split == len(whole)-1 {
			continue // behind the size line of the last chunk: net/http waits for its line end before it gives what came before
		}
		arrival := func(end int) int64 {
			if end <= split {
				return stamp(20 * ms)
			}
			return stamp(30 * ms)
		}
		want := sample()
		want.HeadersNS, want.FirstByteNS, want.FirstVisibleNS, want.EndNS = arrival(len(headers)), arrival(first), arrival(ends[0]), arrival(len(whole))
		want.ChunksNS = []int64{arrival(ends[0]), arrival(ends[1]), arrival(ends[2])}
		want.FinishReason, want.BytesReceived, want.Counted.OSL = "stop", int64(len(strings.Join(bodies, ""))), 3
		inBubble(t, nil, func(s *stage) {
			got := s.do(s.t.Context(), 0, []step{{at: 20 * ms, raw: whole[:split]}, {at: 30 * ms, raw: whole[split:]}})
			assert.Equal(t, want, got, "split at byte %d, behind %q", split, whole[max(0, split-20):split])
		})
		if t.Failed() {
			return
		}
	}
}

// A response without chunked framing ends with its connection, so that a torn end looks clean.
func TestResponseThatEndsWithItsConnection(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
	for _, c := range []struct {
		name, body string
		want       func(s *record.Sample)
	}{
		{"complete", text("a") + done, func(*record.Sample) {}},
		{"torn event", text("a") + text("b")[:30], func(s *record.Sample) {
			s.Outcome, s.Reason = record.Cut, "after the first token"
			s.Error = &record.Error{Code: 502, Type: "cut: after the first token",
				Message: `the stream ended within an event: event 2 "{\"choices\":[{\"index\":0,\"": cannot parse JSON: cannot parse object: ` +
					`cannot parse object value: cannot parse array: cannot parse array value: cannot parse object: ` +
					`cannot parse object key: missing closing '"'; unparsed tail: ""`}
		}},
		{"torn event after a finish reason", text("a") + stop + "data: {", func(s *record.Sample) {
			s.Outcome, s.Reason, s.FinishReason = record.Cut, "after the first token", "stop"
			s.Error = &record.Error{Code: 502, Type: "cut: after the first token"}
		}},
		{"error event without its blank line", text("a") + "event: error\ndata: oh", func(s *record.Sample) {
			s.Outcome, s.Reason = record.StreamError, "error event"
			s.Error = &record.Error{Code: 502, Type: "in_stream_error: error event", Message: "oh"}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, nil, func(s *stage) {
				want := sample()
				answered(&want, 1, 20)
				want.BytesReceived = int64(len(c.body))
				c.want(&want)
				got := s.do(s.t.Context(), 0, []step{{at: 10 * ms, raw: head}, {at: 20 * ms, raw: c.body}, {at: 90 * ms, end: shut}})
				if want.Error != nil && want.Error.Message == "" {
					require.NotNil(t, got.Error)
					want.Error.Message = got.Error.Message
				}
				assert.Equal(t, want, got)
			})
		})
	}
}
