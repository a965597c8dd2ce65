package tokenizer

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func ExampleBPE_Words() {
	words, _ := Default().Words()
	prompt := words.First[100] + " " + words.Rest[2000] + " " + words.Rest[3000] + " " + words.Rest[4000]
	tokens, err := Default().Count(prompt)
	fmt.Println(tokens, err)
	// Output: 4 <nil>
}

func TestWordsAreSingleTokens(t *testing.T) {
	first, rest := defaultWords().First, defaultWords().Rest
	assert.Greater(t, len(rest), 15000)
	assert.Greater(t, len(first), 3000)
	form := regexp.MustCompile(`^[a-z]{3,10}$`)
	for _, word := range rest {
		assert.True(t, form.MatchString(word), "%q", word)
		assert.Equal(t, 1, count(t, Default(), " "+word), "%q behind a blank", word)
	}
	for _, word := range first {
		_, also := slices.BinarySearch(rest, word)
		assert.True(t, also, "%q must be in rest too", word)
		assert.Equal(t, 1, count(t, Default(), word), "%q", word)
	}
	for _, words := range [][]string{first, rest} {
		assert.True(t, slices.IsSorted(words))
		assert.Len(t, slices.Compact(slices.Clone(words)), len(words), "a word stands twice")
	}
}

func TestWordsJoinToExactlyN(t *testing.T) {
	first, rest := defaultWords().First, defaultWords().Rest
	draw := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int{1, 2, 128, 1024, 8192} {
		for range 20 {
			words := []string{first[draw.IntN(len(first))]}
			for len(words) < n {
				words = append(words, rest[draw.IntN(len(rest))])
			}
			prompt := strings.Join(words, " ")
			assert.Equal(t, n, count(t, Default(), prompt))
			assert.Equal(t, n, count(t, withDigits(3), prompt))
		}
	}
}

func TestWordsAreFitToRead(t *testing.T) {
	rest := defaultWords().Rest
	for _, word := range []string{"fuck", "shit", "cunt", "rape", "retard"} {
		assert.NotContains(t, rest, word)
	}
}

func TestParseRanks(t *testing.T) {
	var bytesOnly []byte
	for b := range 256 {
		bytesOnly = append(bytesOnly, 1, byte(b))
	}
	pack := func(more ...byte) []byte {
		var packed bytes.Buffer
		zip := gzip.NewWriter(&packed)
		_, err := zip.Write(append(slices.Clone(bytesOnly), more...))
		require.NoError(t, err)
		require.NoError(t, zip.Close())
		return packed.Bytes()
	}
	ranks, err := parseRanks(pack(2, 'a', 'b'))
	require.NoError(t, err)
	assert.Len(t, ranks, 257)
	assert.Equal(t, uint32(256), ranks["ab"])

	missing := slices.Clone(bytesOnly)
	bytesOnly = slices.Delete(missing, 2*'x', 2*'x'+2)
	_, err = parseRanks(pack())
	assert.ErrorContains(t, err, "byte 0x78 is no token")
	bytesOnly = append(bytesOnly, 1, 'x')
	for want, more := range map[string][]byte{
		"token 256 has 3 bytes, 2 are left":   {3, 'a', 'b'},
		"token 256 has 0 bytes":               {0, 1, 'a'},
		`token "ab" has ranks 256 and 257`:    {2, 'a', 'b', 2, 'a', 'b'},
		"token 257 has 5 bytes, 0 are left":   {2, 'a', 'b', 5},
		`token "a" has ranks 97 and 256`:      {1, 'a'},
		"token 256 has 255 bytes, 1 are left": {255, 'a'},
	} {
		_, err := parseRanks(pack(more...))
		assert.ErrorContains(t, err, want)
	}
	_, err = parseRanks([]byte("no gzip at all"))
	assert.ErrorIs(t, err, gzip.ErrHeader)
	_, err = parseRanks(pack()[:100])
	assert.Error(t, err, "a file cut short")
}
