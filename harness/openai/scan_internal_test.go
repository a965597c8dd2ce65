package openai

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/valyala/fastjson"
)

// meaning is what an event says to a stream that keeps everything.
type meaning struct {
	malformed, failed bool
	finish            string
	usage             bool
	texts, thought    string
	visible, reasoned bool
}

// parsed is the oracle: it decodes the whole event, of a chat or of a completion.
func parsed(data []byte, completions bool) meaning {
	v, err := fastjson.ParseBytes(data)
	if err != nil {
		return meaning{malformed: true}
	}
	m := meaning{failed: errorObject(v) != nil}
	if u := v.Get("usage"); u != nil && u.Type() == fastjson.TypeObject {
		m.usage = true
	}
	choice := v.Get("choices", "0")
	if choice == nil || choice.GetInt("index") != 0 {
		return m
	}
	m.finish = string(choice.GetStringBytes("finish_reason"))
	if completions {
		m.texts = string(choice.GetStringBytes("text"))
		m.visible = m.texts != ""
		return m
	}
	m.thought = string(choice.GetStringBytes("delta", "reasoning_content"))
	if m.thought == "" {
		m.thought = string(choice.GetStringBytes("delta", "reasoning"))
	}
	m.texts = string(choice.GetStringBytes("delta", "content"))
	for _, tool := range choice.GetArray("delta", "tool_calls") {
		m.texts += string(tool.GetStringBytes("function", "name")) + string(tool.GetStringBytes("function", "arguments"))
	}
	m.visible, m.reasoned = m.texts != "", m.thought != ""
	return m
}

// agree demands of an event that was not left to the parser what the parser says. What has an escape is compared but for the text.
func agree(t *testing.T, s *scanner, data []byte) (looked bool) {
	t.Helper()
	if !s.look(data) {
		return false
	}
	want := parsed(data, s.completions)
	got := meaning{texts: string(s.found[content]) + string(s.found[toolName]) + string(s.found[toolArguments]), thought: string(s.thought())}
	got.finish = string(s.reason)
	got.visible, got.reasoned = s.visible(), len(s.thought()) > 0
	if s.escaped {
		want.texts, want.thought, got.texts, got.thought = "", "", "", ""
	}
	require.Equal(t, want, got, "%s", data)
	return true
}

const usualChunk = `{"id":"chatcmpl-0123456789abcdef0123456789abcdef","object":"chat.completion.chunk","created":1700000000,"model":"some/model-7b",` +
	`"choices":[{"index":0,"delta":{"content":" word"},"logprobs":null,"finish_reason":null}]}`

// looked are events that need no parser, and what of them is content.
func looked() map[string]string {
	return map[string]string{
		usualChunk: " word",
		`{}`:       "",
		` { "choices" : [ { "delta" : { "content" : "a" } , "index" : 0 } ] } `: "a",
		"{\"choices\"\t:\r\n[]}":                            "",
		`{"choices":null,"usage":null,"error":null}`:        "",
		`{"choices":[{}]}`:                                  "",
		`{"choices":[{"delta":null,"finish_reason":null}]}`: "",
		`{"choices":[{"delta":{"content":null}}]}`:          "",
		`{"choices":[{"finish_reason":"stop"}]}`:            "",
		`{"choices":[{"finish_reason":""}]}`:                "",
		`{"finish_reason":"no","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"length"}]}`: "a",
		`{"choices":[{"delta":{"content":""}}]}`:                                                          "",
		`{"choices":[{"delta":{"tool_calls":[],"content":"日"}}]}`:                                         "日",
		`{"choices":[{"delta":{"x":{"content":"no"}}}]}`:                                                  "",
		`{"content":"no","delta":{"content":"no"},"choices":[{"content":"no","logprobs":{"content":[{"token":"a","logprob":-1.2e-05,"content":"no"}]},"delta":{"content":"yes"}}]}`: "yes",
		`{"choices":[{"delta":{"x":"\",\"content\":\"no","content":"yes"}}]}`:                                                                                                       "yes",
		`{"choices":[{"delta":{"x":"\\","content":"yes"}}]}`:                                                                                                                        "yes",
		`{"choices":[{"delta":{"x":[1,-2.5,[true,false,null],{"a":[]},{}],"content":"yes"}}]}`:                                                                                      "yes",
		`{"choices":[{"delta":{"tool_calls":[{"index":3,"id":"x","function":{"name":"f","arguments":"1"}}]}}]}`:                                                                     "f1",
		`{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\"content\""}}]}}]}`:                                                                               `\"content\"`,
		`{"choices":[{"delta":{"content":"a\nb"}}]}`:                                                                                                                                `a\nb`,
		`{"choices":[{"delta":{"content":"\u0041"}}]}`:                                                                                                                              `\u0041`,
		`{"choices":[{"delta":{"content":"0123456\\"}}]}`:                                                                                                                           `0123456\\`,
		`{"choices":[{"delta":{"content":"01234567\""}}]}`:                                                                                                                          `01234567\"`,
		"{\"choices\":[{\"delta\":{\"content\":\"\xff\x00\x01!#[]\xa2\xdc\"}}]}":                                                                                                    "\xff\x00\x01!#[]\xa2\xdc",
	}
}

