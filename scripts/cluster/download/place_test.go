package main

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
)

// sweep is a benchmark with levels; run tells its files from those of another one.
func sweep(run string, levels ...string) []entry {
	entries := []entry{{name: "run.json", content: run}}
	for _, level := range levels {
		entries = append(entries, entry{name: level + "/level.json", content: run}, entry{name: level + "/inputs.json", content: "same"})
	}
	return entries
}

// below gives entries a folder.
func below(dir string, entries []entry) []entry {
	moved := make([]entry, len(entries))
	for i, e := range entries {
		moved[i] = entry{name: path.Join(dir, e.name), content: e.content}
	}
	return moved
}

// put writes files below the folder that a download goes to.
func (s *site) put(t *testing.T, entries []entry) {
	t.Helper()
	for _, e := range entries {
		file := filepath.Join(s.dir, e.name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(e.content), 0o600))
	}
}

// TestRunsAreNotMixed: of two runs of one benchmark, one is here and the other comes.
func TestRunsAreNotMixed(t *testing.T) {
	mixed := `"b/c250" exists in DIR and did not come, so that two runs would be mixed: pass -overwrite, or choose another -output-dir; nothing was changed`
	differs := `"b/run.json" exists in DIR and differs: pass -overwrite, or choose another -output-dir; nothing was changed`
	for name, c := range map[string]struct {
		here, comes []entry
		refusal     string // without -overwrite
		overwritten string // the refusal with it
	}{
		"another run":              {sweep("old", "c1", "c250"), sweep("new", "c1", "c2"), differs, ""},
		"a level less":             {sweep("old", "c1", "c250"), sweep("old", "c1"), mixed, ""},
		"AIPerf's, another level":  {below("c250", benchmarkOfAIPerf()), below("c1", benchmarkOfAIPerf()), mixed, `"c250/logs/aiperf.log"`},
		"a level more":             {sweep("old", "c1"), sweep("old", "c1", "c2"), "", ""},
		"notes on the same run":    {append(sweep("old", "c1"), entry{name: "notes/x", content: "x"}), sweep("old", "c1"), "", ""},
		"exports made here":        {append(sweep("old", "c1"), entry{name: "c1/profile_export.json", content: "x"}), sweep("old", "c1"), "", ""},
		"unfinished files":         {append(sweep("old", "c1"), entry{name: "c1/.level.json.123", content: "x"}), sweep("new", "c1"), differs, ""},
		"configuration comes anew": {append(sweep("old", "c1"), entry{name: "vllm.yaml", content: "x"}), append(sweep("new", "c1"), entry{name: "vllm.yaml", content: "y"}), differs, ""},
		"notes":                    {append(sweep("old", "c1"), entry{name: "notes.txt", content: "x"}), sweep("new", "c1"), differs, `"notes.txt"`},
		"a file as a folder":       {append(sweep("old", "c1"), entry{name: "logs", content: "x"}), append(sweep("new", "c1"), entry{name: "logs/x", content: "y"}), differs, `"logs"`},
		"notes in a level":         {append(sweep("old", "c1"), entry{name: "c1/notes.txt", content: "x"}), sweep("new", "c1"), differs, `"c1/notes.txt"`},
	} {
		for _, all := range []bool{false, true} {
			t.Run(name+map[bool]string{false: ", alone", true: ", among several"}[all], func(t *testing.T) {
				comes, folder := c.comes, "/data/results/b"
				if all {
					comes, folder = append(below("a", sweep("a", "c1")), below("b", c.comes)...), "/data/results"
				}
				s := withTar(t, packed(t, comes, nil))
				s.put(t, below("b", c.here))
				before := tree(t, s.dir)
				if c.refusal != "" {
					assert.Equal(t, exitFailure, s.run(t, "-folder", folder))
					assert.Equal(t, "download: "+replaceDir(c.refusal, s.dir)+"\n", s.stderr.String())
					assert.Equal(t, before, tree(t, s.dir))
					s.stderr.Reset()
				}
				code := s.run(t, append([]string{"-folder", folder}, map[bool][]string{true: {"-overwrite"}}[c.refusal != ""]...)...)
				if c.overwritten != "" {
					assert.Equal(t, exitFailure, code)
					assert.Contains(t, s.stderr.String(), `-overwrite: "b" in `+s.dir+` holds `+c.overwritten+`, which llmsweep did not write: move it`)
					assert.Equal(t, before, tree(t, s.dir))
					return
				}
				require.Zero(t, code, s.stderr.String())
				want := contents("", below("b", c.comes))
				if all {
					want = contents("", comes)
				}
				if c.refusal == "" { // nothing to be replaced: what only this machine has stays
					for name, text := range before {
						want[name] = text
					}
				}
				assert.Equal(t, want, tree(t, s.dir))
				s.requireNothingBeside(t)
			})
		}
	}
}

func benchmarkOfAIPerf() []entry {
	return []entry{{name: "profile_export_aiperf.json", content: "{}"}, {name: "logs/aiperf.log", content: "x"}}
}

func replaceDir(text, dir string) string { return strings.ReplaceAll(text, "DIR", dir) }

