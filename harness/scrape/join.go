package scrape

import "math"

// joined is a quantity of a stretch by round, in the unit of its term; not known: no number.
type joined struct {
	term   term
	by     naming
	values []float64
	fell   bool // a counter did
	parts  int  // series or GPUs
}

// find joins the series of a term by the first of its namings that any source has; only: by that one of them. ok is false where there is none.
func (s *stretch) find(t term, only int) (j joined, ok bool) {
	for i, n := range t.known {
		if only >= 0 && i != only {
			continue
		}
		if j, ok := s.join(t, n); ok {
			return j, true
		}
	}
	return joined{}, false
}

func (s *stretch) join(t term, n naming) (joined, bool) {
	j := joined{term: t, by: n}
	var parts [][]float64
	for _, name := range n.names {
		of, found := s.parts(t, name, n.counts)
		if !found {
			return j, false
		}
		parts = append(parts, of...)
	}
	if t.join == counters {
		for i, values := range parts {
			var fell bool
			parts[i], fell = increase(values)
			j.fell = j.fell || fell
		}
	}
	j.parts = len(parts)
	j.values = s.together(parts, t.join == mean && n.of == "")
	if n.of != "" {
		whole, found := s.parts(t, n.of, nil)
		if !found {
			return j, false
		}
		for round, v := range s.together(whole, false) {
			j.values[round] /= v
		}
	}
	if t.factor != 0 {
		for round := range j.values {
			j.values[round] *= t.factor
		}
	}
	return j, true
}

// parts are the series of a name, each by round. Where a counter is not on a page it has counted nothing; of a GPU's nothing is known then.
func (s *stretch) parts(t term, name string, counts func(labelSet) bool) (parts [][]float64, found bool) {
	absent := 0.0
	if t.perGPU || t.join == mean {
		absent = math.NaN()
	}
	for _, source := range s.sources {
		gpus := map[string]int{}
		for _, x := range source.order {
			if x.name != name {
				continue
			}
			found = true
			if counts != nil && !counts(x.labels) {
				continue
			}
			values := source.values(x, absent)
			if !t.perGPU {
				parts = append(parts, values)
				continue
			}
			gpu := x.labels["Hostname"] + " " + x.labels["gpu"] + " " + x.labels["UUID"]
			if k, told := gpus[gpu]; told {
				fill(parts[k], values)
			} else {
				gpus[gpu] = len(parts)
				parts = append(parts, values)
			}
		}
	}
	return parts, found
}

// fill takes from other what values do not have: a GPU's series has other labels as soon as another pod has the GPU.
func fill(values, other []float64) {
	for i, v := range values {
		if math.IsNaN(v) {
			values[i] = other[i]
		}
	}
}

// together is the sum of parts by round, or the mean of those that are known then.
func (s *stretch) together(parts [][]float64, average bool) []float64 {
	all := make([]float64, len(s.at))
	for round := range all {
		total, n := 0.0, 0
		for _, part := range parts {
			if average && math.IsNaN(part[round]) {
				continue
			}
			total += part[round]
			n++
		}
		if all[round] = total; average {
			all[round] = total / float64(n) // of none: no number
		}
	}
	return all
}
