package results

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/stat"
	"github.com/llmsweep/llmsweep/harness/steady"
)

// Over is a figure over the runs of a level.
type Over struct {
	Tag, Statistic string
	Value          float64   // geometric mean
	Requests       stat.Need // of each run, for a percentile: where it is not met the value is not worth printing
	Runs           stat.Need // for an interval
	// Interval and CV are there where HasInterval.
	Interval    stat.Interval
	CV          float64
	HasInterval bool
}

// Recorded lists the levels that have files of their own: the runs and the sentinel of one that was repeated, else the level itself.
func (l *Level) Recorded() []*Level {
	if len(l.Runs) == 0 {
		return []*Level{l}
	}
	var all []*Level
	for i := range l.Runs {
		all = append(all, &l.Runs[i])
	}
	if l.Sentinel != nil {
		all = append(all, l.Sentinel)
	}
	return all
}

// readRuns reads a level that was measured several times, or was to be. Its figures are those over the runs.
func (o Options) readRuns(d record.LevelDir, runs []record.LevelDir, sentinel string, planned int) (*Level, error) {
	l := &Level{Dir: d.Path, Point: d.Point}
	var failures []error
	for _, run := range runs {
		r, err := o.ReadLevel(run)
		if err != nil {
			failures = append(failures, err)
			continue
		}
		l.Runs = append(l.Runs, *r)
	}
	if len(l.Runs) == 0 {
		return nil, errors.Join(failures...)
	}
	for _, err := range failures {
		l.Warnings = append(l.Warnings, "a run is left out: "+relative(err, filepath.Dir(d.Path)))
	}
	if missing := planned - len(runs); missing > 0 {
		l.Warnings = append(l.Warnings, fmt.Sprintf("%d of %d planned runs are missing: figures are of the others", missing, planned))
	}
	if sentinel != "" {
		var err error
		if l.Sentinel, err = o.ReadLevel(record.LevelDir{Path: sentinel, Point: d.Point}); err != nil {
			l.Warnings = append(l.Warnings, "the run at the end is left out: "+relative(err, filepath.Dir(d.Path)))
		}
	}
	for _, r := range l.Recorded() {
		for _, w := range r.Warnings {
			l.Warnings = append(l.Warnings, filepath.Base(r.Dir)+": "+w)
		}
	}
	if n := len(l.Runs) - len(l.Usable()); n > 0 {
		l.Warnings = append(l.Warnings, fmt.Sprintf("%d of %d runs failed, did not run to their end or were continued after a break: figures are of the others", n, len(l.Runs)))
	}
	l.pool()
	return l, nil
}

// Lost says which of the planned runs of a level are not in its figures, and why; "": none, or it was not to be repeated.
func (l *Level) Lost(planned int) string {
	if len(l.Runs) == 0 {
		return ""
	}
	var lost []string
	for k := 1; k <= planned; k++ {
		name := record.RunName(k)
		i := slices.IndexFunc(l.Runs, func(r Level) bool { return filepath.Base(r.Dir) == name })
		if i < 0 {
			lost = append(lost, name+" has no results that can be read")
		} else if why := l.Runs[i].Unusable(); why != "" {
			lost = append(lost, name+": "+why)
		}
	}
	return strings.Join(lost, "; ")
}

// Usable are the runs whose figures count: those that ran to their end or, if there is none, all.
func (l *Level) Usable() []*Level {
	var good, all []*Level
	for i := range l.Runs {
		r := &l.Runs[i]
		all = append(all, r)
		if r.Unusable() == "" {
			good = append(good, r)
		}
	}
	if len(good) == 0 {
		return all
	}
	return good
}

