package bench

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
)

// What a machine can do is measured, kept, and quoted by later runs; a run of before quotes nothing.
func TestCeilingIsKeptAndQuoted(t *testing.T) {
	dir := t.TempDir()
	env := []string{"XDG_CACHE_HOME=" + filepath.Join(dir, "cache")}
	load := func(name string) (*record.Level, string) {
		args := []string{"-benchmark-name=" + name, "-output-dir=" + dir, "-concurrencies=2", "-request-count=10", "-isl=16", "-osl=20", "-overwrite"}
		child{env: env, args: args}.passes(t)
		var level record.Level
		require.NoError(t, record.ReadJSON(filepath.Join(dir, name, "c2", record.LevelFile), &level))
		summary, err := os.ReadFile(filepath.Join(dir, "plots", "SUMMARY.txt"))
		require.NoError(t, err)
		require.NotNil(t, level.Instrument)
		return &level, string(summary)
	}
	before, summary := load("before")
	assert.Zero(t, before.Instrument.CeilingShare)
	assert.NotContains(t, summary, "calibrated ceiling")

	r := child{entry: "TestCalibrate", env: append(env, "CONCURRENCIES=2")}.passes(t)
	assert.Regexp(t, `(?m)^ +2 +\d.* (ok|suspect|limited)$`, r.output)
	assert.Contains(t, r.output, "Kept in "+filepath.Join(dir, "cache", "llmsweep", "ceiling-"))

	r = child{entry: "TestCalibrate", env: env, args: []string{"-request-rate=20"}}.passes(t)
	assert.Regexp(t, `(?m)^ +20 +100 +0 .* (ok|suspect|limited)$`, r.output, "of an open loop nothing is lost, and the row of streams stays")

	after, summary := load("after")
	share := after.Instrument.CeilingShare
	// The embedded mock gives some 340 tokens a second to two streams; the machine reads hundreds of thousands.
	assert.Greater(t, share, 0.0)
	assert.Less(t, share, 0.1)
	assert.Contains(t, strings.Join(strings.Fields(summary), " "), "of this machine's calibrated ceiling (at 2)")
}

// Calibration is about this machine and real time.
func TestCeilingNeedsTheBuiltInServer(t *testing.T) {
	for _, args := range [][]string{{"-endpoint=http://127.0.0.1:1", "-benchmark-name=x"}, {"-virtual"}} {
		r := child{entry: "TestCalibrate", args: args}.run(t)
		assert.NotZero(t, r.code)
		assert.Contains(t, r.output, "nothing was sent: -run Calibrate measures this machine against the built-in mock server")
	}
}
