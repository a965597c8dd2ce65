package workload_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/workload"
	"github.com/llmsweep/llmsweep/harness/workload/dataset"
)

func fromFile(t testing.TB, format dataset.Format, lines ...string) workload.Spec {
	t.Helper()
	content := strings.Join(lines, "\n")
	d, err := dataset.Read("f", strings.NewReader(content), int64(len(content)), format)
	require.NoError(t, err)
	s := spec()
	s.Source = &workload.Source{Records: d, Format: format, SHA256: d.SHA256, Sampling: dataset.Sequential}
	return s
}

// asked are the bodies of a level, without what every body has, and the lengths of prompts and answers.
func asked(t testing.TB, s workload.Spec, requests int) (bodies []string, lengths [][2]int) {
	t.Helper()
	for _, r := range all(level(t, s, "c1", 0, 0, requests)) {
		require.NoError(t, r.Err)
		var body map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(r.Body, &body))
		assert.JSONEq(t, `"m"`, string(body["model"]))
		assert.JSONEq(t, `true`, string(body["stream"]))
		for _, key := range []string{"model", "stream", "stream_options", "ignore_eos", "min_tokens"} {
			delete(body, key)
		}
		text, err := json.Marshal(body)
		require.NoError(t, err)
		bodies, lengths = append(bodies, string(text)), append(lengths, [2]int{r.ISL, r.OSL})
	}
	return bodies, lengths
}

func TestSourceOfTexts(t *testing.T) {
	s := fromFile(t, dataset.SingleTurn,
		`{"text": "What is <deep> \"learning\"?", "output_length": 40}`,
		`{"texts": ["Hello", "world"], "role": "system"}`,
		`{"text": "Hi", "extra": {"temperature": 0.5, "top_p": 1, "ignore_eos": false}}`,
	)
	s.Extra = map[string]any{"temperature": 1, "user": "u"}
	bodies, lengths := asked(t, s, 3)
	assert.JSONEq(t, `{"max_tokens": 40, "messages": [{"role": "user", "content": "What is <deep> \"learning\"?"}], "temperature": 1, "user": "u"}`, bodies[0])
	assert.JSONEq(t, `{"max_tokens": 16, "messages": [{"role": "system", "content": [{"type": "text", "text": "Hello"}, {"type": "text", "text": "world"}]}], "temperature": 1, "user": "u"}`, bodies[1])
	assert.JSONEq(t, `{"max_tokens": 16, "messages": [{"role": "user", "content": "Hi"}], "temperature": 0.5, "top_p": 1, "user": "u"}`, bodies[2], "a record's fields go over those of the plan")
	assert.Contains(t, string(level(t, s, "c1", 0, 0, 1).Render(record.Profiling, 0).Body), `"What is <deep> \"learning\"?"`, "as it stands in the file")
	count := func(text string) int { return counted(t, text) }
	assert.Equal(t, [][2]int{{count(`What is <deep> "learning"?`), 40}, {count("Hello world"), 16}, {1, 16}}, lengths)
}

func TestSourceOfMessages(t *testing.T) {
	const messages = `[{"role": "system", "content": "Be brief."}, {"role": "user", "content": [{"type": "text", "text": "Hi there"}, {"type": "other"}]}, {"role": "tool"}]`
	s := fromFile(t, dataset.Mooncake, `{"messages": `+messages+`, "tools": [{"type": "function"}], "output_length": 7}`)
	bodies, lengths := asked(t, s, 1)
	assert.JSONEq(t, `{"max_tokens": 7, "messages": `+messages+`, "tools": [{"type": "function"}]}`, bodies[0])
	assert.Equal(t, [][2]int{{counted(t, "Be brief. Hi there"), 7}}, lengths)
}

// TestSourceOfBodies: they are sent byte for byte, whatever the plan says.
func TestSourceOfBodies(t *testing.T) {
	lines := []string{
		`{ "model":"x",  "messages":[{"role":"user","content":"one two"}], "max_tokens":9, "stream":true }`,
		`{"model":"x","prompt":["one","two three"],"stream":true}`,
	}
	for i, line := range lines {
		s := fromFile(t, dataset.RawPayload, line)
		s.Extra = map[string]any{"temperature": 1}
		s.Completions = i == 1
		r := level(t, s, "c1", 0, 0, 1).Render(record.Profiling, 0)
		assert.Equal(t, line, string(r.Body))
		assert.Equal(t, []int{2 + i, 9 - 9*i}, []int{r.ISL, r.OSL})
	}
}

