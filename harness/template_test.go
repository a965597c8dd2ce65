package harness_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/mockserver/memnet"
)

// templated is a server with a chat template, which takes 5 ms for an answer.
type templated struct {
	template func(request int) int          // tokens that it adds to the prompt of a request, which are numbered from 0
	count    func(word string) int          // tokens of a word; nil: one
	silent   bool                           // it reports no usage
	instead  func(http.ResponseWriter) bool // answers the first request otherwise; nil: as all others

	mu      sync.Mutex
	prompts []string // in order
	limits  []int    // of their answers
}

func adding(n int) func(int) int { return func(int) int { return n } }

func (s *templated) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/v1/models" {
		fmt.Fprint(w, list("m"))
		return
	}
	if !strings.HasSuffix(r.URL.Path, "/completions") {
		http.NotFound(w, r)
		return
	}
	var body struct {
		Prompt    string
		Messages  []struct{ Content string }
		MaxTokens int `json:"max_tokens"`
	}
	data, _ := io.ReadAll(r.Body)
	if json.Unmarshal(data, &body) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	said := body.Prompt
	for _, m := range body.Messages {
		said += " " + m.Content
	}
	s.mu.Lock()
	request := len(s.prompts)
	s.prompts, s.limits = append(s.prompts, said), append(s.limits, body.MaxTokens)
	s.mu.Unlock()
	time.Sleep(5 * time.Millisecond)
	if request == 0 && s.instead != nil && s.instead(w) {
		return
	}
	n := s.template(request)
	for word := range strings.FieldsSeq(said) {
		if s.count == nil {
			n++
		} else {
			n += s.count(word)
		}
	}
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprint(w, `data: {"choices":[{"index":0,"delta":{"content":"word"},"text":"word"}]}`+"\n\n")
	if !s.silent {
		fmt.Fprintf(w, `data: {"choices":[],"usage":{"prompt_tokens":%d,"completion_tokens":%d}}`+"\n\n", n, body.MaxTokens)
	}
	fmt.Fprint(w, "data: [DONE]\n\n")
}

// metered is a sweep of one level in virtual time.
type metered struct {
	err     error // of Ready
	took    time.Duration
	log     string
	run     *record.Run
	level   *record.Level // nil: it did not come to it
	samples []*record.Sample
}

// meter runs the first level of a plan that is not finished against a server. Where find is set the model's tokenizer is looked for, and not found.
func meter(t *testing.T, dir string, server *templated, find bool, args ...string) (got metered) {
	t.Helper()
	args = append([]string{
		"-benchmark-name=x", "-model=m", "-endpoint=server", "-output-dir=" + dir, "-concurrencies=1", "-request-count=12", "-nonce=7",
	}, args...)
	if !strings.Contains(strings.Join(args, " "), "-input-file=") {
		args = append([]string{"-isl=60", "-std=9", "-osl=3"}, args...)
	}
	env := offline(t)
	env["OPENAI_API_KEY"] = "sk-secret"
	plan := planOf(t, env, args...)
	if find {
		require.NoError(t, plan.FindTokenizer(t.Context(), func(name string) string { return env[name] }, nil))
	}
	synctest.Test(t, func(t *testing.T) {
		listener := memnet.Listen("server:80")
		serving := &http.Server{Handler: server}
		var served sync.WaitGroup
		served.Go(func() { assert.ErrorIs(t, serving.Serve(listener), http.ErrServerClosed) })
		var log strings.Builder
		sweep, err := harness.Open(t.Context(), plan, harness.Output{Log: &log})
		require.NoError(t, err)
		defer sweep.Close()
		sweep.Dial = listener.DialContext
		start := time.Now()
		got.err = sweep.Ready(t.Context())
		got.took, got.log = time.Since(start), log.String()
		if got.err == nil && !plan.PreflightOnly {
			level := sweep.Levels()[0]
			if sweep.Finished(level) {
				level = sweep.Levels()[1]
			}
			got.level, err = sweep.RunLevel(t.Context(), level)
			require.NoError(t, err)
			_, err = record.ReadLog(filepath.Join(sweep.LevelDir(level), record.LogFile), func(s *record.Sample) error {
				got.samples = append(got.samples, s)
				return nil
			})
			require.NoError(t, err)
		}
		require.NoError(t, serving.Shutdown(t.Context()))
		served.Wait()
		got.run = stored(t, sweep)
	})
	return got
}

