package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// seams is the memory of sewing a long piece together from chunks.
//
// It rests on this: the tokens of two texts are those of the texts joined, if the last token of the first and the first of the second, taken as a
// text of two tokens, stay these two. For as long as nothing has been merged across the seam, either side is merged as it is alone; and the first merge
// that crosses it would join parts of these two tokens, at a rank that is the lowest there, so it would cross the seam in the text of two tokens, too.
// For the same reason, the first tokens of a text are those of the text that they cover. What is known of two texts is known of their ids only where
// no id stands for two texts ([vocabulary.oneText]).
type seams struct {
	sewn  []span
	chunk []span
	pair  []span
	known []uint64 // what fits has found, by a hash of the pair of tokens: left (31 bits), right (32), whether it fits

	patience int // bytes that may yet be merged more than once
}

const (
	longestChunk = 48 // bytes
	// logKnownPairs makes known 32 KiB.
	logKnownPairs = 12
)

// sew cuts piece into chunks and encodes each. Where a seam does not hold, the tokens before it are merged once more, together with the chunk. Once
// that has cost patience bytes, the piece is merged as a whole.
func (m *merger) sew(v *vocabulary, piece string, patience int) []span {
	m.sewn, m.patience = m.sewn[:0], patience
	for from := 0; from < len(piece); {
		to, torn := chunkEnd(piece, from, v.blanksEnd)
		m.encodeChunk(v, piece[from:to])
		for again := 1; len(m.sewn) > 0 && !m.fits(v, piece, from, to); again *= 2 {
			keep := max(0, len(m.sewn)-again)
			from, m.sewn = m.sewn[keep].start, m.sewn[:keep]
			if m.patience -= to - from; m.patience < 0 {
				m.sewn = m.long(m.sewn[:0], v, piece)
				return m.sewn
			}
			m.encodeChunk(v, piece[from:to])
		}
		if last := len(m.chunk) - 1; torn && last > 0 { // it goes on behind the cut, as a rule
			m.patience -= to - from - m.chunk[last].start
			to = from + m.chunk[last].start
			m.chunk = m.chunk[:last]
		}
		for _, p := range m.chunk {
			p.start += from
			m.sewn = append(m.sewn, p)
		}
		from = to
	}
	return m.sewn
}

// encodeChunk looks a chunk up before it merges it. A token that no merge makes of the chunk, of which some vocabularies have a few, fits nowhere.
func (m *merger) encodeChunk(v *vocabulary, chunk string) {
	m.chunk = m.chunk[:0]
	if id, whole := v.token(chunk); whole {
		m.chunk = append(m.chunk, span{id: id})
		return
	}
	m.chunk = m.plain(m.chunk, v, chunk)
}

// fits reports whether the seam at from holds, between what is sewn and the chunk that ends at to.
func (m *merger) fits(v *vocabulary, piece string, from, to int) bool {
	left, right := m.sewn[len(m.sewn)-1], m.chunk[0]
	key := uint64(left.id)<<33 | uint64(right.id)<<1
	if m.known == nil {
		m.known = make([]uint64, 1<<logKnownPairs)
	}
	slot := &m.known[key*golden>>(64-logKnownPairs)]
	if v.oneText && *slot&^1 == key && key != 0 {
		return *slot&1 == 1
	}
	if len(m.chunk) > 1 {
		to = from + m.chunk[1].start
	}
	m.patience -= to - left.start
	m.pair = m.plain(m.pair[:0], v, piece[left.start:to])
	holds := len(m.pair) == 2 && m.pair[1].start == from-left.start && m.pair[0].id == left.id && m.pair[1].id == right.id
	if *slot = key; holds {
		*slot |= 1
	}
	return holds
}

// chunkEnd gives where the chunk of piece that begins at from ends: at the next blank, or where it is long enough, behind a character. Blanks belong
// to the word behind them, or to the one before (blanksEnd). torn: it may have been cut within a word.
func chunkEnd(piece string, from int, blanksEnd bool) (to int, torn bool) {
	most := min(len(piece), from+longestChunk)
	at := from
	if !blanksEnd {
		at = behindBlanks(piece, at, most)
	}
	for ; at < most; at++ {
		if blankSize(piece[at:]) == 0 {
			continue
		}
		if blanksEnd {
			at = behindBlanks(piece, at, most)
		}
		return at, false
	}
	if most == len(piece) {
		return most, false
	}
	for to = most; to > most-utf8.UTFMax; to-- {
		if utf8.RuneStart(piece[to]) {
			return to, true
		}
	}
	return most, true // not UTF-8
}

func behindBlanks(piece string, at, most int) int {
	for at < most && blankSize(piece[at:]) > 0 {
		at += blankSize(piece[at:])
	}
	return at
}

// blankSize gives the length of the blank that text begins with, or of its mark, or 0.
func blankSize(text string) int {
	switch {
	case text[0] == ' ':
		return 1
	case strings.HasPrefix(text, blankMark):
		return len(blankMark)
	}
	return 0
}