// pool makes the level of its usable runs: counts are sums, figures geometric means.
func (l *Level) pool() {
	runs := l.Usable()
	first := *runs[0].Record
	first.Counts, first.Warmup, first.Breaks = record.Counts{}, record.Counts{}, nil
	l.Record, l.Tally = &first, NewTally()
	var figures []Figures
	for _, r := range runs {
		first.Breaks = append(first.Breaks, r.Record.Breaks...)
		addCounts(&first.Counts, &r.Record.Counts)
		addCounts(&first.Warmup, &r.Record.Warmup)
		if worse(r.Record.Client(), first.Client()) {
			first.Instrument = r.Record.Instrument
		}
		l.Unstreamed = l.Unstreamed || r.Unstreamed
		for reason, n := range r.FinishReasons {
			l.FinishReasons[reason] += n
		}
		l.Cache = l.Cache.With(r.Cache)
		l.asked = l.asked.with(r.asked)
		l.Server, l.GPU = l.Server.with(r.Server), l.GPU.with(r.GPU)
		l.Goodput = l.Goodput.With(r.Goodput)
		l.Prompts, l.Outputs = l.Prompts.With(r.Prompts), l.Outputs.With(r.Outputs)
		for endpoint, part := range r.Replicas {
			l.Replicas[endpoint] = l.Replicas[endpoint].Plus(part)
		}
		for source, n := range r.TokenSources {
			l.TokenSources[source] += n
		}
		figures = append(figures, r.Figures)
	}
	l.Figures = overRuns(figures)
	if share, ok := l.Attained.Share(); ok {
		l.Figures["slo_attainment"] = map[string]float64{"avg": 100 * share} // of all their requests
	}
	l.Load = pooledLoad(runs)
	l.Validity = runs[0].Validity
	if i := slices.IndexFunc(runs, func(r *Level) bool { return r.Validity.Standing == steady.Invalid }); i >= 0 {
		l.Validity = runs[i].Validity // no better than the worst of its runs
	}
	for _, tag := range append(withinTags(), "output_token_throughput", "request_throughput", "goodput") {
		for _, q := range estimates() {
			if o, ok := over(figures, tag, q); ok {
				l.Over = append(l.Over, o)
			}
		}
	}
}

// worse reports whether a verdict of the client is worse than another.
func worse(a, b record.ClientVerdict) bool {
	order := []record.ClientVerdict{record.ClientOK, record.ClientUnknown, record.ClientSuspect, record.ClientLimited}
	return slices.Index(order, a) > slices.Index(order, b)
}

func addCounts(to, from *record.Counts) {
	to.Planned += from.Planned
	to.NotStarted += from.NotStarted
	to.Chosen += from.Chosen
	to.Retried.Requests += from.Retried.Requests
	to.Retried.Retries += from.Retried.Retries
	to.Retried.Resent += from.Retried.Resent
	to.Retried.WaitingNS += from.Retried.WaitingNS
	if to.Outcomes == nil {
		to.Outcomes = map[record.Outcome]int{}
	}
	for o, n := range from.Outcomes {
		to.Outcomes[o] += n
	}
	for o, reasons := range from.Reasons {
		if to.Reasons == nil {
			to.Reasons = map[record.Outcome]map[record.Reason]int{}
		}
		if to.Reasons[o] == nil {
			to.Reasons[o] = map[record.Reason]int{}
		}
		for reason, n := range reasons {
			to.Reasons[o][reason] += n
		}
	}
}

// pooledLoad has the means of the runs, and all their plateaus together.
func pooledLoad(runs []*Level) steady.Load {
	load := steady.Load{HasPlateau: true}
	n := float64(len(runs))
	for _, r := range runs {
		load.Reached += r.Load.Reached / n
		load.EdgeShare += r.Load.EdgeShare / n
		load.Peak = max(load.Peak, r.Load.Peak)
		load.PlateauEndNS += r.Load.PlateauEndNS - r.Load.PlateauStartNS
		load.PlateauTokens += r.Load.PlateauTokens
		load.HasPlateau = load.HasPlateau && r.Load.HasPlateau
	}
	return load
}

