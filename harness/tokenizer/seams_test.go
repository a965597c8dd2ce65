package tokenizer

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// tokensOf are what a way of merging makes of a piece.
func tokensOf(parts []span) (starts []int, ids []uint32) {
	for _, p := range parts {
		starts, ids = append(starts, p.start), append(ids, p.id)
	}
	return starts, ids
}

// requireSame holds the three ways of merging a piece against one another.
func requireSame(t *testing.T, v *vocabulary, m *merger, piece string) {
	starts, ids := tokensOf(new(heap).long(nil, v, piece))
	if len(piece) < 500 {
		shortStarts, shortIDs := tokensOf(short(nil, v, piece))
		require.Equal(t, starts, shortStarts, "short: %q", piece)
		require.Equal(t, ids, shortIDs, "short: %q", piece)
	}
	for _, patience := range []int{8 * len(piece), 0} {
		sewnStarts, sewnIDs := tokensOf(m.sew(v, piece, patience))
		require.Equal(t, starts, sewnStarts, "sewn with patience %d: %q", patience, piece)
		require.Equal(t, ids, sewnIDs, "sewn with patience %d: %q", patience, piece)
	}
}

// TestSeamsOfFiles sews long texts of every script by the vocabularies of all families.
func TestSeamsOfFiles(t *testing.T) {
	texts := referenceStrings(t)
	for _, name := range append(referenceNames(t), "") {
		b := Default()
		if name != "" {
			b = loadReference(t, name)
		}
		var m merger
		draw := rand.New(rand.NewPCG(3, 4))
		requireSame(t, b.vocabulary, &m, strings.Repeat(" latencyness queueing abc", 9)) // llama3 has tokens of these that no merge makes
		requireSame(t, b.vocabulary, &m, strings.Repeat("\x80", 99))
		for range 150 {
			var text strings.Builder
			for text.Len() < 50+draw.IntN(2000) {
				text.WriteString(texts[draw.IntN(len(texts))])
			}
			for _, piece := range []string{text.String(), strings.ReplaceAll(text.String(), " ", blankMark)} {
				requireSame(t, b.vocabulary, &m, piece)
			}
		}
	}
}

// TestSeamsOfRandomVocabularies: of two or three letters and merges without sense, where most seams do not hold and some tokens reach far.
func TestSeamsOfRandomVocabularies(t *testing.T) {
	draw := rand.New(rand.NewPCG(5, 6))
	for round := range 400 {
		letters := "abc "[:2+draw.IntN(3)]
		v := randomVocabulary(draw, letters, 3+draw.IntN(60))
		m := merger{}
		for range 20 {
			var piece strings.Builder
			unit := 1 + draw.IntN(12)
			for piece.Len() < 70+draw.IntN(700) { // of repetitions, which merge the same way for long
				part := ""
				for range unit {
					part += string(letters[draw.IntN(len(letters))])
				}
				piece.WriteString(strings.Repeat(part, 1+draw.IntN(20)))
			}
			requireSame(t, v, &m, piece.String())
		}
		if t.Failed() {
			t.Fatalf("round %d", round)
		}
	}
}

// TestPatience is spent on each byte that is merged again: of the last token of a torn chunk, and of the two tokens at a seam that is not known.
func TestPatience(t *testing.T) {
	const torn = 42 // 48 bytes, of which 47 are taken
	for oneText, want := range map[bool]int{true: torn + 2*2, false: torn + 2*torn} {
		v := randomVocabulary(rand.New(rand.NewPCG(1, 1)), "ab", 0)
		v.oneText = oneText
		var m merger
		require.Len(t, m.sew(v, strings.Repeat("ab", 1000), 10_000), 2000)
		require.Equal(t, 10_000-want, m.patience)
	}
}

// randomVocabulary has the bytes of letters as tokens and n merges of tokens.
func randomVocabulary(draw *rand.Rand, letters string, n int) *vocabulary {
	v, table := &vocabulary{oneText: true}, newPairs(n)
	tokens := strings.Split(letters, "")
	ids := map[string]uint32{}
	for id, letter := range tokens {
		v.bytes[letter[0]], ids[letter] = uint32(id), uint32(id)
	}
	for rank := range uint32(n) {
		left, right := tokens[draw.IntN(len(tokens))], tokens[draw.IntN(len(tokens))]
		if _, _, twice := table.get(ids[left], ids[right]); twice || len(left+right) > 200 {
			continue
		}
		id, isToken := ids[left+right]
		if !isToken {
			id = uint32(len(tokens))
			tokens = append(tokens, left+right)
			ids[left+right] = id
		}
		table.set(ids[left], ids[right], rank, id)
	}
	v.pairs = func() *pairs { return table }
	v.settle(ids, false)
	return v
}
