package steady

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/llmsweep/llmsweep/harness/record"
)

// The limits of validity, in percent.
const (
	MostErrors     = 1
	LeastReached   = 100 * PlateauShare
	MostOSLShifted = 1
	MostRateOff    = 1 // of an open loop
	MostCacheHits  = 1 // that were not planned
)

// Standing is whether a level's figures are those of the load that was planned.
type Standing string

// The two. A level that fails is another matter: this is about whether its figures may be read as an answer to the question.
const (
	Valid   Standing = "VALID"
	Invalid Standing = "INVALID"
)

// Held is what became of one reading.
type Held string

// A reading within its limit, beyond it, or one that was not taken.
const (
	HeldOK      Held = "ok"
	HeldInvalid Held = "invalid"
	HeldUnknown Held = "unknown"
)

// Reading is one number against its limit, both in percent or in the unit of the reading.
type Reading struct {
	Name    string  `json:"name"`
	Value   float64 `json:"value"`
	Limit   float64 `json:"limit"`
	AtLeast bool    `json:"at_least"` // the limit is a lower one
	Unit    string  `json:"unit"`
	Verdict Held    `json:"verdict"` // unknown: Value says nothing
}

// String is the reading in words, as in "failed requests 3 %, limit at most 1 %".
func (r Reading) String() string {
	if r.Verdict == HeldUnknown {
		return r.Name + " unknown"
	}
	return fmt.Sprintf("%s %.3g %s, limit %s", r.Name, r.Value, r.Unit, r.Bound())
}

// Bound is the limit in words.
func (r Reading) Bound() string {
	side := "at most"
	if r.AtLeast {
		side = "at least"
	}
	return fmt.Sprintf("%s %.3g %s", side, r.Limit, r.Unit)
}

// Validity is what the readings of a level come to.
type Validity struct {
	Standing Standing  `json:"verdict"`
	Readings []Reading `json:"readings"`
}

// Broken lists the readings beyond their limits, without the client's where that is told in another place; "" if there is none.
func (v Validity) Broken(client bool) string {
	var parts []string
	for _, r := range v.Readings {
		if r.Verdict == HeldInvalid && (client || !strings.HasPrefix(r.Name, clientReading)) {
			parts = append(parts, r.String())
		}
	}
	return strings.Join(parts, "; ")
}

// Reading returns a reading by its name; a level need not have it.
func (v Validity) Reading(name string) (r Reading, ok bool) {
	if i := slices.IndexFunc(v.Readings, func(r Reading) bool { return r.Name == name }); i >= 0 {
		return v.Readings[i], true
	}
	return Reading{}, false
}

// Facts are what validity follows from.
type Facts struct {
	Instrument         *record.Instrument // nil: the client was not measured
	Ended, Failed      int                // requests
	Reached            float64            // in flight; 0: not known
	Waits              bool               // Reached has the requests that a slot of a closed loop held back, as -prefill-concurrency has it
	Target             int
	Arrivals           Arrivals // of an open loop, which has no target
	Asked, Delivered   float64  // mean output length of valid requests, in tokens; 0: not known
	CountedByTheServer bool     // all of their lengths
	Cache              Cache    // of a server that tells, and of prompts that share what is known
}

// The names of readings that not all levels have.
const (
	WaitReading  = "waited for a place"   // of an open loop that started a request
	CacheReading = "unplanned cache hits" // of a server that tells of its cache
)

// clientReading begins the name of the client's reading.
const clientReading = "client"

// Judge holds a level's facts against the limits. What is not known makes no level invalid. An overloaded server or one without a steady
// state does not either: that is an answer.
func Judge(f Facts) Validity {
	readings := []Reading{
		clientOf(f.Instrument),
		held(Reading{Name: "failed requests", Value: 100 * float64(f.Failed) / float64(f.Ended), Limit: MostErrors, Unit: "%"}, f.Ended > 0),
		loadOf(f),
		held(Reading{Name: "output length shift", Value: 100 * math.Abs(f.Delivered/f.Asked-1), Limit: MostOSLShifted, Unit: "%"},
			f.CountedByTheServer && f.Asked > 0 && f.Delivered > 0),
	}
	if n := f.Arrivals.Requests; n > 0 {
		// With a single one the loop was closed at times.
		readings = append(readings, held(Reading{Name: WaitReading, Value: 100 * float64(f.Arrivals.Waited) / float64(n), Unit: "%"}, true))
	}
	if c := f.Cache; c.Requests > 0 {
		// What a server has in its cache already it does not compute: prompts of another load.
		readings = append(readings, held(Reading{Name: CacheReading, Value: c.Percent(c.Unplanned), Limit: MostCacheHits, Unit: "%"}, true))
	}
	v := Validity{Standing: Valid, Readings: readings}
	for _, r := range readings {
		if r.Verdict == HeldInvalid {
			v.Standing = Invalid
		}
	}
	return v
}

// loadOf is the reading of the load: of a closed loop what it had in flight, of an open one how fast its requests came.
func loadOf(f Facts) Reading {
	if f.Arrivals.Requests == 0 {
		name := "reached in flight"
		if f.Waits {
			name += " or waiting" // for a place, which is the plan's doing
		}
		return held(Reading{Name: name, Value: 100 * f.Reached / float64(f.Target), Limit: LeastReached, AtLeast: true, Unit: "%"}, f.Reached > 0 && f.Target > 0)
	}
	delivered, known := f.Arrivals.Delivered()
	return held(Reading{Name: "request rate off", Value: 100 * math.Abs(delivered-1), Limit: MostRateOff, Unit: "%"}, known)
}

// rounding is what a share may be off its limit by computing it.
const rounding = 1e-9

func held(r Reading, known bool) Reading {
	beyond := r.Value - r.Limit
	if r.AtLeast {
		beyond = -beyond
	}
	switch {
	case !known:
		r.Value, r.Verdict = 0, HeldUnknown
	case beyond > rounding:
		r.Verdict = HeldInvalid
	default:
		r.Verdict = HeldOK
	}
	return r
}

// clientOf is the reading of the client that is nearest to the limit above which its figures are its own.
func clientOf(i *record.Instrument) Reading {
	r := Reading{Name: clientReading, Verdict: HeldUnknown}
	if i == nil || i.Verdict == record.ClientUnknown {
		return r
	}
	most := math.Inf(-1)
	for _, c := range i.Checks {
		used := cmp.Or(c.Value, 0) / cmp.Or(c.LimitedAbove, 1)
		if c.Verdict == record.ClientLimited {
			used += 1e9 // before those that are above a limit and stand on too few values
		}
		if used > most {
			most = used
			r.Name, r.Value, r.Limit, r.Unit = clientReading+": "+c.Reading, c.Value, c.LimitedAbove, c.Unit
		}
	}
	if r.Verdict = HeldOK; i.Verdict == record.ClientLimited {
		r.Verdict = HeldInvalid
	}
	return r
}
