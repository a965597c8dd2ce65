package harness

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/tokenizer"
)

// TestLengthsThatContradict each other are refused in one line each, before anything is read.
func TestLengthsThatContradict(t *testing.T) {
	const files = "cannot go with -input-file, whose prompts share what they share"
	for flags, want := range map[string]string{
		"-seq-dist=5,5 -isl=5":                           `-isl "5": cannot go with -seq-dist, which says how long prompts and answers are`,
		"-seq-dist=5,5 -std=5":                           `-std "5": cannot go with -seq-dist, which says how long prompts and answers are`,
		"-seq-dist=5,5 -osl=5":                           `-osl "5": cannot go with -seq-dist, which says how long prompts and answers are`,
		"-seq-dist=5,5 -input-file=x":                    `seq-dist "5,5": cannot go with -input-file, which has the prompts`,
		"-seq-dist=5,0":                                  `seq-dist "5,0": OSL "0": must be 1 to 10000000 tokens`,
		"-prefix-length=5 -input-file=x":                 `prefix-length "5": ` + files,
		"-prefix-ratio=0.5 -input-file=x":                `prefix-ratio "0.5": ` + files,
		"-shared-system-prompt-length=5 -input-file=x":   `shared-system-prompt-length "5": ` + files,
		"-prefix-length=5 -prefix-ratio=0.5":             `prefix-ratio "0.5": cannot go with -prefix-length: both say how long a prefix is`,
		"-shared-system-prompt-length=5 -prefix-ratio=1": `prefix-ratio "1": must be at least 0 and below 1: some tokens of a prompt are its own`,
		"-shared-system-prompt-length=5 -endpoint-type=completions": `shared-system-prompt-length "5": cannot go with -endpoint-type=completions, ` +
			`whose prompts have no system message: share a -prefix-length`,
	} {
		_, err := planFrom(t, nil, append(strings.Fields(flags), "-endpoint=server:80", "-benchmark-name=b")...)
		assert.EqualError(t, err, want, flags)
	}
	_, err := planFrom(t, nil, "-prefix-length=5", "-prefix-pool=2", "-input-file=x", "-endpoint=server:80", "-benchmark-name=b")
	assert.EqualError(t, err, `prefix-pool "2": `+files+"\n"+`prefix-length "5": `+files)
}

// TestPromptsTooShortForWhatTheyShare are refused before anything is written.
func TestPromptsTooShortForWhatTheyShare(t *testing.T) {
	dir := t.TempDir()
	_, _, err := openIn(t, dir, "-seq-dist=20-30,4", "-prefix-length=25")
	require.ErrorContains(t, err, `level c1: prefix-length "25": a prompt of `)
	assert.ErrorContains(t, err, "shorten it, or raise the shortest prompt")
	assert.NoDirExists(t, filepath.Join(dir, "b"))
}

// TestRunOfAMixture: requests have the lengths of its parts, and the plan says so instead of -isl, -std and -osl.
func TestRunOfAMixture(t *testing.T) {
	var server listener
	perform(t, []string{"-seq-dist=10,3:50;20-21,5:50", "-concurrencies=2", "-request-count=40"}, server.answer, func(t *testing.T, s stage) {
		require.Equal(t, record.Done, s.run(t, 0).Status)
		seen := map[[2]int]int{}
		for _, x := range s.samples(t, 0) {
			seen[[2]int{x.Counted.ISL, x.RequestedOSL}]++
		}
		assert.Len(t, seen, 3, "%v", seen)
		assert.InDelta(t, 20, seen[[2]int{10, 3}], 13, "four deviations")
		assert.Equal(t, 40, seen[[2]int{10, 3}]+seen[[2]int{20, 5}]+seen[[2]int{21, 5}])

		var run record.Run
		require.NoError(t, record.ReadJSON(filepath.Join(s.sweep.Dir(), record.RunFile), &run))
		assert.Equal(t, "10,3:50;20-21,5:50", run.Plan.SeqDist)
		assert.Equal(t, [3]int{}, [3]int{run.Plan.ISL, run.Plan.StdDev, run.Plan.OSL})
		assert.Equal(t, "seq-dist", s.sweep.load().LengthsOf)
	})
	for _, prompt := range server.prompts(t) {
		n, err := tokenizer.Default().Count(prompt)
		require.NoError(t, err)
		assert.Contains(t, []int{10, 20, 21}, n)
	}
}

// TestRunOfSharedPrefixes: what is asked for is sent, and is the same for all levels of a run.
func TestRunOfSharedPrefixes(t *testing.T) {
	var server listener
	args := []string{"-isl=30", "-shared-system-prompt-length=8", "-prefix-length=12", "-prefix-pool=2", "-concurrencies=1,2", "-request-count=20"}
	perform(t, args, server.answer, func(t *testing.T, s stage) {
		s.run(t, 0)
		s.run(t, 1)
	})
	system, prefixes, own := map[string]int{}, map[string]int{}, map[string]int{}
	for _, body := range server.bodies {
		var b struct {
			Messages []struct{ Role, Content string }
		}
		require.NoError(t, json.Unmarshal([]byte(body), &b))
		require.Len(t, b.Messages, 2)
		assert.Equal(t, "system", b.Messages[0].Role)
		system[b.Messages[0].Content]++
		words := strings.Fields(b.Messages[1].Content)
		require.Len(t, words, 22, "a word is a token")
		prefixes[strings.Join(words[:12], " ")]++
		own[words[12]+words[13]]++
	}
	assert.Len(t, system, 1)
	assert.Len(t, prefixes, 2)
	assert.Len(t, own, 40)
}

// TestSharedPrefixesAreCompared: each of their settings is one that a resumed run must keep.
func TestSharedPrefixesAreCompared(t *testing.T) {
	for want, is := range map[string]record.Prefixes{
		`shared-system-prompt-length: "0" in the run, "7" now`: {System: 7},
		`prefix-length: "0" in the run, "7" now`:               {Length: 7},
		`prefix-ratio: "0" in the run, "0.5" now`:              {Ratio: 0.5},
		`prefix-pool: "0" in the run, "7" now`:                 {Pool: 7},
	} {
		assert.Equal(t, []string{want}, differences(&record.Plan{}, &record.Plan{Prefixes: is}))
	}
}

// TestRecipeOfLengths: the recipe of bodies that were too many to be kept says how long they are and what they share.
func TestRecipeOfLengths(t *testing.T) {
	perform(t, []string{"-seq-dist=10,3", "-prefix-ratio=0.5", "-concurrencies=1", "-request-count=3"}, answerAfter(1), func(t *testing.T, s stage) {
		s.sweep.inputsLimit = 10
		s.run(t, 0)
		var inputs struct {
			Recipe struct {
				SeqDist  string          `json:"seq_dist"`
				Prefixes record.Prefixes `json:"prefixes"`
			} `json:"recipe"`
		}
		require.NoError(t, record.ReadJSON(filepath.Join(s.sweep.LevelDir(s.sweep.Levels()[0]), record.InputsFile), &inputs))
		assert.Equal(t, "10,3", inputs.Recipe.SeqDist)
		assert.Equal(t, record.Prefixes{Ratio: 0.5}, inputs.Recipe.Prefixes)
	})
}
