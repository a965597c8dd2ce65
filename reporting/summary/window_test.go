package summary

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/steady"
	"github.com/llmsweep/llmsweep/reporting/results"
)

// TestOnlyGoodLevelsHaveNothingWrong: what is said of the levels without a window does not contradict the verdicts.
func TestOnlyGoodLevelsHaveNothingWrong(t *testing.T) {
	level := func(concurrency, failed int, status record.Status, window steady.Verdict) results.Level {
		return results.Level{Point: record.Point{Concurrency: concurrency}, Record: &record.Level{Status: status, Instrument: &record.Instrument{Verdict: record.ClientOK}},
			Validity: steady.Judge(steady.Facts{Ended: 100, Failed: failed}), Window: steady.Window{Verdict: window, Reason: "why", Needs: 80}}
	}
	b := &results.Benchmark{Run: &record.Run{}, Levels: []results.Level{
		level(1, 0, record.Done, steady.TooShort), level(2, 50, record.Done, steady.TooShort), level(5, 50, record.Failed, steady.TooShort), level(10, 0, record.Done, steady.Overloaded),
	}}
	assert.Equal(t, "c10: OVERLOADED: why; levels too short for one, with nothing wrong: c1 (they take -request-count 80 or so); INVALID or not finished, and too short for one: c2, c5", Unwindowed(b))
	assert.Equal(t, "INVALID at 2 (failed requests 50 %, limit at most 1 %); not finished at 5; VALID at 1, 10; OVERLOADED at 10; client ok", Verdict(b))
}
