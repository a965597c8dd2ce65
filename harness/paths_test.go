package harness_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func module(t *testing.T, dir, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(dir, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte(text), 0o600))
}

func TestResultsDir(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	module(t, filepath.Join(root, "ours"), "// comment\n\nmodule github.com/llmsweep/llmsweep // ours\n\ngo 1.26\n")
	module(t, filepath.Join(root, "ours", "nested"), "module github.com/llmsweep/llmsweep/nested\n")
	module(t, filepath.Join(root, "quoted"), "module \"github.com/llmsweep/llmsweep\"\n")
	module(t, filepath.Join(root, "theirs", "bench"), "module example.com/theirs\n\nrequire github.com/llmsweep/llmsweep v0.1.0\n")
	require.NoError(t, os.MkdirAll(filepath.Join(root, "ours", "bench"), 0o700))
	for dir, base := range map[string]string{
		"ours": "ours", "ours/bench": "ours", "ours/nested": "ours", "quoted": "quoted", "theirs/bench": "theirs/bench", "theirs": "theirs",
	} {
		t.Chdir(filepath.Join(root, dir))
		got, err := filepath.Abs(planOf(t, nil).ResultsDir())
		require.NoError(t, err)
		assert.Equal(t, filepath.Join(root, base, "benchmarks", "results"), got, "run in %s", dir)
		assert.Equal(t, "/elsewhere/r", planOf(t, nil, "-output-dir=/elsewhere//x/../r/").ResultsDir())
	}
}
