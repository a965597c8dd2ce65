package scrape

import (
	"math"

	"github.com/llmsweep/llmsweep/harness/record"
)

// History is what the sources of a level told, put together again. It keeps only series that the vocabulary knows, or those of a given filter.
type History struct {
	keep      func(name string) bool
	stretches []*stretch
}

// stretch is a time without a break, in which the numbers of series have one meaning.
type stretch struct {
	sources []*source
	at      []int64 // of each round
	edge    []bool  // of each: it is one of the level, when nothing is in flight
	measure int     // the round at the start of the measurement
}

// source is one of those that were asked.
type source struct {
	url    string
	next   int // number of the next series
	series map[int]*series
	order  []*series
	told   []bool // by round
}

type series struct {
	name    string
	labels  map[string]string
	changes []change
}

// change is a value from a round on; absent: it is not there any more.
type change struct {
	round  int
	value  float64
	absent bool
}

// NewHistory begins one of the series whose names keep wants. Nil: those that the vocabulary knows.
func NewHistory(keep func(name string) bool) *History {
	if keep == nil {
		names := knownNames()
		keep = func(name string) bool { return names[name] }
	}
	return &History{keep: keep}
}

// Begin begins a stretch.
func (h *History) Begin(s *record.Sources) {
	begun := &stretch{}
	for _, url := range s.URLs {
		begun.sources = append(begun.sources, &source{url: url, series: map[int]*series{}})
	}
	h.stretches = append(h.stretches, begun)
}

// Add takes the next round of the stretch. Rounds that come before the one before, or of other sources, are left out.
func (h *History) Add(r *record.Round) {
	if len(h.stretches) == 0 {
		return
	}
	s := h.stretches[len(h.stretches)-1]
	round := len(s.at)
	if len(r.Pages) != len(s.sources) || r.AtNS < 0 || round > 0 && r.AtNS < s.at[round-1] {
		return
	}
	s.at, s.edge = append(s.at, r.AtNS), append(s.edge, r.Edge != "")
	if r.Edge == record.EdgeMeasure {
		s.measure = round
	}
	for i := range r.Pages {
		s.sources[i].add(round, &r.Pages[i], h.keep)
	}
}

func (s *source) add(round int, told *record.Told, keep func(string) bool) {
	s.told = append(s.told, told.Error == "")
	for _, text := range told.New {
		if name, labels := Split(text); keep(name) {
			added := &series{name: name, labels: labels}
			s.series[s.next] = added
			s.order = append(s.order, added)
		}
		s.next++
	}
	for _, v := range told.Values {
		if x := s.series[v.Series]; x != nil {
			x.changes = append(x.changes, change{round: round, value: v.Value})
		}
	}
	for _, k := range told.Gone {
		if x := s.series[k]; x != nil {
			x.changes = append(x.changes, change{round: round, absent: true})
		}
	}
}

// values are those of a series of the source by round: absent where it was not there, and no number in rounds in which the source told nothing.
func (s *source) values(x *series, absent float64) []float64 {
	all := make([]float64, len(s.told))
	now, next := absent, 0
	for round, told := range s.told {
		for next < len(x.changes) && x.changes[next].round <= round {
			if now = x.changes[next].value; x.changes[next].absent {
				now = absent
			}
			next++
		}
		if all[round] = now; !told {
			all[round] = math.NaN()
		}
	}
	return all
}

// increase is by how much a counter has grown since its first known value, by round, and whether it fell, as it does when a server starts anew: it then
// begins at zero.
func increase(values []float64) (grown []float64, fell bool) {
	grown = make([]float64, len(values))
	sum, last := 0.0, math.NaN()
	for i, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			grown[i] = math.NaN()
			continue
		}
		switch {
		case math.IsNaN(last):
		case v < last:
			sum, fell = sum+v, true
		default:
			sum += v - last
		}
		grown[i], last = sum, v
	}
	return grown, fell
}

// Point is a value at a stamp of the level.
type Point struct {
	AtNS  int64
	Value float64
	// Edge: nothing was in flight, as before the first request and after the last.
	Edge bool
}

// most is beyond what anything is counted in: of what is larger, sums and integrals might be no numbers any more.
const most = 1e150

// points are the known ones of values by round.
func (s *stretch) points(values []float64) []Point {
	var all []Point
	for round, v := range values {
		if math.Abs(v) < most {
			all = append(all, Point{s.at[round], v, s.edge[round]})
		}
	}
	return all
}

// clip is what points say of a stretch of time, ends included, where the value between two of them is on the line through them. Nothing is said beyond
// the first and the last. Points that are not of a round are marked as edges.
func clip(points []Point, fromNS, untilNS int64) []Point {
	var all []Point
	for i, p := range points {
		if i > 0 {
			for _, edge := range []int64{fromNS, untilNS} {
				if before := points[i-1]; before.AtNS < edge && edge < p.AtNS {
					share := float64(edge-before.AtNS) / float64(p.AtNS-before.AtNS)
					all = append(all, Point{edge, before.Value + float64(share*(p.Value-before.Value)), true})
				}
			}
		}
		if fromNS <= p.AtNS && p.AtNS <= untilNS {
			all = append(all, p)
		}
	}
	return all
}

// Spans reports whether all sources told something at both ends of every stretch, so that what they counted is of all the time between.
func (h *History) Spans() bool {
	for _, s := range h.stretches {
		for _, source := range s.sources {
			if n := len(source.told); n == 0 || !source.told[0] || !source.told[n-1] {
				return false
			}
		}
	}
	return len(h.stretches) > 0
}

// Series is what one source told under one name with one set of labels.
type Series struct {
	Source string // its URL, without credentials
	Name   string
	Labels map[string]string
	Points []Point // of the rounds in which it was there
}

// Series are those that were kept, in the order in which they appeared. One of a level that was continued is there once for each stretch.
func (h *History) Series() []Series {
	var all []Series
	for _, s := range h.stretches {
		for _, source := range s.sources {
			for _, x := range source.order {
				all = append(all, Series{source.url, x.name, x.labels, s.points(source.values(x, math.NaN()))})
			}
		}
	}
	return all
}
