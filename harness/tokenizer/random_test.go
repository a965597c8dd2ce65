package tokenizer

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// twinFile is a tokenizer.json without sense, of which Hugging Face's library would still make ids, and what its model does in the plainest way.
type twinFile struct {
	ids              map[string]uint32
	merges           [][2]string
	fallback, ignore bool
}

// TestRandomFiles holds files that Load admits and nobody trains against the twin: merges listed twice or made of later ones, tokens that no merge makes,
// tokens with one id, bytes' tokens that are merged of their names.
func TestRandomFiles(t *testing.T) {
	draw := rand.New(rand.NewPCG(8, 9))
	for round := range 1000 {
		f, letters := randomFile(draw)
		b, err := Load("random", f.json(t))
		require.NoError(t, err)
		for range 12 {
			text := repetitive(draw, letters, draw.IntN(3)*250)
			require.Equal(t, f.encode(text), encode(t, b, text), "round %d, fallback %v, ignore_merges %v: %q", round, f.fallback, f.ignore, text)
		}
	}
}

// TestIDsOfTwoTexts: what is true of the texts of merges is not of all that they join.
func TestIDsOfTwoTexts(t *testing.T) {
	same := bytesFile()
	for id, token := range []string{"▁", "a", "b", "▁a", "bab"} {
		same.ids[token] = 256 + uint32(id)
	}
	same.ids["ab"] = same.ids["▁a"]
	same.merges = [][2]string{{"▁", "a"}, {"b", "ab"}}

	named := bytesFile() // A is <0x41>, and so is its name
	for id, token := range []string{"<", "0", "x", "4", "1", ">", "<0", "<0x", "<0x4", "<0x41", "▁", ">▁", "▁0", "▁x"} {
		named.ids[token] = 256 + uint32(id)
	}
	named.merges = [][2]string{{">", "▁"}, {"<", "0"}, {"<0", "x"}, {"<0x", "4"}, {"<0x4", "1"}, {"<0x41", ">"}}
	for text, f := range map[string]twinFile{"b▁a": same, "A▁A▁<0x41>▁<0x41>▁": named} {
		b, err := Load("two texts", f.json(t))
		require.NoError(t, err)
		text = strings.Repeat(text, 40)
		require.Equal(t, f.encode(text), encode(t, b, text), text)
	}
}

// bytesFile has a fallback to bytes and no other tokens.
func bytesFile() twinFile {
	f := twinFile{ids: map[string]uint32{}, fallback: true}
	for b := range 256 {
		f.ids[fmt.Sprintf("<0x%02X>", b)] = uint32(b)
	}
	return f
}

// repetitive draws a text of units that are repeated, which merge the same way for long.
func repetitive(draw *rand.Rand, letters []string, atLeast int) string {
	var text strings.Builder
	for text.Len() == 0 || text.Len() < atLeast {
		unit := ""
		for range 1 + draw.IntN(12) {
			unit += letters[draw.IntN(len(letters))]
		}
		text.WriteString(strings.Repeat(unit, 1+draw.IntN(1+draw.IntN(20))))
		if atLeast == 0 && draw.IntN(2) == 0 {
			return letters[draw.IntN(len(letters))]
		}
	}
	return text.String()
}

// randomFile gives also letters of which texts may be.
func randomFile(draw *rand.Rand) (f twinFile, letters []string) {
	f = twinFile{ids: map[string]uint32{}, fallback: draw.IntN(3) > 0, ignore: draw.IntN(2) == 0}
	alphabet := byteAlphabet()
	var tokens []string
	for b := range 256 {
		name := string(alphabet[b])
		if f.fallback {
			name = fmt.Sprintf("<0x%02X>", b)
		}
		f.ids[name] = uint32(b)
	}
	if letters = strings.Split("ab éè", ""); f.fallback {
		letters = []string{"▁", "a", "b", "é", "鬱", "ä", "A", "<0x41>", "<0xC3>"}
		for c := range strings.SplitSeq("▁abé鬱<0x41C3>", "") {
			if len(tokens) == 0 || draw.IntN(4) > 0 {
				tokens = append(tokens, c)
				f.ids[c] = uint32(len(f.ids))
			}
		}
		if draw.IntN(2) == 0 {
			tokens = append(tokens, "<0x41>", "<0xC3>", "<0xA9>")
		}
	} else {
		for _, b := range []byte("ab é") {
			tokens = append(tokens, string(alphabet[b]))
		}
	}
	if draw.IntN(2) == 0 {
		letters, tokens = letters[:2+draw.IntN(2)], tokens[:min(len(tokens), 2+draw.IntN(3))]
	}
	oneID := draw.IntN(4) == 0
	for range 3 + draw.IntN(50) {
		m := [2]string{tokens[draw.IntN(len(tokens))], tokens[draw.IntN(len(tokens))]}
		joined := m[0] + m[1]
		if _, known := f.ids[joined]; len(joined) > 300 {
			continue
		} else if !known {
			f.ids[joined] = uint32(len(f.ids))
			if oneID && draw.IntN(5) == 0 {
				f.ids[joined] = f.ids[tokens[draw.IntN(len(tokens))]]
			}
			tokens = append(tokens, joined)
		}
		if f.merges = append(f.merges, m); draw.IntN(10) == 0 {
			f.merges = append(f.merges, f.merges[draw.IntN(len(f.merges))])
		}
		i := draw.IntN(len(f.merges))
		f.merges[0], f.merges[i] = f.merges[i], f.merges[0]
	}
	for range draw.IntN(8) {
		if joined := repetitive(draw, tokens, 0); f.ids[joined] == 0 {
			f.ids[joined] = uint32(len(f.ids))
		}
	}
	if !f.fallback && draw.IntN(2) == 0 && f.ids["Ã©"] == 0 {
		f.ids["Ã©"] = uint32(len(f.ids)) // é, which no merge makes
	}
	return f, letters
}

func (f *twinFile) json(t *testing.T) []byte {
	model := map[string]any{"type": "BPE", "vocab": f.ids, "merges": f.merges, "ignore_merges": f.ignore, "byte_fallback": f.fallback}
	root := map[string]any{"model": model}
	if !f.fallback {
		root["pre_tokenizer"] = map[string]any{"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}
	}
	data, err := json.Marshal(root)
	require.NoError(t, err)
	return data
}

func (f *twinFile) encode(text string) []int {
	if !f.fallback {
		alphabet, spelled := byteAlphabet(), ""
		for i := range len(text) {
			spelled += string(alphabet[text[i]])
		}
		text = spelled
	}
	if id, ok := f.ids[text]; ok && f.ignore {
		return []int{int(id)}
	}
	type become struct{ rank, id int }
	pairs := map[[2]int]become{}
	for rank, m := range f.merges {
		pairs[[2]int{int(f.ids[m[0]]), int(f.ids[m[1]])}] = become{rank, int(f.ids[m[0]+m[1]])}
	}
	ids := []int{}
	for _, c := range strings.Split(text, "") {
		if id, ok := f.ids[c]; ok {
			ids = append(ids, int(id))
			continue
		}
		for _, b := range []byte(c) {
			ids = append(ids, int(f.ids[fmt.Sprintf("<0x%02X>", b)]))
		}
	}
	for {
		at, best := -1, become{rank: len(f.merges)}
		for i := range len(ids) - 1 {
			if b, ok := pairs[[2]int{ids[i], ids[i+1]}]; ok && b.rank < best.rank {
				at, best = i, b
			}
		}
		if at < 0 {
			return ids
		}
		ids = slices.Replace(ids, at, at+2, best.id)
	}
}
