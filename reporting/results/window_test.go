package results

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/steady"
)

// TestWindowBehindARamp: the steady window begins when the ramp has ended, however alike the latencies are before; what was reached is of that time.
func TestWindowBehindARamp(t *testing.T) {
	const slots, ramp = 4, int64(100e9)
	var samples []*record.Sample
	for slot := range int64(slots) {
		for at := slot * ramp / (slots - 1); at < 300e9; at += 1e9 {
			samples = append(samples, &record.Sample{
				Index: len(samples), Phase: record.Profiling, Outcome: record.OK, StartNS: at + slot, EndNS: at + slot + 1e9, HeadersNS: record.Never, FirstByteNS: record.Never,
				FinishReason: "length", RequestedOSL: 1, Counted: record.Counted{ISL: 8, OSL: 1, Source: record.FromServer}, ChunksNS: []int64{at + slot + 1e9},
			})
		}
	}
	dir := recordLevel(t, samples)
	for _, filled := range []int64{0, ramp} {
		path := filepath.Join(dir.Path, record.LevelFile)
		var stored record.Level
		require.NoError(t, record.ReadJSON(path, &stored))
		stored.FilledNS = filled
		require.NoError(t, record.WriteJSON(path, &stored))
		l, err := ReadLevel(dir)
		require.NoError(t, err)
		require.Equal(t, steady.Steady, l.Window.Verdict)
		assert.Equal(t, filled > 0, l.Window.StartNS >= ramp, "from %d", l.Window.StartNS)
		assert.Equal(t, filled > 0, l.Load.Reached > 3.99, "%g in flight", l.Load.Reached)
	}
}

// TestPromptsThatTheServerKnew: what to do depends on whose prompts these were; after a resume they are the first attempt's, since nonce and text are.
func TestPromptsThatTheServerKnew(t *testing.T) {
	cache := steady.Cache{Requests: 10, Prompt: 1000, Hits: 300, Unplanned: 300}
	const known = "the server had 30 % of the prompts' tokens in its cache, where 0 % are shared on purpose: it knew prompts of this level, "
	const again, anew = known + "as after a run with the same -nonce; leave -nonce out or start the server anew",
		known + "as those of its attempt before the resume; restart the server before a -resume, or measure anew with -overwrite"
	for name, c := range map[string]struct {
		level record.Level
		want  string
	}{
		"first attempt": {record.Level{}, again},
		"repeated":      {record.Level{Earlier: &record.Earlier{Attempts: 1}}, anew},
		"continued":     {record.Level{Breaks: []record.Break{{}}}, anew},
	} {
		l := &Level{Record: &c.level, Validity: steady.Judge(steady.Facts{Cache: cache})}
		l.Cache = cache
		assert.Contains(t, l.standingWarnings(), c.want, name)
	}
}