// overRuns are the figures that all runs have: geometric means, of positive ones, and else means. A run's percentile is as good as its number of
// requests, and the smallest of these is what counts.
func overRuns(runs []Figures) Figures {
	all := Figures{}
	for _, f := range runs { // the first may not have what another one counted
		for tag, statistics := range f {
			for statistic := range statistics {
				if _, done := all.Get(tag, statistic); !done {
					all.over(runs, tag, statistic)
				}
			}
		}
	}
	return all
}

// over takes in a statistic of runs that all have it.
func (f Figures) over(runs []Figures, tag, statistic string) {
	values, ok := ValuesOf(runs, tag, statistic)
	if !ok {
		return
	}
	if f[tag] == nil {
		f[tag] = map[string]float64{}
	}
	if statistic == "count" {
		f[tag][statistic] = slices.Min(values)
	} else {
		f[tag][statistic] = centre(values)
	}
}

// ValuesOf are a statistic of each run. A run that does not have a count of requests has counted none: AIPerf leaves out what is zero.
func ValuesOf(runs []Figures, tag, statistic string) (values []float64, ok bool) {
	d, _ := metric.Lookup(tag)
	zero := d.Unit == "requests" && !d.PerRequest
	for _, f := range runs {
		v, ok := f.Get(tag, statistic)
		if !ok && !zero {
			return nil, false
		}
		values = append(values, v)
	}
	return values, true
}

// centre is the geometric mean of positive values, else the mean.
func centre(values []float64) float64 {
	sum, logs := 0.0, 0.0
	for _, v := range values {
		sum += v
		logs += math.Log(v) // of what is not positive: not a number, or infinite
	}
	n := float64(len(values))
	if slices.Min(values) > 0 {
		return math.Exp(logs / n)
	}
	return sum / n
}

// over is a figure over runs, with its interval if there are enough of them: the average for q = 0, else a percentile, which has to be worth
// printing in each run.
func over(runs []Figures, tag string, q float64) (Over, bool) {
	statistic := "avg"
	if q > 0 {
		statistic = fmt.Sprintf("p%g", q)
	}
	values, ok := ValuesOf(runs, tag, statistic)
	if !ok {
		return Over{}, false
	}
	o := Over{Tag: tag, Statistic: statistic, Value: centre(values)}
	if n, counted := ValuesOf(runs, tag, "count"); counted && q > 0 {
		o.Requests = stat.Need{Needs: stat.Floor(q), Have: int(slices.Min(n))}
	}
	runsOf, need, ok := stat.Runs(values, Confidence)
	if o.Runs = need; ok && o.Requests.Met() {
		o.Interval, o.CV, o.HasInterval = runsOf.Interval, runsOf.CV, true
	}
	return o, true
}

// driftLevel is in how many of steady figures the first level's run at the end would be taken for a drift.
const driftLevel = 0.01

// minDrift is how far a figure has to move, as a share, before that is worth a word: in virtual time there is no noise at all.
const minDrift = 0.01

// IntervalOver returns the interval over runs of a figure, if the level was repeated often enough for one.
func (l *Level) IntervalOver(tag, statistic string) (interval stat.Interval, ok bool) {
	for _, o := range l.Over {
		if o.Tag == tag && o.Statistic == statistic {
			return o.Interval, o.HasInterval
		}
	}
	return stat.Interval{}, false
}

// Drift is how a figure of the first level moved between its first run and the one at the end.
type Drift struct {
	Name   string  // TTFT, ITL, latency or tok/s
	Change float64 // as a share of the first run's
	// Chance is by how much runs that do not drift differ, in all but one of a hundred cases; Need is what knowing it takes.
	Chance float64
	Need   stat.Need
}

// Drifted reports whether the figure moved by more than chance.
func (d Drift) Drifted() bool {
	return d.Need.Met() && math.Abs(d.Change) > minDrift && math.Abs(math.Log1p(d.Change)) > math.Log1p(d.Chance)
}

