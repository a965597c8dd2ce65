package results

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/stat"
)

// Confidence is that of every interval.
const Confidence = 0.95

// MinRequests is how many requests an interval takes: with fewer nothing is known of how they depend on each other.
const MinRequests = 2 * stat.EffectiveBatches

// Within is what the requests of one run say of a metric. Its intervals are for what chance did within this run. Requests that wait for each
// other are no independent values, so that under load the same benchmark run again is outside them more often than not.
type Within struct {
	Tag      string
	Requests int // that have a value
	// Effective is how many independent requests would say as much of the mean, 0 where that is not known.
	Effective float64
	Estimates []Estimate // average, median, 99th percentile
}

// Estimate is one figure and what it is worth.
type Estimate struct {
	Statistic string // as in Figures
	Value     float64
	Need      stat.Need // where it is not met the value is not worth printing
	// Interval is there where HasInterval; where it is not and IntervalNeed is not met, that is the reason.
	Interval     stat.Interval
	HasInterval  bool
	IntervalNeed stat.Need
	// Thin is an interval that comes from so few requests that it says less than it seems to.
	Thin bool
}

// estimates are the statistics that have an interval. The average is no percentile: 0.
func estimates() []float64 { return []float64{0, 50, 99} }

// withinTags are the metrics with intervals: perRequest of them have one value a request; those of the last one come many to a request.
func withinTags() []string {
	return []string{
		"scheduled_time_to_first_token", "time_to_first_token", "inter_token_latency", "scheduled_request_latency", "request_latency", chunkTag,
	}
}

const perRequest = 5

const chunkTag = "inter_chunk_latency"

// estimated returns the figures of a metric, without intervals. ok is false where it has no value.
func (f Figures) estimated(tag string) (w Within, ok bool) {
	n, known := f.Get(tag, "count")
	if !known {
		n = f["request_count"]["avg"] // AIPerf before schema 1.1
	}
	w = Within{Tag: tag, Requests: int(n)}
	if tag == chunkTag {
		w.Requests = int(f["request_count"]["avg"])
	}
	for _, q := range estimates() {
		e := Estimate{Statistic: "avg", Need: stat.Need{Needs: 1, Have: int(n)}}
		if q > 0 {
			e.Statistic, e.Need.Needs = fmt.Sprintf("p%g", q), stat.Floor(q)
		}
		v, has := f.Get(tag, e.Statistic)
		if e.Value = v; !has {
			e.Value = math.NaN()
		}
		ok = ok || has
		w.Estimates = append(w.Estimates, e)
	}
	return w, ok
}

// Bounds of the bootstrap over requests, whose time and memory grow with them. A level with more of either has one of its requests taken
// from each of as many stretches of equal length as the bounds allow, and the interval of a sample of that size, which is the wider one.
const (
	maxGroups = 2000
	maxGaps   = 1_000_000
	resamples = 1000
	seed      = 1
)

// spread gathers what intervals take from the samples of a level, in two readings of its log: the values of requests in the first, the gaps
// between chunks, of which there are many more, in the second and of the chosen requests only.
type spread struct {
	calculator *metric.Calculator
	requests   []issued

	chunks *metric.Calculator
	chosen map[int]bool // which of the valid samples, in the order of the log
	seen   int
	groups [][]float64
}

// issued is a valid request. Values that do not exist are NaN.
type issued struct {
	startNS      int64
	index, place int // place is that in the log
	gaps         int
	values       [perRequest]float64
}

func newSpread() *spread {
	return &spread{calculator: metric.NewCalculator(withinTags()[:perRequest]...), chunks: metric.NewCalculator(chunkTag)}
}

// add takes a sample of the first reading.
func (w *spread) add(s *record.Sample) {
	if !s.Valid() {
		return
	}
	r := issued{startNS: s.StartNS, index: s.Index, place: len(w.requests), gaps: max(0, len(s.ChunksNS)-1)}
	for i := range r.values {
		r.values[i] = math.NaN()
	}
	for _, v := range w.calculator.Of(s) {
		r.values[slices.Index(withinTags(), v.Tag)] = v.Value
	}
	w.requests = append(w.requests, r)
}

