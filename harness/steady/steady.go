// Package steady says which part of a level counts. It works on what was in flight: a closed loop of c slots holds c requests
// until the last wave, then drains; figures over the whole level include that edge.
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
	// TokensPerSecond is the output throughput of valid requests over the plateau: tokens by the stamps of their chunks.
	TokensPerSecond float64
	// EdgeShare is the part of the level, first start to last end, outside the plateau (0 to 1).
	EdgeShare float64
	// HasPlateau is false where the target was never reached; the plateau's figures are then without meaning.
	HasPlateau bool
}

// Measure computes the load of a level from its profiling samples, whatever their outcome: a request occupies its slot until it
// ends. target is the concurrency asked for.
func Measure(samples []*record.Sample, target int) Load {
	samples = profiling(samples)
	if len(samples) == 0 || target < 1 {
		return Load{}
	}
	spans := make([]Span, len(samples))
	for i, s := range samples {
		spans[i] = Span{s.StartNS, s.EndNS}
	}
	edges := inFlightEdges(spans)
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
	var reached bool
	if l.Reached, reached = meanInFlight(edges, spans, target); !reached {
		l.Reached = float64(l.Peak)
	}
	if l.HasPlateau = l.HasPlateau && l.PlateauEndNS > l.PlateauStartNS; l.HasPlateau {
		span := float64(l.PlateauEndNS - l.PlateauStartNS)
		l.TokensPerSecond = tokensBetween(samples, l.PlateauStartNS, l.PlateauEndNS) / (span / 1e9)
		l.EdgeShare = 1 - span/float64(last-first)
	}
	return l
}

func profiling(samples []*record.Sample) []*record.Sample {
	var kept []*record.Sample
	for _, s := range samples {
		if s.Phase == record.Profiling {
			kept = append(kept, s)
		}
	}
	slices.SortFunc(kept, func(a, b *record.Sample) int { return cmp.Compare(a.StartNS, b.StartNS) })
	return kept
}

type edge struct {
	at     int64
	change int
}

// Span is the time that one request was in flight, in nanoseconds since the level's start.
type Span struct{ StartNS, EndNS int64 }

// Reached is Load.Reached from the spans of all requests, which it sorts by their start. ok is false where all of them started at once:
// there is no time then over which a mean would say anything.
func Reached(spans []Span, target int) (mean float64, ok bool) {
	if len(spans) == 0 || target < 1 {
		return 0, false
	}
	slices.SortFunc(spans, func(a, b Span) int { return cmp.Compare(a.StartNS, b.StartNS) })
	return meanInFlight(inFlightEdges(spans), spans, target)
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
func meanInFlight(edges []edge, spans []Span, target int) (mean float64, ok bool) {
	from := spans[min(target, len(spans))-1].StartNS
	until := spans[len(spans)-1].StartNS
	if until <= from {
		return 0, false
	}
	var area float64
	n, at := 0, from
	for _, e := range edges {
		if e.at > from && at < until {
			to := min(e.at, until)
			area += float64(n) * float64(to-at)
			at = to
		}
		n += e.change
	}
	return area / float64(until-from), true
}

// tokensBetween counts the output tokens of valid requests whose chunk came within [from, to]. Where the tokens of a chunk are
// not known, the request's tokens are spread evenly over its chunks.
func tokensBetween(samples []*record.Sample, from, to int64) float64 {
	var total float64
	for _, s := range samples {
		if s.Outcome != record.OK && s.Outcome != record.Cancelled || len(s.ChunksNS) == 0 {
			continue
		}
		each := float64(s.Counted.OSL) / float64(len(s.ChunksNS))
		for i, at := range s.ChunksNS {
			switch {
			case at < from || at > to:
			case len(s.ChunkTokens) == len(s.ChunksNS):
				total += float64(s.ChunkTokens[i])
			default:
				total += each
			}
		}
	}
	return total
}