func TestSourceOfConversations(t *testing.T) {
	s := fromFile(t, dataset.ShareGPT, `{"conversations": [{"from": "human", "value": "Why?"}, {"from": "gpt", "value": "one two three"}]}`)
	bodies, lengths := asked(t, s, 1)
	assert.JSONEq(t, `{"max_tokens": 3, "messages": [{"role": "user", "content": "Why?"}]}`, bodies[0], "as long an answer as the recorded one")
	assert.Equal(t, [][2]int{{2, 3}}, lengths)
}

// TestSourceOfBlocks: prompts have exactly the tokens of the trace, and what their hash ids have in common is text in common, to the token.
func TestSourceOfBlocks(t *testing.T) {
	s := fromFile(t, dataset.Mooncake,
		`{"input_length": 1100, "output_length": 5, "hash_ids": [1, 2, 3]}`,
		`{"input_length": 2048, "output_length": 5, "hash_ids": [1, 2, 4, 3]}`,
		`{"input_length": 512, "output_length": 5, "hash_ids": [18446744073709551615]}`,
		`{"input_length": 700, "output_length": 5}`,
		`{"input_length": 700, "output_length": 5}`,
	)
	prompts := func(s workload.Spec) (all []string) {
		l := level(t, s, "c1", 0, 0, 5)
		for i := range 5 {
			r := l.Render(record.Profiling, i)
			text := prompt(t, r)
			require.Equal(t, r.ISL, counted(t, text))
			all = append(all, text)
		}
		return all
	}
	texts := prompts(s)
	words := func(i, from, to int) []string { return strings.Split(texts[i], " ")[from:to] }
	assert.Equal(t, words(0, 0, 1024), words(1, 0, 1024), "two blocks in common")
	assert.NotEqual(t, words(0, 1024, 1030), words(1, 1024, 1030), "then others")
	assert.Equal(t, words(0, 1024, 1100), words(1, 1536, 1612), "a shorter block is the beginning of the whole one")
	assert.NotEqual(t, words(3, 0, 1), words(4, 0, 1), "without ids nothing is in common")
	assert.NotEqual(t, words(0, 0, 1), words(3, 0, 1))
	assert.Equal(t, texts, prompts(s))
	other := s
	other.Nonce++
	assert.NotEqual(t, strings.Fields(texts[0])[0], strings.Fields(prompts(other)[0])[0], "another run has other texts")
}

// TestRunGoesOnInItsFile: levels and their warm-up take one record after the other.
func TestRunGoesOnInItsFile(t *testing.T) {
	s := fromFile(t, dataset.SingleTurn, `{"text": "a"}`, `{"text": "b"}`, `{"text": "c"}`)
	said := func(s workload.Spec, serial, warmup, requests int) (text string) {
		for _, r := range all(level(t, s, "c1", serial, warmup, requests)) {
			text += prompt(t, r)
		}
		return text
	}
	assert.Equal(t, "ab", said(s, 0, 1, 1))
	assert.Equal(t, "cabc", said(s, 2, 2, 2))
	s.Source.Sampling = dataset.Shuffle
	for _, seed := range []uint64{1, 2, 3} {
		s.Seed = seed
		round := said(s, 3, 0, 3)
		assert.Len(t, round, 3)
		for _, text := range []string{"a", "b", "c"} {
			assert.Contains(t, round, text)
		}
	}
	s.Source.Sampling = dataset.Random
	assert.Regexp(t, "a.*a|b.*b|c.*c", said(s, 0, 0, 4))
}

