package harness

import (
	"github.com/llmsweep/llmsweep/harness/record"
)

// inFile is the place of a comparison's run in a file of prompts.
type inFile struct {
	turn, of int
	seed     uint64 // of what chance there is in the order of the file: the comparison's
}

// places say where in a file of prompts the phases of levels begin.
type places struct {
	levels []map[record.Phase]int // nil: there is no file
	first  int                    // of the run
	end    int                    // where a run that follows begins
	more   bool                   // nobody knows how many requests there will be
}

func (p places) of(level int) map[record.Phase]int {
	if p.levels == nil {
		return nil
	}
	return p.levels[level]
}

// places gives each phase of the levels records of its own, one behind the other, as far as the file has them. How many requests a closed loop comes to
// within a time nobody knows: what the others leave of a run's part of the file is shared by those phases evenly. Runs of a comparison follow each
// other in the file by their blocks, both arms in the same place: what is compared is asked alike, and no block asks what one before it has asked. A
// trace that is followed begins at its begin in each run.
func (s *Sweep) places() (at places) {
	if s.input == nil {
		return at
	}
	phases := []record.Phase{record.Warmup, record.Profiling}
	records, known, unknown := s.input.data.Len(), 0, 0
	if s.Plan.block != nil {
		records /= s.Plan.block.of
	}
	for i := range s.levels {
		for _, phase := range phases {
			if l := &s.levels[i]; l.unknown(&s.Plan.Plan, phase) {
				unknown++
			} else {
				known += l.planned(phase)
			}
		}
	}
	share := max(1, (records-known)/max(1, unknown))
	at.levels, at.more = make([]map[record.Phase]int, len(s.levels)), unknown > 0
	next := 0
	for i := range s.levels {
		if s.Plan.FixedSchedule {
			next = 0
		}
		at.levels[i] = map[record.Phase]int{}
		for _, phase := range phases {
			l := &s.levels[i]
			at.levels[i][phase] = next
			if l.unknown(&s.Plan.Plan, phase) {
				l.own = share
				next += min(share, l.planned(phase))
			} else {
				next += l.planned(phase)
			}
		}
	}
	if s.Plan.block != nil && !s.Plan.FixedSchedule {
		at.first = s.Plan.block.turn * next
	}
	for i := range at.levels {
		for phase := range at.levels[i] {
			at.levels[i][phase] += at.first
		}
	}
	at.end = at.first + next
	return at
}

// planned is how many requests of a phase are prepared.
func (l *Level) planned(phase record.Phase) int {
	if phase == record.Warmup {
		return l.warmups
	}
	return l.Requests
}
