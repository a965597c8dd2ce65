// Package compare judges figures: a level's against fixed limits, and a candidate's against a baseline's. It is pure: figures in,
// findings out; package bench reads files, runs servers and shows findings.
//
// There are three verdicts. Pass and Fail need something to stand on; everything else is Inconclusive, with its reason.
//
// A figure of a level whose client was limited is neither good nor bad: it is the client's as much as the server's, and inconclusive,
// whatever its value and whatever the clock. Where the client was suspect, a time that is nearer to its bound than stamps may be late is
// inconclusive too. A level that has no figures to judge, since it failed or is missing, fails all the same.
//
// The times and rates of an invalid level (steady.Judge) are those of another load than was planned: they are inconclusive. Its counts and
// lengths are what they are, and are judged: a limit on failed requests fails.
//
// Two recorded runs are compared exactly where both ran in virtual time, whose figures have no noise: a rule's margin is all the
// tolerance there is, and by default it is zero. In real time such a comparison is advisory: however much worse a figure is, it is
// inconclusive, since the runs were not interleaved and a drift of the machine between them cannot be told from a change of the server.
// What one of them lacks, a level or a figure, fails in either time.
//
// A Trial compares two servers in real time so that its verdicts stand: it says which arm to run next, in blocks of both arms with the same
// seeds and in an order by coin, and judges a few primaries by exact tests at a number of looks that is fixed before. What it promises, and
// what holds in simulations: equal servers fail at most once in 100 trials, whatever the number of primaries, and a primary that is worse by
// its margin passes at most once in 20. How small a change a machine can tell from chance is measured by a server against itself
// (Sensitivity); a primary whose margin is smaller is reported, not judged.
package compare

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/stat"
	"github.com/llmsweep/llmsweep/harness/steady"
)

// Verdict is the outcome of one rule at one level.
type Verdict string

// The verdicts.
const (
	Pass         Verdict = "pass"
	Fail         Verdict = "fail"
	Inconclusive Verdict = "inconclusive"
)

// Figures holds statistics by metric tag and name: avg, p99, count and so on, in the units of the definitions.
type Figures map[string]map[string]float64

// Level is one level to judge.
type Level struct {
	Name       string // c50
	Figures    Figures
	Unfinished string // why its figures stand for nothing: it failed or was stopped; "" if they do
	Invalid    string // why its times and rates are not those of the planned load, as steady.Judge says; "" if they are
	Client     record.ClientVerdict
	ErrorMS    float64 // how late stamps of a suspect client may be
	Transport  string  // that carried the requests; "" if it is not known
	Cache      steady.Cache
}

// Finding is the verdict of one rule at one level.
type Finding struct {
	Level, Metric, Statistic string
	Unit                     string
	Verdict                  Verdict
	Client                   record.ClientVerdict // where it is suspect or limited
	Limit                    bool                 // it judges by a limit, not by a baseline
	Value                    float64              // of the level, or of the candidate; NaN: none
	Baseline                 float64              // value of the baseline; NaN: none
	Bound                    float64              // the value beyond which it fails: the limit, or the baseline's and the margin; NaN: none
	Samples                  int
	Text                     string // the evidence in one line
}

// Check judges levels against the limits. The findings are in the order of the levels and, within one, of the rules. A limit that no
// level matches fails: a gate must not pass because it looked at nothing.
func (r Rules) Check(levels []Level) []Finding {
	var findings []Finding
	for _, limit := range r.Limits {
		if f, none := limit.unmatched(levels); none {
			f.Limit, f.Bound = true, limit.bound(f.Value)
			findings = append(findings, f)
		}
	}
	for _, level := range levels {
		for _, limit := range judging(r.Limits, level.Name) {
			findings = append(findings, limit.check(level))
		}
	}
	return findings
}

// unmatched returns the finding of a rule that no level matches, if none does.
func (s Selector) unmatched(levels []Level) (f Finding, none bool) {
	var names []string
	for _, level := range levels {
		if s.matches(level.Name) {
			return Finding{}, false
		}
		names = append(names, level.Name)
	}
	f = s.blank(s.Level)
	f.Verdict = Fail
	f.Text = fmt.Sprintf("%s %s: there is no level %s to judge; there are: %s", s.Metric, s.Statistic, s.Level, strings.Join(names, ", "))
	return f, true
}

func (l Limit) check(level Level) Finding {
	f := l.finding(level)
	f.Limit, f.Bound = true, l.bound(f.Value)
	switch {
	case f.Verdict != "":
	case l.Max != nil && f.Value > *l.Max:
		f.Verdict, f.Text = Fail, f.against("above the limit", f.Bound)
	case l.Min != nil && f.Value < *l.Min:
		f.Verdict, f.Text = Fail, f.against("below the limit", f.Bound)
	default:
		f.Verdict, f.Text = Pass, f.against("within the limit", f.Bound)
	}
	return f.doubted(level)
}

// bound is the limit that v is nearer to; max, if v is NaN.
func (l Limit) bound(v float64) float64 {
	switch {
	case l.Max == nil:
		return *l.Min
	case l.Min != nil && v-*l.Min <= *l.Max-v:
		return *l.Min
	default:
		return *l.Max
	}
}

