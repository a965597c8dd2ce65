package harness

import (
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
)

// inputFile writes a file of prompts.
func inputFile(t *testing.T, content string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "prompts.jsonl")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

const threePrompts = `{"text": "one", "output_length": 7}
{"text": "two words"}
{"text": "three", "unknown": 1}
`

// listener answers at once and keeps the bodies that it was sent.
type listener struct {
	mu     sync.Mutex
	bodies []string
}

func (l *listener) answer(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	l.mu.Lock()
	l.bodies = append(l.bodies, string(body))
	l.mu.Unlock()
	w.Header().Set("Content-Type", "text/event-stream")
	time.Sleep(time.Millisecond)
	_, _ = io.WriteString(w, oneChunk+endMark)
}

func (l *listener) prompts(t *testing.T) (all []string) {
	t.Helper()
	for _, body := range l.bodies {
		var b struct{ Messages []struct{ Content string } }
		require.NoError(t, json.Unmarshal([]byte(body), &b))
		all = append(all, b.Messages[0].Content)
	}
	return all
}

// TestRunOfAFile: the requests of all levels are the records of the file in their order, and the results say which file it was.
func TestRunOfAFile(t *testing.T) {
	path := inputFile(t, threePrompts)
	var server listener
	perform(t, []string{"-input-file=" + path, "-concurrencies=1,2", "-request-count=2", "-warmup-requests=1"}, server.answer, func(t *testing.T, s stage) {
		for i := range 2 {
			l := s.run(t, i)
			require.Equal(t, record.Done, l.Status)
			assert.NotEmpty(t, l.WorkloadSHA256)
		}
		assert.Equal(t, []string{"one", "two words", "three", "one"}, server.prompts(t)[:4])
		assert.ElementsMatch(t, []string{"two words", "three"}, server.prompts(t)[4:])
		var osl []int
		for _, x := range s.samples(t, 1) {
			osl = append(osl, x.RequestedOSL)
		}
		assert.Equal(t, []int{7, 4, 4}, osl, "the file's, and where it has none that of -osl")

		var run record.Run
		require.NoError(t, record.ReadJSON(filepath.Join(s.sweep.Dir(), record.RunFile), &run))
		assert.Equal(t, record.Input{
			File: path, SHA256: "bb7b28d0ec461c12cf8f338d479337dcf114e7e6ce3a2434811418975e4181ab", Format: "single_turn", Sampling: "sequential", Records: 3,
		}, run.Plan.Input)
		assert.Equal(t, []string{
			`input-file "` + path + `": key "unknown" ignored in 1 record, the first in line 3: it is none of single_turn's`,
			`input-file "` + path + `": 6 requests have 3 records, so that prompts repeat: a server that caches prefixes answers those faster`,
		}, run.Warnings)
		assert.Zero(t, run.Plan.ISL)
	})
}

// TestInputsAreAnInput: what one run sent another sends byte for byte.
func TestInputsAreAnInput(t *testing.T) {
	var first, second listener
	dir := t.TempDir()
	performIn(t, dir, []string{"-concurrencies=1", "-request-count=3"}, first.answer, func(t *testing.T, s stage) { s.run(t, 0) })
	inputs := filepath.Join(dir, "b", "c1", record.InputsFile)
	perform(t, []string{"-input-file=" + inputs, "-concurrencies=1", "-request-count=3", "-model=other"}, second.answer, func(t *testing.T, s stage) {
		assert.Equal(t, "inputs_json", s.sweep.Plan.Input.Format)
		s.run(t, 0)
		for _, x := range s.samples(t, 0) {
			assert.Equal(t, []int{4, 4}, []int{x.Counted.ISL, x.RequestedOSL})
		}
	})
	require.Len(t, first.bodies, 3)
	assert.Equal(t, first.bodies, second.bodies)
}

// TestBadInputFiles: each is refused before anything is written or sent.
func TestBadInputFiles(t *testing.T) {
	good := inputFile(t, threePrompts)
	for _, c := range []struct{ content, flags, want string }{
		{"{\"text\": \"a\"}\n{\"text\": 5}\n{}\n", "", "-input-file: FILE:2: text \"5\": must be a string\nFILE:3: has neither text nor texts"},
		{"", "", "-input-file: FILE: is empty"},
		{`{"text": "a"}`, "-custom-dataset-type=mooncake_trace", "-input-file: FILE:1: has none of input_length, text_input, messages and payload: its keys are those of single_turn"},
		{`{"data":[{"payloads":[{"messages":[],"stream":true}]}]}`, "-endpoint-type=completions", `level c1: FILE:1: the body is for the other -endpoint-type: it has no "prompt"`},
		{`{"data":[{"payloads":[{"prompt":"a","stream":true}]}]}`, "", `level c1: FILE:1: the body is for the other -endpoint-type: it has no "messages"`},
		{`{"data":[{"payloads":[{"messages":[],"stream":false}]}]}`, "", `level c1: FILE:1: the body does not ask for a stream: it must have "stream": true, or pass -streaming=false`},
	} {
		path, dir := inputFile(t, c.content), t.TempDir()
		_, _, err := openIn(t, dir, slices.DeleteFunc([]string{"-input-file=" + path, c.flags}, func(f string) bool { return f == "" })...)
		if assert.Error(t, err, c.content) {
			assert.Equal(t, strings.ReplaceAll(c.want, "FILE", path), err.Error())
		}
		assert.NoDirExists(t, filepath.Join(dir, "b"))
	}
	for path, want := range map[string]string{
		good + ".gone":     "no such file or directory",
		filepath.Dir(good): "is a folder: name one file",
		os.DevNull:         "is no regular file, and it is read twice: write it to one",
	} {
		_, _, err := openIn(t, t.TempDir(), "-input-file="+path)
		assert.EqualError(t, err, `input-file "`+path+`": `+want)
	}
}

