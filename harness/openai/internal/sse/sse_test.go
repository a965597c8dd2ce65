package sse_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/openai/internal/sse"
)

// event is what a decoder emits.
type event struct{ name, data, comment string }

func data(texts ...string) []event {
	var all []event
	for _, text := range texts {
		all = append(all, event{data: text})
	}
	return all
}

// vector is a stream with its events.
type vector struct {
	name   string
	stream string
	want   []event
}

const bom = "\xef\xbb\xbf"

func vectors() []vector {
	return []vector{
		{"empty stream", "", nil},
		{"LF", "data: a\n\ndata: b\n\n", data("a", "b")},
		{"CRLF", "data: a\r\n\r\ndata: b\r\n\r\n", data("a", "b")},
		{"CR", "data: a\r\rdata: b\r\r", data("a", "b")},
		{"line ends mixed", "data: a\r\n\ndata: b\r\r\ndata: c\n\rdata: d\n\r\n", data("a", "b", "c", "d")},
		{"CR, then an empty line by LF after text", "data: a\r\n\r\n\n\ndata: b\n\n", data("a", "b")},
		{"byte order mark", bom + "data: a\n\n", data("a")},
		{"byte order mark alone", bom, nil},
		{"byte order mark before an empty line", bom + "\n\ndata: a\n\n", data("a")},
		{"a second byte order mark is part of a field name", bom + bom + "data: a\n\ndata: b\n\n", data("b")},
		{"byte order mark in the middle", "data: a\n\n" + bom + "data: b\n\ndata: c\n\n", data("a", "c")},
		{"no space after the colon", "data:a\n\n", data("a")},
		{"only one space is dropped", "data:  a \n\n", data(" a ")},
		{"a tab is kept", "data:\ta\n\n", data("\ta")},
		{"colons in the value", "data: a: b:c\n\n", data("a: b:c")},
		{"several data lines", "data: a\ndata: b\ndata:\ndata: c\n\n", data("a\nb\n\nc")},
		{"field without a colon", "data\n\ndata\ndata\n\n", data("", "\n")},
		{"empty data", "data:\n\n", data("")},
		{"unknown fields", "id: 7\nretry: 10\ndatum: x\nDATA: y\n data: z\ndata: a\n\n", data("a")},
		{"comments", ": keep-alive\n\n:\n\ndata: a\n\n", data("a")},
		{"comment within an event", "data: a\n: why\ndata: b\n\ndata: c\n\n", []event{{data: "a\nb", comment: "why"}, {data: "c"}}},
		{"event name", "event: error\ndata: a\n\ndata: b\n\n", []event{{name: "error", data: "a"}, {data: "b"}}},
		{"the last event name wins", "event: a\nevent: b\ndata: x\n\n", []event{{name: "b", data: "x"}}},
		{"name without data", "event: ping\n\ndata: a\n\n", []event{{name: "ping"}, {data: "a"}}},
		{"name and comment", ": first\nevent: error\n: \"no worker\"\n\ndata: a\n\n", []event{{name: "error", comment: `"no worker"`}, {data: "a"}}},
		{"a comment does not outlive its blank line", ": old\n\nevent: error\n\n", []event{{name: "error"}}},
		{"empty lines", "\n\n\r\r\n\ndata: a\n\n\n\n", data("a")},
		{"no blank line at the end", "data: a\n\ndata: b\n", data("a", "b")},
		{"no line end at the end", "data: a\n\ndata: b", data("a", "b")},
		{"half a field name at the end", "data: a\n\ndat", data("a")},
		{"ends with CR", "data: a\r\n\r", data("a")},
		{"multi-byte characters", "data: 日本語 🙂\n\n", data("日本語 🙂")},
		{"not UTF-8, and NUL", "data: \xff\xfe\x00a\n\n", data("\xff\xfe\x00a")},
	}
}

// decode feeds the pieces and closes.
func decode(t testing.TB, d *sse.Decoder, pieces ...string) []event {
	t.Helper()
	var all []event
	emit := collect(d, &all)
	var buffer []byte // one for all pieces, as a reader has: what the decoder keeps of it must be a copy
	for _, piece := range pieces {
		buffer = append(buffer[:0], piece...)
		require.NoError(t, d.Feed(buffer, emit))
		clear(buffer)
	}
	require.NoError(t, d.Close(emit))
	return all
}

func collect(d *sse.Decoder, all *[]event) sse.Emit {
	return func(name, data []byte) error {
		*all = append(*all, event{string(name), string(data), string(d.Comment())})
		return nil
	}
}

func TestVectors(t *testing.T) {
	for _, v := range vectors() {
		t.Run(v.name, func(t *testing.T) {
			require.Equal(t, v.want, decode(t, new(sse.Decoder), v.stream))
			assert.Equal(t, v.want, naive(v.stream), "the twin")
			assert.Equal(t, v.want, decode(t, new(sse.Decoder), strings.Split(v.stream, "")...), "byte by byte")
			for i := range len(v.stream) + 1 {
				require.Equal(t, v.want, decode(t, new(sse.Decoder), v.stream[:i], "", v.stream[i:]), "split at byte %d", i)
			}
		})
	}
}