// Drifts holds the first level's figures at the end against those of its first run, which had the same lengths, and against what its runs differ by.
// None: it was not measured again, or why says that the run at the end is none to go by.
func (b *Benchmark) Drifts() (level string, drifts []Drift, why string) {
	i := slices.IndexFunc(b.Levels, func(l Level) bool { return l.Sentinel != nil && len(l.Runs) > 0 })
	if i < 0 {
		return "", nil, ""
	}
	l := &b.Levels[i]
	level = l.Name()
	if why := l.Sentinel.Unusable(); why != "" {
		return level, nil, "the run of " + level + " at the end: " + why
	}
	first := &l.Runs[0]
	if filepath.Base(first.Dir) != record.RunName(1) || first.Unusable() != "" {
		return level, nil, "there is no first run of " + level + " to hold the one at the end against"
	}
	var runs []Figures
	for _, r := range l.Usable() {
		runs = append(runs, r.Figures)
	}
	for _, of := range [][2]string{
		{"time_to_first_token", "TTFT"}, {"inter_token_latency", "ITL"}, {"request_latency", "latency"}, {"output_token_throughput", "tok/s"},
	} {
		before, ok := first.Figures.Get(of[0], "avg")
		after, also := l.Sentinel.Figures.Get(of[0], "avg")
		values, all := ValuesOf(runs, of[0], "avg")
		if !ok || !also || !all || slices.Min(values) <= 0 || after <= 0 {
			continue
		}
		for i, v := range values {
			values[i] = math.Log(v)
		}
		limit, need, _ := stat.DriftLimit(values, driftLevel)
		drifts = append(drifts, Drift{Name: of[1], Change: after/before - 1, Chance: math.Expm1(limit), Need: need})
	}
	return level, drifts, ""
}

// Drift says in a line what Drifts found, or "": the first level was not measured again.
func (b *Benchmark) Drift() string {
	level, drifts, why := b.Drifts()
	switch {
	case why != "":
		return "not known: " + why
	case len(drifts) == 0:
		return ""
	}
	parts := make([]string, len(drifts))
	for i, d := range drifts {
		parts[i] = fmt.Sprintf("%s %+.1f %%", d.Name, 100*d.Change)
		if d.Need.Met() {
			parts[i] += fmt.Sprintf(" (%.1f %%)", 100*d.Chance)
		}
	}
	figures := strings.Join(parts, ", ")
	switch need := drifts[0].Need; {
	case !need.Met():
		return fmt.Sprintf("%s at the end against its first run: %s; what chance does needs %d runs, have %d", level, figures, need.Needs, need.Have)
	case slices.ContainsFunc(drifts, Drift.Drifted):
		return fmt.Sprintf("FOUND: %s at the end against its first run (and what chance does at most): %s", level, figures)
	default:
		return fmt.Sprintf("none: %s at the end against its first run (and what chance does at most): %s", level, figures)
	}
}

// warnOfDrift warns of figures that moved during the sweep.
func (b *Benchmark) warnOfDrift() {
	level, drifts, _ := b.Drifts()
	var moved []string
	for _, d := range drifts {
		if d.Drifted() {
			moved = append(moved, fmt.Sprintf("%s %+.1f %%, where chance does %.1f %%", d.Name, 100*d.Change, 100*d.Chance))
		}
	}
	if len(moved) > 0 {
		b.Warnings = append(b.Warnings, fmt.Sprintf("drift: from its first run to the end of the sweep %s moved (%s): the server or a machine changed, and early runs do not compare with late ones",
			level, strings.Join(moved, "; ")))
	}
}

// figuresUnder are the level's figures under a convention, over its runs if there are several.
func (l *Level) figuresUnder(c metric.Convention) (Figures, error) {
	if len(l.Runs) == 0 {
		accumulator := l.accumulator(c)
		_, err := l.eachSample(accumulator.Add)
		return figuresOf(accumulator.Results()), err
	}
	var all []Figures
	for _, r := range l.Usable() {
		f, err := r.figuresUnder(c)
		if err != nil {
			return Figures{}, err
		}
		all = append(all, f)
	}
	return overRuns(all), nil
}