// blank is a finding without figures.
func (s Selector) blank(level string) Finding {
	nan := math.NaN()
	return Finding{Level: level, Metric: s.Metric, Statistic: s.Statistic, Unit: unit(s.Metric), Value: nan, Baseline: nan, Bound: nan}
}

// finding starts a finding: its value, or the reason why there is none to judge.
func (s Selector) finding(level Level) Finding {
	f := s.blank(level.Name)
	f.Samples = samples(level.Figures, s.Metric)
	value, ok := level.Figures[s.Metric][s.Statistic]
	if !ok && f.Unit == "requests" && level.Figures["request_count"] != nil {
		ok = true // a count of zero is absent
	}
	switch {
	case level.Unfinished != "":
		f.Verdict, f.Text = Fail, fmt.Sprintf("%s %s of %s cannot be judged: %s", s.Metric, s.Statistic, level.Name, level.Unfinished)
	case !ok:
		f.Verdict, f.Text = Fail, fmt.Sprintf("%s %s is not among the figures of %s", s.Metric, s.Statistic, level.Name)
	default:
		f.Value = value
		if need, below := belowFloor(s.Statistic, f.Samples); below {
			f.Verdict = Inconclusive
			f.Text = fmt.Sprintf("%s %s of %s needs %d requests, have %d", s.Metric, s.Statistic, level.Name, need, f.Samples)
		}
	}
	return f
}

// samples is how many requests a figure stands on.
func samples(figures Figures, tag string) int {
	if tag != "inter_chunk_latency" { // its values are chunks
		if n, ok := figures[tag]["count"]; ok {
			return int(n)
		}
	}
	return int(figures["request_count"]["avg"])
}

// belowFloor reports whether a percentile stands on fewer requests than it needs (stat.Floor).
func belowFloor(statistic string, n int) (need int, below bool) {
	var q float64
	if _, err := fmt.Sscanf(statistic, "p%g", &q); err != nil {
		return 0, false
	}
	need = stat.Floor(max(q, 100-q)) // a low percentile is the high one of the reversed sample
	return need, n < need
}

// against puts value, bound and their difference into one line.
func (f Finding) against(what string, bound float64) string {
	text := fmt.Sprintf("%s %s of %s is %s %s, %s %s", f.Metric, f.Statistic, f.Level, short(f.Value), f.Unit, what, short(bound))
	if f.Value != bound {
		text += fmt.Sprintf(" by %s %s", short(math.Abs(f.Value-bound)), f.Unit)
		if bound != 0 {
			text += fmt.Sprintf(" (%+.2f %%)", 100*(f.Value-bound)/math.Abs(bound))
		}
	}
	return text + fmt.Sprintf(", %d requests", f.Samples)
}

func short(v float64) string { return fmt.Sprintf("%.6g", v) }

// Run is one recorded run to compare.
type Run struct {
	Name     string
	Record   *record.Run
	Workload map[string]string // workload fingerprint by level
	Source   record.TokenSource
	Levels   []Level
}

// transports are those that carried its levels.
func (r Run) transports() string {
	var all []string
	for _, l := range r.Levels {
		if l.Transport != "" && !slices.Contains(all, l.Transport) {
			all = append(all, l.Transport)
		}
	}
	return strings.Join(all, " and ")
}

// Refusal returns why two runs must not be compared, all reasons at once, and what their readers should know.
func Refusal(baseline, candidate Run) (reasons, warnings []string) {
	for _, run := range []Run{baseline, candidate} {
		if run.Record == nil {
			reasons = append(reasons, fmt.Sprintf("%s has no run.json: what it asked for is not known", run.Name))
		}
	}
	if len(reasons) > 0 {
		return reasons, nil
	}
	b, c := &baseline.Record.Plan, &candidate.Record.Plan
	differ := func(to *[]string, what string, x, y any) {
		if x, y := fmt.Sprint(x), fmt.Sprint(y); x != y {
			*to = append(*to, fmt.Sprintf("%s differ: %s in %s, %s in %s", what, x, baseline.Name, y, candidate.Name))
		}
	}
	differ(&reasons, "models", b.Model, c.Model)
	differ(&reasons, "endpoint types", cmp.Or(b.EndpointType, record.Chat), cmp.Or(c.EndpointType, record.Chat))
	differ(&reasons, "streaming", !b.Unstreamed, !c.Unstreamed)
	differ(&reasons, "lengths", b.Lengths(), c.Lengths())
	differ(&reasons, "token sources", baseline.Source, candidate.Source)
	differ(&reasons, "clocks (virtual time)", b.Virtual, c.Virtual)
	// The times of a new connection are in TTFT. What earlier versions wrote has no such key, and kept its connections.
	differ(&reasons, "reuses of connections", cmp.Or(b.ConnectionReuse, "pooled"), cmp.Or(c.ConnectionReuse, "pooled"))
	differ(&reasons, "retries after status 429 (-retry-429)", b.Retry429, c.Retry429) // their waits are in the latencies
	differ(&reasons, "cancellations by plan (-cancel-rate, -cancel-delay)", b.Cancellations(), c.Cancellations())
	differ(&reasons, "caps of the requests before their first token (-prefill-concurrency)", b.PrefillCap, c.PrefillCap)
	for level, fingerprint := range baseline.Workload {
		if other, both := candidate.Workload[level]; both && other != fingerprint {
			reasons = append(reasons, fmt.Sprintf("workload fingerprints of %s differ: the two runs did not ask for the same work", level))
		}
	}
	if x, y := baseline.Record.Host, candidate.Record.Host; x != nil && y != nil {
		differ(&warnings, "host fingerprints", x.Fingerprint, y.Fingerprint)
	}
	if x, y := baseline.transports(), candidate.transports(); x != "" && y != "" {
		differ(&warnings, "transports", x, y)
	}
	return reasons, append(warnings, warmer(baseline, candidate)...)
}

