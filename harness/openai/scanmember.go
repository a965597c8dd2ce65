package openai

// place is an object whose members may be of interest.
type place int

const (
	elsewhere place = iota
	inEvent
	inChoice
	inDelta
	inTool
	inFunction
)

// member is one of interest; the first are those that are pieces. None may come twice.
type member int

const (
	memberChoices = member(pieces) + iota
	memberUsage
	memberError
	memberObject
	memberIndex
	memberFinishReason
	memberDelta
	memberToolCalls
	memberFunction
)

// member takes the value at i of the member of that name.
func (s *scanner) member(in place, name []byte, i int) int {
	switch in {
	case inEvent:
		return s.ofEvent(name, i)
	case inChoice:
		return s.ofChoice(name, i)
	case inDelta:
		return s.ofDelta(name, i)
	case inTool:
		if string(name) == "function" {
			return s.nested(memberFunction, i, inFunction)
		}
	case inFunction:
		switch string(name) {
		case "name":
			return s.piece(toolName, i)
		case "arguments":
			return s.piece(toolArguments, i)
		}
	}
	return s.value(i)
}

func (s *scanner) ofEvent(name []byte, i int) int {
	switch string(name) {
	case "choices":
		return s.list(memberChoices, i, inChoice)
	case "usage":
		return s.null(memberUsage, i)
	case "error":
		return s.null(memberError, i)
	case "object":
		return s.kind(i)
	}
	return s.value(i)
}

func (s *scanner) ofChoice(name []byte, i int) int {
	switch string(name) {
	case "index":
		return s.zero(i)
	case "finish_reason":
		return s.ending(i)
	case "delta":
		if !s.completions {
			return s.nested(memberDelta, i, inDelta)
		}
	case "text":
		if s.completions {
			return s.piece(content, i)
		}
	}
	return s.value(i)
}

func (s *scanner) ofDelta(name []byte, i int) int {
	switch string(name) {
	case "content":
		return s.piece(content, i)
	case "reasoning_content":
		return s.piece(reasoningContent, i)
	case "reasoning":
		return s.piece(reasoning, i)
	case "tool_calls":
		return s.list(memberToolCalls, i, inTool)
	}
	return s.value(i)
}

// again reports whether a member has come before.
func (s *scanner) again(m member) bool {
	before := s.seen
	s.seen |= 1 << m
	return before == s.seen
}

// piece takes a string that is content, or null.
func (s *scanner) piece(p piece, i int) int {
	if s.at(i) != '"' {
		return s.null(member(p), i)
	}
	end, escaped := s.text(i + 1)
	if end < 0 || s.again(member(p)) {
		return unknown
	}
	s.found[p] = s.data[i+1 : end]
	s.escaped = s.escaped || escaped
	return end + 1
}

// ending takes the reason of the end, or null.
func (s *scanner) ending(i int) int {
	if s.at(i) != '"' {
		return s.null(memberFinishReason, i)
	}
	end, escaped := s.text(i + 1)
	if end < 0 || escaped || s.again(memberFinishReason) {
		return unknown
	}
	s.reason = s.data[i+1 : end]
	return end + 1
}

// null takes a member that says nothing when it is null.
func (s *scanner) null(m member, i int) int {
	if s.again(m) {
		return unknown
	}
	return s.word(i, "null")
}

// nested takes an object of interest, or null.
func (s *scanner) nested(m member, i int, in place) int {
	if s.at(i) != '{' {
		return s.null(m, i)
	}
	if s.again(m) {
		return unknown
	}
	return s.object(i, in)
}

// list takes an array of at most one object of interest, or null.
func (s *scanner) list(m member, i int, in place) int {
	if s.at(i) != '[' {
		return s.null(m, i)
	}
	if s.again(m) {
		return unknown
	}
	if i = s.space(i + 1); s.at(i) == ']' {
		return i + 1
	}
	if s.at(i) != '{' {
		return unknown
	}
	s.chose = s.chose || m == memberChoices
	if i = s.object(i, in); i < 0 {
		return unknown
	}
	if i = s.space(i); s.at(i) != ']' {
		return unknown
	}
	return i + 1
}

// kind takes the kind of an event, a string other than error.
func (s *scanner) kind(i int) int {
	if s.at(i) != '"' || s.again(memberObject) {
		return unknown
	}
	end, escaped := s.text(i + 1)
	if end < 0 || escaped || string(s.data[i+1:end]) == "error" {
		return unknown
	}
	return end + 1
}

// zero takes the index of choice 0.
func (s *scanner) zero(i int) int {
	if s.again(memberIndex) || s.at(i) != '0' || s.number(i) != i+1 {
		return unknown
	}
	return i + 1
}
