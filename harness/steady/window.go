package steady

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/stat"
)

// Verdict is what a level came to.
type Verdict string

// The verdicts. Only a steady level has a window.
const (
	Steady     Verdict = "steady"
	TooShort   Verdict = "too short"       // nothing is known, and nothing is wrong
	NotSteady  Verdict = "no steady state" // the level never settled, or went on changing: a figure over it depends on its length
	Overloaded Verdict = "OVERLOADED"      // more came than was served: the queue, and with it latency, grows as long as the load lasts
)

// The rules of FindWindow. The shares and the test are held by simulation.
const (
	gridPoints       = 200              // instants at which what is in flight is looked at
	leastCut         = 10 * time.Second // a server's caches, clocks and compilers take time, not requests
	cutMedians       = 2                // median latencies that are cut at least
	leastRequests    = 80               // ten a batch
	leastWaves       = 20               // of a closed loop: its slots' requests may go in step, so that only whole waves are alike
	leastMedians     = 2 * cutMedians   // median latencies that an open loop takes at least: half of it may be cut
	smoothing        = 40               // parts of a closed loop over which latency is averaged, if a wave is no more
	farBeyond        = 0.25             // of the range of the second half: what is outside it by this much is a transient
	batches          = 8
	risingZ          = 1.645 // one-sided 5 %, for what takes a second sign, or is a warning
	changingZ        = 2.576 // two-sided 1 %, for a verdict
	changeLimit      = 0.05  // below which a change of latency over the window is none that matters
	deficitLimit     = 0.02
	leastCutFraction = 0.5
)

// Window is the part of a level in which it was steady, by the time at which requests were issued, in nanoseconds since the level's start.
type Window struct {
	Verdict Verdict
	Reason  string // for a verdict other than steady, in words
	Warning string // a single sign of what would be a verdict if there were two, or were it clearer
	// Requests that start in [StartNS, EndNS] count for latencies, whenever they end. EndNS is the last start: the drain is not in the window.
	// Throughput is over [StartNS, RateEndNS], without the last median latency, in which what is issued does not end.
	StartNS, EndNS, RateEndNS int64
	MedianNS                  int64 // latency of the requests of the level that ended well
	Requests                  int   // that ended well, of those in the window
	Needs                     int   // requests that a level at its rate would need; set if it is too short
	// Trend is the z of Mann and Kendall's test on the means of eight batches: of the window's latencies in a closed loop, in an open one of what was in
	// flight from the first to the last start. A queue that grows has no window, and one that only fills or drains at first has no trend.
	Trend float64
	// Change is by how much the last quarter of the window's latencies is above the first, as a share of that. For a closed loop.
	Change float64
	// Deficit is the share by which fewer requests ended than started until the last start. For an open loop.
	Deficit float64
}

// FindWindow looks for the steady part of a level in the spans of all its requests, which it sorts by their start. target is the concurrency of
// a closed loop; 0 stands for an open one, whose requests start when a schedule says so.
//
// What tells a transient is the crossing rule: it is over when a series first crosses the median of its second half. In an open loop the series is what is in
// flight. In a closed loop that is always the same, and whatever the server does shows in latency, in the order of the starts: in that
// order no batch has more of the long ones than another. The series is the mean over a wave or more, since slots that go in step have first and
// last ones in each wave. It ends a median latency before the last start: what comes later meets a server that empties.
func FindWindow(spans []Span, target int) Window {
	slices.SortFunc(spans, func(a, b Span) int { return cmp.Or(cmp.Compare(a.StartNS, b.StartNS), cmp.Compare(a.EndNS, b.EndNS)) })
	good := make([]Span, 0, len(spans))
	for _, s := range spans {
		if s.OK {
			good = append(good, s)
		}
	}
	if len(good) == 0 {
		return Window{}
	}
	first, last := spans[0].StartNS, spans[len(spans)-1].StartNS
	w := Window{EndNS: last, MedianNS: medianLatency(good)}
	w.RateEndNS = last - w.MedianNS
	if target > 0 {
		w.closed(good, first, target)
	} else {
		w.open(spans, good, first)
	}
	if w.Verdict != Steady {
		w.StartNS, w.EndNS, w.RateEndNS = 0, 0, 0
		return w
	}
	for _, s := range good {
		if s.StartNS >= w.StartNS {
			w.Requests++
		}
	}
	return w
}