// choose ends the first reading: it puts the requests into the order in which they were issued and chooses those of the second.
func (w *spread) choose() {
	slices.SortFunc(w.requests, func(a, b issued) int { return cmp.Or(cmp.Compare(a.startNS, b.startNS), cmp.Compare(a.index, b.index)) })
	var withGaps []int
	gaps := 0
	for _, r := range w.requests {
		if r.gaps > 0 {
			withGaps = append(withGaps, r.place)
			gaps += r.gaps
		}
	}
	n := len(withGaps)
	if n < MinRequests {
		return
	}
	k := min(n, maxGroups)
	if allowed := int(float64(n) * maxGaps / float64(gaps)); k > allowed {
		k = max(allowed, MinRequests)
	}
	w.chosen = make(map[int]bool, k)
	r := rand.New(rand.NewPCG(seed, 0))
	for i := range k { // by chance within a stretch: whatever repeats itself in the load is no pattern here
		from, until := i*n/k, (i+1)*n/k
		w.chosen[withGaps[from+r.IntN(until-from)]] = true
	}
}

// addGaps takes a sample of the second reading.
func (w *spread) addGaps(s *record.Sample) {
	if !s.Valid() {
		return
	}
	if w.chosen[w.seen] {
		for _, v := range w.chunks.Of(s) {
			w.groups = append(w.groups, v.List)
		}
	}
	w.seen++
}

// within computes the intervals around the figures of the level.
func (w *spread) within(f Figures) []Within {
	all := withoutIntervals(f)
	for i := range all {
		if all[i].Tag == chunkTag {
			w.ofChunks(&all[i])
		} else {
			w.ofRequests(&all[i])
		}
	}
	return all
}

// withoutIntervals is within for a level of which there are no samples.
func withoutIntervals(f Figures) []Within {
	var all []Within
	for _, tag := range withinTags() {
		if estimated, ok := f.estimated(tag); ok {
			all = append(all, estimated)
		}
	}
	return all
}

// ofRequests is for metrics with one value a request: order statistics for as many requests as the dependent ones are worth, and the means of
// batches.
func (w *spread) ofRequests(of *Within) {
	column := slices.Index(withinTags(), of.Tag)
	var series []float64
	for _, r := range w.requests {
		if v := r.values[column]; !math.IsNaN(v) {
			series = append(series, v)
		}
	}
	of.Requests = len(series)
	size, need := stat.EffectiveSize(series)
	if !need.Met() {
		for i := range of.Estimates {
			of.Estimates[i].IntervalNeed = need
		}
		return
	}
	of.Effective = size
	mean, _ := stat.MeanInterval(series, Confidence)
	slices.Sort(series)
	for i, q := range estimates() {
		e := &of.Estimates[i]
		if q == 0 {
			e.Interval, e.IntervalNeed = mean, need
		} else {
			e.Interval, e.IntervalNeed = stat.PercentileInterval(series, size, q, Confidence)
		}
		e.HasInterval = e.IntervalNeed.Met()
	}
}

// ofChunks is for the gaps between chunks, which are alike within a request: the bootstrap draws requests.
func (w *spread) ofChunks(of *Within) {
	of.Requests = 0
	for _, r := range w.requests {
		if r.gaps > 0 {
			of.Requests++
		}
	}
	need := stat.Need{Needs: MinRequests, Have: of.Requests}
	b := stat.Bootstrap{Resamples: resamples, Confidence: Confidence, Seed: seed}
	var groups *stat.Groups
	if need.Met() {
		groups = stat.NewGroups(w.groups)
	}
	for i, q := range estimates() {
		e := &of.Estimates[i]
		if e.IntervalNeed = need; groups == nil {
			continue
		}
		var figure float64
		if q == 0 {
			e.Interval, e.HasInterval = b.Mean(groups)
			figure = groups.Mean()
		} else {
			e.Interval, e.HasInterval = b.Percentile(groups, q)
			figure = groups.Percentile(q)
			e.Thin = q == 99 && len(w.groups) < stat.TailGroups
		}
		if len(w.groups) < of.Requests { // the chosen ones have a figure of their own: the interval is put about that of all
			e.Interval.Low = max(0, e.Interval.Low+e.Value-figure) // no gap is shorter
			e.Interval.High += e.Value - figure
		}
	}
}
