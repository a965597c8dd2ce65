// Package forecast says beforehand what a sweep will take: time, as a range, and space. It is pure: numbers in, numbers out.
//
// How fast a server is nobody knows before it was measured, so the range is wide unless an earlier run of the same benchmark gives its
// pace. It is meant to tell minutes from hours, and an empty disk from a full one, not to be hit.
package forecast

import (
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

// Level is a point of a sweep, as planned.
type Level struct {
	Concurrency  int           // in an open loop, what may be in flight at most
	Rate         float64       // requests a second of an open loop, or 0
	Limit        time.Duration // of the sending; 0: none
	Requests     int           // measured ones, at most
	Warmup       int           // and those before
	PromptTokens int           // of all of them
	OutputTokens int           // of all their answers
	Body         int           // bytes of one request of mean length
}

// Within is the level with as many requests as a fast server answers within its Limit, of a closed loop: there more are prepared than are sent.
func (l Level) Within() Level {
	if l.Limit == 0 || l.Rate > 0 {
		return l
	}
	all := float64(l.Requests + l.Warmup)
	waves := int(l.Limit/Fast().answer(l)) + 1
	l.Requests = min(l.Requests, waves*l.Concurrency)
	share := float64(l.Requests+l.Warmup) / all
	l.PromptTokens, l.OutputTokens = int(share*float64(l.PromptTokens)), int(share*float64(l.OutputTokens))
	return l
}

// each is the part of a sum that a request has in the mean.
func (l Level) each(sum int) float64 { return float64(sum) / float64(max(l.Requests+l.Warmup, 1)) }

// Range is a time that is not known better.
type Range struct{ Low, High time.Duration }

// Plus is the range of the one after the other.
func (r Range) Plus(s Range) Range { return Range{r.Low + s.Low, r.High + s.High} }

// request is how long one request of a level takes.
func (p Pace) request(l Level) time.Duration {
	others := float64(min(l.Concurrency, l.Requests)-1) * l.each(l.PromptTokens)
	return p.answer(l) + time.Duration(others/p.Prefill*float64(time.Second))
}

// answer is a request of mean length without others beside it.
func (p Pace) answer(l Level) time.Duration {
	return p.TTFT + time.Duration((l.each(l.OutputTokens)-1)*float64(p.ITL))
}

// Measured is the pace that an earlier run found at one concurrency. Its TTFT has the waiting for other prompts in it.
type Measured struct {
	Concurrency int
	TTFT, ITL   time.Duration
}

// slack is how much faster or slower than an earlier run another one may be.
const slack = 1.25

// Duration is how long a level will take: from Fast to Slow or, where an earlier run is known, what that one's figures say, and a quarter
// more or less. Between two concurrencies of the earlier run a request is as fast as at the lower one, or as slow as at the higher one;
// beyond them it is taken to change with the concurrency at most.
func Duration(l Level, earlier []Measured) Range {
	if l.Rate > 0 {
		sends := time.Duration(float64(l.Requests+l.Warmup) / l.Rate * float64(time.Second))
		return Range{sends + Fast().answer(l), sends + Slow().answer(l)}
	}
	if l.Limit > 0 {
		whole := l
		whole.Limit = 0
		without := Duration(whole, earlier)
		return Range{min(without.Low, l.Limit+Fast().answer(l)), min(without.High, l.Limit+Slow().answer(l))}
	}
	if len(earlier) == 0 {
		return Range{waves(l, Fast().request(l)), waves(l, Slow().request(l))}
	}
	low, high := between(l, earlier)
	return Range{time.Duration(float64(rounds(l, low)) / slack), time.Duration(float64(waves(l, high)) * slack)}
}

// between returns how long a request takes at best and at worst.
func between(l Level, earlier []Measured) (low, high time.Duration) {
	sorted := slices.SortedFunc(slices.Values(earlier), func(a, b Measured) int { return a.Concurrency - b.Concurrency })
	first, last := sorted[0], sorted[len(sorted)-1]
	low, high = first.scaled(l, l.Concurrency), last.scaled(l, l.Concurrency)
	for _, m := range sorted {
		if m.Concurrency <= l.Concurrency {
			low = m.scaled(l, m.Concurrency)
		}
	}
	for _, m := range slices.Backward(sorted) {
		if m.Concurrency >= l.Concurrency {
			high = m.scaled(l, m.Concurrency)
		}
	}
	return low, high
}

// scaled is how long a request took, in proportion to another concurrency.
func (m Measured) scaled(l Level, concurrency int) time.Duration {
	answer := Pace{TTFT: m.TTFT, ITL: m.ITL}.answer(l)
	return time.Duration(float64(answer) * float64(concurrency) / float64(m.Concurrency))
}

// waves is the time of requests that all take equally long: a slot that has one more than the others makes them wait.
func waves(l Level, request time.Duration) time.Duration {
	full := func(n int) int { return (n + l.Concurrency - 1) / l.Concurrency }
	return time.Duration(full(l.Requests)+full(l.Warmup)) * request
}

// rounds is the least time for requests of a mean duration: the slots are never idle.
func rounds(l Level, request time.Duration) time.Duration {
	share := func(n int) float64 { return max(float64(n)/float64(l.Concurrency), min(float64(n), 1)) }
	return time.Duration((share(l.Requests) + share(l.Warmup)) * float64(request))
}
