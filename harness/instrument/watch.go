package instrument

import (
	"context"
	"fmt"
	"math"
	"net"
	"time"

	"github.com/llmsweep/llmsweep/harness/openai"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/steady"
)

// Config says what a Watch watches.
type Config struct {
	// Client is the load's: canaries go through the same code, and stamps count from the same epoch.
	Client openai.Config
	// Target is how many requests should be in flight; 0: as many as come, in an open loop.
	Target int
	// Ramp is how long it takes until they are.
	Ramp time.Duration
	// RealTime takes readings of the machine. In virtual time there is none to read.
	RealTime bool
	// Loopback is the way from a canary's writer to its client. Nil: TCP inside the machine, or, in virtual time, no canaries.
	Loopback Loopback
	// Floor was measured before the run, if it was.
	Floor *record.TimerFloor
}

// Loopback opens a listener and tells how to reach it.
type Loopback func() (net.Listener, Dial, error)

// Dial opens a connection.
type Dial = func(ctx context.Context, network, address string) (net.Conn, error)

func loopbackTCP() (net.Listener, Dial, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	return listener, new(net.Dialer).DialContext, err
}

// Watch measures the client beside a level. Its methods are called by one goroutine.
type Watch struct {
	config   Config
	start    int64
	canaries []*canary
	failure  string // why there are no canaries
	probe    *probe
	before   machine

	late      series
	above10MS int
	spans     []steady.Span
	ttft, itl series
	quiet     func() // gives the collector its pace back
}

// Start begins a watch.
func Start(c Config) *Watch {
	w := &Watch{config: c, quiet: func() {}}
	if c.RealTime {
		if w.config.Loopback == nil {
			w.config.Loopback = loopbackTCP
		}
		w.quiet = quietCollector()
		w.probe, w.before = startProbe(c.Client.Epoch), readMachine()
	}
	w.start = w.now()
	if w.config.Loopback != nil {
		w.release(canaries(c.Target))
	}
	return w
}

func (w *Watch) now() int64 { return time.Since(w.config.Client.Epoch).Nanoseconds() }

// release starts n canaries, whose chunks come in turns.
func (w *Watch) release(n int) {
	for i := range n {
		k, err := startCanary(w.config, canaryInterval*time.Duration(i+1)/time.Duration(n))
		if err != nil {
			w.failure = err.Error()
			return
		}
		w.canaries = append(w.canaries, k)
	}
}

// Request takes a request that ended into account. first tells that it was its slot's first, which no free slot waited for; ttft and itl
// are its metrics in milliseconds, NaN where it has none.
func (w *Watch) Request(s *record.Sample, first bool, ttft, itl float64) {
	w.spans = append(w.spans, steady.Span{StartNS: s.TakenNS(), EndNS: s.EndNS})
	for _, m := range []struct {
		values *series
		ms     float64
	}{{&w.ttft, ttft}, {&w.itl, itl}} {
		if !math.IsNaN(m.ms) {
			m.values.add(int64(m.ms * 1e6))
		}
	}
	if first {
		return
	}
	// Not SentNS: how long a server takes to accept a connection and the request's bytes is no fault of the client's.
	late := s.StartNS - s.DueNS() // nor that all places were taken
	w.late.add(late)
	if late > (10 * time.Millisecond).Nanoseconds() {
		w.above10MS++
	}
}

// Stop ends the watch, waits for all that it started, and judges. It takes up to a second where chunks of a canary are late.
func (w *Watch) Stop() *record.Instrument {
	end := w.now()
	r := record.Readings{MeasuredMS: float64(end-w.start) / 1e6, TimerFloor: w.config.Floor}
	if w.probe != nil {
		after := readMachine()
		r.Runtime, r.Process = after.runtimeSince(w.before), after.processSince(w.before)
		r.Probe, r.Gaps = w.probe.stop()
	}
	r.Canary = w.stopCanaries(end)
	r.Lateness, r.InFlight = w.lateness(), w.inFlight()
	w.quiet()
	return Judge(r, Medians{TTFT: w.ttft.milliseconds(50)[0], ITL: w.itl.milliseconds(50)[0]})
}

func (w *Watch) stopCanaries(end int64) *record.Canary {
	if w.config.Loopback == nil {
		return nil
	}
	c := &record.Canary{Streams: len(w.canaries), IntervalMS: canaryInterval.Seconds() * 1e3, Failure: w.failure}
	var delays series
	for i, k := range w.canaries {
		k.stop(end)
		c.Transport = k.client.Transport()
		delays.merge(&k.delays)
		if k.failure != "" {
			c.Failure = fmt.Sprintf("canary %d of %d: %s", i+1, len(w.canaries), k.failure)
		}
	}
	if c.Chunks = delays.n; c.Chunks > 0 {
		q := delays.milliseconds(50, 99)
		c.DelayP50MS, c.DelayP99MS, c.DelayMaxMS = q[0], q[1], float64(delays.most)/1e6
	}
	return c
}

func (w *Watch) lateness() *record.Lateness {
	if w.late.n == 0 {
		return nil
	}
	q := w.late.milliseconds(50, 99)
	return &record.Lateness{
		Requests: w.late.n, P50MS: q[0], P99MS: q[1], MaxMS: float64(w.late.most) / 1e6, Above10MSShare: float64(w.above10MS) / float64(w.late.n),
	}
}

func (w *Watch) inFlight() *record.InFlight {
	target := min(w.config.Target, len(w.spans))
	filled := int64(0)
	if w.config.Ramp > 0 {
		filled = w.start + w.config.Ramp.Nanoseconds()
	}
	mean, ok := steady.Reached(w.spans, target, filled)
	if !ok {
		return nil
	}
	return &record.InFlight{Mean: mean, Target: target}
}
