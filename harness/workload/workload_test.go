package workload_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/tokenizer"
	"github.com/llmsweep/llmsweep/harness/workload"
)

var update = flag.Bool("update", false, "write the golden values")

func spec() workload.Spec {
	return workload.Spec{Model: "m", Lengths: workload.Normal(50, 10, 16), Seed: 100, Nonce: 7, Compat: workload.CompatLLM}
}

func level(t testing.TB, s workload.Spec, name string, serial, warmup, requests int) *workload.Level {
	t.Helper()
	l, err := s.Level(name, serial, warmup, requests)
	require.NoError(t, err)
	return l
}

// counted are the tokens of a text by the embedded tokenizer.
func counted(t testing.TB, text string) int {
	t.Helper()
	n, err := tokenizer.Default().Count(text)
	require.NoError(t, err)
	return n
}

// all renders a level, warm-up first.
func all(l *workload.Level) []*workload.Request {
	var requests []*workload.Request
	for _, phase := range []record.Phase{record.Warmup, record.Profiling} {
		for i := range l.Len(phase) {
			requests = append(requests, l.Render(phase, i))
		}
	}
	return requests
}

type message struct{ Role, Content string }

func messages(t testing.TB, r *workload.Request) []message {
	t.Helper()
	var body struct{ Messages []message }
	require.NoError(t, json.Unmarshal(r.Body, &body))
	return body.Messages
}

func prompt(t testing.TB, r *workload.Request) string {
	t.Helper()
	m := messages(t, r)
	require.Len(t, m, 1)
	require.Equal(t, "user", m[0].Role)
	return m[0].Content
}

func TestSameSpecSameBytes(t *testing.T) {
	first, again := all(level(t, spec(), "c5", 10, 3, 40)), all(level(t, spec(), "c5", 10, 3, 40))
	assert.Equal(t, first, again)
	l := level(t, spec(), "c5", 10, 3, 40)
	assert.Equal(t, first[42], l.Render(record.Profiling, 39), "in any order")
	assert.Equal(t, first[2], l.Render(record.Warmup, 2))
	assert.Equal(t, []int{12, 13}, []int{first[2].Serial, first[3].Serial}, "numbers of the run go on from warm-up to measurement")
	assert.Equal(t, []int{2, 0}, []int{first[2].Index, first[3].Index})
}

// TestBytesStayAsTheyAre: a run that is resumed by a later version sends what was sent before.
func TestBytesStayAsTheyAre(t *testing.T) {
	h := sha256.New()
	for _, r := range all(level(t, spec(), "c5", 10, 3, 40)) {
		fmt.Fprintf(h, "%s %s %s\n", r.Body, r.ID, r.Traceparent)
	}
	golden(t, "testdata/bytes.txt", hex.EncodeToString(h.Sum(nil)))
}

func TestNonceChangesTextAlone(t *testing.T) {
	other := spec()
	other.Nonce++
	a, b := all(level(t, spec(), "c5", 0, 2, 30)), all(level(t, other, "c5", 0, 2, 30))
	for i := range a {
		require.Equal(t, a[i].ISL, b[i].ISL)
		require.NotEqual(t, prompt(t, a[i]), prompt(t, b[i]))
		require.NotEqual(t, a[i].ID, b[i].ID)
	}
}

func TestOneStreamEach(t *testing.T) {
	a, b := all(level(t, spec(), "c5", 0, 0, 20)), all(level(t, spec(), "c5", 0, 4, 40))
	for i, r := range a {
		assert.Equal(t, r.ISL, b[4+i].ISL, "neither warm-up nor more requests shift a length")
	}
	c := all(level(t, spec(), "c6", 0, 0, 20))
	different := 0
	for i, r := range a {
		if r.ISL != c[i].ISL {
			different++
		}
	}
	assert.Greater(t, different, 10, "levels draw their own lengths")
}

