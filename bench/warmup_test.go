package bench

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
)

// figuresOf are a level's figures.
func figuresOf(t *testing.T, level string) map[string]any {
	t.Helper()
	figures := map[string]any{}
	for tag, value := range aggregate(t, level) {
		if fields, isObject := value.(map[string]any); isObject && fields["unit"] != nil {
			figures[tag] = fields
		}
	}
	return figures
}

// TestWarmupIsInNoFigure: without its lines in the log the report has the same figures, whatever load the warm-up had.
func TestWarmupIsInNoFigure(t *testing.T) {
	for _, load := range [][]string{{"-warmup-request-rate=9"}, {"-warmup-concurrency=20"}, {"-request-rate=4", "-warmup-requests=30"}} {
		dir := t.TempDir()
		args := []string{"-virtual", "-nonce=7", "-isl=200", "-osl=16", "-request-count=20", "-warmup-duration=5s", "-output-dir=" + dir}
		level := filepath.Join(dir, "mock", "r4")
		if load[0] != "-request-rate=4" {
			args, level = append(args, "-concurrencies=4"), filepath.Join(dir, "mock", "c4")
		}
		child{args: append(args, load...)}.passes(t)
		with := figuresOf(t, level)
		require.Greater(t, len(with), 30)
		path := filepath.Join(level, record.LogFile)
		log, err := os.ReadFile(path)
		require.NoError(t, err)
		var kept []byte
		warm := 0
		for line := range bytes.Lines(log) {
			if bytes.Contains(line, []byte(`"benchmark_phase":"warmup"`)) {
				warm++
			} else {
				kept = append(kept, line...)
			}
		}
		assert.Greater(t, warm, 15)
		require.NoError(t, os.WriteFile(path, kept, 0o600))
		runReport(t, 0, "-data-dir", dir)
		assert.Equal(t, with, figuresOf(t, level), load)
	}
}
