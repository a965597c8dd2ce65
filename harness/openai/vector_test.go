package openai_test

import (
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/openai"
	"github.com/llmsweep/llmsweep/harness/record"
)

// facts are what a stream gave: outcome and counts, stamps since its start, and metrics by their tags. What has no value is absent.
type facts struct {
	words   map[string]string
	numbers map[string][]float64
}

// metricsOfStreams are the metrics that the files give. Others do not depend on the stream: those of the schedule and the connection.
func metricsOfStreams() []string {
	return strings.Fields(`time_to_first_token time_to_second_token time_to_first_output_token request_latency inter_chunk_latency
		inter_token_latency stream_setup_latency stream_prefill_latency output_token_throughput_per_user e2e_output_token_throughput
		prefill_throughput_per_user output_sequence_length output_token_count reasoning_token_count thinking_efficiency requested_osl
		osl_mismatch_diff_pct usage_prompt_tokens usage_completion_tokens usage_total_tokens usage_reasoning_tokens
		usage_prompt_cache_read_tokens usage_prompt_tokens_diff_pct`)
}

// factsOf reads a sample.
func factsOf(s *record.Sample) facts {
	f := facts{words: map[string]string{}, numbers: map[string][]float64{}}
	word := func(name, value string) {
		if value != "" {
			f.words[name] = value
		}
	}
	word("outcome", string(s.Outcome))
	word("reason", string(s.Reason))
	word("finish_reason", s.FinishReason)
	word("source", string(s.Counted.Source))
	if u := s.Usage; u != nil {
		text := fmt.Sprintf("prompt=%d completion=%d total=%d", u.PromptTokens, u.CompletionTokens, u.TotalTokens)
		if u.ReasoningTokens > 0 {
			text += fmt.Sprintf(" reasoning=%d", u.ReasoningTokens)
		}
		if u.CachedTokens != nil {
			text += fmt.Sprintf(" cached=%d", *u.CachedTokens)
		}
		word("usage", text)
	}
	number := func(name string, values ...int) {
		for _, v := range values {
			if v != 0 {
				f.numbers[name] = append(f.numbers[name], float64(v))
			}
		}
	}
	number("status", s.Status)
	number("osl", s.Counted.OSL)
	number("reasoning", s.Counted.Reasoning)
	number("chunk_tokens", s.ChunkTokens...)
	if s.Error != nil {
		number("error_code", s.Error.Code)
	}
	f.stamps(s)
	for _, v := range metric.NewCalculator().Of(s) {
		if slices.Contains(metricsOfStreams(), v.Tag) {
			f.numbers[v.Tag] = v.List
			if v.List == nil {
				f.numbers[v.Tag] = []float64{v.Value}
			}
		}
	}
	return f
}

func (f *facts) stamps(s *record.Sample) {
	stamp := func(name string, stamps ...int64) {
		for _, at := range stamps {
			if at != record.Never {
				f.numbers[name] = append(f.numbers[name], float64(at-s.StartNS))
			}
		}
	}
	stamp("headers_ns", s.HeadersNS)
	stamp("first_byte_ns", s.FirstByteNS)
	stamp("first_visible_ns", s.FirstVisibleNS)
	stamp("chunks_ns", s.ChunksNS...)
	stamp("end_ns", s.EndNS)
}

// changed names what differs between two runs, exactly.
func (f *facts) changed(other facts) map[string]bool {
	names := map[string]bool{}
	for name := range maps.Keys(f.words) {
		names[name] = f.words[name] != other.words[name]
	}
	for _, values := range []map[string][]float64{f.numbers, other.numbers} {
		for name := range values {
			names[name] = !slices.Equal(f.numbers[name], other.numbers[name])
		}
	}
	maps.DeleteFunc(names, func(_ string, differs bool) bool { return !differs })
	return names
}

// holdAgainst compares with what a file expects: words as they are, numbers, which it writes as decimals or fractions, to the last digits
// of a float64.
func (f *facts) holdAgainst(t *testing.T, expect map[string]string) {
	t.Helper()
	for name, text := range expect {
		if word, ok := f.words[name]; ok {
			assert.Equal(t, text, word, name)
			continue
		}
		var want []float64
		for _, field := range strings.Fields(text) {
			exact, ok := new(big.Rat).SetString(field)
			if !assert.True(t, ok, "%s is neither a number nor among %v", name, f.words) {
				return
			}
			value, _ := exact.Float64()
			want = append(want, value)
		}
		got := f.numbers[name]
		if !assert.Len(t, got, len(want), "%s: want %v, got %v", name, want, got) {
			continue
		}
		for i := range want {
			assert.InDelta(t, want[i], got[i], 4e-15*math.Abs(want[i]), "%s[%d]", name, i)
		}
	}
	for name := range f.words {
		assert.Contains(t, expect, name, "is %s", f.words[name])
	}
	for name := range f.numbers {
		assert.Contains(t, expect, name, "is %v", f.numbers[name])
	}
}

// run plays steps to one request. Each read of the connection returns at most so many bytes; 0 is no limit.
func (v *vector) run(t *testing.T, steps []step, atMost int) record.Sample {
	t.Helper()
	var samples []record.Sample
	inBubble(t, func(c *openai.Config) {
		v.configure(c)
		if dial := c.Dial; atMost > 0 {
			c.Dial = narrowing(dial, atMost)
		}
	}, func(s *stage) {
		s.answers <- steps
		r := request(0)
		r.OSL = v.osl
		got := *s.client.Do(s.t.Context(), r, s.client.Now())
		assert.Len(s.t, s.requests, 1, "a request was sent again")
		assert.Len(s.t, s.dialled, 1)
		samples = append(samples, got)
	})
	require.Len(t, samples, 2)
	for i := range samples {
		samples[i].Conn = record.Conn{} // how many reads it took, for example, is tested elsewhere
	}
	own, other := samples[0], samples[1]
	require.Contains(t, []record.StampSource{record.SocketRead, ""}, own.StampSource)
	forgetUnread(own, &other)
	if other.StampSource == own.StampSource {
		assert.Equal(t, own, other, "over both transports")
	}
	return own
}

func TestVectors(t *testing.T) {
	for _, v := range readVectors(t) {
		t.Run(v.name, func(t *testing.T) {
			s := v.run(t, v.script(t), 0)
			got := factsOf(&s)
			got.holdAgainst(t, v.expect)
			if t.Failed() {
				t.Logf("%+v", s.Error)
			}
		})
	}
}

// Moving any one event by a nanosecond changes exactly what its file lists.
func TestVectorsMovedByANanosecond(t *testing.T) {
	for _, v := range readVectors(t) {
		t.Run(v.name, func(t *testing.T) {
			s := v.run(t, v.script(t), 0)
			before := factsOf(&s)
			for i := range v.steps {
				v.steps[i].at++
				moved := v.run(t, v.script(t), 0)
				assert.Equal(t, v.steps[i].moved, before.changed(factsOf(&moved)), "the step of line %d, 1 ns later", v.steps[i].line)
				v.steps[i].at--
			}
		})
	}
}
