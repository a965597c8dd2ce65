package dataset_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/llmsweep/llmsweep/harness/workload/dataset"
)

func TestReplay(t *testing.T) {
	r := dataset.Replay{Block: 512}
	for _, c := range []struct {
		ids          []uint64
		tokens       int
		hits, blocks int
		why          string
	}{
		{[]uint64{0, 1, 2}, 1100, 0, 2, "nothing is there, and a block that is not full is none"},
		{[]uint64{0, 1, 2}, 1100, 2, 2, "all that is full"},
		{[]uint64{0, 1, 3, 4}, 2048, 2, 4, "a beginning"},
		{[]uint64{0, 1, 2, 4}, 2048, 2, 4, "the third was not full"},
		{[]uint64{0, 1, 2, 4}, 2048, 3, 4, "now it was, but a token is left to compute"},
		{[]uint64{0, 1, 2, 4}, 2047, 3, 3, "the fourth is not full"},
		{[]uint64{0, 1, 2, 4, 5}, 2049, 4, 4, "or within it"},
		{[]uint64{1, 0}, 1024, 0, 2, "other blocks before"},
		{[]uint64{0, 9, 2, 4}, 2048, 1, 4, "nothing counts behind a gap"},
		{nil, 5000, 0, 0, "nothing shared"},
	} {
		hits, blocks := r.Ask(c.ids, c.tokens)
		assert.Equal(t, []int{c.hits, c.blocks}, []int{hits, blocks}, c.why)
	}
	small := dataset.Replay{Block: 16}
	hits, blocks := small.Ask([]uint64{0, 1}, 512+40)
	assert.Equal(t, []int{0, 34}, []int{hits, blocks})
	hits, blocks = small.Ask([]uint64{0, 1}, 512+500)
	assert.Equal(t, []int{34, 63}, []int{hits, blocks}, "smaller blocks find the beginning of one of the trace's")
}

// TestReplayAgainstText: a set of all beginnings of all prompts, as text, finds the same.
func TestReplayAgainstText(t *testing.T) {
	draw := rand.New(rand.NewPCG(3, 3))
	for _, block := range []int{16, 64, 512} {
		r := dataset.Replay{Block: block}
		seen := map[string]bool{}
		for range 300 {
			ids := make([]uint64, 1+draw.IntN(5))
			for i := range ids {
				ids[i] = draw.Uint64N(3)
			}
			tokens := len(ids)*512 - draw.IntN(512)
			var prompt strings.Builder // a word for each token
			for i := range tokens {
				fmt.Fprintf(&prompt, "%d.%d ", ids[i/512], i%512)
			}
			words := strings.SplitAfter(prompt.String(), " ")
			want, gap := 0, false
			for end := block; end <= tokens; end += block {
				beginning := strings.Join(words[:end], "")
				if gap = gap || !seen[beginning]; !gap && end < tokens {
					want++
				}
				seen[beginning] = true
			}
			hits, blocks := r.Ask(ids, tokens)
			assert.Equal(t, want, hits)
			assert.Equal(t, tokens/block, blocks)
		}
	}
}
