package results

import (
	"math"
	"slices"
)

// Distribution is how the values of a level's requests are spread: the steps of their empirical distribution function, which jumps at each value to the number of
// requests that have at most this one. Of many only some are kept; between two of them it is less than 0.5 % of the requests higher than at the lower one.
type Distribution struct {
	Requests int    // that have a value
	Steps    []Step // by ascending value; the last one is the largest value, which all Requests have at most
}

// Step is a value, and how many of the requests have at most it.
type Step struct {
	Value  float64
	AtMost int
}

// Share is the part of the requests that have at most the step's value, in percent.
func (d *Distribution) Share(s Step) float64 { return 100 * float64(s.AtMost) / float64(d.Requests) }

// maxSteps is how many steps are kept, but for the least value and the 99.9th percentile.
const maxSteps = 200

// newDistribution makes the distribution of values in ascending order.
func newDistribution(sorted []float64) Distribution {
	d := Distribution{Requests: len(sorted)}
	for _, rank := range ranks(len(sorted)) {
		v := sorted[rank-1]
		if n := len(d.Steps); n > 0 && d.Steps[n-1].Value == v {
			continue
		}
		atMost, _ := slices.BinarySearchFunc(sorted, v, func(e, v float64) int { // the first one above it
			if e > v {
				return 1
			}
			return -1
		})
		d.Steps = append(d.Steps, Step{v, atMost})
	}
	return d
}

// ranks are those of the values that are kept of n, from 1: all of them, or so many that no two are further apart than n/maxSteps.
func ranks(n int) []int {
	kept := make([]int, 0, min(n, maxSteps)+2)
	if n <= maxSteps {
		for r := range n {
			kept = append(kept, r+1)
		}
		return kept
	}
	kept = append(kept, 1, (999*n+999)/1000)
	for k := range maxSteps {
		kept = append(kept, ((k+1)*n+maxSteps-1)/maxSteps)
	}
	slices.Sort(kept)
	return slices.Compact(kept)
}

// tags are the metrics of the level that have a Distribution: time to first token, inter-token latency and latency, in an open loop from the schedule.
func (l *Level) tags() []string {
	if l.Open() {
		return []string{"scheduled_time_to_first_token", "inter_token_latency", "scheduled_request_latency"}
	}
	return []string{"time_to_first_token", "inter_token_latency", "request_latency"}
}

// distributions are those of the metrics that have values.
func (w *spread) distributions(tags []string) map[string]Distribution {
	all := map[string]Distribution{}
	values := make([]float64, 0, len(w.requests))
	for _, tag := range tags {
		column := slices.Index(withinTags(), tag)
		values = values[:0]
		for _, r := range w.requests {
			if v := r.values[column]; !math.IsNaN(v) {
				values = append(values, v)
			}
		}
		if len(values) > 0 {
			slices.Sort(values)
			all[tag] = newDistribution(values)
		}
	}
	return all
}