func TestSourceInFingerprint(t *testing.T) {
	make := func() workload.Spec {
		return fromFile(t, dataset.SingleTurn, `{"text": "a"}`, `{"text": "b"}`, `{"text": "c"}`)
	}
	want := fingerprint(t, make(), "c5", 2, 15)
	assert.NotEqual(t, want, fingerprint(t, spec(), "c5", 2, 15))
	for name, change := range map[string]func(*workload.Spec){
		"nonce": func(s *workload.Spec) { s.Nonce = 99 },
		"model": func(s *workload.Spec) { s.Model = "other" },
	} {
		s := make()
		change(&s)
		assert.Equal(t, want, fingerprint(t, s, "c5", 2, 15), name)
	}
	for name, change := range map[string]func(*workload.Spec){
		"file":     func(s *workload.Spec) { s.Source.SHA256 = "x" },
		"format":   func(s *workload.Spec) { s.Source.Format = dataset.RandomPool },
		"sampling": func(s *workload.Spec) { s.Source.Sampling = dataset.Shuffle },
		"extra":    func(s *workload.Spec) { s.Extra = map[string]any{"temperature": 1} },
		"answers":  func(s *workload.Spec) { s.Lengths = workload.Normal(50, 10, 17) },
	} {
		s := make()
		change(&s)
		assert.NotEqual(t, want, fingerprint(t, s, "c5", 2, 15), name)
	}
}

// lost is a file of which some records cannot be read.
type lost struct {
	dataset.Dataset
	from int
}

func (l *lost) Len() int { return 100 }

func (l *lost) Entry(i int) (*dataset.Entry, error) {
	if i >= l.from {
		return nil, errors.New("f:9: the file has changed")
	}
	return &dataset.Entry{Texts: []string{"a"}}, nil
}

func TestSourceThatIsLost(t *testing.T) {
	s := spec()
	file := &lost{from: 3}
	s.Source = &workload.Source{Records: file}
	_, err := s.Level("c1", 0, 0, 4)
	require.EqualError(t, err, "level c1: f:9: the file has changed")
	l := level(t, s, "c1", 0, 0, 3)
	file.from = 2
	require.NoError(t, l.Render(record.Profiling, 1).Err)
	r := l.Render(record.Profiling, 2)
	require.EqualError(t, r.Err, "f:9: the file has changed")
	assert.Nil(t, r.Body)
}

func TestSourceHasNoPlaceForPrefixes(t *testing.T) {
	s := fromFile(t, dataset.SingleTurn, `{"text": "a"}`)
	s.Prefixes.System = 5
	assert.ErrorContains(t, s.Validate(), "input-file: its prompts cannot share prefixes")
}

func TestTimestamps(t *testing.T) {
	s := fromFile(t, dataset.SingleTurn, `{"text": "a", "timestamp": 5}`, `{"text": "b", "timestamp": 7.5}`, `{"text": "c", "timestamp": 0}`, `{"text": "d"}`)
	s.Source.Name = "f"
	l := level(t, s, "c1", 0, 1, 2)
	for phase, want := range map[record.Phase][]time.Duration{record.Warmup: {5 * time.Millisecond}, record.Profiling: {7500 * time.Microsecond, 0}} {
		got, err := l.Timestamps(phase)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	_, err := level(t, s, "c1", 0, 1, 3).Timestamps(record.Profiling)
	require.EqualError(t, err, "f:4: it has no timestamp")
	_, err = level(t, spec(), "c1", 0, 1, 3).Timestamps(record.Profiling)
	assert.EqualError(t, err, "there are no timestamps without -input-file")
}

func TestMeanBodyOfASource(t *testing.T) {
	s := fromFile(t, dataset.RawPayload, `{"stream":true,"prompt":"1234"}`, `{"stream":true,"prompt":"123456"}`)
	s.Completions = true
	assert.Equal(t, len(`{"stream":true,"prompt":"12345"}`), level(t, s, "c1", 0, 0, 2).MeanBody())
	assert.Zero(t, level(t, s, "c1", 0, 1, 0).MeanBody())
}

// TestSourceIsCountedByTheTokenizer that lengths are in, and not by the embedded one.
func TestSourceIsCountedByTheTokenizer(t *testing.T) {
	s := fromFile(t, dataset.ShareGPT, `[{"conversations": [{"from": "human", "value": "four"}, {"from": "gpt", "value": "to six"}]}]`)
	s.Count = func(text string) (int, error) { return len(text), nil }
	_, lengths := asked(t, s, 1)
	assert.Equal(t, [][2]int{{4, 6}}, lengths)
	for _, failing := range []string{"four", "to six"} {
		s.Count = func(text string) (int, error) {
			if text == failing {
				return 0, errors.New("it takes too long")
			}
			return 1, nil
		}
		_, err := s.Level("c1", 0, 0, 1)
		require.ErrorContains(t, err, "counting its tokens: it takes too long")
	}
}