// naive is the twin: it sees the whole stream at once and makes all line ends alike first.
func naive(stream string) []event {
	stream = strings.TrimPrefix(stream, bom)
	stream = strings.ReplaceAll(strings.ReplaceAll(stream, "\r\n", "\n"), "\r", "\n")
	var all []event
	var lines, names, comments []string
	for _, line := range strings.Split(stream+"\n\n", "\n") {
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "":
			e := event{last(names), strings.Join(lines, "\n"), last(comments)}
			if len(lines) > 0 || e.name != "" {
				all = append(all, e)
			}
			lines, names, comments = nil, nil, nil
		case field == "data":
			lines = append(lines, value)
		case field == "event":
			names = append(names, value)
		case field == "":
			comments = append(comments, value)
		}
	}
	return all
}

func last(texts []string) string {
	if len(texts) == 0 {
		return ""
	}
	return texts[len(texts)-1]
}

// An event comes with the byte that ends its blank line, so that the stamp of that byte is the event's.
func TestEventComesWithItsLastByte(t *testing.T) {
	for _, c := range []struct {
		stream string
		bytes  int // of the stream that are needed for its event
	}{
		{"data: a\n\n: later", 9},
		{"data: a\r\n\r\n: later", 10}, // the CR is enough
		{"data: a\r\r: later", 9},
	} {
		var d sse.Decoder
		var all []event
		for i := range c.bytes {
			require.Empty(t, all, "%q after byte %d", c.stream, i)
			require.NoError(t, d.Feed([]byte(c.stream[i:i+1]), collect(&d, &all)))
		}
		assert.Equal(t, data("a"), all, "%q", c.stream)
	}
}

func TestResetForgetsTheLastStream(t *testing.T) {
	for _, left := range []string{"data: old", "data: old\n", "event: old\n", ": old\nevent: x", "data: old\r", bom} {
		var d sse.Decoder
		var all []event
		require.NoError(t, d.Feed([]byte(left), collect(&d, &all)))
		d.Reset()
		assert.Equal(t, []event{{name: "error"}, {data: "a"}}, decode(t, &d, bom+"event: error\n\ndata: a"), "%q", left)
		assert.Empty(t, all)
	}
}

func TestErrorOfEmitEndsFeedAndClose(t *testing.T) {
	enough := errors.New("enough")
	var d sse.Decoder
	calls := 0
	emit := func(_, _ []byte) error { calls++; return enough }
	require.ErrorIs(t, d.Feed([]byte("data: a\n\ndata: b\n\n"), emit), enough)
	require.Equal(t, 1, calls)
	d.Reset()
	require.NoError(t, d.Feed([]byte("data: a"), emit))
	require.ErrorIs(t, d.Close(emit), enough)
}

// An event is measured by its lines, whatever is in them; the largest that is allowed comes whole.
func TestEventBeyondMaxEventIsAnError(t *testing.T) {
	for name, c := range map[string]struct{ begin, repeated, end string }{
		"a data line":                  {"data: ", "x", "\n\n"},
		"a data line by CRLF":          {"data: ", "x", "\r\n\r\n"},
		"a name":                       {"event: ", "x", "\n\n"},
		"a comment":                    {": ", "x", "\n\n"},
		"a field that is ignored":      {"", "x", "\n\n"},
		"many data lines":              {"", "data: 0123456789\n", "\n"},
		"many short data lines by CR":  {"", "data\r", "\r"},
		"many names":                   {"", "event: 01234567\n", "\n"},
		"many comments":                {"", ": 0123456789abcd\n", "\n"},
		"many lines that are no field": {"", "0123456789abcde\n", "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			lines := len(strings.TrimRight(c.repeated, "\r\n"))
			n := (sse.MaxEvent - len(c.begin)) / lines
			within := []byte(c.begin + strings.Repeat(c.repeated, n))
			emit := func(_, _ []byte) error { return nil }
			var d sse.Decoder
			require.NoError(t, feedAll(&d, within, 1<<20-1, emit))
			require.NoError(t, d.Feed([]byte(c.end+"data: a\n\n"), emit), "no smaller event is refused")
			d.Reset()
			require.NoError(t, feedAll(&d, within, 1<<20-1, emit))
			require.EqualError(t, d.Feed([]byte(c.repeated), emit), "event longer than 64 MiB")
			d.Reset()
			assert.EqualError(t, d.Feed(append(within, c.repeated+c.end...), emit), "event longer than 64 MiB", "in one piece")
		})
	}
}

// feedAll feeds a stream in pieces of the given size.
func feedAll(d *sse.Decoder, stream []byte, size int, emit sse.Emit) error {
	for piece := range slices.Chunk(stream, size) {
		if err := d.Feed(piece, emit); err != nil {
			return err
		}
	}
	return nil
}

