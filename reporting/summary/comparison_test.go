package summary

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/compare"
	"github.com/llmsweep/llmsweep/harness/record"
)

// TestLongFiguresFit: the longest default figure with the longest verdict leaves the table in 100 columns.
func TestLongFiguresFit(t *testing.T) {
	t.Parallel()
	e := compare.Estimate{
		Selector: compare.Selector{Metric: "scheduled_time_to_first_token", Statistic: "avg", Level: "r12.5"}, Unit: "ms", Verdict: compare.Inconclusive, Primary: true,
		Base: 30.32, Candidate: 32.86, Change: 0.084, Low: -0.1325, High: 0.1241, Margin: 0.25,
	}
	other := e
	other.Metric, other.Unit, other.Margin = "output_token_throughput", "tokens/sec", -0.0476
	text := func(of ...compare.Estimate) string {
		var b bytes.Buffer
		plan := &record.Plan{RequestRates: []float64{12.5}}
		require.NoError(t, Trial(&b, TwoArms{Base: "base", Candidate: "candidate", Plan: plan, Judgement: compare.Judgement{Verdict: compare.Inconclusive, Estimates: of}}))
		return b.String()
	}
	wide := text(e, other)
	assert.Contains(t, wide, "level average ")
	assert.Contains(t, wide, "r12.5 scheduled_time_to_first_token ms    30.32     32.86  +8.40 -13.2 to +12.4  +25.0 inconclusive\n")
	for line := range strings.Lines(wide) {
		assert.LessOrEqual(t, len(line), 101, line)
	}
	e.Statistic = "p50"
	assert.Contains(t, text(e, other), "level figure ", "figures of several kinds name theirs")
	other.Low = math.Inf(-1)
	assert.Contains(t, text(other), "r12.5 output_token_throughput avg tok/s", "what fits is written out")
}