// requireNothingBeside: no folder of the download's own is left.
func (s *site) requireNothingBeside(t *testing.T) {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(s.dir, ".*"))
	require.NoError(t, err)
	assert.Empty(t, left)
}

// TestTheOutputFolderIsTheBenchmark: it cannot be replaced from within.
func TestTheOutputFolderIsTheBenchmark(t *testing.T) {
	s := withTar(t, packed(t, sweep("new", "c1"), nil))
	parent := s.dir
	s.dir = filepath.Join(parent, "b")
	s.put(t, sweep("old", "c1", "c250"))
	before := tree(t, parent)
	assert.Equal(t, exitFailure, s.run(t, "-overwrite"))
	assert.Contains(t, s.stderr.String(), `is the benchmark's own folder, which is replaced as a whole: pass its parent, -output-dir "`+parent+`"; nothing was changed`)
	assert.Equal(t, before, tree(t, parent))

	require.Zero(t, s.run(t, "-overwrite", "-o", parent), s.stderr.String())
	assert.Equal(t, contents("b/", sweep("new", "c1")), tree(t, parent))
}

// TestAFailedReplacementLeavesTheOldFolder where it was.
func TestAFailedReplacementLeavesTheOldFolder(t *testing.T) {
	s := &site{dir: t.TempDir()}
	s.put(t, below("b", sweep("old", "c1")))
	root, err := os.OpenRoot(s.dir)
	require.NoError(t, err)
	defer root.Close()
	r := received{root: root}
	before := tree(t, s.dir)
	err = r.carryOut(move{from: "nowhere", to: "b", replacesFolder: true})
	require.ErrorContains(t, err, `replacing "b", which is as it was: `)
	assert.Equal(t, before, tree(t, s.dir))
	s.requireNothingBeside(t)
}

// TestWhatAKilledDownloadLeft is neither lost nor in the way.
func TestWhatAKilledDownloadLeft(t *testing.T) {
	s := withTar(t, packed(t, sweep("new", "c1"), nil))
	old := below(asidePrefix+"X/b", sweep("old", "c1", "c250"))
	s.put(t, old)
	require.Zero(t, s.run(t), s.stderr.String())
	want := contents("b/", sweep("new", "c1"))
	for name, text := range contents("", old) {
		want[name] = text
	}
	assert.Equal(t, want, tree(t, s.dir))
}

// TestNamesOfARun holds the names that this command knows against those that a run writes.
func TestNamesOfARun(t *testing.T) {
	for _, name := range []string{record.LockFile, "c2/.level.json.reserve", "c2/.profile_export.jsonl.kept", "c2.before/level.json", "c2/run-1.before/level.json"} {
		assert.Regexp(t, writtenByUs, name)
	}
	points := []record.Point{{Concurrency: 250}, {Rate: 10}, {Rate: 0.25}, {Trace: true}}
	files := []string{record.RunFile}
	for _, name := range []string{record.LevelFile, record.LogFile, record.InputsFile, record.RequestsFile, record.AggregateFile, record.AggregateTable, record.ServerMetricsFile, record.GPUTelemetryFile} {
		for _, point := range points {
			for _, part := range []string{"", record.RunName(12) + "/", record.SentinelName + "/"} {
				files = append(files, point.Name()+"/"+part+name)
			}
		}
	}
	for _, file := range files {
		dir, name := path.Split(file)
		assert.Regexp(t, writtenByUs, file)
		assert.Regexp(t, writtenByUs, dir+"."+name+".123456")
		assert.NotRegexp(t, writtenByUs, dir+"x"+name)
		assert.NotRegexp(t, writtenByUs, "x/"+file)
		others := []string{record.InputsFile, record.ServerMetricsFile, record.GPUTelemetryFile}
		assert.Equal(t, !slices.Contains(others, name), benchmarkFile.MatchString(file), file)
	}
	for _, point := range points {
		assert.Regexp(t, levelName, point.Name())
	}
}

func TestBenchmarksInAFolder(t *testing.T) {
	for name, c := range map[string]struct {
		files  []string
		dirs   []string
		others []string
	}{
		"one":                     {[]string{"c1/level.json", "notes", "run.json"}, []string{"."}, nil},
		"one with another within": {[]string{"-x/run.json", "old/run.json", "run.json"}, []string{"."}, nil},
		"several":                 {[]string{"a-b/run.json", "a/run.json", "plots/x"}, []string{"a-b", "a"}, []string{"plots/x"}},
		"nested":                  {[]string{"a/b/c/run.json", "a/b/run.json", "a/notes"}, []string{"a/b"}, []string{"a/notes"}},
		"called as a level":       {[]string{"c1/c2/level.json"}, []string{"c1"}, nil},
		"none":                    {[]string{"c1/notes", "runs.json"}, nil, []string{"c1/notes", "runs.json"}},
	} {
		t.Run(name, func(t *testing.T) {
			var r received
			for _, file := range c.files {
				r.files = append(r.files, fileProof{Name: file})
			}
			found, others := r.benchmarks()
			var dirs, rest []string
			for _, b := range found {
				dirs = append(dirs, b.dir)
			}
			for _, file := range others {
				rest = append(rest, file.Name)
			}
			assert.Equal(t, c.dirs, dirs)
			assert.Equal(t, c.others, rest)
		})
	}
}
