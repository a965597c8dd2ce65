package compare

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Claims about chance are held against simulations with fixed seeds, so that they come out the same each time.

// repetitions is how often a simulation runs: a tenth with -short.
func repetitions(full int) int {
	if testing.Short() {
		return full / 10
	}
	return full
}

// atMost allows three standard errors of n simulations above a limit.
func atMost(t *testing.T, limit float64, times, n int, what string) {
	t.Helper()
	share := float64(times) / float64(n)
	t.Logf("%s: %.4f of %d, at most %v", what, share, n, limit)
	assert.LessOrEqual(t, share, limit+3*math.Sqrt(limit*(1-limit)/float64(n)), what)
}

// atLeast takes a limit that has room for chance already. A short run has more of it.
func atLeast(t *testing.T, limit float64, times, n int, what string) {
	t.Helper()
	share := float64(times) / float64(n)
	t.Logf("%s: %.4f of %d, at least %v", what, share, n, limit)
	if testing.Short() {
		limit -= 3 * math.Sqrt(limit*(1-limit)/float64(n))
	}
	assert.GreaterOrEqual(t, share, limit, what)
}

// noise is one of the ways in which runs differ by chance: by how much one does, as a logarithm, if their deviation is about cv.
type noise func(r *rand.Rand, cv float64) float64

func normal(r *rand.Rand, cv float64) float64 { return cv * r.NormFloat64() }

// contaminated runs are now and then much slower.
func contaminated(r *rand.Rand, cv float64) float64 {
	v := cv * r.NormFloat64()
	if r.Float64() < 0.05 {
		v += 0.15
	}
	return v
}

// heavy runs have the tails of Student's t with 3 degrees of freedom, at the deviation.
func heavy(r *rand.Rand, cv float64) float64 {
	squares := 0.0
	for range 3 {
		z := r.NormFloat64()
		squares += z * z
	}
	return cv * r.NormFloat64() / math.Sqrt(squares)
}

// blocks draws differences: the candidate's change and the noise of two runs. Where the machine drifts, the second one in a block is slower.
type blocks struct {
	noise  noise
	drifts bool
}

func (b blocks) draw(r *rand.Rand, change, cv float64) float64 {
	d := change + b.noise(r, cv) - b.noise(r, cv)
	if b.drifts {
		drift := cv
		if r.Uint64()&1 == 0 {
			drift = -drift
		}
		d += drift
	}
	return d
}

func models() map[string]blocks {
	return map[string]blocks{"normal": {noise: normal}, "contaminated": {noise: contaminated}, "heavy tails": {noise: heavy}, "drift": {normal, true}}
}

// simulate takes a decision about primaries as a trial does, on drawn differences: draw fills in one block's, of each primary.
func simulate(margins []float64, draw func(d []float64)) *decision {
	looks := DefaultLooks()
	c := newDecision(len(looks), margins)
	d, block := make([][]float64, len(margins)), make([]float64, len(margins))
	for j := range d {
		d[j] = make([]float64, 0, looks[len(looks)-1])
	}
	for _, n := range looks {
		for len(d[0]) < n {
			draw(block)
			for j, v := range block {
				d[j] = append(d[j], v)
			}
		}
		if c.look(d, d); c.over() {
			break
		}
	}
	return c
}

// verdicts counts what became of n simulated trials of one primary with a margin of 5 %.
func verdicts(n int, seed uint64, b blocks, change, cv float64) map[Verdict]int {
	r := rand.New(rand.NewPCG(seed, 1))
	count, margin := map[Verdict]int{}, []float64{math.Log1p(0.05)}
	for range n {
		count[simulate(margin, func(d []float64) { d[0] = b.draw(r, math.Log1p(change), cv) }).verdict()]++
	}
	return count
}

// TestSimulatedGate: equal arms hardly ever fail, a candidate that is worse by the margin hardly ever passes, and one that is twice as much
// worse fails.
func TestSimulatedGate(t *testing.T) {
	t.Parallel()
	for name, b := range models() {
		for _, cv := range []float64{0.02, 0.04} {
			t.Run(fmt.Sprintf("%s, CV %v", name, cv), func(t *testing.T) {
				t.Parallel()
				n := repetitions(20000)
				same := verdicts(n, 101, b, 0, cv)
				atMost(t, 0.01, same[Fail], n, "equal arms fail")
				atMost(t, 0.006, same[Fail], n, "equal arms fail, as p-values come in steps") // would not hold if the level were twice as high
				atMost(t, 0.05, verdicts(n, 102, b, 0.05, cv)[Pass], n, "worse by the margin passes")
				atLeast(t, 0.95, verdicts(n/4, 103, b, 0.1, cv)[Fail], n/4, "worse by twice the margin fails")
				if name == "normal" {
					atLeast(t, 0.84, same[Pass], n, "equal arms pass")
				}
			})
		}
	}
}

