package harness_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/tokenizer"
)

const smallQwen = "harness/tokenizer/testdata/reference/qwen.json" // from the module's root, as a user writes it

// find resolves flags and finds the tokenizer, with nothing of this machine's environment.
func find(t *testing.T, env map[string]string, args ...string) (*harness.Plan, error) {
	t.Helper()
	plan := planOf(t, env, append([]string{"-benchmark-name=x", "-output-dir=" + t.TempDir(), "-concurrencies=1"}, args...)...)
	return plan, plan.FindTokenizer(t.Context(), func(name string) string { return env[name] }, nil)
}

// offline is an environment with an empty cache, and nothing to download from.
func offline(t *testing.T) map[string]string {
	return map[string]string{"HF_HOME": t.TempDir(), "HF_HUB_OFFLINE": "1"}
}

func TestTokenizerOfAFile(t *testing.T) {
	dir := t.TempDir()
	data, err := os.ReadFile("tokenizer/testdata/reference/qwen.json")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "tokenizer.json"), data, 0o600))
	for _, from := range []string{smallQwen, dir, filepath.Join(dir, "tokenizer.json")} {
		plan, err := find(t, offline(t), "-tokenizer="+from)
		require.NoError(t, err)
		assert.Equal(t, from, plan.Tokenizer)
		assert.Len(t, plan.TokenizerSHA256, 64)
		assert.NotEqual(t, tokenizer.Default().SHA256(), plan.TokenizerSHA256)
		assert.False(t, plan.TokenizerApproximate)
		assert.Empty(t, plan.Warnings())
	}
}

// TestTokenizerOfAModel: by default it is the model's, from the cache of Hugging Face's library.
func TestTokenizerOfAModel(t *testing.T) {
	env := offline(t)
	folder := filepath.Join(env["HF_HOME"], "hub", "models--Org--M")
	data, err := os.ReadFile("tokenizer/testdata/reference/llama3.json")
	require.NoError(t, err)
	for path, content := range map[string][]byte{"refs/main": []byte("abc"), "snapshots/abc/tokenizer.json": data} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(folder, path)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(folder, path), content, 0o600))
	}
	for _, args := range [][]string{{"-endpoint=server", "-model=Org/M"}, {"-tokenizer=Org/M"}} {
		plan, err := find(t, env, args...)
		require.NoError(t, err)
		assert.Equal(t, "Org/M", plan.Tokenizer)
		assert.Len(t, plan.TokenizerSHA256, 64)
	}
}

// TestNamedTokenizerMustBeHad: what the user asked for is had, or nothing runs.
func TestNamedTokenizerMustBeHad(t *testing.T) {
	empty := t.TempDir()
	broken := filepath.Join(empty, "broken.json")
	require.NoError(t, os.WriteFile(broken, []byte(`{"model":{"type":"Unigram"}}`), 0o600))
	for from, want := range map[string]string{
		"Org/Missing":      `tokenizer "Org/Missing": tokenizer.json of "Org/Missing" is not in the cache`,
		empty:              fmt.Sprintf("tokenizer %q: the folder has no tokenizer.json", empty),
		"/nowhere/at/all":  "no such file or directory",
		"./nowhere":        "no such file or directory",
		"nowhere.json":     "no such file or directory",
		"no model at all!": "is no id of a model on the Hub",
		broken:             `model "Unigram" is not supported`,
		"harness/tokenizer/testdata/reference/mistral.json": "prompts of an exact length need 16",
	} {
		_, err := find(t, offline(t), "-tokenizer="+from)
		require.ErrorContains(t, err, want)
		assert.Equal(t, 1, strings.Count(err.Error(), fmt.Sprintf("tokenizer %q: ", from)), "%v", err)
		assert.ErrorContains(t, err, `; name a tokenizer.json, its folder or an id of the Hub, or "server" to ask that for its own`)
	}
	plan := planOf(t, nil, "-tokenizer="+smallQwen, "-output-dir="+empty)
	_, err := harness.Open(t.Context(), plan, harness.Output{})
	assert.ErrorContains(t, err, "was not looked for", "lengths would be by another")
}

// TestStandIn: where the model's own cannot be had, the embedded one has its place, and says so.
func TestStandIn(t *testing.T) {
	for model, want := range map[string]string{
		"Qwen/Qwen3-0.6B": "cl100k, Qwen digit rule (embedded default), approximate", "meta-llama/Llama-3-8B": "cl100k (embedded), approximate", "/models/mine": "cl100k (embedded), approximate",
	} {
		plan, err := find(t, offline(t), "-endpoint=server", "-model="+model)
		require.NoError(t, err)
		assert.Equal(t, want, plan.Tokenizer)
		assert.Equal(t, tokenizer.Default().SHA256(), plan.TokenizerSHA256)
		assert.True(t, plan.TokenizerApproximate)
		require.Len(t, plan.Warnings(), 1)
		assert.Contains(t, plan.Warnings()[0], fmt.Sprintf("the tokenizer of %q could not be had (", model))
		assert.Contains(t, plan.Warnings()[0], "lengths are by "+want)
	}
}

