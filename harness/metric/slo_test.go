package metric_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/record"
)

// timed is a request that starts at a second, has its first token after ttft and one more every itl milliseconds, n tokens in all.
func timed(second int, ttft, itl int64, n int) *record.Sample {
	s := &record.Sample{
		Index: second, Phase: record.Profiling, Outcome: record.OK, StartNS: int64(second) * 1e9, HeadersNS: record.Never, FirstByteNS: record.Never,
		FirstVisibleNS: record.Never, LastByteNS: record.Never, SentNS: record.Never, Counted: record.Counted{ISL: 10, OSL: n}, Conn: record.Conn{GotNS: record.Never},
	}
	for k := range int64(n) {
		s.ChunksNS = append(s.ChunksNS, s.StartNS+(ttft+k*itl)*1e6)
	}
	s.EndNS = s.ChunksNS[n-1]
	return s
}

func ended(s *record.Sample, outcome record.Outcome, reason record.Reason) *record.Sample {
	s.Outcome, s.Reason = outcome, reason
	return s
}

// values are the figures of a level, which is judged by an SLO.
func values(t *testing.T, slo string, notStarted int, byPlan bool, samples ...*record.Sample) (map[string]float64, metric.Attained) {
	t.Helper()
	objectives, err := metric.ParseSLO(slo)
	require.NoError(t, err)
	a := metric.NewAccumulator(time.Unix(0, 0))
	a.Objectives(objectives)
	for _, s := range samples {
		a.Add(s)
	}
	a.NotStarted(notStarted, byPlan)
	all := map[string]float64{}
	for _, r := range a.Results() {
		all[r.Tag] = r.Value
	}
	return all, a.Attained()
}

// TestGoodputByHand: of ten requests, the first starts at 0 s and the last content of one that ended well comes at 3.6 s.
func TestGoodputByHand(t *testing.T) {
	const slo = "time_to_first_token:500 inter_token_latency:50"
	warm := timed(0, 1, 1, 2)
	warm.Phase = record.Warmup
	samples := []*record.Sample{
		warm,
		timed(0, 500, 50, 3), // good: at both limits
		timed(1, 501, 50, 3), // its first token is late
		timed(2, 100, 51, 3), // its others are
		timed(3, 500, 50, 3), // good; its last content is at 3.6 s
		timed(3, 100, 1, 1),  // one token has no gap: a metric that is missing is not met
		ended(timed(1, 1, 1, 2), record.Cut, record.CutAfterToken),
		ended(timed(2, 1, 1, 2), record.Cancelled, record.BySignal), // a miss
		ended(timed(3, 1, 1, 2), record.Cancelled, record.ByErrors), // a miss
		ended(timed(3, 1, 1, 2), record.Cancelled, record.ByGrace),  // the plan's
		ended(timed(3, 1, 1, 2), record.Cancelled, record.ByCap),    // the plan's
		ended(timed(3, 1, 1, 2), record.Cancelled, record.ByPlan),   // the plan's
		ended(timed(3, 1, 1, 2), record.Rejected, record.HTTPStatus(429)),
	}
	got, attained := values(t, slo, 1, false, samples...)
	assert.Equal(t, metric.Attained{Good: 2, Of: 10, ByPlan: 3}, attained, "nine that ended, and one that was never started")
	assert.InDelta(t, 2, got["good_request_count"], 0)
	assert.InDelta(t, 2/3.6, got["goodput"], 1e-12)
	assert.InDelta(t, 20, got["slo_attainment"], 1e-12)
	assert.InDelta(t, 5/3.6, got["request_throughput"], 1e-12)

	got, attained = values(t, slo, 1, true, samples...)
	assert.Equal(t, metric.Attained{Good: 2, Of: 9, ByPlan: 4}, attained)
	assert.InDelta(t, 200./9, got["slo_attainment"], 1e-12)

	got, _ = values(t, "", 0, false, samples...)
	for _, tag := range []string{"good_request_count", "goodput", "slo_attainment"} {
		assert.NotContains(t, got, tag, "without an SLO")
	}
}

// TestNothingIsGood: zero is a goodput, of a level that failed wholly too; of one with nothing in it, or with a break, nothing is known.
func TestNothingIsGood(t *testing.T) {
	failed := ended(timed(0, 1, 1, 2), record.ConnectionFailed, record.Refused)
	got, _ := values(t, "request_latency:1", 0, false, failed)
	for _, tag := range []string{"good_request_count", "goodput", "slo_attainment"} {
		assert.Contains(t, got, tag)
		assert.Zero(t, got[tag], tag)
	}
	got, _ = values(t, "request_latency:1", 0, false)
	assert.NotContains(t, got, "goodput")
	assert.NotContains(t, got, "slo_attainment")

	a := metric.NewAccumulator(time.Unix(0, 0))
	a.Objectives(metric.SLO{{Tag: "request_latency", Limit: 1000}})
	a.Break()
	a.Add(timed(0, 10, 1, 2))
	a.Add(failed)
	tags := map[string]bool{}
	for _, r := range a.Results() {
		tags[r.Tag] = true
	}
	assert.True(t, tags["slo_attainment"] && !tags["goodput"])
}

