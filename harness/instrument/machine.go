package instrument

import (
	"math"
	"runtime/metrics"
	"slices"
	"time"

	"github.com/llmsweep/llmsweep/harness/record"
)

// machine is what runtime and system have counted up to an instant.
type machine struct {
	at      time.Time
	metrics []metrics.Sample
	system  counters
}

// counters are the system's; negative where it does not tell.
type counters struct {
	cpu      time.Duration // processor time of the process
	runQueue time.Duration // that its threads waited for a processor
	pressure time.Duration // in which some thread of the machine waited
	steal    float64       // ticks that the hypervisor took
	ticks    float64       // all ticks of the machine
}

func readMachine() machine {
	m := machine{at: time.Now(), system: readCounters(), metrics: []metrics.Sample{
		{Name: "/sched/latencies:seconds"}, {Name: "/sched/pauses/total/gc:seconds"}, {Name: "/gc/cycles/total:gc-cycles"},
	}}
	metrics.Read(m.metrics)
	return m
}

func (m machine) runtimeSince(before machine) *record.Runtime {
	latency, pause := m.histogram(before, 0), m.histogram(before, 1)
	r := &record.Runtime{
		SchedLatencyP50MS: latency.quantile(0.50), SchedLatencyP99MS: latency.quantile(0.99), SchedLatencyMaxMS: latency.quantile(1),
		GCPauseP99MS: pause.quantile(0.99), GCPauseMaxMS: pause.quantile(1),
	}
	if is, was := m.metrics[2].Value, before.metrics[2].Value; is.Kind() == metrics.KindUint64 && was.Kind() == metrics.KindUint64 {
		r.GCCycles = is.Uint64() - was.Uint64()
	}
	return r
}

// histogram holds the counts of a time, in buckets whose edges are in seconds.
type histogram struct {
	counts []uint64
	edges  []float64
}

// histogram returns what was counted since before.
func (m machine) histogram(before machine, i int) histogram {
	if m.metrics[i].Value.Kind() != metrics.KindFloat64Histogram {
		return histogram{} // a Go that does not have it any more
	}
	is, was := m.metrics[i].Value.Float64Histogram(), before.metrics[i].Value.Float64Histogram()
	h := histogram{slices.Clone(is.Counts), is.Buckets}
	for k := range h.counts {
		h.counts[k] -= was.Counts[k]
	}
	return h
}

// quantile returns the upper edge, in milliseconds, of the bucket that holds the q-th value (0 to 1); 0 if there is none.
func (h histogram) quantile(q float64) float64 {
	var total, below uint64
	for _, n := range h.counts {
		total += n
	}
	rank := uint64(math.Ceil(q * float64(total)))
	for k, n := range h.counts {
		if below += n; n > 0 && below >= rank {
			upper := h.edges[k+1]
			if math.IsInf(upper, 1) {
				upper = h.edges[k]
			}
			return upper * 1e3
		}
	}
	return 0
}

func (m machine) processSince(before machine) *record.Process {
	elapsed := m.at.Sub(before.at)
	share := func(is, was time.Duration) *float64 {
		if is < 0 || was < 0 || elapsed <= 0 {
			return nil
		}
		v := max(0, (is-was).Seconds()/elapsed.Seconds()) // threads that ended take their waiting with them
		return &v
	}
	p := &record.Process{
		CPUCores: share(m.system.cpu, before.system.cpu), RunQueueCores: share(m.system.runQueue, before.system.runQueue),
		PressureShare: share(m.system.pressure, before.system.pressure),
	}
	if ticks := m.system.ticks - before.system.ticks; m.system.steal >= 0 && ticks > 0 {
		v := (m.system.steal - before.system.steal) / ticks
		p.StealShare = &v
	}
	return p
}
