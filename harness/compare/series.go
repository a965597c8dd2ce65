package compare

import (
	"fmt"
	"math"
	"slices"

	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/record"
)

// series is one figure of a trial, block by block, of those that count.
type series struct {
	Selector
	unit            string
	worse           float64   // sign of a difference which is worse
	base, candidate []float64 // logarithms
	d               []float64 // how much worse the candidate is, as a logarithm of the ratio
	worst           []float64 // the same, as large as the stamps of a suspect client could have hidden
	requests        int       // the fewest of a run; 0 without any
	lack            string    // why it has no ratio in some block, and then no verdict; "" if it has
}

func newSeries(of Selector) *series {
	d, _ := metric.Lookup(of.Metric)
	s := &series{Selector: of, unit: d.Unit, worse: 1}
	if d.HigherBetter {
		s.worse = -1
	}
	return s
}

// headline are the figures that every trial reports, of each level.
func headline(level string) []Selector {
	var all []Selector
	margins := DefaultMargins(0)
	if at, _ := record.PointOf(level); at.Open() { // those from the sending on stand behind
		margins = append(OfSchedules(margins), margins...)
	}
	for _, m := range margins {
		s := m.Selector
		s.Level = level
		if slices.Contains(all, s) {
			continue
		}
		all = append(all, s)
		if d, _ := metric.Lookup(s.Metric); d.PerRequest {
			for _, statistic := range []string{"p50", "p99"} {
				s.Statistic = statistic
				all = append(all, s)
			}
		}
	}
	return all
}

// add takes a block into account: the levels of both arms.
func (s *series) add(block int, base, candidate []Level) {
	if s.lack != "" {
		return
	}
	var found [2]Finding
	var levels [2]Level
	for i, all := range [2][]Level{base, candidate} {
		level, exists := named(all, s.Level)
		f := s.finding(level)
		levels[i], found[i] = level, f
		switch {
		case !exists:
			unmatched, _ := s.unmatched(all)
			s.lack = unmatched.Text
		case f.Verdict != "":
			s.lack = f.Text
		case level.Client == record.ClientLimited:
			s.lack = fmt.Sprintf("%s: the figures of %s are its own as much as the server's", level.Client, level.Name)
		case !(f.Value > 0) || math.IsInf(f.Value, 0):
			s.lack = fmt.Sprintf("%s %s of %s is %s %s, which has no ratio to another", s.Metric, s.Statistic, s.Level, short(f.Value), f.Unit)
		}
		if s.lack != "" {
			s.lack = fmt.Sprintf("%s (block %d, %s)", s.lack, block, Arm(i))
			return
		}
		if s.requests == 0 || f.Samples < s.requests {
			s.requests = f.Samples
		}
	}
	b, c := math.Log(found[Base].Value), math.Log(found[Candidate].Value)
	s.base, s.candidate = append(s.base, b), append(s.candidate, c)
	s.d = append(s.d, s.worse*(c-b))
	s.worst = append(s.worst, s.worse*(math.Log(s.hidden(found[Candidate], levels))-b))
}

// hidden is the candidate's figure, worse by what a suspect client may have made of either arm's: stamps that are late in both arms make
// their ratio smaller than it is.
func (s *series) hidden(f Finding, levels [2]Level) float64 {
	f.Bound = s.worse * math.Inf(1) // towards the worse
	off := 0.0
	for _, level := range levels {
		if level.Client == record.ClientSuspect {
			off = max(off, f.errorOf(level))
		}
	}
	return max(0, f.Value+s.worse*off)
}

func named(levels []Level, name string) (Level, bool) {
	for _, l := range levels {
		if l.Name == name {
			return l, true
		}
	}
	return Level{}, false
}
