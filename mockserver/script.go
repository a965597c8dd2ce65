package mockserver

import (
	"math"

	"github.com/llmsweep/llmsweep/mockserver/engine"
)

// Numbers that a choice draws beside its words, as their indexes. Words count from 0, so the
// highest indexes are free.
const (
	drawID = ^uint64(iota)
	drawIDRest
	drawEnd
	drawCall
)

// script is what a choice of an answer will be: all of it but when.
type script struct {
	number  uint64 // of the engine's request; the words follow from it
	tokens  int
	thought int // the first so many are thought
	// Text ends with the first part bytes of token shown; what comes after has none.
	shown, part int
	finish      string // finish_reason
}

// newScript writes the script of the choice with that number.
func (s *Server) newScript(c *call, number uint64) script {
	p := script{number: number, tokens: c.length, shown: c.length, finish: "length"}
	if c.function != nil {
		if whole := max(1+len(c.function.pieces), c.minimum); !c.ignoreEOS && whole <= p.tokens {
			p.tokens, p.finish = whole, "tool_calls"
		}
		return p
	}
	if end := s.drawnEnd(c, number); end <= p.tokens {
		p.tokens, p.shown, p.finish = end, end, "stop"
	}
	p.thought = engine.ReasoningTokens(p.tokens, s.options.ThinkingRatio)
	s.stopAt(c, &p)
	return p
}

// drawnEnd is after how many tokens an answer without a limit would end. Each token
// from the minimum on is the last one with the same probability, so their number is
// geometrically distributed.
func (s *Server) drawnEnd(c *call, number uint64) int {
	if c.ignoreEOS || s.options.EOSProbability == 0 {
		return math.MaxInt
	}
	u := (float64(random(uint64(s.options.Seed), number, drawEnd)>>11) + 0.5) / (1 << 53)
	further := math.Log(u) / math.Log1p(-s.options.EOSProbability)
	return max(1, c.minimum) + int(min(further, math.MaxInt32))
}

// speaker knows which words an answer has.
type speaker struct {
	kind  kind
	seed  uint64
	words []string
}

// appendText writes the text of token index, with the blank before it. The marks
// around thoughts are seen where nobody takes thoughts and the rest apart, which
// servers do for chats.
func (d *speaker) appendText(b []byte, p *script, index int) []byte {
	switch {
	case index > p.shown:
		return b
	case index == p.shown:
		whole := len(b)
		return d.appendWord(b, p, index)[:whole+p.part]
	default:
		return d.appendWord(b, p, index)
	}
}

func (d *speaker) appendWord(b []byte, p *script, index int) []byte {
	if p.thought > 0 && (index == 0 || index == p.thought-1) {
		switch {
		case d.kind == chat:
			return b
		case index == 0:
			return append(b, " <think>"...)
		default:
			return append(b, " </think>"...)
		}
	}
	first := index == p.thought || p.thought > 0 && index == 1
	if d.kind == text || !first {
		b = append(b, ' ')
	}
	return append(b, d.words[random(d.seed, p.number, uint64(index))%uint64(len(d.words))]...)
}
