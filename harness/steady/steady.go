// Package steady says which part of a level counts. It works on what was in flight: a closed loop of c slots holds c requests
// until the last wave, then drains; figures over the whole level include that edge.
//
// Measure describes the load of any level, FindWindow the part of a long one in which it was steady.
package steady

import (
	"cmp"
	"math"
	"slices"

	"github.com/llmsweep/llmsweep/harness/record"
)

// PlateauShare is the share of the target concurrency that must be in flight for an instant to belong to the plateau.
const PlateauShare = 0.95

// Load describes how a level was really loaded. Stamps are in nanoseconds since the level's start.
type Load struct {
	// Reached is the time-weighted mean number of requests in flight from the moment the slots were filled until the last
	// request started: the level without ramp and last wave. Where all requests started at once it is Peak.
	Reached float64
	Peak    int
	// Plateau is the span from the first to the last instant at which at least PlateauShare of the target was in flight.
	PlateauStartNS, PlateauEndNS int64
	// PlateauTokens are the output tokens in the plateau, by the stamps of their chunks, of valid requests and of those that the client cancelled, whose
	// answers were good as far as they came: those of the samples that Count was given.
	PlateauTokens float64
	// EdgeShare is the part of the level, first start to last end, outside the plateau (0 to 1).
	EdgeShare float64
	// InFlightNS is the integral of the number in flight over the level, in ns: the sum of the latencies of all its requests.
	InFlightNS int64
	// Little holds the plateau against Little's law.
	Little Little
	// HasPlateau is false where the target was never reached; the plateau's figures are then without meaning.
	HasPlateau bool
}

// Little is Little's law over a window: what is in flight is what arrives a second times how long it stays. A window in which the law does
// not hold is not steady, or is short beside the requests at its edges.
type Little struct {
	InFlight       float64 // time-weighted mean number in flight
	RatePerSecond  float64 // requests that ended in the window
	LatencySeconds float64 // their mean, start to end
}

// LittleLimit is how far the two sides may be apart in a window that counts as steady.
const LittleLimit = 0.05

// Off is how far rate x latency is from the mean in flight, as a share of the latter.
func (l Little) Off() float64 {
	return math.Abs(l.InFlight-l.RatePerSecond*l.LatencySeconds) / l.InFlight
}

// SpanOf is the span of a sample, if it is one of the measurement, whatever its outcome: a request occupies its slot until it ends.
func SpanOf(s *record.Sample) (Span, bool) {
	return Span{s.StartNS, s.EndNS, s.Valid()}, s.Phase == record.Profiling
}

// Measure computes the load of a level from the spans of its requests, which it sorts by their start. target is the concurrency
// asked for; 0 is an open loop, which has no plateau. filledNS is the stamp at which a ramp ends; 0: there is none.
// The samples themselves may be too many to be held: Count takes them one by one.
func Measure(spans []Span, target int, filledNS int64) Load {
	if len(spans) == 0 {
		return Load{}
	}
	slices.SortFunc(spans, func(a, b Span) int { return cmp.Compare(a.StartNS, b.StartNS) })
	edges := inFlightEdges(spans)
	if target < 1 {
		return openLoad(spans, edges)
	}
	var l Load
	first, last := edges[0].at, edges[len(edges)-1].at
	need := int(math.Ceil(float64(target)*PlateauShare - 1e-9)) // 0.95 is no binary fraction: 0.95 x 20 must need 19
	n := 0
	for _, e := range edges {
		before := n
		n += e.change
		l.Peak = max(l.Peak, n)
		if n >= need && !l.HasPlateau {
			l.HasPlateau, l.PlateauStartNS = true, e.at
		}
		if before >= need && n < need {
			l.PlateauEndNS = e.at
		}
	}
	l.InFlightNS = area(edges, first, last)
	var reached bool
	if l.Reached, reached = meanInFlight(edges, spans, target, filledNS); !reached {
		l.Reached = float64(l.Peak)
	}
	if l.HasPlateau = l.HasPlateau && l.PlateauEndNS > l.PlateauStartNS; l.HasPlateau {
		span := float64(l.PlateauEndNS - l.PlateauStartNS)
		l.EdgeShare = 1 - span/float64(last-first)
		l.Little = little(spans, edges, l.PlateauStartNS, l.PlateauEndNS)
	}
	return l
}

// openLoad is the load of an open loop, whose target is a rate: Reached is the mean in flight from the first start to the last.
func openLoad(spans []Span, edges []edge) Load {
	l := Load{InFlightNS: area(edges, edges[0].at, edges[len(edges)-1].at)}
	n := 0
	for _, e := range edges {
		n += e.change
		l.Peak = max(l.Peak, n)
	}
	l.Reached = float64(l.Peak)
	if first, last := spans[0].StartNS, spans[len(spans)-1].StartNS; last > first {
		l.Reached = float64(area(edges, first, last)) / float64(last-first)
	}
	return l
}

// TokensPerSecond is the output throughput over the plateau.
func (l *Load) TokensPerSecond() float64 {
	if !l.HasPlateau {
		return 0
	}
	return l.PlateauTokens / (float64(l.PlateauEndNS-l.PlateauStartNS) / 1e9)
}