// TestNoTwoPromptsBeginAlike over a whole run: several levels, warm-up included, more requests than there are first words, and
// nonces at the ends of their range.
func TestNoTwoPromptsBeginAlike(t *testing.T) {
	words, err := tokenizer.Default().Words()
	require.NoError(t, err)
	first := words.First
	for _, nonce := range []uint64{0, 1, 1 << 47, math.MaxUint64 - 3, math.MaxUint64} {
		s := spec()
		s.Lengths, s.Nonce = workload.Normal(3, 0, 16), nonce
		seen := map[string]int{}
		serial := 0
		for _, requests := range []int{10, 40, 2*len(first) + 5} {
			l := level(t, s, fmt.Sprintf("c%d", requests), serial, 7, requests)
			for _, r := range all(l) {
				words := strings.Fields(prompt(t, r))
				start := words[0] + " " + words[1]
				other, twice := seen[start]
				require.False(t, twice, "nonce %d: requests %d and %d begin with %q", nonce, other, r.Serial, start)
				seen[start] = r.Serial
			}
			serial += 7 + requests
		}
		require.Len(t, seen, serial)
	}
}

func TestPromptHasExactlyISLTokens(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	lengths := []int{1, 2, 3, 10_000}
	for range 60 {
		lengths = append(lengths, 1+r.IntN(3000))
	}
	for i, isl := range lengths {
		s := spec()
		s.Lengths, s.Nonce = workload.Normal(isl, 0, 16), r.Uint64()
		request := level(t, s, "c1", i*1000, 0, 1).Render(record.Profiling, 0)
		require.Equal(t, isl, request.ISL, "std 0")
		require.Equal(t, isl, tokens(t, tokenizer.Default(), request))
	}
	for _, request := range all(level(t, spec(), "c9", 0, 5, 100)) {
		require.Equal(t, request.ISL, tokens(t, tokenizer.Default(), request), "std 10")
	}
}

func tokens(t *testing.T, by *tokenizer.BPE, request *workload.Request) int {
	n, err := by.Count(prompt(t, request))
	require.NoError(t, err)
	return n
}

// TestPromptsOfATokenizer have their length by it, and begin differently, however few its words are.
func TestPromptsOfATokenizer(t *testing.T) {
	for _, name := range []string{"gpt2", "llama3", "qwen", "o200k", "deepseek", "deepseekcoder", "llama2", "gemma", "metaspace"} {
		data, err := os.ReadFile("../tokenizer/testdata/reference/" + name + ".json")
		require.NoError(t, err)
		by, err := tokenizer.Load(name, data)
		require.NoError(t, err)
		words, err := by.Words()
		require.NoError(t, err)
		s := spec()
		s.Words = &words
		for i, isl := range []int{1, 2, 3, 500, 5000} {
			s.Lengths = workload.Normal(isl, isl/10, 16)
			s.Prefixes = workload.Prefixes{}
			for _, request := range all(level(t, s, "c1", i*1000, 5, 20)) {
				require.Equal(t, request.ISL, tokens(t, by, request), name)
			}
			if s.Prefixes = (workload.Prefixes{Pool: 3, Length: 7}); isl < 10 || len(words.Heads()) == 0 {
				continue
			}
			for _, request := range all(level(t, s, "c1", i*1000, 5, 20)) {
				require.Equal(t, request.ISL, tokens(t, by, request), "%s: joined to a prefix", name)
			}
		}
	}
}

func TestFewWordsNumberAllPrompts(t *testing.T) {
	s := spec()
	s.Lengths, s.Nonce = workload.Normal(12, 0, 16), 1<<63+5
	s.Words = &tokenizer.WordList{First: []string{"a", "b", "c"}, Rest: []string{"x", "y", "z", "w", "v"}}
	seen := map[string]bool{}
	for _, request := range all(level(t, s, "c1", 0, 0, 20_000)) {
		seen[prompt(t, request)] = true
	}
	assert.Len(t, seen, 20_000)
}

func TestLengthsAreNormal(t *testing.T) {
	s := spec()
	s.Lengths = workload.Normal(2000, 10, 16)
	l := level(t, s, "c1", 0, 0, 10_000)
	var sum, squares float64
	within := 0
	for i := range l.Len(record.Profiling) {
		d := float64(l.Render(record.Profiling, i).ISL - 2000)
		sum, squares = sum+d, squares+d*d
		if math.Abs(d) <= 10 {
			within++
		}
	}
	mean, std := sum/1e4, math.Sqrt(squares/1e4)
	assert.InDelta(t, 0, mean, 0.4, "4 standard errors of 0.1")
	assert.InDelta(t, 10, std, 0.3, "4 standard errors of 0.07")
	assert.InDelta(t, 0.7063, float64(within)/1e4, 0.02, "share within one deviation: |z| < 1.05, since lengths are rounded")
}