// isls are the lengths of the prompts as the results have them, by request.
func (m *metered) isls() []int {
	all := make([]int, len(m.samples))
	for _, s := range m.samples {
		all[s.Index] = s.Counted.ISL
	}
	return all
}

// TestTemplateIsFound by exactly one request, which takes as long as one. By the client's counts prompts are as they were drawn; by the server's
// they are shorter by what it adds, so that it counts what was drawn.
func TestTemplateIsFound(t *testing.T) {
	var drawn []int
	fingerprints := map[string]bool{}
	for _, c := range []struct {
		adds int
		args []string
		own  int // tokens of the request that finds it
	}{
		{0, nil, 16}, {7, nil, 16}, {23, nil, 16}, {1, nil, 16},
		{23, []string{"-shared-system-prompt-length=9"}, 32}, {23, []string{"-prefix-ratio=0.25", "-prefix-pool=2"}, 16}, {1, []string{"-endpoint-type=completions"}, 16},
	} {
		for _, whose := range []string{"client", "server"} {
			server := &templated{template: adding(c.adds)}
			got := meter(t, t.TempDir(), server, false, append(c.args, "-isl-counts="+whose)...)
			name := fmt.Sprint(c, whose)
			require.NoError(t, got.err, name)
			require.Equal(t, record.Done, got.level.Status, name)
			assert.Equal(t, 5*time.Millisecond, got.took, name)
			assert.Equal(t, &record.Template{Tokens: c.adds, Requests: 1, Spent: int64(c.own + c.adds + 1)}, got.run.Template, name)
			tokens := fmt.Sprintf("%d tokens", c.adds)
			if c.adds == 1 {
				tokens = "1 token"
			}
			assert.Contains(t, got.log, "\ntemplate: the server adds "+tokens+" to a prompt (1 request)\n", name)
			assert.Empty(t, got.level.Warnings, name)

			require.Len(t, server.prompts, 1+12, name)
			assert.Len(t, strings.Fields(server.prompts[0]), c.own, name)
			assert.Equal(t, []int{1, 3, 3}, server.limits[:3], "one token is asked for")
			taken, ours := 0, 0
			if whose == record.ServerISL {
				taken = c.adds
			}
			for _, s := range got.samples {
				if whose == record.ServerISL {
					ours = s.Counted.ISL - c.adds
				}
				assert.Equal(t, ours, s.Counted.ClientISL, name)
				assert.Equal(t, s.Counted.ISL-taken+c.adds, s.Usage.PromptTokens, name)
				assert.Len(t, strings.Fields(server.prompts[1+s.Index]), s.Counted.ISL-taken, name)
			}
			if drawn == nil {
				drawn = got.isls()
			}
			assert.Equal(t, drawn, got.isls(), "lengths are those of the seed: %s", name)
			if c.args == nil {
				fingerprints[whose+" "+got.run.WorkloadSHA256] = true
			}
		}
	}
	assert.Len(t, fingerprints, 2, "whose tokens they are is part of the work, and how many of them the server's template has is not")
}

// TestTemplateByAnotherTokenizer: whatever the server makes of words, it is twice as much of twice the words.
func TestTemplateByAnotherTokenizer(t *testing.T) {
	for _, adds := range []int{0, 7, 23} {
		server := &templated{template: adding(adds), count: func(word string) int { return (len(word) + 2) / 3 }}
		got := meter(t, t.TempDir(), server, true)
		require.NoError(t, got.err)
		assert.Equal(t, 10*time.Millisecond, got.took)
		require.Len(t, server.prompts, 2+12)
		once := strings.TrimSpace(server.prompts[0])
		assert.Equal(t, once+" "+once, strings.TrimSpace(server.prompts[1]))
		tokens := 0
		for word := range strings.FieldsSeq(once) {
			tokens += server.count(word)
		}
		assert.Equal(t, &record.Template{Tokens: adds, Approximate: true, Requests: 2, Spent: int64(3*tokens + 2*adds + 2)}, got.run.Template)
		assert.Contains(t, got.log, fmt.Sprintf("\ntemplate: the server adds about %d tokens to a prompt (2 requests)\n", adds))
		assert.Empty(t, got.level.Warnings, "that it is approximate is said already")
	}
}