// warmer says where one of two servers knew more prompts of a file than the other did. What is planned of made-up prompts is known, and their levels are
// invalid with more; of a file nothing is, and it may have been the run before.
func warmer(baseline, candidate Run) (warnings []string) {
	if baseline.Record.Plan.Input.File == "" {
		return nil
	}
	for _, x := range baseline.Levels {
		i := slices.IndexFunc(candidate.Levels, func(l Level) bool { return l.Name == x.Name })
		if i < 0 || x.Cache.Requests == 0 || candidate.Levels[i].Cache.Requests == 0 {
			continue
		}
		y := candidate.Levels[i]
		b, c := x.Cache.Percent(x.Cache.Hits), y.Cache.Percent(y.Cache.Hits)
		if math.Abs(b-c) > steady.MostCacheHits {
			warnings = append(warnings, fmt.Sprintf("%s: of the prompts of the input-file %.3g %% were in the server's cache in %s, %.3g %% in %s: unless that is what is compared, "+
				"one of them met what a run before it had asked; start the servers anew or empty their caches before each", x.Name, b, baseline.Name, c, candidate.Name))
		}
	}
	return warnings
}

// Compare judges a candidate against a baseline. A level that only one of them has fails. Refusal must have found nothing.
func (r Rules) Compare(baseline, candidate Run) []Finding {
	exact := baseline.Record.Plan.Virtual && candidate.Record.Plan.Virtual
	before := map[string]Level{}
	for _, level := range baseline.Levels {
		before[level.Name] = level
	}
	var both []Level
	for _, level := range candidate.Levels {
		if _, ok := before[level.Name]; ok {
			both = append(both, level)
		} else {
			both = append(both, level)
			before[level.Name] = Level{Name: level.Name, Unfinished: "it has no such level"}
		}
	}
	for _, level := range baseline.Levels {
		if !slices.ContainsFunc(both, func(l Level) bool { return l.Name == level.Name }) {
			both = append(both, Level{Name: level.Name, Unfinished: "the candidate has no such level"})
		}
	}
	var findings []Finding
	for _, m := range r.Margins {
		if f, none := m.unmatched(both); none {
			findings = append(findings, f)
		}
	}
	for _, after := range both {
		for _, m := range judging(r.Margins, after.Name) {
			findings = append(findings, m.compare(before[after.Name], after, exact))
		}
	}
	return findings
}

func (m Margin) compare(before, after Level, exact bool) Finding {
	f, base := m.finding(after), m.finding(before)
	if exact { // without noise there is no floor either
		f, base = f.withoutFloor(), base.withoutFloor()
	}
	sign := 1.0 // of what is worse
	if higherBetter(m.Metric) {
		sign = -1
	}
	tolerance := math.Abs(base.Value) * m.Percent / 100
	f.Baseline, f.Bound = base.Value, base.Value+sign*tolerance
	switch {
	case f.Verdict != "":
		return f.doubted(after)
	case base.Verdict != "":
		f.Verdict, f.Text = base.Verdict, "baseline: "+base.Text
		return f.doubted(before)
	}
	worse := sign * (f.Value - base.Value)
	f.Verdict = Pass
	switch {
	case worse == 0:
		f.Text = f.against("as the baseline's", base.Value)
	case worse < 0:
		f.Text = f.against("better than the baseline's", base.Value)
	default:
		f.Text = f.against("worse than the baseline's", base.Value)
		if worse > tolerance {
			f.Verdict = Fail
		}
	}
	f.Text += fmt.Sprintf(", margin %g %%", m.Percent)
	if !exact {
		f.Verdict = Inconclusive
		f.Text += "; advisory: the runs were not interleaved, a drift of the machine would look the same"
	}
	return f.doubted(after).doubted(before)
}

func (f Finding) withoutFloor() Finding {
	if f.Verdict == Inconclusive {
		f.Verdict, f.Text = "", ""
	}
	return f
}

func unit(tag string) string {
	d, _ := metric.Lookup(tag)
	return d.Unit
}

func higherBetter(tag string) bool {
	d, _ := metric.Lookup(tag)
	return d.HigherBetter
}
