package mockserver

import (
	"bytes"
	"slices"
	"sort"
)

// drawnAtOnce is how many tokens are drawn between two searches for stop strings, and between two
// looks at whether the client is still there.
const drawnAtOnce = 1024

// stopAt ends the script with the token that completes a stop string, and its text where
// the string begins. Thoughts, and what comes before the minimum, are not searched. Each stretch
// of the answer is searched once, so the cost is the length of the answer. It breaks off when
// the client has gone.
func (s *Server) stopAt(c *call, p *script) {
	if len(c.stop) == 0 {
		return
	}
	d := speaker{kind: c.kind, seed: uint64(s.options.Seed), words: s.words}
	t := newTail(c.stop)
	for k := p.thought; k < p.tokens; {
		if c.gone != nil && c.gone() {
			return
		}
		fresh := len(t.starts)
		t.first = k - fresh
		for end := min(k+drawnAtOnce, p.tokens); k < end; k++ {
			t.starts = append(t.starts, len(t.said))
			t.said = d.appendText(t.said, p, k)
		}
		if last, begin := t.stop(max(fresh, c.minimum-1-t.first)); last >= 0 {
			begins := t.tokenAt(begin)
			p.tokens, p.finish = t.first+last+1, "stop"
			p.shown, p.part = t.first+begins, begin-t.starts[begins]
			return
		}
		t.drop()
	}
}

// tail is the end of an answer, as far as a stop string may still begin in it.
type tail struct {
	stops   [][]byte
	longest int    // of them
	said    []byte // each token has one byte or more
	starts  []int  // where in said its tokens begin
	first   int    // index in the answer of the first of them
}

func newTail(stops []string) *tail {
	t := new(tail)
	for _, s := range stops {
		t.stops = append(t.stops, []byte(s))
		t.longest = max(t.longest, len(s))
	}
	return t
}

// stop is the first token, from one on, that completes a stop string, and where the
// string begins: of several that this token completes, the first. It is -1 if there is none.
func (t *tail) stop(from int) (last, begin int) {
	last = -1
	if from >= len(t.starts) {
		return last, 0
	}
	for _, s := range t.stops {
		searched := max(0, t.starts[from]-len(s)+1)
		at := bytes.Index(t.said[searched:], s)
		if at < 0 {
			continue
		}
		at += searched
		ends := t.tokenAt(at + len(s) - 1)
		if last < 0 || ends < last || ends == last && at < begin {
			last, begin = ends, at
		}
	}
	return last, begin
}

// tokenAt is the token that has that byte.
func (t *tail) tokenAt(position int) int {
	return sort.SearchInts(t.starts, position+1) - 1
}

// drop forgets the tokens in which nothing can begin that later ones complete.
func (t *tail) drop() {
	n := t.tokenAt(max(0, len(t.said)-t.longest+1))
	cut := t.starts[n]
	t.said = slices.Delete(t.said, 0, cut)
	t.starts = slices.Delete(t.starts, 0, n)
	for i := range t.starts {
		t.starts[i] -= cut
	}
}