// leftToParser are events that say more, or that are not understood.
func leftToParser() []string {
	events := []string{
		"", " ", "[DONE]", "null", `"x"`, "1", "{", "}", `{"`, `{"a`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `{"a" 1}`, `{"a":1 "b":2}`, `{a:1}`, `{"a":tru}`,
		`{"a":nul`, `{"a":-}`, `{"a":+1}`, `{"a":inf}`, `{"a":[}`, `{"a":[1,]}`, `{"a":[1 2]}`, `{"a":"x}`, `{"a":"x\"}`, `{}{}`, `{} x`, `{"a":{"b":1]}}`,
		`{"\u0061":1}`, `{"choices":[{"delta":{"cont\u0065nt":"a"}}]}`, `{"choices":{}}`, `{"choices":[1]}`, `{"choices":[{}` + `,{}]}`, `{"choices":[{}],"choices":[]}`,
		`{"choices":[{"index":1,"delta":{"content":"a"}}]}`, `{"choices":[{"index":00}]}`, `{"choices":[{"index":0.0}]}`, `{"choices":[{"index":null}]}`, `{"choices":[{"index":0,"index":0}]}`,
		`{"choices":[{"finish_reason":"st\u006fp"}]}`, `{"choices":[{"finish_reason":1}]}`, `{"choices":[{"finish_reason":"stop","finish_reason":"length"}]}`,
		`{"choices":[{"finish_reason":null,"finish_reason":"stop"}]}`, `{"choices":[{"finish_reason":"stop","index":1}]}`, `{"choices":[{"delta":[]}]}`, `{"choices":[{"delta":{"content":1}}]}`,
		`{"choices":[{"delta":{"content":"a","content":"b"}}]}`, `{"choices":[{"delta":{"content":null,"content":"b"}}]}`, `{"choices":[{"delta":{"content":["a"]}}]}`,
		`{"choices":[{"delta":{"tool_calls":[{},{}]}}]}`, `{"choices":[{"delta":{"tool_calls":{}}}]}`, `{"choices":[{"delta":{"tool_calls":["x"]}}]}`,
		`{"usage":{}}`, `{"usage":{"completion_tokens":1}}`, `{"error":{}}`, `{"error":"x"}`, `{"error":""}`, `{"object":"error"}`, `{"object":"err\u006fr"}`, `{"object":1}`,
		strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40), `{"a":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + "}",
	}
	return events
}

const usualCompletion = `{"id":"cmpl-0123456789abcdef0123456789abcdef","object":"text_completion","created":1700000000,"model":"some/model-7b",` +
	`"choices":[{"index":0,"text":" word","logprobs":null,"finish_reason":null,"stop_reason":null}],"usage":null}`

// lookedCompletions are events of completions that need no parser, and what of them is content.
func lookedCompletions() map[string]string {
	return map[string]string{
		usualCompletion:               " word",
		`{}`:                          "",
		`{"choices":[{"text":"a"}]}`:  "a",
		`{"choices":[{"text":""}]}`:   "",
		`{"choices":[{"text":null}]}`: "",
		`{"choices":[{"text":"a","finish_reason":"length","index":0}]}`:                         "a",
		`{"text":"no","choices":[{"delta":{"content":"no","text":"no"},"text":"yes"}]}`:         "yes",
		`{"choices":[{"delta":[1,{"a":2}],"message":{"text":"no"},"text":"yes"}]}`:              "yes",
		`{"choices":[{"delta":{},"delta":{},"text":"yes"}]}`:                                    "yes",
		`{"choices":[{"logprobs":{"tokens":["no"],"text_offset":[0],"text":"no"},"text":"日"}]}`: "日",
		`{"choices":[{"text":"a\nb\""}]}`:                                                       `a\nb\"`,
	}
}

