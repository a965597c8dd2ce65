package fault_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/mockserver/fault"
)

// hits are the numbers of requests from 1 to n, all at the same instant, that a rule hits.
func hits(when fault.When, n uint64, at time.Duration) []uint64 {
	p := fault.Plan{Rules: []fault.Rule{{When: when, Fault: fault.Fault{Kind: fault.Empty}}}}
	var numbers []uint64
	for number := uint64(1); number <= n; number++ {
		if p.Decide(1, number, at) != nil {
			numbers = append(numbers, number)
		}
	}
	return numbers
}

func TestRulesHitWhatTheySay(t *testing.T) {
	t.Parallel()
	assert.Equal(t, []uint64{1, 2, 3}, hits(fault.When{}, 3, 0))
	assert.Equal(t, []uint64{2, 5, 6, 7}, hits(fault.When{Requests: []fault.Range{{2, 2}, {5, 7}}}, 9, 0))
	assert.Equal(t, []uint64{8, 9}, hits(fault.When{Requests: []fault.Range{{8, math.MaxUint64}}}, 9, 0))
	assert.Equal(t, []uint64{3, 6, 9}, hits(fault.When{Every: 3}, 10, 0))
	assert.Equal(t, []uint64{6}, hits(fault.When{Every: 3, Requests: []fault.Range{{4, 8}}}, 10, 0), "all that is said must hold")
	window := fault.When{From: time.Second, Until: 2 * time.Second}
	for at, want := range map[time.Duration]bool{0: false, time.Second - 1: false, time.Second: true, 2*time.Second - 1: true, 2 * time.Second: false} {
		assert.Equal(t, want, len(hits(window, 1, at)) == 1, at)
	}
	assert.Len(t, hits(fault.When{From: time.Second}, 1, time.Hour), 1, "a window without an end")
}

func TestTheFirstRuleThatMatchesWins(t *testing.T) {
	t.Parallel()
	p := fault.Plan{Rules: []fault.Rule{
		{When: fault.When{Every: 2}, Fault: fault.Fault{Kind: fault.Cached}},
		{When: fault.When{Requests: []fault.Range{{2, 3}}}, Fault: fault.Fault{Kind: fault.Empty}},
		{When: fault.When{From: time.Minute, Until: time.Hour}, Fault: fault.Fault{Kind: fault.Refuse}},
	}}
	assert.Nil(t, p.Decide(0, 1, 0))
	assert.Equal(t, &fault.Strike{Fault: fault.Fault{Kind: fault.Cached}, Rule: 1}, p.Decide(0, 2, 0))
	assert.Equal(t, &fault.Strike{Fault: fault.Fault{Kind: fault.Empty}, Rule: 2}, p.Decide(0, 3, 0))
	for number := range uint64(4) {
		assert.Equal(t, &fault.Strike{Fault: fault.Fault{Kind: fault.Refuse}, Rule: 3}, p.Decide(0, number, time.Minute), "but for those by kept connections")
	}
	assert.Nil(t, fault.Plan{}.Decide(0, 1, 0))
}

// Of n requests that are hit with probability p each, n p are, within five standard deviations; two rules draw apart, two seeds too; and
// the same is drawn in any order.
func TestProbability(t *testing.T) {
	t.Parallel()
	const n = 100_000
	for _, p := range []float64{0.01, 0.1, 0.5, 0.9} {
		got := hits(fault.When{Probability: p}, n, 0)
		assert.InDelta(t, n*p, len(got), 5*math.Sqrt(n*p*(1-p)), p)
		assert.Equal(t, got, hits(fault.When{Probability: p}, n, time.Hour))
	}
	assert.Len(t, hits(fault.When{Probability: 1}, 1000, 0), 1000)
	half := fault.When{Probability: 0.5}
	two := fault.Plan{Rules: []fault.Rule{{half, fault.Fault{Kind: fault.Empty}}, {half, fault.Fault{Kind: fault.Cached}}}}
	rules, seeds := map[int]int{}, 0
	for number := range uint64(n) {
		s := two.Decide(7, number, 0)
		if s == nil {
			rules[0]++
		} else {
			rules[s.Rule]++
		}
		if (s == nil) == (two.Decide(8, number, 0) == nil) {
			seeds++
		}
	}
	for rule, share := range []float64{0.25, 0.5, 0.25} {
		assert.InDelta(t, n*share, rules[rule], 5*math.Sqrt(n*share*(1-share)), "rule %d", rule)
	}
	same := 0.25*0.25 + 0.75*0.75
	assert.InDelta(t, n*same, seeds, 5*math.Sqrt(n*same*(1-same)))
}

func TestDelays(t *testing.T) {
	t.Parallel()
	drift := fault.Fault{Kind: fault.Drift, Slope: 2 * time.Millisecond}
	assert.Equal(t, time.Duration(0), drift.Later(0))
	assert.Equal(t, 5*time.Millisecond, drift.Later(2500*time.Millisecond))
	drift.Slope = 1000 * time.Hour
	assert.Equal(t, 1000*time.Hour, drift.Later(math.MaxInt64), "never beyond")
	spike := fault.Fault{Kind: fault.Spike, Delay: time.Second}
	assert.Equal(t, time.Second, spike.Later(time.Hour))
}

// Every kind says what a client sees in words of its own.
func TestWhatClientsSee(t *testing.T) {
	t.Parallel()
	seen := map[string]fault.Kind{}
	for _, k := range fault.Kinds() {
		f := fault.Fault{Kind: k, Rate: 1, Status: 503, Delay: 2, Slope: time.Second, Interval: 1, For: 1, ContentType: "text/html", Size: 7}
		text := f.Sees(3, time.Second)
		require.NotEmpty(t, text)
		if k != fault.Spike && k != fault.ColdStart && k != fault.ResetBeforeHeaders {
			assert.Empty(t, seen[text], "%s and %s", k, seen[text])
		}
		seen[text] = k
	}
	reset := fault.Fault{Kind: fault.Reset}
	assert.Equal(t, "connection reset after 1 token", reset.Sees(1, 0))
	assert.Equal(t, "nothing more after 0 tokens", (&fault.Fault{Kind: fault.Stall}).Sees(0, 0))
}

func BenchmarkDecide(b *testing.B) {
	p := fault.Plan{Rules: []fault.Rule{
		{When: fault.When{Probability: 0.01}, Fault: fault.Fault{Kind: fault.Empty}},
		{When: fault.When{Every: 1000}, Fault: fault.Fault{Kind: fault.Cached}},
	}}
	b.ReportAllocs()
	for n := uint64(0); b.Loop(); n++ {
		p.Decide(1, n, 0)
	}
}