// TestTemplateThatIsNotKnown stops no sweep, unless lengths were to be by the server's count.
func TestTemplateThatIsNotKnown(t *testing.T) {
	refuses := func(w http.ResponseWriter) bool {
		fail(w, 503, "busy with sk-secret")
		return true
	}
	hangs := func(http.ResponseWriter) bool {
		time.Sleep(2 * time.Minute)
		return true
	}
	half := func(string) int { return 0 }
	for _, c := range []struct {
		server   *templated
		find     bool
		took     time.Duration
		requests int
		want     string
	}{
		{&templated{template: adding(7), silent: true}, false, 5 * time.Millisecond, 1, "it reports no usage"},
		{&templated{template: adding(7), silent: true}, true, 5 * time.Millisecond, 1, "it reports no usage"},
		{&templated{template: adding(7), instead: refuses}, false, 5 * time.Millisecond, 1, "the request to find it failed: http 503, busy with [redacted]"},
		{&templated{template: adding(7), instead: hangs}, false, time.Minute, 1, "the request to find it failed: request timeout, no answer within 1m0s"},
		{&templated{template: adding(7), count: half}, false, 5 * time.Millisecond, 1, "it counted 7 tokens in a prompt that has 16: the tokenizer is not the server's"},
		{&templated{template: func(i int) int { return 1 + 3*i }, count: half}, true, 10 * time.Millisecond, 2, "it counted 1 tokens in a text, and 4 where it stands twice"},
	} {
		for _, whose := range []string{"client", "server"} {
			server := c.server
			server.prompts, server.limits = nil, nil
			got := meter(t, t.TempDir(), server, c.find, "-isl-counts="+whose)
			assert.Equal(t, c.took, got.took, c.want)
			line := "what the server adds to a prompt is not known: " + c.want
			if whose == record.ServerISL {
				assert.EqualError(t, got.err, `isl-counts "server": `+line+": let the tokenizer count (-isl-counts=client)")
				assert.Nil(t, got.run, "nothing is written")
				assert.Len(t, server.prompts, c.requests)
				continue
			}
			require.NoError(t, got.err)
			assert.Contains(t, got.log, "\ntemplate: "+line+" (")
			assert.Equal(t, c.want, got.run.Template.Unknown)
			assert.Zero(t, got.run.Template.Tokens)
			assert.Equal(t, record.Done, got.level.Status)
			assert.Len(t, server.prompts, c.requests+12)
		}
	}
}

// TestAnswerWithoutContentCounts: of the request only its usage matters.
func TestAnswerWithoutContentCounts(t *testing.T) {
	server := &templated{template: adding(7), instead: func(w http.ResponseWriter) bool {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, `data: {"choices":[],"usage":{"prompt_tokens":23,"completion_tokens":1}}`+"\n\ndata: [DONE]\n\n")
		return true
	}}
	got := meter(t, t.TempDir(), server, false)
	require.NoError(t, got.err)
	assert.Equal(t, &record.Template{Tokens: 7, Requests: 1, Spent: 24}, got.run.Template)
}

// TestTemplateLeavesNothing: a prompt that would be the server's alone is refused before any load, by its length.
func TestTemplateLeavesNothing(t *testing.T) {
	for args, want := range map[string]string{
		"-isl=23 -std=0":                   `level c1: isl-counts "server": a prompt of 23 tokens was drawn, and the server adds 23 to each, so that none were its own: raise the shortest prompt (-isl, -std, -seq-dist), or let the tokenizer count (-isl-counts=client)`,
		"-isl=33 -std=0 -prefix-length=10": `level c1: prefix-length "10": a prompt of 10 tokens was drawn, and 10 would be shared, so that none were its own: shorten it, or raise the shortest prompt (without the 23 that the server adds)`,
	} {
		server := &templated{template: adding(23)}
		got := meter(t, t.TempDir(), server, false, append(strings.Fields(args), "-isl-counts=server")...)
		assert.EqualError(t, got.err, want)
		assert.Nil(t, got.run)
		assert.Len(t, server.prompts, 1)
	}
	got := meter(t, t.TempDir(), &templated{template: adding(23)}, false, "-isl=24", "-std=0", "-isl-counts=server")
	require.NoError(t, got.err)
	for _, s := range got.samples {
		assert.Equal(t, record.Counted{ISL: 24, ClientISL: 1, OSL: 3, Source: record.FromServer}, s.Counted)
	}
}

