package harness

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/llmsweep/llmsweep/harness/ceiling"
	"github.com/llmsweep/llmsweep/harness/host"
	"github.com/llmsweep/llmsweep/harness/instrument"
	"github.com/llmsweep/llmsweep/harness/openai"
	"github.com/llmsweep/llmsweep/harness/record"
)

// readsMachine reports whether the sweep runs on this machine's clock and network, so that readings of them mean something.
func (s *Sweep) readsMachine() bool { return !s.Plan.Virtual && s.Dial == nil }

// measureFloor measures how late an idle process sleeps, once, before the first level.
func (s *Sweep) measureFloor() {
	if s.floor != nil || !s.readsMachine() {
		return
	}
	s.floor = instrument.Floor()
}

// findCeiling looks, once, for what calibration knows of this machine with the transport that all levels use.
func (s *Sweep) findCeiling(transport string) {
	if s.ceilingSought || !s.readsMachine() {
		return
	}
	s.ceilingSought = true
	var err error
	s.ceiling, err = ceiling.Load(&ceiling.Setup{Host: *host.Read(), Transport: transport, ConnectionReuse: s.Plan.ConnectionReuse})
	if err != nil {
		s.progress.print(fmt.Sprintf("the machine's ceiling is not known: %v; -run Calibrate measures it again", err))
	}
}

// startWatch has the client measured beside the phase that follows.
func (r *levelRun) startWatch() {
	config := r.config
	// What "auto" came to for the load, by a proxy perhaps, which no canary would see.
	config.Transport = r.client.Transport()
	r.sweep.findCeiling(config.Transport)
	r.watch = instrument.Start(instrument.Config{
		Client: config, Target: r.level.Concurrency, RealTime: r.sweep.readsMachine(), Loopback: r.sweep.Loopback, Floor: r.sweep.floor,
		Ramp: r.ramp(record.Profiling),
	})
}

// stopWatch ends that and says which share of the machine's ceiling the phase used.
func (r *levelRun) stopWatch() {
	i := r.watch.Stop()
	if seconds := i.MeasuredMS / 1000; seconds > 0 {
		i.CeilingShare, _ = r.sweep.ceiling.Share(r.level.streams(), float64(r.events)/seconds, float64(r.requestsEnded)/seconds)
	}
	r.record.Instrument = i
}

// observe hands a request that ended to the watch.
func (r *levelRun) observe(s *record.Sample, values []record.MetricValue) {
	if r.watch == nil {
		return // warm-up
	}
	r.events += len(s.ChunksNS)
	r.requestsEnded++
	ttft, itl := math.NaN(), math.NaN()
	for _, v := range values {
		switch v.Tag {
		case "time_to_first_token":
			ttft = v.Value
		case "inter_token_latency":
			itl = v.Value
		}
	}
	// Slot k is scheduled k ns after the phase began, or during the ramp; every later request of it at the end of one.
	first := !s.Timed && s.ScheduledNS < (r.begun+r.ramp(record.Profiling)).Nanoseconds()+int64(r.level.Concurrency)
	r.watch.Request(s, first, ttft, itl)
}

// clientWarnings are what a reader must know of the client.
func clientWarnings(i *record.Instrument) []string {
	if i == nil {
		return nil
	}
	var warnings []string
	if text := exceeded(i); text != "" {
		warnings = append(warnings, text)
	}
	warnings = append(warnings, pauses(i.Gaps)...)
	if p := i.Process; p != nil && p.StealShare != nil && *p.StealShare > 0.01 {
		warnings = append(warnings, fmt.Sprintf("the hypervisor took %.0f %% of the machine's processor time", 100**p.StealShare))
	}
	if i.Canary != nil && i.Canary.Failure != "" {
		warnings = append(warnings, "the client was watched in part only: "+i.Canary.Failure)
	}
	if i.Canary != nil && i.Canary.Transport == openai.HTTP2 && i.InFlight != nil && i.InFlight.Target > 1 {
		warnings = append(warnings, "the canaries have connections of their own: that the client reads streams which share one in turn is not in its verdict")
	}
	return warnings
}

// pauses names the longest of the gaps, and how many others there were: of a busy machine there may be hundreds.
func pauses(gaps []record.Gap) []string {
	if len(gaps) == 0 {
		return nil
	}
	longest := slices.MaxFunc(gaps, func(a, b record.Gap) int { return cmp.Compare(a.LengthNS, b.LengthNS) })
	warnings := []string{longest.String()}
	if others := len(gaps) - 1; others > 0 {
		sum := -longest.LengthNS
		for _, gap := range gaps {
			sum += gap.LengthNS
		}
		warnings = append(warnings, fmt.Sprintf("%d more such pauses, of %.1f s in all, are in %s", others, float64(sum)/1e9, record.LevelFile))
	}
	return warnings
}

// exceeded says which limits a client that is not ok exceeded, and what follows.
func exceeded(i *record.Instrument) string {
	var over []string
	for _, c := range i.Checks {
		if c.Verdict != record.ClientOK {
			over = append(over, c.String())
		}
	}
	text := fmt.Sprintf("%s: %s", i.Verdict, strings.Join(over, "; "))
	switch i.Verdict {
	case record.ClientSuspect:
		return text + fmt.Sprintf("; stamps may be %.3g ms late", i.ErrorMS)
	case record.ClientLimited:
		return text + "; the figures are the client's as much as the server's: leave the machine to the run, or take a larger one"
	default:
		return ""
	}
}
