package scrape

import (
	"maps"
	"math"
	"slices"
)

// Figures are what a stretch of a history comes to. What no source told is not there.
type Figures struct {
	FromNS  int64 `json:"from_ns"`
	UntilNS int64 `json:"until_ns"`
	// EdgeNS is how far from its two ends the nearest rounds in which all sources told their counters are, at most: these are interpolated between rounds.
	EdgeNS   int64                `json:"edge_ns"`
	Rounds   int                  `json:"rounds"` // from one end to the other
	Engines  []string             `json:"engines"`
	Counters map[Quantity]float64 `json:"counters"` // by how much they grew
	Gauges   map[Quantity]Gauge   `json:"gauges"`
	// HitUnit is what Hits and Queries count: tokens or blocks.
	HitUnit string `json:"hit_unit,omitempty"`
	GPUs    int    `json:"gpus,omitempty"`    // that a DCGM exporter told of
	Restart bool   `json:"restart,omitempty"` // a counter fell, as where a server started anew
}

// Gauge is what a gauge was over a time, by what it was in the rounds that came each second. Those at the edges of a level are of an idle server, and in
// Integral only.
type Gauge struct {
	Mean     float64 `json:"mean"`
	Max      float64 `json:"max"`
	Rounds   int     `json:"rounds"`
	Integral float64 `json:"integral"` // over time in seconds, on the lines between all rounds
}

// Measured returns the figures of the measurement: of each stretch from the round before the first measured request to the last round. ok is false where
// nothing was told.
func (h *History) Measured() (f Figures, ok bool) {
	for _, s := range h.stretches {
		if n := len(s.at); n > 0 {
			if part := s.over(s.at[s.measure], s.at[n-1]); ok {
				f = f.With(part)
			} else {
				f, ok = part, true
			}
		}
	}
	return f, ok && len(f.Counters)+len(f.Gauges) > 0
}

// Over returns the figures of a time within one stretch, by stamps of the level. ok is false where nothing was told.
func (h *History) Over(fromNS, untilNS int64) (f Figures, ok bool) {
	for _, s := range h.stretches {
		if n := len(s.at); n > 0 && s.at[0] <= untilNS && fromNS <= s.at[n-1] {
			f = s.over(fromNS, untilNS)
			return f, len(f.Counters)+len(f.Gauges) > 0
		}
	}
	return f, false
}

// Whole returns by how much a counter grew over all rounds, those of the warm-up too.
func (h *History) Whole(q Quantity) (total float64, ok bool) {
	for _, s := range h.stretches {
		if n := len(s.at); n > 0 {
			v, told := s.over(s.at[0], s.at[n-1]).Counters[q]
			total, ok = total+v, ok || told
		}
	}
	return total, ok
}

func (s *stretch) over(fromNS, untilNS int64) Figures {
	f := Figures{FromNS: fromNS, UntilNS: untilNS, Counters: map[Quantity]float64{}, Gauges: map[Quantity]Gauge{}}
	for _, at := range s.at {
		if fromNS <= at && at <= untilNS {
			f.Rounds++
		}
	}
	for _, j := range s.joined() {
		all := s.points(j.values)
		points := clip(all, fromNS, untilNS)
		if len(points) == 0 {
			continue
		}
		if !slices.Contains(f.Engines, j.by.engine) {
			f.Engines = append(f.Engines, j.by.engine)
		}
		f.Restart = f.Restart || j.fell
		if j.term.perGPU {
			f.GPUs = max(f.GPUs, j.parts)
		}
		if j.term.quantity == Hits {
			f.HitUnit = j.unit()
		}
		if j.term.join == counters {
			f.Counters[j.term.quantity] = points[len(points)-1].Value - points[0].Value
			f.EdgeNS = max(f.EdgeNS, nearest(all, fromNS), nearest(all, untilNS))
		} else {
			if g := gauge(points); g.Rounds > 0 || j.term.perGPU {
				f.Gauges[j.term.quantity] = g
			}
		}
	}
	return f
}

// joined are all quantities that the stretch has. Hits and Queries are of one naming.
func (s *stretch) joined() []joined {
	var all []joined
	hits := -1
	for _, t := range vocabulary() {
		only := -1
		if t.quantity == Queries {
			if only = hits; only < 0 {
				continue
			}
		}
		j, ok := s.find(t, only)
		if !ok {
			continue
		}
		if t.quantity == Hits {
			hits = slices.IndexFunc(t.known, func(n naming) bool { return slices.Equal(n.names, j.by.names) })
		}
		all = append(all, j)
	}
	return all
}

func (j joined) unit() string {
	if j.by.unit != "" {
		return j.by.unit
	}
	return j.term.unit
}

