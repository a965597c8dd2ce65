package metrics

import (
	"slices"
	"time"

	"github.com/llmsweep/llmsweep/mockserver/engine"
)

// Engines counts tokens as the engines of a deployment generate them. It is not safe for
// concurrent use. Instants are counted from the server's start.
type Engines struct {
	ranks    []rank
	latency  latencies // of all of them, as the front end's histograms have it
	waiting  int       // sequences that have no token yet
	perToken bool      // a gap that brings several tokens is observed as many times
}

// rank is what is counted of one engine.
type rank struct {
	latencies
	prompt, generated uint64 // tokens
	finished          [reasons]uint64
	gpu               utilisation
}

// latencies are the three histograms that everybody has.
type latencies struct {
	first, gap, whole histogram
}

// reason is how a sequence ended.
type reason int

const (
	length reason = iota // as many tokens as were asked for
	stop                 // by itself: at a stop string or an end-of-sequence token
	abort                // the client went away

	reasons = 3
)

// label is what vLLM calls it.
func (r reason) label() string {
	return [...]string{"length", "stop", "abort"}[r]
}

// Answer is what the sequences of one request, its choices, have in common. The zero value is ready.
type Answer struct{ begun bool } // the client has a token

// Sequence is what is remembered of a choice from one chunk to the next.
type Sequence struct {
	answer  *Answer
	arrived time.Duration
	last    time.Duration // when its last token was due
	prompt  int
	ends    reason
	begun   bool // it has a token
	pooled  bool
}

// NewEngines counts for a deployment.
func NewEngines(d Deployment) *Engines {
	e := &Engines{
		ranks:    make([]rank, d.Fleet.Engines+d.Fleet.PrefillEngines),
		perToken: d.Fleet.Engine.Type == engine.SGLang,
	}
	first, gap, whole := vllmBounds()
	if d.Fleet.Engine.Type == engine.SGLang {
		first, gap, whole = sglangBounds()
	}
	for k := range e.ranks {
		e.ranks[k].latencies = newLatencies(first, gap, whole)
	}
	e.latency = newLatencies(frontendBounds())
	return e
}

func newLatencies(first, gap, whole bounds) latencies {
	return latencies{histogram{bounds: &first}, histogram{bounds: &gap}, histogram{bounds: &whole}}
}

// Arrive begins a sequence of an answer. One that is pooled, as for embeddings, has a prompt and an end, but
// its token is none of an answer.
func (e *Engines) Arrive(at time.Duration, r engine.Request, of *Answer, pooled bool) *Sequence {
	e.waiting++
	s := &Sequence{answer: of, arrived: at, prompt: r.PromptTokens, pooled: pooled, ends: length}
	if pooled || r.StopsAfter > 0 && r.StopsAfter <= r.MaxTokens {
		s.ends = stop
	}
	return s
}

// Leave ends a sequence before its last chunk, on the engine that has it then: the client has gone.
func (e *Engines) Leave(rank int, s *Sequence) {
	if !s.begun {
		e.waiting--
	}
	e.ranks[rank].finished[abort]++
}

// Pass counts the time of a pass.
func (e *Engines) Pass(p engine.Pass) {
	e.ranks[p.Rank].gpu.busy(p.Start, p.End)
}

// Chunk counts tokens of a sequence that an engine has generated and that are due at an instant.
func (e *Engines) Chunk(rank int, s *Sequence, c engine.Chunk, due time.Duration) {
	r := &e.ranks[rank]
	if !s.begun {
		s.begun = true
		e.waiting--
		r.prompt += uint64(s.prompt)
	}
	if !s.pooled {
		e.token(r, s, c, due)
	}
	if c.Last {
		r.whole.observe(int64(due - s.arrived))
		r.finished[s.ends]++
	}
}

// token counts what is for the client.
func (e *Engines) token(r *rank, s *Sequence, c engine.Chunk, due time.Duration) {
	r.generated += uint64(c.Count)
	if c.Index == 0 {
		r.first.observe(int64(due - s.arrived))
		if !s.answer.begun {
			s.answer.begun = true
			e.latency.first.observe(int64(due - s.arrived))
		}
	} else {
		gap, parts := int64(due-s.last), 1
		if e.perToken {
			parts = c.Count
		}
		r.gap.observeShares(gap, parts)
		e.latency.gap.observeShares(gap, c.Count)
	}
	s.last = due
}

// Reading is the state of the engines at an instant.
type Reading struct {
	at      time.Duration
	ranks   []rank
	stats   []engine.Stats
	latency latencies
	waiting int
}

// Read returns a copy of what was counted, with the gauges of the fleet.
func (e *Engines) Read(at time.Duration, stats []engine.Stats) Reading {
	return Reading{at, slices.Clone(e.ranks), stats, e.latency, e.waiting}
}
