package compare

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/llmsweep/llmsweep/harness/record"
)

// Stamps may be 3 ms late. What that is in the unit of each figure, by hand: 50 tokens/s to a user are a gap of 20 ms, which may be 17, 58.82
// tokens/s, or 23, 43.48; 1,000 tokens/s of 100 tokens are 100 ms, which may be 97, 1030.9, or 103, 970.9; 3 ms of a latency of 1,000 ms are
// 0.3 %, and 5 % may be missing in flight.
func TestErrorOfASuspectClientInEachUnit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		limit   string
		value   float64
		verdict Verdict
	}{
		{"{metric: request_latency, statistic: p99, max: 2000}", 2002.9, Inconclusive},
		{"{metric: request_latency, statistic: p99, max: 2000}", 2003.1, Fail},
		{"{metric: inter_token_latency, statistic: p99, max: 10}", 10.09, Inconclusive}, // the shortest answer has 30 gaps
		{"{metric: inter_token_latency, statistic: p99, max: 10}", 10.11, Fail},
		{"{metric: inter_chunk_latency, statistic: p99, max: 10}", 12.9, Inconclusive},
		{"{metric: benchmark_duration, max: 10}", 10.0029, Inconclusive},
		{"{metric: benchmark_duration, max: 10}", 10.0031, Fail},
		{"{metric: output_token_throughput_per_user, statistic: p99, min: 58.8}", 50, Inconclusive},
		{"{metric: output_token_throughput_per_user, statistic: p99, min: 58.9}", 50, Fail},
		{"{metric: output_token_throughput_per_user, statistic: p99, min: 43.5}", 50, Inconclusive},
		{"{metric: output_token_throughput_per_user, statistic: p99, min: 43.4}", 50, Pass},
		{"{metric: prefill_throughput_per_user, statistic: p99, min: 1030}", 1000, Inconclusive},
		{"{metric: prefill_throughput_per_user, statistic: p99, min: 1031}", 1000, Fail},
		{"{metric: e2e_output_token_throughput, statistic: p99, min: 1030}", 1000, Inconclusive},
		{"{metric: e2e_output_token_throughput, statistic: p99, max: 971}", 1000, Inconclusive},
		{"{metric: e2e_output_token_throughput, statistic: p99, max: 970}", 1000, Fail},
		{"{metric: prefill_throughput_per_user, statistic: p99, min: 1e9}", 40000, Inconclusive}, // 2.5 ms, less than the error
		{"{metric: output_token_throughput, min: 1053}", 1000, Inconclusive},
		{"{metric: output_token_throughput, min: 1054}", 1000, Fail},
		{"{metric: request_throughput, min: 9.48}", 10, Inconclusive},
		{"{metric: request_throughput, min: 9.46}", 10, Pass},
		{"{metric: output_sequence_length, max: 100}", 100.001, Fail},
	} {
		r := rules(t, "limits: ["+c.limit+"]")
		l := level("c1", 300, 100, 1)
		l.Client, l.ErrorMS = record.ClientSuspect, 3
		limit := r.Limits[0]
		for tag, statistic := range map[string]string{"request_latency": "avg", "input_sequence_length": "avg", limit.Metric: limit.Statistic} {
			if l.Figures[tag] == nil {
				l.Figures[tag] = map[string]float64{"count": 300}
			}
			l.Figures[tag][statistic] = 1000
		}
		l.Figures["input_sequence_length"]["avg"] = 100
		if limit.Metric != "output_sequence_length" {
			l.Figures["output_sequence_length"] = map[string]float64{"avg": 100, "min": 31}
		}
		l.Figures[limit.Metric][limit.Statistic] = c.value
		f := r.Check([]Level{l})[0]
		assert.Equal(t, c.verdict, f.Verdict, "%s: %v: %s", c.limit, c.value, f.Text)
	}
}

// Where the lengths of answers are not known, an inter-token latency may be off by all of the error.
func TestAnITLOfUnknownLength(t *testing.T) {
	t.Parallel()
	l := level("c1", 300, 100, 1)
	l.Client, l.ErrorMS = record.ClientSuspect, 3
	delete(l.Figures, "output_sequence_length")
	l.Figures["inter_token_latency"] = map[string]float64{"avg": 12.9, "count": 300}
	assert.Equal(t, Inconclusive, rules(t, "limits: [{metric: inter_token_latency, max: 10}]").Check([]Level{l})[0].Verdict)
}

// Without a latency nothing is known that speaks for a rate.
func TestARateWithoutALatency(t *testing.T) {
	t.Parallel()
	l := level("c1", 300, 100, 1)
	l.Client, l.ErrorMS = record.ClientSuspect, 3
	assert.Equal(t, Inconclusive, rules(t, "limits: [{metric: output_token_throughput, min: 1000}]").Check([]Level{l})[0].Verdict)
}

// TestGoodputInDoubt: 80 of 100 requests ended well, 60 of them were good. Late stamps may have made bad ones of 20; no load and no client makes more good
// ones than ended well.
func TestGoodputInDoubt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		limit                   string
		sound, suspect, invalid Verdict
	}{
		{"{metric: slo_attainment, min: 59.9}", Pass, Pass, Inconclusive},
		{"{metric: slo_attainment, min: 80}", Fail, Inconclusive, Inconclusive},
		{"{metric: slo_attainment, min: 80.1}", Fail, Fail, Fail},
		{"{metric: slo_attainment, max: 79}", Pass, Inconclusive, Inconclusive},
		{"{metric: good_request_count, min: 80}", Fail, Inconclusive, Inconclusive},
		{"{metric: good_request_count, min: 81}", Fail, Fail, Fail},
		{"{metric: goodput, min: 5}", Pass, Pass, Inconclusive},
		{"{metric: goodput, min: 8}", Fail, Inconclusive, Inconclusive},
		{"{metric: goodput, min: 9}", Fail, Fail, Fail},
	} {
		l := Level{Name: "c1", Figures: Figures{
			"request_count": {"avg": 80}, "error_request_count": {"avg": 20}, "request_throughput": {"avg": 8}, "request_latency": {"avg": 1000},
			"slo_attainment": {"avg": 60}, "good_request_count": {"avg": 60}, "goodput": {"avg": 6},
		}}
		verdict := func() Verdict { return rules(t, "limits: ["+c.limit+"]").Check([]Level{l})[0].Verdict }
		assert.Equal(t, c.sound, verdict(), c.limit)
		l.Invalid = "failed requests 20 %"
		assert.Equal(t, c.invalid, verdict(), c.limit)
		l.Invalid, l.Client, l.ErrorMS = "", record.ClientSuspect, 3
		assert.Equal(t, c.suspect, verdict(), c.limit)
		l.Client = record.ClientLimited
		assert.Equal(t, Inconclusive, verdict(), c.limit)
	}
}