// closed judges a closed loop. good are the requests that ended well, by their start.
func (w *Window) closed(good []Span, first int64, target int) {
	if w.short(len(good), first, max(leastRequests, leastWaves*target), 0) {
		return
	}
	until, _ := slices.BinarySearchFunc(good, w.RateEndNS, func(s Span, at int64) int { return cmp.Compare(s.StartNS, at) })
	settled := latencyCrossing(good[:until], target, (first+w.EndNS)/2)
	if w.cut(first, settled); w.Verdict != "" {
		w.Reason = "latency settled only in the second half of the level, if at all"
		return
	}
	from, _ := slices.BinarySearchFunc(good, w.StartNS, func(s Span, at int64) int { return cmp.Compare(s.StartNS, at) })
	means := latencyBatches(good[from:max(from, until)], target)
	if means == nil {
		w.Verdict, w.Reason = NotSteady, "too few requests ended well after the start of the level"
		return
	}
	w.Trend = stat.MannKendall(means)
	w.Change = (means[batches-2]+means[batches-1])/(means[0]+means[1]) - 1
	says := fmt.Sprintf("latency changed by %+.0f %% over the window (Mann-Kendall z %.1f)", 100*w.Change, w.Trend)
	switch {
	case math.Abs(w.Change) <= changeLimit:
	case math.Abs(w.Trend) > changingZ:
		w.Verdict, w.Reason = NotSteady, says
		return
	case w.Trend > risingZ:
		w.Warning = says
	}
	w.Verdict = Steady
}

// open judges an open loop. A queue that grows has latencies as long as the level, and is looked for before latencies count for anything.
func (w *Window) open(all, good []Span, first int64) {
	if w.short(len(good), first, leastRequests, 0) {
		return
	}
	edges := inFlightEdges(all)
	series := inFlightSeries(edges, first, w.EndNS, gridPoints)
	settled := crossing(series, lastFar(series, gridPoints/2), gridPoints/2)
	at := first + int64(float64(settled)/(gridPoints-1)*float64(w.EndNS-first))
	w.Trend = stat.MannKendall(meansInFlight(edges, first, w.EndNS))
	w.Deficit = deficit(all, first, w.EndNS)
	grows, behind := w.Trend > risingZ, w.Deficit > deficitLimit
	says := fmt.Sprintf("what is in flight has a trend of z %.1f, and %.1f %% of what came was not served in time", w.Trend, 100*w.Deficit)
	if grows && behind {
		w.Verdict, w.Reason = Overloaded, says
		return
	}
	if grows || behind {
		w.Warning = says
	}
	if w.short(len(good), first, leastRequests, leastMedians*w.MedianNS) {
		return
	}
	if w.cut(first, at); w.Verdict != "" {
		w.Reason = "what is in flight settled only in the second half of the level, if at all"
		return
	}
	w.Verdict = Steady
}

// short reports whether the level is too short to have a window, and says so.
func (w *Window) short(n int, first int64, requests int, least int64) bool {
	took := w.EndNS - first
	least = max(least, 2*int64(leastCut))
	if n >= requests && took >= least {
		return false
	}
	w.Needs = requests
	if took > 0 {
		w.Needs = max(requests, int(math.Ceil(float64(n)*float64(least)/float64(took))))
	}
	w.Verdict = TooShort
	w.Reason = fmt.Sprintf("a window needs %d requests over %.0f s, has %d over %.1f s", requests, float64(least)/1e9, n, float64(took)/1e9)
	return true
}

// cut begins the window where the transient is over, and not before what is always cut. More than half of the level is too much.
func (w *Window) cut(first, settled int64) {
	w.StartNS = max(settled, first+int64(leastCut), first+cutMedians*w.MedianNS)
	if float64(w.StartNS-first) > leastCutFraction*float64(w.EndNS-first) {
		w.Verdict = NotSteady
	}
}

func medianLatency(spans []Span) int64 {
	latencies := make([]int64, len(spans))
	for i, s := range spans {
		latencies[i] = s.EndNS - s.StartNS
	}
	slices.Sort(latencies)
	return latencies[(len(latencies)-1)/2]
}

// crossing is the first index, not before begin, at which a series is at or beyond the median of its part from half on, seen from where it
// begins. There is one: no part has all its values on one side of its median.
func crossing(series []float64, begin, half int) int {
	median := stat.Percentile(slices.Sorted(slices.Values(series[half:])), 50)
	side := cmp.Compare(series[begin], median)
	return begin + slices.IndexFunc(series[begin:], func(v float64) bool { return side == 0 || cmp.Compare(v, median) != side })
}

