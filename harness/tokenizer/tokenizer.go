// Package tokenizer counts the tokens of a text and offers words of which a prompt of exactly N tokens can be put together.
//
// It serves two needs of a benchmark: prompts of a wanted length, made before the clock starts, and a count of the tokens
// that a server streamed when the server's own usage figures are missing. Where the server reports usage, that figure counts and
// this one is only a check.
//
// # A model's own tokenizer
//
// [Load] reads a tokenizer.json and encodes as Hugging Face's library does, id by id (testdata/reference holds what that library makes of
// 10,000 strings, and where it cuts them). It knows byte-pair encoding of bytes and of characters with a fallback to bytes, and refuses everything
// else by name. It adds no token of a template, not even a beginning of text: that overhead is a constant which the server's usage reveals.
//
// Differences are left in characters that Unicode got late. Patterns do not know those that came after its version 15, which are letters, digits and marks to
// that library: Go's tables end there. Marks that came after version 9 are put in order where a file asks for form NFC; that library's older tables
// leave them where they stand.
//
// # The default
//
// [Default] needs no download. It holds the byte-pair ranks of cl100k_base (tiktoken, MIT, see NOTICE) and splits text by
// Qwen's pattern. That pattern is cl100k's with one difference: each digit is a piece of its own, where cl100k takes runs
// of up to three (split.go has both).
//
// Qwen's vocabulary begins with cl100k's tokens in the same order (without the numbers of two and three digits) and goes on
// with tokens that are nearly all of other scripts than Latin. Counts of English prose and of source code therefore agree
// with Qwen's to a few in a hundred thousand; counts of other scripts come out too high. Ids are cl100k's, not Qwen's. Text is
// taken as it stands: no normalisation, and "<|endoftext|>" is ordinary text.
//
// # How it works
//
// A text goes through the steps of Hugging Face's pipeline: added tokens are cut out (added.go), what is left is normalised
// (normalize.go) and cut into pieces (pretokenize.go), by a hand-written scanner where there is one (split.go, families.go, runs.go), else by a
// backtracking engine for regular expressions, which takes several times as long (pattern.go); Go's own has no look-ahead. A piece that is known
// to be one token is looked up (vocabulary.go); any other is merged pair by pair, lowest rank first (merge.go). A long one is sewn
// together from chunks (seams.go), and where that does not go, merged with a heap, so that a piece of n bytes costs n log n at worst (heap.go).
package tokenizer

import (
	"strings"
	"sync"
	"unicode/utf8"
)

// BPE is a byte-pair tokenizer: a vocabulary, and rules for splitting text.
// It is immutable and safe for concurrent use; [Default] and [Load] make one.
type BPE struct {
	name   string
	sha256 string

	// A text goes through these from top to bottom.
	unicodeOnly     bool         // a byte that is not UTF-8 becomes U+FFFD; else any bytes are encoded
	added           *addedTokens // nil: none
	normalizers     []normalizer
	addedNormalized *addedTokens // nil: none
	pre             pretokenizer
	vocabulary      *vocabulary

	scratch sync.Pool // of *scratch
}

// Name says in a few words which vocabulary and which rule count, for reports.
func (b *BPE) Name() string { return b.name }

// SHA256 is the hash of the vocabulary's file as it was read (the embedded one's compressed), in lower-case hexadecimal.
func (b *BPE) SHA256() string { return b.sha256 }

// Warm makes now what the default tokenizer otherwise makes when it first merges, which takes some 100 ms: before a clock starts.
func (b *BPE) Warm() { b.vocabulary.pairs() }

// Count gives the number of tokens in text, without those that a template puts around it. The error says that the split pattern of a file
// took too long over this text; the default tokenizer has none.
func (b *BPE) Count(text string) (int, error) {
	s := b.acquire()
	defer b.release(s)
	err := b.encode(s, text)
	return s.tokens, err
}

// Encode appends the token ids of text to dst and returns the longer slice, as append does. It appends Count(text) ids.
func (b *BPE) Encode(dst []int, text string) ([]int, error) {
	s := b.acquire()
	defer b.release(s)
	s.listing, s.ids = true, dst
	err := b.encode(s, text)
	ids := s.ids
	s.ids = nil
	return ids, err
}

// scratch is the memory that encoding one text takes, and its result.
type scratch struct {
	merger
	segments, within []segment // of the text; of its parts, normalised
	ends, spare      []int

	tokens  int
	listing bool // ids are wanted
	ids     []int
}

func (b *BPE) encode(s *scratch, text string) error {
	if b.unicodeOnly && !utf8.ValidString(text) {
		text = strings.ToValidUTF8(text, "\uFFFD")
	}
	s.segments = b.added.cut(s.segments[:0], text)
	for _, outer := range s.segments {
		if outer.token != noToken {
			s.emit(outer.token)
			continue
		}
		part := text[outer.from:outer.to]
		for _, normalize := range b.normalizers {
			part = normalize(part)
		}
		s.within = b.addedNormalized.cut(s.within[:0], part)
		for _, inner := range s.within {
			if inner.token != noToken {
				s.emit(inner.token)
				continue
			}
			begin := outer.from == 0 && inner.from == 0
			if err := b.encodeText(s, b.pre.prepare(part[inner.from:inner.to], begin)); err != nil {
				return err
			}
		}
	}
	return nil
}

// encodeText encodes what has no added token.
func (b *BPE) encodeText(s *scratch, text string) error {
	if len(b.pre.cuts) == 1 {
		if scan, ok := b.pre.cuts[0].(scanner); ok { // no list of ends is needed
			for len(text) > 0 {
				n := scan(text)
				b.encodePiece(s, text[:n])
				text = text[n:]
			}
			return nil
		}
	}
	ends, err := b.pre.cut(s, text)
	from := 0
	for _, to := range ends {
		b.encodePiece(s, text[from:to])
		from = to
	}
	return err
}

func (b *BPE) encodePiece(s *scratch, piece string) {
	if id, whole := b.vocabulary.token(piece); whole {
		s.emit(id)
		return
	}
	tokens := s.merge(b.vocabulary, piece)
	s.tokens += len(tokens)
	if !s.listing {
		return
	}
	for _, token := range tokens {
		s.ids = append(s.ids, int(token.id))
	}
}

func (s *scratch) emit(id uint32) {
	s.tokens++
	if s.listing {
		s.ids = append(s.ids, int(id))
	}
}

func (b *BPE) acquire() *scratch {
	s, ok := b.scratch.Get().(*scratch)
	if !ok {
		return new(scratch)
	}
	s.tokens, s.listing = 0, false
	return s
}

// release keeps the scratch memory for the next call, unless one giant piece has made it so large that it should not stay.
func (b *BPE) release(s *scratch) {
	const keep = 64 << 10 // parts, neighbours, ends of pieces, or segments
	if max(cap(s.sewn), cap(s.chunk), cap(s.next), cap(s.ends), cap(s.spare), cap(s.segments), cap(s.within)) <= keep {
		b.scratch.Put(s)
	}
}