func TestScannerReadsCompletionsAsTheParserDoes(t *testing.T) {
	for event, text := range lookedCompletions() {
		s := &scanner{completions: true}
		require.True(t, agree(t, s, []byte(event)), event)
		assert.Equal(t, text, string(s.found[content]), event)
		assert.Empty(t, s.thought(), event)
		require.True(t, agree(t, s, []byte(event)), "from memory: %s", event)
	}
	for _, event := range []string{
		`{"choices":[{"text":1}]}`, `{"choices":[{"text":["a"]}]}`, `{"choices":[{"text":"a","text":"b"}]}`, `{"choices":[{"text":null,"text":"b"}]}`, `{"choices":[{"te\u0078t":"a"}]}`,
		`{"choices":[{"index":1,"text":"a"}]}`, `{"choices":[{"text":"a"},{"text":"b"}]}`, `{"choices":[{"text":"a}]}`, `{"choices":[{"text":"a"}],"usage":{}}`, `{"error":"x"}`,
	} {
		assert.False(t, (&scanner{completions: true}).look([]byte(event)), event)
	}
	chat := new(scanner)
	require.True(t, agree(t, chat, []byte(usualCompletion)))
	assert.False(t, chat.visible(), "a chat has no text of its own")
}

func TestScannerReadsAsTheParserDoes(t *testing.T) {
	for event, text := range looked() {
		s := new(scanner)
		require.True(t, agree(t, s, []byte(event)), event)
		assert.Equal(t, text, string(s.found[content])+string(s.found[toolName])+string(s.found[toolArguments]), event)
		require.True(t, agree(t, s, []byte(event)), "from memory: %s", event)
	}
	for _, event := range leftToParser() {
		assert.False(t, new(scanner).look([]byte(event)), event)
	}
}

// Each byte of each event replaced, left out or doubled, before and after the scanner saw the whole event.
func TestScannerOnDamagedEvents(t *testing.T) {
	damage := func(event string, completions bool) {
		for i := range len(event) {
			for _, with := range []string{"", "\\", `"`, "{", "}", "[", "]", ":", ",", "0", "-", " ", "x", "\x00", event[i:i+1] + event[i:i+1], `\"`, `\\`} {
				damaged := []byte(event[:i] + with + event[i+1:])
				agree(t, &scanner{completions: completions}, damaged)
				s := &scanner{completions: completions}
				s.look([]byte(event))
				agree(t, s, damaged)
			}
		}
	}
	for _, event := range slices.AppendSeq(leftToParser(), maps.Keys(looked())) {
		damage(event, false)
	}
	for event := range lookedCompletions() {
		damage(event, true)
		damage(event, false)
	}
}