// TestNothingToFind: without an endpoint the tokenizer is the embedded one, as ever, and nobody looks for another.
func TestNothingToFind(t *testing.T) {
	for _, args := range [][]string{{}, {"-tokenizer=embedded"}, {"-endpoint=server", "-tokenizer=embedded"}, {"-arm=a=mock:"}} {
		plan := planOf(t, nil, append(args, "-benchmark-name=x")...)
		require.NoError(t, plan.FindTokenizer(t.Context(), func(string) string { panic("nothing is asked of the environment") }, nil))
		assert.Equal(t, tokenizer.Default().Name(), plan.Tokenizer)
		assert.False(t, plan.TokenizerApproximate)
		assert.Empty(t, plan.Warnings())
	}
}

// A counting server serves /tokenize by a tokenizer, and answers with a text, with usage or without.
type countingServer struct {
	*httptest.Server
	by      *tokenizer.BPE
	calls   atomic.Int32
	usage   bool
	llamacc bool // it answers as llama.cpp does
}

const spoken = "the latency of a request, measured 12345 times"

func newCountingServer(t *testing.T, file string) *countingServer {
	data, err := os.ReadFile("tokenizer/testdata/reference/" + file + ".json")
	require.NoError(t, err)
	s := &countingServer{}
	s.by, err = tokenizer.Load(file, data)
	require.NoError(t, err)
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *countingServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Model, Prompt, Content string
		Special                bool `json:"add_special_tokens"`
		Messages               []struct{ Content string }
	}
	if data, _ := io.ReadAll(r.Body); len(data) > 0 && json.Unmarshal(data, &body) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	switch r.URL.Path {
	case "/v1/models":
		fmt.Fprint(w, list("m"))
	case "/tokenize":
		s.calls.Add(1)
		ids, _ := s.by.Encode(nil, body.Prompt)
		switch {
		case body.Special || body.Model != "m" || body.Content != body.Prompt:
			w.WriteHeader(http.StatusBadRequest)
		case s.llamacc:
			_ = json.NewEncoder(w).Encode(map[string]any{"tokens": ids})
		default:
			_ = json.NewEncoder(w).Encode(map[string]any{"count": len(ids), "tokens": ids, "max_model_len": 9})
		}
	case "/v1/chat/completions":
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":%q}}]}\n\n", spoken)
		if s.usage {
			n, _ := s.by.Count(body.Messages[0].Content)
			out, _ := s.by.Count(spoken)
			fmt.Fprintf(w, "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":%d,\"completion_tokens\":%d}}\n\n", n+10, out)
		}
		fmt.Fprint(w, "data: [DONE]\n\n")
	default:
		http.NotFound(w, r)
	}
}

// measure runs the only level of a plan and returns its samples and its run.json.
func measure(t *testing.T, plan *harness.Plan) ([]*record.Sample, *record.Run, string) {
	t.Helper()
	sweep, err := harness.Open(t.Context(), plan, harness.Output{})
	require.NoError(t, err)
	defer sweep.Close()
	require.NoError(t, sweep.Ready(t.Context()))
	level := sweep.Levels()[0]
	l, err := sweep.RunLevel(t.Context(), level)
	require.NoError(t, err)
	require.Equal(t, record.Done, l.Status, l.Reason)
	var samples []*record.Sample
	_, err = record.ReadLog(filepath.Join(sweep.LevelDir(level), record.LogFile), func(s *record.Sample) error {
		samples = append(samples, s)
		return nil
	})
	require.NoError(t, err)
	return samples, stored(t, sweep), filepath.Join(sweep.LevelDir(level), record.InputsFile)
}

// requirePrompts checks that every prompt has so many tokens.
func requirePrompts(t *testing.T, by *tokenizer.BPE, inputs string, want int) {
	t.Helper()
	var bodies struct {
		Data []struct {
			Payloads []struct{ Messages []struct{ Content string } }
		}
	}
	require.NoError(t, record.ReadJSON(inputs, &bodies))
	require.NotEmpty(t, bodies.Data)
	for _, d := range bodies.Data {
		n, err := by.Count(d.Payloads[0].Messages[0].Content)
		require.NoError(t, err)
		require.Equal(t, want, n)
	}
}

