package bench

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/mockserver"
)

// gauges are the values of a metrics page under a name.
func gauges(page, name string) (values []string) {
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, name+"{") {
			values = append(values, strings.TrimSpace(line[strings.LastIndex(line, " "):]))
		}
	}
	return values
}

// TestMockSeesPlannedCancellations: the client goes 100 ms after it asked, the mock has it in its record to the nanosecond, makes no more of the answer than a
// tenth of a second allows, and has no block in use at the end of the level: of the one in which all go, seconds before their answers would have ended.
func TestMockSeesPlannedCancellations(t *testing.T) {
	for transport, rate := range map[string]float64{"own": 40, "nethttp": 40, "http2": 40, "auto": 100} {
		t.Run(transport, func(t *testing.T) {
			sweep := openVirtual(t, "-transport="+transport, fmt.Sprintf("-cancel-rate=%g", rate), "-cancel-delay=100ms", "-isl=2000", "-osl=500", "-max-error-rate=0")
			options := mockserver.DefaultOptions()
			options.PrefixCaching = false
			level, samples, lines, metrics := against(t, sweep, options)
			assert.Equal(t, record.Done, level.Status)
			byPlan := level.Counts.ByPlan()
			assert.InDelta(t, rate, byPlan, 20)
			if rate == 100 {
				assert.Less(t, level.EndedNS, int64(1e9))
			}
			answers := map[string]truth{}
			for _, l := range lines {
				answers[l.RequestID] = l
			}
			cancelled := 0
			for _, s := range samples {
				l := answers[s.RequestID]
				assert.Equal(t, s.ToCancel, l.Canceled)
				assert.Equal(t, s.EndNS-s.SentNS >= 100e6 && s.Outcome == record.Cancelled, l.Canceled)
				if !l.Canceled {
					assert.Equal(t, 500, l.Completion)
					continue
				}
				cancelled++
				assert.Equal(t, 499, l.Status)
				assert.Equal(t, int64(100e6), l.End-l.Arrival)
				assert.Less(t, l.Completion, 25)
				assert.Len(t, s.ChunksNS, l.Completion, "what had come is kept")
			}
			assert.Equal(t, byPlan, cancelled)
			assert.Equal(t, []string{"0.0"}, gauges(metrics, "vllm:num_requests_running"))
			assert.Equal(t, []string{"0.0"}, gauges(metrics, "vllm:kv_cache_usage_perc"))
		})
	}
}

// TestMockSeesPrefillConcurrency: by its record no more than two requests are between their arrival and the first write of their answer, and two are for
// most of the time.
func TestMockSeesPrefillConcurrency(t *testing.T) {
	for _, args := range [][]string{
		{"-prefill-concurrency=2", "-cancel-rate=20", "-cancel-delay=40ms"}, {"-prefill-concurrency=2", "-transport=nethttp"},
	} {
		sweep := openVirtual(t, append(args, "-isl=3000", "-osl=50")...)
		level, _, lines, _ := against(t, sweep, mockserver.DefaultOptions())
		assert.Equal(t, record.Done, level.Status)
		assert.Greater(t, level.Prefill.Requests, 60, "20 slots have 2 places")
		type edge struct {
			at     int64
			change int
		}
		var edges []edge
		for _, l := range lines {
			until := l.End
			if len(l.Writes) > 0 {
				until = l.Writes[0]
			}
			edges = append(edges, edge{l.Arrival, 1}, edge{until, -1})
		}
		slices.SortFunc(edges, func(a, b edge) int { return cmp.Or(cmp.Compare(a.at, b.at), a.change-b.change) })
		reading, most, last, both := 0, 0, int64(0), time.Duration(0)
		for _, e := range edges {
			if reading == 2 {
				both += time.Duration(e.at - last)
			}
			reading, last = reading+e.change, e.at
			most = max(most, reading)
		}
		assert.Equal(t, 2, most, args)
		assert.Greater(t, both, time.Duration(edges[len(edges)-1].at-edges[0].at)/2)
		require.Zero(t, reading)
	}
}

