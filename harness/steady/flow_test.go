package steady_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/steady"
)

// TestFlow: a request counts by the part of its time in the window, a token by its chunk's stamp, and what failed does not.
func TestFlow(t *testing.T) {
	f := steady.Flow{Window: steady.Window{Verdict: steady.Steady, StartNS: 1e9, RateEndNS: 3e9, EndNS: 4e9}}
	request := func(start, end int64, chunks ...int64) *record.Sample {
		return &record.Sample{
			Phase: record.Profiling, Outcome: record.OK, StartNS: start, EndNS: end, ChunksNS: chunks, Counted: record.Counted{OSL: len(chunks)},
		}
	}
	f.Add(request(5e8, 15e8, 9e8, 1e9, 12e8)) // half of it, one token: a stamp at the start belongs to before
	f.Add(request(2e9, 4e9, 25e8, 3e9, 4e9))  // half, two tokens
	f.Add(request(1e9, 3e9))                  // whole
	f.Add(request(3e9, 5e9, 3_000_000_001))   // issued after
	f.Add(request(2e9, 2e9))                  // takes no time
	failed := request(1e9, 2e9, 15e8)
	failed.Outcome = record.Cut
	f.Add(failed)
	document := request(2e9, 4e9, 4e9)
	document.Unstreamed, document.Counted.OSL = true, 8
	before := f
	f.Add(document)
	assert.InDelta(t, before.Requests+0.5, f.Requests, 1e-12)
	assert.InDelta(t, before.Tokens+4, f.Tokens, 1e-12, "its tokens come evenly over its time")
	f = before
	requests, tokens, ok := f.PerSecond()
	assert.True(t, ok)
	assert.InDelta(t, 2.0/2, requests, 1e-12)
	assert.InDelta(t, 3.0/2, tokens, 1e-12)
	assert.True(t, f.Window.Holds(request(1e9, 9e9)))
	assert.True(t, f.Window.Holds(request(4e9, 9e9)), "its latency counts, though it ends in the drain")
	assert.False(t, f.Window.Holds(request(999_999_999, 2e9)))
	assert.False(t, f.Window.Holds(failed))
	f.Window.Verdict = steady.NotSteady
	_, _, ok = f.PerSecond()
	assert.False(t, ok)
	assert.False(t, f.Window.Holds(request(1e9, 9e9)))
}