// nearest is how far the nearest point is.
func nearest(points []Point, ns int64) int64 {
	best := int64(math.MaxInt64)
	for _, p := range points {
		best = min(best, max(p.AtNS-ns, ns-p.AtNS))
	}
	return best
}

func gauge(points []Point) Gauge {
	var g Gauge
	for i, p := range points {
		if i > 0 {
			seconds := float64(p.AtNS-points[i-1].AtNS) / 1e9
			g.Integral += float64(seconds * (p.Value + points[i-1].Value) / 2)
		}
		if p.Edge {
			continue
		}
		if g.Rounds == 0 || p.Value > g.Max {
			g.Max = p.Value
		}
		g.Rounds++
		g.Mean += (p.Value - g.Mean) / float64(g.Rounds)
	}
	return g
}

// With is both together, as of several runs: counters are added, gauges weighted by their rounds.
func (f Figures) With(other Figures) Figures {
	all := f
	all.FromNS, all.UntilNS, all.EdgeNS = min(f.FromNS, other.FromNS), max(f.UntilNS, other.UntilNS), max(f.EdgeNS, other.EdgeNS)
	all.Rounds, all.GPUs, all.Restart = f.Rounds+other.Rounds, max(f.GPUs, other.GPUs), f.Restart || other.Restart
	all.Counters, all.Gauges, all.Engines = maps.Clone(f.Counters), maps.Clone(f.Gauges), slices.Clone(f.Engines)
	for _, engine := range other.Engines {
		if !slices.Contains(all.Engines, engine) {
			all.Engines = append(all.Engines, engine)
		}
	}
	for q, v := range other.Counters {
		all.Counters[q] += v
	}
	for q, g := range other.Gauges {
		all.Gauges[q] = all.Gauges[q].with(g)
	}
	return all
}

func (g Gauge) with(other Gauge) Gauge {
	switch {
	case g.Rounds == 0:
		other.Integral += g.Integral
		return other
	case other.Rounds == 0:
		g.Integral += other.Integral
		return g
	}
	n := g.Rounds + other.Rounds
	mean := g.Mean + float64((other.Mean-g.Mean)*float64(other.Rounds)/float64(n))
	return Gauge{mean, max(g.Max, other.Max), n, g.Integral + other.Integral}
}

// HitRate is how much of the prompts was in the prefix cache, in percent. counted: by counters over just this time, and not as the server computes it for
// a time of its own. ok is false where nothing is told, or nothing was looked for.
func (f Figures) HitRate() (percent float64, counted, ok bool) {
	if queries, told := f.Counters[Queries]; told {
		share, ok := Ratio(f.Counters[Hits], queries)
		return 100 * share, ok, ok
	}
	g, ok := f.Gauges[HitRate]
	return g.Mean, false, ok
}

// MeanOf is the mean of a histogram in the unit of its sum, of the observations of this time. ok is false where there was none.
func (f Figures) MeanOf(sum, count Quantity) (mean float64, ok bool) {
	return Ratio(f.Counters[sum], f.Counters[count])
}

// Ratio is a part of a whole that is above 0. ok is false where there is none, or it is no number.
func Ratio(part, whole float64) (ratio float64, ok bool) {
	if ratio = part / whole; !(whole > 0) || math.Abs(ratio) >= most {
		return 0, false
	}
	return ratio, true
}

// Joules is the energy of all GPUs: by their counters, else the integral of their power. ok is false where neither is told. A GPU that is on takes some: a
// counter that stands still is of one that does not count it.
func (f Figures) Joules() (joules float64, counted, ok bool) {
	if j := f.Counters[Energy]; j > 0 {
		return j, true, true
	}
	g, ok := f.Gauges[Power]
	return g.Integral, false, ok && g.Integral > 0
}

// Track is a quantity over the time of a level.
type Track struct {
	Quantity Quantity
	Unit     string
	Counter  bool    // Points are by how much it has grown; else what it was
	Points   []Point // AtNS is a stamp of the level
}

// Tracks are the quantities that any source told, in the order of the vocabulary.
func (h *History) Tracks() []Track {
	var all []Track
	for _, s := range h.stretches {
		for _, j := range s.joined() {
			i := slices.IndexFunc(all, func(t Track) bool { return t.Quantity == j.term.quantity })
			if i < 0 {
				i = len(all)
				all = append(all, Track{Quantity: j.term.quantity, Unit: j.unit(), Counter: j.term.join == counters})
			}
			t := &all[i]
			before := 0.0
			if n := len(t.Points); n > 0 && t.Counter {
				before = t.Points[n-1].Value
			}
			for _, p := range s.points(j.values) {
				p.Value += before
				t.Points = append(t.Points, p)
			}
		}
	}
	return all
}
