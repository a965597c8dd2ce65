package reporting

import (
	"fmt"
	"strings"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/steady"
	"github.com/llmsweep/llmsweep/reporting/page"
	"github.com/llmsweep/llmsweep/reporting/results"
)

// verdictsOf says whether the figures of a level are an answer: VALID or not, and what else a reader must know of it.
func verdictsOf(l *results.Level) []page.Badge {
	var badges []page.Badge
	switch {
	case l.Unusable() != "":
		badges = append(badges, page.Badge{State: page.Bad, Text: "not finished"})
	case l.Validity.Standing == steady.Valid:
		badges = append(badges, page.Badge{State: page.Good, Text: string(steady.Valid)})
	case l.Validity.Standing == steady.Invalid:
		badges = append(badges, page.Badge{State: page.Bad, Text: string(steady.Invalid)})
	default:
		badges = append(badges, page.Badge{State: page.None, Text: "not judged"})
	}
	switch c := l.Record.Client(); c {
	case record.ClientSuspect:
		badges = append(badges, page.Badge{State: page.Doubt, Text: string(c)})
	case record.ClientLimited:
		badges = append(badges, page.Badge{State: page.Bad, Text: string(c)})
	}
	switch v := l.Window.Verdict; v {
	case steady.NotSteady:
		badges = append(badges, page.Badge{State: page.Doubt, Text: string(v)})
	case steady.Overloaded:
		badges = append(badges, page.Badge{State: page.Bad, Text: string(v)})
	}
	return badges
}

// question is one that is asked of every level; the first answer that holds is the level's.
type question []struct {
	badge page.Badge
	holds func(*results.Level) bool
}

func questions() []question {
	standing := func(s steady.Standing) func(*results.Level) bool {
		return func(l *results.Level) bool { return l.Validity.Standing == s }
	}
	client := func(v record.ClientVerdict) func(*results.Level) bool {
		return func(l *results.Level) bool { return l.Record.Client() == v }
	}
	window := func(v steady.Verdict) func(*results.Level) bool {
		return func(l *results.Level) bool { return l.Window.Verdict == v }
	}
	return []question{
		{
			{page.Badge{State: page.Bad, Text: "NOT FINISHED"}, func(l *results.Level) bool { return l.Unusable() != "" }},
			{page.Badge{State: page.Bad, Text: string(steady.Invalid)}, standing(steady.Invalid)},
			{page.Badge{State: page.None, Text: "not judged"}, standing("")},
			{page.Badge{State: page.Good, Text: string(steady.Valid)}, standing(steady.Valid)},
		}, {
			{page.Badge{State: page.Bad, Text: string(record.ClientLimited)}, client(record.ClientLimited)},
			{page.Badge{State: page.Doubt, Text: string(record.ClientSuspect)}, client(record.ClientSuspect)},
			{page.Badge{State: page.Good, Text: string(record.ClientOK)}, client(record.ClientOK)},
			{page.Badge{State: page.None, Text: "client not measured"}, func(*results.Level) bool { return true }},
		}, {
			{page.Badge{State: page.Bad, Text: string(steady.Overloaded)}, window(steady.Overloaded)},
			{page.Badge{State: page.Doubt, Text: string(steady.NotSteady)}, window(steady.NotSteady)},
			{page.Badge{State: page.Good, Text: string(steady.Steady)}, window(steady.Steady)},
			{page.Badge{State: page.None, Text: "too short for a steady window"}, window(steady.TooShort)},
		},
	}
}

// verdicts are the answers over all levels, the worst first: is the load the planned one, could the client measure it, was it steady.
func verdicts(benchmarks []*results.Benchmark) []page.Badge {
	var badges []page.Badge
	all := 0
	for _, b := range benchmarks {
		all += len(b.Levels)
	}
	for _, q := range questions() {
		where := make([]places, len(q))
		for _, b := range benchmarks {
			for i := range b.Levels {
				for k, answer := range q {
					if answer.holds(&b.Levels[i]) {
						where[k].add(b.Name, b.Levels[i].Value())
						break
					}
				}
			}
		}
		for k, answer := range q {
			if where[k].levels > 0 {
				answer.badge.Detail = where[k].among(all, len(benchmarks))
				badges = append(badges, answer.badge)
			}
		}
	}
	return badges
}

// places are levels of benchmarks.
type places struct {
	levels int
	names  []string
	values map[string][]string
}

func (p *places) add(name, level string) {
	if p.values == nil {
		p.values = map[string][]string{}
	}
	if len(p.values[name]) == 0 {
		p.names = append(p.names, name)
	}
	p.values[name] = append(p.values[name], level)
	p.levels++
}

// among says which of all levels these are, as far as that is short.
func (p *places) among(all, benchmarks int) string {
	const most = 2 // benchmarks that are named
	switch {
	case p.levels == all && all == 1:
		return "the only level"
	case p.levels == all:
		return fmt.Sprintf("all %d levels", all)
	}
	text := fmt.Sprintf("%d of %d levels", p.levels, all)
	if benchmarks == 1 {
		return text + ": " + strings.Join(p.values[p.names[0]], ", ")
	}
	if len(p.names) > most {
		return text
	}
	var parts []string
	for _, name := range p.names {
		parts = append(parts, name+" at "+strings.Join(p.values[name], ", "))
	}
	return text + ": " + strings.Join(parts, "; ")
}
