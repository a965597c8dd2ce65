package metric_test

import (
	"math"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/record"
)

// under gives the results of a level under a convention, by tag.
func under(c metric.Convention, samples []*record.Sample) map[string]metric.Result {
	accumulator := c.Accumulator(time.Unix(0, 0))
	for _, s := range samples {
		accumulator.Add(s)
	}
	results := map[string]metric.Result{}
	for _, r := range accumulator.Results() {
		results[r.Tag] = r
	}
	return results
}

// statistic of a result by AIPerf's name.
func statistic(r metric.Result, name string) float64 {
	switch name {
	case "p50":
		return r.Summary.P50
	case "p95":
		return r.Summary.P95
	case "p99":
		return r.Summary.P99
	default:
		return r.Value
	}
}

// TestOneRecordingUnderEachConvention reads the hand-made vectors: every figure of the other tools has one.
func TestOneRecordingUnderEachConvention(t *testing.T) {
	var samples []*record.Sample
	warnings, err := record.ReadLog("testdata/conventions.jsonl", func(s *record.Sample) error {
		samples = append(samples, s)
		return nil
	})
	require.NoError(t, err)
	require.Empty(t, warnings)
	vectors, err := os.ReadFile("testdata/conventions.txt")
	require.NoError(t, err)
	checked := map[string]bool{}
	for _, v := range regexp.MustCompile(`(?m)^(aiperf|vllm|guidellm) (\w+) (avg|p\d+) ([\d.]+)`).FindAllStringSubmatch(string(vectors), -1) {
		r, exists := under(metric.Convention(v[1]), samples)[v[2]]
		require.True(t, exists, v[0])
		want, err := strconv.ParseFloat(v[4], 64)
		require.NoError(t, err)
		assert.InEpsilon(t, want, statistic(r, v[3]), 1e-12, v[0])
		checked[v[1]+" "+v[2]] = true
	}
	for _, c := range []metric.Convention{metric.VLLM, metric.GuideLLM} {
		for tag := range under(c, samples) {
			assert.True(t, checked[string(c)+" "+tag], "no vector of %s %s", c, tag)
		}
	}
}

// TestConventionsAgreeWhereTheyShould: without events that are empty, one token a chunk, and an end at the last token, the tools differ in
// nothing but what they call things.
func TestConventionsAgreeWhereTheyShould(t *testing.T) {
	s := hand()
	s.EmptyNS, s.EndNS = nil, 190e6
	samples := []*record.Sample{s}
	ours, vllm, guide := under(metric.AIPerf, samples), under(metric.VLLM, samples), under(metric.GuideLLM, samples)
	for tag, same := range map[string]metric.Result{
		"time_to_first_token": vllm["ttft"], "inter_token_latency": vllm["tpot"], "inter_chunk_latency": vllm["itl"],
		"request_latency": vllm["e2el"], "output_token_throughput": vllm["output_throughput"], "benchmark_duration": vllm["duration"],
	} {
		assert.InEpsilon(t, ours[tag].Value, same.Value, 1e-12, tag)
	}
	assert.InEpsilon(t, ours["time_to_first_token"].Value, guide["time_to_first_token_ms"].Value, 1e-12)
	assert.InEpsilon(t, ours["inter_token_latency"].Value, guide["inter_token_latency_ms"].Value, 1e-12)
	assert.InEpsilon(t, ours["request_latency"].Value, guide["request_latency"].Value*1e3, 1e-12)
}

func TestConventionsByName(t *testing.T) {
	for _, c := range metric.Conventions() {
		got, ok := metric.ParseConvention(string(c))
		assert.True(t, ok)
		assert.Equal(t, c, got)
		assert.Equal(t, string(c), strings.ToLower(c.Title()))
		tags := map[string]bool{}
		for _, d := range c.Definitions() {
			assert.False(t, tags[d.Tag], "%s uses %s twice", c, d.Tag)
			tags[d.Tag] = true
			assert.NotEmpty(t, d.Formula, d.Tag)
			assert.True(t, c == metric.AIPerf || d.Source == c.Title(), d.Tag)
		}
	}
	got, ok := metric.ParseConvention("")
	assert.True(t, ok)
	assert.Equal(t, metric.AIPerf, got, "the default")
	_, ok = metric.ParseConvention("sglang")
	assert.False(t, ok)
}

// naiveConventions takes the long way to the figures of the other tools: lists of values, of GuideLLM's one entry for each unit of weight.
func naiveConventions(samples []*record.Sample) (vllm, guide map[string][]float64) {
	vllm, guide = map[string][]float64{}, map[string][]float64{}
	for _, s := range samples {
		if s.Phase == record.Warmup || s.Outcome != record.OK {
			continue
		}
		ms := func(ns int64) float64 { return float64(ns) / 1e6 }
		var events []int64
		events = append(append(events, s.EmptyNS...), s.ChunksNS...)
		slices.Sort(events)
		vllm["ttft"] = append(vllm["ttft"], ms(events[0]-s.StartNS))
		vllm["e2el"] = append(vllm["e2el"], ms(events[len(events)-1]-s.StartNS))
		if s.Counted.OSL > 1 {
			vllm["tpot"] = append(vllm["tpot"], ms(events[len(events)-1]-events[0])/float64(s.Counted.OSL-1))
		}
		for i := range events[1:] {
			vllm["itl"] = append(vllm["itl"], ms(events[i+1]-events[i]))
		}
		first, last := s.ChunksNS[0], s.ChunksNS[len(s.ChunksNS)-1]
		guide["request_latency"] = append(guide["request_latency"], float64(s.EndNS-s.StartNS)/1e9)
		guide["time_to_first_token_ms"] = append(guide["time_to_first_token_ms"], ms(first-s.StartNS))
		for i := range s.Counted.OSL {
			guide["time_per_output_token_ms"] = append(guide["time_per_output_token_ms"], ms(last-s.StartNS)/float64(s.Counted.OSL))
			if i > 0 {
				guide["inter_token_latency_ms"] = append(guide["inter_token_latency_ms"], ms(last-first)/float64(s.Counted.OSL-1))
			}
		}
	}
	return vllm, guide
}

func TestOtherConventionsAgainstTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	for range 300 {
		samples := make([]*record.Sample, 1+r.IntN(40))
		for i := range samples {
			samples[i] = anySample(r)
		}
		vllm, guide := naiveConventions(samples)
		for tag, got := range under(metric.VLLM, samples) {
			if got.PerRequest {
				want := statistics(vllm[tag])
				near(t, want["avg"], got.Value, tag)
				near(t, want["p50"], got.Summary.P50, tag)
				near(t, want["p99"], got.Summary.P99, tag)
				delete(vllm, tag)
			}
		}
		for tag, got := range under(metric.GuideLLM, samples) {
			if got.PerRequest {
				list := guide[tag]
				slices.Sort(list)
				near(t, statistics(list)["avg"], got.Value, tag)
				for q, value := range map[float64]float64{50: got.Summary.P50, 95: got.Summary.P95, 99: got.Summary.P99, 1: got.Summary.P1} {
					near(t, list[int(math.Ceil(q/100*float64(len(list))-1e-9))-1], value, tag)
				}
				delete(guide, tag)
			}
		}
		require.Empty(t, vllm)
		require.Empty(t, guide)
	}
}
