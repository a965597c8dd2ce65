package tokenizer

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// classRun is a split pattern that is a run of characters of one class, as most steps of DeepSeek's files are: `\p{N}{1,3}`, `[一-龥]+`,
// `\s?\p{L}+`, `\s+$`. An engine for regular expressions takes ten times as long over it.
type classRun struct {
	before class // one such character may stand before the run
	ascii  [utf8.RuneSelf]bool
	starts [utf8.RuneSelf]bool // the characters with which a match can begin
	in     []func(rune) bool
	not    bool // the class is of all other characters
	most   int  // characters; 0: no limit
	atEnd  bool // only before the end of a line, as $ is to Oniguruma
}

// classRunOf is nil for any other pattern.
func classRunOf(expression string) *classRun {
	r := new(classRun)
	rest := expression
	if after, ok := strings.CutPrefix(rest, `\s?`); ok {
		r.before, rest = newline|blank, after
	}
	rest, r.atEnd = strings.CutSuffix(rest, "$")
	if vet(rest) != nil {
		return nil
	}
	rest, ok := r.class(rest)
	if !ok || !r.quantifier(rest) || r.atEnd && (r.most > 0 || r.before != 0) {
		return nil
	}
	for c := range rune(utf8.RuneSelf) {
		r.ascii[c] = r.wide(c)
		r.starts[c] = r.ascii[c] || asciiClass(byte(c))&r.before != 0
	}
	return r
}

func (r *classRun) quantifier(text string) (ok bool) {
	switch text {
	case "":
		r.most = 1
		return true
	case "+":
		return true
	}
	most, isRange := strings.CutPrefix(text, "{1,")
	most, closed := strings.CutSuffix(most, "}")
	n, err := strconv.Atoi(most)
	r.most = n
	return isRange && closed && err == nil && n > 0 && most[0] != '+'
}

// class reads the class that text begins with, and gives what is behind it.
func (r *classRun) class(text string) (rest string, ok bool) {
	inside, bracket := strings.CutPrefix(text, "[")
	if !bracket {
		if rest, ok = r.named(text); ok || text == "" || strings.IndexByte(".|()*+?{}", text[0]) >= 0 {
			return rest, ok
		}
		c, rest, ok := character(text)
		r.in = append(r.in, func(other rune) bool { return c == other })
		return rest, ok
	}
	inside, r.not = strings.CutPrefix(inside, "^")
	for first := true; first || !strings.HasPrefix(inside, "]"); first = false { // a ] that comes first is one of the characters
		if inside, ok = r.element(inside); !ok {
			return "", false
		}
	}
	return inside[1:], true
}

// element reads one character of a class between brackets, a range, or a class with a name.
func (r *classRun) element(text string) (rest string, ok bool) {
	if rest, ok = r.named(text); ok {
		return rest, true
	}
	low, rest, ok := character(text)
	high := low
	if after, is := strings.CutPrefix(rest, "-"); ok && is && !strings.HasPrefix(after, "]") {
		high, rest, ok = character(after)
	}
	r.in = append(r.in, func(c rune) bool { return low <= c && c <= high })
	return rest, ok && low <= high
}

// named reads \s, or a property, which vet has seen.
func (r *classRun) named(text string) (rest string, ok bool) {
	if after, is := strings.CutPrefix(text, `\s`); is {
		r.in = append(r.in, unicode.IsSpace)
		return after, true
	}
	after, is := strings.CutPrefix(text, `\p{`)
	name, rest, _ := strings.Cut(after, "}")
	table := unicode.Categories[name]
	if name == "Han" {
		table = unicode.Han
	}
	if !is || table == nil {
		return "", false
	}
	r.in = append(r.in, func(c rune) bool { return unicode.Is(table, c) })
	return rest, true
}

// character reads one character, which may be escaped.
func character(text string) (c rune, rest string, ok bool) {
	c, size := utf8.DecodeRuneInString(text)
	if c != '\\' {
		return c, text[size:], size > 0
	}
	if text = text[size:]; text == "" {
		return 0, "", false
	}
	if i := strings.IndexByte("rntf", text[0]); i >= 0 {
		return rune("\r\n\t\f"[i]), text[1:], true
	}
	return rune(text[0]), text[1:], text[0] < utf8.RuneSelf && asciiClass(text[0])&symbol != 0
}

func (r *classRun) wide(c rune) bool {
	for _, in := range r.in {
		if in(c) {
			return !r.not
		}
	}
	return r.not
}

// at reports whether the character at i is in the class, and its size; 0: the text ends there.
func (r *classRun) at(text string, i int) (in bool, size int) {
	if i >= len(text) {
		return false, 0
	}
	if c := text[i]; c < utf8.RuneSelf {
		return r.ascii[c], 1
	}
	c, size := utf8.DecodeRuneInString(text[i:])
	return r.wide(c), size
}

// scan is a [scanner]: the piece is a match, or what lies before the next.
func (r *classRun) scan(text string) int {
	from, to := r.next(text, 0)
	if from > 0 {
		return from
	}
	return to
}

// find is a [finder].
func (r *classRun) find(text string, found func(from, to int)) error {
	for at := 0; at < len(text); {
		from, to := r.next(text, at)
		if from < to {
			found(from, to)
		}
		at = to
	}
	return nil
}

// next gives where the next match begins and ends, at or behind at; both are the end of the text where there is none.
func (r *classRun) next(text string, at int) (from, to int) {
	for at < len(text) {
		if c := text[at]; c < utf8.RuneSelf && !r.starts[c] {
			at++
			continue
		}
		to, none := r.match(text, at)
		if to > 0 {
			return at, to
		}
		at += none
	}
	return at, at
}

// match gives the end of the match that begins at from, or 0 and the length of what is there, in which no match begins.
func (r *classRun) match(text string, from int) (to, none int) {
	in, size := r.at(text, from)
	if r.before != 0 {
		if c, _ := classAt(text, from); c&r.before != 0 {
			if next, _ := r.at(text, from+size); next {
				in, from = true, from+size
			}
		}
	}
	if !in {
		return 0, size
	}
	to = from
	for n := 0; r.most == 0 || n < r.most; n++ {
		in, size := r.at(text, to)
		if !in {
			break
		}
		to += size
	}
	if !r.atEnd || to == len(text) || text[to] == '\n' {
		return to, 0
	}
	lastLine := strings.LastIndexByte(text[from:to], '\n')
	if lastLine <= 0 { // nor does one begin later in the run
		return 0, to - from
	}
	return from + lastLine, 0
}
