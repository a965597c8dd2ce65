package reporting

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/compare"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/reporting/results"
)

// broken is a recording whose second level was continued after a break, in a run that was resumed.
func broken(t *testing.T, definitions string) (dir string) {
	t.Helper()
	dir = copyRecorded(t)
	path := filepath.Join(dir, "ours", "c4", record.LevelFile)
	var l record.Level
	require.NoError(t, record.ReadJSON(path, &l))
	l.Breaks = []record.Break{{AtRequest: 5, FromNS: 1e9, ToNS: 61e9, Kept: 6}}
	require.NoError(t, record.WriteJSON(path, &l))
	path = filepath.Join(dir, "ours", record.RunFile)
	var run record.Run
	require.NoError(t, record.ReadJSON(path, &run))
	run.Plan.Definitions = definitions
	run.Resumes = []record.Resume{{
		At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Mode: record.ResumeRequest, Kept: []string{"c1"},
		Continued: []record.CutShort{{Level: "c4", Why: "killed", Ended: 5, Planned: 12, Unreadable: 1}},
	}}
	require.NoError(t, record.WriteJSON(path, &run))
	return dir
}

// TestBrokenLevelInTables: whoever's formulas a table follows, a level that was continued has no throughput there, and is marked.
func TestBrokenLevelInTables(t *testing.T) {
	for definitions, row := range map[string]string{
		"aiperf":   `(?m)^ +4\* +n/a +12/0( +[0-9.]+| +n/a){7} +n/a +n/a +n/a +n/a$`,
		"vllm":     `(?m)^ +4\* +n/a +12/0( +[0-9.]+~?){10} +n/a +n/a$`,
		"guidellm": `(?m)^ +4\* +n/a +12/0( +[0-9.]+~?){8} +n/a +n/a$`,
	} {
		var table bytes.Buffer
		require.NoError(t, PrintTable(&table, broken(t, definitions), "ours"))
		assert.Regexp(t, row, table.String())
		for _, want := range []string{
			"warning: resumed at 2026-01-02 03:04:05 UTC; c1 kept as finished; c4 (killed, with 5 of 12 requests in its log and 1 unreadable) continued\n",
			"warning: c4: continued from request 5 after a break of 60.0 s (-resume=request)\n",
			"warning: c4: throughput, duration and plateau are left out: no load ran during the break;",
		} {
			assert.Contains(t, table.String(), want)
		}
	}
}

// TestBrokenLevelIsNotJudged: a gate does not pass on it.
func TestBrokenLevelIsNotJudged(t *testing.T) {
	run, err := Judgeable(filepath.Join(broken(t, ""), "ours"), nil)
	require.NoError(t, err)
	assert.Equal(t, "it was continued after a break", run.Levels[1].Unfinished)
	rules, err := compare.ParseRules([]byte("limits: [{metric: time_to_first_token, max: 100000}, {metric: request_throughput, min: 0.001}]"))
	require.NoError(t, err)
	for _, f := range rules.Check(run.Levels) {
		assert.Equal(t, f.Level == "c1", f.Verdict == compare.Pass, "%s %s: %s", f.Level, f.Metric, f.Text)
	}
}

// TestCompleteLevelWritesWhatLacks, and nothing else.
func TestCompleteLevelWritesWhatLacks(t *testing.T) {
	dir := filepath.Join(copyRecorded(t), "ours", "c4")
	path := filepath.Join(dir, record.AggregateFile)
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte("as it is"), 0o600))
	level, err := CompleteLevel(dir)
	require.NoError(t, err)
	assert.Contains(t, Attributes(level)[0].Value, "ok=12 failed=0 in_flight=")
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "as it is", string(got))

	require.NoError(t, os.Remove(path))
	_, err = CompleteLevel(dir)
	require.NoError(t, err)
	got, err = os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), string(got))
	_, err = CompleteLevel(filepath.Join(dir, "none"))
	assert.ErrorIs(t, err, os.ErrNotExist)

	l, err := results.ReadLevel(record.LevelDir{Path: filepath.Join(broken(t, ""), "ours", "c4"), Point: record.Point{Concurrency: 4}})
	require.NoError(t, err)
	assert.Equal(t, Attribute{"requests", "ok=12 failed=0"}, Attributes(l)[0])
	for _, a := range Attributes(l) {
		assert.NotContains(t, a.Key, "throughput")
	}
}