// lastFar is the last index before half at which a series is far beyond all that it is from half on, or 0. A cold server's queue fills from
// nothing, and crosses the median a first time on its way up.
func lastFar(series []float64, half int) int {
	lowest, highest := slices.Min(series[half:]), slices.Max(series[half:])
	far, last := farBeyond*(highest-lowest), 0
	for i, v := range series[:half] {
		if v < lowest-far || v > highest+far {
			last = i
		}
	}
	return last
}

// latencyCrossing is the start of the first request of a closed loop by which latency has come to what it is from half on: of the middle one of
// those over which it is averaged.
func latencyCrossing(good []Span, target int, half int64) int64 {
	width := max(1, len(good)/smoothing/target) * target
	if len(good) < width {
		return math.MaxInt64
	}
	series := make([]float64, len(good)-width+1)
	var sum int64 // whole numbers: equal latencies have equal sums
	later := len(series)
	for i, s := range good {
		sum += s.EndNS - s.StartNS
		if i >= width {
			sum -= good[i-width].EndNS - good[i-width].StartNS
		}
		if at := i - width + 1; at >= 0 {
			series[at] = float64(sum)
			if later == len(series) && good[at].StartNS >= half {
				later = at
			}
		}
	}
	if later == len(series) {
		return math.MaxInt64
	}
	return good[crossing(series, 0, later)+width/2].StartNS
}

// latencyBatches are the means of batches of latencies, of whole waves if they can be; nil: there are too few.
func latencyBatches(good []Span, target int) []float64 {
	if len(good) < 2*batches {
		return nil
	}
	size := len(good) / batches
	if size > target {
		size -= size % target
	}
	good = good[len(good)-batches*size:]
	latencies := make([]float64, len(good))
	for i, s := range good {
		latencies[i] = float64(s.EndNS - s.StartNS)
	}
	return stat.BatchMeans(latencies, batches)
}

// inFlightSeries is what is in flight at instants that divide [from, until] evenly, both ends among them.
func inFlightSeries(edges []edge, from, until int64, points int) []float64 {
	series := make([]float64, points)
	n, next := 0, 0
	for i := range series {
		at := from + int64(float64(i)/float64(points-1)*float64(until-from))
		for ; next < len(edges) && edges[next].at <= at; next++ {
			n += edges[next].change
		}
		series[i] = float64(n)
	}
	return series
}

// meansInFlight are the means of what is in flight over as many parts of [from, until] as there are batches.
func meansInFlight(edges []edge, from, until int64) []float64 {
	means := make([]float64, batches)
	for i := range means {
		begin, end := from+(until-from)*int64(i)/batches, from+(until-from)*int64(i+1)/batches
		means[i] = float64(area(edges, begin, end)) / float64(end-begin)
	}
	return means
}

// deficit is by which share fewer requests end in (from, until] than start in it.
func deficit(spans []Span, from, until int64) float64 {
	issued, ended := 0, 0
	for _, s := range spans {
		if s.StartNS > from && s.StartNS <= until {
			issued++
		}
		if s.EndNS > from && s.EndNS <= until {
			ended++
		}
	}
	if issued == 0 {
		return 0
	}
	return 1 - float64(ended)/float64(issued)
}

// Flow is what a window's throughput is made of. Add takes the samples of the level one by one.
type Flow struct {
	Window   Window
	Requests float64 // each counts by the part of its time that it spent between StartNS and RateEndNS
	Tokens   float64 // that came between them, by the stamps of their chunks; of answers that were not streamed by that same part
}

// Add adds what a request that ended well had of the window.
func (f *Flow) Add(s *record.Sample) {
	from, until := f.Window.StartNS, f.Window.RateEndNS
	if f.Window.Verdict != Steady || !s.Valid() {
		return
	}
	share := inside(s, from, until)
	f.Requests += share
	if s.Unstreamed {
		f.Tokens += float64(float64(s.Counted.OSL) * share)
		return
	}
	of := tokensOfChunks(s)
	for i, at := range s.ChunksNS {
		if at > from && at <= until {
			f.Tokens += of(i)
		}
	}
}

// PerSecond returns requests and output tokens a second; ok is false without a window.
func (f *Flow) PerSecond() (requests, tokens float64, ok bool) {
	seconds := float64(f.Window.RateEndNS-f.Window.StartNS) / 1e9
	if f.Window.Verdict != Steady || seconds <= 0 {
		return 0, 0, false
	}
	return f.Requests / seconds, f.Tokens / seconds, true
}

// Holds reports whether a sample counts for the window's latencies.
func (w *Window) Holds(s *record.Sample) bool {
	return w.Verdict == Steady && s.Valid() && s.StartNS >= w.StartNS && s.StartNS <= w.EndNS
}
