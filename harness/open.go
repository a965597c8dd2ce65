package harness

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/llmsweep/llmsweep/harness/arrival"
	"github.com/llmsweep/llmsweep/harness/clock"
	"github.com/llmsweep/llmsweep/harness/forecast"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/workload"
)

// schedule draws when the requests of open loops start, and with a duration how many these are. It returns what stands for that in the level's
// fingerprint.
func (l *Level) schedule(p *record.Plan) (string, error) {
	l.starts = map[record.Phase][]time.Duration{}
	l.warmup = p.WarmupPoint(l.Point)
	if l.rate = l.Rate; l.Trace {
		return "", nil // it stands in the workload: see follow
	}
	err := l.time(p, record.Warmup, l.warmup.Rate, &l.warmups, limit{"warmup-duration", p.WarmupDuration, p.WarmupRequests})
	if err == nil {
		err = l.time(p, record.Profiling, l.Rate, &l.Requests, limit{"duration", p.Duration, p.RequestCount})
	}
	if err != nil {
		return "", fmt.Errorf("schedule of %s: %w", l.Name, err)
	}
	loop := workload.ClosedLoop
	if l.Open() {
		loop = fmt.Sprintf("open %s %s", arrival.SHA256(l.starts[record.Warmup]), arrival.SHA256(l.starts[record.Profiling]))
	} else if p.Duration > 0 {
		loop += fmt.Sprintf(" for %v", p.Duration)
	}
	if p.ConcurrencyRamp > 0 {
		loop += fmt.Sprintf(" filled over %v", p.ConcurrencyRamp)
	}
	if p.WarmupDuration > 0 || l.warmup != l.Point {
		loop += fmt.Sprintf(" warmed up with %v for %v %s", l.warmup, p.WarmupDuration, arrival.SHA256(l.starts[record.Warmup]))
	}
	return loop, nil
}

// limit says how long the requests of a phase are started.
type limit struct {
	flag     string
	duration time.Duration // 0: until their number is reached
	most     int           // requests within duration; 0: as many as come
}

// time draws the starts of a phase at a rate, which is 0 for a closed loop, and says how many these are where a duration decides it.
func (l *Level) time(p *record.Plan, phase record.Phase, rate float64, requests *int, within limit) (err error) {
	if rate == 0 {
		return nil
	}
	process := arrivals(p, rate)
	if phase == record.Warmup {
		process.Ramp, process.RampFrom = 0, 0 // the ramp is the measurement's
	}
	r := workload.Stream(l.seed, "arrival", l.Point.Name()+"/"+string(phase), 0)
	if within.duration == 0 {
		l.starts[phase], err = process.Count(r, *requests)
		return err
	}
	starts, err := process.Within(r, within.duration)
	switch {
	case err != nil:
		return err
	case len(starts) == 0:
		return fmt.Errorf("no request comes within -%s %v: make it longer, or the rate higher", within.flag, within.duration)
	case within.most > 0:
		starts = starts[:min(len(starts), within.most)]
	}
	l.starts[phase], *requests = starts, len(starts)
	return nil
}

// follow has the level start its requests as its workload's trace says. It returns what stands for that in the level's fingerprint.
func (l *Level) follow(p *record.Plan) (string, error) {
	stamps, err := l.work.Timestamps(record.Profiling)
	if err != nil {
		return "", fmt.Errorf("fixed-schedule: %w", err)
	}
	ms := make([]float64, len(stamps))
	for i, at := range stamps {
		ms[i] = float64(at) / float64(time.Millisecond)
	}
	starts, err := arrival.Trace(ms, p.TimeScale)
	if err != nil {
		return "", fmt.Errorf("fixed-schedule: %w", err)
	}
	if last := starts[len(starts)-1]; last > 0 {
		l.rate = float64(len(starts)) / last.Seconds()
	} else {
		l.rate = float64(len(starts)) // all at once
	}
	l.starts[record.Profiling] = starts
	return "trace " + arrival.SHA256(starts), nil
}

