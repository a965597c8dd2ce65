package results

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
)

const recorded = "../testdata/results"

// copyRecorded copies the recorded benchmarks into a folder that a test may spoil.
func copyRecorded(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(recorded)))
	return dir
}

func TestReadOfOurs(t *testing.T) {
	b, err := Read(recorded, "ours")
	require.NoError(t, err)
	assert.Empty(t, b.Warnings)
	require.Len(t, b.Levels, 2)
	assert.Equal(t, []int{1, 4}, []int{b.Levels[0].Concurrency, b.Levels[1].Concurrency})
	gpus, assumed := b.GPUs()
	assert.Equal(t, 2, gpus)
	assert.False(t, assumed)
	l := b.Levels[1]
	assert.Equal(t, map[record.TokenSource]int{record.FromServer: 12}, l.TokenSources, "13 are in the log, one of them warm-up")
	n, ok := l.Figures.Get("request_count", "avg")
	assert.True(t, ok)
	assert.InDelta(t, 12, n, 0, "and in no figure")
	assert.True(t, l.Load.HasPlateau)
	_, ok = l.Figures.Percentile("time_to_first_token", 50)
	assert.True(t, ok)
	_, ok = l.Figures.Percentile("time_to_first_token", 99)
	assert.False(t, ok, "12 requests are below the floor of 299")
}

func TestReadOfAIPerf(t *testing.T) {
	b, err := Read(recorded, "aiperf")
	require.NoError(t, err)
	assert.Nil(t, b.Run)
	assert.Equal(t, []string{"c10: the run was cancelled"}, b.Warnings)
	require.Len(t, b.Levels, 3)
	assert.Equal(t, []string{"", "its run was cancelled", ""}, []string{b.Levels[0].Unusable(), b.Levels[1].Unusable(), b.Levels[2].Unusable()})
	v, ok := b.Levels[1].Figures.Get("time_to_first_token", "avg")
	assert.True(t, ok)
	assert.InDelta(t, 120.5, v, 0, "the shallowest file counts, here in AIPerf 0.1's form")
	p99, ok := b.Levels[1].Figures.Percentile("inter_token_latency", 99)
	assert.True(t, ok, "300 requests, from request_count")
	assert.InDelta(t, 15.2, p99, 0)
	_, ok = b.Levels[0].Figures.Percentile("inter_token_latency", 99)
	assert.False(t, ok, "100 requests")
	_, assumed := b.GPUs()
	assert.True(t, assumed)
}

// TestSpoiltFiles spoils one file of a recording at a time: what is left is read, and the warning says what is not.
func TestSpoiltFiles(t *testing.T) {
	for name, test := range map[string]struct {
		spoil   func(t *testing.T, dir string)
		levels  int
		warning string
	}{
		"no level.json": {func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(filepath.Join(dir, "ours/c1/level.json")))
		}, 1, "c1 skipped: open c1/level.json: no such file or directory"},
		"no log": {func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(filepath.Join(dir, "ours/c1/profile_export.jsonl")))
		}, 1, "c1 skipped: reading the event log: open c1/profile_export.jsonl: no such file or directory"},
		"truncated level.json": {func(t *testing.T, dir string) {
			require.NoError(t, os.Truncate(filepath.Join(dir, "ours/c4/level.json"), 20))
		}, 1, "c4 skipped: c4/level.json: unexpected end of JSON input"},
		"torn last line": {func(t *testing.T, dir string) {
			path := filepath.Join(dir, "ours/c4/profile_export.jsonl")
			info, err := os.Stat(path)
			require.NoError(t, err)
			require.NoError(t, os.Truncate(path, info.Size()-100))
		}, 2, "c4: profile_export.jsonl:13 skipped: not a record: unexpected end of JSON input"},
		"killed": {func(t *testing.T, dir string) {
			path := filepath.Join(dir, "ours/c4/level.json")
			var l record.Level
			require.NoError(t, record.ReadJSON(path, &l))
			l.Status, l.EndedNS = record.Running, 0
			l.Counts = record.Counts{Planned: 20, NotStarted: 20}
			require.NoError(t, record.WriteJSON(path, &l))
		}, 2, "c4: the run was killed: what its log holds is shown"},
		"folder with a longer name": {func(t *testing.T, dir string) {
			require.NoError(t, os.Rename(filepath.Join(dir, "ours/c4"), filepath.Join(dir, "ours/c4_old")))
		}, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := copyRecorded(t)
			test.spoil(t, dir)
			b, err := Read(dir, "ours")
			require.NoError(t, err)
			assert.Len(t, b.Levels, test.levels)
			if test.warning == "" {
				assert.Empty(t, b.Warnings)
			} else {
				require.NotEmpty(t, b.Warnings)
				assert.Contains(t, b.Warnings[0], test.warning)
			}
		})
	}
}

