package tokenizer

import (
	"regexp"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
)

// The twin does the same as the package in the plainest way: the alternatives of the pattern one after the other as regular expressions, and
// a merge that searches all pairs for the lowest rank each time.

// Go's \s is ASCII only; this is Unicode's White_Space.
const anyBlank = `\t-\r \x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}`

func twinAlternatives(digits string) []*regexp.Regexp {
	var compiled []*regexp.Regexp
	for _, alternative := range []string{
		`(?i:'s|'t|'re|'ve|'m|'ll|'d)`,
		`[^\r\n\p{L}\p{N}]?\p{L}+`,
		`\p{N}` + digits,
		` ?[^` + anyBlank + `\p{L}\p{N}]+[\r\n]*`,
		`[` + anyBlank + `]*[\r\n]+`,
		`[` + anyBlank + `]+$`, // \s+(?!\S) where nothing follows
		`[` + anyBlank + `]{2,}`,
		`[` + anyBlank + `]`,
	} {
		compiled = append(compiled, regexp.MustCompile(`^(?:`+alternative+`)`))
	}
	return compiled
}

func twinPiece(alternatives []*regexp.Regexp, text string) int {
	for i, re := range alternatives {
		if match := re.FindString(text); match != "" {
			if i == 6 { // \s+(?!\S) where a word follows: all but the last blank
				_, size := utf8.DecodeLastRuneInString(match)
				return len(match) - size
			}
			return len(match)
		}
	}
	panic("no alternative fits")
}

func twinMerge(ranks map[string]uint32, piece string) []int {
	if id, ok := ranks[piece]; ok {
		return []int{int(id)}
	}
	var ids []int
	for _, part := range twinParts(ranks, piece, noToken) {
		ids = append(ids, int(ranks[part]))
	}
	return ids
}

// twinParts merges by the ranks below a limit.
func twinParts(ranks map[string]uint32, piece string, below uint32) []string {
	var parts []string
	for i := range len(piece) {
		parts = append(parts, piece[i:i+1])
	}
	for {
		best, lowest := -1, below
		for i := range len(parts) - 1 {
			if rank, ok := ranks[parts[i]+parts[i+1]]; ok && rank < lowest {
				best, lowest = i, rank
			}
		}
		if best < 0 {
			return parts
		}
		parts[best] += parts[best+1]
		parts = append(parts[:best+1], parts[best+2:]...)
	}
}

func TestAgreesWithTwin(t *testing.T) {
	for run, digits := range map[int]string{1: "", 3: "{1,3}"} {
		bpe, alternatives := withDigits(run), twinAlternatives(digits)
		for _, text := range randomTexts(3000) {
			var want []int
			for rest := text; rest != ""; {
				n := twinPiece(alternatives, rest)
				if !assert.Equal(t, n, pieceLen(rest, run), "first piece of %q, digit runs of %d", rest, run) {
					return
				}
				want = append(want, twinMerge(defaultRanks(), rest[:n])...)
				rest = rest[n:]
			}
			assert.Equal(t, want, encode(t, bpe, text), "%q, digit runs of %d", text, run)
		}
	}
}
