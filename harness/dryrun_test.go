package harness_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
)

// TestDryRunAfterAnEarlierRun: only finished levels of a run of the same name, model and length tell how fast the server is.
func TestDryRunAfterAnEarlierRun(t *testing.T) {
	dir := t.TempDir()
	level := filepath.Join(dir, "x", "c10")
	require.NoError(t, os.MkdirAll(level, 0o700))
	run := record.Run{CreatedAt: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Plan: record.Plan{Model: "m", ISL: 500}}
	dry := func() (lines []string) {
		var b strings.Builder
		p := planOf(t, nil, "-benchmark-name=x", "-model=m", "-endpoint=server", "-output-dir="+dir, "-isl=500", "-std=0", "-osl=101", "-concurrencies=10", "-request-count=20", "-dry-run")
		require.NoError(t, p.WriteDryRun(&b))
		for line := range strings.Lines(strings.ReplaceAll(b.String(), dir, "DIR")) {
			if strings.HasPrefix(line, "c10 ") || strings.Contains(line, "earlier") || strings.Contains(line, "quarter") {
				lines = append(lines, strings.TrimSpace(line))
			}
		}
		return lines
	}
	const assumed = "c10             20          10000           2020   1.2s to 16s"
	store := func(name string, v any) { require.NoError(t, record.WriteJSON(filepath.Join(dir, "x", name), v)) }
	assert.Equal(t, []string{assumed, "100000 to 5000 tokens/s: there is no earlier run of x to go by."}, dry())

	store(record.RunFile, run)
	assert.Equal(t, []string{assumed, "100000 to 5000 tokens/s: the earlier run of x has no finished level."}, dry())

	// A request of a second: two waves of it.
	store("c10/"+record.AggregateFile, map[string]any{"time_to_first_token": map[string]any{"avg": 200.0}, "inter_token_latency": map[string]any{"avg": 8.0}})
	store("c10/"+record.LevelFile, record.Level{Status: record.Interrupt})
	assert.Equal(t, []string{assumed, "100000 to 5000 tokens/s: the earlier run of x has no finished level."}, dry())

	store("c10/"+record.LevelFile, record.Level{Status: record.Done})
	assert.Equal(t, []string{
		"c10             20          10000           2020   1.6s to 2.5s",
		"Durations are those of the earlier run of x from 2026-03-01 12:00:00, a quarter", // of a line
	}, dry())

	run.Plan.Unstreamed = true
	store(record.RunFile, run)
	assert.Equal(t, []string{assumed, "100000 to 5000 tokens/s: the earlier run of x was not streamed, and tells"}, dry())

	sound := run.Plan
	sound.Unstreamed = false
	for _, other := range []func(*record.Plan){
		func(p *record.Plan) { p.ISL = 501 }, func(p *record.Plan) { p.SeqDist = "5,6" }, func(p *record.Plan) { p.Prefixes.Ratio = 0.5 }, func(p *record.Plan) { p.Input.File = "x" },
	} {
		run.Plan = sound
		other(&run.Plan)
		store(record.RunFile, run)
		assert.Equal(t, []string{assumed, "100000 to 5000 tokens/s: the earlier run of x had another model or other"}, dry())
	}
}

// TestDryRunOverResults: what is there already is why the sweep would be refused, and what -resume leaves out.
func TestDryRunOverResults(t *testing.T) {
	dir := t.TempDir()
	dry := func(args ...string) string {
		var b strings.Builder
		p := planOf(t, nil, append([]string{"-benchmark-name=x", "-endpoint=server", "-output-dir=" + dir, "-concurrencies=3", "-dry-run"}, args...)...)
		require.NoError(t, p.WriteDryRun(&b))
		return strings.Join(strings.Fields(b.String()), " ")
	}
	const refused, kept = "warning: without -dry-run this is refused: benchmark-name \"x\": ", "-resume leaves out those of these levels that are finished"
	for _, args := range [][]string{nil, {"-resume"}, {"-overwrite"}} {
		text := dry(args...)
		assert.NotContains(t, text, "refused")
		assert.NotContains(t, text, kept)
	}
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "x", "c3"), 0o700))
	require.NoError(t, record.WriteJSON(filepath.Join(dir, "x", record.RunFile), record.Run{}))
	assert.NotContains(t, dry(), "refused", "nothing was measured")
	require.NoError(t, record.WriteJSON(filepath.Join(dir, "x", "c3", record.LevelFile), record.Level{Status: record.Done}))
	assert.Contains(t, dry(), refused+filepath.Join(dir, "x")+" holds results already; choose another name or pass -overwrite, or -resume")
	assert.NotContains(t, dry("-overwrite"), "refused")
	resumed := dry("-resume")
	assert.Contains(t, resumed, kept)
	assert.NotContains(t, resumed, "refused")
}

// TestDryRunOfRepeats lists each run, in their order, the one at the end too.
// TestDryRunOfALoad says how many requests the seed chose to be cancelled, and what caps there are.
func TestDryRunOfALoad(t *testing.T) {
	dry := func(args ...string) string {
		var b strings.Builder
		p := planOf(t, nil, append([]string{"-benchmark-name=x", "-endpoint=server", "-output-dir=" + t.TempDir(), "-concurrencies=3", "-request-count=40", "-dry-run"}, args...)...)
		require.NoError(t, p.WriteDryRun(&b))
		return strings.Join(strings.Fields(b.String()), " ")
	}
	assert.Contains(t, dry("-cancel-rate=30", "-cancel-delay=2s"), "14 of 40 measured requests are cancelled 2s after they were sent, if they have not ended by then (-cancel-rate 30)")
	assert.Contains(t, dry("-prefill-concurrency=2"), "At most 2 requests at once are between their start and their first token (-prefill-concurrency)")
	assert.NotContains(t, dry(), "-cancel-rate")
	assert.NotContains(t, dry(), "-prefill-concurrency")
}

func TestDryRunOfRepeats(t *testing.T) {
	var b strings.Builder
	p := planOf(t, nil, "-benchmark-name=x", "-endpoint=server", "-output-dir="+t.TempDir(), "-concurrencies=1,2", "-repeats=2", "-dry-run")
	require.NoError(t, p.WriteDryRun(&b))
	var names []string
	for line := range strings.Lines(b.String()) {
		if strings.HasPrefix(line, "c") {
			names = append(names, strings.Fields(line)[0])
		}
	}
	assert.Equal(t, []string{"c1/run-1", "c2/run-1", "c1/run-2", "c2/run-2", "c1/sentinel"}, names)
	assert.Regexp(t, `\ntotal +50 `, b.String())
	assert.Contains(t, b.String(), "Each level is measured 2 times (-repeats)")
	_, err := resolve(t, nil, "-repeats=0")
	require.ErrorContains(t, err, `repeats "0": must be at least 1`)
}