// TestTokenizerThatIsNotTheServers: what a template adds is the same for all prompts.
func TestTokenizerThatIsNotTheServers(t *testing.T) {
	const name = "cl100k, Qwen digit rule (embedded default)"
	got := meter(t, t.TempDir(), &templated{template: adding(7), count: func(word string) int { return 2 }}, false)
	least, most := 1000, 0
	for _, s := range got.samples {
		least, most = min(least, s.Counted.ISL+7), max(most, s.Counted.ISL+7)
	}
	require.Less(t, least, most)
	assert.Equal(t, []string{fmt.Sprintf("the server counts %d to %d tokens more in a prompt than the tokenizer (%s), which a chat template does not explain: the tokenizer differs from the server's", least, most, name)},
		got.level.Warnings)

	got = meter(t, t.TempDir(), &templated{template: func(i int) int { return 7 + 2*min(i, 1) }}, false)
	assert.Equal(t, []string{"the server counts 9 tokens more in each prompt than the tokenizer (" + name + "), and 7 in the one before the first level: the tokenizer differs from the server's, or its template has changed"},
		got.level.Warnings)
	assert.Empty(t, meter(t, t.TempDir(), &templated{template: func(i int) int { return 7 + i }}, true).level.Warnings, "of an approximate one nothing else is expected")

	file := filepath.Join(t.TempDir(), "prompts.jsonl")
	require.NoError(t, os.WriteFile(file, []byte(strings.Repeat(`{"text":"say it","output_length":3}`+"\n", 12)), 0o600))
	assert.Empty(t, meter(t, t.TempDir(), &templated{template: func(i int) int { return 7 + i }}, false, "-input-file="+file).level.Warnings, "a file's prompts may have more than one message")
}

// TestTemplateOfAResumedRun is the one that was found first.
func TestTemplateOfAResumedRun(t *testing.T) {
	for _, whose := range []string{"client", "server"} {
		dir := t.TempDir()
		first := meter(t, dir, &templated{template: adding(7)}, false, "-concurrencies=1,2", "-isl-counts="+whose)
		require.NoError(t, first.err)
		again := &templated{template: adding(9)}
		second := meter(t, dir, again, false, "-concurrencies=1,2", "-isl-counts="+whose, "-resume")
		require.NoError(t, second.err)
		const warning = "the server adds 9 tokens to a prompt after the resume, and 7 before: its chat template, or its tokenizer, is another one"
		assert.Contains(t, second.log, "template: the server adds 9 tokens to a prompt (1 request)\nwarning: "+warning+"\n")
		assert.Contains(t, second.run.Warnings, warning)
		assert.Equal(t, &record.Template{Tokens: 7, Requests: 2, Spent: 24 + 26}, second.run.Template)
		if whose == record.ServerISL {
			for _, s := range second.samples {
				assert.Equal(t, s.Counted.ClientISL+9, s.Counted.ISL, "what the server counts, though it was drawn otherwise")
				assert.Len(t, strings.Fields(again.prompts[1+s.Index]), s.Counted.ClientISL)
			}
			drawn := meter(t, t.TempDir(), &templated{template: adding(7)}, false, "-concurrencies=2")
			for i, isl := range drawn.isls() {
				assert.Equal(t, isl-7+9, second.isls()[i], "the bodies are those of before the resume")
			}
		}
		other := map[string]string{"client": "server", "server": "client"}[whose]
		_, err := harness.Open(t.Context(), planOf(t, nil, "-benchmark-name=x", "-model=m", "-endpoint=server", "-output-dir="+dir, "-concurrencies=1,2", "-request-count=12",
			"-isl=60", "-std=9", "-osl=3", "-isl-counts="+other, "-resume"), harness.Output{})
		assert.ErrorContains(t, err, fmt.Sprintf("isl-counts: %q in the run, %q now", whose, other))
	}
	dir := t.TempDir()
	require.NoError(t, meter(t, dir, &templated{template: adding(7), silent: true}, false, "-concurrencies=1,2").err)
	found := meter(t, dir, &templated{template: adding(9)}, false, "-concurrencies=1,2", "-resume")
	require.NoError(t, found.err)
	assert.Equal(t, &record.Template{Tokens: 9, Requests: 2, Spent: 17 + 26}, found.run.Template, "what was not known is found now")
	assert.NotContains(t, strings.Join(found.run.Warnings, "\n"), "template")
}

