package compare

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/metric"
)

func TestPrimariesOfAGate(t *testing.T) {
	t.Parallel()
	r := rules(t, `
primaries:
  - {metric: inter_token_latency, level: c10, margin: 5%}
  - {metric: time_to_first_token, statistic: p99, level: c10, margin: " 25 %"}
`)
	assert.Equal(t, []Primary{
		{itl, "5%", 5}, {Selector{Metric: "time_to_first_token", Statistic: "p99", Level: "c10"}, " 25 %", 25},
	}, r.Primaries)
	require.NoError(t, Design{Primaries: r.Primaries, Looks: DefaultLooks()}.Validate())
	assert.ErrorContains(t, r.Lack(false), "has primaries alone; they are for two arms")
	assert.Error(t, r.Lack(true))
	r.Limits = make([]Limit, 1)
	require.NoError(t, r.Lack(false))

	six := "primaries:\n"
	for _, tag := range []string{"inter_token_latency", "time_to_first_token", "request_latency", "output_token_throughput", "request_throughput", "benchmark_duration"} {
		six += "  - {metric: " + tag + ", level: c1, margin: 5%}\n"
	}
	for want, text := range map[string]string{
		"there are 6 primaries: choose 5 at most":                           six,
		"primary 1: level is missing: name one, such as c50, r2.5 or trace": "primaries: [{metric: request_latency, margin: 5%}]",
		"primary 1: level is missing":                                       "primaries: [{metric: request_latency, margin: 5%, level: all}]",
		`primary 1: margin is missing: name one, such as 5%`:                "primaries: [{metric: request_latency, level: c1}]",
		`primary 1: margin "0%": must be more than 0%`:                      "primaries: [{metric: request_latency, level: c1, margin: 0%}]",
		`primary 1: margin "5": must be a share such as 5%`:                 "primaries: [{metric: request_latency, level: c1, margin: '5'}]",
		`primary 1: metric "total_isl": neither more nor less`:              "primaries: [{metric: total_isl, level: c1, margin: 5%}]",
		`primary 1: metric "x": no such tag`:                                "primaries: [{metric: x, level: c1, margin: 5%}]",
		"primary 2: request_latency avg of level c1 is judged by primary 1": "primaries: [{metric: request_latency, level: c1, margin: 5%}, {metric: request_latency, level: c1, margin: 6%}]",
	} {
		_, err := ParseRules([]byte(text))
		assert.ErrorContains(t, err, want)
	}
	_, err := ParseRules([]byte("primaries: [{metric: request_latency, level: c1, margin: '5'}]"))
	assert.Equal(t, 1, strings.Count(err.Error(), "margin"), "one problem is one line")
}

// metrics are those of rules, in their order.
func metrics[R interface{ selector() Selector }](rules []R) (all []string) {
	for _, s := range selectors(rules) {
		all = append(all, s.Metric)
	}
	return all
}

func TestDesignIsValidated(t *testing.T) {
	t.Parallel()
	require.NoError(t, Design{Primaries: DocumentPrimaries("c10"), Looks: DefaultLooks()}.Validate())
	for _, p := range DocumentPrimaries("c10") {
		d, known := metric.Lookup(p.Metric)
		assert.True(t, known && !d.Streamed, p.Metric)
	}
	assert.Equal(t, []string{"request_latency", "output_token_throughput", "request_throughput"}, metrics(OfDocuments(DefaultMargins(5))))
	assert.Equal(t, []string{"inter_token_latency", "output_token_throughput", "time_to_first_token"}, metrics(DefaultPrimaries("c10")))
	for _, at := range []string{"r2.5", "trace"} { // what a user waits begins when he asks
		assert.Equal(t, []string{"inter_token_latency", "output_token_throughput", "scheduled_time_to_first_token"}, metrics(DefaultPrimaries(at)), at)
		assert.Equal(t, []string{"scheduled_request_latency", "output_token_throughput"}, metrics(DocumentPrimaries(at)), at)
	}
	margins := DefaultMargins(5)
	assert.Equal(t, []string{"scheduled_time_to_first_token", "inter_token_latency", "scheduled_request_latency", "output_token_throughput", "request_throughput"}, metrics(OfSchedules(margins)))
	assert.Equal(t, []string{"scheduled_request_latency", "output_token_throughput", "request_throughput"}, metrics(OfDocuments(OfSchedules(margins))))
	assert.Equal(t, DefaultMargins(5), margins)
	five := DefaultPrimaries("c10")
	require.Len(t, five, 3)
	for _, s := range []Selector{ttft, {Metric: "request_latency", Statistic: "avg", Level: "c10"}} {
		five = append(five, primary(s, 5))
	}
	require.NoError(t, Design{Primaries: five, Looks: DefaultLooks()}.Validate())
	all := map[Selector]string{}
	for _, p := range five {
		all[p.Selector] = "why not"
	}
	require.NoError(t, Design{Primaries: five, Looks: []int{1}, Unarmed: all}.Validate(), "what judges nothing cannot be too short")
	for want, d := range map[string]Design{
		"there are no primaries":      {Looks: DefaultLooks()},
		"there are 6 primaries":       {Looks: DefaultLooks(), Primaries: append(five, primary(itl, 3))},
		"is judged by primary 1":      {Looks: DefaultLooks(), Primaries: append(five[:2:2], primary(five[0].Selector, 3))},
		"there are no looks":          {Primaries: five},
		"looks [6 6]: must be":        {Primaries: five, Looks: []int{6, 6}},
		"looks [0 12]: must be":       {Primaries: five, Looks: []int{0, 12}},
		"margin is missing":           {Primaries: []Primary{primary(itl, 0)}, Looks: DefaultLooks()},
		"primary 1: level is missing": {Primaries: DefaultPrimaries("all"), Looks: DefaultLooks()},
		`level "10": must be all`:     {Primaries: DefaultPrimaries("10"), Looks: DefaultLooks()},
		"6 blocks cannot tell a regression of any size from chance, with 5 primaries and 1 look: end with 9 blocks or more": {Primaries: five, Looks: []int{6}},
		"looks [3 6]: 6 blocks cannot tell a regression of any size from chance, with 1 primary and 2 looks: end with 8":    {Primaries: five[:1], Looks: []int{3, 6}},
	} {
		assert.ErrorContains(t, d.Validate(), want)
	}
}

// TestLastLookCanFail: the number of blocks that an error asks for is enough, and one less is not, if all of them are worse.
func TestLastLookCanFail(t *testing.T) {
	t.Parallel()
	for primaries := 1; primaries <= 5; primaries++ {
		for looks := 1; looks <= 4; looks++ {
			enough := 0
			for n := 20; n >= looks; n-- {
				d := Design{Looks: append([]int{1, 2, 3}[:looks-1:looks-1], n)}
				for _, tag := range []string{"inter_token_latency", "time_to_first_token", "request_latency", "output_token_throughput", "request_throughput"}[:primaries] {
					d.Primaries = append(d.Primaries, primary(Selector{Metric: tag, Statistic: "avg", Level: "c1"}, 5))
				}
				c := newDecision(looks, make([]float64, primaries))
				worse := make([]float64, n)
				for i := range worse {
					worse[i] = float64(i + 1)
				}
				differences := make([][]float64, primaries)
				for j := range differences {
					differences[j] = worse
				}
				if n > 3 || looks == 1 {
					c.look(differences, differences)
					assert.Equal(t, c.verdict() == Fail, d.Validate() == nil, "%d primaries, looks %v", primaries, d.Looks)
				}
				if c.verdict() == Fail {
					enough++
				}
			}
			assert.Positive(t, enough)
		}
	}
}
