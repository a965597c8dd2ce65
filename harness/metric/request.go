package metric

import (
	"math"
	"slices"

	"github.com/llmsweep/llmsweep/harness/record"
)

const (
	nsPerMS  = 1e6
	nsPerSec = 1e9
)

// Calculator computes the metrics of requests, as the files hold them. It is made once for many requests.
type Calculator struct{ rules []rule }

// NewCalculator returns a Calculator of AIPerf's definitions and our own beside them: of those with the tags, or of all if there is none.
func NewCalculator(tags ...string) *Calculator {
	all := rules()
	if len(tags) > 0 {
		all = slices.DeleteFunc(all, func(r rule) bool { return !slices.Contains(tags, r.Tag) })
	}
	return &Calculator{all}
}

// Of computes the metrics of one request in the order of the definitions. A request that did not end OK has error_isl only.
func (c *Calculator) Of(s *record.Sample) []record.MetricValue {
	values := make([]record.MetricValue, 0, len(c.rules))
	for i := range c.rules {
		if v, ok := c.rules[i].value(s); ok {
			values = append(values, v)
		}
	}
	return values
}

// between is the span from one stamp to another in milliseconds, if both happened.
func between(from, to int64) (float64, bool) {
	return float64(to-from) / nsPerMS, from != record.Never && to != record.Never
}

func firstChunk(s *record.Sample) int64 { return firstOf(s.ChunksNS) }

func lastChunk(s *record.Sample) int64 { return lastOf(s.ChunksNS) }

func firstOf(stamps []int64) int64 {
	if len(stamps) == 0 {
		return record.Never
	}
	return stamps[0]
}

func lastOf(stamps []int64) int64 {
	if len(stamps) == 0 {
		return record.Never
	}
	return stamps[len(stamps)-1]
}

func timeToFirstToken(s *record.Sample) (float64, bool) { return between(s.StartNS, firstChunk(s)) }

func requestLatency(s *record.Sample) (float64, bool) { return between(s.StartNS, lastChunk(s)) }

func secondGap(s *record.Sample) (float64, bool) {
	if len(s.ChunksNS) < 2 {
		return 0, false
	}
	return between(s.ChunksNS[0], s.ChunksNS[1])
}

func chunkGaps(s *record.Sample) []float64 { return gaps(s.ChunksNS) }

// gaps are the spans between successive stamps in milliseconds, nil if there is none.
func gaps(stamps []int64) []float64 {
	if len(stamps) < 2 {
		return nil
	}
	gaps := make([]float64, len(stamps)-1)
	for i := range gaps {
		gaps[i] = float64(stamps[i+1]-stamps[i]) / nsPerMS
	}
	return gaps
}

func interTokenLatency(s *record.Sample) (float64, bool) {
	if s.Counted.OSL < 2 || len(s.ChunksNS) == 0 {
		return 0, false
	}
	return float64(lastChunk(s)-firstChunk(s)) / nsPerMS / float64(s.Counted.OSL-1), true
}

func perUser(s *record.Sample) (float64, bool) {
	itl, ok := interTokenLatency(s)
	return 1e3 / itl, ok && itl > 0
}

func endToEndRate(s *record.Sample) (float64, bool) {
	latency, ok := requestLatency(s)
	return float64(s.Counted.OSL) / (latency / 1e3), ok && latency > 0 && s.Counted.OSL > 0
}

func prefillRate(s *record.Sample) (float64, bool) {
	ttft, ok := timeToFirstToken(s)
	return float64(s.Counted.ISL) / (ttft / 1e3), ok && ttft > 0 && s.Counted.ISL > 0
}

func isl(s *record.Sample) (float64, bool) { return float64(s.Counted.ISL), s.Counted.ISL > 0 }

func osl(s *record.Sample) (float64, bool) { return float64(s.Counted.OSL), s.Counted.OSL > 0 }

func visibleTokens(s *record.Sample) (float64, bool) {
	n := s.Counted.OSL - s.Counted.Reasoning
	return float64(n), n > 0
}

func reasoningTokens(s *record.Sample) (float64, bool) {
	return float64(s.Counted.Reasoning), s.Counted.Reasoning > 0
}

func thinkingEfficiency(s *record.Sample) (float64, bool) {
	visible := s.Counted.OSL - s.Counted.Reasoning
	return float64(s.Counted.Reasoning) / float64(visible), s.Counted.Reasoning > 0 && visible > 0
}

func mismatchPercent(s *record.Sample) (float64, bool) {
	return float64(s.Counted.OSL-s.RequestedOSL) / float64(s.RequestedOSL) * 100, s.RequestedOSL > 0 && s.Counted.OSL > 0
}

// mismatched is AIPerf's rule: off by more than 5 % of the request, 50 tokens at most.
func mismatched(s *record.Sample) bool {
	off := math.Abs(float64(s.Counted.OSL - s.RequestedOSL))
	return s.RequestedOSL > 0 && s.Counted.OSL > 0 && off > min(float64(s.RequestedOSL)*0.05, 50)
}

// chunkTokensDisagree compares the two ways in which a server told the length of an answer: chunk by chunk, and at its end.
func chunkTokensDisagree(s *record.Sample) bool {
	if len(s.ChunkTokens) == 0 || s.Usage == nil {
		return false
	}
	sum := 0
	for _, n := range s.ChunkTokens {
		sum += n
	}
	return sum != s.Usage.CompletionTokens
}

// promptTokens is the length of a prompt as the server counts it, with its chat template, else by the client's tokenizer.
func promptTokens(s *record.Sample) int {
	if s.Usage != nil && s.Usage.PromptTokens > 0 {
		return s.Usage.PromptTokens
	}
	return s.Counted.ISL
}

func promptDifference(s *record.Sample) (float64, bool) {
	if s.Usage == nil || s.Usage.PromptTokens == 0 || s.Counted.ISL == 0 {
		return 0, false
	}
	return math.Abs(float64(s.Usage.PromptTokens-s.Counted.ISL)) / float64(s.Counted.ISL) * 100, true
}