// TestTemplateIsPartOfThePreflight where lengths depend on it: otherwise -preflight-only sends no prompt.
func TestTemplateIsPartOfThePreflight(t *testing.T) {
	server := &templated{template: adding(7)}
	got := meter(t, t.TempDir(), server, false, "-preflight-only")
	require.NoError(t, got.err)
	assert.NotContains(t, got.log, "template:")
	assert.Empty(t, server.prompts)
	got = meter(t, t.TempDir(), server, false, "-preflight-only", "-isl-counts=server")
	require.NoError(t, got.err)
	assert.Contains(t, got.log, "\ntemplate: the server adds 7 tokens to a prompt (1 request)\n")
	assert.Len(t, server.prompts, 1)
	assert.Nil(t, got.run)

	got = meter(t, t.TempDir(), &templated{template: adding(7)}, false, "-preflight-only", "-isl-counts=server", "-isl=7", "-std=0")
	assert.ErrorContains(t, got.err, "a prompt of 7 tokens was drawn, and the server adds 7")

	whole := []string{"-preflight-only", "-isl=4093", "-std=0"} // of a context of 4096
	assert.Contains(t, meter(t, t.TempDir(), server, false, whole...).log, "1 warning")
	assert.NotContains(t, meter(t, t.TempDir(), server, false, append(whole, "-isl-counts=server")...).log, "1 warning", "it is in the lengths")
}

// TestISLCountsIsChecked before anything is sent.
func TestISLCountsIsChecked(t *testing.T) {
	for args, want := range map[string]string{
		"-isl-counts=mine":                     `isl-counts "mine": must be client or server`,
		"-isl-counts=server -input-file=x.csv": `isl-counts "server": cannot go with -input-file, whose prompts are as long as they are: both counts stand in the results`,
	} {
		_, err := resolve(t, nil, strings.Fields(args)...)
		assert.EqualError(t, err, want)
	}
	assert.Equal(t, "ISL 2000 +/- 10 as the server counts (shared: a prefix of 7), OSL 256", planOf(t, nil, "-isl-counts=server", "-prefix-length=7").Lengths())
	assert.Equal(t, "ISL as the server counts,OSL 5,6", planOf(t, nil, "-isl-counts=server", "-seq-dist=5,6").Lengths())
	assert.Equal(t, "ISL 2000 +/- 10, OSL 256", planOf(t, nil, "-isl-counts=client").Lengths())
}

// TestTemplateCostsTokens, which count towards -max-tokens-total, after a resume too.
func TestTemplateCostsTokens(t *testing.T) {
	dir := t.TempDir()
	args := []string{"-isl=60", "-std=0", "-max-tokens-total=206"} // 16 + 1, and three times 60 + 3
	got := meter(t, dir, &templated{template: adding(0)}, false, args...)
	require.NoError(t, got.err)
	assert.Equal(t, record.Capped, got.level.Status)
	assert.Equal(t, 3, got.level.Counts.Outcomes[record.OK])
	sweep, err := harness.Open(t.Context(), planOf(t, map[string]string{"OPENAI_API_KEY": "sk-secret"}, append([]string{
		"-benchmark-name=x", "-model=m", "-endpoint=server", "-output-dir=" + dir, "-concurrencies=1", "-request-count=12", "-osl=3", "-resume",
	}, args...)...), harness.Output{})
	require.NoError(t, err)
	defer sweep.Close()
	assert.Contains(t, sweep.NothingLeft(), "-max-tokens-total 206 was reached before the resume")
}