// An event that is the last one but for its text is recognised, whatever the text; one that differs elsewhere is scanned.
func TestScannerRemembers(t *testing.T) {
	like := func(text string) []byte { return []byte(strings.Replace(usualChunk, " word", text, 1)) }
	s := new(scanner)
	require.False(t, s.recall(like("a")))
	require.True(t, s.look(like("a")))
	for _, text := range []string{"b", "日本", "", `\n`, `\"`, `\\`, `a\\\"`, "0123456789abcdef"} {
		require.True(t, s.recall(like(text)), text)
		assert.Equal(t, text, string(s.found[content]))
		assert.Equal(t, strings.Contains(text, `\`), s.escaped)
		agree(t, s, like(text))
	}
	// An event that ends the choice between two that are alike: its reason is its own.
	require.True(t, s.look([]byte(`{"choices":[{"delta":{"content":"end"},"finish_reason":"stop"}]}`)))
	assert.Equal(t, "stop", string(s.reason))
	require.True(t, s.recall(like("a")), "what surrounds the others is remembered")
	assert.Empty(t, s.reason)
	for _, event := range [][]byte{
		like(`a"`), like(`a","x":"`), like(`\`), append(like("a"), ' '), like("a")[:len(like("a"))-1], like("a")[:20], nil,
		[]byte(strings.Replace(usualChunk, "cmpl", "camp", 1)), []byte(strings.Replace(usualChunk, `"index":0`, `"index":1`, 1)), []byte(strings.Replace(usualChunk, `reason":null`, `reason":true`, 1)),
	} {
		assert.False(t, s.recall(event), "%s", event)
		agree(t, s, event)
	}
	require.True(t, s.look(like("")))
	assert.False(t, s.recall(like("a")), "without text nothing is remembered")
}

func FuzzScanner(f *testing.F) {
	for event := range looked() {
		f.Add([]byte(event), uint16(len(event)/2), uint16(1), []byte(`"`))
	}
	for _, event := range leftToParser() {
		f.Add([]byte(event), uint16(0), uint16(0), []byte(usualChunk))
	}
	for event := range lookedCompletions() {
		f.Add([]byte(event), uint16(len(event)/2), uint16(1), []byte(`"text":"`))
	}
	f.Fuzz(func(t *testing.T, event []byte, at, length uint16, with []byte) {
		for _, completions := range []bool{false, true} {
			s := &scanner{completions: completions}
			agree(t, s, event)
			from := min(int(at), len(event))
			to := min(from+int(length), len(event))
			changed := append(append(event[:from:from], with...), event[to:]...)
			agree(t, s, changed)
			agree(t, &scanner{completions: completions}, changed)
			agree(t, s, event)
		}
	})
}

func TestScannerAllocatesNothing(t *testing.T) {
	s := new(scanner)
	a, b := []byte(usualChunk), []byte(strings.Replace(usualChunk, "cmpl", "camp", 1))
	s.look(a)
	assert.Zero(t, testing.AllocsPerRun(100, func() { s.look(a); s.look(b) }))
}

// BenchmarkScanner is the cost of an event: like the last but for its text, unlike it, and parsed.
func BenchmarkScanner(b *testing.B) {
	var events [][]byte
	for i := range 64 {
		events = append(events, []byte(strings.Replace(usualChunk, " word", fmt.Sprintf(" word%02d", i), 1)))
	}
	next := func(i int) []byte { return events[i%len(events)] }
	b.Run("recalled", func(b *testing.B) {
		s := new(scanner)
		for i := 0; b.Loop(); i++ {
			if !s.look(next(i)) || !s.visible() {
				b.Fatal("not seen")
			}
		}
	})
	b.Run("scanned", func(b *testing.B) {
		s := new(scanner)
		for i := 0; b.Loop(); i++ {
			s.before = s.before[:0]
			if !s.look(next(i)) || !s.visible() {
				b.Fatal("not seen")
			}
		}
	})
	b.Run("scanned completion", func(b *testing.B) {
		s, completion := &scanner{completions: true}, []byte(usualCompletion)
		for b.Loop() {
			s.before = s.before[:0]
			if !s.look(completion) || !s.visible() {
				b.Fatal("not seen")
			}
		}
	})
	b.Run("parsed", func(b *testing.B) {
		var p fastjson.Parser
		for i := 0; b.Loop(); i++ {
			v, err := p.ParseBytes(next(i))
			if err != nil || len(v.GetStringBytes("choices", "0", "delta", "content")) == 0 {
				b.Fatal("not seen")
			}
		}
	})
}
