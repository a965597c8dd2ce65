package tokenizer

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestWordsOfFiles joins words of every kind of file.
func TestWordsOfFiles(t *testing.T) {
	found := 0
	for _, name := range referenceNames(t) {
		b := loadReference(t, name)
		words, err := b.Words()
		if name == "behaviours" || name == "mistral" { // a blank is a token of its own; merges go across blanks
			assert.ErrorContains(t, err, "words are one token each, and prompts of an exact length need 16", name)
			continue
		}
		require.NoError(t, err, name)
		assert.Greater(t, len(words.Rest), enoughWords, name)
		found++
		draw := rand.New(rand.NewPCG(9, 9))
		for _, n := range []int{1, 2, 17, 3000} {
			assert.Equal(t, n, count(t, b, joined(words, draw, n)), "%s, %d words", name, n)
		}
	}
	assert.Equal(t, 12, found)
}

func joined(words WordList, draw *rand.Rand, n int) string {
	text := words.First[draw.IntN(len(words.First))]
	for range n - 1 {
		text += " " + words.Rest[draw.IntN(len(words.Rest))]
	}
	return text
}

// TestWordsOfTheVocabulary: where none of the embedded list is a token, the vocabulary's own are taken.
func TestWordsOfTheVocabulary(t *testing.T) {
	b := loadReference(t, "gpt2")
	greek := *b.vocabulary
	greek.whole, greek.pairs = map[string]uint32{}, func() *pairs { return newPairs(0) }
	for text, id := range b.vocabulary.whole {
		if len(text) == 1 {
			greek.add(text, id)
		}
	}
	for i, letter := range []rune("αβγδεζηθικλμνξοπρστυφχψω") {
		greek.add(" λ"+string(letter), uint32(10_000+i))
	}
	own := &BPE{name: "greek", pre: b.pre, vocabulary: &greek}
	words, err := own.Words()
	require.NoError(t, err)
	assert.Contains(t, words.Rest, "λω")
	assert.NotContains(t, words.First, "λω", "one token behind a blank only")
	assert.Equal(t, 50, count(t, own, joined(words, rand.New(rand.NewPCG(1, 1)), 50)))
}

// TestFindWordsProves: words that are one token alone and not in company are dropped.
func TestFindWordsProves(t *testing.T) {
	candidates := strings.Fields("red green blue black white brown grey pink gold silver violet orange")
	lonely := func(text string) (int, error) {
		n := len(strings.Fields(text))
		if n > 3 && strings.Contains(text, "pink") {
			n++
		}
		return n, nil
	}
	words, err := FindWords(lonely, candidates, math.MaxInt)
	require.NoError(t, err)
	assert.NotContains(t, words.Rest, "pink")
	assert.Len(t, words.Rest, len(candidates)-1)

	broken := errors.New("no answer")
	_, err = FindWords(func(string) (int, error) { return 0, broken }, candidates, math.MaxInt)
	require.ErrorIs(t, err, broken)
	_, err = FindWords(func(text string) (int, error) { return len(text), nil }, []string{"green"}, math.MaxInt)
	require.NoError(t, err, "letters begin")
	_, err = FindWords(func(text string) (int, error) { return 2 * len(text), nil }, candidates, math.MaxInt)
	assert.ErrorContains(t, err, "no word that begins a text is one token")
}

// TestServedWordsTakeFewCalls of a vocabulary that is as large as those of models.
func TestServedWordsTakeFewCalls(t *testing.T) {
	b, err := Load("big", bigFile())
	require.NoError(t, err)
	calls := 0
	words, err := ServedWords(func(text string) (int, error) {
		calls++
		return b.Count(text)
	})
	require.NoError(t, err)
	assert.Len(t, words.Rest, 400)
	assert.Len(t, words.First, 67)
	assert.Less(t, calls, 130)
	for _, nonsense := range []int{-5, 0, 1 << 60} {
		calls = 0
		_, err = ServedWords(func(string) (int, error) {
			calls++
			return nonsense, nil
		})
		assert.ErrorContains(t, err, fmt.Sprintf("it counts %d tokens in a text of 1 bytes", nonsense))
		assert.Equal(t, 1, calls)
	}
	_, err = ServedWords(func(text string) (int, error) { return len(text), nil })
	assert.ErrorContains(t, err, "only 0 words are one token each")
}
