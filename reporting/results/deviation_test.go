package results_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/reporting/results"
)

func TestDeviationFromTheServer(t *testing.T) {
	tally := results.NewTally()
	add := func(phase record.Phase, isl, estimate int, usage *record.Usage) {
		tally.Add(&record.Sample{Phase: phase, Outcome: record.OK, Usage: usage, Counted: record.Counted{ISL: isl, Estimate: estimate, Source: record.FromServer}})
	}
	assert.Zero(t, tally.Prompts.Mean())
	add(record.Profiling, 90, 55, &record.Usage{PromptTokens: 100, CompletionTokens: 50})
	add(record.Profiling, 99, 0, &record.Usage{PromptTokens: 100, CompletionTokens: 50}) // its text was not kept
	add(record.Profiling, 90, 55, nil)
	add(record.Profiling, 90, 55, &record.Usage{})
	add(record.Warmup, 1, 1, &record.Usage{PromptTokens: 100, CompletionTokens: 50})
	assert.Equal(t, 2, tally.Prompts.Requests)
	assert.InDelta(t, -0.055, tally.Prompts.Mean(), 1e-12)
	ours, theirs := tally.Prompts.Means()
	assert.Equal(t, []float64{94.5, 100}, []float64{ours, theirs})
	assert.Equal(t, 1, tally.Outputs.Requests)
	assert.InDelta(t, 0.1, tally.Outputs.Mean(), 1e-12)
	both := tally.Prompts.With(tally.Outputs)
	assert.Equal(t, 3, both.Requests)
	assert.InDelta(t, -0.01/3, both.Mean(), 1e-12)
	ours, theirs = both.Means()
	assert.Equal(t, []float64{244. / 3, 250. / 3}, []float64{ours, theirs})
	ours, theirs = results.Deviation{}.Means()
	assert.Zero(t, ours+theirs)

	served := results.NewTally()
	served.Add(&record.Sample{Phase: record.Profiling, Outcome: record.OK, Usage: &record.Usage{PromptTokens: 100}, Counted: record.Counted{ISL: 100, ClientISL: 77}})
	ours, theirs = served.Prompts.Means()
	assert.Equal(t, []float64{77, 100}, []float64{ours, theirs}, "where ISL is the server's count")
}