// TestKilledRunIsCounted: the counts that a killed run never wrote come from its log.
func TestKilledRunIsCounted(t *testing.T) {
	dir := copyRecorded(t)
	path := filepath.Join(dir, "ours/c4/level.json")
	var l record.Level
	require.NoError(t, record.ReadJSON(path, &l))
	l.Status, l.EndedNS = record.Running, 0
	l.Counts, l.Warmup = record.Counts{Planned: 20, NotStarted: 20}, record.Counts{Planned: 1, NotStarted: 1}
	require.NoError(t, record.WriteJSON(path, &l))
	got, err := ReadLevel(record.LevelDir{Path: filepath.Dir(path), Point: record.Point{Concurrency: 4}})
	require.NoError(t, err)
	assert.Equal(t, record.Counts{Planned: 20, NotStarted: 8, Outcomes: map[record.Outcome]int{record.OK: 12}}, got.Record.Counts)
	assert.Equal(t, record.Counts{Planned: 1, Outcomes: map[record.Outcome]int{record.OK: 1}}, got.Record.Warmup)
	last := int64(0)
	_, err = got.eachSample(func(s *record.Sample) { last = s.EndNS })
	require.NoError(t, err)
	assert.Equal(t, last, got.Record.EndedNS)
	assert.Equal(t, "its run was killed", got.Unusable())
}

// Tokens that the server did not count are a warning of their own for each way in which they were counted.
func TestSourceOfTokensIsWarnedOf(t *testing.T) {
	dir := copyRecorded(t)
	path := filepath.Join(dir, "ours", "c4", record.LogFile)
	log, err := os.ReadFile(path)
	require.NoError(t, err)
	for source, warning := range map[string]string{
		"tokenizer": "output tokens of 12 requests were counted by the client's tokenizer: the server reported no usage",
		"chunks":    "output tokens of 12 requests are not known, their chunks were counted instead: the server left out its usage after it had always reported it",
	} {
		changed := regexp.MustCompile(`"source":"[a-z]+"`).ReplaceAll(log, []byte(`"source":"`+source+`"`))
		require.NoError(t, os.WriteFile(path, changed, 0o600))
		b, err := Read(dir, "ours")
		require.NoError(t, err)
		assert.Equal(t, []string{warning}, b.Levels[1].Warnings)
	}
}

func TestForeignFilesWithoutFigures(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a": "{", "b": `{"x":1}`, "c": `[]`} {
		level := filepath.Join(dir, name, "c1")
		require.NoError(t, os.MkdirAll(level, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(level, record.AggregateFile), []byte(text), 0o600))
		b, err := Read(dir, name)
		require.NoError(t, err)
		assert.Empty(t, b.Levels)
		assert.Len(t, b.Warnings, 1)
		assert.Contains(t, b.Warnings[0], "c1 skipped: ")
	}
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "d", "c1"), 0o755))
	b, err := Read(dir, "d")
	require.NoError(t, err)
	assert.Equal(t, []string{"c1 skipped: no profile_export_aiperf.json in it, nor a result of GenAI-Perf or vllm bench serve"}, b.Warnings)
}

func TestNamesAreFoldersWithLevels(t *testing.T) {
	dir := copyRecorded(t)
	for _, name := range []string{"plots/c1", ".hidden/c1", "empty", "zeta/c2"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, name), 0o755))
	}
	names, err := Names(dir)
	require.NoError(t, err)
	assert.Equal(t, []string{"aiperf", "ours", "zeta"}, names)
	_, err = Names(filepath.Join(dir, "missing"))
	assert.ErrorIs(t, err, os.ErrNotExist)
}
