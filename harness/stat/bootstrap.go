package stat

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
)

// Bootstrap computes intervals of figures over values that come in groups and are alike within one. Groups are independent of each other,
// values are not: it draws as many groups as there are, with replacement and each with all its values, and takes the figure of what it
// has drawn. The interval lies between the percentiles of these figures (Davison and Hinkley, sections 3.8 and 5.3). Equal seeds
// give equal intervals.
type Bootstrap struct {
	Resamples  int     // 1000 for what is printed
	Confidence float64 // 0 to 1
	Seed       uint64
}

// Mean is the interval of the mean of all values. ok is false where fewer than two groups have a value.
func (b Bootstrap) Mean(g *Groups) (i Interval, ok bool) {
	return b.interval(g, g.mean)
}

// TailGroups is how many groups the interval of a 99th percentile takes to be what it says: of 50 to 100 groups a nominal 95 % is 86 %.
const TailGroups = 200

// Percentile is the interval of the q-th percentile of all values, of those that Percentile computes. ok is false where fewer than two
// groups have a value.
func (b Bootstrap) Percentile(g *Groups, q float64) (i Interval, ok bool) {
	return b.interval(g, func(drawn []int) float64 { return g.percentile(drawn, q) })
}

// interval computes the figure from how often each group was drawn.
func (b Bootstrap) interval(g *Groups, figure func(drawn []int) float64) (Interval, bool) {
	n := len(g.sizes)
	if n < 2 {
		return Interval{}, false
	}
	r := rand.New(rand.NewPCG(b.Seed, 0))
	drawn := make([]int, n)
	figures := make([]float64, b.Resamples)
	for i := range figures {
		clear(drawn)
		for range n {
			drawn[r.IntN(n)]++
		}
		figures[i] = figure(drawn)
	}
	slices.Sort(figures)
	tail := 100 * (1 - b.Confidence) / 2
	return Interval{Low: Percentile(figures, tail), High: Percentile(figures, 100-tail)}, true
}

// blocks is the number of parts of Groups.pool at whose starts the groups are counted.
const blocks = 64

// Groups are values in groups, prepared for any number of resamples: a percentile of one is found without sorting, and without looking at
// more than one block of the values.
type Groups struct {
	sizes []int     // of each group
	sums  []float64 // of each group
	pool  []member  // all values, ascending
	// before counts, for the start of each block and there for each group, the group's values in the pool before it.
	before [blocks][]int32
}

type member struct {
	value float64
	group int32
}

// NewGroups copies the values. Groups without any do not count.
func NewGroups(values [][]float64) *Groups {
	g := &Groups{}
	for _, group := range values {
		if len(group) == 0 {
			continue
		}
		sum := 0.0
		for _, v := range group {
			sum += v
			g.pool = append(g.pool, member{v, int32(len(g.sizes))})
		}
		g.sizes, g.sums = append(g.sizes, len(group)), append(g.sums, sum)
	}
	slices.SortFunc(g.pool, func(a, b member) int { return cmp.Compare(a.value, b.value) })
	seen := make([]int32, len(g.sizes))
	for block := range blocks {
		g.before[block] = slices.Clone(seen)
		for _, m := range g.pool[g.start(block):g.start(block+1)] {
			seen[m.group]++
		}
	}
	return g
}

// Mean is the mean of all values, NaN if there is none.
func (g *Groups) Mean() float64 { return g.mean(g.once()) }

// Percentile is the q-th percentile of all values, NaN if there is none.
func (g *Groups) Percentile(q float64) float64 {
	if len(g.pool) == 0 {
		return math.NaN()
	}
	return g.percentile(g.once(), q)
}

// once draws each group once.
func (g *Groups) once() []int { return slices.Repeat([]int{1}, len(g.sizes)) }

func (g *Groups) start(block int) int { return block * len(g.pool) / blocks }

func (g *Groups) mean(drawn []int) float64 {
	sum, n := 0.0, 0
	for group, times := range drawn {
		sum += float64(float64(times) * g.sums[group])
		n += times * g.sizes[group]
	}
	return sum / float64(n)
}

func (g *Groups) percentile(drawn []int, q float64) float64 {
	n := 0
	for group, times := range drawn {
		n += times * g.sizes[group]
	}
	h := q / 100 * float64(n-1)
	rank := int(math.Floor(h))
	low, high := g.neighbours(drawn, rank)
	return low + float64((h-float64(rank))*(high-low))
}

// neighbours returns the values of a resample at a rank, from 0, and at the next, which for the last is the last again.
func (g *Groups) neighbours(drawn []int, rank int) (low, high float64) {
	count := func(block int) (n int) {
		for group, times := range drawn {
			n += times * int(g.before[block][group])
		}
		return n
	}
	block := sort.Search(blocks-1, func(i int) bool { return count(i+1) > rank }) // the last that starts at or before the rank
	seen := count(block)
	for _, m := range g.pool[g.start(block):] {
		if seen <= rank {
			low = m.value
		}
		if seen += drawn[m.group]; seen > rank+1 {
			return low, m.value
		}
	}
	return low, low
}