func (s *countingServer) args(more ...string) []string {
	if !slices.ContainsFunc(more, func(arg string) bool { return strings.HasPrefix(arg, "-input-file=") }) {
		more = append(more, "-isl=333", "-std=0")
	}
	return append([]string{"-endpoint=" + s.URL, "-model=m", "-osl=9", "-request-count=12", "-wait-ready=10s"}, more...)
}

// TestServerCounts: with -tokenizer=server its /tokenize route makes the prompts' lengths and counts the answers, in few calls.
func TestServerCounts(t *testing.T) {
	for _, llamacc := range []bool{false, true} {
		s := newCountingServer(t, "llama3")
		s.llamacc = llamacc
		plan, err := find(t, offline(t), s.args("-tokenizer=server")...)
		require.NoError(t, err)
		samples, run, inputs := measure(t, plan)
		assert.Equal(t, "the server's /tokenize route", run.Plan.Tokenizer)
		assert.Empty(t, run.Plan.TokenizerSHA256)
		requirePrompts(t, s.by, inputs, 333)
		osl, err := s.by.Count(spoken)
		require.NoError(t, err)
		for _, x := range samples {
			assert.Equal(t, record.Counted{ISL: 333, OSL: osl, Source: record.FromTokenizer}, x.Counted)
		}
		require.Len(t, samples, 12)
		assert.Less(t, s.calls.Load(), int32(3000), "this vocabulary of 1,800 tokens is the worst case")
	}
}

// TestServedWordsOfATrace: texts that are put behind others have their length by the server's words, though lengths are drawn before it is asked.
func TestServedWordsOfATrace(t *testing.T) {
	s := newCountingServer(t, "llama2")
	trace := filepath.Join(t.TempDir(), "trace.jsonl")
	require.NoError(t, os.WriteFile(trace, []byte(strings.Repeat(`{"input_length":700,"hash_ids":[1,2],"output_length":5}`+"\n", 12)), 0o600))
	plan, err := find(t, offline(t), s.args("-tokenizer=server", "-input-file="+trace)...)
	require.NoError(t, err)
	samples, _, inputs := measure(t, plan)
	requirePrompts(t, s.by, inputs, 700)
	for _, x := range samples {
		assert.Equal(t, 700, x.Counted.ISL)
	}
}

func TestServerThatDoesNotCount(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/models" {
			fmt.Fprint(w, list("m"))
			return
		}
		http.NotFound(w, r)
	}))
	defer server.Close()
	plan, err := find(t, offline(t), "-endpoint="+server.URL, "-model=m", "-tokenizer=server", "-wait-ready=10s")
	require.NoError(t, err)
	sweep, err := harness.Open(t.Context(), plan, harness.Output{})
	require.NoError(t, err)
	defer sweep.Close()
	assert.ErrorContains(t, sweep.Ready(t.Context()), `tokenizer "server": /tokenize answered 404`)
}

// TestFileCounts: a file makes the prompts and counts the answers of a server that does not.
func TestFileCounts(t *testing.T) {
	s := newCountingServer(t, "qwen")
	plan, err := find(t, offline(t), s.args("-tokenizer="+smallQwen)...)
	require.NoError(t, err)
	samples, run, inputs := measure(t, plan)
	requirePrompts(t, s.by, inputs, 333)
	assert.Equal(t, s.by.SHA256(), run.Plan.TokenizerSHA256)
	osl, err := s.by.Count(spoken)
	require.NoError(t, err)
	for _, x := range samples {
		assert.Equal(t, record.Counted{ISL: 333, OSL: osl, Source: record.FromTokenizer}, x.Counted)
	}
	assert.Zero(t, s.calls.Load())
}

// TestStandInIsCompared: the first answers that the server counts are counted by the embedded tokenizer too.
func TestStandInIsCompared(t *testing.T) {
	s := newCountingServer(t, "llama3")
	s.usage = true
	plan, err := find(t, offline(t), s.args()...)
	require.NoError(t, err)
	samples, run, inputs := measure(t, plan)
	assert.True(t, run.Plan.TokenizerApproximate)
	assert.Contains(t, strings.Join(run.Warnings, "\n"), "lengths are by cl100k (embedded), approximate")
	requirePrompts(t, tokenizer.StandIn("m"), inputs, 333)
	estimate, err := tokenizer.StandIn("m").Count(spoken)
	require.NoError(t, err)
	compared := 0
	for _, x := range samples {
		assert.Equal(t, record.FromServer, x.Counted.Source)
		if x.Counted.Estimate > 0 {
			compared++
			assert.Equal(t, estimate, x.Counted.Estimate)
		}
	}
	assert.GreaterOrEqual(t, compared, 3)
	assert.Less(t, compared, 12, "what the server counts is not kept for ever")
}
