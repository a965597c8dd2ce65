// Package forecast says beforehand what a sweep will take: time, as a range, and space. It is pure: numbers in, numbers out.
//
// How fast a server is nobody knows before it was measured, so the range is wide unless an earlier run of the same benchmark gives its
// pace. It is meant to tell minutes from hours, and an empty disk from a full one, not to be hit.
package forecast

import (
	"math"
	"slices"
	"time"
)

// Pace is how fast a server answers: a request takes TTFT, ITL for each token after the first, and its turn among the prompts of the other
// requests in flight, of which the server reads Prefill tokens a second.
type Pace struct {
	TTFT    time.Duration
	ITL     time.Duration
	Prefill float64
}

// Fast is a small model on a large accelerator.
func Fast() Pace {
	return Pace{TTFT: 50 * time.Millisecond, ITL: 5 * time.Millisecond, Prefill: 100_000}
}

// Slow is a large model on a small or busy one.
func Slow() Pace { return Pace{TTFT: 2 * time.Second, ITL: 50 * time.Millisecond, Prefill: 5_000} }

// Phase is the warm-up of a level or its measurement, as planned.
type Phase struct {
	Requests     int           // at most
	PromptTokens int           // of all of them
	OutputTokens int           // of all their answers
	Open         bool          // requests start by a schedule
	Concurrency  int           // requests in flight; of an open loop the cap, or 0
	Sends        time.Duration // of an open loop: when its last request starts
	Ramp         time.Duration // over which a closed loop fills its slots
	Limit        time.Duration // of the sending; 0: none
	Ends         time.Duration // when those that are still in flight are cancelled; 0: never
}

// Level is a point of a sweep.
type Level struct {
	Warmup, Measured Phase
	Body             int // bytes of one measured request of mean length
}

// Requests of both phases.
func (l Level) Requests() int { return l.Warmup.Requests + l.Measured.Requests }

// PromptTokens of both phases.
func (l Level) PromptTokens() int { return l.Warmup.PromptTokens + l.Measured.PromptTokens }

// OutputTokens of both phases.
func (l Level) OutputTokens() int { return l.Warmup.OutputTokens + l.Measured.OutputTokens }

// Within is the phase with as many requests as a fast server answers within its Limit: there more are prepared than are sent.
func (f Phase) Within() Phase {
	if f.Limit == 0 || f.Requests == 0 || f.Open {
		return f
	}
	all := float64(f.Requests)
	waves := int(f.Limit/Fast().answer(f)) + 1
	f.Requests = min(f.Requests, waves*f.Concurrency)
	share := float64(f.Requests) / all
	f.PromptTokens, f.OutputTokens = int(share*float64(f.PromptTokens)), int(share*float64(f.OutputTokens))
	return f
}

// each is the part of a sum that a request has in the mean.
func (f Phase) each(sum int) float64 { return float64(sum) / float64(max(f.Requests, 1)) }

// Range is a time that is not known better.
type Range struct{ Low, High time.Duration }

// Plus is the range of the one after the other.
func (r Range) Plus(s Range) Range { return Range{r.Low + s.Low, r.High + s.High} }

// atMost is the range of what ends at a time.
func (r Range) atMost(low, high time.Duration) Range {
	return Range{min(r.Low, low), min(r.High, high)}
}

// request is how long one request of a phase takes.
func (p Pace) request(f Phase) time.Duration {
	others := float64(min(f.Concurrency, f.Requests)-1) * f.each(f.PromptTokens)
	return p.answer(f) + time.Duration(others/p.Prefill*float64(time.Second))
}

// answer is a request of mean length without others beside it.
func (p Pace) answer(f Phase) time.Duration {
	return p.TTFT + time.Duration((f.each(f.OutputTokens)-1)*float64(p.ITL))
}

// Measured is the pace that an earlier run found at one concurrency, which is 0 of an open loop. Its TTFT has the waiting for other prompts in it.
type Measured struct {
	Concurrency int
	TTFT, ITL   time.Duration
}

// slack is how much faster or slower than an earlier run another one may be.
const slack = 1.25

// Duration is how long a level will take: from Fast to Slow or, where an earlier run is known, what that one's figures say, and a quarter
// more or less. Between two concurrencies of the earlier run a request is as fast as at the lower one, or as slow as at the higher one;
// beyond them it is taken to change with the concurrency at most. Requests are taken to be of their mean length.
func Duration(l Level, earlier []Measured) Range {
	return l.Warmup.duration(earlier).Plus(l.Measured.duration(earlier))
}