// TestFlagsOfAFile: what is said of a file without one, or against it.
func TestFlagsOfAFile(t *testing.T) {
	for flags, want := range map[string]string{
		"-custom-dataset-type=single_turn":        `custom-dataset-type "single_turn": is about a file: name it with -input-file`,
		"-dataset-sampling=random":                `dataset-sampling "random": is about a file: name it with -input-file`,
		"-input-file=x -custom-dataset-type=csv":  `custom-dataset-type "csv": must be single_turn, random_pool, `,
		"-input-file=x -dataset-sampling=shufled": `dataset-sampling "shufled": must be sequential, shuffle or random`,
		"-input-file=x -isl=5":                    `-isl "5": cannot go with -input-file, which has the prompts`,
		"-input-file=x -std=5":                    `-std "5": cannot go with -input-file, which has the prompts`,
	} {
		set := flag.NewFlagSet("test", flag.ContinueOnError)
		registered := RegisterFlags(set)
		require.NoError(t, set.Parse(append([]string{"-endpoint=server:80", "-benchmark-name=b"}, strings.Fields(flags)...)))
		_, err := registered.Plan(func(string) string { return "" })
		if assert.Error(t, err, flags) {
			assert.Contains(t, err.Error(), want)
			assert.NotContains(t, err.Error(), "\n", "one fault, one line")
		}
	}
}

// TestFileThatIsWrittenTo while it is used: what can still be read is sent, and the level says that the file is another one; what cannot ends it.
func TestFileThatIsWrittenTo(t *testing.T) {
	path := inputFile(t, threePrompts)
	var server listener
	perform(t, []string{"-input-file=" + path, "-concurrencies=1", "-request-count=3"}, server.answer, func(t *testing.T, s stage) {
		require.NoError(t, os.WriteFile(path, []byte(strings.ReplaceAll(threePrompts, "two words", "no longer")), 0o600))
		require.NoError(t, os.Chtimes(path, time.Time{}, time.Unix(5, 0)))
		l := s.run(t, 0)
		assert.Equal(t, record.Done, l.Status)
		assert.Contains(t, l.Warnings, `input-file "`+path+`": was written to while it was in use: what was asked is not what its SHA-256 says`)

		require.NoError(t, os.WriteFile(path, []byte(threePrompts)[:40], 0o600))
		_, err := s.sweep.RunLevel(s.ctx, s.sweep.Levels()[0])
		require.ErrorContains(t, err, path+":2: the file has become shorter since it was read first")
	})
	assert.Equal(t, []string{"one", "no longer", "three"}, server.prompts(t))
}

// TestRenderingThatFails ends the level.
func TestRenderingThatFails(t *testing.T) {
	path := inputFile(t, strings.Repeat(threePrompts, 100))
	var server listener
	perform(t, []string{"-input-file=" + path, "-concurrencies=1", "-request-count=300"}, func(w http.ResponseWriter, r *http.Request) {
		_ = os.WriteFile(path, nil, 0o600)
		server.answer(w, r)
	}, func(t *testing.T, s stage) {
		l := s.run(t, 0)
		assert.Equal(t, record.Failed, l.Status)
		assert.Contains(t, l.Reason, "stopped: "+path)
		assert.Contains(t, l.Reason, "the file has become shorter")
		assert.Less(t, l.Counts.Ended(), 300)
		assert.Equal(t, l.Counts.Planned, l.Counts.NotStarted+l.Counts.Ended())
	})
}

// TestResumeOfAFile: a run does not go on with another one.
func TestResumeOfAFile(t *testing.T) {
	path, dir := inputFile(t, threePrompts), t.TempDir()
	args := []string{"-input-file=" + path, "-concurrencies=1", "-request-count=3"}
	var server listener
	performIn(t, dir, args, server.answer, func(t *testing.T, s stage) { s.run(t, 0) })
	sweep, _, err := openIn(t, dir, append(args, "-resume")...)
	require.NoError(t, err, "what was detected is the same as what is")
	sweep.Close()
	require.NoError(t, os.WriteFile(path, []byte(`{"text": "other"}`), 0o600))
	_, _, err = openIn(t, dir, append(args, "-resume")...)
	require.ErrorContains(t, err, "SHA-256 of the input-file: ")
}

func TestDryRunOfAFile(t *testing.T) {
	path := inputFile(t, threePrompts)
	set := flag.NewFlagSet("test", flag.ContinueOnError)
	flags := RegisterFlags(set)
	require.NoError(t, set.Parse([]string{"-endpoint=server:80", "-benchmark-name=b", "-osl=4", "-concurrencies=1", "-request-count=4", "-input-file=" + path, "-output-dir=" + t.TempDir()}))
	plan, err := flags.Plan(func(string) string { return "" })
	require.NoError(t, err)
	var b strings.Builder
	require.NoError(t, plan.WriteDryRun(&b))
	out := strings.Join(strings.Fields(b.String()), " ")
	assert.Contains(t, out, "c1 4 5 22 ", "prompts of 1, 2, 1 and 1 tokens, answers of 7, 4, 4 and 7")
	assert.Contains(t, out, `read as single_turn: the first record has the key "text"`)
	assert.Contains(t, out, "4 requests have 3 records, so that prompts repeat")
}