// TestSimulatedFamily: of several primaries, equal in truth, hardly ever any fails, whether they are of a piece or have nothing to do
// with each other; and so it is for the equal one beside others that are worse, by less than the margin or by more.
func TestSimulatedFamily(t *testing.T) {
	t.Parallel()
	const cv = 0.04
	for _, c := range []struct {
		primaries int
		common    float64   // correlation
		others    []float64 // changes of the others, if they are not equal
	}{{3, 0, nil}, {3, 0.7, nil}, {5, 0, nil}, {5, 0.7, nil}, {3, 0, []float64{0.03, 0.03}}, {3, 0, []float64{0.1, 0.1}}, {3, 0.7, []float64{0.03, 0.1}}} {
		t.Run(fmt.Sprintf("%d primaries, correlation %v, others %v", c.primaries, c.common, c.others), func(t *testing.T) {
			t.Parallel()
			n, r := repetitions(20000), rand.New(rand.NewPCG(104, uint64(10*c.primaries)))
			margins, changes := make([]float64, c.primaries), make([]float64, c.primaries)
			for j := range margins {
				margins[j] = math.Log1p(0.05)
			}
			copy(changes[1:], c.others)
			equal := c.primaries - len(c.others)
			failed := 0
			for range n {
				decided := simulate(margins, func(d []float64) {
					shared := math.Sqrt(c.common) * r.NormFloat64()
					for j := range d {
						d[j] = changes[j] + cv*math.Sqrt2*(shared+math.Sqrt(1-c.common)*r.NormFloat64())
					}
				})
				for _, s := range decided.settled[:equal] {
					if s.verdict == Fail {
						failed++
						break
					}
				}
			}
			atMost(t, 0.01, failed, n, "an equal one fails")
		})
	}
}

// TestSimulatedFailureOfOneInFive: that four others are judged too hardly keeps the one that is worse from failing.
func TestSimulatedFailureOfOneInFive(t *testing.T) {
	t.Parallel()
	n, r := repetitions(2000), rand.New(rand.NewPCG(105, 106))
	margins, failed := []float64{0.05, 0.05, 0.05, 0.05, 0.05}, 0
	for range n {
		if simulate(margins, func(d []float64) {
			for j := range d {
				d[j] = normal(r, 0.04) - normal(r, 0.04)
			}
			d[3] += math.Log1p(0.1)
		}).settled[3].verdict == Fail {
			failed++
		}
	}
	atLeast(t, 0.95, failed, n, "worse by twice the margin, among five")
}

// TestOperatingTable holds the table of docs/gates.md, what becomes of a change by its size and by the noise of a run, against simulations.
func TestOperatingTable(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "gates.md"))
	require.NoError(t, err)
	rows := regexp.MustCompile(`(?m)^\| (\d) % \| (\d+) % \| (\d+) % \| (\d+) % \| (\d+) % \| (\d+) \|$`).FindAllStringSubmatch(string(page), -1)
	require.Len(t, rows, 12)
	for i, row := range rows {
		number := func(k int) float64 {
			v, err := strconv.ParseFloat(row[k], 64)
			require.NoError(t, err)
			return v
		}
		n := repetitions(20000)
		r := rand.New(rand.NewPCG(uint64(200+i), 1))
		count, drawn := map[Verdict]int{}, 0
		for range n {
			count[simulate([]float64{math.Log1p(0.05)}, func(d []float64) {
				d[0] = blocks{noise: normal}.draw(r, math.Log1p(number(2)/100), number(1)/100)
				drawn++
			}).verdict()]++
		}
		share := func(v Verdict) float64 { return 100 * float64(count[v]) / float64(n) }
		t.Logf("| %s %% | %s %% | %.0f %% | %.0f %% | %.0f %% | %.0f |", row[1], row[2], share(Pass), share(Fail), share(Inconclusive), float64(drawn)/float64(n))
		tolerance := 0.5 + 300*math.Sqrt(0.25/float64(n)) // rounding, and three standard errors
		assert.InDelta(t, number(3), share(Pass), tolerance, row[0])
		assert.InDelta(t, number(4), share(Fail), tolerance, row[0])
		assert.InDelta(t, number(5), share(Inconclusive), tolerance, row[0])
		assert.InDelta(t, number(6), float64(drawn)/float64(n), 0.75, row[0])
	}
}