func (f Phase) duration(earlier []Measured) Range {
	var r Range
	switch {
	case f.Requests == 0:
		return r
	case f.Open:
		r = f.open(earlier)
	default:
		r = f.closed(slices.DeleteFunc(slices.Clone(earlier), func(m Measured) bool { return m.Concurrency == 0 }))
	}
	if f.Ends > 0 {
		r = r.atMost(f.Ends, f.Ends)
	}
	return r
}

// open is the range of an open loop: the sending, whose times are known, and the last answer. Where places are waited for it may be longer.
func (f Phase) open(earlier []Measured) Range {
	low, high := Fast().answer(f), Slow().answer(f)
	for i, m := range earlier {
		answer := float64(Pace{TTFT: m.TTFT, ITL: m.ITL}.answer(f))
		quick, slow := time.Duration(answer/slack), time.Duration(answer*slack)
		if i == 0 {
			low, high = quick, slow
		}
		low, high = min(low, quick), max(high, slow)
	}
	if f.Limit > 0 && f.Sends >= f.Limit {
		return Range{f.Limit, f.Limit + high}
	}
	r := Range{f.Sends + low, f.Sends + high}
	if f.Concurrency > 0 {
		r = Range{max(r.Low, rounds(f, low)), max(r.High, f.Sends+waves(f, high))}
	}
	return r
}

// closed is the range of a closed loop.
func (f Phase) closed(earlier []Measured) Range {
	var r Range
	low, high := Fast().request(f), Slow().request(f)
	if f.Ramp > 0 {
		low = Fast().answer(f) // the first ones have no others beside them
	}
	if len(earlier) == 0 {
		r = Range{waves(f, low), waves(f, high)}
	} else {
		low, high = between(f, earlier)
		r = Range{time.Duration(float64(rounds(f, low)) / slack), time.Duration(float64(waves(f, high)) * slack)}
		high = time.Duration(float64(high) * slack)
	}
	if f.Limit > 0 {
		r = r.atMost(f.Limit, f.Limit+high)
	}
	return r
}

// between returns how long a request takes at best and at worst.
func between(f Phase, earlier []Measured) (low, high time.Duration) {
	sorted := slices.SortedFunc(slices.Values(earlier), func(a, b Measured) int { return a.Concurrency - b.Concurrency })
	first, last := sorted[0], sorted[len(sorted)-1]
	low, high = first.scaled(f, f.Concurrency), last.scaled(f, f.Concurrency)
	for _, m := range sorted {
		if m.Concurrency <= f.Concurrency {
			low = m.scaled(f, m.Concurrency)
		}
	}
	for _, m := range slices.Backward(sorted) {
		if m.Concurrency >= f.Concurrency {
			high = m.scaled(f, m.Concurrency)
		}
	}
	return low, high
}

// scaled is how long a request took, in proportion to another concurrency.
func (m Measured) scaled(f Phase, concurrency int) time.Duration {
	answer := Pace{TTFT: m.TTFT, ITL: m.ITL}.answer(f)
	return time.Duration(float64(answer) * float64(concurrency) / float64(m.Concurrency))
}

// waves is the time of requests that all take equally long: a slot that has one more than the others makes them wait. In a ramp slots that are filled
// later have fewer of them.
func waves(f Phase, request time.Duration) time.Duration {
	if f.Ramp == 0 || f.Concurrency < 2 {
		return time.Duration((f.Requests+f.Concurrency-1)/f.Concurrency) * request
	}
	slots, request := float64(f.Concurrency-1), max(request, 1)
	started := func(by time.Duration) (n int) {
		for k := range f.Concurrency {
			first := time.Duration(float64(k) / slots * float64(f.Ramp))
			if first > by || n >= f.Requests {
				break
			}
			n += 1 + int((by-first)/request)
		}
		return n
	}
	from, to := time.Duration(-1), time.Duration(f.Requests-1)*request // by from too few are started, by to enough
	for to-from > 1 {
		if middle := from + (to-from)/2; started(middle) < f.Requests {
			from = middle
		} else {
			to = middle
		}
	}
	return to + request
}

// rounds is the least time for requests of a mean duration: the slots are never idle once they are filled. While they are, on the whole half of them are
// busy.
func rounds(f Phase, request time.Duration) time.Duration {
	n, slots, ramp := float64(f.Requests), float64(f.Concurrency), float64(f.Ramp)
	work := n * float64(request)
	least := work/slots + ramp/2
	if least < ramp {
		least = math.Sqrt(2 * ramp * work / slots)
	}
	return time.Duration(max(least, min(n, 1)*float64(request)))
}