// Count adds what a sample had of the plateau's tokens. Each sample of the level is to be given once.
func (l *Load) Count(s *record.Sample) {
	if !l.HasPlateau || s.Phase != record.Profiling || s.Outcome != record.OK && s.Outcome != record.Cancelled {
		return
	}
	if s.Unstreamed {
		l.PlateauTokens += float64(float64(s.Counted.OSL) * inside(s, l.PlateauStartNS, l.PlateauEndNS))
		return
	}
	of := tokensOfChunks(s)
	for i, at := range s.ChunksNS {
		if at >= l.PlateauStartNS && at <= l.PlateauEndNS {
			l.PlateauTokens += of(i)
		}
	}
}

// inside is the share of a request's time that lies between two stamps. The tokens of an answer that was not streamed are taken to have come
// evenly over it: when they came is not known.
func inside(s *record.Sample, from, until int64) float64 {
	if span := min(s.EndNS, until) - max(s.StartNS, from); span > 0 {
		return float64(span) / float64(s.EndNS-s.StartNS)
	}
	return 0
}

type edge struct {
	at     int64
	change int
}

// Span is the time that one request was in flight, in nanoseconds since the level's start, and whether it ended well.
type Span struct {
	StartNS, EndNS int64
	OK             bool
}

// Reached is Load.Reached from the spans of all requests, which it sorts by their start. ok is false where all of them started at once:
// there is no time then over which a mean would say anything.
func Reached(spans []Span, target int, filledNS int64) (mean float64, ok bool) {
	if len(spans) == 0 || target < 1 {
		return 0, false
	}
	slices.SortFunc(spans, func(a, b Span) int { return cmp.Compare(a.StartNS, b.StartNS) })
	return meanInFlight(inFlightEdges(spans), spans, target, filledNS)
}

// inFlightEdges returns starts and ends in time order. At one instant ends come first: a slot that takes its next request as the
// previous one ends never held two.
func inFlightEdges(spans []Span) []edge {
	edges := make([]edge, 0, 2*len(spans))
	for _, s := range spans {
		edges = append(edges, edge{s.StartNS, 1}, edge{s.EndNS, -1})
	}
	slices.SortFunc(edges, func(a, b edge) int {
		return cmp.Or(cmp.Compare(a.at, b.at), a.change-b.change)
	})
	return edges
}

// meanInFlight needs the spans by ascending start.
func meanInFlight(edges []edge, spans []Span, target int, filledNS int64) (mean float64, ok bool) {
	from := max(filledNS, spans[min(target, len(spans))-1].StartNS)
	until := spans[len(spans)-1].StartNS
	if until <= from {
		return 0, false
	}
	return float64(area(edges, from, until)) / float64(until-from), true
}

// area is the integral of the number in flight over [from, until], in ns. Whole numbers lose nothing.
func area(edges []edge, from, until int64) int64 {
	var sum int64
	n, at := 0, from
	for _, e := range edges {
		if e.at > from && at < until {
			to := min(e.at, until)
			sum += int64(n) * (to - at)
			at = to
		}
		n += e.change
	}
	return sum
}

func little(spans []Span, edges []edge, from, until int64) Little {
	var ended, stayed int64
	for _, s := range spans {
		if s.EndNS > from && s.EndNS <= until {
			ended++
			stayed += s.EndNS - s.StartNS
		}
	}
	span := float64(until - from)
	l := Little{InFlight: float64(area(edges, from, until)) / span, RatePerSecond: float64(ended) / (span / 1e9)}
	if ended > 0 {
		l.LatencySeconds = float64(stayed) / float64(ended) / 1e9
	}
	return l
}

// EachToken calls add for the output tokens that a measured request got, of those that PlateauTokens counts: for each chunk with its stamp, from and until, and for an
// answer that was not streamed once, with the request's start and end, over which its tokens are taken to have come evenly.
func EachToken(s *record.Sample, add func(fromNS, untilNS int64, tokens float64)) {
	if s.Phase != record.Profiling || s.Outcome != record.OK && s.Outcome != record.Cancelled {
		return
	}
	if s.Unstreamed {
		add(s.StartNS, s.EndNS, float64(s.Counted.OSL))
		return
	}
	of := tokensOfChunks(s)
	for i, at := range s.ChunksNS {
		add(at, at, of(i))
	}
}

// tokensOfChunks says how many tokens came with each chunk: what the server said of it, in the proportion in which all of them make up the
// length of the answer. Where it said nothing, they are spread evenly.
func tokensOfChunks(s *record.Sample) func(chunk int) float64 {
	claimed := 0
	if len(s.ChunkTokens) == len(s.ChunksNS) {
		for _, n := range s.ChunkTokens {
			claimed += n
		}
	}
	if claimed == 0 {
		each := float64(s.Counted.OSL) / float64(max(len(s.ChunksNS), 1))
		return func(int) float64 { return each }
	}
	share := float64(s.Counted.OSL) / float64(claimed)
	return func(chunk int) float64 { return float64(s.ChunkTokens[chunk]) * share }
}
