package workload_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/tokenizer"
	"github.com/llmsweep/llmsweep/harness/workload"
)

// TestProbe has its length by every tokenizer, once and twice, and asks for one token as other requests ask.
func TestProbe(t *testing.T) {
	for _, name := range []string{"gpt2", "llama3", "qwen", "o200k", "deepseek", "deepseekcoder", "llama2", "gemma", "metaspace", ""} {
		s, by := spec(), tokenizer.Default()
		if name != "" {
			data, err := os.ReadFile("../tokenizer/testdata/reference/" + name + ".json")
			require.NoError(t, err)
			by, err = tokenizer.Load(name, data)
			require.NoError(t, err)
			words, err := by.Words()
			require.NoError(t, err)
			s.Words = &words
		}
		once, err := s.Probe(16, 1)
		require.NoError(t, err)
		assert.Equal(t, []int{16, 16, 1, 0}, []int{tokens(t, by, once), once.ISL, once.OSL, once.ClientISL}, name)
		twice, err := s.Probe(16, 2)
		require.NoError(t, err)
		assert.Equal(t, []int{32, 32}, []int{tokens(t, by, twice), twice.ISL}, name)
		assert.Equal(t, prompt(t, once)+" "+prompt(t, once), prompt(t, twice), name)
		assert.NotEqual(t, once.ID, twice.ID)
	}
	s := spec()
	s.Lengths, s.Prefixes = workload.Normal(500, 9, 16), workload.Prefixes{System: 100, Length: 300}
	s.Extra = map[string]any{"chat_template_kwargs": map[string]any{"enable_thinking": false}}
	r, err := s.Probe(3, 2)
	require.NoError(t, err)
	assert.Equal(t, 12, r.ISL, "the system message is the same text")
	var body struct {
		Messages  []struct{ Role, Content string }
		MaxTokens int `json:"max_tokens"`
		Kwargs    any `json:"chat_template_kwargs"`
	}
	require.NoError(t, json.Unmarshal(r.Body, &body))
	require.Len(t, body.Messages, 2)
	assert.Equal(t, []string{"system", "user"}, []string{body.Messages[0].Role, body.Messages[1].Role})
	assert.Equal(t, body.Messages[0].Content, body.Messages[1].Content)
	assert.Equal(t, 1, body.MaxTokens)
	assert.NotNil(t, body.Kwargs, "which may change the template")
	first := prompt(t, level(t, spec(), "c1", 0, 0, 1).Render(record.Profiling, 0))
	probe, err := spec().Probe(16, 1)
	require.NoError(t, err)
	assert.NotEqual(t, strings.Fields(first)[0], strings.Fields(prompt(t, probe))[0])
	s.Extra = map[string]any{"messages": 1}
	_, err = s.Probe(16, 1)
	assert.ErrorContains(t, err, "has no prompt")
}

// TestLengthsAsTheServerCounts: prompts are shorter by the template, and nothing else changes.
func TestLengthsAsTheServerCounts(t *testing.T) {
	for _, shared := range []workload.Prefixes{{}, {System: 5}, {Length: 9}, {Ratio: 0.25, Pool: 3}} {
		client := spec()
		client.Prefixes = shared
		server := client
		server.ServerISL, server.Template = true, 7
		other := server
		other.Template = 0
		a, b, c := level(t, client, "c1", 0, 2, 40), level(t, server, "c1", 0, 2, 40), level(t, other, "c1", 0, 2, 40)
		drawn, counted := all(a), all(b)
		planned := 0
		for i, r := range counted {
			assert.Equal(t, []int{drawn[i].ISL, drawn[i].ISL - 7, drawn[i].OSL}, []int{r.ISL, r.ClientISL, r.OSL})
			assert.Equal(t, drawn[i].ID, r.ID)
			var body struct{ Messages []struct{ Content string } }
			require.NoError(t, json.Unmarshal(r.Body, &body))
			said := 0
			for _, m := range body.Messages {
				said += len(strings.Fields(m.Content))
			}
			assert.Equal(t, r.ClientISL, said, shared)
			planned += r.Shared
		}
		assert.Equal(t, planned, b.Shared())
		assert.Equal(t, fingerprintOf(t, b), fingerprintOf(t, c), "a template is the server's, and not of the work")
		assert.NotEqual(t, fingerprintOf(t, a), fingerprintOf(t, b))
		wantPrompts, wantAnswers := a.Tokens(record.Profiling)
		prompts, answers := b.Tokens(record.Profiling)
		assert.Equal(t, []int{wantPrompts, wantAnswers}, []int{prompts, answers})
		mean := 0
		for _, r := range counted {
			mean += len(r.Body)
		}
		assert.InEpsilon(t, mean/len(counted), b.MeanBody(), 0.1)
	}
	s := spec()
	s.Lengths, s.ServerISL, s.Template = workload.Normal(7, 0, 1), true, 7
	_, err := s.Level("c1", 0, 0, 1)
	assert.ErrorContains(t, err, `isl-counts "server": a prompt of 7 tokens was drawn, and the server adds 7 to each`)
	s.Template = 6
	assert.Len(t, strings.Fields(prompt(t, level(t, s, "c1", 0, 0, 1).Render(record.Profiling, 0))), 1)
}

func fingerprintOf(t *testing.T, l *workload.Level) string {
	t.Helper()
	f, err := l.Fingerprint(workload.ClosedLoop)
	require.NoError(t, err)
	return f
}
