package results

import (
	"cmp"
	"math"
	"slices"

	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/stat"
)

// Goodput is how much of a level met its SLO, and what that proves.
type Goodput struct {
	SLO      metric.SLO // nil: there is none
	Attained metric.Attained
	// Effective is how many independent requests would say as much of the share, where Need is met.
	Effective float64
	Need      stat.Need
}

// AtLeast is the share of requests that the server is shown to serve well at least: the exact binomial bound, to one side, of one look at as many
// independent requests as the level's are worth. ok is false for too few of them.
func (g Goodput) AtLeast() (share float64, ok bool) {
	if !g.Need.Met() || g.Attained.Of == 0 {
		return 0, false
	}
	size := min(g.Effective, float64(g.Attained.Of))
	missed := float64(g.Attained.Of-g.Attained.Good) * size / float64(g.Attained.Of)
	return stat.ShareBound(int(size), int(math.Ceil(missed-1e-9)), Confidence), true
}

// With is the goodput of two runs, which are independent of each other.
func (g Goodput) With(other Goodput) Goodput {
	if g.SLO == nil {
		return other
	}
	if other.Need.Needs > 0 && !other.Need.Met() {
		g.Need = other.Need
	}
	return Goodput{SLO: g.SLO, Attained: g.Attained.Plus(other.Attained), Effective: g.Effective + other.Effective, Need: g.Need}
}

// verdict is whether a request was good.
type verdict struct {
	startNS int64
	index   int
	good    bool
}

// verdicts are those of a level, of the requests that its SLO is about.
type verdicts []verdict

func (v *verdicts) add(s *record.Sample, good bool) {
	if s.Phase == record.Profiling && !metric.EndedByPlan(s) {
		*v = append(*v, verdict{s.StartNS, s.Index, good})
	}
}

// goodput looks at how misses cluster: requests that wait for each other miss together.
func (v verdicts) goodput(slo metric.SLO, attained metric.Attained) Goodput {
	slices.SortFunc(v, func(a, b verdict) int {
		return cmp.Or(cmp.Compare(a.startNS, b.startNS), cmp.Compare(a.index, b.index))
	})
	series := make([]float64, len(v))
	for i, one := range v {
		if one.good {
			series[i] = 1
		}
	}
	g := Goodput{SLO: slo, Attained: attained}
	g.Effective, g.Need = stat.EffectiveSize(series)
	return g
}

// endedByPlan reports whether requests that were never started are none that the plan wanted: a cap was reached, or the time of -duration was over. In an
// open loop those that waited for a place then are the server's misses.
func (l *Level) endedByPlan() bool {
	return l.Record.Status == record.Capped || l.Record.Status == record.Done && (!l.Open() || l.Record.Waited.Requests == 0)
}
