// Package tokenizer counts the tokens of a text and offers words of which a prompt of exactly N tokens can be put together.
//
// It serves two needs of a benchmark: prompts of a wanted length, made before the clock starts, and a count of the tokens
// that a server streamed when the server's own usage figures are missing. It is not the server's tokenizer: where the
// server reports usage, that figure counts and this one is only a check.
//
// # The default
//
// [Default] needs no download. It holds the byte-pair ranks of cl100k_base (tiktoken, MIT, see NOTICE) and splits text by
// Qwen's pattern. That pattern is cl100k's with one difference: each digit is a piece of its own, where cl100k takes runs
// of up to three.
//
//	(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
//
// Qwen's vocabulary begins with cl100k's tokens in the same order (without the numbers of two and three digits) and goes on
// with tokens that are nearly all of other scripts than Latin. Counts of English prose and of source code therefore agree
// with Qwen's to a few in a hundred thousand; counts of other scripts come out too high. Ids are cl100k's, not Qwen's.
//
// # How it works
//
// Text is cut into pieces by a hand-written scanner (split.go), since Go's regexp has no look-ahead. A piece that is in the
// vocabulary is one token; any other is merged pair by pair, lowest rank first (merge.go), with a heap, so that
// a piece of n bytes costs n log n however long it is.
//
// # What it leaves out
//
//   - Unicode normalisation: Qwen brings text into form NFC first, this package takes it as it stands. A text with
//     decomposed accents counts higher here.
//   - Special tokens: "<|endoftext|>" is ordinary text. So is nothing added for a chat template, whose overhead is a
//     constant that the server's usage reveals.
//   - Files: only the embedded vocabulary is read.
package tokenizer

import "sync"

// BPE is a byte-level byte-pair tokenizer: a vocabulary with ranks and a rule for splitting text.
// It is immutable and safe for concurrent use; [Default] makes one.
type BPE struct {
	name   string
	sha256 string

	ranks    map[string]uint32 // token -> rank, which is its id too; holds all 256 single bytes
	longest  int               // bytes of the longest token
	digitRun int               // longest run of digits in one piece: 1 as in Qwen, 3 as in cl100k and Llama 3

	scratch sync.Pool // of *merger
}

// Name says in a few words which vocabulary and which rule count, for reports.
func (b *BPE) Name() string { return b.name }

// SHA256 is the hash of the vocabulary's file as embedded (compressed), in lower-case hexadecimal.
func (b *BPE) SHA256() string { return b.sha256 }

// Count gives the number of tokens in text. It takes any bytes: those that are not valid UTF-8 are split as symbols are.
func (b *BPE) Count(text string) int {
	m := b.acquire()
	defer b.release(m)
	total := 0
	for len(text) > 0 {
		n := pieceLen(text, b.digitRun)
		if _, whole := b.rank(text[:n]); whole {
			total++
		} else {
			total += m.merge(b, text[:n])
		}
		text = text[n:]
	}
	return total
}

// Encode appends the token ids of text to dst and returns the longer slice, as append does. It appends Count(text) ids,
// whose tokens' bytes in a row are text.
func (b *BPE) Encode(dst []int, text string) []int {
	m := b.acquire()
	defer b.release(m)
	for len(text) > 0 {
		n := pieceLen(text, b.digitRun)
		piece := text[:n]
		if id, whole := b.rank(piece); whole {
			dst = append(dst, int(id))
		} else {
			m.merge(b, piece)
			for from := 0; from < n; from = m.next[from] {
				id, _ := b.rank(piece[from:m.next[from]])
				dst = append(dst, int(id))
			}
		}
		text = text[n:]
	}
	return dst
}

// rank looks up a token. The length is compared first because hashing a long piece to no avail costs more than the answer.
func (b *BPE) rank(token string) (uint32, bool) {
	if len(token) > b.longest {
		return 0, false
	}
	rank, ok := b.ranks[token]
	return rank, ok
}

func (b *BPE) acquire() *merger {
	if m, ok := b.scratch.Get().(*merger); ok {
		return m
	}
	return new(merger)
}

// release keeps the scratch memory for the next call, unless one giant piece has made it so large that it should not stay.
func (b *BPE) release(m *merger) {
	const keep = 64 << 10 // bytes of piece, about 40 times that in memory
	if cap(m.next) <= keep {
		b.scratch.Put(m)
	}
}
