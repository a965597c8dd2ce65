package fault

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Plan is a list of rules, of which the first that matches a request wins. The zero value hits nothing.
type Plan struct{ Rules []Rule }

// Rule is a fault and when it strikes.
type Rule struct {
	When
	Fault
}

// When says which requests a rule hits: those for which all of it holds. The zero value hits every one.
type When struct {
	Probability float64       // 0 to 1, drawn for each request; 0 is not given
	Requests    []Range       // numbers; nil is any
	Every       uint64        // each so many-th number; 0 is not given
	From, Until time.Duration // since the server's start, the end excluded; Until 0 is open
}

// Range is the numbers of requests from one to another, both included.
type Range struct{ First, Last uint64 }

// Fault is a kind and what belongs to it; other fields are zero. [Parse] has the defaults.
type Fault struct {
	Kind        Kind
	Status      int           // HTTP's
	RetryAfter  time.Duration // whole seconds; 0 sends no such header
	Body        string        // of an answer with Status; "" is an error in OpenAI's envelope
	Tokens      int           // of the answer, before it strikes
	For         time.Duration // how long a stall lasts; 0 is for as long as the client waits
	Interval    time.Duration // between the bytes of a header
	Rate        float64       // bytes of a body in a second
	Done        bool          // the end marker comes all the same
	Style       Style         // of an error inside a stream
	Size        int64         // bytes of a line
	ContentType string
	Delay       time.Duration // of tokens
	Slope       time.Duration // by how much the delay grows in a second
	Share       float64       // of the tokens asked for, above 0 and below 1
}

// Strike is a fault that a request was chosen for.
type Strike struct {
	Fault
	Rule int // its place in the plan from 1; 0 for one that the request asked for
}

// Decide returns what happens to the request with that number, which was understood at an instant since the server's start, or nil. One
// that comes by a connection from before while connections are refused is hit by that, whatever rules stand before.
func (p Plan) Decide(seed, number uint64, at time.Duration) *Strike {
	hit := -1
	for k := range p.Rules {
		r := &p.Rules[k]
		if r.Kind != Refuse && hit >= 0 || !r.hits(draw(seed, number, uint64(k)), number, at) {
			continue
		}
		if hit = k; r.Kind == Refuse {
			break
		}
	}
	if hit < 0 {
		return nil
	}
	return &Strike{Fault: p.Rules[hit].Fault, Rule: hit + 1}
}

// hits says whether all conditions hold, given a number drawn from 0 to below 1.
func (w *When) hits(drawn float64, number uint64, at time.Duration) bool {
	within := func(r Range) bool { return r.First <= number && number <= r.Last }
	return (w.Probability == 0 || drawn < w.Probability) &&
		(w.Requests == nil || slices.ContainsFunc(w.Requests, within)) &&
		(w.Every == 0 || number%w.Every == 0) &&
		at >= w.From && (w.Until == 0 || at < w.Until)
}

// draw is a number from 0 to below 1 that depends on its arguments alone, by the finaliser of splitmix64.
func draw(seed, number, rule uint64) float64 {
	x := seed
	for _, more := range []uint64{number, rule} {
		x = mix(x) + more
	}
	return float64(mix(x)>>11) / (1 << 53)
}

func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Window is a time in which connections are refused, the end excluded, counted from the server's start.
type Window struct {
	Rule        int // place in the plan, from 1
	From, Until time.Duration
}

// Windows are those of the plan in the order of their beginnings.
func (p Plan) Windows() []Window {
	var all []Window
	for k, r := range p.Rules {
		if r.Kind == Refuse {
			all = append(all, Window{k + 1, r.From, r.Until})
		}
	}
	slices.SortStableFunc(all, func(a, b Window) int { return cmp.Compare(a.From, b.From) })
	return all
}

// Later is by how much tokens after the first Tokens are late in an answer to a request that came at an instant.
func (f *Fault) Later(at time.Duration) time.Duration {
	if f.Kind == Drift {
		return time.Duration(min(float64(f.Slope)*at.Seconds(), float64(longest)))
	}
	return f.Delay
}

// Sees is what a client should have seen of a fault that struck after so many tokens, in a request that came at an instant.
func (f *Fault) Sees(tokens int, at time.Duration) string {
	after := fmt.Sprintf("after %d tokens", tokens)
	if tokens == 1 {
		after = "after 1 token"
	}
	switch f.Kind {
	case Status:
		return fmt.Sprintf("status %d", f.Status)
	case Refuse, ResetBeforeHeaders:
		return "connection reset before headers"
	case Reset:
		return "connection reset " + after
	case StallBeforeHeaders:
		return f.nothing() + " before headers"
	case Stall:
		return f.nothing() + " " + after
	case SlowHeaders:
		return fmt.Sprintf("a byte of the headers each %v", f.Interval)
	case SlowBody:
		return fmt.Sprintf("a byte of the body each %v", f.BytePause())
	case Truncate, Empty:
		return f.seesEnd(after)
	default:
		return f.seesInside(after, at)
	}
}

// seesEnd is what a client sees of a body that ends before its time.
func (f *Fault) seesEnd(after string) string {
	switch {
	case f.Kind == Empty && f.Done:
		return "a complete stream without content"
	case f.Kind == Empty:
		return "an empty body"
	case f.Done:
		return "[DONE] without finish_reason " + after
	default:
		return "the end without finish_reason and [DONE] " + after
	}
}

// seesInside is what a client sees of an answer that is wrong or late.
func (f *Fault) seesInside(after string, at time.Duration) string {
	switch f.Kind {
	case MalformedJSON:
		return "malformed JSON " + after
	case BrokenFraming:
		return "broken chunked framing " + after
	case StreamError:
		return "an error object " + after
	case Duplicate:
		return "an event twice " + after
	case EndlessLine:
		return fmt.Sprintf("a line of %d bytes %s", f.Size, after)
	case WrongContentType:
		return "content type " + f.ContentType
	case Cached:
		return "the cached answer at once"
	case FewerTokens:
		return "the end " + after
	default:
		return fmt.Sprintf("tokens %v later %s", f.Later(at), after)
	}
}

func (f *Fault) nothing() string {
	if f.For == 0 {
		return "nothing more"
	}
	return fmt.Sprintf("nothing for %v", f.For)
}

// BytePause is the time between two bytes of a slow body.
func (f *Fault) BytePause() time.Duration { return time.Duration(float64(time.Second) / f.Rate) }
