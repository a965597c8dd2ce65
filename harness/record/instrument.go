package record

import "fmt"

// Instrument is what the client knew of itself while it measured a level: its readings, and whether the level's figures can be trusted
// to be the server's. Readings in milliseconds unless their name says otherwise; a reading that was not taken is absent.
type Instrument struct {
	Verdict ClientVerdict `json:"verdict"`
	// ErrorMS is how much too late a stamp of the level may be: the larger p99 of canary and probe. A latency is too high by no more, save in
	// one of a hundred.
	ErrorMS float64 `json:"error_ms"`
	// CeilingShare is which part of what the machine was calibrated to do the level used; 0: it was not calibrated. Above 1 it did more.
	CeilingShare float64 `json:"ceiling_share,omitempty"`
	Checks       []Check `json:"checks"`
	Readings
}

// ClientVerdict says whose figures those of a level are.
type ClientVerdict string

// The verdicts on the client, from good to bad.
const (
	ClientUnknown ClientVerdict = "client not measured" // nothing exceeded a limit, but nothing measured how late stamps are
	ClientOK      ClientVerdict = "client ok"
	ClientSuspect ClientVerdict = "client suspect" // a limit is exceeded: figures carry ErrorMS as error bar
	ClientLimited ClientVerdict = "client limited" // exceeded by far: the figures are the client's as much as the server's
)

// Client returns the verdict on the client. Results of before there was any, and other tools', are not measured.
func (l *Level) Client() ClientVerdict {
	if l == nil || l.Instrument == nil {
		return ClientUnknown
	}
	return l.Instrument.Verdict
}

// Check is one reading held against its limit.
type Check struct {
	Reading      string        `json:"reading"`
	Unit         string        `json:"unit"` // of Value and both limits
	Value        float64       `json:"value"`
	Limit        float64       `json:"limit"`         // above it the client is suspect
	LimitedAbove float64       `json:"limited_above"` // above it the client is limited
	Count        int           `json:"count"`         // values that the reading stands on
	Needed       int           `json:"needed"`        // values that it should stand on; with fewer the client is suspect at most
	Verdict      ClientVerdict `json:"verdict"`
}

// String is the check in one line, with the limit that its verdict is by.
func (c Check) String() string {
	limit := c.Limit
	if c.Verdict == ClientLimited {
		limit = c.LimitedAbove
	}
	text := fmt.Sprintf("%s %.3g %s, limit %.3g %s", c.Reading, c.Value, c.Unit, limit, c.Unit)
	if c.Count < c.Needed {
		text += fmt.Sprintf(" (of %d values only, %d are needed)", c.Count, c.Needed)
	}
	return text
}

// Readings are what the client measured of itself during the measured part of a level.
type Readings struct {
	MeasuredMS float64     `json:"measured_ms"` // length of the measured part
	Canary     *Canary     `json:"canary,omitempty"`
	Lateness   *Lateness   `json:"send_lateness,omitempty"`
	InFlight   *InFlight   `json:"in_flight,omitempty"`
	Probe      *Probe      `json:"probe,omitempty"`       // real time only, as all below
	Gaps       []Gap       `json:"gaps,omitempty"`        // the longest ones
	TimerFloor *TimerFloor `json:"timer_floor,omitempty"` // before the run
	Runtime    *Runtime    `json:"runtime,omitempty"`
	Process    *Process    `json:"process,omitempty"`
}

// Canary is the delay from the instant just before an in-process writer wrote a chunk to the client's stamp of it.
type Canary struct {
	Streams    int     `json:"streams"`
	Transport  string  `json:"transport,omitempty"` // that carried them; the level's own
	IntervalMS float64 `json:"interval_ms"`
	Chunks     int     `json:"chunks"`
	DelayP50MS float64 `json:"delay_p50_ms"`
	DelayP99MS float64 `json:"delay_p99_ms"`
	DelayMaxMS float64 `json:"delay_max_ms"`
	Failure    string  `json:"failure,omitempty"` // why a stream ended early
}

