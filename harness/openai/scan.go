package openai

import "bytes"

// scanner looks at the events of a stream without decoding them: it finds the strings that are content and knows which events say
// more. It accepts only what it understands to the last byte, one object with at most one choice and no member twice or escaped in its
// name; anything else, broken JSON too, is left to a parser. What it accepts it reads as the parser does.
//
// The events of a stream differ in little but their text. Therefore it remembers what surrounded the text of the last event: one that
// begins with the same bytes up to its text, and goes on with the same bytes behind the end of that string, has the same structure, and
// is compared rather than scanned.
type scanner struct {
	completions bool // a choice has its text itself, and not in a delta

	data  []byte
	found [pieces][]byte // in data, escapes as they are; empty ones are nothing
	// reason is why the choice ends, in data; empty if it does not.
	reason []byte
	seen   uint // members that came
	depth  int
	chose  bool // there is a choice
	// escaped says that one of found has an escape.
	escaped bool

	// What surrounds the only string found in the last event that had one: "data: " and what stands before it, and what stands behind it
	// and the blank line. That is how servers write an event; whole says that another one may be written so, too.
	before, behind []byte
	which          piece
	whole          bool
}

const (
	dataField = "data: "
	eventEnd  = "\n\n"
)

// piece is a string that is content of choice 0.
type piece int

const (
	content piece = iota // of a delta, or the text of a completion
	reasoningContent
	reasoning
	toolName
	toolArguments
	pieces
)

// look scans an event. It reports false if the event has to be parsed: it says more than content, or nothing that the scanner knows.
func (s *scanner) look(data []byte) bool {
	if s.recall(data) {
		return true
	}
	s.data, s.found, s.reason, s.seen, s.depth, s.escaped, s.chose = data, [pieces][]byte{}, nil, 0, 0, false, false
	end := s.space(0)
	if s.at(end) != '{' {
		return false
	}
	end = s.object(end, inEvent)
	if end < 0 || s.space(end) != len(data) {
		return false
	}
	s.remember()
	return true
}

// visible reports whether there was text or a tool call.
func (s *scanner) visible() bool {
	return len(s.found[content])+len(s.found[toolName])+len(s.found[toolArguments]) > 0
}

// thought is the reasoning found, by the first of its two names that has any.
func (s *scanner) thought() []byte {
	if thought := s.found[reasoningContent]; len(thought) > 0 {
		return thought
	}
	return s.found[reasoning]
}

// recall compares with the last event.
func (s *scanner) recall(data []byte) bool {
	if len(s.before) == 0 {
		return false
	}
	before, behind := s.before[len(dataField):], s.behind[:len(s.behind)-len(eventEnd)]
	start := len(before)
	if len(data) < start || !bytes.Equal(data[:start], before) {
		return false
	}
	s.data = data
	end, escaped := s.text(start)
	if end < 0 || !bytes.Equal(data[end:], behind) {
		return false
	}
	s.recalled(start, end, escaped)
	return true
}

// recallWhole compares the beginning of a stream's bytes, where an event begins, with the last event as it would be written. It returns
// the length of the event, or 0 if it is another one, written in another way, or not all there: a decoder finds out.
func (s *scanner) recallWhole(p []byte) int {
	start := len(s.before)
	if !s.whole || len(p) < start+len(s.behind) || !bytes.Equal(p[:start], s.before) {
		return 0
	}
	s.data = p
	end, escaped := s.text(start)
	if end < 0 || len(p)-end < len(s.behind) || !bytes.Equal(p[end:end+len(s.behind)], s.behind) || hasLineEnd(p[start:end]) {
		return 0
	}
	s.recalled(start, end, escaped)
	return end + len(s.behind)
}

// recalled notes the only string of an event that is like the last one.
func (s *scanner) recalled(start, end int, escaped bool) {
	s.found, s.reason, s.escaped, s.chose = [pieces][]byte{}, nil, escaped, true
	s.found[s.which] = s.data[start:end]
}

// hasLineEnd looks at a text that is short.
func hasLineEnd(text []byte) bool {
	for _, c := range text {
		if c == '\n' || c == '\r' {
			return true
		}
	}
	return false
}

// remember keeps what surrounds the string found, if there was one. An event that ends its choice has no successor that is like it.
func (s *scanner) remember() {
	if len(s.reason) > 0 {
		return
	}
	count := 0
	for which, p := range s.found {
		if len(p) > 0 {
			count++
			s.which = piece(which)
		}
	}
	if count != 1 {
		s.before, s.whole = s.before[:0], false
		return
	}
	p := s.found[s.which]
	start := cap(s.data) - cap(p) // p is a part of data
	s.before = append(append(s.before[:0], dataField...), s.data[:start]...)
	s.behind = append(append(s.behind[:0], s.data[start+len(p):]...), eventEnd...)
	// Several data lines were joined by line ends: written in one, they would be something else.
	s.whole = !hasLineEnd(s.data[:start]) && !hasLineEnd(s.data[start+len(p):])
}