// expect says how many requests will be in flight.
func (l *Level) expect(p *record.Plan) {
	l.inFlight, l.connected = map[record.Phase]int{}, map[record.Phase]int{}
	for phase, at := range map[record.Phase]record.Point{record.Warmup: l.warmup, record.Profiling: l.Point} {
		l.inFlight[phase], l.connected[phase] = at.Concurrency, at.Concurrency
		if at.Open() {
			l.inFlight[phase], l.connected[phase] = flying(l, p, phase, forecast.Slow()), flying(l, p, phase, forecast.Fast())
		}
	}
}

// arrivals is the open loop of a plan at one of its rates.
func arrivals(p *record.Plan, rate float64) arrival.Open {
	return arrival.Open{Process: p.Arrival, Rate: rate, Burstiness: p.Burstiness, Ramp: p.RateRamp, RampFrom: p.RateRampFrom}
}

// flying is how many requests an open loop has in flight with a server of that pace.
func flying(l *Level, p *record.Plan, phase record.Phase, pace forecast.Pace) int {
	_, tokens := l.work.Tokens(phase)
	requests, rate := l.work.Len(phase), l.rate
	if phase == record.Warmup {
		rate = l.warmup.Rate
	}
	mean := float64(tokens) / float64(max(requests, 1))
	answer := pace.TTFT.Seconds() + float64(mean*pace.ITL.Seconds())
	n := min(requests, int(math.Ceil(rate*answer)))
	if p.MaxInFlight > 0 {
		n = min(n, p.MaxInFlight)
	}
	return max(n, 1)
}

// streams is how many requests are in flight at once, in an open loop at most as far as can be told: connections and files are to be enough for them.
func (l *Level) streams() int {
	return max(l.inFlight[record.Profiling], min(l.inFlight[record.Warmup], l.warmups))
}

// open starts each request when its time has come, whatever became of the ones before; what keeps it late is in the samples, and no start is moved
// or left out for it. With a cap a request that finds all places taken waits for one, and those behind it wait their turn.
func (l *loop) open(flights *sync.WaitGroup) {
	alarm, _ := clock.New(l.sweep.readsMachine())
	defer alarm.Close()
	unwatch := context.AfterFunc(l.issue, alarm.Close)
	defer unwatch()
	var places chan struct{}
	if n := l.sweep.Plan.MaxInFlight; n > 0 {
		places = make(chan struct{}, n)
	}
	starts := l.level.starts[l.phase]
	first, some := time.Duration(0), false
	var held, heldPrefill int64
	for request := range l.feed {
		if !some { // a level that is continued has its first start now
			first, some = starts[request.Index], true
			if request.Index == 0 {
				first = 0
			}
		}
		at := l.begun + starts[request.Index] - first
		if !alarm.Wait(l.epoch.Add(at)) {
			return
		}
		placed, ok := l.inTurn(places, at.Nanoseconds(), &held)
		prefill, prefills := l.inTurn(l.prefill, max(at.Nanoseconds(), placed), &heldPrefill)
		if !ok || !prefills || l.issue.Err() != nil || l.inFlight.Err() != nil {
			return
		}
		flights.Go(func() {
			s := l.send(request, at.Nanoseconds())
			s.Timed, s.PlacedNS, s.PrefillNS = true, placed, prefill
			if places != nil {
				<-places
			}
			l.end(s)
		})
	}
}

// inTurn is place for requests that wait behind each other: whoever was due before heldNS, until when an earlier one waited, could not start before.
func (l *loop) inTurn(places chan struct{}, dueNS int64, heldNS *int64) (atNS int64, ok bool) {
	placed, ok := l.place(places)
	if placed == 0 && dueNS < *heldNS {
		placed = *heldNS
	}
	*heldNS = max(*heldNS, placed)
	return placed, ok
}

// place takes one of the places, if there are any, and returns since when it is taken if that was not at once; false: sending has ended.
func (l *loop) place(places chan struct{}) (atNS int64, ok bool) {
	if places == nil {
		return 0, true
	}
	select {
	case places <- struct{}{}:
		return 0, true
	default:
	}
	select {
	case places <- struct{}{}:
		return l.client.Now(), true
	case <-l.issue.Done():
		return 0, false
	}
}