// Lateness is how long after the instant at which it could have started a request was started. In closed loop that is when its slot
// became free; the first request of each slot has no such instant and is not in it.
type Lateness struct {
	Requests       int     `json:"requests"`
	P50MS          float64 `json:"p50_ms"`
	P99MS          float64 `json:"p99_ms"`
	MaxMS          float64 `json:"max_ms"`
	Above10MSShare float64 `json:"above_10ms_share"` // 0 to 1
}

// InFlight is how many requests really were in flight.
type InFlight struct {
	Mean   float64 `json:"mean"` // over time, from the moment the slots were filled until the last request started
	Target int     `json:"target"`
}

// Probe is how late a goroutine woke that asked to be woken each interval. An instant that passed while it slept counts with the time it
// had to wait, so that a pause weighs as much as it is long.
type Probe struct {
	IntervalMS float64 `json:"interval_ms"`
	Exact      bool    `json:"exact"` // by a timer finer than Go's; else half a millisecond of it is the timer's
	Instants   int     `json:"instants"`
	LateP50MS  float64 `json:"late_p50_ms"`
	LateP99MS  float64 `json:"late_p99_ms"`
	LateMaxMS  float64 `json:"late_max_ms"`
	// GapsMS is the sum of all gaps, of which Readings.Gaps lists the longest.
	GapsMS float64 `json:"gaps_ms"`
}

// Gap is a time in which the process did not run.
type Gap struct {
	AtNS     int64 `json:"at_ns"` // since the level's start
	LengthNS int64 `json:"length_ns"`
	// Suspended: the wall clock went on and the clock of the stamps did not, as when a machine sleeps, or its clock is set forward.
	Suspended bool `json:"suspended,omitempty"`
}

// String says what happened and when.
func (g Gap) String() string {
	length, at := float64(g.LengthNS)/1e9, float64(g.AtNS)/1e9
	if g.Suspended {
		return fmt.Sprintf("the clock jumped ahead by %.1f s at %.1f s (machine suspended, or clock set)", length, at)
	}
	return fmt.Sprintf("the process did not run for %.1f s at %.1f s (stopped, suspended or starved)", length, at)
}

// TimerFloor is how late Go's own timers woke an idle process: differences below it cannot be measured by sleeping.
type TimerFloor struct {
	Sleeps    int     `json:"sleeps"`
	LateP50MS float64 `json:"late_p50_ms"`
	LateP99MS float64 `json:"late_p99_ms"`
}

// Runtime is what Go's runtime tells: how long goroutines that could run waited for a processor, and for how long the garbage
// collector stopped all of them. Values are upper edges of the runtime's histogram.
type Runtime struct {
	SchedLatencyP50MS float64 `json:"sched_latency_p50_ms"`
	SchedLatencyP99MS float64 `json:"sched_latency_p99_ms"`
	SchedLatencyMaxMS float64 `json:"sched_latency_max_ms"`
	GCCycles          uint64  `json:"gc_cycles"`
	GCPauseP99MS      float64 `json:"gc_pause_p99_ms"`
	GCPauseMaxMS      float64 `json:"gc_pause_max_ms"`
}

// Process is what the operating system tells; nil where it does not. Of Linux, all; of other Unix systems, CPUCores.
type Process struct {
	CPUCores *float64 `json:"cpu_cores,omitempty"` // processors that the process kept busy, on average
	// RunQueueCores is how many threads of the process waited for a processor, on average.
	RunQueueCores *float64 `json:"run_queue_cores,omitempty"`
	// PressureShare is the share of time in which some thread of the machine waited for a processor (0 to 1).
	PressureShare *float64 `json:"cpu_pressure_share,omitempty"`
	StealShare    *float64 `json:"steal_share,omitempty"` // of the machine's processor time, taken by its hypervisor (0 to 1)
}
