package openai

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
)

// FuzzRecall: a stream whose usual events are recognised where they lie gives the same sample as one whose events all go through the
// decoder, however it is cut.
func FuzzRecall(f *testing.F) {
	usual := "data: " + usualChunk + "\n\n"
	like := func(text string) string {
		return fmt.Sprintf(`data: {"choices":[{"index":0,"delta":{"content":%s}}]}`, text)
	}
	for _, stream := range []string{
		usual + usual + usual + "data: [DONE]\n\n" + usual,
		usual + "\n" + usual + ": comment\n" + usual + "event: x\n" + usual + usual,
		like(`"a"`) + "\n\n" + like(`"b"`) + "\r\n\r\n" + like(`"c"`) + "\r\r" + like(`"d"`) + "\n\r\n" + like(`"e"`) + "\n\n",
		like(`"a"`) + "\n\n" + like("\"b\nc\"") + "\n\n" + like("\"b\rc\"") + "\n\n" + like(`"d"`) + "\n\n",
		"data: {\"choices\":\ndata: [{\"delta\":{\"content\":\"a\"}}]}\n\n" + "data: {\"choices\":\n[{\"delta\":{\"content\":\"a\"}}]}\n\n" + usual,
		like(`"a"`) + "\n\n" + like(`"\u0041\n"`) + "\n\n" + like(`""`) + "\n\n" + like(`"a"`) + "\n" + like(`"b"`) + "\n\n",
		"\xef\xbb\xbf" + usual + usual + "\xef\xbb\xbf" + usual + usual,
		usual + usual[:40],
	} {
		for _, piece := range []byte{1, 7, 64, wholeEvents} {
			f.Add([]byte(stream), piece)
		}
	}
	f.Fuzz(func(t *testing.T, stream []byte, piece byte) {
		if piece == 0 {
			piece = 1
		}
		want, wantErr := played(stream, int(piece), false)
		got, gotErr := played(stream, int(piece), true)
		require.Equal(t, fmt.Sprint(wantErr), fmt.Sprint(gotErr))
		require.Equal(t, want, got)
	})
}

// wholeEvents is the length of pieces that stands for a cut behind each blank line.
const wholeEvents = 255

// played feeds a stream to a fresh exchange, stamped with the number of the piece, as readStream does.
func played(stream []byte, piece int, recalling bool) (record.Sample, error) {
	var s record.Sample
	x := &exchange{client: New(Config{Epoch: time.Now()}), sample: &s, scratch: new(scratch)}
	x.watch.client = x.client
	x.stream.init(x)
	decoder := &x.scratch.decoder
	for len(stream) > 0 {
		x.now++
		p := stream[:min(piece, len(stream))]
		if end := bytes.Index(stream, []byte("\n\n")); piece == wholeEvents && end >= 0 {
			p = stream[:end+2]
		}
		stream = stream[len(p):]
		if recalling {
			p = x.stream.recall(p)
		}
		if err := decoder.Feed(p, x.stream.event); err != nil {
			return s, err
		}
	}
	err := x.stream.finish(decoder.Close(x.stream.event))
	x.stream.count()
	return s, err
}

// An event that is like the last one is found where it lies, and only if it is all there and nothing of another one was seen.
func TestRecallTakesWholeEvents(t *testing.T) {
	usual := "data: " + usualChunk + "\n\n"
	var s record.Sample
	x := &exchange{client: New(Config{Epoch: time.Now()}), sample: &s, scratch: new(scratch)}
	x.watch.client = x.client
	x.stream.init(x)
	require.Len(t, x.stream.recall([]byte(usual)), len(usual), "nothing is known yet")
	require.NoError(t, x.scratch.decoder.Feed([]byte(usual), x.stream.event))
	require.Empty(t, x.stream.recall([]byte(usual+usual)))
	require.Len(t, s.ChunksNS, 3)
	require.Equal(t, "data", string(x.stream.recall([]byte(usual+"data"))))
	require.Len(t, x.stream.recall([]byte(usual[:len(usual)-1])), len(usual)-1)
	require.NoError(t, x.scratch.decoder.Feed([]byte("data: "), x.stream.event))
	require.Len(t, x.stream.recall([]byte(usual)), len(usual), "a line has begun")
	require.Len(t, s.ChunksNS, 4)
}
