package steady

import "github.com/llmsweep/llmsweep/harness/record"

// Arrivals holds when the requests of an open loop started against when they should have. Add takes the samples one by one.
type Arrivals struct {
	Requests int // that have a schedule
	Waited   int // of these, for a place: in flight, or before their first token

	due, start [2]int64 // the first and the last
}

// Add takes a sample into account.
func (a *Arrivals) Add(s *record.Sample) {
	if !s.Timed || s.Phase != record.Profiling {
		return
	}
	if a.Requests == 0 {
		a.due, a.start = [2]int64{s.ScheduledNS, s.ScheduledNS}, [2]int64{s.StartNS, s.StartNS}
	}
	a.Requests++
	a.due = [2]int64{min(a.due[0], s.ScheduledNS), max(a.due[1], s.ScheduledNS)}
	a.start = [2]int64{min(a.start[0], s.StartNS), max(a.start[1], s.StartNS)}
	if s.PlacedNS > 0 || s.PrefillNS > 0 {
		a.Waited++
	}
}

// Delivered is the rate of the starts as a share of that of the schedule; ok is false for fewer than two requests.
func (a *Arrivals) Delivered() (share float64, ok bool) {
	due, took := a.due[1]-a.due[0], a.start[1]-a.start[0]
	if due <= 0 || took <= 0 {
		return 0, false
	}
	return float64(due) / float64(took), true
}