// TestLengthsAreRounded: a bias of a tenth of a token shows where the deviation is small.
func TestLengthsAreRounded(t *testing.T) {
	s := spec()
	s.Lengths = workload.Normal(100, 1, 16)
	sum := 0.0
	for _, r := range all(level(t, s, "c1", 0, 0, 10_000)) {
		sum += float64(r.ISL - 100)
	}
	assert.InDelta(t, 0, sum/1e4, 0.04, "4 standard errors of 0.01")
}

func TestLengthsStayAboveZero(t *testing.T) {
	s := spec()
	s.Lengths = workload.Normal(1, 50, 16)
	short := 0
	for _, r := range all(level(t, s, "c1", 0, 0, 2000)) {
		require.GreaterOrEqual(t, r.ISL, 1)
		if r.ISL == 1 {
			short++
		}
	}
	assert.Less(t, short, 100, "drawn again, not clamped to 1: half of all would be")
}

func fields(t *testing.T, s workload.Spec) map[string]any {
	t.Helper()
	var decoded map[string]any
	require.NoError(t, json.Unmarshal(level(t, s, "c1", 0, 0, 1).Render(record.Profiling, 0).Body, &decoded))
	delete(decoded, "messages")
	return decoded
}

func TestBodyFields(t *testing.T) {
	usage := map[string]any{"include_usage": true}
	assert.Equal(t, map[string]any{
		"model": "m", "stream": true, "stream_options": usage, "max_tokens": 16.0, "min_tokens": 16.0, "ignore_eos": true,
	}, fields(t, spec()))

	s := spec()
	s.Compat, s.Model = workload.CompatOpenAI, "a \"b\" <c>\n"
	assert.Equal(t, map[string]any{"model": s.Model, "stream": true, "stream_options": usage, "max_completion_tokens": 16.0}, fields(t, s))

	s = spec()
	s.Extra = map[string]any{"temperature": 0.5, "ignore_eos": false, "nvext": map[string]any{"a": []any{1.0, "x"}}, "big": json.Number("12345678901234567890")}
	got := fields(t, s)
	assert.Equal(t, 0.5, got["temperature"])
	assert.Equal(t, false, got["ignore_eos"], "extra inputs go over our own")
	assert.Equal(t, map[string]any{"a": []any{1.0, "x"}}, got["nvext"])
	assert.Contains(t, string(level(t, s, "c1", 0, 0, 1).Render(record.Profiling, 0).Body), `"big":12345678901234567890`)
	assert.Equal(t, map[string]any{"temperature": 0.5, "ignore_eos": false, "nvext": s.Extra["nvext"], "big": s.Extra["big"]}, s.Extra, "the plan's map is not written to")
}

// TestForms of a request: its route's field has the prompt, and what is for streams is not in one that asks for a document.
func TestForms(t *testing.T) {
	usage := map[string]any{"include_usage": true}
	s := spec()
	s.Completions = true
	text := prompt(t, level(t, spec(), "c1", 0, 0, 1).Render(record.Profiling, 0))
	want := map[string]any{"model": "m", "prompt": text, "stream": true, "stream_options": usage, "max_tokens": 16.0, "min_tokens": 16.0, "ignore_eos": true}
	decode := func() (got map[string]any) {
		require.NoError(t, json.Unmarshal(level(t, s, "c1", 0, 0, 1).Render(record.Profiling, 0).Body, &got))
		return got
	}
	assert.Equal(t, want, decode(), "the same text")
	s.Compat = workload.CompatOpenAI
	assert.Equal(t, map[string]any{"model": "m", "prompt": text, "stream": true, "stream_options": usage, "max_tokens": 16.0}, decode())
	s.Unstreamed = true
	assert.Equal(t, map[string]any{"model": "m", "prompt": text, "stream": false, "max_tokens": 16.0}, decode())
	s.Completions = false
	assert.Equal(t, map[string]any{"model": "m", "stream": false, "max_completion_tokens": 16.0}, fields(t, s))

	s.Completions, s.Extra = true, map[string]any{"prompt": "mine"}
	_, err := s.Level("c1", 0, 0, 1)
	assert.ErrorContains(t, err, `extra input "prompt" replaced it`)
}