// TestMoreIsBetter: of a rate the limit is the least. 3 tokens with 50 ms between them are 20 a second.
func TestMoreIsBetter(t *testing.T) {
	for limit, good := range map[string]float64{"20": 1, "20.001": 0, "0": 1} {
		got, _ := values(t, "output_token_throughput_per_user:"+limit, 0, false, timed(0, 1, 50, 3))
		assert.InDelta(t, good, got["good_request_count"], 0, limit)
	}
	slo, err := metric.ParseSLO("output_token_throughput_per_user:20  request_latency:1.5e3\n")
	require.NoError(t, err)
	assert.Equal(t, "output_token_throughput_per_user:20 request_latency:1500", slo.String())
	assert.Equal(t, "output_token_throughput_per_user >= 20 tokens/sec/user and request_latency <= 1500 ms", slo.Words())
	again, err := metric.ParseSLO(slo.String())
	require.NoError(t, err)
	assert.Equal(t, slo, again)
}

// TestCustomMetrics are figures and objectives as our own ones are.
func TestCustomMetrics(t *testing.T) {
	second := metric.Metric{
		Definition: metric.Definition{Tag: "second_gap", Name: "Second Gap", Unit: "ms"},
		Of: func(s *record.Sample) (float64, bool) {
			if len(s.ChunksNS) < 3 {
				return math.NaN(), true // is no value
			}
			return float64(s.ChunksNS[2]-s.ChunksNS[1]) / 1e6, true
		},
	}
	a := metric.NewAccumulator(time.Unix(0, 0))
	a.With([]metric.Metric{second})
	a.Objectives(metric.SLO{{Tag: "second_gap", Limit: 30}})
	for _, s := range []*record.Sample{timed(0, 1, 20, 3), timed(1, 1, 40, 4), timed(2, 1, 1, 2), ended(timed(3, 1, 1, 5), record.Cut, record.CutAfterToken)} {
		a.Add(s)
	}
	for _, r := range a.Results() {
		switch r.Tag {
		case "second_gap":
			assert.Equal(t, 2, r.Summary.Count)
			assert.InDelta(t, 30, r.Value, 1e-9)
		case "good_request_count":
			assert.InDelta(t, 1, r.Value, 0)
		}
	}
	assert.NoError(t, metric.Validate([]metric.Metric{second}))
	for reason, tags := range map[string][]string{
		"is there twice": {"a", "a"}, "is a metric of llmsweep's own": {"goodput"}, "small letters": {"A b"}, `metric ""`: {""},
	} {
		var bad []metric.Metric
		for _, tag := range tags {
			m := second
			m.Tag = tag
			bad = append(bad, m)
		}
		assert.ErrorContains(t, metric.Validate(bad), reason)
	}
	assert.ErrorContains(t, metric.Validate([]metric.Metric{{Definition: metric.Definition{Tag: "a", Name: "A"}}}), "has no function")
}

// TestServeByHand: to vllm bench serve a single token has a time per output token of 0, which is good. Three requests that ended well in 3.6 s and one that did
// not, which ends last, at 4.5 s.
func TestServeByHand(t *testing.T) {
	cut := ended(timed(4, 500, 1, 1), record.Cut, record.CutAfterToken)
	for slo, good := range map[string]float64{
		"inter_token_latency:20": 2, "time_to_first_token:100 inter_token_latency:20": 1, "request_latency:600": 3, "inter_token_latency:50": 3,
	} {
		objectives, err := metric.ParseSLO(slo)
		require.NoError(t, err)
		serve := metric.NewServe(time.Unix(0, 0), 0, objectives)
		for _, s := range []*record.Sample{timed(0, 500, 50, 3), timed(1, 100, 20, 3), timed(3, 600, 1, 1), cut} {
			serve.Add(s)
		}
		got, ok := serve.Goodput()
		require.True(t, ok)
		assert.InDelta(t, good/4.5, got, 1e-12, slo)
		assert.Equal(t, []int{3, 1}, []int{serve.Completed(), serve.Failed()})
		input, output := serve.Tokens()
		assert.Equal(t, []int{30, 7}, []int{input, output})
		tokens, requests := serve.Peaks()
		assert.Equal(t, []int{3, 1}, []int{tokens, requests})
	}
	_, ok := metric.NewServe(time.Unix(0, 0), 0, nil).Goodput()
	assert.False(t, ok)
}
