package stat_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
)

// A claim about chance is held against simulations with fixed seeds, so that they come out the same each time.

// repetitions is how often a simulation runs: a tenth with -short.
func repetitions(full int) int {
	if testing.Short() {
		return full / 10
	}
	return full
}

// shareOf is how often something comes true in n simulations.
func shareOf(n int, seed uint64, simulate func(*rand.Rand) bool) float64 {
	r := rand.New(rand.NewPCG(seed, 0))
	times := 0
	for range n {
		if simulate(r) {
			times++
		}
	}
	return float64(times) / float64(n)
}

// atMost allows three standard errors above a limit.
func atMost(t *testing.T, limit, share float64, n int, what string) {
	t.Helper()
	t.Logf("%s: %.4f of %d, limit %v", what, share, n, limit)
	assert.LessOrEqual(t, share, limit+3*math.Sqrt(limit*(1-limit)/float64(n)), what)
}

// atLeast takes a limit that has room for chance already. A short run has more of it.
func atLeast(t *testing.T, limit, share float64, n int, what string) {
	t.Helper()
	t.Logf("%s: %.4f of %d, limit %v", what, share, n, limit)
	if testing.Short() {
		limit -= 3 * math.Sqrt(limit*(1-limit)/float64(n))
	}
	assert.GreaterOrEqual(t, share, limit, what)
}

// queue is a stand-in for a server that is loaded: arrivals by chance, slots, and a line before them.
type queue struct{ arrived, left, first []float64 }

const queueSlots = 8

// run lets n requests arrive at a queue, empty at first, and forgets as many as warm before them. The load is what is offered as a share
// of what can be served; serving takes 1 on average. first is the time from the arrival to a first sign of life.
func run(r *rand.Rand, load float64, warm, n int) queue {
	q := queue{make([]float64, n), make([]float64, n), make([]float64, n)}
	var free [queueSlots]float64
	now := 0.0
	for i := -warm; i < n; i++ {
		now += r.ExpFloat64() / (load * queueSlots)
		slot := 0
		for j, at := range free {
			if at < free[slot] {
				slot = j
			}
		}
		begin := max(now, free[slot])
		free[slot] = begin + math.Exp(0.5*r.NormFloat64()-0.125)
		if i >= 0 {
			q.arrived[i], q.left[i], q.first[i] = now, free[slot], begin-now+0.1*math.Exp(0.3*r.NormFloat64())
		}
	}
	return q
}

// inFlight is the number of requests in the queue on a grid over the time of arrivals.
func (q queue) inFlight(points int) []float64 {
	begin, end := q.span()
	series := make([]float64, points)
	at := func(time float64) int { return max(0, int(math.Ceil((time-begin)/(end-begin)*float64(points-1)))) }
	for i := range q.arrived {
		for j := at(q.arrived[i]); j < min(at(q.left[i]), points); j++ {
			series[j]++
		}
	}
	return series
}

// deficit is the share of the requests that had not left when the last one came.
func (q queue) deficit() float64 {
	_, end := q.span()
	late := 0
	for _, left := range q.left {
		if left > end {
			late++
		}
	}
	return float64(late) / float64(len(q.left))
}

func (q queue) span() (begin, end float64) { return q.arrived[0], q.arrived[len(q.arrived)-1] }
