package results

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/steady"
)

// Timeline is what went on in a level, its warm-up left out, in bins of equal width, and the time to first token of its requests. Stamps are in nanoseconds since the
// level's start.
type Timeline struct {
	WidthNS  int64 // of a bin: 1, 2 or 5 times a power of ten, a millisecond at least
	FirstNS  int64 // where the first one begins, a multiple of WidthNS
	Bins     []Bin // MaxBins at most; none of a level without requests
	Dots     []Dot // of requests that ended well, by their start; maxDots at most
	Requests int   // that Dots are chosen from
	full     []int // changes of the number that is in flight for a whole bin
	touching []int // changes of the number that is in flight in a part of it
}

// Bin is what happened from its begin on, that included, and before the begin of the next one.
type Bin struct {
	InFlightNS float64 // integral of the number in flight; over all bins it is the sum of the requests' times
	InFlight   int     // requests that were in flight, if only for a part of it
	Tokens     float64 // output tokens that came: of requests that ended well, and of those that the client cancelled
	Chunks     int     // that brought them
	Ended      int     // requests that ended, here the end of the bin included and its begin not
	Failed     int     // of these; what the client cancelled is no failure
}

// Dot is the time to first token, in milliseconds, of the request that started at a stamp; in an open loop from its schedule.
type Dot struct {
	StartNS int64
	TTFT    float64
}

// MaxBins bounds the bins of a time line.
const MaxBins = 200

// newTimeline has the bins, still empty, of requests with the spans.
func newTimeline(spans []steady.Span) Timeline {
	if len(spans) == 0 {
		return Timeline{}
	}
	from, last := int64(math.MaxInt64), int64(0)
	for _, s := range spans {
		s = proper(s)
		from, last = min(from, s.StartNS), max(last, s.StartNS, s.EndNS-1)
	}
	t := Timeline{WidthNS: binWidth(from, last)}
	first := from / t.WidthNS
	t.FirstNS = first * t.WidthNS
	t.Bins = make([]Bin, last/t.WidthNS-first+1)
	t.full, t.touching = make([]int, len(t.Bins)+1), make([]int, len(t.Bins)+1)
	return t
}

// proper is the span as it can be in a level that was recorded well: files may hold others.
func proper(s steady.Span) steady.Span {
	s.StartNS = max(0, s.StartNS)
	s.EndNS = max(s.StartNS, s.EndNS)
	return s
}

// binWidth is the least round width with which MaxBins hold all stamps from one to another.
func binWidth(from, last int64) int64 {
	for power := int64(time.Millisecond); ; power *= 10 { // ends before it overflows: 5e18 leaves two bins
		for _, factor := range []int64{1, 2, 5} {
			if width := factor * power; last/width-from/width < MaxBins {
				return width
			}
		}
	}
}

// bin is the index of the bin of a stamp; of one outside, that of the nearest.
func (t *Timeline) bin(at int64) int {
	return int(min(max(at/t.WidthNS-t.FirstNS/t.WidthNS, 0), int64(len(t.Bins)-1)))
}

// From is the stamp at which a bin begins.
func (t *Timeline) From(bin int) int64 { return t.FirstNS + int64(bin)*t.WidthNS }

// add takes a sample into account; finish is to be called after the last one.
func (t *Timeline) add(s *record.Sample) {
	span, measured := steady.SpanOf(s)
	if !measured {
		return
	}
	span = proper(span)
	first := t.bin(span.StartNS)
	last := max(first, t.bin(span.EndNS-1))
	t.touching[first]++
	t.touching[last+1]--
	if first == last {
		t.Bins[first].InFlightNS += float64(span.EndNS - span.StartNS)
	} else {
		t.Bins[first].InFlightNS += float64(t.From(first+1) - span.StartNS)
		t.Bins[last].InFlightNS += float64(span.EndNS - t.From(last))
		t.full[first+1]++
		t.full[last]--
	}
	t.Bins[last].Ended++
	if !span.OK && s.Outcome != record.Cancelled {
		t.Bins[last].Failed++
	}
	at := 0
	steady.EachToken(s, func(from, until int64, tokens float64) {
		if from < until && span.StartNS < span.EndNS {
			t.spread(first, last, span, tokens)
			return
		}
		if from-t.From(at) < 0 || from-t.From(at) >= t.WidthNS { // most chunks are in the bin of the one before
			at = t.bin(from)
		}
		t.Bins[at].Tokens += tokens
		t.Bins[at].Chunks++
	})
}

// spread divides the tokens of an answer that was not streamed over the bins of its request.
func (t *Timeline) spread(first, last int, span steady.Span, tokens float64) {
	for i := first; i <= last; i++ {
		part := min(span.EndNS-t.From(i), t.WidthNS) - max(span.StartNS-t.From(i), 0)
		t.Bins[i].Tokens += tokens * (float64(part) / float64(span.EndNS-span.StartNS))
	}
	t.Bins[last].Chunks++
}

// finish sums up the changes.
func (t *Timeline) finish() {
	full, touching := 0, 0
	for i := range t.Bins {
		full += t.full[i]
		touching += t.touching[i]
		t.Bins[i].InFlightNS += float64(full) * float64(t.WidthNS)
		t.Bins[i].InFlight = touching
	}
	t.full, t.touching = nil, nil
}

// Of more requests than maxDots, as many as in dotGroups groups of successive ones are shown: of each the one with the lowest value, that with the highest, and others
// by chance.
const (
	maxDots   = 1500
	dotGroups = 150
	dotOthers = maxDots/dotGroups - 2
)

// dots are the values of a column of requests, which are in the order of their starts, and of how many of them they are.
func dots(requests []issued, column int) (shown []Dot, of int) {
	for _, r := range requests {
		if !math.IsNaN(r.values[column]) {
			of++
		}
	}
	all := make([]Dot, 0, of)
	for _, r := range requests {
		if v := r.values[column]; !math.IsNaN(v) {
			all = append(all, Dot{r.startNS, v})
		}
	}
	if of <= maxDots {
		return all, of
	}
	r := rand.New(rand.NewPCG(seed, 1))
	for g := range dotGroups {
		group := all[g*len(all)/dotGroups : (g+1)*len(all)/dotGroups]
		lowest, highest := 0, 0
		for i, d := range group {
			if d.TTFT < group[lowest].TTFT {
				lowest = i
			}
			if d.TTFT > group[highest].TTFT {
				highest = i
			}
		}
		kept := []int{lowest, highest}
		for k := range dotOthers { // by chance within a stretch: whatever repeats itself in the load is no pattern here
			from, until := k*len(group)/dotOthers, (k+1)*len(group)/dotOthers
			kept = append(kept, from+r.IntN(until-from))
		}
		slices.Sort(kept)
		for _, i := range slices.Compact(kept) {
			shown = append(shown, group[i])
		}
	}
	return shown, of
}

// Sampled is the level whose requests stand for this one where no figure over several runs can: its first run whose figures count, or itself.
func (l *Level) Sampled() *Level {
	if len(l.Runs) == 0 {
		return l
	}
	return l.Usable()[0]
}