func TestUnusableExtraInputs(t *testing.T) {
	s := spec()
	s.Extra = map[string]any{"messages": []any{}}
	_, err := s.Level("c1", 0, 0, 1)
	assert.ErrorContains(t, err, `extra input "messages" replaced it`)
	s.Extra = map[string]any{"f": math.Inf(1)}
	_, err = s.Level("c1", 0, 0, 1)
	assert.ErrorContains(t, err, "encoding the request body")
}

func TestIdentifiers(t *testing.T) {
	ids := map[string]bool{}
	for _, name := range []string{"c1", "c2"} {
		for _, r := range all(level(t, spec(), name, 0, 20, 500)) {
			assert.Regexp(t, `^[0-9a-f]{32}$`, r.ID)
			assert.Regexp(t, `^00-[0-9a-f]{32}-[0-9a-f]{16}-01$`, r.Traceparent)
			parts := strings.Split(r.Traceparent, "-")
			assert.NotEqual(t, strings.Repeat("0", 32), parts[1])
			assert.NotEqual(t, strings.Repeat("0", 16), parts[2])
			for _, id := range []string{r.ID, parts[1], parts[2]} {
				require.False(t, ids[id], "%s is used twice", id)
				ids[id] = true
			}
		}
	}
}

func fingerprint(t *testing.T, s workload.Spec, name string, warmup, requests int) string {
	t.Helper()
	f, err := level(t, s, name, 0, warmup, requests).Fingerprint(workload.ClosedLoop)
	require.NoError(t, err)
	return f
}

// golden holds a value against a file.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got+"\n"), 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, strings.TrimSpace(string(want)), got)
}

// TestFingerprint fixes the value too: runs of different versions of llmsweep are compared by it. Use -update after a change that is
// meant, and raise the number in Fingerprint's first line.
func TestFingerprint(t *testing.T) {
	got := fingerprint(t, spec(), "c5", 2, 15)
	golden(t, "testdata/fingerprint.txt", got)

	for name, change := range map[string]func(*workload.Spec){
		"nonce": func(s *workload.Spec) { s.Nonce = 99 },
		"model": func(s *workload.Spec) { s.Model = "other" },
	} {
		s := spec()
		change(&s)
		assert.Equal(t, got, fingerprint(t, s, "c5", 2, 15), name)
	}
	for name, change := range map[string]func(*workload.Spec){
		"isl":    func(s *workload.Spec) { s.Lengths = workload.Normal(51, 10, 16) },
		"std":    func(s *workload.Spec) { s.Lengths = workload.Normal(50, 11, 16) },
		"osl":    func(s *workload.Spec) { s.Lengths = workload.Normal(50, 10, 17) },
		"seed":   func(s *workload.Spec) { s.Seed++ },
		"extra":  func(s *workload.Spec) { s.Extra = map[string]any{"temperature": 1} },
		"compat": func(s *workload.Spec) { s.Compat = workload.CompatOpenAI },
		"route":  func(s *workload.Spec) { s.Completions = true },
		"stream": func(s *workload.Spec) { s.Unstreamed = true },
		"counts": func(s *workload.Spec) { s.ServerISL = true },
	} {
		s := spec()
		change(&s)
		assert.NotEqual(t, got, fingerprint(t, s, "c5", 2, 15), name)
	}
	assert.NotEqual(t, got, fingerprint(t, spec(), "c6", 2, 15), "level")
	assert.NotEqual(t, got, fingerprint(t, spec(), "c5", 3, 15), "warm-up")
	assert.NotEqual(t, got, fingerprint(t, spec(), "c5", 2, 16), "count")
}

func TestCombine(t *testing.T) {
	want := workload.Combine([]string{"a", "b"})
	assert.Len(t, want, 64)
	for _, other := range [][]string{{"b", "a"}, {"a"}, {"ab"}, {"a", "b", ""}, nil} {
		assert.NotEqual(t, want, workload.Combine(other), "%q", other)
	}
}

func BenchmarkRender(b *testing.B) {
	s := spec()
	s.Lengths = workload.Normal(2000, 10, 16)
	l := level(b, s, "c1", 0, 0, 1000)
	b.SetBytes(int64(len(l.Render(record.Profiling, 0).Body)))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		l.Render(record.Profiling, i%1000)
	}
}
