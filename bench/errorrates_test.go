package bench

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness"
	"github.com/llmsweep/llmsweep/harness/compare"
)

// trialsOf is how many whole comparisons each case of TestErrorRatesOfWholeTrials makes, of the number that its bound is for: a tenth of them,
// unless TRIALS=all. The pure simulations of package compare, which are a hundred times as many, always run.
func trialsOf(all int) int {
	if os.Getenv("TRIALS") == "all" {
		return all
	}
	return all / 10
}

// TestErrorRatesOfWholeTrials: from flags to verdict, in virtual time, with a mock server whose speed differs from start to start by as much
// as real ones do. Equal arms must not fail, slower ones must.
func TestErrorRatesOfWholeTrials(t *testing.T) {
	for _, c := range []struct {
		name      string
		noise     float64
		slower    float64 // share of the inter-token latency
		trials    int
		fewest    int // failures,
		most      int
		noPassing bool
	}{
		{name: "equal arms, 2 % noise", noise: 0.02, trials: 200, most: 5},
		{name: "equal arms, 4 % noise", noise: 0.04, trials: 200, most: 5},
		{name: "10 % slower, 2 % noise", noise: 0.02, slower: 0.10, trials: 100, fewest: 95, most: 100, noPassing: true},
		{name: "10 % slower, 4 % noise", noise: 0.04, slower: 0.10, trials: 100, fewest: 95, most: 100, noPassing: true},
		{name: "2 % slower, within the margin", noise: 0.01, slower: 0.02, trials: 100, most: 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			verdicts, n := map[compare.Verdict]int{}, trialsOf(c.trials)
			blocks := 0
			for seed := 1; seed <= n; seed++ {
				t.Run(strconv.Itoa(seed), func(t *testing.T) {
					j := virtualTrial(t, seed, c.noise, c.slower)
					verdicts[j.Verdict]++
					blocks += j.Blocks
				})
			}
			t.Logf("%d trials: %v, %.1f blocks in the mean", n, verdicts, float64(blocks)/float64(n))
			assert.LessOrEqual(t, verdicts[compare.Fail]*c.trials, c.most*n+c.trials/2, "of %d: %v", n, verdicts)
			assert.GreaterOrEqual(t, verdicts[compare.Fail]*c.trials, c.fewest*n-c.trials/2, "of %d: %v", n, verdicts)
			if c.noPassing {
				assert.Zero(t, verdicts[compare.Pass], "of %d: %v", n, verdicts)
			}
		})
	}
}

// virtualTrial compares two mock servers, of which the candidate is slower by a share.
func virtualTrial(t *testing.T, seed int, noise, slower float64) compare.Judgement {
	t.Helper()
	arm := func(itl float64) string { return fmt.Sprintf("mock:-ttft=20ms -itl=%gms -noise-run=%g", itl, noise) }
	set := flag.NewFlagSet("", flag.ContinueOnError)
	registered := harness.RegisterFlags(set)
	require.NoError(t, set.Parse([]string{
		"-arm=base=" + arm(10), "-arm=candidate=" + arm(10*(1+slower)), "-virtual", "-output-dir=" + t.TempDir(), "-seed=" + strconv.Itoa(seed), "-nonce=1",
		"-isl=32", "-osl=16", "-concurrencies=4", "-request-count=8", "-std=0",
	}))
	plan, err := registered.Plan(func(string) string { return "" })
	require.NoError(t, err)
	d := design(t, plan)
	d.Primaries = d.Primaries[:1]
	_, j := trial(t, plan, d, io.Discard)
	return j
}