// TestPlannedCancellationsAreNoErrors: a run whose requests are cancelled is whole, its records have AIPerf's error, no judge of it holds them against it,
// and none holds it against a run that cancels others.
func TestPlannedCancellationsAreNoErrors(t *testing.T) {
	dir := t.TempDir()
	virtualRun(t, dir, "none")
	virtualRun(t, dir, "some", "-cancel-rate=40", "-cancel-delay=20ms", "-request-count=30")
	virtualRun(t, dir, "again", "-cancel-rate=40", "-cancel-delay=20ms", "-request-count=30")
	level := filepath.Join(dir, "some", "c8")
	byPlan := 0
	for _, s := range readSamples(t, level) {
		if s.Outcome == record.Cancelled {
			byPlan++
			assert.Equal(t, 499, s.Error.Code)
			assert.Equal(t, "RequestCancellationError", s.Error.Type)
		}
	}
	require.Greater(t, byPlan, 5)
	document := aggregate(t, level)
	assert.Equal(t, false, document["was_cancelled"])
	summary := document["error_summary"].([]any)
	require.Len(t, summary, 1)
	assert.EqualValues(t, byPlan, summary[0].(map[string]any)["count"])
	assert.EqualValues(t, byPlan, document["error_request_count"].(map[string]any)["avg"], "as AIPerf counts them")
	assert.EqualValues(t, 30-byPlan, document["request_count"].(map[string]any)["avg"])
	assert.EqualValues(t, 40, document["input_config"].(map[string]any)["loadgen"].(map[string]any)["request_cancellation_rate"])
	log, err := os.ReadFile(filepath.Join(level, record.LogFile))
	require.NoError(t, err)
	assert.Equal(t, byPlan, strings.Count(string(log), `"was_cancelled":true`))
	verdict, readings := validityOf(t, level)
	assert.Equal(t, "VALID", verdict)
	assert.Zero(t, readings["failed requests"])

	gate := filepath.Join(dir, "gate.yaml")
	require.NoError(t, os.WriteFile(gate, []byte("limits: [{metric: error_request_count, max: 0}]"), 0o600))
	judge := func(args ...string) result { return child{entry: "TestGate", args: args}.run(t) }
	alone := judge("-gate="+gate, "-data-dir="+dir, "-benchmark-name=some")
	assert.Zero(t, alone.code, alone.output)
	same := judge("-baseline="+filepath.Join(dir, "again"), "-candidate="+filepath.Join(dir, "some"))
	assert.Zero(t, same.code, same.output)
	other := judge("-baseline="+filepath.Join(dir, "none"), "-candidate="+filepath.Join(dir, "some"))
	assert.Equal(t, 1, other.code)
	assert.Contains(t, other.output, "cancellations by plan (-cancel-rate, -cancel-delay) differ: none in none, 40 % of the requests, 20ms after they were sent in some")
}

// TestSlotsThatWaitForAPlaceAreLoaded: in flight is less than the concurrency because the plan says so, and the level is valid.
func TestSlotsThatWaitForAPlaceAreLoaded(t *testing.T) {
	dir := t.TempDir()
	args := []string{"-virtual", "-concurrencies=10", "-request-count=30", "-isl=2000", "-osl=8", "-prefill-concurrency=2", "-output-dir=" + dir, "-plot=false"}
	child{args: args}.passes(t)
	level := filepath.Join(dir, "mock", "c10")
	verdict, readings := validityOf(t, level)
	assert.Equal(t, "VALID", verdict)
	assert.InDelta(t, 100, readings["reached in flight or waiting"], 1e-4)
	ours := aggregate(t, level)["llmsweep"].(map[string]any)
	assert.Less(t, ours["in_flight"].(map[string]any)["reached"], 9.3)
	var stored record.Level
	require.NoError(t, record.ReadJSON(filepath.Join(level, record.LevelFile), &stored))
	assert.Greater(t, stored.Prefill.Requests, 20)
	assert.Equal(t, record.ClientOK, stored.Client())
}
