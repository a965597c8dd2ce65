package results

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/record"
)

// level is one whose answers are those given.
func level(samples ...*record.Sample) *Level {
	accumulator := metric.NewAccumulator(record.Level{}.StartedAt)
	l := &Level{Record: &record.Level{Counts: record.Counts{Outcomes: map[record.Outcome]int{}}}, Tally: NewTally()}
	for _, s := range samples {
		accumulator.Add(s)
		l.Tally.Add(s)
		l.Record.Counts.Outcomes[s.Outcome]++
	}
	l.Figures = figuresOf(accumulator.Results())
	return l
}

// answer is one of two tokens, as asked for.
func answer(change func(*record.Sample)) *record.Sample {
	s := &record.Sample{
		Phase: record.Profiling, Outcome: record.OK, ChunksNS: []int64{1, 2}, ChunkTokens: []int{1, 1}, EndNS: 3, FinishReason: "length", RequestedOSL: 2,
		Usage: &record.Usage{CompletionTokens: 2}, Counted: record.Counted{OSL: 2, Source: record.FromServer},
	}
	if change != nil {
		change(s)
	}
	return s
}

func TestAnswersThatAreNotWhatWasAskedFor(t *testing.T) {
	good := answer(nil)
	assert.Empty(t, level(good, good).answerWarnings())
	for warning, change := range map[string]func(*record.Sample){
		"finish_reason of the answers: 2 length, 1 stop":                                                                                   func(s *record.Sample) { s.FinishReason = "stop" },
		"finish_reason of the answers: 2 length, 1 none":                                                                                   func(s *record.Sample) { s.FinishReason = "" },
		"the tokens of the chunks of 1 requests do not add up to usage.completion_tokens, which is what counts":                            func(s *record.Sample) { s.ChunkTokens = []int{1, 2} },
		"output tokens of 1 requests were counted by the client's tokenizer: the server reported no usage":                                 func(s *record.Sample) { s.Counted.Source = record.FromTokenizer },
		"1 of 3 requests delivered another number of tokens than asked for (off by more than 5 %, or 50): 3 asked on average, 2 delivered": func(s *record.Sample) { s.RequestedOSL = 5 },
	} {
		assert.Equal(t, []string{warning}, level(good, answer(change), good).answerWarnings())
	}
	stopped := answer(func(s *record.Sample) { s.FinishReason = "stop" })
	assert.Equal(t, []string{"finish_reason of the answers: 2 stop"}, level(stopped, stopped).answerWarnings())
	for name, change := range map[string]func(*record.Sample){
		"warm-up": func(s *record.Sample) { s.Phase = record.Warmup }, "failed": func(s *record.Sample) { s.Outcome = record.Cut },
	} {
		other := answer(func(s *record.Sample) { s.FinishReason = "stop"; s.ChunkTokens = []int{5, 5}; change(s) })
		assert.Empty(t, level(good, other).answerWarnings(), name)
	}
}

func TestErrorsAreGrouped(t *testing.T) {
	fails := func(code int, message string, phase record.Phase) *record.Sample {
		return &record.Sample{Phase: phase, Outcome: record.Rejected, Error: &record.Error{Code: code, Message: message}}
	}
	tally := NewTally()
	for _, s := range []*record.Sample{
		fails(503, "b", record.Profiling), fails(500, "a", record.Profiling), fails(503, "b", record.Profiling), fails(400, "z", record.Profiling), fails(503, "b", record.Warmup),
	} {
		tally.Add(s)
	}
	tally.rank()
	assert.Equal(t, []ErrorGroup{{record.Error{Code: 503, Message: "b"}, 2}, {record.Error{Code: 400, Message: "z"}, 1}, {record.Error{Code: 500, Message: "a"}, 1}}, tally.Errors)
}

// A server whose errors differ in each request takes no more memory than others, and none is lost.
func TestErrorsThatAllDiffer(t *testing.T) {
	tally := NewTally()
	for i := range maxErrorGroups + 5 {
		tally.Add(&record.Sample{Phase: record.Profiling, Outcome: record.Cut, Error: &record.Error{Code: i}})
	}
	tally.rank()
	assert.Len(t, tally.Errors, maxErrorGroups+1)
	assert.Equal(t, ErrorGroup{record.Error{Type: "others", Message: "errors beyond the first 10000 different ones"}, 5}, tally.Errors[maxErrorGroups])
}