// What is not bounded by an event is nothing: a stream of any length keeps what its largest event needs.
func TestMemoryIsThatOfAnEvent(t *testing.T) {
	var d sse.Decoder
	emit := func(_, _ []byte) error { return nil }
	piece := []byte(": 0123456789\r\nevent: e\r\ndata: a\r\ndata: b\r\n\r\n")
	require.NoError(t, d.Feed(piece, emit))
	assert.Zero(t, testing.AllocsPerRun(10_000, func() { _ = d.Feed(piece, emit) }))
}

// A huge event's buffer is not kept for the streams after it.
func TestHugeBufferIsReleased(t *testing.T) {
	var d sse.Decoder
	emit := func(_, _ []byte) error { return nil }
	line := []byte("data: " + strings.Repeat("x", 2<<20))
	require.NoError(t, d.Feed(line, emit))
	d.Reset()
	assert.Positive(t, testing.AllocsPerRun(1, func() { d.Reset(); _ = d.Feed(line, emit) }))
}

func TestLongLineInManyPieces(t *testing.T) {
	long := strings.Repeat("0123456789", 300_000) // 3 MB
	stream := []byte("data: " + long + "\n\ndata: b\n\n")
	var all []event
	var d sse.Decoder
	require.NoError(t, feedAll(&d, stream, 16<<10, collect(&d, &all)))
	assert.Equal(t, data(long, "b"), all)
}

// FuzzDecoder compares with the twin, the stream fed whole, byte by byte, and in pieces whose lengths are the bytes of cuts in turn.
func FuzzDecoder(f *testing.F) {
	for _, v := range vectors() {
		f.Add(v.stream, []byte{3, 0, 7})
	}
	f.Fuzz(func(t *testing.T, stream string, cuts []byte) {
		want := naive(stream)
		require.Equal(t, want, decode(t, new(sse.Decoder), stream), "whole")
		bytewise := make([]string, len(stream))
		for i := range bytewise {
			bytewise[i] = stream[i : i+1]
		}
		require.Equal(t, want, decode(t, new(sse.Decoder), bytewise...), "byte by byte")
		require.Equal(t, want, decode(t, new(sse.Decoder), pieces(stream, cuts)...), "in pieces")
	})
}

// pieces cuts a stream behind as many bytes as each of cuts says; the rest is one piece.
func pieces(stream string, cuts []byte) []string {
	var all []string
	for _, n := range cuts {
		n := min(int(n), len(stream))
		all, stream = append(all, stream[:n]), stream[n:]
	}
	return append(all, stream)
}

// chunks is a stream of n chunks as servers send them.
func chunks(n int) []byte {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, `data: {"id":"chatcmpl-0123456789abcdef0123456789abcdef","object":"chat.completion.chunk","created":1700000000,"model":"some/model-7b",`+
			`"choices":[{"index":0,"delta":{"content":" word%03d"},"logprobs":null,"finish_reason":null}]}`+"\n\n", i)
	}
	return b.Bytes()
}

// feed decodes a stream in pieces of the given size and returns the number of events.
func feed(d *sse.Decoder, stream []byte, size int) int {
	events := 0
	d.Reset()
	if err := feedAll(d, stream, size, func(_, _ []byte) error { events++; return nil }); err != nil {
		return -1
	}
	return events
}

func TestNothingIsAllocatedForAnEvent(t *testing.T) {
	stream := chunks(1000)
	for _, size := range []int{100, 16 << 10} {
		var d sse.Decoder
		require.Equal(t, 1000, feed(&d, stream, size))
		assert.LessOrEqual(t, testing.AllocsPerRun(10, func() { feed(&d, stream, size) }), 2.0, "a stream in pieces of %d", size) // counter and closure
	}
}

// lineEnds is what a decoder does at least: it finds where lines end.
func lineEnds(stream []byte) int {
	lines := 0
	for {
		end := bytes.IndexByte(stream, '\n')
		if end < 0 {
			return lines
		}
		lines, stream = lines+1, stream[end+1:]
	}
}

// BenchmarkDecoder is the cost of an event: fed alone, in two pieces, with many others, and, for comparison, of finding its line ends.
func BenchmarkDecoder(b *testing.B) {
	const n = 1000
	stream := chunks(n)
	perEvent := func(b *testing.B, run func() int, want int) {
		b.ReportAllocs()
		for b.Loop() {
			if run() != want {
				b.Fatal("events were lost")
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/event")
		b.ReportMetric(0, "ns/op")
	}
	event := len(stream) / n
	for _, c := range []struct {
		name string
		size int
	}{{"one event a read", event}, {"half an event a read", event/2 + 1}, {"16 KiB a read", 16 << 10}} {
		b.Run(c.name, func(b *testing.B) {
			var d sse.Decoder
			perEvent(b, func() int { return feed(&d, stream, c.size) }, n)
		})
	}
	b.Run("line ends only", func(b *testing.B) {
		perEvent(b, func() int { return lineEnds(stream) }, 2*n)
	})
}
