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

// schedule draws when the requests of an open loop start, and with a -duration how many these are. It returns what stands for that in the level's
// fingerprint.
func (l *Level) schedule(p *record.Plan) (string, error) {
	if !l.Open() {
		loop := workload.ClosedLoop
		if p.Duration > 0 {
			loop += fmt.Sprintf(" for %v", p.Duration)
		}
		if p.ConcurrencyRamp > 0 {
			loop += fmt.Sprintf(" filled over %v", p.ConcurrencyRamp)
		}
		return loop, nil
	}
	l.starts = map[record.Phase][]time.Duration{}
	if l.rate = l.Rate; l.Trace {
		return "", nil // it stands in the workload: see follow
	}
	process := arrivals(p, l.Rate)
	for _, phase := range []record.Phase{record.Warmup, record.Profiling} {
		r := workload.Stream(l.seed, "arrival", l.Point.Name()+"/"+string(phase), 0)
		var starts []time.Duration
		var err error
		switch {
		case phase == record.Warmup:
			steady := process
			steady.Ramp, steady.RampFrom = 0, 0 // the ramp is the measurement's
			starts, err = steady.Count(r, p.WarmupRequests)
		case p.Duration > 0:
			if starts, err = process.Within(r, p.Duration); p.RequestCount > 0 {
				starts = starts[:min(len(starts), p.RequestCount)]
			}
			if err == nil && len(starts) == 0 {
				err = fmt.Errorf("no request comes within -duration %v: make it longer, or the rate higher", p.Duration)
			}
			l.Requests = len(starts)
		default:
			starts, err = process.Count(r, l.Requests)
		}
		if err != nil {
			return "", fmt.Errorf("schedule of %s: %w", l.Name, err)
		}
		l.starts[phase] = starts
	}
	return fmt.Sprintf("open %s %s", arrival.SHA256(l.starts[record.Warmup]), arrival.SHA256(l.starts[record.Profiling])), nil
}

// follow has the level start its requests as its workload's trace says, as many as come within a -duration. It returns what stands for that in the
// level's fingerprint.
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
	if !l.Open() {
		l.inFlight, l.warm = l.Concurrency, l.Concurrency
		return
	}
	l.inFlight, l.warm = flying(l, p, forecast.Slow()), flying(l, p, forecast.Fast())
}

// arrivals is the open loop of a plan at one of its rates.
func arrivals(p *record.Plan, rate float64) arrival.Open {
	return arrival.Open{Process: p.Arrival, Rate: rate, Burstiness: p.Burstiness, Ramp: p.RateRamp, RampFrom: p.RateRampFrom}
}

// flying is how many requests an open loop has in flight with a server of that pace.
func flying(l *Level, p *record.Plan, pace forecast.Pace) int {
	_, tokens := l.work.Tokens()
	mean := float64(tokens) / float64(l.Requests+p.WarmupRequests)
	answer := pace.TTFT.Seconds() + float64(mean*pace.ITL.Seconds())
	n := min(l.Requests, int(math.Ceil(l.rate*answer)))
	if p.MaxInFlight > 0 {
		n = min(n, p.MaxInFlight)
	}
	return max(n, 1)
}

// streams is how many requests are in flight at once, in an open loop at most as far as can be told: connections and files are to be enough for them.
func (l *Level) streams() int { return l.inFlight }

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
	held := int64(0) // until when places were waited for: whoever was due before could not start before
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
		placed, ok := l.place(places)
		if !ok || l.issue.Err() != nil || l.inFlight.Err() != nil {
			return
		}
		if placed == 0 && at.Nanoseconds() < held {
			placed = held
		}
		held = max(held, placed)
		l.flying.Add(1)
		flights.Go(func() {
			s := l.client.Do(l.inFlight, request, at.Nanoseconds())
			s.Timed, s.PlacedNS = true, placed
			if places != nil {
				<-places
			}
			l.end(s)
		})
	}
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
