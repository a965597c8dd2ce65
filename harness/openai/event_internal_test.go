package openai

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
)

// BenchmarkEvent is what an event costs between the read that brings it and its stamp in the sample, for events that are like the last but
// for their text, that differ elsewhere too, and that carry usage; and how often that is the time of finding the line ends alone.
func BenchmarkEvent(b *testing.B) {
	const n = 1000
	usual := "data: " + usualChunk + "\n\n"
	for _, c := range []struct {
		name   string
		events func(i int) string
	}{
		{"like the last", func(int) string { return usual }},
		{"unlike the last", func(i int) string { return strings.Replace(usual, "cmpl", []string{"camp", "cmpl"}[i%2], 1) }},
		{"with usage", func(int) string { return strings.Replace(usual, "]}\n", `],"usage":{"completion_tokens":7}}`+"\n", 1) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			var events []byte
			for i := range n {
				events = append(events, c.events(i)...)
			}
			x := &exchange{client: New(Config{Epoch: time.Now()}), sample: &record.Sample{ChunksNS: make([]int64, 0, n)}, scratch: new(scratch)}
			x.watch.client = x.client
			x.client.promiseOf("").tokens.Store(proven)
			b.ReportAllocs()
			for b.Loop() {
				x.sample.ChunksNS, x.sample.ChunkTokens = x.sample.ChunksNS[:0], x.sample.ChunkTokens[:0]
				x.stream.init(x)
				x.scratch.decoder.Reset()
				for rest := events; len(rest) > 0; rest = rest[min(readBuffer, len(rest)):] {
					require.NoError(b, x.scratch.decoder.Feed(rest[:min(readBuffer, len(rest))], x.stream.event))
				}
				if len(x.sample.ChunksNS) != n {
					b.Fatal("chunks were lost")
				}
			}
			each := float64(b.Elapsed().Nanoseconds()) / float64(b.N) / n
			b.ReportMetric(each, "ns/event")
			b.ReportMetric(each/lineEndTime(events, n), "x-line-ends")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// lineEndTime is the least time, in ns an event, of a loop that finds where lines end.
func lineEndTime(events []byte, n int) float64 {
	least := time.Hour
	for range 100 {
		began := time.Now()
		for rest := events; len(rest) > 0; {
			rest = rest[bytes.IndexByte(rest, '\n')+1:]
		}
		least = min(least, time.Since(began))
	}
	return float64(least.Nanoseconds()) / float64(n)
}
