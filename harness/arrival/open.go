package arrival

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"time"
)

// How the requests of an open loop follow each other.
const (
	Constant = "constant" // all gaps are equal, and the first request comes at the level's start
	Poisson  = "poisson"  // gaps are exponential: requests that know nothing of each other
	Gamma    = "gamma"    // gaps have a gamma distribution, see Open.Burstiness
)

// Upper limits, far beyond what one machine can do.
const (
	mostPerSecond  = 1_000_000
	mostBurstiness = 1_000 // gaps then differ by 3 %
	mostRequests   = 10_000_000
)

// Open is an open loop. In all but Constant the first request comes one gap after the level's start, as if the process had no
// beginning. Nothing is scaled to meet the rate exactly, as vLLM's benchmark does: the number of requests within a time would then not vary as
// a Poisson process lets it.
//
// A rate that changes stretches and squeezes the time of a process whose rate is 1: request k comes when the integral of the rate
// reaches the sum of the first k gaps.
type Open struct {
	Process string  // Constant, Poisson or Gamma
	Rate    float64 // requests per second
	// Burstiness is the shape of Gamma's gaps, whose mean is 1/Rate and whose variance is 1/(Burstiness Rate^2): 1 is Poisson, less is burstier, more is
	// more regular. So define it vLLM (--burstiness) and AIPerf (--arrival-smoothness). Other processes take 0 or 1.
	Burstiness float64
	// RampFrom is the rate at the level's start. It becomes Rate within Ramp, in a straight line. Without a Ramp it is 0.
	RampFrom float64
	Ramp     time.Duration
}

// Validate reports everything that is wrong with the settings, by the names of their flags.
func (o Open) Validate() error {
	var f faults
	o.checkGaps(&f)
	o.checkRate(&f)
	return errors.Join(f...)
}

// faults are what is wrong with settings.
type faults []error

func (f *faults) add(name string, value any, reason string) {
	*f = append(*f, fmt.Errorf("%s %q: %s", name, fmt.Sprint(value), reason))
}

func (o Open) checkGaps(f *faults) {
	switch {
	case o.Process != Constant && o.Process != Poisson && o.Process != Gamma:
		f.add("arrival", o.Process, "must be constant, poisson or gamma")
	case o.Process != Gamma && o.Burstiness != 0 && o.Burstiness != 1:
		f.add("burstiness", o.Burstiness, "needs -arrival gamma")
	case o.Process == Gamma && !(o.Burstiness > 0 && o.Burstiness <= mostBurstiness): // not a number is neither
		f.add("burstiness", o.Burstiness, fmt.Sprintf("must be above 0 and at most %d", mostBurstiness))
	}
}

func (o Open) checkRate(f *faults) {
	if !(o.Rate > 0) {
		f.add("request-rate", o.Rate, "must be above 0")
	} else if o.Rate > mostPerSecond {
		f.add("request-rate", o.Rate, fmt.Sprintf("must be at most %d per second", mostPerSecond))
	}
	if !(o.RampFrom >= 0 && o.RampFrom <= mostPerSecond) {
		f.add("request-rate-ramp-from", o.RampFrom, fmt.Sprintf("must be 0 to %d per second", mostPerSecond))
	}
	switch {
	case o.Ramp < 0:
		f.add("request-rate-ramp-duration", o.Ramp, "must not be negative")
	case o.Ramp == 0 && o.RampFrom != 0:
		f.add("request-rate-ramp-from", o.RampFrom, "needs -request-rate-ramp-duration")
	}
}

// Count returns the starts of n requests, drawn from r. It fails where Validate does, and where a request would come later than a
// time.Duration can say (292 years).
func (o Open) Count(r *rand.Rand, n int) ([]time.Duration, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	starts := make([]time.Duration, 0, n)
	previous := time.Duration(-1)
	for ns := range o.arrivals(r) {
		if len(starts) == n {
			break
		}
		start, ok := after(previous, ns)
		if !ok {
			return nil, fmt.Errorf("request-rate %q: request %d would come after more than 292 years: raise the rate", fmt.Sprint(o.Rate), len(starts))
		}
		starts, previous = append(starts, start), start
	}
	return starts, nil
}

// Within returns the starts of all requests that come before limit, drawn from r: those that Count returns, as far as they do. It fails where
// Validate does, and above ten million requests.
func (o Open) Within(r *rand.Rand, limit time.Duration) ([]time.Duration, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	var starts []time.Duration
	previous := time.Duration(-1)
	for ns := range o.arrivals(r) {
		start, ok := after(previous, ns)
		if !ok || start >= limit {
			break
		}
		if len(starts) == mostRequests {
			return nil, fmt.Errorf("duration %q: has more than %d requests at a rate of %v per second: shorten it or lower the rate", limit, mostRequests, o.Rate)
		}
		starts, previous = append(starts, start), start
	}
	return starts, nil
}

// arrivals goes through the starts of all requests, without an end, in nanoseconds.
func (o Open) arrivals(r *rand.Rand) iter.Seq[float64] {
	return func(yield func(float64) bool) {
		due := 0.0 // gaps of mean 1 so far
		if o.Process != Constant {
			due = o.gap(r)
		}
		for yield(o.when(due)) {
			due += o.gap(r)
		}
	}
}

// gap draws the next gap of the process whose rate is 1.
func (o Open) gap(r *rand.Rand) float64 {
	switch o.Process {
	case Poisson:
		return exponential(r)
	case Gamma:
		return gamma(r, o.Burstiness) / o.Burstiness
	}
	return 1
}

// when returns the nanosecond at which the integral of the rate is due. Within the ramp it is from t + slope t^2/2, whose root is written so that
// nothing cancels, whether the rate rises or falls.
func (o Open) when(due float64) float64 {
	ramp := o.Ramp.Seconds()
	during := float64((o.RampFrom + o.Rate) / 2 * ramp)
	if due >= during {
		return float64(o.Ramp) + (due-during)*1e9/o.Rate
	}
	if due == 0 {
		return 0
	}
	slope := (o.Rate - o.RampFrom) / ramp
	root := math.Sqrt(max(0, float64(o.RampFrom*o.RampFrom)+float64(2*slope*due)))
	return 2 * due / (o.RampFrom + root) * 1e9
}
