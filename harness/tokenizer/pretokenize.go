package tokenizer

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// pretokenizer cuts normalised text into the pieces that are encoded each by itself.
type pretokenizer struct {
	blank  string // what stands for a blank; "": the blank itself
	prefix string // what is put before a text that does not begin with it
	first  bool   // only before the beginning of a whole text, not behind an added token
	cuts   []cutter
}

// cutter appends to ends where the pieces of text end, the last of them with text.
type cutter interface {
	cut(ends []int, text string) ([]int, error)
}

var (
	_ cutter = scanner(nil)
	_ cutter = (*pattern)(nil)
)

// cut is never an error.
func (scan scanner) cut(ends []int, text string) ([]int, error) {
	for at := 0; at < len(text); {
		at += scan(text[at:])
		ends = append(ends, at)
	}
	return ends, nil
}

// prepare puts what is to be there before text is cut. begin: nothing stands before it.
func (p *pretokenizer) prepare(text string, begin bool) string {
	if p.blank != "" {
		text = strings.ReplaceAll(text, " ", p.blank)
	}
	if p.prefix != "" && (begin || !p.first) && !strings.HasPrefix(text, p.prefix) {
		text = p.prefix + text
	}
	return text
}

// cut gives the ends of the pieces of text. Each cutter cuts the pieces that the one before it left.
func (p *pretokenizer) cut(s *scratch, text string) (ends []int, err error) {
	ends, spare := s.ends[:0], s.spare
	ends = append(ends, len(text))
	for _, c := range p.cuts {
		from := 0
		spare = spare[:0]
		for _, to := range ends {
			known := len(spare)
			if spare, err = c.cut(spare, text[from:to]); err != nil {
				return nil, err
			}
			for i := range spare[known:] {
				spare[known+i] += from
			}
			from = to
		}
		ends, spare = spare, ends
	}
	s.ends, s.spare = ends, spare
	return ends, nil
}

// beforeMark cuts before each mark, as Metaspace does.
func beforeMark(mark string) scanner {
	return func(text string) int {
		from := len(text) - len(strings.TrimPrefix(text, mark))
		if i := strings.Index(text[from:], mark); i >= 0 {
			return from + i
		}
		return len(text)
	}
}

// beforeMarks cuts before each run of marks.
func beforeMarks(mark string) scanner {
	return func(text string) int {
		from := 0
		for strings.HasPrefix(text[from:], mark) {
			from += len(mark)
		}
		if i := strings.Index(text[from:], mark); i >= 0 {
			return from + i
		}
		return len(text)
	}
}

// scanDigits makes every digit a piece, or every run of them.
func scanDigits(each bool) scanner {
	return func(text string) int {
		r, size := utf8.DecodeRuneInString(text)
		if each && unicode.IsNumber(r) {
			return size
		}
		first := unicode.IsNumber(r)
		if i := strings.IndexFunc(text, func(r rune) bool { return unicode.IsNumber(r) != first }); i >= 0 {
			return i
		}
		return len(text)
	}
}

// behaviour says what becomes of a match of a pattern and of what lies between two.
type behaviour string

const (
	isolated           behaviour = "Isolated"           // each is a piece
	mergedWithPrevious behaviour = "MergedWithPrevious" // a match goes to what lies before it
	mergedWithNext     behaviour = "MergedWithNext"     // or behind it
	contiguous         behaviour = "Contiguous"         // neighbouring matches are one piece
)

// joins reports whether what ends and begins at a place stays together: before and behind say whether that is a match.
func (b behaviour) joins(before, behind bool) bool {
	switch b {
	case mergedWithPrevious:
		return behind && !before
	case mergedWithNext:
		return before && !behind
	case contiguous:
		return before == behind
	}
	return false
}
